"""The pictures that a card shows of a model, and pictures of prompts, batch by batch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genart_hub import images
from genart_hub.files import save_tensors, sha256_of
from genart_hub.hub.cards.markdown import GOLDEN, SAMPLES
from genart_hub.hub.cards.models import samples_of
from genart_hub.hub.cards.shown import COLUMNS, SEEDS, SHOWN, UNSEEN, WISHES, rows_of
from genart_hub.hub.names import WEIGHTS

BATCH = 50
GOLDEN_PICTURES = 2


def paint(model: Any, prompts: Sequence[str], seed: int = 0, **manner: Any) -> Tensor:
    """A picture of each prompt, some at a time under a bar. Picture k has seed `seed` + k. Returns (N, C, H, W) in [-1, 1].

    manner: the model's other inputs.
    """
    from tqdm import tqdm

    generated = []
    for k in tqdm(range(0, len(prompts), BATCH), unit=f"{BATCH} pictures", leave=False, disable=None):
        some = list(prompts[k : k + BATCH])
        generated.append(model.sample(len(some), seed + k, prompt=some, **manner))
    return torch.cat(generated)


@torch.no_grad()
def write_pictures(model: Any, folder: Path, name: str, dataset: str | None) -> None:
    """The grids that a card shows, and the golden pictures that tests compare with.

    A model that reads words is asked for those of a dataset whose words are known, and shows nothing where there is none.
    """
    shown = SHOWN.get(dataset or "")
    if not model.prompted:
        n, columns, scale, label = samples_of(model)
        request = {"label": label} if "label" in model.inputs else {}
        _write_grid(model, model.sample(n, seed=0, **request), folder / SAMPLES, name, request, columns, scale)
    elif shown:
        grids = ((SAMPLES, shown.known, COLUMNS), (UNSEEN, rows_of(shown.unseen), SEEDS), (WISHES, shown.wishes * SEEDS, len(shown.wishes)))
        for file, prompts, columns in grids:
            _write_grid(model, paint(model, prompts), folder / file, name, {"prompt": list(prompts)}, columns)
    tensors, asked = model._golden(shown.known[:GOLDEN_PICTURES] if shown else ("a picture",) * GOLDEN_PICTURES)
    save_golden(tensors, folder, asked)


def _write_grid(model: Any, x: Tensor, file: Path, name: str, request: dict[str, Any], columns: int, scale: int = 1) -> None:
    weights = file.parent / WEIGHTS
    recipe = model.recipe(0, len(x), **request, columns=columns, scale=scale) | {"model": name, "revision": None}
    recipe |= {"weights_sha256": sha256_of(weights)} if weights.is_file() else {}
    images.save_png(images.sheet(x, columns, scale), file, recipe)


def save_golden(tensors: dict[str, Tensor], folder: Path, asked: dict[str, str] | None = None) -> None:
    """Tensors that tests compare with, and the request that gives them."""
    save_tensors({key: value.contiguous() for key, value in tensors.items()}, folder / GOLDEN, {"format": "pt"} | (asked or {}))
