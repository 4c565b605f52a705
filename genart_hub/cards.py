"""Model cards that carry evidence: what the model is, its pictures, measured results with their protocol, training, data, limits."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import EvalResult, ModelCardData
from safetensors.torch import save_file

from genart_hub import images, remake
from genart_hub.errors import GenartError, first_line
from genart_hub.evaluate import figure
from genart_hub.files import replacing, sha256_of
from genart_hub.hub import HubModel
from genart_hub.models.base import Generative
from genart_hub.train.recipes import TRAINING

CARD, SAMPLES, GOLDEN, EVALUATION = "README.md", "samples.png", "golden.safetensors", "evaluation.json"


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
        "Trained on its 60,000 training pictures as a parquet file (`image`, `label`).",
        {"en": "handwritten digits, 28 × 28 px, grey", "zh": "手写数字，28 × 28 像素，灰度"},
        "It knows digits only, small, grey and centred. Some samples are no digit at all: the table says how many are not recognised.",
    )
}


def write_card(folder: str | Path, model: HubModel, name: str, license: str, dataset: str | None = None) -> Path:
    """Write README.md, samples.png and golden.safetensors into a model's folder, from what its training and evaluation left there."""
    folder = Path(folder)
    training, evaluation = _read(folder / TRAINING), _read(folder / EVALUATION)
    write_samples(folder, model)
    text = card(model, name, license, sha256_of(folder / "model.safetensors"), training, evaluation, DATASETS.get(dataset))
    with replacing(folder / CARD) as file:
        file.write_text(text, encoding="utf-8")
    return folder / CARD


def write_samples(folder: Path, model: HubModel) -> None:
    """The grid that the card shows, and the golden tensors that tests compare with."""
    if isinstance(model, Generative):
        x = model.sample(64, seed=0)
        picture = remake.picture_of(x, columns=16, scale=2)
        images.save_png(picture, folder / SAMPLES, model.recipe(0, 64, columns=16, scale=2))
        z = model.latents(4, seed=0)
        with torch.no_grad():
            golden = {"z": z, "x": model.generate(z)}
    else:
        x = torch.rand(4, model.channels, model.image_size, model.image_size, generator=torch.Generator().manual_seed(0)) * 2 - 1
        with torch.no_grad():
            golden = {"x": x, "logits": model(x)}
    with replacing(folder / GOLDEN) as file:
        save_file({key: value.contiguous() for key, value in golden.items()}, file, metadata={"format": "pt"})


def card(
    model: HubModel,
    name: str,
    license: str,
    sha256: str,
    training: dict[str, Any] | None = None,
    evaluation: dict[str, Any] | None = None,
    dataset: Dataset | None = None,
) -> str:
    """The text of a card: metadata, then what a reader wants to know, in the order in which it is asked."""
    own = name.rpartition("/")[2]
    measures = (evaluation or {}).get("results", {}).get(own, [])
    parts = [f"# {name}", _about(model, dataset)]
    if isinstance(model, Generative):
        parts.append(f"<Gallery />\n\n![64 samples, seeds 0 to 63]({SAMPLES})")
    parts.append(_use(model, name))
    if evaluation:
        parts.append(_results(own, evaluation))
    parts.append(_training(model, sha256, training))
    if dataset:
        parts += [f"## Data\n\n{dataset.attribution}", f"## Limits\n\n{dataset.limits}"]
    return f"---\n{metadata(model, name, license, measures, dataset)}\n---\n\n" + "\n\n".join(parts) + "\n"


