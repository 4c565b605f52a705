"""Model cards that carry evidence: what the model is, its pictures, measured results with their protocol, training, data, limits."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors import safe_open

from genart_hub.files import sha256_of
from genart_hub.hub.cards.ablation import ablation
from genart_hub.hub.cards.datasets import DATASETS, Dataset
from genart_hub.hub.cards.markdown import NEAREST, SAMPLES, install, known_of, place, replace_card, sealed
from genart_hub.hub.cards.shown import SHOWN, Shown, gallery, widget
from genart_hub.hub.cards.tables import (
    EVALUATION,
    TRAINING,
    Evaluation,
    Measure,
    _cell,
    memorisation,
    model_index,
    read_evaluation,
    read_json,
    results_table,
)
from genart_hub.hub.described import described, num_parameters


def write_card(
    folder: str | Path, model: Any, name: str, license: str | None = None, dataset: str | None = None, *, title: str | None = None
) -> Path:
    """Write README.md, samples.png and golden.safetensors into a model's folder, from what its training and evaluation left there.

    name: what the model is loaded by: a bundled name, a Hub id or the folder's name. license, dataset: those of the card that is there,
    unless given. title: what the card calls the model (the name). A card that somebody edited keeps its text.
    Raises GenartError where there is no licence at all.
    """
    folder = Path(folder)
    there, license, dataset = known_of(folder, name, license, dataset)
    sha256 = sha256_of(folder / "model.safetensors")
    training, evaluation = read_json(folder / TRAINING), read_evaluation(folder / EVALUATION)
    evaluation = evaluation and evaluation.of_weights(sha256, folder / EVALUATION)
    described(model).write_pictures(folder, name, dataset)
    about, dtypes, nearest = DATASETS.get(dataset or ""), stored(folder / "model.safetensors"), (folder / NEAREST).is_file()
    text = card(model, name, license, sha256, training, evaluation, about, dtypes, nearest, title=title, more=ablation(folder))
    return replace_card(folder, text, there)


def shown_of(model: Any, dataset: Dataset | None) -> Shown | None:
    """The words that the card of a model that reads them shows."""
    return SHOWN.get(dataset.name) if dataset and described(model).prompted else None


def _samples_alone(model: Any) -> bool:
    """Whether a card can show samples that nothing was said for."""
    return described(model).inputs is not None and not described(model).prompted


def samples_of(model: Any) -> tuple[int, int, int, list[int] | None]:
    """How a card shows a model: how many samples, in how many columns, how much enlarged, and of which classes (one a column)."""
    small = model.image_size <= 32
    classes = described(model).num_classes
    columns = classes if 4 <= classes <= 16 else 16 if small else 8
    n = 64 // columns * columns
    return n, columns, 2 if small else 1, [k % classes for k in range(n)] if classes else None


def card(
    model: Any,
    name: str,
    license: str,
    sha256: str,
    training: dict[str, Any] | None = None,
    evaluation: Evaluation | None = None,
    dataset: Dataset | None = None,
    dtypes: list[str] | None = None,
    nearest: bool = False,
    *,
    title: str | None = None,
    more: Sequence[str] = (),
) -> str:
    """The text of a card: metadata, then what a reader wants to know, in the order in which it is asked.

    nearest: whether the picture of the nearest training pictures lies beside it. more: sections that follow the results.
    """
    measures = evaluation.own if evaluation else []
    parts, words = [f"# {title or name}", _about(model, dataset)], shown_of(model, dataset)
    if words:
        parts.append(gallery(words))
    elif _samples_alone(model):
        n, *_, label = samples_of(model)
        classes = ", a class a column: " + ", ".join(model.class_names) if label and len(set(label)) <= 16 else ""
        parts.append(f"<Gallery />\n\n![{n} samples, seeds 0 to {n - 1}{classes}]({SAMPLES})")
    parts.append(_use(model, name))
    if evaluation:
        parts.append(results_table(evaluation))
        parts += [*_of_even_classes(measures), *memorisation(measures, nearest)]
    parts += more
    parts.append(_training(model, sha256, training, dtypes or []))
    if dataset:
        parts += [f"## Data\n\n{dataset.attribution}", f"## Limits\n\n{dataset.limits}"]
    return sealed(metadata(model, title or name, license, measures, dataset), parts)


# ---- a card's two halves, and what a stranger's edit leaves of them ----


def metadata(model: Any, name: str, license: str, measures: list[Measure], dataset: Dataset | None) -> dict[str, Any]:
    """What the Hub reads of a card, with the results as a model-index."""
    of, words = described(model), shown_of(model, dataset)
    data: dict[str, Any] = {
        "language": ["en", "zh"],
        "license": license,
        "library_name": "genart-hub",
        **({"pipeline_tag": of.task} if of.task else {}),
        "tags": ["genart-hub", model.family, *([f"arxiv:{of.arxiv}"] if of.arxiv else [])],
    }
    if "label" in (of.inputs or ()):
        data["tags"].append("class-conditional")
    pictures = {"type": "pictures", "name": dataset.name if dataset else "pictures"}
    if dataset and dataset.hub_id:
        data["datasets"] = [dataset.hub_id]
        pictures["type"] = dataset.hub_id
    elif dataset:
        data["tags"].append(f"dataset:{dataset.name}")
    if words:
        data["widget"] = widget(words)
    elif _samples_alone(model):
        data["widget"] = [{"text": f"seeds 0 to {samples_of(model)[0] - 1}", "output": {"url": SAMPLES}}]
    if measures and of.task:
        data["model-index"] = model_index(name, of.task, pictures, measures)
    return data


def _about(model: Any, dataset: Dataset | None) -> str:
    about, lines = described(model).about, []
    for lang, trained in (("en", " Trained on {}."), ("zh", "训练数据：{}。")):
        if lang in about:
            lines.append(about[lang] + (trained.format(dataset.subject[lang]) if dataset else ""))
    return "\n\n".join(lines)


def _use(model: Any, name: str) -> str:
    """Code that runs as it stands, but for a class of somebody's own, whose code the reader must have."""
    cls = type(model)
    own = not cls.__module__.startswith("genart_hub.")
    lines, note, loaded = ["import genart_hub"], "", f"genart_hub.from_pretrained({place(name)})"
    if own:
        module = "" if cls.__module__ == "__main__" else f"from {cls.__module__} import {cls.__name__}"
        note = f"`{cls.__name__}` is a class of its author's own, whose code does not come with the weights. With it at hand:\n\n"
        lines, loaded = [module] if module else [], f"{cls.__name__}.from_pretrained({place(name)})"
    lines += described(model).usage(loaded)
    code = "\n".join(lines).strip()
    return f"## Use\n\n{note}{install(name)}```python\n{code}\n```"


