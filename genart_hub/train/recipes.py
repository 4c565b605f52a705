"""The settings by name, keyed by a model's family, and `train`, which makes a run of them."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from genart_hub import data
from genart_hub.cards import TRAINING
from genart_hub.errors import GenartError, number, whole
from genart_hub.files import replacing, sha256_of
from genart_hub.hub import pick_device
from genart_hub.models import MODELS
from genart_hub.models.base import MAX_SEED
from genart_hub.train.fit import CHECKPOINT, Run, fit
from genart_hub.train.steps import classifier_step, gan_step, vae_step


@dataclass(frozen=True)
class Recipe:
    """Everything of a training run but the model and the data. r1 is for GANs, beta and binarised for VAEs; decay lowers the rate to 0."""

    epochs: int
    batch_size: int
    lr: float
    betas: tuple[float, float] = (0.9, 0.999)
    ema: float | None = None
    decay: bool = False
    r1: float = 0.0
    beta: float = 1.0
    binarised: bool = False


RECIPES: dict[str, dict[str, Recipe]] = {
    "gan": {
        "default": Recipe(epochs=100, batch_size=64, lr=2e-4, betas=(0.5, 0.999), ema=0.998, decay=True, r1=0.1),
        "article": Recipe(epochs=100, batch_size=32, lr=2e-4),
    },
    "vae": {
        "default": Recipe(epochs=100, batch_size=128, lr=1e-3, ema=0.998, decay=True, beta=2.0),
        "example": Recipe(epochs=10, batch_size=128, lr=1e-3),
    },
    "features": {
        "default": Recipe(epochs=8, batch_size=128, lr=1e-3, decay=True),
    },
}


def linear_decay(t: float) -> float:
    """1 for the first half of a run, then straight down to 0. t: the share of the run that is over."""
    return min(1.0, 2 * (1 - t))


def make_step(model: torch.nn.Module, recipe: Recipe) -> tuple[Callable, dict[str, torch.optim.Optimizer]]:
    """The step of the model's family, and the optimizers that it drives."""
    adam = partial(torch.optim.Adam, lr=recipe.lr, betas=recipe.betas, fused=True)
    if model.family == "gan":
        g_adam, d_adam = adam(model.generator.parameters()), adam(model.discriminator.parameters())
        return partial(gan_step, model, g_adam, d_adam, r1=recipe.r1), {"generator": g_adam, "discriminator": d_adam}
    optimizer = adam(model.parameters())
    if model.family == "vae":
        return partial(vae_step, model, optimizer, beta=recipe.beta, binarised=recipe.binarised), {"model": optimizer}
    return partial(classifier_step, model, optimizer), {"model": optimizer}


def pick_recipe(family: str, name: str = "default", **changes: Any) -> Recipe:
    """The recipe of that name, with the changes that are not None."""
    recipes = RECIPES[family]
    if name not in recipes:
        raise GenartError("unknown_recipe", recipe=name, model=family, choices=", ".join(recipes))
    recipe = replace(recipes[name], **{key: value for key, value in changes.items() if value is not None})
    whole("train", "epochs", recipe.epochs, 1)
    whole("train", "batch_size", recipe.batch_size, 2 if family == "gan" else 1)  # batch normalisation needs two
    number("train", "lr", recipe.lr, 0, 10)
    return recipe


def train(
    class_name: str,
    path: str | Path,
    out: str | Path,
    recipe: Recipe,
    arguments: dict[str, Any] | None = None,
    size: int | None = None,
    seed: int = 0,
    resume: bool = False,
    device: str | None = None,
    save_minutes: float = 2.0,
    progress: bool = True,
    command: str | None = None,
) -> Run:
    """Train a new MODELS[class_name] on the pictures of `path` into the folder `out`, or go on with the run that is there.

    arguments: of the constructor; the size and channels of the pictures are added. command: for the card.
    Returns the run, saved; its folder loads with from_pretrained, and holds the averaged weights where the recipe averages.
    """
    cls, out = MODELS[class_name], Path(out)
    seed = whole("train", "seed", seed, 0, MAX_SEED)
    if (out / CHECKPOINT).exists() and not resume:
        raise GenartError("run_exists", path=str(out))
    if resume and not (out / CHECKPOINT).exists():
        raise GenartError("no_checkpoint", path=str(out))
    pictures = data.load(path, size)
    arguments = {"image_size": pictures.pictures.shape[-1], "channels": pictures.pictures.shape[1]} | (arguments or {})
    if cls.family == "features":
        pictures.require_labels("train a classifier")
        arguments.setdefault("num_classes", pictures.num_classes)
    batches = data.Batches(pictures, recipe.batch_size, seed, with_labels=cls.family == "features", device=pick_device(device))
    torch.manual_seed(seed)
    try:
        model = cls(**arguments).to(batches.device).train()
    except TypeError as error:
        raise GenartError("config_refused", file="arguments", name=class_name, reason=f"{error}.") from error
    step, optimizers = make_step(model, recipe)
    description = {
        "model": class_name,
        "arguments": model.config,
        "recipe": asdict(recipe),
        "data": pictures.sha256,
        "file": sha256_of(path) if Path(path).is_file() else None,
        "seed": seed,
    }
    run = Run(out, model, optimizers, description, recipe.ema)
    if resume:
        run.load()
    num_steps = recipe.epochs * batches.per_epoch
    schedule = linear_decay if recipe.decay else None
    fit(step, batches, num_steps, run, seed, schedule, save_minutes, progress=progress)
    about = {
        "command": command,
        "class": class_name,
        "recipe": asdict(recipe),
        "seed": seed,
        "pictures": len(pictures),
        "file": Path(path).name,
        "file_sha256": description["file"],
        "steps": run.step,
        "seconds": round(run.seconds),
        "device": str(batches.device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__.split("+")[0],
    }
    with replacing(out / TRAINING) as file:
        file.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    return run