def metadata(model: HubModel, name: str, license: str, measures: list[dict[str, Any]], dataset: Dataset | None) -> str:
    """The YAML that the Hub reads, with the results as a model-index."""
    generative = isinstance(model, Generative)
    task = "unconditional-image-generation" if generative else "image-classification"
    tags = ["genart-hub", model.family, *([f"arxiv:{model.arxiv}"] if model.arxiv else [])]
    results = [
        EvalResult(
            task_type=task,
            dataset_type=dataset.hub_id if dataset and dataset.hub_id else "pictures",
            dataset_name=dataset.name if dataset else "pictures",
            metric_type=m["metric"],
            metric_name=f"{m['name']} ({m['protocol']})",
            metric_value=round(m["value"], 4),
        )
        for m in measures
    ]
    data = ModelCardData(
        language=["en", "zh"],
        license=license,
        library_name="genart-hub",
        pipeline_tag=task,
        tags=tags,
        datasets=[dataset.hub_id] if dataset and dataset.hub_id else None,
        widget=[{"text": "seeds 0 to 63", "output": {"url": SAMPLES}}] if generative else None,
        model_name=name if results else None,
        eval_results=results or None,
    )
    return data.to_yaml()


def _about(model: HubModel, dataset: Dataset | None) -> str:
    about = getattr(model, "about", {})
    lines = []
    for lang, trained in (("en", " Trained on {}."), ("zh", "训练数据：{}。")):
        if lang in about:
            lines.append(about[lang] + (trained.format(dataset.subject[lang]) if dataset else ""))
    return "\n\n".join(lines)


def _use(model: HubModel, name: str) -> str:
    if isinstance(model, Generative):
        call = f'images.grid(genart_hub.from_pretrained("{name}").sample(16, seed=0)).show()'
        return f"## Use\n\n```python\nimport genart_hub\nfrom genart_hub import images\n\n{call}\n```"
    call = f'genart_hub.from_pretrained("{name}").features(x)  # x: (B, {model.channels}, {model.image_size}, {model.image_size})'
    return f"## Use\n\n```python\nimport genart_hub\n\n{call} in [-1, 1]\n```"


def _results(own: str, evaluation: dict[str, Any]) -> str:
    results = evaluation["results"]
    columns = [own, *(name for name in results if name != own)]
    lines = ["| metric | " + " | ".join(columns) + " | real pictures | protocol |", "|" + "---|" * (len(columns) + 3)]
    for measure in results[own]:
        cells = []
        for column in columns:
            value = next((m["value"] for m in results[column] if m["metric"] == measure["metric"]), None)
            cells.append("–" if value is None else figure(value))
        real = "–" if measure["real"] is None else figure(measure["real"])
        lines.append(f"| {measure['name']} | {' | '.join(cells)} | {real} | {measure['protocol']} |")
    text = f"## Results\n\n```\n{evaluation['command']}\n```\n\n" + "\n".join(lines)
    for name in columns[1:]:
        training = evaluation.get("training", {}).get(name)
        if training:
            text += f"\n\n`{name}` is what `{training['command']}` gave, after {training['seconds'] / 60:.0f} minutes."
    return text


def _training(model: HubModel, sha256: str, training: dict[str, Any] | None) -> str:
    lines = ["## Training"]
    if training:
        minutes = training["seconds"] / 60
        file = f"`{training['file']}`" + (f" (sha256 `{training['file_sha256']}`)" if training["file_sha256"] else "")
        lines += [
            f"```\n{training['command']}\n```",
            f"{training['pictures']:,} pictures of {file}; {training['steps']:,} steps in {minutes:.0f} minutes on "
            f"{training['device']} ({training['threads']} threads, torch {training['torch']}).",
            "Recipe: " + ", ".join(f"{key} {value}" for key, value in training["recipe"].items()) + ".",
        ]
    count = sum(p.numel() for p in model.parameters())
    arguments = ", ".join(f"{key}={value!r}" for key, value in model.config.items())
    lines.append(f"`{type(model).__name__}({arguments})`, {count:,} parameters. `model.safetensors` has sha256 `{sha256}`.")
    return "\n\n".join(lines)


def _read(file: Path) -> dict[str, Any] | None:
    if not file.is_file():
        return None
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise GenartError("bad_config", file=str(file), reason=first_line(error)) from error
