"""What a pipeline is asked for, checked."""

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor

from genart_hub.errors import MAX_COUNT, MAX_SEED, GenartError, number, whole
from genart_hub.models.inputs import MAX_GUIDANCE, MAX_SIDE, PROMPT_LIMIT

FALLBACKS = ("stable-diffusion-v1-5/stable-diffusion-v1-5", "stabilityai/sd-turbo", "nota-ai/bk-sdm-tiny")
DEFAULTS = {"num_steps": 20, "guidance": 7.5}
OF_A_PART = re.compile(r"\w+(-\d+-of-\d+)?\.safetensors(\.index\.json)?")
OF_DIFFUSERS = {"num_inference_steps": "num_steps", "guidance_scale": "guidance"}

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Request:
    """What all calls of a pipeline take, as it was given."""

    n: int
    seed: int
    prompt: str | Sequence[str]
    num_steps: int | None = None
    guidance: float | None = None
    negative_prompt: str | None = None
    size: int | tuple[int, int] | None = None

    def options(self, where: str, defaults: dict[str, Any], most_steps: int) -> dict[str, Any]:
        """The same as diffusers takes it, checked. defaults: for steps and guidance that were not given."""
        n, seed = whole(where, "n", whole(where, "n", self.n, 1), None, MAX_COUNT), whole(where, "seed", self.seed, 0, MAX_SEED)
        steps, guidance = (defaults[key] if (value := getattr(self, key)) is None else value for key in ("num_steps", "guidance"))
        several = isinstance(self.prompt, list | tuple)
        if several and len(self.prompt) != n:
            raise GenartError("prompt_count", n=n, count=len(self.prompt))
        prompts = [_check_prompt(one) for one in (self.prompt if several else [self.prompt])]
        blank = self.negative_prompt is None or (isinstance(self.negative_prompt, str) and not self.negative_prompt.strip())
        negative = None if blank else _check_prompt(self.negative_prompt)
        return {
            "prompt": prompts if several else prompts[0],
            "negative_prompt": [negative] * n if several and negative else negative,
            "num_images_per_prompt": 1 if several else n,
            "num_inference_steps": whole(where, "num_steps", steps, 1, most_steps),
            "guidance_scale": number(where, "guidance", guidance, 0, MAX_GUIDANCE),
            "generator": [torch.Generator().manual_seed(seed + k) for k in range(n)],
        }


def knows_diffusers_words(method: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """A method that takes steps and guidance by the names that they have in diffusers too.

    Raises GenartError where one of them is given by both.
    """

    @functools.wraps(method)
    def translated(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        if twice := next((theirs for theirs, ours in OF_DIFFUSERS.items() if theirs in kwargs and ours in kwargs), None):
            raise GenartError("given_twice", where=method.__name__, name=OF_DIFFUSERS[twice], other=twice)
        return method(*args, **{OF_DIFFUSERS.get(key, key): value for key, value in kwargs.items()})  # type: ignore[arg-type]

    return translated


def _telling(on_step: Callable[[int, int], None] | None) -> Callable[[int, int, Tensor], None]:
    return lambda step, total, latents: on_step(step, total) if on_step else None


def _side(name: str, value: object, multiple: int) -> int:
    side = whole("StableDiffusion", name, value, multiple, MAX_SIDE)
    if side % multiple:
        low = side // multiple * multiple
        raise GenartError("bad_side", name=name, value=side, multiple=multiple, low=low, high=low + multiple)
    return side


def _check_prompt(prompt: object) -> str:
    if not isinstance(prompt, str) or not prompt.strip():
        raise GenartError("empty_prompt")
    if len(prompt) > PROMPT_LIMIT:
        raise GenartError("long_prompt", count=len(prompt), limit=PROMPT_LIMIT)
    return _text(prompt)


def _text(prompt: str) -> str:
    """The prompt as a tokenizer can take it: half an emoji, which a broken paste leaves, becomes a question mark."""
    return prompt.encode("utf-8", "replace").decode("utf-8")
