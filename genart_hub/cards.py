"""Model cards that carry evidence: what the model is, its pictures, measured results with their protocol, training, data, limits."""

import hashlib
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors import safe_open
from torch import nn

from genart_hub import images
from genart_hub.errors import GenartError, first_line
from genart_hub.files import replacing, save_tensors, sha256_of

CARD, SAMPLES, NEAREST, GOLDEN = "README.md", "samples.png", "nearest.png", "golden.safetensors"
TRAINING, EVALUATION = "training.json", "evaluation.json"  # what `train` and `evaluate --json` leave in a folder
PLUS_MINUS = "±: one standard error, of sampling and not of training: another run of the training may lie further away."
OFTEN = {0.2: "often", 0.05: "sometimes", 0.0: "seldom"}  # from which share of the pictures on
FAMILIES = ("gan", "vae", "diffusion", "features")


@dataclass(frozen=True)
class Dataset:
    """Where training pictures come from, as a card says it."""

    name: str
    hub_id: str | None
    attribution: str
    subject: dict[str, str]
    limits: str


DATASETS = {
    "mnist": Dataset(
        "MNIST",
        "ylecun/mnist",
        "The MNIST database of handwritten digits, Yann LeCun, Corinna Cortes and Christopher J. C. Burges, CC BY-SA 3.0. "
        "Trained on its 60,000 training pictures as a parquet file (`image`, `label`), measured on 5,000 of its 10,000 test pictures.",
        {"en": "handwritten digits, 28 × 28 px, grey", "zh": "手写数字，28 × 28 像素，灰度"},
        "It knows digits only, small, grey and centred. Some samples are no digit at all: the table says how many are not recognised.",
    ),
    "emoji64": Dataset(
        "emoji64",
        None,
        "Noto Emoji © Google (Apache-2.0); Blobmoji © C1710 and contributors (Apache-2.0); EmojiTwo (CC BY 4.0). Names from "
        "emojibase (MIT) and Unicode CLDR. `genart-hub build-emoji64` makes the dataset from clones of these public repositories: "
        "6,140 training pictures, and 453 test pictures of which neither the concept nor the drawing is among those.",
        {"en": "emoji in three drawing styles, 64 × 64 px, colour", "zh": "三种画风的表情符号，64 × 64 像素，彩色"},
        "It knows emoji only, small and on white, and more than half of them are people.",
    ),
}


def is_generative(model: nn.Module) -> bool:
    return hasattr(model, "sample") and hasattr(model, "latents")


def is_classifier(model: nn.Module) -> bool:
    return getattr(model, "family", None) == "features"


def write_card(
    folder: str | Path, model: nn.Module, name: str, license: str | None = None, dataset: str | None = None, *, title: str | None = None
) -> Path:
    """Write README.md, samples.png and golden.safetensors into a model's folder, from what its training and evaluation left there.

    name: what the model is loaded by: a bundled name, a Hub id or the folder's name. license, dataset: those of the card that is there,
    unless given. title: what the card calls the model (the name). A card that somebody edited keeps its text.
    Raises GenartError where there is no licence at all.
    """
    folder = Path(folder)
    there, license, dataset = known_of(folder, name, license, dataset)
    sha256 = sha256_of(folder / "model.safetensors")
    training, evaluation = read_json(folder / TRAINING), own_first(read_json(folder / EVALUATION), sha256, folder / EVALUATION)
    write_samples(folder, model, name, sha256)
    about, dtypes, nearest = DATASETS.get(dataset), _stored(folder / "model.safetensors"), (folder / NEAREST).is_file()
    text = card(model, name, license, sha256, training, evaluation, about, dtypes, nearest, title=title)
    return replace_card(folder, text, there)


def own_first(evaluation: dict[str, Any] | None, sha256: str, file: Path) -> dict[str, Any] | None:
    """The evaluation with the model of these weights first among its results. Raises GenartError where it measured other weights."""
    if evaluation and not isinstance(evaluation.get("results"), dict):
        raise GenartError("bad_config", file=str(file), reason=GenartError("reason_field", field="results", value="missing"))
    weights = evaluation.get("weights_sha256") if evaluation else None
    if not weights:  # of a version that did not note them
        return evaluation
    own = next((name for name, measured in weights.items() if measured == sha256), None)
    if own is None:
        raise GenartError("other_weights_measured", file=str(file))
    results = evaluation["results"]
    return evaluation | {"results": {own: results[own]} | results}


