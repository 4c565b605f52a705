"""The loop: counting, logging, averaging, saving, and going on bitwise where a run was cut."""

import json
import math
import signal
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager, nullcontext
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
from genart_hub.cards import EVALUATION
from genart_hub.data import Batches
from genart_hub.errors import GenartError, first_line, shorten
from genart_hub.files import save_tensors, set_aside, sweep
from genart_hub.train.diagnose import diagnose, explain, spread
from genart_hub.train.log import Log
from genart_hub.train.noise import Noise

CHECKPOINT, BEST = "checkpoint.safetensors", "best"
LINES = 20  # of losses that a run logs at least, or one a step
LOOK_SHARE = 0.1  # of a run's time that its looks may take
FIRST_BEST = 500  # steps: no state before is the best, for the average still holds the beginning
SHEET, SCORE = (0.05, 2), (2.0, 20)  # what a sheet and a score are taken to cost until one was made: the more of these seconds and steps


@dataclass
class Run:
    """A run's folder and all that must survive a cut: the model, its optimizers, its average, and how far it is.

    description: JSON values that a resumed run must agree on (class, arguments, recipe, data). networks: the sub-networks as accelerate
    prepared them. best: the step and the score of the model in the folder `best`; lowest: the lowest score of all. looked: the seconds
    that went into looks.
    """

    folder: Path
    model: nn.Module
    optimizers: dict[str, Optimizer]
    description: dict[str, Any] = field(default_factory=dict)
    ema_decay: float | None = None
    step: int = 0
    seconds: float = 0.0
    networks: list[nn.Module] = field(default_factory=list)
    best: dict[str, float] | None = None
    lowest: float | None = None
    looked: float = 0.0

    def __post_init__(self):
        self.folder = Path(self.folder)
        self.learning_rates = {name: [g["lr"] for g in optimizer.param_groups] for name, optimizer in self.optimizers.items()}
        self.ema = None
        if self.ema_decay:
            self.ema = AveragedModel(self.model, multi_avg_fn=partial(_average, self.ema_decay), use_buffers=True)

    @property
    def averaged(self) -> nn.Module:
        """The model to publish: the average where there is one."""
        return self.model if self.ema is None else self.ema.module

    def set_learning_rate(self, factor: float) -> None:
        for name, optimizer in self.optimizers.items():
            for group, lr in zip(optimizer.param_groups, self.learning_rates[name], strict=True):
                group["lr"] = lr * factor

    def save(self) -> None:
        """Write the checkpoint, whole or not at all, and the averaged model as a model folder."""
        tensors = {f"model.{key}": value for key, value in self.model.state_dict().items()}
        if self.ema is not None:
            tensors |= {f"ema.{key}": value for key, value in self.ema.state_dict().items()}
        for name, optimizer in self.optimizers.items():
            for index, state in optimizer.state_dict()["state"].items():
                tensors |= {f"optimizer.{name}.{index}.{key}": value for key, value in state.items()}
        about = {"step": self.step, "seconds": round(self.seconds, 3), "description": self.description}
        about |= {"best": self.best, "lowest": self.lowest, "looked": round(self.looked, 3)}
        metadata = {"format": "pt", "run": json.dumps(about)}
        save_tensors({key: value.detach().cpu().contiguous() for key, value in tensors.items()}, self.folder / CHECKPOINT, metadata)
        self.averaged.save_pretrained(self.folder)

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
                index, _, entry = key.partition(".")
                state.setdefault(int(index), {})[entry] = value
            groups = optimizer.state_dict()["param_groups"]
            parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
            for index, entries in state.items():  # in the memory format of the weights, which fused optimizers count on
                for entry, value in entries.items():
                    if value.shape == parameters[index].shape:
                        entries[entry] = torch.empty_like(parameters[index]).copy_(value)
            optimizer.load_state_dict({"state": state, "param_groups": groups})
        self.step, self.seconds = about["step"], about["seconds"]
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
        elif hasattr(model, "sample"):
            columns = model.num_classes if 4 <= model.num_classes <= 16 else 8
            n = 64 // columns * columns
            x_hat = model.sample(n, seed=0, label=[k % model.num_classes for k in range(n)] if model.num_classes else None).cpu()
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
    """Refuse to go on with a run of another description."""
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


