"""A call that tells its steps to a callback, as a generator that can be stopped."""

import queue
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any


class Stopped(Exception):
    """Nobody waits for the pictures any more."""


def steps_of(call: Callable[[Callable[[int, int], None]], Any]) -> Generator[tuple[int, int], None, tuple[Any, float]]:
    """Run `call(on_step)` beside the caller, and yield (step, num_steps) after each of its steps.

    It goes on from a step when the next one is asked for, and ends there when the generator is closed. Returns its result, and the
    seconds that it worked.
    """
    told: queue.SimpleQueue[tuple[int, int] | None] = queue.SimpleQueue()
    onward, stopped, held = threading.Semaphore(0), threading.Event(), 0.0

    def on_step(step: int, num_steps: int) -> None:
        nonlocal held
        begun = time.perf_counter()
        told.put((step, num_steps))
        onward.acquire()
        if stopped.is_set():
            raise Stopped
        held += time.perf_counter() - begun

    def work() -> tuple[Any, float]:
        begun = time.perf_counter()
        result = call(on_step)
        return result, time.perf_counter() - begun - held

    pool = ThreadPoolExecutor(1)
    future = pool.submit(work)
    future.add_done_callback(lambda _: told.put(None))
    pool.shutdown(wait=False)
    try:
        while (step := told.get()) is not None:
            yield step
            onward.release()
    finally:
        stopped.set()
        onward.release()
    return future.result()