def known_of(folder: Path, name: str, license: str | None, dataset: str | None) -> tuple[str, str, str | None]:
    """The card that is there, and the licence and dataset: those given, else those that it names."""
    there = _read_text(folder / CARD) if (folder / CARD).is_file() else ""
    before, _ = split(there)
    license = license or before.get("license")
    if not license:
        raise GenartError("no_license", name=name)
    if dataset is None:
        named = _listed(before, "datasets") + _listed(before, "tags")
        dataset = next((key for key, known in DATASETS.items() if known.hub_id in named or f"dataset:{key}" in named), None)
    elif dataset not in DATASETS:
        raise GenartError("not_choice", where="card", name="dataset", choices=", ".join(DATASETS), value=dataset)
    return there, license, dataset


def replace_card(folder: Path, text: str, there: str) -> Path:
    """Write a card over the one that is there, whose own body stays where somebody edited it. Returns its path."""
    with replacing(folder / CARD) as file:
        file.write_text(merge(text, there) if there and was_edited(split(there)[1]) else text, encoding="utf-8")
    return folder / CARD


def write_samples(folder: Path, model: nn.Module, name: str, sha256: str) -> None:
    """The grid that the card shows, and the golden tensors that tests compare with."""
    if is_generative(model):
        n, columns, scale, label = samples_of(model)
        x = model.sample(n, seed=0, label=label)
        picture = images.sheet(x, columns, scale)
        recipe = model.recipe(0, n, label, columns=columns, scale=scale) | {"model": name, "weights_sha256": sha256, "revision": None}
        images.save_png(picture, folder / SAMPLES, recipe)
        z = model.latents(4, seed=0)
        with torch.no_grad():
            golden = {"z": z, "x": model.generate(z)}
    elif is_classifier(model):
        x = torch.rand(4, model.channels, model.image_size, model.image_size, generator=torch.Generator().manual_seed(0)) * 2 - 1
        with torch.no_grad():
            golden = {"x": x, "logits": model(x)}
    else:  # a class of somebody's own: what it does is not known here
        return
    save_tensors({key: value.contiguous() for key, value in golden.items()}, folder / GOLDEN, {"format": "pt"})


def samples_of(model: nn.Module) -> tuple[int, int, int, list[int] | None]:
    """How a card shows a model: how many samples, in how many columns, how much enlarged, and of which classes (one a column)."""
    small = model.image_size <= 32
    classes = getattr(model, "num_classes", 0)
    columns = classes if 4 <= classes <= 16 else 16 if small else 8
    n = 64 // columns * columns
    return n, columns, 2 if small else 1, [k % classes for k in range(n)] if classes else None


def card(
    model: nn.Module,
    name: str,
    license: str,
    sha256: str,
    training: dict[str, Any] | None = None,
    evaluation: dict[str, Any] | None = None,
    dataset: Dataset | None = None,
    dtypes: list[str] | None = None,
    nearest: bool = False,
    *,
    title: str | None = None,
) -> str:
    """The text of a card: metadata, then what a reader wants to know, in the order in which it is asked.

    nearest: whether the picture of the nearest training pictures lies beside it.
    """
    measures = next(iter(evaluation["results"].values())) if evaluation else []
    parts = [f"# {title or name}", _about(model, dataset)]
    if is_generative(model):
        n, *_, label = samples_of(model)
        classes = ", a class a column: " + ", ".join(model.class_names) if label and len(set(label)) <= 16 else ""
        parts.append(f"<Gallery />\n\n![{n} samples, seeds 0 to {n - 1}{classes}]({SAMPLES})")
    parts.append(_use(model, name))
    if evaluation:
        parts.append(results_table(evaluation))
        parts += [*_of_even_classes(measures), *memorisation(measures, nearest)]
    parts.append(_training(model, sha256, training, dtypes or []))
    if dataset:
        parts += [f"## Data\n\n{dataset.attribution}", f"## Limits\n\n{dataset.limits}"]
    return sealed(metadata(model, title or name, license, measures, dataset), parts)


