"""Make a picture again from the recipe that its PNG carries."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from genart_hub import images, latents
from genart_hub.errors import MAX_SEED, GenartError, shorten, whole
from genart_hub.files import sha256_of
from genart_hub.hub.cards.tables import TRAINING, read_json
from genart_hub.hub.locate import bundled_folder, holds_model
from genart_hub.hub.names import WEIGHTS
from genart_hub.models import auto
from genart_hub.models.base import ImageModel
from genart_hub.models.inputs import INPUTS

NAME = re.compile(r"(?!\.)[\w.-]{1,100}")  # of a folder, and no path
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
        request = {key: INPUTS[key].check("recipe", value) for key in INPUTS if (value := recipe.get(key)) is not None}
    except GenartError as error:
        raise GenartError("bad_recipe", file=name, reason=error) from error
    return recipe | {"seed": seed, "n": n, "columns": columns, "scale": scale} | request


def request_of(recipe: dict[str, Any], model: ImageModel, file: str) -> dict[str, Any]:
    """What the recipe asks of the model beside n and seed, if the model takes all of that, and nothing is missing that it needs."""
    given = {name: recipe[name] for name in INPUTS if recipe.get(name) is not None}
    other = next((name for name in given if name not in model.inputs), None)
    missing = next((name for name in model.inputs if INPUTS[name].needed and name not in given), None)
    if other or missing:
        reason = GenartError("reason_other_input" if other else "reason_missing_input", name=other or missing, model=recipe["model"])
        raise GenartError("bad_recipe", file=file, reason=reason)
    return given


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
    places = [place for place in (folder, folder / name, folder.parent / name, Path(name)) if holds_model(place)]
    own = next((place for place in places if _has_weights(place, recipe.get("weights_sha256"))), None)
    found = own or next((place for place in places if place.name == name), None)
    return os.path.join(".", found) if found else name


def _has_weights(folder: Path, sha256: str | None) -> bool:
    return sha256 is not None and (folder / WEIGHTS).is_file() and sha256_of(folder / WEIGHTS) == sha256


def check_weights(model: ImageModel, recipe: dict[str, Any]) -> dict[str, Any]:
    """Refuse weights that are not those which made the picture.

    Those to which a prior was fitted afterwards are still there, and those that were stored in half precision since draw the same within
    some grey levels. Returns what a request must have beside, to be as before.
    """
    wanted, found = recipe.get("weights_sha256"), model.source.sha256 if model.source else None
    if wanted and found != wanted and _about(model).get("rounded_from") != wanted:
        if "prior" in model.inputs and fitted_to(model) == wanted:
            return {"prior": "normal"}
        raise GenartError("other_weights", name=recipe["model"], wanted=wanted[:12], found=(found or "none")[:12])
    return {}


def fitted_to(model: ImageModel) -> str | None:
    """The hash of the weights that the model's prior was fitted to, before it stood among them; None where nobody wrote it down."""
    prior = _about(model).get("prior")
    return prior.get("fitted_to") if isinstance(prior, dict) else None


def _about(model: ImageModel) -> dict[str, Any]:
    """What is written down of the model's training, and of what became of its weights since."""
    file = model.source.companion(TRAINING) if model.source else None
    return (read_json(file) or {}) if file else {}


def remake(path: str | os.PathLike, load: Callable[[str], ImageModel] = auto.from_pretrained) -> tuple[Image.Image, Tensor, dict[str, Any]]:
    """The picture of a PNG, sampled again to one grey level; its pixels; its recipe. load: name -> model."""
    recipe = read(path)
    try:
        model = load(place_of(recipe, path))
    except GenartError as error:
        if error.code != "model_not_found":
            raise
        raise GenartError("run_elsewhere", file=str(path), name=shorten(recipe["model"]).strip("'")) from error
    request = request_of(recipe, auto.check_image_model(model), Path(path).name)
    request |= check_weights(model, recipe)
    size = request.get("size")
    height, width = size if isinstance(size, tuple) else (size or model.image_size,) * 2
    if recipe["n"] * (height + 2) * (width + 2) * recipe["scale"] ** 2 > images.MAX_PIXELS:
        raise GenartError("bad_recipe", file=Path(path).name, reason=GenartError("reason_pixels"))
    along = "directions" in recipe
    x = _along(recipe, model, request, Path(path).name) if along else model.sample(recipe["n"], recipe["seed"], **request)
    return images.sheet(x, recipe["columns"], recipe["scale"]), x, recipe


def _along(recipe: dict[str, Any], model: ImageModel, request: dict[str, Any], file: str) -> Tensor:
    """The pictures of a recipe that carries directions of the latent space."""
    model = auto.check_latent(model)
    try:
        found, strengths = latents.directions.of_recipe(recipe["directions"], model.latent_dim)
        whole("recipe", "n", recipe["n"], len(found) * len(strengths), len(found) * len(strengths))
    except GenartError as error:
        raise GenartError("bad_recipe", file=file, reason=error) from error
    return latents.directions.traversal(model, found, strengths, recipe["seed"], **request)
