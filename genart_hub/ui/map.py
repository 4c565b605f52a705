"""A latent space to touch: a map of pictures with a dot that is dragged, and two ways between its corners. What shows it is map.js."""

import base64
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import torch
from PIL import Image
from torch import Tensor

from genart_hub import images
from genart_hub.errors import MAX_SEED, GenartError, choice, number, text, whole
from genart_hub.hub.described import name_of
from genart_hub.latents import METHODS
from genart_hub.models import auto
from genart_hub.models.auto import check_latent
from genart_hub.models.base import ImageModel
from genart_hub.models.inputs import PROMPT_LIMIT
from genart_hub.models.prompted import Prompted
from genart_hub.ui import map_points, texts
from genart_hub.ui.map_points import Fixed, Points
from genart_hub.ui.model_cache import HERE, ModelCache
from genart_hub.ui.opened import answering, numbers_of, packed, rounded
from genart_hub.ui.texts import t
from genart_hub.ui.turns import Turns

SCRIPT, PLACE, STRIP, CSS, TEMPLATE = (
    Path(__file__).with_name(name).read_text(encoding="utf-8") for name in ("map.js", "map_place.js", "map_strip.js", "map.css", "map.html")
)
CORNERS = 4
FACES = ("corners", "plane")
LARGEST = 32  # px of a side of the map's pictures; the one at the dot is as large as the model makes it
SENT = 128  # px of a side of a reader's own picture, as the page sends it
DRAGGING = Turns()  # a line of its own: nobody who drags waits for another's diffusion
SHOWN_CLASSES = 200  # of a model with many


