"""What `sample` may take beside n and seed, by name: the check of each input, and how a command line asks for it."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from genart_hub.errors import GenartError, choice, number, shorten, whole

PRIORS = ("normal", "mixture")
MAX_STEPS, MAX_GUIDANCE, MAX_TEMPERATURE, MAX_SIDE, PROMPT_LIMIT = 1000, 50, 4, 4096, 2_000


@dataclass(frozen=True)
class Input:
    """An input that models may have. check(where, value): the value as `sample` takes it, or an error: a stranger may have written it.

    flag, help, type, metavar, alias: of the command line's option. needed: whether a model that takes it draws nothing without it.
    """

    flag: str
    help: str
    check: Callable[[str, Any], Any]
    type: Callable[[str], Any] = str
    metavar: str | None = None
    alias: str | None = None
    needed: bool = False


def check_truncation(where: str, value: object) -> float:
    """`value` as a float in (0, 1], or an error."""
    truncation = number(where, "truncation", value)
    if not 0 < truncation <= 1:
        raise GenartError("bad_truncation", where=where, value=shorten(value))
    return truncation


def check_prior(where: str, value: object, fitted: bool = True) -> str:
    """ "mixture" or "normal"; None is the mixture, where one was fitted."""
    if value is None:
        return "mixture" if fitted else "normal"
    choice(where, "prior", value, PRIORS if fitted else PRIORS[:1])
    return str(value)


def labels_from(text: str) -> str | list[str]:
    """A class index or name from a line; several, one for each picture, with commas between them."""
    return [part.strip() for part in text.split(",")] if "," in text else text


def _label(where: str, value: object) -> object:
    return value  # which classes there are, the model knows


def _prompt(where: str, value: object) -> str | list[str]:
    texts = value if isinstance(value, list) else [value]
    if not texts or not all(isinstance(text, str) for text in texts):
        raise GenartError("reason_field", field="prompt", value=shorten(value))
    return value  # type: ignore[return-value]  # the lines above have looked


def _negative_prompt(where: str, value: object) -> str:
    if not isinstance(value, str):
        raise GenartError("reason_field", field="negative_prompt", value=shorten(value))
    return value


def _num_steps(where: str, value: object) -> int:
    return whole(where, "num_steps", value, 1, MAX_STEPS)


def _guidance(where: str, value: object) -> float:
    return number(where, "guidance", value, 0, MAX_GUIDANCE)


def _temperature(where: str, value: object) -> float:
    return number(where, "temperature", value, 0, MAX_TEMPERATURE)


def _size(where: str, value: object) -> int | tuple[int, int]:
    if isinstance(value, list | tuple) and len(value) == 2:
        height, width = (whole(where, "size", side, 8, MAX_SIDE) for side in value)
        return height, width
    return whole(where, "size", value, 8, MAX_SIDE)


INPUTS = {
    "prompt": Input("--prompt", "what the pictures should show, for a model that reads words", _prompt, needed=True),
    "negative_prompt": Input("--negative-prompt", "what they should not show", _negative_prompt, metavar="TEXT"),
    "label": Input("--label", "a class index or name; several with commas, one for each picture", _label, labels_from),
    "truncation": Input("--truncation", "above 0, at most 1: less variety, more typical pictures (1)", check_truncation, float),
    "prior": Input("--prior", "where latents come from: mixture (fitted to the training pictures) or normal", check_prior),
    "num_steps": Input("--steps", "from noise to picture (the model's own number)", _num_steps, int, alias="--num-inference-steps"),
    "guidance": Input(
        "--guidance", "how strongly it follows the prompt, 0 to 50 (the model's own number)", _guidance, float, alias="--guidance-scale"
    ),
    "temperature": Input(
        "--temperature", "how freely tokens are drawn, 0 (the likeliest) to 4 (the model's own number)", _temperature, float
    ),
    "size": Input("--size", "of the pictures, a multiple of 8 (the model's own size)", _size, int, "PX"),
}


def check_input(where: str, name: str, value: Any) -> Any:
    """`value` as `sample` takes the input of that name, or an error that begins with `where`."""
    return INPUTS[name].check(where, value)


def inputs_of(sample: Callable[..., Any]) -> tuple[str, ...]:
    """The inputs that a `sample` has among its arguments, in their order."""
    return tuple(name for name in inspect.signature(sample).parameters if name in INPUTS)


def check_class_inputs(cls: type) -> None:
    """Refuse a class whose `inputs` names what nobody knows, or what its `sample` does not take."""
    inputs = vars(cls).get("inputs", ())
    if isinstance(inputs, property):  # it depends on the model
        return
    if not isinstance(inputs, tuple) or not all(isinstance(name, str) for name in inputs):
        raise GenartError("bad_inputs", name=cls.__name__, value=shorten(inputs), known=", ".join(INPUTS))
    parameters = inspect.signature(cls.sample).parameters  # type: ignore[attr-defined]  # it is an ImageModel
    for name in inputs:
        if name not in INPUTS:
            raise GenartError("unknown_input", name=cls.__name__, input=shorten(name), known=", ".join(INPUTS))
        if name not in parameters:
            raise GenartError("input_not_taken", name=cls.__name__, input=name)


def check_request(name: str, inputs: tuple[str, ...], request: Mapping[str, Any], call_it: Callable[[str], str] = str) -> dict[str, Any]:
    """What of a request was given (is not None), if the model called `name` takes all of that. call_it: how the error names an input."""
    given = {key: value for key, value in request.items() if value is not None}
    if "prompt" in inputs and "prompt" in request and "prompt" not in given:
        raise GenartError("needs_prompt", model=name)
    for key in given:
        if key not in inputs:
            raise GenartError("no_such_input", model=name, input=call_it(key), inputs=", ".join(map(call_it, inputs)) or "nothing")
    return given
