"""evaluation.json, and its figures as a card shows them."""

import json
import math
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from genart_hub.errors import GenartError, first_line, shorten
from genart_hub.hub.cards.markdown import NEAREST

TRAINING, EVALUATION = "training.json", "evaluation.json"  # what `train` and `evaluate --json` leave in a folder
PLUS_MINUS = "±: one standard error, of sampling and not of training: another run of the training may lie further away."
OFTEN = {0.2: "often", 0.05: "sometimes", 0.0: "seldom"}  # from which share of the pictures on


@dataclass(frozen=True)
class Measure:
    """One number. error: its standard error; real, real_error: the same metric for real pictures, where there is one (the floor).

    value: None for what real pictures alone have. copied, copied_error: the metric of pictures that the feature network was trained on.
    protocol: counts, split, resize, feature network, seed.
    """

    name: str
    value: float | None
    error: float | None
    real: float | None
    real_error: float | None
    protocol: str
    metric: str
    copied: float | None = None
    copied_error: float | None = None


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate --json` writes and cards read: the command, and by each model's name its measures, its weights and its training."""

    command: str
    results: dict[str, list[Measure]]
    weights_sha256: dict[str, str | None] = field(default_factory=dict)  # empty: of a version that did not note them
    training: dict[str, dict[str, Any]] = field(default_factory=dict)  # training.json of each
    scores: dict[str, list[float]] = field(default_factory=dict)  # the quantiles of what a discriminator thinks of real pictures

    @property
    def own(self) -> list[Measure]:
        """The measures of the first model, which is the folder's own."""
        return next(iter(self.results.values()), [])

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def of_weights(self, sha256: str, file: Path) -> "Evaluation":
        """The same with the model of these weights first. Raises GenartError where other weights were measured. file: where it lies."""
        if not self.weights_sha256:
            return self
        own = next((name for name, measured in self.weights_sha256.items() if measured == sha256), None)
        if own is None:
            raise GenartError("other_weights_measured", file=str(file))
        return replace(self, results={own: self.results[own]} | self.results)


def read_evaluation(file: Path) -> Evaluation | None:
    """The evaluation in a file, or None where there is none. Raises GenartError for a file that holds something else."""
    if (found := read_json(file)) is None:
        return None
    if not isinstance(found.get("results"), dict):
        raise GenartError("bad_config", file=str(file), reason=GenartError("reason_field", field="results", value="missing"))
    known = [each.name for each in fields(Measure)]
    try:  # a version before may have known fewer of them
        results = {name: [Measure(*map(row.get, known)) for row in rows] for name, rows in found["results"].items()}
    except (TypeError, AttributeError) as error:
        value = shorten(found["results"])
        raise GenartError("bad_config", file=str(file), reason=GenartError("reason_field", field="results", value=value)) from error
    beside = {name: found.get(name) or {} for name in ("weights_sha256", "training", "scores")}
    return Evaluation(found.get("command") or "", results, **beside)


# ---- a card's two halves, and what a stranger's edit leaves of them ----


def model_index(name: str, task: str, pictures: dict[str, str], measures: list[Measure]) -> list[dict[str, Any]]:
    """Results as the Hub reads them."""
    own = [(m, m.value) for m in measures if m.value is not None]
    metrics = [{"type": m.metric, "value": round(value, 4), "name": f"{m.name} ({m.protocol})"} for m, value in own]
    return [{"name": name, "results": [{"task": {"type": task}, "dataset": pictures, "metrics": metrics}]}]


def matrix(results: dict[str, list[Measure]]) -> str:
    """Measures as a Markdown table: a row a metric, a column a model, then real pictures, and copies of training pictures if there are any.

    The last column is the number of the note below the table that says what was measured.
    """
    rows: dict[tuple[str, str], list[Measure | None]] = {}
    for column, measures in enumerate(results.values()):
        for measure in measures:
            row = rows.setdefault((measure.metric, measure.protocol), [None] * len(results))
            row[column] = row[column] or measure
    notes = list(dict.fromkeys(protocol for _, protocol in rows))
    firsts = [next(filter(None, row)) for row in rows.values()]
    beside = ["real"] + ["copied"] * any(first.copied is not None for first in firsts)
    titles = {"real": "real pictures", "copied": "copies"}
    lines = [_row("metric", *results, *(titles[side] for side in beside), "note"), "|" + "---|" * (len(results) + len(beside) + 2)]
    for first, row in zip(firsts, rows.values(), strict=True):
        cells = [_cell(measure, "value", "error") for measure in row] + [_cell(first, side, f"{side}_error") for side in beside]
        lines.append(_row(first.name, *cells, str(notes.index(first.protocol) + 1)))
    return "\n".join([*lines, "", *(f"{k}. {note}" for k, note in enumerate(notes, start=1))])


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(measure: Measure | None, value: str, error: str) -> str:
    return "–" if measure is None or getattr(measure, value) is None else figure(getattr(measure, value), getattr(measure, error))


def results_table(evaluation: Evaluation, title: str = "Results") -> str:
    """The table: the first model measured is the card's own, others stand beside it."""
    text = f"## {title}\n\n```\n{evaluation.command}\n```\n\n{matrix(evaluation.results)}\n\n{PLUS_MINUS}"
    for name in list(evaluation.results)[1:]:
        training = evaluation.training.get(name)
        if training and training.get("command"):
            text += f"\n\n`{name}` is what `{training['command']}` gave, after {training['seconds'] / 60:.0f} minutes."
    return text


def memorisation(measures: list[Measure], nearest: bool) -> list[str]:
    """What the figures of near-copies say, as a section of a card with the picture of the nearest ones; nothing where none were taken."""
    found = {measure.metric: measure for measure in measures}
    if "near_copies_rmse" not in found:
        return []
    shares = [f"{_of_near_copies(found[f'near_copies_{kind.lower()}'])} by {kind}" for kind in ("RMSE", "features")]
    text = f"## Memorisation\n\nNear-copies of training pictures are {shares[0]}, and {shares[1]}."
    if prompted := found.get("near_copies_prompted"):
        value = prompted.value or 0.0
        often = next(word for share, word in OFTEN.items() if value >= share)
        text += f" It {often} redraws the very picture that was prompted: {value:.1%} of its pictures are near-copies of it."
    if nearest:
        text += (
            f"\n\n![Generated pictures and the training pictures nearest to them]({NEAREST})\n\n"
            "Generated pictures stand in rows 1 and 4; below each of them its nearest training picture by RMSE (rows 2 and 5) and by "
            "features (rows 3 and 6). Those of row 1 are nearest to a training picture of all that were measured, those of row 4 are of "
            "the first seeds, whatever they show."
        )
    return [text]


def _of_near_copies(measure: Measure) -> str:
    unseen = "" if measure.real is None else f" (unseen real pictures: {measure.real:.1%})"
    return f"{measure.value:.1%} of its pictures{unseen}"


def figure(value: float, error: float | None = None) -> str:
    """A number as the tables print it: four digits that count, or as many as its standard error has a say in."""
    if error is None or not error > 0:
        return f"{value:.1f}" if abs(value) >= 100 else f"{value:.4g}"
    digits = max(0, 1 - math.floor(math.log10(error)))
    return f"{value:.{digits}f} ± {error:.{digits}f}"


def read_json(file: Path) -> dict[str, Any] | None:
    """A JSON object, or None where there is no such file. Raises GenartError for a file that holds none."""
    if not file.is_file():
        return None
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise GenartError("bad_config", file=str(file), reason=first_line(error)) from error
    if not isinstance(data, dict):
        raise GenartError("bad_config", file=str(file), reason=GenartError("reason_type", type=type(data).__name__))
    return data