def sealed(data: dict[str, Any], parts: list[str]) -> str:
    """A card of this metadata and these parts of its body, with the comment that tells a later edit."""
    body = "\n\n".join(parts) + "\n"
    return join(data, f"{body}\n{_seal(body)}\n")


# ---- a card's two halves, and what a stranger's edit leaves of them ----


def split(text: str) -> tuple[dict[str, Any], str]:
    """A card's metadata and its body."""
    match = re.match(r"---\s*\n(.*?)\n---\s*\n?", text, flags=re.S)
    try:
        data = yaml.safe_load(match[1]) if match else None
    except yaml.YAMLError:
        data = None
    return (data if isinstance(data, dict) else {}), (text[match.end() :] if match else text)


def join(data: dict[str, Any], body: str) -> str:
    """A card of this metadata and body."""
    front = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=120)
    return f"---\n{front}---\n\n{body.lstrip()}"


def _listed(data: dict[str, Any], key: str) -> list[str]:
    """A field of the metadata that is a list of texts, or, as somebody may write it, one of them."""
    values = data.get(key) or []
    return [str(value) for value in (values if isinstance(values, list) else [values])]


def _seal(body: str) -> str:
    """The comment by which a later push knows whether anybody edited the body."""
    return f"<!-- genart-hub: written by machine, sha256 {hashlib.sha256(body.strip().encode()).hexdigest()} -->"


def was_edited(body: str) -> bool:
    """Whether the body is not as we wrote it."""
    text, comment, rest = body.partition("<!-- genart-hub: written by machine, sha256 ")
    return not comment or bool(rest.partition("-->")[2].strip()) or _seal(text) != (comment + rest).strip()


def merge(ours: str, theirs: str) -> str:
    """The card to push over `theirs`: its own body where somebody edited it, else ours; ours over their metadata, tags of both.

    Their results go in any case: they are those of the weights before.
    """
    if not theirs.strip():
        return ours
    (data, body), (their_data, their_body) = split(ours), split(theirs)
    their_data.pop("model-index", None)
    tags = dict.fromkeys(_listed(data, "tags") + _listed(their_data, "tags"))
    return join(their_data | data | {"tags": list(tags)}, their_body if was_edited(their_body) else body)


def metadata(model: nn.Module, name: str, license: str, measures: list[dict[str, Any]], dataset: Dataset | None) -> dict[str, Any]:
    """What the Hub reads of a card, with the results as a model-index."""
    task = "unconditional-image-generation" if is_generative(model) else "image-classification" if is_classifier(model) else None
    arxiv = getattr(model, "arxiv", None)
    data = {
        "language": ["en", "zh"],
        "license": license,
        "library_name": "genart-hub",
        **({"pipeline_tag": task} if task else {}),
        "tags": ["genart-hub", getattr(model, "family", "custom"), *([f"arxiv:{arxiv}"] if arxiv else [])],
    }
    if getattr(model, "num_classes", 0) and is_generative(model):
        data["tags"].append("class-conditional")
    pictures = {"type": "pictures", "name": dataset.name if dataset else "pictures"}
    if dataset and dataset.hub_id:
        data["datasets"] = [dataset.hub_id]
        pictures["type"] = dataset.hub_id
    elif dataset:
        data["tags"].append(f"dataset:{dataset.name}")
    if is_generative(model):
        data["widget"] = [{"text": f"seeds 0 to {samples_of(model)[0] - 1}", "output": {"url": SAMPLES}}]
    if measures and task:
        data["model-index"] = model_index(name, task, pictures, measures)
    return data


