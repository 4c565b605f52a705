"""Errors for people: one line that names the place, the rule, the value got and, where there is one, the cure."""

from genart_hub.errors.base import GenartError, first_line, shorten
from genart_hub.errors.checks import MAX_CLASSES, MAX_COUNT, MAX_SEED, choice, number, power_of_two, sizes, text, whole
from genart_hub.errors.messages import MESSAGES

__all__ = [
    "MAX_CLASSES",
    "MAX_COUNT",
    "MAX_SEED",
    "MESSAGES",
    "GenartError",
    "choice",
    "first_line",
    "number",
    "power_of_two",
    "shorten",
    "sizes",
    "text",
    "whole",
]
