"""Cards of text-to-image pipelines: pictures of prompts that were trained on and of ones that were not, and how to use them anywhere."""

import re
from pathlib import Path
from typing import Any

from genart_hub.files import sha256_of
from genart_hub.hub.cards import markdown, models, tables
from genart_hub.hub.cards.datasets import DATASETS, Dataset
from genart_hub.hub.cards.markdown import NEAREST, SAMPLES
from genart_hub.hub.cards.shown import SHOWN, Shown, gallery, widget
from genart_hub.hub.cards.tables import EVALUATION, TRAINING
from genart_hub.hub.client import weight_files
from genart_hub.hub.names import PIPELINE

SCHEDULERS = "schedulers.json"
SWEEPS: dict[str, str] = {"steps.json": "More and fewer steps", "guidance.json": "More and less guidance"}  # what `evaluate --json` wrote
ENOUGH = 3000  # pictures, from which on a Fréchet distance is hardly biased
FAR = 0.1  # RMSE to the own scheduler's pictures
TASK = "text-to-image"
TOLD = ("epochs", "batch_size", "lr", "betas", "ema", "schedule", "warmup", "flip")  # of a stage's recipe: the rest is of other families


ABOUT = (
    "Latent diffusion in small: an autoencoder makes pictures into latents of 1/8 of their side, a text encoder reads the prompt, and a "
    "UNet turns noise into latents of what the prompt says, a step at a time. It is a diffusers `StableDiffusionPipeline`.",
    "小型潜在扩散模型：自编码器把图片变成边长为其 1/8 的潜在表示，文本编码器读取提示词，UNet 再把噪声一步步变成"
    "提示词所说内容的潜在表示。它是一个 diffusers 的 `StableDiffusionPipeline`。",
)


def write_card(
    folder: str | Path,
    model: Any,
    name: str,
    license: str | None = None,
    dataset: str | None = None,
    *,
    title: str | None = None,
) -> Path:
    """Write README.md, samples.png, unseen.png and golden.safetensors into a pipeline's folder, from what training and evaluation left.

    license, dataset: as for `cards.write_card`. The pictures are those of a dataset whose names are known (SHOWN).
    """
    folder = Path(folder)
    known = markdown.known_of(folder, name, license, dataset)  # a missing licence is told before minutes of pictures
    model.write_pictures(folder, name, known[2])
    return write_text(folder, model, name, *known, title=title)


def write_text(folder: Path, model: Any, name: str, there: str, license: str, dataset: str | None, *, title: str | None = None) -> Path:
    """README.md alone. there: the card before, whose body stays where somebody edited it."""
    reports: dict[str, Any] = {file: tables.read_json(folder / file) for file in (TRAINING, SCHEDULERS)}
    reports |= {file: tables.read_evaluation(folder / file) for file in (EVALUATION, *SWEEPS)}
    shown = SHOWN.get(dataset or "") if (folder / SAMPLES).is_file() else None
    nearest = (folder / NEAREST).is_file()
    text = card(model, name, license, hashes(folder), reports, DATASETS.get(dataset or ""), shown, nearest, title=title)
    return markdown.replace_card(folder, text, there)


def components(folder: Path) -> list[str]:
    """The folders of a pipeline's components, as its model_index.json names them."""
    index = tables.read_json(folder / PIPELINE) or {}
    return [name for name, part in index.items() if isinstance(part, list) and part[0] and (folder / name).is_dir()]


def weights_of(folder: Path) -> list[str]:
    """The weight files of a pipeline's components, as paths within its folder."""
    return sorted(weight_files((file.relative_to(folder).as_posix() for file in folder.glob("*/*.safetensors")), components(folder)))


def hashes(folder: Path) -> list[tuple[str, int, str]]:
    """The path, bytes and sha256 of each of these."""
    return [(name, (folder / name).stat().st_size, sha256_of(folder / name)) for name in weights_of(folder)]


