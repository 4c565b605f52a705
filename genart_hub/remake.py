"""Make a picture again from the recipe that its PNG carries."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

import genart_hub
from genart_hub import images
from genart_hub.errors import GenartError, whole
from genart_hub.models.base import MAX_SEED, Generative, check_generative, check_truncation

MAX_COUNT, MAX_SCALE = 4096, 64


def read(path: str | os.PathLike) -> dict[str, Any]:
    """The recipe of a PNG, every field of it checked: a stranger may have written it."""
    recipe, name = images.read_recipe(path), Path(path).name
    try:
        seed = whole("recipe", "seed", recipe.get("seed"), 0, MAX_SEED)
        n = whole("recipe", "n", recipe.get("n", 1), 1, MAX_COUNT)
        columns = recipe.get("columns")
        columns = None if columns is None else whole("recipe", "columns", columns, 1, MAX_COUNT)
        scale = whole("recipe", "scale", recipe.get("scale", 1), 1, MAX_SCALE)
        truncation = check_truncation("recipe", recipe.get("truncation", 1.0))
    except GenartError as error:
        raise GenartError("bad_recipe", file=name, reason=error) from error
    return recipe | {"seed": seed, "n": n, "columns": columns, "scale": scale, "truncation": truncation, "label": recipe.get("label")}


def name_of(recipe: dict[str, Any]) -> str:
    """What `from_pretrained` loads the recipe's weights by: a bundled name, or a Hub id at its commit."""
    revision = recipe.get("revision")
    return f"{recipe['model']}@{revision}" if revision and "@" not in recipe["model"] else recipe["model"]


def check_weights(model: Generative, recipe: dict[str, Any]) -> None:
    """Refuse weights that are not those which made the picture."""
    wanted, found = recipe.get("weights_sha256"), model.source.sha256 if model.source else None
    if wanted and found != wanted:
        raise GenartError("other_weights", name=recipe["model"], wanted=wanted[:12], found=(found or "none")[:12])


def remake(path: str | os.PathLike, load: Callable[[str], Generative] = genart_hub.from_pretrained) -> tuple[Image.Image, Tensor, dict]:
    """The picture of a PNG, sampled again to one grey level; its pixels; its recipe. load: name -> model."""
    recipe = read(path)
    model = check_generative(load(name_of(recipe)), genart_hub.bundled())
    check_weights(model, recipe)
    if recipe["n"] * ((model.image_size + 2) * recipe["scale"]) ** 2 > images.MAX_PIXELS:
        raise GenartError("bad_recipe", file=Path(path).name, reason=GenartError("reason_pixels"))
    x = model.sample(recipe["n"], recipe["seed"], label=recipe["label"], truncation=recipe["truncation"])
    return images.sheet(x, recipe["columns"], recipe["scale"]), x, recipe