def _of_even_classes(measures: list[Measure]) -> list[str]:
    """What `sample` without a class is as far away as, where the real classes are uneven; nothing where that was not measured."""
    found = {measure.metric: _cell(measure, "value", "error") for measure in measures}
    if "frechet_even" not in found:
        return []
    return [
        f"Where no class is named, `sample` draws all classes equally often: the Fréchet distance is then {found['frechet_even']}, and "
        f"{found['frechet']} where they are as common as among the real pictures."
    ]


def stored(file: Path) -> list[str]:
    """The floating-point types of a safetensors file."""
    with safe_open(file, framework="pt") as saved:
        types = {saved.get_slice(key).get_dtype() for key in saved.keys()}
    return sorted({"F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64"}[name] for name in types if "F" in name)


def _prior(about: Any) -> list[str]:
    """How a prior was fitted to the trained model, if one was."""
    if not isinstance(about, dict) or "components" not in about:
        return []
    what = f"Afterwards a mixture of {about['components']} Gaussians was fitted to the latents of the training pictures, as its prior"
    return [f'{what} (Ghosh et al. 2020); `sample(n, seed, prior="normal")` draws as before:', f"```\n{about.get('command')}\n```"]


def _training(model: Any, sha256: str, training: dict[str, Any] | None, dtypes: list[str]) -> str:
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
        lines += _prior(training.get("prior"))
    arguments = ", ".join(f"{key}={_brief(value)}" for key, value in model._arguments.items())
    stored = f" in {' and '.join(dtypes)}" if dtypes and dtypes != ["float32"] else ""
    lines.append(
        f"`{type(model).__name__}({arguments})`, {num_parameters(model):,} parameters. `model.safetensors`{stored} has sha256 `{sha256}`."
    )
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
