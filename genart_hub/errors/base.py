"""The one exception that a user can cause, and how values stand in its sentence."""

from typing import Any

from genart_hub.errors.messages import MESSAGES


class GenartError(ValueError):
    """An error that a user can cause and cure: a code and its values; its text is the English sentence.

    A value may be a GenartError itself, a reason within the sentence.
    """

    def __init__(self, code: str, **values: Any):
        super().__init__(MESSAGES[code].format(**values))
        self.code, self.values = code, values

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.code, self.values)


def _rebuild(code: str, values: dict) -> GenartError:
    return GenartError(code, **values)


def shorten(value: object, limit: int = 60) -> str:
    """A value as it stands in an error: one line of at most `limit` characters."""
    try:
        text = " ".join(repr(value).split())
    except (ValueError, RecursionError):  # a number of thousands of digits
        text = f"a {type(value).__name__}"
    return text if len(text) <= limit else text[: limit - 1] + "…"


def first_line(error: BaseException, limit: int = 120) -> str:
    """The first line of an exception's text, for an error that must name a cause of somebody else's."""
    lines = str(error).strip().splitlines()
    line = lines[0].strip().rstrip(".") if lines else type(error).__name__
    return line if len(line) <= limit else line[: limit - 1] + "…"
