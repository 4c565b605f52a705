"""Make a picture again from the recipe that its PNG carries."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

import genart_hub
from genart_hub import images
from genart_hub.errors import GenartError, number, shorten, whole
from genart_hub.files import sha256_of
from genart_hub.hub import bundled_folder
from genart_hub.models.base import MAX_SEED, check_generative, check_truncation
from genart_hub.remote import CONFIG, PIPELINE, WEIGHTS

NAME = re.compile(r"(?!\.)[\w.-]{1,100}")  # of a folder, and no path
MAX_COUNT, MAX_SCALE, MAX_SIDE = 4096, 64, 4096


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
        told = _check_prompt(recipe) if recipe.get("prompt") is not None else {}
    except GenartError as error:
        raise GenartError("bad_recipe", file=name, reason=error) from error
    checked = {"seed": seed, "n": n, "columns": columns, "scale": scale, "truncation": truncation, "label": recipe.get("label")}
    return recipe | checked | told


def _check_prompt(recipe: dict[str, Any]) -> dict[str, Any]:
    """What a text-to-image pipeline was asked. The pipeline looks at the texts' lengths, and at its own limits, itself."""
    for field in ("prompt", "negative_prompt"):
        texts = recipe.get(field) if field == "prompt" and isinstance(recipe.get(field), list) else [recipe.get(field)]
        if not texts or not all(isinstance(text, str) or (text is None and field != "prompt") for text in texts):
            raise GenartError("reason_field", field=field, value=shorten(recipe[field]))
    size = recipe.get("size")
    several = isinstance(size, list) and len(size) == 2
    sides = [] if size is None else [whole("recipe", "size", side, 8, MAX_SIDE) for side in (size if several else [size])]
    return {
        "negative_prompt": recipe.get("negative_prompt"),
        "num_steps": None if recipe.get("num_steps") is None else whole("recipe", "num_steps", recipe["num_steps"], 1, 1000),
        "guidance": None if recipe.get("guidance") is None else number("recipe", "guidance", recipe["guidance"], 0, 50),
        "size": tuple(sides) if several else next(iter(sides), None),
    }


def name_of(recipe: dict[str, Any]) -> str:
    """What `from_pretrained` loads the recipe's weights by: a bundled name, or a Hub id at its commit."""
    revision = recipe.get("revision")
    return f"{recipe['model']}@{revision}" if revision and "@" not in recipe["model"] else recipe["model"]


def place_of(recipe: dict[str, Any], path: str | os.PathLike) -> str:
    """What to load the recipe's weights by: `name_of`, or, for a folder of somebody's own, where it lies at its picture.

    That is a folder of this name or the picture's own, at the picture or beside its folder, best with the weights of the recipe's hash.
    """
    name, folder = recipe["model"], Path(path).resolve().parent
    if not NAME.fullmatch(name) or bundled_folder(name):
        return name_of(recipe)
    places = [place for place in (folder, folder / name, folder.parent / name, Path(name)) if _holds_model(place)]
    own = next((place for place in places if _has_weights(place, recipe.get("weights_sha256"))), None)
    found = own or next((place for place in places if place.name == name), None)
    return os.path.join(".", found) if found else name


def _holds_model(folder: Path) -> bool:
    return (folder / CONFIG).is_file() or (folder / PIPELINE).is_file()


def _has_weights(folder: Path, sha256: str | None) -> bool:
    return sha256 is not None and (folder / WEIGHTS).is_file() and sha256_of(folder / WEIGHTS) == sha256


def check_weights(model: Any, recipe: dict[str, Any]) -> None:
    """Refuse weights that are not those which made the picture."""
    wanted, found = recipe.get("weights_sha256"), model.source.sha256 if model.source else None
    if wanted and found != wanted:
        raise GenartError("other_weights", name=recipe["model"], wanted=wanted[:12], found=(found or "none")[:12])


def remake(path: str | os.PathLike, load: Callable[[str], Any] = genart_hub.from_pretrained) -> tuple[Image.Image, Tensor, dict]:
    """The picture of a PNG, sampled again to one grey level; its pixels; its recipe. load: name -> model."""
    recipe = read(path)
    try:
        model = load(place_of(recipe, path))
    except GenartError as error:
        if error.code != "model_not_found":
            raise
        raise GenartError("run_elsewhere", file=str(path), name=shorten(recipe["model"]).strip("'")) from error
    from_text = getattr(model, "family", None) == "diffusion"
    if not from_text:
        check_generative(model, genart_hub.bundled())
    if from_text != (recipe.get("prompt") is not None):
        reason = GenartError("reason_no_prompt" if from_text else "reason_prompt", model=recipe["model"])
        raise GenartError("bad_recipe", file=Path(path).name, reason=reason)
    check_weights(model, recipe)
    size = recipe["size"] if from_text else None
    height, width = size if isinstance(size, tuple) else (size or model.image_size,) * 2
    if recipe["n"] * (height + 2) * (width + 2) * recipe["scale"] ** 2 > images.MAX_PIXELS:
        raise GenartError("bad_recipe", file=Path(path).name, reason=GenartError("reason_pixels"))
    names = ("prompt", "num_steps", "guidance", "negative_prompt", "size") if from_text else ("label", "truncation")
    x = model.sample(recipe["n"], recipe["seed"], **{name: recipe[name] for name in names})
    others = ("label", "truncation") if from_text else ()
    return images.sheet(x, recipe["columns"], recipe["scale"]), x, {key: recipe[key] for key in recipe if key not in others}