def card(
    model: Any,
    name: str,
    license: str,
    files: list[tuple[str, int, str]],
    reports: dict[str, Any],
    dataset: Dataset | None = None,
    shown: Shown | None = None,
    nearest: bool = False,
    *,
    title: str | None = None,
) -> str:
    """The text of a card. files: path, bytes and sha256 of the weights. reports: by file name, what training and evaluation left.

    nearest: whether the picture of the nearest training pictures lies beside it.
    """
    evaluation = reports.get(EVALUATION)
    measures = evaluation.own if evaluation else []
    parts = [f"# {title or name}", _about(dataset)]
    if shown:
        parts.append(gallery(shown))
    parts.append(_use(model, name, shown.known[0] if shown else "a picture"))
    if evaluation:
        parts.append(tables.results_table(evaluation))
        parts += tables.memorisation(measures, nearest)
    parts += [tables.results_table(report, title) + _of_few(report) for file, title in SWEEPS.items() if (report := reports.get(file))]
    if schedulers := reports.get(SCHEDULERS):
        parts.append(_schedulers(schedulers))
    parts.append(_training(reports.get(TRAINING)))
    parts.append(_files(model, files))
    if dataset:
        parts.append(f"## Data\n\n{dataset.attribution}")
    parts.append(_limits(model, dataset))
    return markdown.sealed(metadata(title or name, license, measures, dataset, shown), parts)


def _of_few(report: tables.Evaluation) -> str:
    """A sentence where a sweep's Fréchet distances are of too few pictures, and its protocol does not say so."""
    measure = next((m for m in report.own if m.metric == "frechet"), None)
    if measure is None or not (count := re.match(r"([\d,]+) made", measure.protocol)):
        return ""
    if int(count[1].replace(",", "")) >= ENOUGH or "so few" in measure.protocol:
        return ""
    told = f"A Fréchet distance of {count[1]} pictures is far too large, as real pictures' {measure.real:.1f} shows: compare the columns "
    return f"\n\n{told}of this table with one another, and with no other table."


def metadata(
    name: str, license: str, measures: list[tables.Measure], dataset: Dataset | None = None, shown: Shown | None = None
) -> dict[str, Any]:
    """What the Hub reads of a card, with the results as a model-index."""
    data: dict[str, Any] = {
        "language": ["en", "zh"],
        "license": license,
        "library_name": "diffusers",
        "pipeline_tag": TASK,
        "tags": ["genart-hub", "diffusion", "stable-diffusion", "arxiv:2112.10752"],
    }
    pictures = {"type": "pictures", "name": dataset.name if dataset else "pictures"}
    if dataset and dataset.hub_id:
        data["datasets"], pictures["type"] = [dataset.hub_id], dataset.hub_id
    elif dataset:
        data["tags"].append(f"dataset:{dataset.name}")
    if shown:
        data["widget"] = widget(shown)
    if measures:
        data["model-index"] = tables.model_index(name, TASK, pictures, measures)
    return data


def _about(dataset: Dataset | None) -> str:
    english, chinese = ABOUT
    trained = (f" Trained on {dataset.subject['en']}.", f"训练数据：{dataset.subject['zh']}。") if dataset else ("", "")
    return f"{english}{trained[0]}\n\n{chinese}{trained[1]}"


def _use(model: Any, name: str, prompt: str) -> str:
    steps, guidance = model.defaults["num_steps"], model.defaults["guidance"]
    return (
        f"## Use\n\n{markdown.install(name)}```python\nimport genart_hub\nfrom genart_hub import images\n\n"
        f'images.grid(genart_hub.from_pretrained({markdown.place(name)}).sample(16, seed=0, prompt="{prompt}")).show()\n```\n\n'
        f"With diffusers alone:\n\n```python\nfrom diffusers import StableDiffusionPipeline\n\n"
        f"pipeline = StableDiffusionPipeline.from_pretrained({markdown.place(name, 'weights/{}')})\n"
        f'pipeline("{prompt}", num_inference_steps={steps}, guidance_scale={guidance}).images[0].show()\n```\n\n'
        f"{steps} steps and a guidance of {guidance:g} are what genart_hub takes where nothing is said."
    )


