"""A run's folder and all that must survive a cut."""

import json
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from genart_hub import images
from genart_hub.data import Batches
from genart_hub.errors import GenartError, first_line, shorten
from genart_hub.files import save_tensors, set_aside
from genart_hub.hub.cards.tables import EVALUATION
from genart_hub.hub.described import described
from genart_hub.train.diagnose import spread
from genart_hub.train.log import Log

CHECKPOINT, BEST = "checkpoint.safetensors", "best"
LINES = 20  # of losses that a run logs at least, or one a step
LOOK_SHARE = 0.1  # of a run's time that its looks may take
FORMER = ("objective", "r1", "r2", "r1_every", "gp", "beta", "binarised", "label_dropout", "dropout", "smoothing", "augment")  # in all runs
FIRST_BEST = 500  # steps: no state before is the best, for the average still holds the beginning


@dataclass
class Run:
    """A run's folder and all that must survive a cut: the model, its optimizers, its average, and how far it is.

    description: JSON values that a resumed run must agree on (class, arguments, recipe, data). networks: the sub-networks as accelerate
    prepared them. best: the step and the score of the model in the folder `best`; lowest: the lowest score of all. looked: the seconds
    that went into looks. saved: the step of the last checkpoint.
    """

    folder: Path
    model: Any
    optimizers: dict[str, Optimizer]
    description: dict[str, Any] = field(default_factory=dict)
    ema_decay: float | None = None
    step: int = 0
    seconds: float = 0.0
    networks: list[nn.Module] = field(default_factory=list)
    best: dict[str, float] | None = None
    lowest: float | None = None
    looked: float = 0.0
    saved: int = 0

    def __post_init__(self) -> None:
        self.folder = Path(self.folder)
        self.learning_rates = {name: [g["lr"] for g in optimizer.param_groups] for name, optimizer in self.optimizers.items()}
        averaging = partial(AveragedModel, self.model, use_buffers=True)
        self.ema = averaging(multi_avg_fn=partial(_average, self.ema_decay)) if self.ema_decay else None

    @property
    def averaged(self) -> Any:
        """The model to publish: the average where there is one."""
        return self.model if self.ema is None else self.ema.module

    def set_learning_rate(self, factor: float) -> None:
        for name, optimizer in self.optimizers.items():
            for group, lr in zip(optimizer.param_groups, self.learning_rates[name], strict=True):
                group["lr"] = lr * factor

    def average(self, step: int, seconds: float) -> None:
        """Take the weights of a step that is done into the average, and count it."""
        if self.ema is not None:
            self.ema.update_parameters(self.model)
        self.step, self.seconds = step, seconds

    def save(self) -> None:
        """Write the checkpoint, whole or not at all, and the averaged model as a model folder."""
        tensors = {f"model.{key}": value for key, value in self.model.state_dict().items()}
        if self.ema is not None:
            tensors |= {f"ema.{key}": value for key, value in self.ema.state_dict().items()}
        for name, optimizer in self.optimizers.items():
            for index, entries in optimizer.state_dict()["state"].items():
                tensors |= {f"optimizer.{name}.{index}.{key}": value for key, value in entries.items()}
        about = {"step": self.step, "seconds": round(self.seconds, 3), "description": self.description}
        about |= {"best": self.best, "lowest": self.lowest, "looked": round(self.looked, 3)}
        metadata = {"format": "pt", "run": json.dumps(about)}
        save_tensors({key: value.detach().cpu().contiguous() for key, value in tensors.items()}, self.folder / CHECKPOINT, metadata)
        self.averaged.save_pretrained(self.folder)
        self.saved = self.step

    def load(self) -> None:
        """Take up the checkpoint of this folder. Raises GenartError where there is none, or one of another run."""
        about, tensors = read_checkpoint(self.folder)
        check_same_run(self.folder, about["description"], self.description)
        self.model.load_state_dict(_below(tensors, "model."))
        if self.ema is not None:
            self.ema.load_state_dict(_below(tensors, "ema."))
        for name, optimizer in self.optimizers.items():
            state: dict[int, dict[str, Tensor]] = {}
            for key, value in _below(tensors, f"optimizer.{name}.").items():
                place, _, entry = key.partition(".")
                state.setdefault(int(place), {})[entry] = value
            groups = optimizer.state_dict()["param_groups"]
            parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
            for index, entries in state.items():  # in the memory format of the weights, which fused optimizers count on
                for entry, value in entries.items():
                    if value.shape == parameters[index].shape:
                        entries[entry] = torch.empty_like(parameters[index]).copy_(value)
            optimizer.load_state_dict({"state": state, "param_groups": groups})
        self.step, self.seconds, self.saved = about["step"], about["seconds"], about["step"]
        self.best, self.looked = about.get("best"), about.get("looked", 0.0)
        self.lowest = about.get("lowest", self.best and self.best["score"])

    def look(
        self,
        log: Log,
        batches: Batches,
        score: Callable[[nn.Module], float] | None,
        draw: Callable[[nn.Module], Tensor] | None = None,
        margin: float = 0.0,
    ) -> dict[str, float]:
        """Draw the samples of the same seeds, say how varied they are, and keep the model if it is the best so far.

        The best is the latest state whose score is the lowest, or above it by less than the share `margin` of it.
        """
        model, numbers = self.averaged, {}
        if draw is not None:
            log.grid(self.step, images.sheet(draw(model), 8))
        elif hasattr(model, "sample") and not described(model).prompted:  # a class of one's own may have no more than that
            classes = model.num_classes if "label" in (described(model).inputs or ()) else 0
            columns = classes if 4 <= classes <= 16 else 8
            n = 64 // columns * columns
            x_hat = model.sample(n, seed=0, **({"label": [k % classes for k in range(n)]} if classes else {})).cpu()
            if len(batches.rows) > 1:
                numbers["spread"] = spread(x_hat, batches.some(n))
            log.grid(self.step, images.sheet(x_hat, columns))
        if score is not None:
            value = numbers["score"] = score(model)
            if math.isfinite(value):
                if self.lowest is None or value < self.lowest or value - self.lowest < margin * abs(self.lowest):
                    self.best = {"step": self.step, "score": value}
                    set_aside_evaluation(self.folder / BEST)
                    model.save_pretrained(self.folder / BEST)
                self.lowest = value if self.lowest is None else min(value, self.lowest)
        return numbers


