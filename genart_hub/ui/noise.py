"""How noise becomes a picture, for a page: every step of one run from within, the same seed at other guidances and numbers of steps."""

import base64
import io
from collections.abc import Generator, Sequence
from contextlib import closing
from functools import partial
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from genart_hub import images
from genart_hub.errors import GenartError
from genart_hub.hub.cards.tables import read_evaluation
from genart_hub.hub.described import name_of
from genart_hub.hub.locate import bundled_folder
from genart_hub.models import auto
from genart_hub.models.base import ImageModel
from genart_hub.models.inside import Inside
from genart_hub.models.stable_diffusion.inside import tokens, unprompted
from genart_hub.streams import steps_of

GUIDANCES, STEPS = (0, 1, 3, 7), (1, 2, 5, 10, 20, 50)
MOST_STEPS = 50  # of a run that is shown
MOST_SIDE = 128  # px of the pictures of such a model
SIDE = 64  # px of a tile
SPREAD = 3  # standard deviations of noise from grey to black, and to white
QUALITY = 90  # of a sheet's WebP
ROWS = ("has", "believes", "eps", "without", "told", "added")  # of a film's sheet
CURVES = {"is what was asked for (text)": "asked_en", "is what was asked for (text_zh)": "asked_zh", "Fréchet distance": "frechet"}

Steps = Generator[tuple[int, int], None, dict[str, Any]]  # (step, of how many) on the way, and what a page is told at the end


def opens(name: object) -> bool:
    """Whether a model of that name is bundled and can be opened."""
    return isinstance(name, str) and bool(bundled_folder(name.strip())) and hasattr(auto.class_of(name.strip()), "inside")


def check(model: ImageModel) -> Any:
    """The model. Raises GenartError for one that cannot be opened, or only in a very long time."""
    if not hasattr(model, "inside") or model.image_size > MOST_SIDE:
        raise GenartError("not_opened", name=name_of(model))
    return model


def film(model: Any, seed: int, asked: dict[str, Any]) -> Steps:
    """Every step of `model.sample(1, seed, **asked)`: what it has, what it believes in, the noise that it predicts; and the tokens."""
    steps: list[Inside] = []
    with closing(model.inside(seed, **asked)) as run:
        for one in run:
            steps.append(one)
            yield one.step + 1, one.total
    side = side_of(model)
    tiles = [
        [*map(picture, (one.has, one.believes)), noise_of(one.eps), *map(picture, (one.without, one.told, (one.told - one.without) / 2))]
        for one in steps
    ]
    return {
        "sheet": sheet_of(tiles, side),
        "side": side,
        "alpha": [round(one.alpha, 3) for one in steps],
        "sigma": [round(one.sigma, 3) for one in steps],
        "seed": seed,
        "guidance": asked.get("guidance", model.defaults.get("guidance")),
        "channels": len(steps[0].eps),
        "reads": "prompt" in model.inputs,
        "tokens": [[one.text, one.kind, one.known] for one in tokens(model, asked["prompt"])] if "prompt" in asked else [],
    }


def guidances(model: Any, seed: int, asked: dict[str, Any]) -> Steps:
    """The picture of a seed at each of GUIDANCES; 0 is the one without its words, or its class."""
    rows = [asked | {"guidance": w} for w in GUIDANCES]
    steps = asked.get("num_steps", model.defaults["num_steps"])
    return blank(name_of(model), "guidance") | (yield from _row(model, seed, rows, [steps] * len(rows)))


def numbers_of_steps(model: Any, seed: int, asked: dict[str, Any]) -> Steps:
    """The picture of a seed after each of STEPS."""
    rows = [asked | {"num_steps": steps} for steps in STEPS]
    return blank(name_of(model), "steps") | (yield from _row(model, seed, rows, STEPS))


def _row(model: Any, seed: int, rows: Sequence[dict[str, Any]], counts: Sequence[int]) -> Steps:
    """The pictures of several requests. counts: the steps of each."""
    pictures = []
    for k, asked in enumerate(rows):
        drawing = steps_of(partial(drawn, model, seed, asked))
        with closing(drawing):
            try:
                while True:
                    step, _ = next(drawing)
                    yield sum(counts[:k]) + step, sum(counts)
            except StopIteration as done:
                pictures.append(picture(done.value[0][0]))
    side = side_of(model)
    return {"sheet": sheet_of([[one] for one in pictures], side), "side": side}


def drawn(model: Any, seed: int, asked: dict[str, Any], on_step: Any) -> Tensor:
    """The picture of a request; that of guidance 0 is without words, which diffusers itself takes for 1."""
    if "prompt" in asked and asked.get("guidance") == 0:
        return unprompted(model, seed, num_steps=asked.get("num_steps"))
    return model.sample(1, seed, **asked, on_step=on_step)


def blank(name: str, kind: str) -> dict[str, Any]:
    """What a page knows of a part before anything is drawn: whether there are words to read; a row's values and the curves measured."""
    if kind == "film":
        return {"reads": "prompt" in auto.listing(name)["inputs"] if name else False}
    return {"values": GUIDANCES if kind == "guidance" else STEPS, "measured": measured(name, kind)}


def measured(name: str, kind: str) -> dict[str, Any] | None:
    """The curves of a bundled model, their file, and the command that measured them; None where there are none."""
    folder = bundled_folder(name)
    found = read_evaluation(folder / f"{kind}.json") if folder else None
    if found is None:
        return None
    curves: dict[str, list[list[float]]] = {}
    for called, measures in found.results.items():
        x = float(next(part for part in called.split(", ")[-1].split() if part.replace(".", "").isdigit()))
        for one in measures:
            if one.name in CURVES and one.value is not None:
                curves.setdefault(CURVES[one.name], []).append([x, round(one.value, 3)])
    return {"command": found.command, "file": f"weights/{name}/{kind}.json", "curves": curves}


def side_of(model: ImageModel) -> int:
    return min(model.image_size, SIDE)


def picture(x: Tensor) -> Image.Image:
    """(C, H, W) in [-1, 1]; of a difference, grey is none."""
    return images.to_pil(x[None])[0]


def noise_of(eps: Tensor) -> Image.Image:
    """Predicted noise (C, H, W) as a picture: grey is 0, black and white are SPREAD standard deviations. Three channels are colours, and
    of another number each is a field of its own."""  # fmt: skip
    shown = (eps / SPREAD).clamp(-1, 1)
    if len(eps) not in (1, 3):
        columns = 2 if len(eps) % 2 == 0 else 1
        shown = torch.cat([torch.cat(list(line), dim=1) for line in shown.split(columns)])[None]
    return picture(shown)


def sheet_of(tiles: Sequence[Sequence[Image.Image]], side: int) -> str:
    """Pictures as one, the first index from left to right and the second downwards, as an address that holds it."""
    sheet, file = Image.new("RGB", (side * len(tiles), side * len(tiles[0]))), io.BytesIO()
    for k, column in enumerate(tiles):
        for j, one in enumerate(column):
            how = Image.Resampling.NEAREST if one.width < side else Image.Resampling.LANCZOS
            sheet.paste(one if one.width == side else one.resize((side, side), how), (k * side, j * side))
    sheet.save(file, format="WEBP", quality=QUALITY)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
