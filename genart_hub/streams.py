"""A call that tells its steps to a callback, as a generator that can be stopped."""

import queue
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from typing import Any

import gradio as gr


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


class Running:
    """The streams that run for each page, so that a page's button ends its own, with a last update that nothing overtakes."""

    def __init__(self):
        self._asked: dict[str | None, threading.Event] = {}

    def stop(self, request: gr.Request) -> None:
        if asked := self._asked.get(request.session_hash):
            asked.set()

    def until_stopped(self, handler: Callable, last: Callable[[gr.Request], dict[Any, Any]]) -> Callable:
        """The stream `handler` of updates, whose last argument is the request; when it is stopped, it ends with the update last(request).

        What was shown until then goes with it: a busy page may have left out updates that came one upon the other.
        """

        @wraps(handler)
        def streaming(*arguments):
            request = arguments[-1]
            asked = self._asked[request.session_hash] = threading.Event()
            updates, shown = handler(*arguments), {}
            try:
                for update in updates:
                    shown |= update
                    if asked.is_set():
                        yield shown | last(request)
                        return
                    yield update
            finally:
                updates.close()
                self._asked.pop(request.session_hash, None)

        return streaming
