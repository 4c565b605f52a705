"""How a generator is driven to its end."""

from collections.abc import Generator
from typing import Any


def run(steps: Generator[Any, None, Any]) -> tuple[list[Any], Any]:
    """What a generator yields, and what it returns."""
    seen = []
    while True:
        try:
            seen.append(next(steps))
        except StopIteration as done:
            return seen, done.value
