"""The settings by name, keyed by a model's family, and the step and the optimizers that they make."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch

from genart_hub.augment import POLICIES
from genart_hub.errors import GenartError, choice, number, whole
from genart_hub.losses import OBJECTIVES
from genart_hub.train.steps import classifier_step, gan_step, vae_step


@dataclass(frozen=True)
class Recipe:
    """Everything of a training run but the model and the data.

    batch_size: pictures an update, over all processes. schedule, warmup: of the learning rate; warmup is its share of the run. objective,
    r1, r2, r1_every, gp: of a GAN; beta, binarised, label_dropout: of a VAE; dropout, smoothing: of a classifier. augment: differentiable
    augmentations; flip: mirror half of the pictures. balance: draw all classes equally often; class_weights: how often a class is drawn,
    relative to its share.
    """

    epochs: int
    batch_size: int
    lr: float
    betas: tuple[float, float] = (0.9, 0.999)
    ema: float | None = None
    schedule: str = "constant"
    warmup: float = 0.0
    objective: str = "non-saturating"
    r1: float = 0.0
    r2: float = 0.0
    r1_every: int = 1
    gp: float = 0.0
    beta: float = 1.0
    binarised: bool = False
    label_dropout: float = 0.0
    dropout: float = 0.0
    smoothing: float = 0.0
    augment: tuple[str, ...] = ()
    flip: bool = False
    balance: bool = False
    class_weights: dict[str, float] | None = None


RECIPES: dict[str, dict[str, Recipe]] = {
    "gan": {
        "default": Recipe(epochs=100, batch_size=64, lr=2e-4, betas=(0.5, 0.999), ema=0.998, schedule="linear", r1=0.1),
        "article": Recipe(epochs=100, batch_size=32, lr=2e-4),
        "convolutional": Recipe(
            epochs=100, batch_size=64, lr=3e-4, betas=(0.5, 0.99), ema=0.998, schedule="linear", objective="relativistic", r1=0.05,
            r1_every=4, augment=("translation", "brightness"),
        ),
        "dcgan-paper": Recipe(epochs=100, batch_size=128, lr=2e-4, betas=(0.5, 0.999)),
    },
    "vae": {
        "default": Recipe(epochs=100, batch_size=128, lr=1e-3, ema=0.998, schedule="linear", beta=2.0),
        "example": Recipe(epochs=10, batch_size=128, lr=1e-3),
        "convolutional": Recipe(
            epochs=100, batch_size=64, lr=1e-3, ema=0.998, schedule="cosine", warmup=0.01, label_dropout=0.1,
        ),
    },
    "features": {
        "default": Recipe(epochs=8, batch_size=128, lr=1e-3, schedule="linear", dropout=0.25, augment=("translation",)),
        "residual": Recipe(
            epochs=60, batch_size=64, lr=2e-3, schedule="cosine", warmup=0.02, smoothing=0.1, dropout=0.1, flip=True,
            augment=("translation", "brightness", "contrast", "saturation"),
        ),
    },
    "autoencoder": {
        "default": Recipe(epochs=8, batch_size=16, lr=1e-3, betas=(0.9, 0.99), ema=0.998, schedule="cosine", warmup=0.02, flip=True),
    },
    "decoder": {
        "default": Recipe(epochs=6, batch_size=16, lr=5e-4, betas=(0.9, 0.99), ema=0.998, schedule="cosine", warmup=0.02, flip=True),
    },
    "denoiser": {
        "default": Recipe(epochs=165, batch_size=64, lr=1e-3, betas=(0.9, 0.99), ema=0.999, schedule="linear", warmup=0.01),
    },
}  # fmt: skip


def rate(schedule: str, warmup: float, t: float) -> float:
    """The factor of the learning rate when the share t of a run is over.

    "constant"; "linear": 1 for the first half, then straight down to 0; "cosine": half a wave down to 0 (Loshchilov & Hutter 2017).
    """
    factor = {"constant": 1.0, "linear": min(1.0, 2 * (1 - t)), "cosine": 0.5 * (1 + math.cos(math.pi * t))}[schedule]
    return factor * min(1.0, t / warmup) if warmup > 0 else factor


OWN = dict.fromkeys(("objective", "r1", "r2", "r1_every", "gp"), "gan") | dict.fromkeys(("beta", "binarised", "label_dropout"), "vae")
NAMES = {"gan": "GAN", "vae": "VAE", "features": "classifier"}
SCHEDULES = ("constant", "linear", "cosine")


def make_step(model: torch.nn.Module, recipe: Recipe) -> tuple[Callable, dict[str, torch.optim.Optimizer]]:
    """The step of the model's family, and the optimizers that it drives."""
    adam = partial(torch.optim.Adam, lr=recipe.lr, betas=recipe.betas, fused=True)
    if model.family == "gan":
        optimizers = {"generator": adam(model.generator.parameters()), "discriminator": adam(model.discriminator.parameters())}
        settings = {"objective": OBJECTIVES[recipe.objective]}
        settings |= {name: getattr(recipe, name) for name in ("r1", "r2", "r1_every", "gp")}
        return partial(gan_step, augment=recipe.augment, **settings), optimizers
    if model.family == "vae":
        if recipe.binarised and model.likelihood != "bernoulli":
            raise GenartError("binarised_gaussian", where=type(model).__name__)
        settings = {"beta": recipe.beta, "binarised": recipe.binarised, "label_dropout": recipe.label_dropout}
        return partial(vae_step, **settings), {"model": adam(model.parameters())}
    settings = {"augment": recipe.augment, "dropout": recipe.dropout, "smoothing": recipe.smoothing}
    return partial(classifier_step, **settings), {"model": adam(model.parameters())}


def pick_recipe(family: str, name: str = "default", **changes: Any) -> Recipe:
    """The recipe of that name, with the changes that are not None."""
    recipes = RECIPES[family]
    if name not in recipes:
        raise GenartError("unknown_recipe", recipe=name, model=family, choices=", ".join(recipes))
    own = OWN | ({"augment": "gan"} if family == "vae" and changes.get("augment") else {})  # a VAE would learn to draw what was augmented
    for key, value in changes.items():
        if value is not None and own.get(key, family) != family:
            raise GenartError("not_of_family", option=key, family=NAMES.get(family, family), other=NAMES[own[key]])
    recipe = replace(recipes[name], **{key: value for key, value in changes.items() if value is not None})
    whole("train", "epochs", recipe.epochs, 1)
    whole("train", "batch_size", recipe.batch_size, 1 if family == "vae" else 2)  # batch normalisation needs two
    number("train", "lr", recipe.lr, 0, 10)
    if recipe.ema is not None:
        number("train", "ema", recipe.ema, 0, 1)
    choice("train", "schedule", recipe.schedule, SCHEDULES)
    choice("train", "objective", recipe.objective, OBJECTIVES)
    for policy in recipe.augment:
        choice("train", "augment", policy, POLICIES)
    for key in ("r1", "r2", "gp", "beta"):
        number("train", key, getattr(recipe, key), 0, 1_000_000)
    for key in ("warmup", "label_dropout"):
        number("train", key, getattr(recipe, key), 0, 1)
    whole("train", "r1_every", recipe.r1_every, 1)
    return recipe
