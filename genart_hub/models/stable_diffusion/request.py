"""What a pipeline is asked for, checked."""

import re
from collections.abc import Callable

from torch import Tensor

from genart_hub.errors import GenartError, whole
from genart_hub.models.stable_diffusion import checks

FALLBACKS = ("stable-diffusion-v1-5/stable-diffusion-v1-5", "stabilityai/sd-turbo", "nota-ai/bk-sdm-tiny")
DEFAULTS = {"num_steps": 20, "guidance": 7.5}
PROMPT_LIMIT, MAX_STEPS, MAX_GUIDANCE, MAX_SIDE = 2_000, 1000, 50, checks.MAX_SIDE
OF_A_PART = re.compile(r"\w+(-\d+-of-\d+)?\.safetensors(\.index\.json)?")


class _Stopped(Exception):
    """Nobody reads on: the pipeline is to end between two steps."""


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
