"""Turns at the model: a few jobs of each reader are taken, one at a time is at work, and turns go round.

The next turn is that of the address that has waited longest since its last one and, at an address, of the page that has. A job that
works in steps gives its turn away between two of them when it has had it for a while, so that nobody waits for the end of a long one.
"""

import contextvars
import os
import queue
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from genart_hub.errors import GenartError

OF_PAGE, OF_ADDRESS, OF_ALL = 6, 24, 64  # jobs, waiting or at work
DROPPED_AFTER, DROPPED_AFTER_IF_FULL = 10, 1  # seconds without anybody who listens for the answer: at most, and where the place is wanted
SLICE = 3  # seconds of a turn, after which the next step waits for another one
REMEMBERED = 4096  # readers


class Streams:
    """The event streams that are open: a page's, by its session, or that of one job."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()
        self._lock = threading.Lock()
        self.on_open: list[Callable[[], None]] = []

    @contextmanager
    def open(self, name: str) -> Iterator[None]:
        """For as long as a client reads the stream."""
        with self._lock:
            self._open[name] += 1
        for call in self.on_open:
            call()
        try:
            yield
        finally:
            with self._lock:
                self._open[name] -= 1
                if not self._open[name]:
                    del self._open[name]

    def __contains__(self, name: str) -> bool:
        return name in self._open


@dataclass(frozen=True)
class Reader:
    """Who asks. streams: the names under which the answer is listened for; empty where nobody tells which streams are open."""

    address: str
    page: str
    streams: tuple[str, ...] = field(default=(), compare=False)


class Stopped(GeneratorExit):
    """Nobody waits for the answer any more."""


class Workers:
    """Threads that work. One that is free is used again, the last one first: PyTorch keeps memory of its own for each."""

    def __init__(self) -> None:
        self._free: list[queue.SimpleQueue[Any]] = []
        self._lock = threading.Lock()

    def give(self, context: contextvars.Context, work: Callable[[], None]) -> None:
        """Have `work()` done in `context`."""
        with self._lock:
            tasks = self._free.pop() if self._free else None
        if tasks is None:
            tasks = queue.SimpleQueue()
            threading.Thread(target=self._work, args=(tasks,), name="turn", daemon=True).start()
        tasks.put((context, work))

    def _work(self, tasks: queue.SimpleQueue) -> None:
        while True:
            context, work = tasks.get()
            context.run(work)
            del context, work
            with self._lock:
                self._free.append(tasks)


class Turns:
    """`slots` jobs at work at a time. limit: seconds that one job may be at work in all (None: GENART_JOB_SECONDS, 900)."""

    def __init__(self, slots: int = 1, limit: float | None = None, streams: Streams | None = None):
        self.slots, self.streams = slots, STREAMS if streams is None else streams
        self.limit = float(os.environ.get("GENART_JOB_SECONDS", "900")) if limit is None else limit
        self.changed = threading.Condition()
        self.jobs: list[Job] = []
        self.line: list[Job] = []
        self.at_work = 0
        self._number = 0
        self._last: OrderedDict[tuple[str, ...], float] = OrderedDict()  # (address,) and (address, page) -> when their turn ended
        self.streams.on_open.append(self._look)

    @contextmanager
    def job(self, reader: Reader, waiting: Callable[[int], None] | None = None) -> Iterator["Job"]:
        """For as long as a job of `reader` is at work, from its turn on. waiting: told how many go before it."""
        job = self.enter(reader, waiting)
        token = _JOB.set(job)
        try:
            job.take()
            yield job
        finally:
            _JOB.reset(token)
            job.leave()

    def call(self, reader: Reader, work: Callable[[], Any], waiting: Callable[[int], None] | None = None) -> Any:
        """What `work()` returns, when the turn has come."""
        (answer,) = self._told(reader, lambda job, tell: tell(work()), waiting)
        return answer

    def stream(
        self, reader: Reader, updates: Callable[[], Generator[Any, None, None]], waiting: Callable[[int], None] | None = None
    ) -> Iterator[Any]:
        """What `updates()` yields, made elsewhere while the turn is held, which may be given away between two updates.

        Closing the generator ends the work before its next update.
        """

        def work(job: Job, tell: Callable[[Any], None]) -> None:
            made = updates()
            try:
                for update in made:
                    tell(update)
                    job.between_steps()
            finally:
                made.close()

        yield from self._told(reader, work, waiting)

    def _told(
        self, reader: Reader, work: Callable[["Job", Callable[[Any], None]], None], waiting: Callable[[int], None] | None
    ) -> Iterator[Any]:
        """What `work(job, tell)` tells, in one of the threads that work."""
        told: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()
        job, ended = self.enter(reader, waiting), object()

        def working() -> None:
            _JOB.set(job)
            error = None
            try:
                work(job, lambda update: told.put((update, None)))
            except BaseException as raised:  # it is raised where the updates are read
                error = raised
            job.leave()
            told.put((ended, error))

        try:
            job.take()
        except BaseException:
            job.leave()
            raise
        WORKERS.give(contextvars.copy_context(), working)
        try:
            while (one := told.get())[0] is not ended:
                yield one[0]
        finally:
            job.stop()
        if one[1] is not None and not isinstance(one[1], Stopped):
            raise one[1]

    def enter(self, reader: Reader, waiting: Callable[[int], None] | None = None) -> "Job":
        """Take a job of `reader`, or raise GenartError where there are too many already."""
        with self.changed:
            for most, mine, code in (
                (OF_PAGE, lambda job: job.reader == reader, "too_many_jobs"),
                (OF_ADDRESS, lambda job: job.reader.address == reader.address, "too_many_jobs"),
                (OF_ALL, lambda job: True, "too_busy"),
            ):
                if len(taken := self._taken_by(mine)) >= most:
                    for job in taken:
                        job.dropped = job in self.line and job.is_abandoned_for(DROPPED_AFTER_IF_FULL)
                    self.changed.notify_all()
                if len(taken := self._taken_by(mine)) >= most:
                    raise GenartError(code, count=len(taken))
            self._number += 1
            job = Job(self, reader, self._number, waiting)
            self.jobs.append(job)
            return job

    def _taken_by(self, mine: Callable[["Job"], bool]) -> list["Job"]:
        return [job for job in self.jobs if mine(job) and not job.dropped]

    def _look(self) -> None:
        with self.changed:
            self.changed.notify_all()

    def order(self) -> list["Job"]:
        """The jobs that wait and are listened for, in the order of their turns."""
        listened = [job for job in self.line if job.has_listener()]
        since: dict[tuple[str, ...], float] = {}
        for job in reversed(listened):  # the first that came counts
            for key in job.keys:
                since[key] = max(self._last.get(key, 0.0), job.came)
        return sorted(listened, key=lambda job: (*(since[key] for key in job.keys), job.number))

    def ended(self, job: "Job") -> None:
        """Its address and its page have had a turn."""
        for key in job.keys:
            self._last[key] = time.monotonic()
            self._last.move_to_end(key)
        while len(self._last) > REMEMBERED:
            self._last.popitem(last=False)


class Job:
    """One request, from when it is taken until it is answered."""

    def __init__(self, turns: Turns, reader: Reader, number: int, waiting: Callable[[int], None] | None):
        self.turns, self.reader, self.number, self.waiting = turns, reader, number, waiting
        self.keys = (reader.address,), (reader.address, reader.page)
        self.process = os.getpid()  # ZeroGPU works in a fork, which has no say in this one's turns
        self.came = 0.0  # when it got in line
        self.since: float | None = None  # since when it has its turn
        self.spent = 0.0  # seconds at work in the turns before this one
        self.stopped, self.dropped = False, False
        self._listened_at = time.monotonic()

    def leave(self) -> None:
        """Give the turn back for good."""
        with self.turns.changed:
            self.give()
            self.turns.jobs.remove(self)

    def has_listener(self) -> bool:
        listened = not self.reader.streams or any(name in self.turns.streams for name in self.reader.streams)
        if listened:
            self._listened_at = time.monotonic()
        return listened

    def take(self) -> None:
        """Wait for the turn. Raises GenartError where nobody has listened for a while, and Stopped after `stop`."""
        turns, told = self.turns, -1
        with turns.changed:
            self.came = time.monotonic()
            turns.line.append(self)
            try:
                while turns.at_work >= turns.slots or turns.order()[:1] != [self]:
                    if self.stopped:
                        raise Stopped
                    self._check_listener()
                    if self.waiting is not None and time.monotonic() - self.came >= 1:
                        order = turns.order()
                        before = turns.at_work + (order.index(self) if self in order else len(order))
                        if before != told:
                            self.waiting(told := before)
                    turns.changed.wait(1)
            finally:
                turns.line.remove(self)
                turns.changed.notify_all()
            turns.at_work += 1
            self.since = time.monotonic()
        if self.waiting is not None and told >= 0:
            self.waiting(0)

    def give(self) -> None:
        """Give the turn back, where the job has it."""
        with self.turns.changed:
            if self.since is None:
                return
            self.spent += time.monotonic() - self.since
            self.since = None
            self.turns.at_work -= 1
            self.turns.ended(self)
            self.turns.changed.notify_all()

    def between_steps(self) -> None:
        """Between two steps: give the turn away where it was had for long and others wait, and end the job after its time."""
        if self.process != os.getpid() or self.since is None:
            return
        with self.turns.changed:
            had = time.monotonic() - self.since
            if self.stopped:
                raise Stopped
            self._check_listener()
            if self.spent + had > self.turns.limit:
                raise GenartError("job_too_long", limit=self.turns.limit)
            if had < SLICE or not self.turns.order():
                return
        self.give()
        self.take()

    def stop(self) -> None:
        """Have the job end before its next step."""
        with self.turns.changed:
            self.stopped = True
            self.turns.changed.notify_all()

    def is_abandoned_for(self, seconds: float) -> bool:
        return not self.has_listener() and time.monotonic() - self._listened_at > seconds

    def _check_listener(self) -> None:
        if self.dropped or self.is_abandoned_for(DROPPED_AFTER):
            raise GenartError("nobody_listens")


_JOB: contextvars.ContextVar[Job | None] = contextvars.ContextVar("job", default=None)


def between_steps() -> None:
    """A place between two steps of the work at hand, where others may go first. Where there is no turn, nothing."""
    if job := _JOB.get():
        job.between_steps()


@contextmanager
def away(lane: Turns) -> Iterator[None]:
    """Wait or work elsewhere, in another line: the turn at the model is free meanwhile. Where there is no turn, nothing."""
    job = _JOB.get()
    if job is None or job.process != os.getpid() or job.since is None:
        yield
        return
    job.give()
    try:
        with lane.job(job.reader):
            yield
    finally:
        job.take()


STREAMS, WORKERS = Streams(), Workers()
MODEL = Turns()  # work on the device
LOADING = Turns()  # a model comes from the Hub into memory
HUB = Turns(slots=4)  # questions to the Hub
