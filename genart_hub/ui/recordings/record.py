"""Making a recording: a family's own step, run by the training's own loop, and looked at on the way."""

import json
import sys
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from genart_hub import data
from genart_hub.data import Batches
from genart_hub.files import replacing
from genart_hub.models import MODELS
from genart_hub.train import fit_steps
from genart_hub.train.tasks import pick_settings, task_of
from genart_hub.ui.recordings import Recording
from genart_hub.ui.recordings.looks import drawn, judged
from genart_hub.ui.sprites import sheet

MOMENTS = 60
QUALITY = 85  # of WebP: much of a sheet is noise, of which a lossless one would be twice as large
DIGITS = 3  # that a number in the file keeps


@dataclass(frozen=True)
class Variant:
    """A training to record. updates: how many. changes: of the family's default settings. average: the decay of the weights shown, or 0."""

    model: str
    updates: int
    changes: dict[str, Any] = field(default_factory=dict)
    average: float = 0.0


ARTICLE: dict[str, Any] = {"batch_size": 64, "lr": 2e-4, "betas": (0.5, 0.999), "r1": 0.0}
VARIANTS = {
    "gan-article": Variant("GAN", 9_000, ARTICLE),
    "gan-r1": Variant("GAN", 9_000, ARTICLE | {"r1": 0.1}),
    "gan-collapse": Variant("GAN", 3_000, ARTICLE | {"lr": 3e-3, "betas": (0.9, 0.999)}),
    "vae": Variant("VAE", 3_000),
    "diffusion": Variant("DDPM", 3_600, {"batch_size": 64}, average=0.998),
}


def moments_of(updates: int) -> list[int]:
    """The steps to look after, from 0 on: close together at first, when most happens."""
    return [max(k, round(updates * (k / (MOMENTS - 1)) ** 2.2)) for k in range(MOMENTS)]


def record(name: str, path: str | Path, seed: int = 0, updates: int | None = None) -> tuple[Recording, Image.Image]:
    """Train a variant on the pictures of `path`, and look at it at each moment. Returns the recording and its sheet."""
    variant, pictures = VARIANTS[name], data.load(path)
    updates = max(MOMENTS, updates or variant.updates)
    cls: Any = MODELS[variant.model]
    task, settings = task_of(cls), pick_settings(cls.family, "default", **variant.changes)
    with_labels = variant.model == "DDPM"
    arguments: dict[str, Any] = {"image_size": pictures.pictures.shape[-1], "channels": pictures.pictures.shape[1]}
    arguments |= {"num_classes": pictures.num_classes, "class_names": list(pictures.class_names)} if with_labels else {}
    torch.manual_seed(seed)
    model = task.build(cls, arguments, settings)
    step, optimizers = task.make_step(model, settings)
    batches = Batches(pictures, settings.batch_size, seed, with_labels)
    shown = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(variant.average)) if variant.average else None

    looks, frames, bars, noted = moments_of(updates), [], [], []
    sums: dict[str, Tensor] = {}
    counted = 0

    def look() -> None:
        seen: Any = shown.module if shown else model
        frames.append(drawn(seen, batches))
        bars.append(judged(seen, batches))
        noted.append({key: float(value) / counted for key, value in sums.items()} if counted else {})

    look()
    steps = fit_steps(partial(step, model, *optimizers.values()), batches, updates, seed=seed, progress=sys.stderr.isatty())
    with closing(steps):
        for k, numbers in steps:
            if shown:
                shown.update_parameters(model)
            sums = {key: sums.get(key, 0) + value for key, value in numbers.items()}
            counted += 1
            if k in looks:
                look()
                sums, counted = {}, 0
    noted[0] = noted[1]  # before the first step there is nothing to tell
    x = torch.stack(frames)
    recording = Recording(
        name=name,
        family=cls.family,
        pictures=x.shape[1],
        side=x.shape[-1],
        command=f"python -m genart_hub.ui.recordings {Path(path).parent.name}/{Path(path).name} {name}",
        changed=variant.changes,
        steps=looks,
        numbers={key: [short(each[key]) for each in noted] for key in noted[0]},
        bars={key: [[short(value) for value in each[key]] for each in bars] for key in bars[0]},
    )
    return recording, sheet(x)


def write(recording: Recording, picture: Image.Image) -> None:
    """Put a recording and its sheet beside this file."""
    with replacing(recording.file) as file:
        picture.convert("RGB").save(file, format="WEBP", method=6, quality=QUALITY)
    with replacing(recording.file.with_suffix(".json")) as file:
        file.write_text(json.dumps(recording.about, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")


def short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