def set_aside_evaluation(folder: Path) -> None:
    """What was measured in a model's folder is of the weights before: rename it, and say so."""
    if (folder / EVALUATION).is_file():
        place = set_aside(folder / EVALUATION)
        tqdm.write(
            f"{folder / EVALUATION} measured the weights of before; it is {place.name} now. Measure the new ones again.", file=sys.stderr
        )


@torch.no_grad()
def _average(decay: float, averaged: list[Tensor], current: list[Tensor], count: Tensor | int) -> None:
    """averaged <- d averaged + (1 - d) current, where d rises to `decay`, so that a short run does not publish its beginning."""
    d = min(decay, (1 + int(count)) / (10 + int(count)))
    for mean, value in zip(averaged, current, strict=True):
        mean.lerp_(value.to(mean), 1 - d) if mean.is_floating_point() else mean.copy_(value)


def read_checkpoint(folder: Path, weights: bool = True) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What the checkpoint of a folder says of its run, and its tensors. Raises GenartError where there is none, or a damaged one."""
    file = folder / CHECKPOINT
    if not file.is_file():
        raise GenartError("no_checkpoint", path=str(folder))
    try:
        with safe_open(file, framework="pt") as saved:
            about = json.loads(saved.metadata()["run"])
            about["description"].items()
            return about, {key: saved.get_tensor(key) for key in saved.keys()} if weights else {}
    except (SafetensorError, OSError, KeyError, TypeError, AttributeError) as error:
        raise GenartError("weights_unreadable", file=str(file), reason=first_line(error)) from error


def check_same_run(folder: Path, then: dict[str, Any], now: dict[str, Any]) -> None:
    """Refuse to go on with a run of another description. What older ones name of other families is left out, and said."""
    recipe = then.get("recipe", {})
    if former := [name for name in FORMER if name in recipe and name not in now["recipe"]]:
        then = then | {"recipe": {name: value for name, value in recipe.items() if name not in former}}
        told = f"{folder}: its settings {', '.join(former)} are of other families and ignored; older versions wrote them all."
        tqdm.write(told, file=sys.stderr)
    for key, was in then.items():
        for what, before, after in _differences(key, was, json.loads(json.dumps(now.get(key)))):
            raise GenartError("other_run", path=str(folder), what=what, was=shorten(before), now=shorten(after))


def _differences(name: str, was: Any, now: Any) -> list[tuple[str, Any, Any]]:
    """What keeps a run from going on: names, values then and now. More epochs do not, nor fields that a later version added."""
    if isinstance(was, dict) and isinstance(now, dict):
        return [(key, was[key], now.get(key)) for key in was if key != "epochs" and not (key in now and was[key] == now[key])]
    return [] if was == now else [(name, was, now)]


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
