"""A call that tells its steps to a callback, as a generator that can be stopped."""

import queue
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")


class Stopped(Exception):
    """Nobody waits for the pictures any more."""


def steps_of(call: Callable[[Callable[..., None]], Result]) -> Generator[tuple[Any, ...], None, tuple[Result, float]]:
    """Run `call(tell)` beside the caller, and yield what it tells: (step, num_steps), or whatever `tell` is called with.

    It goes on from there when the next one is asked for, and ends there when the generator is closed, which waits for that. Returns its
    result, and the seconds that it worked.
    """
    told: queue.SimpleQueue[tuple[Any, ...] | None] = queue.SimpleQueue()
    onward, stopped, held = threading.Semaphore(0), threading.Event(), 0.0

    def tell(*values: Any) -> None:
        nonlocal held
        begun = time.perf_counter()
        told.put(values)
        onward.acquire()
        if stopped.is_set():
            raise Stopped
        held += time.perf_counter() - begun

    def work() -> tuple[Result, float]:
        begun = time.perf_counter()
        result = call(tell)
        return result, time.perf_counter() - begun - held

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(work)
        future.add_done_callback(lambda _: told.put(None))
        try:
            while (values := told.get()) is not None:
                yield values
                onward.release()
        finally:
            stopped.set()
            onward.release()
    return future.result()