def _schedulers(report: dict[str, Any]) -> str:
    """Which of diffusers' schedulers draw what the pipeline's own does. report: what tests/bench/bench_schedulers.py wrote."""
    own, *others = report["rows"]
    steps = list(own["rmse"])
    lines = [
        "| scheduler | " + " | ".join(f"RMSE, {n} steps | top 5, {n} steps" for n in steps) + " |",
        "|" + "---|" * (1 + 2 * len(steps)),
    ]
    for row in report["rows"]:
        cells = [f"{row['rmse'][n]:.4f} | {row['top_5'][n]:.3f}" if n in row["rmse"] else "– | –" for n in steps]
        lines.append(f"| {row['scheduler']} | " + " | ".join(cells) + " |")
    limit = own["top_5"][steps[0]] / 2
    failing = {n: [row["scheduler"] for row in others if _fails(row, n, limit)] for n in steps}
    told = [f"at {n} steps {', '.join(names) or 'none'}" for n, names in failing.items()]
    errors = [f"`{row['scheduler']}`: {row['error']}." for row in others if "error" in row]
    return "\n\n".join(
        [
            "## Other schedulers",
            f"```\n{report['command']}\n```",
            f"Of diffusers' schedulers that take its config, these do not work, {'; '.join(told)}: less than half as many pictures "
            f"show what was asked for, or an error ends the call, or the pictures lie further than {FAR} from its own without any noise on "
            "the way, as DDPM, ancestral and SDE schedulers add it.",
            "\n".join(lines),
            " ".join([f"Measured on {report['protocol']}.", *errors]),
        ]
    )


def _fails(row: dict[str, Any], num_steps: str, limit: float) -> bool:
    if num_steps in row["top_5"]:
        noisy = any(word in row["scheduler"] for word in ("DDPM", "Ancestral", "SDE"))
        return row["top_5"][num_steps] < limit or (row["rmse"][num_steps] > FAR and not noisy)
    return not row["error"].startswith("ImportError")  # which says that a package is missing, and nothing of the scheduler


def _training(training: dict[str, Any] | None) -> str:
    """The stages, each with its command where it is another one than before."""
    lines, before = ["## Training"], None
    for stage, about in ((training or {}).get("stages") or {}).items():
        lines.append(f"### {stage}")
        if about.get("command") and about["command"] != before:
            lines.append(f"```\n{about['command']}\n```")
        elif before:
            lines.append("By the same command.")
        before = about.get("command") or before
        lines.append(models.course(about))
        settings = ", ".join(f"{key} {_brief(value)}" for key, value in about["settings"].items() if value is not None)
        lines += [f"Settings: {settings}."] if settings else []
        lines.append("Recipe: " + ", ".join(f"{key} {about['recipe'][key]}" for key in TOLD if key in about["recipe"]) + ".")
        lines += [about["note"]] if about.get("note") else []
    return "\n\n".join(lines if len(lines) > 1 else [*lines, "Nothing is known of it."])


def _brief(value: object) -> str:
    return " and ".join(map(str, value)) if isinstance(value, list) else f"`{value}`" if isinstance(value, str) else str(value)


def _files(model: Any, files: list[tuple[str, int, str]]) -> str:
    rows = "\n".join(f"| `{file}` | {size:,} | `{sha256}` |" for file, size, sha256 in files)
    total = sum(size for _, size, _ in files)
    return f"## Files\n\n{model.num_parameters:,} parameters, {total:,} bytes.\n\n| file | bytes | sha256 |\n|---|---|---|\n{rows}"


def _limits(model: Any, dataset: Dataset | None) -> str:
    limit = model.pipeline.tokenizer.model_max_length - 2  # its first and its last token are no words
    return (
        f"## Limits\n\n{dataset.limits + ' ' if dataset else ''}It has read the names of its training pictures and nothing else: short "
        f"ones, at most {limit} tokens of which are seen. Name a thing, or a thing and a colour or a style. Sentences, counts, places, "
        f"writing and words that no name has are beyond it, and it draws {model.image_size} × {model.image_size} px."
    )
