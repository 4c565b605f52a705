"""Sprite sheets that move before anything is asked: a bundled model's own pictures, of fixed seeds, a row a picture and a column a frame.

`python -m genart_hub.ui.sprites` makes them again. A model of latents walks round between a few of them, one of words does so within a
wish, and one that takes steps goes from noise to picture.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from genart_hub import images, latents
from genart_hub.files import replacing
from genart_hub.hub.cards.markdown import GOLDEN
from genart_hub.hub.locate import Source, bundled_folder
from genart_hub.models import auto
from genart_hub.models.base import Generative, ImageModel, evaluating
from genart_hub.models.prompted import Prompted

FOLDER = Path(__file__).parent
INDEX = FOLDER / "sprites.json"
PICTURES, KEYS, FRAMES = 4, 4, 24  # of a sheet: its rows; latents of a round walk; columns of one
MOMENTS = 12  # from noise to picture
WISHES = ("smiling face with sunglasses", "rocket", "red apple", "cat, blob style")
QUALITY = 90  # of WebP in colour; grey ones are lossless
KINDS = ("walk", "wish", "noise")


@dataclass(frozen=True)
class Sprite:
    """A sheet beside this file. kind: of KINDS. frames, pictures: its columns and rows. side: of a tile, in px. weights: `weights_of`
    the model that drew it.
    """  # fmt: skip

    name: str
    kind: str
    frames: int
    pictures: int
    side: int
    weights: str

    @property
    def file(self) -> Path:
        return FOLDER / f"{self.name}.webp"


def sprite_of(name: str) -> Sprite | None:
    """The sheet of a bundled model; None where there is none, or where other weights drew it."""
    sprite = _index().get(name)
    return sprite if sprite and sprite.file.is_file() and sprite.weights == weights_of(name) else None


@cache
def _index() -> dict[str, Sprite]:
    return {about["name"]: Sprite(**about) for about in json.loads(INDEX.read_text("utf-8"))} if INDEX.is_file() else {}


def weights_of(name: str) -> str | None:
    """The hash of a bundled model's weight files, as `Source.sha256` has it for several; None where nothing of that name is bundled."""
    folder = bundled_folder(name)
    files = sorted(file for file in folder.rglob("*.safetensors") if file.name != GOLDEN) if folder else []
    return Source(name, folder, files=tuple(files)).sha256 if folder else None


def frames_of(model: ImageModel) -> tuple[str, Tensor] | None:
    """The kind of a model's sheet, and what it shows, (F, P, C, H, W) in [-1, 1]; None for a model of which nothing moves.

    The first frame is one to stand still on: from noise to picture, it is the picture.
    """
    if model.unfolds:
        return "noise", _from_noise(model)
    if isinstance(model, Generative):
        return "walk", torch.stack([_walk(model, k) for k in range(PICTURES)], dim=1)
    if isinstance(model, Prompted):
        return "wish", torch.stack([_walk_of_wish(model, k) for k in range(PICTURES)], dim=1)
    return None


def _seeds(k: int) -> range:
    """The seeds of picture k's round walk."""
    return range(k * KEYS, (k + 1) * KEYS)


def _label(model: ImageModel, k: int) -> int | None:
    """A class for picture k, another for each where there are enough."""
    return k * model.num_classes // PICTURES if model.num_classes else None


def _walk(model: Generative, k: int) -> Tensor:
    return latents.frames(model, latents.seed_walk(model, _seeds(k), FRAMES, loop=True), label=_label(model, k))


@torch.no_grad()
def _walk_of_wish(model: Prompted, k: int) -> Tensor:
    z = latents.walk(torch.cat([model.latents(1, seed) for seed in _seeds(k)]), FRAMES, loop=True)
    with evaluating(model):
        return model.generate(z, model.embed([WISHES[k]]).expand(FRAMES, -1)).float()


def _from_noise(model: Any) -> Tensor:
    asked: dict[str, Any] = {"prompt": list(WISHES)} if "prompt" in model.inputs else {}
    asked |= {"label": [_label(model, k) for k in range(PICTURES)]} if model.num_classes else {}
    moments = [x for _, _, x in model.denoise(PICTURES, 0, **asked)]
    last = len(moments) - 1
    count = min(MOMENTS, last)
    return torch.stack([moments[last], *(moments[round(k * last / count)] for k in range(count))])


def sheet(x: Tensor) -> Image.Image:
    """Frames as a sheet. x: (F, P, C, H, W) in [-1, 1]."""
    F, P, C, H, W = x.shape
    picture: Image.Image = images.to_pil(x.permute(2, 1, 3, 0, 4).reshape(C, P * H, F * W))
    return picture


def write(names: Sequence[str] = ()) -> list[Sprite]:
    """Draw the sheets of these bundled models (of all of them), and list them in the index. Returns those that were drawn."""
    drawn = []
    for name in names or auto.bundled():
        model = auto.from_pretrained(name, device="cpu")
        if found := frames_of(model):
            kind, x = found
            picture = sheet(x)
            options: dict[str, Any] = {"lossless": True} if x.shape[2] == 1 else {"quality": QUALITY}
            drawn.append(Sprite(name, kind, len(x), x.shape[1], x.shape[-1], weights_of(name) or ""))
            with replacing(drawn[-1].file) as file:
                picture.convert("RGB").save(file, format="WEBP", method=6, **options)
    listed = {name: sprite for name, sprite in _index().items() if bundled_folder(name)} | {sprite.name: sprite for sprite in drawn}
    with replacing(INDEX) as file:
        file.write_text(json.dumps([asdict(listed[name]) for name in sorted(listed)], indent=1) + "\n", encoding="utf-8")
    _index.cache_clear()
    return drawn
