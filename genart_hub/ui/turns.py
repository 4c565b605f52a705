"""Turns at the model: a few jobs of each reader are taken, one at a time is at work, and the reader who has had least goes first.

Start-time fair queueing (Goyal, Vin, Cheng 1996) over addresses, and over the pages of an address. A job that works in steps makes room
between two of them, so that nobody waits for the end of a long one.
"""

import contextvars
import os
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from genart_hub.errors import GenartError

OF_PAGE, OF_ADDRESS, OF_ALL = 6, 24, 64  # jobs, waiting or at work
PATIENCE = 10  # seconds without anybody who listens for the answer
REMEMBERED = 4096  # readers


class Streams:
    """The event streams that are open: a page's, by its session, or that of one job."""

    def __init__(self):
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


class Turns:
    """`slots` jobs at work at a time. limit: seconds that one job may be at work in all (None: GENART_JOB_SECONDS, 900)."""

    def __init__(self, slots: int = 1, limit: float | None = None, streams: Streams | None = None):
        self.slots, self.streams = slots, STREAMS if streams is None else streams
        self.limit = float(os.environ.get("GENART_JOB_SECONDS", "900")) if limit is None else limit
        self.changed = threading.Condition()
        self.jobs: list[Job] = []
        self.line: list[Job] = []
        self.at_work = 0
        self._taken = 0
        self._used: dict[tuple[str, ...], float] = {}  # (address,) and (address, page) -> seconds, from the clock on
        self._clock: dict[tuple[str, ...], float] = {}  # (): of the addresses; (address,): of its pages
        self.streams.on_open.append(self._look)

    @contextmanager
    def job(self, reader: Reader, waiting: Callable[[int], None] | None = None) -> Iterator["Job"]:
        """For as long as a job of `reader` is at work, from its turn on. waiting: told how many go before it."""
        yield from self.enter(reader, waiting).run()

    def stream(self, reader: Reader, updates: Callable[[], Iterator[Any]], waiting: Callable[[int], None] | None = None) -> Iterator[Any]:
        """What `updates()` yields, made in a thread that holds the turn, and makes room after each update.

        Closing the generator ends the work before its next update.
        """
        job, told, ended = self.enter(reader, waiting), queue.SimpleQueue(), object()

        def work() -> None:
            try:
                with contextmanager(job.run)():
                    made = updates()
                    try:
                        for update in made:
                            told.put((update, None))
                            job.breathe()
                    finally:
                        made.close()
            except BaseException as error:  # it is raised where the updates are read
                told.put((ended, error))
            else:
                told.put((ended, None))

        threading.Thread(target=contextvars.copy_context().run, args=(work,), name="turn", daemon=True).start()
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
            of_page = sum(job.reader == reader for job in self.jobs)
            of_address = sum(job.reader.address == reader.address for job in self.jobs)
            if of_page >= OF_PAGE or of_address >= OF_ADDRESS:
                raise GenartError("too_many_jobs", count=of_page if of_page >= OF_PAGE else of_address)
            if len(self.jobs) >= OF_ALL:
                raise GenartError("too_busy", count=len(self.jobs))
            if len(self._used) > REMEMBERED:
                kept = {key for job in self.jobs for key in job.keys}
                self._used, self._clock = ({k: v for k, v in known.items() if not k or k in kept} for known in (self._used, self._clock))
            self._taken += 1
            job = Job(self, reader, self._taken, waiting)
            for key in job.keys:
                self._used[key] = max(self._used.get(key, 0.0), self._clock.get(key[:-1], 0.0))
            self.jobs.append(job)
            return job

    def _look(self) -> None:
        with self.changed:
            self.changed.notify_all()

    def order(self, job: "Job") -> tuple[float, float, int]:
        """The job of the lowest order goes next: by its address, then its page, then as they came."""
        return self._used[job.keys[0]], self._used[job.keys[1]], job.number

    def next(self) -> "Job | None":
        """Whose turn it is among those that wait, and are listened for."""
        return min((job for job in self.line if job.is_heard()), key=self.order, default=None)

    def account(self, job: "Job", seconds: float) -> None:
        for key in job.keys:
            self._used[key] += seconds

    def advance(self, job: "Job") -> None:
        """The clocks go on to what the job that begins has used: who comes later starts from there."""
        for key in job.keys:
            self._clock[key[:-1]] = max(self._clock.get(key[:-1], 0.0), self._used[key])


