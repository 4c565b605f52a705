"""A GPU that is lent for single calls, as Spaces with ZeroGPU have it. Only the big pipeline asks for one; all else runs on the CPU.

A function under `lent` runs in a process that is forked for it, so what it takes and gives is plain: texts, numbers, tensors on the CPU.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import gradio as gr
from torch import Tensor

from genart_hub.errors import GenartError, first_line
from genart_hub.evaluate.costs import Costs, costs
from genart_hub.models import auto

try:  # on such a Space, and only there
    from spaces import GPU as lent
except ImportError:

    def lent(function: Callable) -> Callable:
        """Nothing to ask for: the device is there all the time."""
        return function


_pipelines: dict[str, Any] = {}  # those of this process, and, in a process that was forked from it, those until then


def is_lent() -> bool:
    """Whether there is a GPU for single calls only."""
    return os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")


def options(max_bytes: int) -> dict[str, Any]:
    """How the big pipeline is loaded, beside its name: where a GPU is lent, onto it."""
    return {"max_bytes": max_bytes} | ({"device": "cuda"} if is_lent() else {})


def borrowing(name: str, model: Any, max_bytes: int) -> Any:
    """The pipeline as it is, or, where a GPU is lent, one that borrows it for each call."""
    return Borrowing(name, model, max_bytes) if is_lent() else model


def costs_of(model: Any, **request: Any) -> Costs:
    """`costs`, counted where the model runs."""
    return model.costs(**request) if isinstance(model, Borrowing) else costs(model, **request)


class Borrowing:
    """A pipeline whose pictures are drawn on the GPU that is lent. What else is asked of it is answered by the pipeline at hand."""

    def __init__(self, name: str, model: Any, max_bytes: int):
        self.name, self.model, self.max_bytes = name, model, max_bytes
        self.blanked: tuple[int, ...] = ()
        self._costs: Costs | None = None
        _pipelines[name] = model

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self.model, attribute)

    def sample(self, n: int, seed: int, *, prompt: str, on_step: Callable | None = None) -> Tensor:
        """The pictures of `StableDiffusion.sample`. on_step is not called: no step is seen from here."""
        x, self.blanked = _answer(lambda: _draw(self.name, self.max_bytes, n, seed, prompt))
        return x

    def denoise(self, n: int, seed: int, *, prompt: str) -> Iterator[tuple[int, int, Tensor]]:
        """The moments of `StableDiffusion.denoise`."""
        with closing(_unfold(self.name, self.max_bytes, n, seed, prompt)) as moments:
            while (moment := _answer(lambda: next(moments, None))) is not None:
                yield moment

    def costs(self, **request: Any) -> Costs:
        self._costs = self._costs or _answer(lambda: _count(self.name, self.max_bytes, request))
        return self._costs


def _answer(call: Callable[[], Any]) -> Any:
    """What a call on the lent GPU gave. Raises GenartError for our own errors, and for one of the lender's: no quota, no GPU."""
    try:
        given = call()
    except gr.Error as error:
        raise GenartError("unexpected", reason=first_line(ValueError(error.message))) from error  # its str() has quotes
    if isinstance(given, GenartError):
        raise given
    return given


@lent
def _draw(name: str, max_bytes: int, n: int, seed: int, prompt: str) -> tuple[Tensor, tuple[int, ...]] | GenartError:
    try:
        model = _pipeline(name, max_bytes)
        return model.sample(n, seed, prompt=prompt).cpu(), model.blanked
    except GenartError as error:
        return error


@lent
def _unfold(name: str, max_bytes: int, n: int, seed: int, prompt: str) -> Iterator[tuple[int, int, Tensor] | GenartError]:
    try:
        for step, num_steps, x in _pipeline(name, max_bytes).denoise(n, seed, prompt=prompt):
            yield step, num_steps, x.cpu()
    except GenartError as error:
        yield error


@lent
def _count(name: str, max_bytes: int, request: dict[str, Any]) -> Costs | GenartError:
    try:
        return costs(_pipeline(name, max_bytes), **request)
    except GenartError as error:
        return error


def _pipeline(name: str, max_bytes: int) -> Any:
    """The pipeline of this process; a process that was forked before it was loaded loads it from the Hub's cache."""
    if name not in _pipelines:
        _pipelines[name] = auto.from_pretrained(name, device="cuda", token=False, local_files_only=True, max_bytes=max_bytes)
    return _pipelines[name]
