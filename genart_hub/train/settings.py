"""What all families have: settings by name, with their bounds and their words for the command line; and what makes a family's training."""

import math
from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any, ClassVar, Self, get_type_hints

import torch
from torch import nn

from genart_hub.data import Batches, Pictures
from genart_hub.errors import GenartError, choice, number, whole

MOST = 1_000_000


def option(help: str, default: Any = MISSING, *, low: int = 0, high: float = MOST, choices: Sequence[str] = (), metavar: str = "") -> Any:
    """A field of settings: its line on the command line, and what it may be. A number lies in [low, high], words are among `choices`."""
    return field(default=default, metadata={"help": help, "low": low, "high": high, "choices": choices, "metavar": metavar or None})


@dataclass(frozen=True)
class Settings:
    """Everything of a training run but the model and the data. A family's settings add its own fields, each an `option`."""

    smallest_batch: ClassVar[int] = 1  # 2 where batch normalisation is

    epochs: int = option("how often all pictures are seen", low=1)
    batch_size: int = option("pictures an update, of all processes together", low=1)
    lr: float = option("the learning rate, at its highest", high=10)
    betas: tuple[float, float] = (0.9, 0.999)  # of Adam
    ema: float | None = option("the decay of the averaged weights, such as 0.998; 0: no average", None, high=1, metavar="DECAY")
    schedule: str = option("how the learning rate goes", "constant", choices=("constant", "linear", "cosine"))
    warmup: float = option("the share of the run in which the learning rate rises", 0.0, high=1, metavar="SHARE")
    flip: bool = option("mirror half of the pictures", False)
    balance: bool = option("draw all classes equally often", False)
    class_weights: dict[str, float] | None = option("draw a class W times as often", None, metavar="NAME=W")

    def change(self, **changes: Any) -> Self:
        """The same settings with these changes. Raises GenartError for a value that makes no sense."""
        settings = replace(self, **changes)
        whole("train", "batch_size", settings.batch_size, self.smallest_batch)
        for each in fields(settings):
            _check(each.name, getattr(settings, each.name), get_type_hints(type(self))[each.name], each.metadata)
        return settings

    @property
    def own(self) -> dict[str, Any]:
        """Those of the family alone, by name."""
        common = {each.name for each in fields(Settings)}
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name not in common}

    @property
    def changed(self) -> dict[str, Any]:
        """Those that are not as their class has them, by name."""
        return {each.name: getattr(self, each.name) for each in fields(self) if getattr(self, each.name) != each.default}

    def rate(self, t: float) -> float:
        """The factor of the learning rate when the share t of a run is over.

        "constant"; "linear": 1 for the first half, then straight down to 0; "cosine": half a wave down to 0 (Loshchilov & Hutter 2017).
        """
        factor = {"constant": 1.0, "linear": min(1.0, 2 * (1 - t)), "cosine": 0.5 * (1 + math.cos(math.pi * t))}[self.schedule]
        return factor * min(1.0, t / self.warmup) if self.warmup > 0 else factor

    def adam(self, module: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.Adam(module.parameters(), lr=self.lr, betas=self.betas, fused=True)


def _check(name: str, value: Any, kind: Any, about: Any) -> None:
    """Refuse a value out of the bounds of its field."""
    if value is None or not about:
        return
    for word in (value if isinstance(value, tuple) else (value,)) if about["choices"] else ():
        choice("train", name, word, about["choices"])
    if kind is int:
        whole("train", name, value, about["low"])
    elif kind in (float, float | None):
        number("train", name, value, about["low"], about["high"])


Steps = tuple[Callable[..., dict[str, torch.Tensor]], dict[str, torch.optim.Optimizer]]


def no_score(model: nn.Module, batches: Batches, seed: int, hold_out: str | None) -> str:
    return "nothing says which state is better"


def constructed(cls: Any, arguments: dict[str, Any], settings: Any) -> Any:
    return cls(**arguments)


def batches_of(model: Any, settings: Any, pictures: Pictures, *args: Any) -> Batches:
    return Batches(pictures, *args)


@dataclass(frozen=True)
class Task:
    """How the models of a family are trained. A new objective is one file that ends in a Task, and its line in `tasks.TASKS`.

    name: what a sentence calls such a model, "GAN". presets: settings by name, "default" among them, all of one class: a dataclass of
    `Settings` and the family's own fields, each an `option`. A class trains by its preset `default_preset` where none is named.
    make_step: (model, settings) -> (step, optimizers). The optimizers by name, as a checkpoint keeps them; step(model, *optimizers, x,
    noise=, backward=), with labels after x where the batches have them, is one update: it draws from `noise` alone, calls `backward` in
    place of Tensor.backward, clears the gradients behind itself and returns the numbers to log.
    score: (model, batches, seed, hold_out) -> a function of a model, lower is better, which picks the best state of a run; or why there
    is none, in words. margin: a later state is taken for the best while its score is above the lowest by less than this share of it.
    labelled: whether the model is made of classes, so that it trains on labelled pictures only. unwrapped: methods that reach into a
    trained sub-network, which a wrapper for several processes would hide. build: (class, arguments, settings) -> a new model, where its
    constructor's arguments, or parts of it, come from elsewhere. batches: (model, settings, pictures, *the others of Batches) -> the
    batches of a model that sees more than pictures and labels.
    Raises GenartError where something is missing.
    """

    name: str = ""
    presets: dict[str, Any] = field(default_factory=dict)
    make_step: Callable[[Any, Any], Steps] = None  # type: ignore[assignment]
    score: Callable[[Any, Batches, int, str | None], Callable[[Any], float] | str] = no_score
    margin: float = 0.0
    labelled: bool = False
    unwrapped: tuple[str, ...] = ()
    build: Callable[[Any, dict[str, Any], Any], Any] = constructed
    batches: Callable[..., Batches] = batches_of

    def __post_init__(self) -> None:
        kinds = {type(preset) for preset in self.presets.values()} if isinstance(self.presets, dict) else set()
        sound = {
            "name": bool(self.name),
            "presets": len(kinds) == 1 and issubclass(kinds.pop(), Settings) and "default" in self.presets,
            "make_step": callable(self.make_step),
            "score": callable(self.score),
        }
        for missing in (name for name, is_sound in sound.items() if not is_sound):
            raise GenartError("task_incomplete", name=self.name or "Task", missing=missing)

    @property
    def settings(self) -> type[Settings]:
        return type(self.presets["default"])