class Answers:
    """What the panel asks for while a reader drags: from what a page sends to what it gets. Nothing of a reader is kept between."""

    def __init__(self, models: ModelCache):
        self.models = models

    def begin(self, asked: dict[str, Any]) -> dict[str, Any]:
        """What a model's map can show: the kinds of its corners, and what stands there at first."""
        model, lang = self._model(asked), str(asked.get("lang"))
        names = list(model.class_names)[:SHOWN_CLASSES]
        kinds = map_points.kinds_of(model)
        return {
            "model": name_of(model),
            "side": model.image_size,
            "channels": model.channels,
            "latent_dim": model.latent_dim,
            "mixture": map_points.mixture_of(model) is not None,
            "kinds": kinds,
            "ends": {kind: self._usual(model, kind, lang) for kind in kinds},
            "classes": [texts.class_name(lang, name) for name in names],
            "examples": example_choices(model, lang) if "pictures" in kinds else [],
            "prompt": self._usual(model, "prompts", lang)[0] if "prompts" in kinds else "",
        }

    def grid(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The map's pictures, row by row."""
        x = self._pictures(asked, *map_points.grid())
        if x.shape[-1] > LARGEST:
            x = images.resize(x, LARGEST, x.shape[1])
        return {"pictures": packed(x), "side": x.shape[-1]}

    def dot(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The picture at the dot."""
        x, y = (torch.tensor([number("", name, asked.get(name), 0, 1)], dtype=torch.float64) for name in ("x", "y"))
        return {"picture": packed(self._pictures(asked, x, y))[0]}

    def strip(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The pictures of both ways between two corners, and how long what leads there is."""
        model = self._model(asked)
        fixed = self._fixed(model, asked)
        points = self._ends(model, asked, fixed)
        a, b = (whole("", name, asked.get(name), 0, CORNERS - 1) for name in ("from", "to"))
        ways = {method: points.walk(a, b, method) for method in METHODS}
        lengths = {method: rounded(map_points.latents_of(model, way).norm(dim=1)) for method, way in ways.items()}
        mark = None if points.kind == "prompts" else map_points.radius(model)
        return {"lengths": lengths, "mark": mark} | {method: packed(map_points.draw(model, way, fixed)) for method, way in ways.items()}

    def encode(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The latent of a reader's own picture, for the corner that he has chosen. pixels: SENT x SENT of RGB bytes, in base64."""
        model = self._model(asked)
        choice("", "kind", "pictures", map_points.kinds_of(model))
        corner = whole("", "corner", asked.get("corner"), 0, CORNERS - 1)
        return {"corner": corner, "z": rounded(map_points.seen(model, own_picture(asked.get("pixels"))))}

    def _model(self, asked: dict[str, Any]) -> ImageModel:
        """The model that is named: a bundled one is loaded again where it was put away, one of the Hub is not."""
        name = self.models.check(asked.get("model"))
        if name not in auto.bundled() and not name.startswith(HERE) and not self.models.is_loaded(name):
            raise GenartError("put_away_map", name=name)
        return check_latent(self.models.painter(name))

    def _pictures(self, asked: dict[str, Any], x: Tensor, y: Tensor) -> Tensor:
        """Pictures of places of the map that is asked for. x, y: (N,) in [0, 1]. Returns (N, C, H, W)."""
        model = self._model(asked)
        fixed = self._fixed(model, asked)
        if choice("", "face", asked.get("face"), FACES) == "plane":
            return map_points.draw_latents(model, map_points.plane_of(model, fixed).at(x, y), fixed)
        return map_points.draw(model, self._ends(model, asked, fixed).at(x, y), fixed)

    @staticmethod
    def _fixed(model: ImageModel, asked: dict[str, Any]) -> Fixed:
        """What is the same for all pictures, checked, of what the model takes."""
        prompt = text("", "prompt", asked.get("prompt"), PROMPT_LIMIT) if isinstance(model, Prompted) else ""
        return Fixed(
            seed=whole("", "seed", asked.get("seed", 0), 0, MAX_SEED),
            label=whole("", "label", asked.get("label", 0), 0, model.num_classes - 1) if model.num_classes else 0,
            prompt=prompt,
        )

    @staticmethod
    def _ends(model: ImageModel, asked: dict[str, Any], fixed: Fixed) -> Points:
        """The four corners, checked."""
        kind, values = choice("", "kind", asked.get("kind"), map_points.kinds_of(model)), asked.get("ends")
        if not isinstance(values, list) or len(values) != CORNERS:
            raise GenartError("bad_map", model=name_of(model))
        if kind == "seeds":
            values = [whole("", "seed", value, 0, MAX_SEED) for value in values]
        elif kind == "classes":
            values = [whole("", "label", value, 0, model.num_classes - 1) for value in values]
        elif kind == "prompts":
            values = [text("", "prompt", value, PROMPT_LIMIT) for value in values]
        else:
            values = [latent_of(model, value) for value in values]
        return map_points.ends(model, kind, values, fixed)

    @staticmethod
    def _usual(model: ImageModel, kind: str, lang: str) -> list[Any]:
        """What stands at the corners at first."""
        if kind == "seeds":
            return list(range(CORNERS))
        if kind == "classes":
            return [k % model.num_classes for k in range(CORNERS)]
        if kind == "pictures":
            return map_points.example_names(model)[:CORNERS]
        assert isinstance(model, Prompted)
        vocabulary = model.words.vocabulary
        known = [one for one in texts.say(lang, "map_prompts").split("|") if vocabulary.hears(one)]
        known += [name for name in [model.example_prompt, *vocabulary.all_names[:CORNERS]] if name not in known]
        return [known[k % len(known)] for k in range(CORNERS)]


def latent_of(model: ImageModel, value: object) -> list[float]:
    """The latent of a corner that is a picture: an example's name, or the numbers that `encode` gave for a picture of one's own."""
    if isinstance(value, str):
        return map_points.example(model, choice("", "picture", value, map_points.example_names(model))).tolist()
    return numbers_of(value, model)[0].tolist()


def own_picture(pixels: object) -> Image.Image:
    """A reader's picture from its bytes. Raises GenartError for what is none."""
    levels = unpacked(pixels, SENT * SENT * 3)
    return Image.frombytes("RGB", (SENT, SENT), levels)


def unpacked(sent: object, size: int) -> bytes:
    """So many bytes from base64, of which nothing is decoded that is longer. Raises GenartError for another count."""
    try:
        levels = base64.b64decode(sent, validate=True) if isinstance(sent, str) and len(sent) <= 4 * size else b""
    except ValueError:
        levels = b""
    if len(levels) != size:
        raise GenartError("no_picture")
    return levels


def example_choices(model: ImageModel, lang: str) -> list[tuple[str, str]]:
    """The examples of a model by name, each with what a reader calls it."""
    names = map_points.example_names(model)
    called = texts.say(lang, "example_digits" if model.channels == 1 else "example_emoji").split("|")[1:]
    return list(zip(names, called, strict=True))


def panel(models: ModelCache) -> gr.HTML:
    """The panel. Its value is what `shown` gives."""
    answers = Answers(models)
    functions = [answering(one, DRAGGING) for one in (answers.begin, answers.grid, answers.dot, answers.strip, answers.encode)]
    template = TEMPLATE.replace("{models}", ",".join(first_and_others(auto.with_latents())))
    options = {
        "html_template": template,
        "js_on_load": "\n".join([PLACE, STRIP, SCRIPT]),
        "server_functions": functions,
        "apply_default_css": False,
    }
    return gr.HTML("", label=t("map"), **options)


def first_and_others(names: Sequence[str]) -> list[str]:
    """The models of the panel's list, behind the one that is shown at first: one that gives pictures of one's own a place."""
    first = next((name for name in names if name in auto.bundled("vae") and "label" not in auto.listing(name)["inputs"]), None)
    return [*([first] if first else []), *(name for name in names if name != first)]


def shown(model: str, scroll: bool = False) -> str:
    """The value that brings a model into the panel, and the panel into sight."""
    return json.dumps({"model": model, "scroll": scroll, "at": time.time()})
