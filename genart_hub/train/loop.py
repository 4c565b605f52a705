"""The loop: counting, logging, averaging, saving, and going on bitwise where a run was cut."""

import math
import signal
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from genart_hub.data import Batches
from genart_hub.errors import GenartError
from genart_hub.files import sweep
from genart_hub.train.diagnose import diagnose, explain
from genart_hub.train.log import Log
from genart_hub.train.noise import Noise
from genart_hub.train.run import BEST, CHECKPOINT, FIRST_BEST, LINES, LOOK_SHARE, Run

SHEET, SCORE = (0.05, 2), (2.0, 20)  # what a sheet and a score are taken to cost until one was made: the more of these seconds and steps


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
