"""Pictures of prompts, batch by batch, and those that a card shows."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from genart_hub import images
from genart_hub.files import save_tensors
from genart_hub.hub.cards.markdown import GOLDEN, SAMPLES
from genart_hub.hub.cards.pipelines import COLUMNS, SEEDS, SHOWN, UNSEEN, rows_of

if TYPE_CHECKING:
    pass


BATCH = 50


def paint(model: Any, prompts: Sequence[str], seed: int = 0, num_steps: int | None = None, guidance: float | None = None) -> Tensor:
    """A picture of each prompt, some at a time under a bar. Picture k has seed `seed` + k. Returns (N, 3, H, W) in [-1, 1]."""
    from tqdm import tqdm

    made = []
    for k in tqdm(range(0, len(prompts), BATCH), unit=f"{BATCH} pictures", leave=False, disable=None):
        some = list(prompts[k : k + BATCH])
        made.append(model.sample(len(some), seed + k, prompt=some, num_steps=num_steps, guidance=guidance))
    return torch.cat(made)


GOLDEN_PICTURES, GOLDEN_STEPS = 2, 4


def write_pictures(folder: Path, model: Any, name: str, dataset: str | None) -> None:
    """The two grids that the card shows, and the golden pictures that tests compare with."""
    if shown := SHOWN.get(dataset):
        for file, prompts, columns in ((SAMPLES, shown.known, COLUMNS), (UNSEEN, rows_of(shown.unseen), SEEDS)):
            recipe = model.recipe(0, len(prompts), prompt=list(prompts), columns=columns) | {"model": name, "revision": None}
            images.save_png(images.sheet(paint(model, prompts), columns), folder / file, recipe)
    prompts = list(shown.known[:GOLDEN_PICTURES] if shown else ("a picture",) * GOLDEN_PICTURES)
    guidance = model.defaults["guidance"]
    x = model.sample(len(prompts), seed=0, prompt=prompts, num_steps=GOLDEN_STEPS, guidance=guidance)
    asked = {"prompt": json.dumps(prompts, ensure_ascii=False), "num_steps": str(GOLDEN_STEPS), "guidance": str(guidance)}
    save_tensors({"x": x.contiguous()}, folder / GOLDEN, {"format": "pt"} | asked)