def fit(
    step: Callable[..., dict[str, Tensor]],
    batches: Batches,
    num_steps: int,
    run: Run | None = None,
    seed: int = 0,
    schedule: Callable[[float], float] | None = None,
    save_minutes: float = 2.0,
    log_every: int = 100,
    progress: bool = True,
    *,
    accelerator: Any = None,
    accumulate: int = 1,
    look_every: int | None = None,
    score: Callable[[nn.Module], float] | None = None,
    draw: Callable[[nn.Module], Tensor] | None = None,
    margin: float = 0.0,
) -> dict[str, float]:
    """Call `step(*batches[k], noise=...)` for k up to `num_steps`, from where `run` stands. Returns the last numbers logged.

    Everything random in step k depends on (seed, k) alone, so a run that was cut and goes on gives the same bits as one that was not.
    schedule: the share of the run that is over -> the factor of the learning rate. Ctrl-C and SIGTERM save, then end the run.
    accelerator: accelerate's, whose processes each see their part of a batch. accumulate: cut each part again, into as many pieces.
    look_every: how often the run's samples are drawn, by `draw` where the model cannot, and `score`, lower is better, is asked, so far as
    the looks take less than LOOK_SHARE of the run's time (the last sheet is always drawn); the best model, by `margin`, is kept in the
    folder `best`, and none of a step before FIRST_BEST. Looks change no bit of what is trained. log_every: at least LINES lines are logged.
    Raises GenartError when a number to log or a weight is not finite; the last checkpoint is kept.
    """
    log_every = min(log_every, max(1, num_steps // LINES))
    processes, rank = (accelerator.num_processes, accelerator.process_index) if accelerator else (1, 0)
    main, parts = rank == 0, processes * accumulate
    start = run.step if run else 0
    begun, saved_at, saved_step = time.perf_counter(), time.perf_counter(), start
    seconds_before, numbers = (run.seconds if run else 0.0), {}
    if run and main:
        for folder in (run.folder, run.folder / BEST):
            sweep(folder)
    log = Log(run.folder, start) if run and main else None
    told = {line["diagnosis"] for line in log.history if "diagnosis" in line} if log else set()
    costs = _Costs(run) if log else None
    torch.set_flush_denormal(True)
    device = getattr(batches, "device", "cpu")
    with _interruptible() as interrupted, tqdm(total=num_steps, initial=start, unit="step", disable=not (progress and main)) as bar:
        for k in range(start, num_steps):
            if run and schedule:
                run.set_learning_rate(schedule(k / num_steps))
            logged: dict[str, Tensor] = {}
            for piece in range(accumulate):
                part = piece * processes + rank
                batch = batches[k] if parts == 1 else batches.part(k, part)
                with accelerator.accumulate(*run.networks) if accelerator else nullcontext():
                    shares = step(*batch, noise=Noise(seed, k, part, parts, device))
                logged = shares if accumulate == 1 else {name: logged.get(name, 0) + value / accumulate for name, value in shares.items()}
            if run and run.ema is not None:
                run.ema.update_parameters(run.model)
            bar.update()
            if run:
                run.step, run.seconds = k + 1, seconds_before + time.perf_counter() - begun
            last = k + 1 == num_steps
            stop = _any(accelerator, interrupted()) if processes == 1 or (k + 1) % 10 == 0 else False
            look = log and look_every and ((k + 1) % look_every == 0 or last) and (last or costs.allow_sheet())
            save = run and main and (stop or look or time.perf_counter() - saved_at > 60 * save_minutes)  # a run with a best can go on
            note = (k + 1) % log_every == 0 or last
            if note:
                numbers = {name: float(value) for name, value in _mean(accelerator, logged).items()}
                seen = (k + 1 - start) * batches.batch_size / (time.perf_counter() - begun)
                bar.set_postfix({name: f"{value:.3g}" for name, value in numbers.items()} | {"pictures/s": f"{seen:,.0f}"}, refresh=False)
            if (note or save or look) and not _finite(numbers if note else {name: float(value) for name, value in logged.items()}, run):
                if run and not (run.folder / CHECKPOINT).exists():
                    raise GenartError("diverged_at_once", step=k + 1)
                raise GenartError("diverged", step=k + 1, saved=saved_step, path=str(run.folder) if run else "memory")
            if log and note:
                log.numbers(k + 1, run.seconds, numbers)
            if look:
                scored = score is not None and k + 1 >= FIRST_BEST and costs.allow_score(last)
                with costs.of(scored):
                    if of_look := run.look(log, batches, score if scored else None, draw, margin):
                        log.numbers(k + 1, run.seconds, of_look)
            if log and (note or look):
                found = diagnose(log.history, num_steps)
                for code in sorted(found - told):
                    bar.write(f"step {k + 1:,}: {explain(code, log.history)}", file=sys.stderr)
                    log.numbers(k + 1, run.seconds, {"diagnosis": code})
                told |= found
            if save and not last:
                with costs.of(scored) if look else nullcontext():
                    run.save()
                saved_at, saved_step = time.perf_counter(), k + 1
            if stop and not last:
                if accelerator:  # a process that ends ends the others, which must have saved by then
                    accelerator.wait_for_everyone()
                raise KeyboardInterrupt
    if run and main:
        run.save()
    if log:
        log.close()
    return numbers


class _Costs:
    """What the looks of a run cost, and whether there is time for another one; that of the last one is kept back for it."""

    def __init__(self, run: Run):
        self.run = run
        self.last: dict[bool, tuple[int, float]] = {}  # the step and the seconds of the last look with a score, and of the last without

    def allow_sheet(self) -> bool:
        return self.run.looked + 2 * self._expected(False) <= LOOK_SHARE * self.run.seconds

    def allow_score(self, last: bool) -> bool:
        return self.run.looked + (1 if last else 2) * self._expected(True) <= LOOK_SHARE * self.run.seconds

    def _expected(self, scored: bool) -> float:
        if scored in self.last:
            return self.last[scored][1]
        seconds, steps = SCORE if scored else SHEET
        return max(seconds, steps * self.run.seconds / self.run.step)

    @contextmanager
    def of(self, scored: bool):
        """Count the time of the lines below, a look or its checkpoint."""
        begun = time.perf_counter()
        yield
        took = time.perf_counter() - begun
        step, before = self.last.get(scored, (0, 0.0))
        self.last[scored] = self.run.step, took + (before if step == self.run.step else 0.0)
        self.run.looked += took


def _any(accelerator: Any, flag: bool) -> bool:
    """Whether any process says so."""
    if accelerator is None or accelerator.num_processes == 1:
        return flag
    return accelerator.reduce(torch.tensor(float(flag), device=accelerator.device), "sum").item() > 0


def _mean(accelerator: Any, numbers: dict[str, Tensor]) -> dict[str, Tensor]:
    """The numbers to log, averaged over the processes."""
    if accelerator is None or accelerator.num_processes == 1:
        return numbers
    return accelerator.reduce({name: value.detach().float() for name, value in numbers.items()}, "mean")


def _finite(numbers: dict[str, float], run: Run | None) -> bool:
    """Whether the numbers to log are finite, and the weights too: a loss is measured before its update."""
    weights = run.model.parameters() if run else ()
    return all(math.isfinite(value) for value in numbers.values()) and all(bool(weight.isfinite().all()) for weight in weights)


@contextmanager
def _interruptible():
    """Ctrl-C and SIGTERM are noted, so that a step is never cut in the middle; a second one is not held up."""
    received: list[int] = []

    def note(number, frame):
        if received:
            raise KeyboardInterrupt
        received.append(number)

    try:
        before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not in the main thread: nothing to catch here
        before = {}
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
