"""What an answer cost and how good its model is: table rows, cards."""

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from genart_hub.evaluate.costs import Costs
from genart_hub.hub.cards.tables import EVALUATION, read_evaluation
from genart_hub.hub.described import name_of, num_parameters, weight_files
from genart_hub.hub.locate import bundled_folder
from genart_hub.models.stable_diffusion import Estimate
from genart_hub.ui import texts
from genart_hub.ui.scatter import duration

MOMENTS = 8  # pictures of a strip from noise to picture
BAR = 20  # characters of the status line's bar
METRICS = ("precision", "recall", "coverage")


def estimated(lang: str, estimate: Estimate) -> str:
    """What a big pipeline would take of this machine, in a sentence or two."""
    size = texts.say(lang, "big_download", size=f"{estimate.download_bytes / 1e9:.1f}") if estimate.download_bytes else ""
    size = size or texts.say(lang, "big_here")
    memory = {"need": f"{estimate.memory_bytes / 1e9:.1f}", "free": f"{estimate.free_bytes / 1e9:.1f}"}
    seconds = estimate.seconds_per_picture
    took = "" if seconds is None else texts.say(lang, "big_seconds", time=duration(lang, seconds))
    warning = texts.say(lang, "big_tight") if estimate.memory_bytes > estimate.free_bytes else ""
    parts = (f"**{estimate.name}**", size, texts.say(lang, "big_memory", **memory), took, warning)
    return (" " if lang == "en" else "").join(part for part in parts if part)


def at_step(lang: str, name: str, step: int, num_steps: int, n: int = 1) -> str:
    """The status line while a pipeline draws n pictures, with a bar."""
    return bar(step, num_steps) + " " + texts.say(lang, "at_step", model=name, n=n, step=step, steps=num_steps)


def bar(step: int, num_steps: int) -> str:
    """How far something has come, in characters."""
    full = round(BAR * step / num_steps)
    return "▰" * full + "▱" * (BAR - full)


def moments_of(num_steps: int) -> set[int]:
    """The steps that a strip shows: pure noise, the finished picture, and others evenly between."""
    count = min(MOMENTS, num_steps + 1)
    return {round(k * num_steps / (count - 1)) for k in range(count)}


def evaluation(name: str) -> dict[str, tuple[Any, float | None]]:
    """A bundled model's measured figures, by metric: its value, and that of real pictures."""
    file = (bundled_folder(name) or Path()) / EVALUATION
    found = read_evaluation(file)
    return {measure.metric: (measure.value, measure.real) for measure in found.results.get(name, [])} if found else {}


def real_scores(model: Any) -> list[float]:
    """The quantiles of what a bundled model's discriminator thinks of real pictures; empty where they were not measured."""
    name = name_of(model)
    found = read_evaluation((bundled_folder(name) or Path()) / EVALUATION) if model.scores and bundled_folder(name) else None
    if found is None or found.weights_sha256.get(name, model.source.sha256) != model.source.sha256:
        return []
    return found.scores.get(name, [])


def told(lang: str, model: Any) -> str:
    """What the model can be told of the picture that is wanted."""
    return texts.say(lang, told_key(model.inputs, model.class_names))


def told_key(inputs: Sequence[str], classes: Sequence[str]) -> str:
    """The text for what a model of these inputs and classes can be told."""
    return "told_text" if "prompt" in inputs else "told_class" if classes else "told_nothing"


def megabytes_of(model: Any) -> float:
    """The model's weights on disk."""
    return sum(file.stat().st_size for file in weight_files(model)) / 1e6


def figures(lang: str, name: str, model: Any, n: int, seconds: float, cost: Costs, measured: dict) -> list[Any]:
    """A row of the table: what an answer cost, how big the model is, and how good."""
    size = f"{model.image_size}×{model.image_size}×{model.channels}"
    return [
        name,
        float(f"{seconds:.3g}"),
        float(f"{n / seconds:.3g}"),
        f"{num_parameters(model):,}",
        size,
        round(megabytes_of(model), 2),
        short(cost.multiply_adds),
        round(cost.peak_memory / 1e6, 1),
        told(lang, model),
        round(measured["frechet"][0], 2) if "frechet" in measured else None,
    ]


def card(lang: str, name: str, model: Any, n: int, seconds: float, cost: Costs, measured: dict, big: bool = False) -> str:
    """The same for a person: a few lines of HTML."""
    rows = [
        ("card_time", duration(lang, seconds / n), texts.say(lang, "card_rate", rate=f"{float(f'{n / seconds:.3g}'):,g}")),
        ("card_size", short(num_parameters(model)), texts.say(lang, "card_disk", megabytes=f"{megabytes_of(model):,.1f}")),
        ("card_work", short(cost.multiply_adds), texts.say(lang, "card_a_picture")),
        ("card_memory", f"{cost.peak_memory / 1e6:,.0f} MB", texts.say(lang, "card_at_most")),
    ]
    if "frechet" in measured:
        value, floor = measured["frechet"]
        beside = "" if floor is None else texts.say(lang, "card_floor", floor=f"{floor:.3g}")
        rows.append(("card_frechet", f"{value:.3g}", beside))
    rows += [
        (f"card_{metric}", f"{measured[metric][0]:.0%}", texts.say(lang, f"card_{metric}_is")) for metric in METRICS if metric in measured
    ]
    if big:
        rows.append(("card_frechet", "–", texts.say(lang, "card_not_measured")))
    lines = "".join(f"<tr><th>{texts.say(lang, key)}</th><td><b>{value}</b> <span>{beside}</span></td></tr>" for key, value, beside in rows)
    return f'<div class="card"><h4>{html.escape(name)}</h4><p class="told">{told(lang, model)}</p><table>{lines}</table></div>'


def short(count: int) -> str:
    """A large number, such as 12.3 M."""
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return str(count)