def model_index(name: str, task: str, pictures: dict[str, str], measures: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Results as the Hub reads them."""
    own = [m for m in measures if m["value"] is not None]
    metrics = [{"type": m["metric"], "value": round(m["value"], 4), "name": f"{m['name']} ({m['protocol']})"} for m in own]
    return [{"name": name, "results": [{"task": {"type": task}, "dataset": pictures, "metrics": metrics}]}]


def _about(model: nn.Module, dataset: Dataset | None) -> str:
    about = getattr(model, "about", {})
    lines = []
    for lang, trained in (("en", " Trained on {}."), ("zh", "训练数据：{}。")):
        if lang in about:
            lines.append(about[lang] + (trained.format(dataset.subject[lang]) if dataset else ""))
    return "\n\n".join(lines)


def place(name: str, bundled: str = "{}") -> str:
    """How code names a model, in quotes: a Hub id or a bundled name as it is, any other folder as one beside the program."""
    from genart_hub.hub import bundled_folder

    told = name if "/" in name else bundled.format(name) if bundled_folder(name) else f"./{name}"
    return json.dumps(told, ensure_ascii=False)


def install(name: str) -> str:
    """The line that a reader on the Hub needs first; nothing for a folder."""
    return "```bash\npip install genart-hub\n```\n\n" if "/" in name else ""


def _use(model: nn.Module, name: str) -> str:
    """Code that runs as it stands, but for a class of somebody's own, whose code the reader must have."""
    from genart_hub.models import MODELS

    own, cls = MODELS.get(type(model).__name__) is not type(model), type(model)
    lines, note, loaded = ["import genart_hub"], "", f"genart_hub.from_pretrained({place(name)})"
    if own:
        module = "" if cls.__module__ == "__main__" else f"from {cls.__module__} import {cls.__name__}"
        note = f"`{cls.__name__}` is a class of its author's own, whose code does not come with the weights. With it at hand:\n\n"
        lines, loaded = [module] if module else [], f"{cls.__name__}.from_pretrained({place(name)})"
    if is_generative(model):
        lines = [*lines, "from genart_hub import images"]
        call = f"images.grid({loaded}.sample(16, seed=0)).show()"
    elif is_classifier(model):
        call = f"{loaded}.features(x)  # x: (B, {model.channels}, {model.image_size}, {model.image_size}) in [-1, 1]"
    else:
        call = f"model = {loaded}"
    code = "\n".join([*lines, *([""] if lines else []), call])
    return f"## Use\n\n{note}{install(name)}```python\n{code}\n```"


def matrix(results: dict[str, list[dict[str, Any]]]) -> str:
    """Measures as a Markdown table: a row a metric, a column a model, then real pictures, and copies of training pictures if there are any.

    The last column is the number of the note below the table that says what was measured.
    """
    rows: dict[tuple[str, str], list[dict[str, Any] | None]] = {}
    for column, measures in enumerate(results.values()):
        for measure in measures:
            row = rows.setdefault((measure["metric"], measure["protocol"]), [None] * len(results))
            row[column] = row[column] or measure
    notes = list(dict.fromkeys(protocol for _, protocol in rows))
    firsts = [next(filter(None, row)) for row in rows.values()]
    beside = ["real"] + ["copied"] * any(first.get("copied") is not None for first in firsts)
    titles = {"real": "real pictures", "copied": "copies"}
    lines = [_row("metric", *results, *map(titles.get, beside), "note"), "|" + "---|" * (len(results) + len(beside) + 2)]
    for first, row in zip(firsts, rows.values(), strict=True):
        cells = [_cell(measure, "value", "error") for measure in row] + [_cell(first, side, f"{side}_error") for side in beside]
        lines.append(_row(first["name"], *cells, str(notes.index(first["protocol"]) + 1)))
    return "\n".join([*lines, "", *(f"{k}. {note}" for k, note in enumerate(notes, start=1))])


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(measure: dict[str, Any] | None, value: str, error: str) -> str:
    return "–" if measure is None or measure.get(value) is None else figure(measure[value], measure.get(error))


def results_table(evaluation: dict[str, Any], title: str = "Results") -> str:
    """The table: the first model measured is the card's own, others stand beside it."""
    results = evaluation["results"]
    text = f"## {title}\n\n```\n{evaluation['command']}\n```\n\n{matrix(results)}\n\n{PLUS_MINUS}"
    for name in list(results)[1:]:
        training = evaluation.get("training", {}).get(name)
        if training and training.get("command"):
            text += f"\n\n`{name}` is what `{training['command']}` gave, after {training['seconds'] / 60:.0f} minutes."
    return text


def _of_even_classes(measures: list[dict[str, Any]]) -> list[str]:
    """What `sample` without a class is as far away as, where the real classes are uneven; nothing where that was not measured."""
    found = {measure["metric"]: _cell(measure, "value", "error") for measure in measures}
    if "frechet_even" not in found:
        return []
    return [
        f"Where no class is named, `sample` draws all classes equally often: the Fréchet distance is then {found['frechet_even']}, and "
        f"{found['frechet']} where they are as common as among the real pictures."
    ]


def memorisation(measures: list[dict[str, Any]], nearest: bool) -> list[str]:
    """What the figures of near-copies say, as a section of a card with the picture of the nearest ones; nothing where none were taken."""
    found = {measure["metric"]: measure for measure in measures}
    if "near_copies_rmse" not in found:
        return []
    shares = [f"{_of_near_copies(found[f'near_copies_{kind.lower()}'])} by {kind}" for kind in ("RMSE", "features")]
    text = f"## Memorisation\n\nNear-copies of training pictures are {shares[0]}, and {shares[1]}."
    if prompted := found.get("near_copies_prompted"):
        often = next(word for share, word in OFTEN.items() if prompted["value"] >= share)
        text += f" It {often} redraws the very picture that was prompted: {prompted['value']:.1%} of its pictures are near-copies of it."
    if nearest:
        text += (
            f"\n\n![Generated pictures and the training pictures nearest to them]({NEAREST})\n\n"
            "Generated pictures stand in rows 1 and 4; below each of them its nearest training picture by RMSE (rows 2 and 5) and by "
            "features (rows 3 and 6). Those of row 1 are nearest to a training picture of all that were measured, those of row 4 are of "
            "the first seeds, whatever they show."
        )
    return [text]


def _of_near_copies(measure: dict[str, Any]) -> str:
    unseen = "" if measure["real"] is None else f" (unseen real pictures: {measure['real']:.1%})"
    return f"{measure['value']:.1%} of its pictures{unseen}"


def _stored(file: Path) -> list[str]:
    """The floating-point types of a safetensors file."""
    with safe_open(file, framework="pt") as saved:
        types = {saved.get_slice(key).get_dtype() for key in saved.keys()}
    return sorted({"F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64"}[name] for name in types if "F" in name)


def _training(model: nn.Module, sha256: str, training: dict[str, Any] | None, dtypes: list[str]) -> str:
    lines = ["## Training"]
    if training:
        best = training.get("best")
        lines += [f"```\n{training['command']}\n```"] if training["command"] else []
        lines += [
            course(training)
            + (f" The best state on the way was that of step {best['step']:,}." if best and best["step"] != training["steps"] else ""),
            "Recipe: " + ", ".join(f"{key} {value}" for key, value in training["recipe"].items()) + ".",
        ]
        lines += [training["note"]] if training.get("note") else []
    count = sum(p.numel() for p in model.parameters())
    arguments = ", ".join(f"{key}={_brief(value)}" for key, value in model._arguments.items())
    stored = f" in {' and '.join(dtypes)}" if dtypes and dtypes != ["float32"] else ""
    lines.append(f"`{type(model).__name__}({arguments})`, {count:,} parameters. `model.safetensors`{stored} has sha256 `{sha256}`.")
    return "\n\n".join(lines)


def course(training: dict[str, Any]) -> str:
    """How a training went: its pictures, steps and minutes, and on what."""
    file = f"`{training['file']}`" + (f" (sha256 `{training['file_sha256']}`)" if training["file_sha256"] else "")
    return (
        f"{training['pictures']:,} pictures of {file}; {training['steps']:,} steps in {training['seconds'] / 60:.0f} minutes on "
        f"{training['device']} ({_machine(training)}torch {training['torch']})."
    )


def _machine(training: dict[str, Any]) -> str:
    """How many processes and threads, and in which precision, where it is not the usual one."""
    processes, precision = training.get("processes", 1), training.get("precision", "no")
    parts = [f"{processes} processes"] if processes > 1 else []
    parts += [f"{training['threads']} thread{'s' if training['threads'] > 1 else ''}"]
    parts += [precision] if precision != "no" else []
    return "".join(f"{part}, " for part in parts)


def _brief(value: object) -> str:
    """An argument as a card prints it: a long list by its length."""
    return f"[{len(value)} names]" if isinstance(value, list | tuple) and len(value) > 10 else repr(value)


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


def _read_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise GenartError("bad_card", file=str(file), reason=first_line(error)) from error
