"""The pictures on the pages of the path, made by the bundled models: `python -m genart_hub.ui.pages.draw`.

They stand in `pages/pictures`; the same models give the same pictures again. Two are taken from elsewhere: what a broken training draws,
where `--broken` names its run, and the nearest training pictures from a model's card. The run that broke is of

    genart-hub train gan --data mnist/train.parquet --preset article --epochs 3 --lr 1e-3 --out broken
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from genart_hub import images
from genart_hub.models.auto import from_pretrained
from genart_hub.ui.examples import SHAPES as PAINTED
from genart_hub.ui.examples import STROKES, draw, paint
from genart_hub.ui.machine import PICTURES

WISH, SEED = "red apple", 0
LARGE = 100  # px; a wider picture is stored with a loss that nobody sees


def pictures() -> Iterator[tuple[str, Image.Image]]:
    """Each picture by its name, from the bundled models."""
    yield from of_noise()
    yield from of_autoencoders()
    yield from of_digits()
    yield from of_wishes()
    yield from of_diffusion()


def of_noise() -> Iterator[tuple[str, Image.Image]]:
    z = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(SEED))
    yield "noise", one(z.div(2))


def of_autoencoders() -> Iterator[tuple[str, Image.Image]]:
    emoji, digits = from_pretrained("conv-vae-emoji"), from_pretrained("vae-mnist")
    face = images.from_pil(paint(PAINTED["face"]), emoji.image_size, emoji.channels)
    yield "face", one(face)
    yield "face-again", one(emoji.reconstruct(face))
    three = images.from_pil(images.center_digit(draw(STROKES["3"]), digits.image_size), digits.image_size, digits.channels)
    yield "three", one(three)
    yield "three-again", one(digits.reconstruct(three))
    yield "three-mean", bars(digits.encode(three)[0][0])
    yield "holes", table(emoji.sample(16, SEED, prior="normal"))
    yield "fitted", table(emoji.sample(16, SEED, prior="mixture"))


def of_digits() -> Iterator[tuple[str, Image.Image]]:
    gan, dcgan = from_pretrained("gan-mnist"), from_pretrained("dcgan-emoji")
    yield "digit-by-gan", one(gan.sample(1, 1))
    yield "digits-by-gan", table(gan.sample(16, SEED))
    yield "one-seed-face", one(dcgan.sample(1, 2, label="smileys-emotion"))
    yield "one-seed-food", one(dcgan.sample(1, 2, label="food-drink"))


def of_wishes() -> Iterator[tuple[str, Image.Image]]:
    for name in ("text-vae-emoji", "text-gan-emoji", "tokens-emoji", "tiny-sd-emoji"):
        yield f"wish-{name}", one(from_pretrained(name).sample(1, SEED, prompt=WISH))


def of_diffusion() -> Iterator[tuple[str, Image.Image]]:
    digits: Any = from_pretrained("ddpm-mnist")
    emoji: Any = from_pretrained("tiny-sd-emoji")
    for step, total, x in digits.denoise(1, SEED, label=3, num_steps=20):
        if step in (0, 8, 13, total):
            yield f"digit-step-{step}", one(x)
    yield "one-step", table(digits.sample(16, SEED, num_steps=1))
    yield "twenty-steps", table(digits.sample(16, SEED, num_steps=20))
    for step, total, x in emoji.denoise(1, SEED, prompt=WISH, num_steps=20):
        if step in (0, 8, total):
            yield f"apple-step-{step}", one(x)
    copies = images.open_picture(emoji.source.folder / "nearest.png").convert("RGB")
    yield "copies", copies.crop((0, 0, copies.width, copies.height // 2))


def one(x: Tensor) -> Image.Image:
    return images.to_pil(x.clamp(-1, 1))[0]


def table(x: Tensor) -> Image.Image:
    return images.grid(x, 4)


def bars(values: Tensor) -> Image.Image:
    """Numbers as bars up and down from the middle. values: (Z,), about -3 to 3."""
    width, height = 3, 36
    picture = Image.new("RGB", (width * len(values), height), "#f5ebff")
    for k, value in enumerate(values.tolist()):
        length = round(min(abs(value), 3) / 3 * height / 2)
        top = height // 2 - (length if value > 0 else 0)
        picture.paste("#8a4fd0", (width * k, top, width * k + 2, top + max(length, 1)))
    return picture


def save(name: str, picture: Any) -> None:
    lossless = picture.width <= LARGE or picture.mode == "L"
    picture.save(PICTURES / f"{name}.webp", lossless=lossless, quality=80, method=6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--broken", type=Path, help="the run of a training that broke, of which the first 16 samples are shown")
    arguments = parser.parse_args()
    PICTURES.mkdir(exist_ok=True)
    for name, picture in pictures():
        save(name, picture)
    if arguments.broken:
        save("broken", table(from_pretrained(arguments.broken).sample(16, SEED)))


if __name__ == "__main__":
    main()