class Job:
    """One request, from when it is taken until it is answered."""

    def __init__(self, turns: Turns, reader: Reader, number: int, waiting: Callable[[int], None] | None):
        self.turns, self.reader, self.number, self.waiting = turns, reader, number, waiting
        self.keys = (reader.address,), (reader.address, reader.page)
        self.process = os.getpid()  # ZeroGPU works in a fork, which has no say in this one's turns
        self.spent, self.since = 0.0, None  # seconds at work; since when it has its turn
        self.stopped, self._heard_at = False, time.monotonic()

    def run(self) -> Iterator["Job"]:
        """Take the turn and, at the end, leave."""
        token = _JOB.set(self)
        try:
            self.take()
            yield self
        finally:
            _JOB.reset(token)
            with self.turns.changed:
                self.give()
                self.turns.jobs.remove(self)

    def is_heard(self) -> bool:
        heard = not self.reader.streams or any(name in self.turns.streams for name in self.reader.streams)
        if heard:
            self._heard_at = time.monotonic()
        return heard

    def take(self) -> None:
        """Wait for the turn. Raises GenartError where nobody has listened for a while, and Stopped after `stop`."""
        turns, told = self.turns, None
        with turns.changed:
            turns.line.append(self)
            try:
                while turns.at_work >= turns.slots or turns.next() is not self:
                    if self.stopped:
                        raise Stopped
                    self._check_heard()
                    before = turns.at_work + sum(turns.order(job) < turns.order(self) for job in turns.line)
                    if not turns.changed.wait(1) and self.waiting and before != told:
                        self.waiting(told := before)
            finally:
                turns.line.remove(self)
                turns.changed.notify_all()
            turns.at_work += 1
            turns.advance(self)
            self.since = time.monotonic()
        if told is not None:
            self.waiting(0)

    def give(self) -> None:
        """Give the turn back, where the job has it."""
        with self.turns.changed:
            if self.since is None:
                return
            self._count()
            self.since = None
            self.turns.at_work -= 1
            self.turns.changed.notify_all()

    def breathe(self) -> None:
        """Between two steps: let those work who have had less, and end the job after its time."""
        if self.process != os.getpid() or self.since is None:
            return
        with self.turns.changed:
            self._count()
            if self.stopped:
                raise Stopped
            self._check_heard()
            if self.spent > self.turns.limit:
                raise GenartError("job_too_long", limit=self.turns.limit)
            first = self.turns.next()
            if first is None or self.turns.order(first) > self.turns.order(self):
                return
        self.give()
        self.take()

    def stop(self) -> None:
        """Have the job end before its next step."""
        with self.turns.changed:
            self.stopped = True
            self.turns.changed.notify_all()

    def _check_heard(self) -> None:
        if not self.is_heard() and time.monotonic() - self._heard_at > PATIENCE:
            raise GenartError("nobody_listens")

    def _count(self) -> None:
        now = time.monotonic()
        self.turns.account(self, now - self.since)
        self.spent += now - self.since
        self.since = now


_JOB: contextvars.ContextVar[Job | None] = contextvars.ContextVar("job", default=None)


def breathe() -> None:
    """A place between two steps of the work at hand, where others may go first. Where there is no turn, nothing."""
    if job := _JOB.get():
        job.breathe()


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


STREAMS = Streams()
MODEL = Turns()  # work on the device
LOADING = Turns()  # a model comes from the Hub into memory
HUB = Turns(slots=4)  # questions to the Hub
