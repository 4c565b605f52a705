"""The loop: counting, logging, averaging, saving, and going on bitwise where a run was cut."""

import json
import math
import signal
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from genart_hub.data import Batches, seeded
from genart_hub.errors import GenartError, first_line
from genart_hub.files import replacing, save_tensors

CHECKPOINT, LOG = "checkpoint.safetensors", "metrics.jsonl"


@dataclass
class Run:
    """A run's folder and all that must survive a cut: the model, its optimizers, its average, and how far it is.

    description: JSON values that a resumed run must agree on (class, arguments, recipe, data).
    """

    folder: Path
    model: nn.Module
    optimizers: dict[str, Optimizer]
    description: dict[str, Any] = field(default_factory=dict)
    ema_decay: float | None = None
    step: int = 0
    seconds: float = 0.0

    def __post_init__(self):
        self.folder = Path(self.folder)
        self.learning_rates = {name: [g["lr"] for g in optimizer.param_groups] for name, optimizer in self.optimizers.items()}
        self.ema = None
        if self.ema_decay is not None:
            self.ema = AveragedModel(self.model, multi_avg_fn=get_ema_multi_avg_fn(self.ema_decay), use_buffers=True)

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
        metadata = {"format": "pt", "run": json.dumps(about)}
        save_tensors({key: value.detach().cpu().contiguous() for key, value in tensors.items()}, self.folder / CHECKPOINT, metadata)
        self.averaged.save_pretrained(self.folder)

    def load(self) -> None:
        """Take up the checkpoint of this folder. Raises GenartError where there is none, or one of another run."""
        file = self.folder / CHECKPOINT
        if not file.is_file():
            raise GenartError("no_checkpoint", path=str(self.folder))
        try:
            with safe_open(file, framework="pt") as saved:
                about = json.loads(saved.metadata()["run"])
                for key, was in about["description"].items():
                    now = json.loads(json.dumps(self.description.get(key)))
                    if not _agree(was, now):
                        raise GenartError("other_run", path=str(self.folder), what=key, was=was, now=now)
                tensors = {key: saved.get_tensor(key) for key in saved.keys()}
        except (SafetensorError, OSError, KeyError, TypeError) as error:
            raise GenartError("weights_unreadable", file=str(file), reason=first_line(error)) from error
        self.model.load_state_dict(_below(tensors, "model."))
        if self.ema is not None:
            self.ema.load_state_dict(_below(tensors, "ema."))
        for name, optimizer in self.optimizers.items():
            state: dict[int, dict[str, Tensor]] = {}
            for key, value in _below(tensors, f"optimizer.{name}.").items():
                index, _, entry = key.partition(".")
                state.setdefault(int(index), {})[entry] = value
            optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
        self.step, self.seconds = about["step"], about["seconds"]
        self._cut_log()

    def _cut_log(self) -> None:
        """Drop what was logged after the checkpoint: those steps come again."""
        log = self.folder / LOG
        if log.is_file():
            lines = [line for line in log.read_text(encoding="utf-8").splitlines() if _step_of(line) <= self.step]
            with replacing(log) as file:
                file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _step_of(line: str) -> float:
    """The step of a line of the log; a line that was cut counts as after everything."""
    try:
        return json.loads(line)["step"]
    except (ValueError, KeyError, TypeError):
        return math.inf


def _agree(was: Any, now: Any) -> bool:
    """Whether a run may go on: a later version may have added fields, whose defaults are the old behaviour."""
    if isinstance(was, dict) and isinstance(now, dict):
        return all(key in now and was[key] == now[key] for key in was)
    return was == now


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
) -> dict[str, float]:
    """Call `step(*batches[k], generator=...)` for k up to `num_steps`, from where `run` stands. Returns the last numbers logged.

    Everything random in step k depends on (seed, k) alone, so a run that was cut and goes on gives the same bits as one that was not.
    schedule: the share of the run that is over -> the factor of the learning rate. Ctrl-C and SIGTERM save, then end the run.
    Raises GenartError when a number to log or a weight is not finite; the last checkpoint is kept.
    """
    start = run.step if run else 0
    begun, saved_at, saved_step = time.perf_counter(), time.perf_counter(), start
    seconds_before, numbers = (run.seconds if run else 0.0), {}
    generator = torch.Generator()
    torch.set_flush_denormal(True)
    with _interruptible() as interrupted, tqdm(total=num_steps, initial=start, unit="step", disable=not progress) as bar:
        for k in range(start, num_steps):
            if run and schedule:
                run.set_learning_rate(schedule(k / num_steps))
            logged = step(*batches[k], generator=generator.manual_seed(seeded(seed, k).initial_seed()))
            if run and run.ema is not None:
                run.ema.update_parameters(run.model)
            bar.update()
            if run:
                run.step, run.seconds = k + 1, seconds_before + time.perf_counter() - begun
            stop = interrupted()
            save = run and (stop or time.perf_counter() - saved_at > 60 * save_minutes)
            if (k + 1) % log_every == 0 or k + 1 == num_steps or save:
                numbers = {name: float(value) for name, value in logged.items()}
                if not _finite(numbers, run):
                    path = str(run.folder) if run else "memory"
                    raise GenartError("diverged", step=k + 1, saved=saved_step, path=path)
            if (k + 1) % log_every == 0 or k + 1 == num_steps:
                rate = (k + 1 - start) * batches.batch_size / (time.perf_counter() - begun)
                bar.set_postfix({name: f"{value:.3g}" for name, value in numbers.items()} | {"pictures/s": f"{rate:,.0f}"}, refresh=False)
                if run:
                    _log(run, numbers)
            if save:
                run.save()
                saved_at, saved_step = time.perf_counter(), k + 1
            if stop:
                raise KeyboardInterrupt
    if run:
        run.save()
    return numbers


def _finite(numbers: dict[str, float], run: Run | None) -> bool:
    """Whether the numbers to log are finite, and the weights too: a loss is measured before its update."""
    weights = run.model.parameters() if run else ()
    return all(math.isfinite(value) for value in numbers.values()) and all(bool(weight.isfinite().all()) for weight in weights)


def _log(run: Run, numbers: dict[str, float]) -> None:
    run.folder.mkdir(parents=True, exist_ok=True)
    with open(run.folder / LOG, "a", encoding="utf-8") as log:
        log.write(json.dumps({"step": run.step, "seconds": round(run.seconds, 1), **numbers}) + "\n")


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
