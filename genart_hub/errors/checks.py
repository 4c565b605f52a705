"""Arguments are checked where they come in: each check gives the value as it is used, or raises a sentence."""

from collections.abc import Collection
from typing import Any, TypeVar

from genart_hub.errors.base import GenartError, shorten

MAX_COUNT = 100_000
MAX_CLASSES = 100_000
MAX_SEED = 2**53 - 1  # the largest whole number that survives JSON and a browser

T = TypeVar("T")
Number = TypeVar("Number", int, float)


def whole(where: str, name: str, value: Any, low: int | None = None, high: int | None = None) -> int:
    """`value` as a whole number within [low, high], or an error that names `where` and `name`; 3.0 is 3."""
    result: Any = int(value) if isinstance(value, float) and value.is_integer() else value
    try:
        result = None if isinstance(result, bool) else result.__index__()
    except (AttributeError, TypeError, ValueError):  # a tensor or an array has the method, and may refuse
        result = None
    if result is None:
        raise GenartError("not_whole", where=where, name=name, value=shorten(value))
    return _bounded(where, name, result, low, high)


def power_of_two(where: str, name: str, value: object, low: int, high: int) -> int:
    """`value` as a power of two within [low, high], or an error that names the nearest one."""
    result = whole(where, name, value)
    if not low <= result <= high or result & (result - 1):
        near = min((2**k for k in range(low.bit_length() - 1, high.bit_length())), key=lambda power: abs(power - result))
        raise GenartError("not_power_of_two", where=where, name=name, low=low, high=high, value=shorten(value), near=near)
    return result


def number(where: str, name: str, value: Any, low: float | None = None, high: float | None = None) -> float:
    """`value` as a float within [low, high], or an error that names `where` and `name`."""
    try:
        result = float(value) if not isinstance(value, bool) else float("nan")
    except (TypeError, ValueError, OverflowError):
        result = float("nan")
    if result != result:
        raise GenartError("not_number", where=where, name=name, value=shorten(value))
    return _bounded(where, name, result, low, high)


def text(where: str, name: str, value: object, high: int) -> str:
    """`value` as a text of at most `high` characters that can be sent, without the space around it, or an error."""
    if not isinstance(value, str) or len(value) > high or value != value.encode("utf-8", "replace").decode("utf-8"):
        raise GenartError("not_text", where=where, name=name, high=high, value=shorten(value))
    return value.strip()


def choice(where: str, name: str, value: Any, choices: Collection[T]) -> T:
    """`value` if it is one of `choices`, else an error that lists them."""
    if value not in tuple(choices):
        raise GenartError("not_choice", where=where, name=name, choices=", ".join(map(str, choices)), value=shorten(value))
    return value


def sizes(where: str, name: str, value: Any) -> list[int]:
    """`value` as a list of layer widths, or an error."""
    valid = isinstance(value, list | tuple) and all(isinstance(size, int) and not isinstance(size, bool) and size >= 1 for size in value)
    if not valid or not value:
        raise GenartError("not_sizes", where=where, name=name, value=shorten(value))
    return list(value)


def _bounded(where: str, name: str, value: Number, low: Number | None, high: Number | None) -> Number:
    if low is not None and high is not None and not low <= value <= high:
        raise GenartError("out_of_range", where=where, name=name, low=low, high=high, value=shorten(value))
    if high is not None and value > high:
        raise GenartError("too_large", where=where, name=name, high=high, value=shorten(value))
    if low is not None and value < low:
        raise GenartError("too_small", where=where, name=name, low=low, value=shorten(value))
    return value
