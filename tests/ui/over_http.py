"""What the tests of the endpoints send, and how they read what comes back."""

from pathlib import Path

import pytest
import torch
from gradio_client import handle_file
from gradio_client.exceptions import AppError
from PIL import Image, ImageChops
from running import DIGITS, EMOJI, PIPELINE

from genart_hub import images

GAN, VAE = "gan-mnist", "vae-mnist"


def same_picture(a: Image.Image, b: Image.Image) -> bool:
    """Equal to one grey level."""
    difference = ImageChops.difference(a.convert("RGB"), b.convert("RGB"))
    return a.size == b.size and all(high <= 1 for _, high in difference.getextrema())


def small(picture: str | Image.Image, side: int = 28) -> Image.Image:
    """A picture that the app enlarged, at its own size again."""
    picture = picture if isinstance(picture, Image.Image) else Image.open(picture)
    return picture.convert("L").resize((side, side), Image.Resampling.NEAREST)


def mean_squared_error(a: str, b: str) -> float:
    x, x_hat = (torch.tensor(list(small(path).tobytes())) / 255 for path in (a, b))
    return (x - x_hat).square().mean().item()


def digit(folder: Path) -> Path:
    from genart_hub.ui.examples import save_digits

    return Path(save_digits(folder)[3])


def apple(folder: Path) -> Path:
    from genart_hub.ui.examples import save_emoji

    return Path(save_emoji(folder)[2])


def drawing(path: Path) -> dict:
    return {"background": None, "layers": [], "composite": handle_file(path)}


def answers_of(outputs: tuple, names: list[str]) -> tuple[dict, dict, dict, str]:
    """What /compare gave: the pictures and the card of each model ("big" among them), the table, the status line."""
    *answers, table, status = outputs
    names = [*names, "big"]
    return dict(zip(names, answers, strict=False)), dict(zip(names, answers[len(names) :], strict=False)), table, status


TINY_NAMES = ["vae-mnist", EMOJI[0], *DIGITS[1:3], EMOJI[1], DIGITS[3], PIPELINE]  # in the order of history


def compared(client, *request) -> tuple[dict, dict, dict, str]:
    return answers_of(client.predict(*request, api_name="/compare_on_page"), TINY_NAMES)


def refused(app, client, *arguments, api_name: str) -> str:
    """The sentence of a refusal; the terminal stays free of a traceback, and so does the sentence."""
    before = len(app.terminal)
    with pytest.raises(AppError) as refusal:
        client.submit(*arguments, api_name=api_name).result(timeout=60)
    sentence = str(refusal.value)
    assert "\n" not in sentence
    assert "Traceback" not in sentence
    assert "Traceback" not in app.terminal[before:]
    return sentence


def picture_with(recipe: dict | None, path: Path) -> Path:
    return images.save_png(Image.new("L", (28, 28)), path, recipe)
