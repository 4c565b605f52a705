"""The loop: step, average, note, look, save, stop; and going on bitwise where a run was cut."""

import functools
import math
import signal
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor, nn
from tqdm import tqdm

from genart_hub.data import Batches
from genart_hub.errors import GenartError
from genart_hub.files import sweep
from genart_hub.train.log import Log
from genart_hub.train.noise import Noise
from genart_hub.train.run import BEST, CHECKPOINT, FIRST_BEST, LINES, LOOK_SHARE, Run

SHEET, SCORE = (0.05, 2), (2.0, 20)  # what a sheet and a score are taken to cost until one was made: the more of these seconds and steps
Numbers = dict[str, Tensor]
P = ParamSpec("P")
T = TypeVar("T")


def driven(steps: Callable[P, Generator[tuple[int, Numbers], None, T]]) -> Callable[P, T]:
    """A function that takes all steps of a generator, and returns what it returns."""

    @functools.wraps(steps)
    def drive(*args: P.args, **options: P.kwargs) -> T:
        generator = steps(*args, **options)
        while True:
            try:
                next(generator)
            except StopIteration as end:
                return end.value

    drive.__name__ = drive.__qualname__ = steps.__name__.removesuffix("_steps")
    return drive


def fit_steps(
    step: Callable[..., Numbers],
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
    trackers: Sequence[Any] = (),
) -> Generator[tuple[int, Numbers], None, dict[str, float]]:
    """Call `step(*batches[k], noise=...)` for k up to `num_steps`, from where `run` stands.

    `fit` does it and returns the last numbers logged; `fit_steps` is a generator of (step, numbers): how many are done, and what the last
    one returned, tensors that `float` reads. Who leaves it between two steps, or closes it, finds the run saved as it stands there:

        for step, numbers in fit_steps(partial(vae_step, vae, adam), batches, 1000, run):
            if stopped():
                break

    Everything random in step k depends on (seed, k) alone, so a run that was cut and goes on gives the same bits as one that was not.
    schedule: the share of the run that is over -> the factor of the learning rate. Ctrl-C and SIGTERM save, then end the run.
    accelerator: accelerate's, whose processes each see their part of a batch. accumulate: cut each part again, into as many pieces.
    look_every: how often the run's samples are drawn, by `draw` where the model cannot, and `score`, lower is better, is asked, so far as
    the looks take less than LOOK_SHARE of the run's time (the last sheet is always drawn); the best model, by `margin`, is kept in the
    folder `best`, and none of a step before FIRST_BEST. Looks change no bit of what is trained. log_every: at least LINES lines are logged.
    trackers: for `Log`.
    Raises GenartError when a number to log or a weight is not finite; the last checkpoint is kept.
    """
    main = accelerator is None or accelerator.process_index == 0
    keeper = _Keeper(run, batches, num_steps, save_minutes, trackers, look_every, score, draw, margin) if run and main else None
    log_every = min(log_every, max(1, num_steps // LINES))
    noted: dict[str, float] = {}
    start, before = (run.step, run.seconds) if run else (0, 0.0)
    begun = time.perf_counter() - before
    bar = tqdm(total=num_steps, initial=start, unit="step", disable=not (progress and main))
    with _interruptible() as interrupted, closing(keeper.log) if keeper else nullcontext(), bar:
        for k in range(start, num_steps):
            if run and schedule:
                run.set_learning_rate(schedule(k / num_steps))
            numbers = _step(step, batches, k, seed, accelerator, accumulate, run.networks if run else [])
            seconds = time.perf_counter() - begun
            if run:
                run.average(k + 1, seconds)
            bar.update()
            if (k + 1) % log_every == 0 or k + 1 == num_steps:
                noted = _note(k + 1, numbers, run, accelerator)
                seen = {"pictures/s": f"{(k + 1 - start) * batches.batch_size / (seconds - before):,.0f}"}
                bar.set_postfix({name: f"{value:.3g}" for name, value in noted.items()} | seen, refresh=False)
                if keeper:
                    keeper.write(noted)
            if keeper:
                keeper.look(numbers)
                keeper.save(numbers)
            stop = _any(accelerator, k + 1, interrupted()) and k + 1 < num_steps
            waiting = time.perf_counter()
            try:
                if stop:
                    raise KeyboardInterrupt
                yield k + 1, numbers
            except (GeneratorExit, KeyboardInterrupt):  # between two steps
                _leave(keeper, numbers, accelerator)
                raise
            begun += time.perf_counter() - waiting
        if keeper and start >= num_steps:  # it may have been cut between its last checkpoint and its model
            keeper.run.save()
    return noted


fit = driven(fit_steps)


class _Keeper:
    """What the first process keeps of a run: its log, its looks as far as there is time for them, its checkpoints."""

    def __init__(self, run: Run, batches: Batches, num_steps: int, save_minutes: float, trackers: Sequence[Any], *looks: Any):
        self.run, self.batches, self.num_steps, self.save_minutes = run, batches, num_steps, save_minutes
        self.look_every, self.score, self.draw, self.margin = looks
        for folder in (run.folder, run.folder / BEST):
            sweep(folder)
        self.log, self.saved_at = Log(run.folder, run.step, trackers, run.description), time.perf_counter()
        self.costs: dict[bool, tuple[int, float]] = {}  # the step and the seconds of the last look with a score, and of the last without

    def write(self, numbers: dict[str, float]) -> None:
        if numbers:
            self.log.numbers(self.run.step, self.run.seconds, numbers)
        self.log.diagnose(self.run.step, self.run.seconds, self.num_steps)

    def look(self, numbers: Numbers) -> None:
        """Look at the run where it is time, and where there is time; what the last look will cost is kept back for it."""
        last = self.run.step == self.num_steps
        due = self.look_every and (last or self.run.step % self.look_every == 0)
        if not due or not (last or self._affords(False, 2)):
            return
        _check_finite(self.run.step, numbers, self.run)
        scored = self.score is not None and self.run.step >= FIRST_BEST and self._affords(True, 1 if last else 2)
        with self._counted(scored):
            self.write(self.run.look(self.log, self.batches, self.score if scored else None, self.draw, self.margin))
        with self._counted(scored):
            self.save(numbers, now=True)  # a run with a best can go on

    def save(self, numbers: Numbers, now: bool = False) -> None:
        now = now or self.run.step == self.num_steps or time.perf_counter() - self.saved_at > 60 * self.save_minutes
        if now and self.run.saved != self.run.step:
            _check_finite(self.run.step, numbers, self.run)
            self.run.save()
            self.saved_at = time.perf_counter()

    def _affords(self, scored: bool, looks: int) -> bool:
        seconds, steps = SCORE if scored else SHEET
        expected = self.costs[scored][1] if scored in self.costs else max(seconds, steps * self.run.seconds / self.run.step)
        return self.run.looked + looks * expected <= LOOK_SHARE * self.run.seconds

    @contextmanager
    def _counted(self, scored: bool) -> Iterator[None]:
        """Count the time of the lines below, a look or its checkpoint."""
        begun = time.perf_counter()
        yield
        took = time.perf_counter() - begun
        step, before = self.costs.get(scored, (0, 0.0))
        self.costs[scored] = self.run.step, took + (before if step == self.run.step else 0.0)
        self.run.looked += took


def _step(
    step: Callable[..., Numbers], batches: Any, k: int, seed: int, accelerator: Any, accumulate: int, networks: list[nn.Module]
) -> Numbers:
    """Step k on this process's part of the batch, piece by piece. Returns the mean of what its pieces returned."""
    torch.set_flush_denormal(True)  # of this thread, and an app may go on in another one
    processes, rank = (accelerator.num_processes, accelerator.process_index) if accelerator else (1, 0)
    numbers: Numbers = {}
    parts, device = processes * accumulate, getattr(batches, "device", "cpu")
    for piece in range(accumulate):
        part = piece * processes + rank
        batch = batches[k] if parts == 1 else batches.part(k, part)
        with accelerator.accumulate(*networks) if accelerator else nullcontext():
            shares = step(*batch, noise=Noise(seed, k, part, parts, device))
        numbers = shares if accumulate == 1 else {name: numbers.get(name, 0) + value / accumulate for name, value in shares.items()}
    return numbers


def _note(step: int, numbers: Numbers, run: Run | None, accelerator: Any) -> dict[str, float]:
    """The numbers to log, averaged over the processes."""
    if accelerator and accelerator.num_processes > 1:
        numbers = accelerator.reduce({name: value.detach().float() for name, value in numbers.items()}, "mean")
    noted = {name: float(value) for name, value in numbers.items()}
    _check_finite(step, noted, run)
    return noted


def _check_finite(step: int, numbers: Any, run: Run | None) -> None:
    """Refuse numbers that are not finite, and weights too: a loss is measured before its update."""
    weights = run.model.parameters() if run else ()
    if all(math.isfinite(value) for value in numbers.values()) and all(bool(weight.isfinite().all()) for weight in weights):
        return
    if run and not (run.folder / CHECKPOINT).exists():
        raise GenartError("diverged_at_once", step=step)
    raise GenartError("diverged", step=step, saved=run.saved if run else 0, path=str(run.folder) if run else "memory")


def _any(accelerator: Any, step: int, flag: bool) -> bool:
    """Whether any process says so; several ask one another every tenth step."""
    if accelerator is None or accelerator.num_processes == 1:
        return flag
    return step % 10 == 0 and accelerator.reduce(torch.tensor(float(flag), device=accelerator.device), "sum").item() > 0


def _leave(keeper: _Keeper | None, numbers: Numbers, accelerator: Any) -> None:
    """Save the run as it stands, so that it can go on."""
    if keeper:
        keeper.save(numbers, now=True)
    if accelerator:  # a process that ends ends the others, which must have saved by then
        accelerator.wait_for_everyone()


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Ctrl-C and SIGTERM are noted, so that a step is never cut in the middle; a second one is not held up."""
    received: list[int] = []

    def note(number: int, frame: Any) -> None:
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
