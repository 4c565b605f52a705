"""Every error has a sentence in both languages, and every sentence an error."""

import ast
import pickle
from pathlib import Path
from string import Formatter

import pytest
import torch

import genart_hub
from genart_hub import errors
from genart_hub.errors import MESSAGES, GenartError
from genart_hub.ui import texts

PACKAGE = Path(genart_hub.__file__).parent


def nodes(*left_out: str):
    """All of the package's source, parsed, but for these files."""
    files = (file for file in PACKAGE.rglob("*.py") if file.name not in left_out)
    return (node for file in files for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))))


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_every_code_that_is_used_has_a_sentence():
    calls = (node for node in nodes() if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "GenartError" and node.args)
    assert {call.args[0].value for call in calls if isinstance(call.args[0], ast.Constant)} <= set(MESSAGES)


def test_every_sentence_is_used():
    words = {node.value for node in nodes("errors.py", "texts.py") if isinstance(node, ast.Constant)}
    calls = [node for node in nodes() if isinstance(node, ast.Call) and node.args]
    words |= {call.args[0].value for call in calls if isinstance(call.args[0], ast.Constant)}
    assert set(MESSAGES) - words == set()


def test_every_code_has_a_chinese_sentence():
    assert set(texts.ERRORS_ZH) == set(MESSAGES)


@pytest.mark.parametrize("code", MESSAGES)
def test_both_languages_name_the_same_values(code):
    assert fields(texts.ERRORS_ZH[code]) == fields(MESSAGES[code])


@pytest.mark.parametrize("code", MESSAGES)
def test_a_sentence_is_one_line_and_the_chinese_one_is_chinese(code):
    assert "\n" not in MESSAGES[code] + texts.ERRORS_ZH[code]
    assert any("\u4e00" <= letter <= "\u9fff" for letter in texts.ERRORS_ZH[code])


@pytest.mark.parametrize("key", texts.TEXTS)
def test_every_text_of_the_app_is_there_in_both_languages_with_the_same_values(key):
    english, chinese = texts.TEXTS[key]
    assert english.strip()
    assert chinese.strip()
    if "$" not in english:  # formulas have braces of their own
        assert fields(english) == fields(chinese)


def test_a_genart_error_is_a_value_error_that_survives_another_process():
    error = GenartError("too_small", where="GAN", name="latent_dim", low=1, value="-3")
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, ValueError)
    assert str(again) == "GAN: latent_dim must be at least 1, got -3."
    assert (again.code, again.values) == (error.code, error.values)


def test_a_reason_within_a_sentence_speaks_the_language_of_the_sentence():
    error = GenartError("bad_picture", file="a.png", reason=GenartError("reason_format"))
    assert MESSAGES["reason_format"] in texts.sentence("en", error)
    assert texts.ERRORS_ZH["reason_format"] in texts.sentence("zh", error)


def test_a_value_is_shortened_to_one_line():
    assert errors.shorten("a\nb") == "'a\\nb'"
    assert len(errors.shorten("x" * 10_000)) == 60
    assert errors.first_line(OSError("first.\nsecond")) == "first"
    assert errors.first_line(KeyError()) == "KeyError"


@pytest.mark.parametrize(("value", "expected"), [(3, 3), (3.0, 3), (2**60, 2**60)])
def test_whole_takes_whole_numbers(value, expected):
    assert errors.whole("here", "n", value) == expected


@pytest.mark.parametrize("value", [3.5, "3", None, True, [3], float("inf"), float("nan"), torch.zeros(2, 3), torch.tensor(2.5)])
def test_whole_refuses_the_rest(value):
    with pytest.raises(GenartError, match="here: n must be a whole number"):
        errors.whole("here", "n", value)


def test_numbers_are_bounded_on_both_sides_including_the_bounds():
    assert [errors.number("here", "t", value, 0, 1) for value in (0, 1, "0.5")] == [0.0, 1.0, 0.5]
    for value in (-0.01, 1.01, float("inf")):
        with pytest.raises(GenartError, match="between 0 and 1"):
            errors.number("here", "t", value, 0, 1)
    for value in ("x", None, True, float("nan"), 10**400):
        with pytest.raises(GenartError, match="t must be a number"):
            errors.number("here", "t", value, 0, 1)
