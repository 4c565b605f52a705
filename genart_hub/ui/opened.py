"""The VAE opened: a picture's mu and sigma as bars that are dragged, and what is drawn from them. What shows it is opened.js."""

import base64
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import gradio as gr
import torch
from torch import Tensor

from genart_hub.errors import MAX_SEED, GenartError, first_line, number, whole
from genart_hub.evaluate.features import logits_of
from genart_hub.hub.described import device_of, name_of
from genart_hub.latents import Directions, directions
from genart_hub.losses import kl_of_each
from genart_hub.models import auto
from genart_hub.models.base import FeatureNetwork, Generative, ImageModel, evaluating
from genart_hub.ui import texts
from genart_hub.ui.handlers import reader_of
from genart_hub.ui.model_cache import ModelCache
from genart_hub.ui.texts import t
from genart_hub.ui.turns import Turns

SCRIPT, CSS, TEMPLATE = (Path(__file__).with_name(f"opened.{kind}").read_text(encoding="utf-8") for kind in ("js", "css", "html"))
LIMIT = 6.0  # of a number of z
MOST_SIGMA = 10.0
VARIANTS = 8
WAYS, POINTS = 6, 1000  # directions of which nobody knows the names; latents in which they are looked for
DRAGGING = Turns()  # a line of its own: nobody who drags waits for another's diffusion
_ways: WeakKeyDictionary[ImageModel, Directions] = WeakKeyDictionary()


def opens(model: ImageModel) -> bool:
    """Whether a model gives a picture as mu and sigma, and draws from what is made of them."""
    return isinstance(model, Generative) and all(hasattr(model, part) for part in ("encode", "decode", "nll"))


@torch.no_grad()
def opened(model: ImageModel, x: Tensor, label: Tensor | None = None) -> dict[str, Any]:
    """A picture as bars, for opened.js. x: (1, C, H, W) in [-1, 1]; label: (1,), of a model with classes.

    mu and sigma of q(z | x); kl: of each number of z, in nats; pictures and errors as `drawn` gives them for z = mu.
    """
    assert isinstance(model, Generative)
    with evaluating(model):
        mu, logvar = model.encode(x) if label is None else model.encode(x, label)
    mu, logvar = mu.float().clamp(-LIMIT, LIMIT), logvar.float()
    kl = kl_of_each(mu, logvar)
    return {
        "model": name_of(model),
        "side": model.image_size,
        "channels": model.channels,
        "label": None if label is None else int(label[0]),
        "likelihood": "gaussian" if is_gaussian(model) else "bernoulli",
        "x": packed(x)[0],
        "mu": rounded(mu[0]),
        "sigma": rounded((0.5 * logvar[0]).exp().clamp(max=MOST_SIGMA)),
        "kl": rounded(kl[0]),
        **drawn(model, mu, x, label),
    }


@torch.no_grad()
def drawn(model: ImageModel, z: Tensor, x: Tensor, label: Tensor | None = None) -> dict[str, Any]:
    """What is drawn from latents, and how badly each picture matches x in nats. z: (N, Z); x: (1, C, H, W); label: (1,).

    The error is -log p(x | z); of a Gaussian without its constant, so that a perfect copy costs nothing: |x - x_hat|^2 / 2 sigma_x^2.
    """
    assert isinstance(model, Generative)
    x, z = model.check_images(x), model.check_latents(z)
    label = None if label is None else label.expand(len(z))
    with evaluating(model):
        p = model.decode(z) if label is None else model.decode(z, label)
        errors = model.nll(p, x.expand(len(z), -1, -1, -1))
        if is_gaussian(model):
            errors = errors - model.nll(x, x)
    return {"pictures": packed(p if is_gaussian(model) else 2 * p.sigmoid() - 1), "errors": rounded(errors)}


def is_gaussian(model: ImageModel) -> bool:
    """Whether `decode` gives the means of Gaussian pixels; else it gives a Bernoulli's logits."""
    return getattr(model, "likelihood", "bernoulli") != "bernoulli"


def varied(
    model: ImageModel, mu: Tensor, sigma: Tensor, x: Tensor, scale: float = 1.0, seed: int = 0, label: Tensor | None = None
) -> dict[str, Any]:
    """Eight draws z = mu + scale * sigma * eps, the eps of seeds from `seed` on, as `drawn` gives them, with their z. mu, sigma: (1, Z)."""
    assert isinstance(model, Generative)
    eps = model.noise(VARIANTS, seed)[0].to(mu)
    z = (mu + scale * sigma * eps).clamp(-LIMIT, LIMIT)
    return {"seed": seed, "z": [rounded(row) for row in z], **drawn(model, z, x, label)}


def ways_of(model: ImageModel, network: FeatureNetwork | None = None) -> Directions:
    """Directions of a VAE, kept as long as the model: towards each class that `network` names in what the model draws; else those along
    which the model's mixture, which was fitted to training pictures, is widest; else those that move its first layer most (SeFa)."""
    assert isinstance(model, Generative)
    if model not in _ways:
        if network is not None and network.image_size == model.image_size:
            z = model.latents(POINTS)
            seen = logits_of(network, directions.draw(model, z)).argmax(dim=1).cpu()
            names = list(network.class_names) or [str(k) for k in range(int(seen.max()) + 1)]
            _ways[model] = directions.from_labels(z, seen, names)
        elif model.fitted_prior is not None:
            _ways[model] = directions.of_points(model.latents(POINTS), min(WAYS, model.latent_dim))
        else:
            _ways[model] = directions.sefa(model, min(WAYS, model.latent_dim))
    return _ways[model]


# ---- what a page sends and gets ----


def packed(x: Tensor) -> list[str]:
    """Pictures as bytes, row by row, the colours of a pixel side by side, in base64. x: (N, C, H, W) in [-1, 1]."""
    levels = ((x.float() + 1) * 127.5).round().clamp(0, 255).byte().movedim(1, -1).cpu().contiguous()
    return [base64.b64encode(one.numpy().tobytes()).decode() for one in levels]


def unpacked(text: object, model: ImageModel) -> Tensor:
    """A picture that a page has sent back: (1, C, H, W) in [-1, 1]. Raises GenartError for one of another size, and for what is none."""
    side, size = model.image_size, model.channels * model.image_size**2
    try:
        levels = base64.b64decode(text if isinstance(text, str) else "", validate=True)
    except ValueError:
        levels = b""
    if len(levels) != size:
        raise GenartError("bad_bars", model=name_of(model), latent_dim=getattr(model, "latent_dim", 0))
    x = torch.frombuffer(bytearray(levels), dtype=torch.uint8).float().view(1, side, side, model.channels).movedim(-1, 1)
    return (x / 127.5 - 1).to(device_of(model))


def numbers_of(values: object, model: ImageModel, low: float = -LIMIT, high: float = LIMIT) -> Tensor:
    """Numbers that a page has sent, cut off at both ends: (1, Z). Raises GenartError for another count of them, NaN, and what is none."""
    fits = isinstance(values, list) and len(values) == model.latent_dim
    if not fits or not all(isinstance(value, int | float) and math.isfinite(value) for value in values):  # type: ignore[attr-defined]
        raise GenartError("bad_bars", model=name_of(model), latent_dim=model.latent_dim)
    return torch.tensor([values], dtype=torch.float64).clamp(low, high).float().to(device_of(model))


def rounded(values: Tensor) -> list[float]:
    return [round(value, 6) for value in values.tolist()]


def way_names(lang: str, found: Directions) -> list[str]:
    """Directions as a reader calls them: those of classes by the class."""
    if found.method == "labels":
        return [texts.say(lang, "direction_class", name=texts.class_name(lang, name)) for name in found.names]
    return [texts.say(lang, "direction", k=k + 1) for k in range(len(found))]


class Answers:
    """What the panel asks for while a reader drags: from what a page sends to what it gets. Nothing is kept between."""

    def __init__(self, models: ModelCache, classifier: Callable[[int], FeatureNetwork | None], example: Callable[[], dict[str, Any]]):
        self.models, self.classifier, self.example = models, classifier, example

    def begin(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The picture that stands there before a reader brings one."""
        return self.example() | {"example": True}

    def draw(self, asked: dict[str, Any]) -> dict[str, Any]:
        model, x, label = self._whose(asked)
        return drawn(model, numbers_of(asked.get("z"), model), x, label)

    def vary(self, asked: dict[str, Any]) -> dict[str, Any]:
        model, x, label = self._whose(asked)
        scale = number("", "scale", asked.get("scale"), 0, 3)
        seed = whole("", "seed", asked.get("seed"), 0, MAX_SEED - VARIANTS)
        mu, sigma = numbers_of(asked.get("mu"), model), numbers_of(asked.get("sigma"), model, 0, MOST_SIGMA)
        return varied(model, mu, sigma, x, scale, seed, label)

    def lead(self, asked: dict[str, Any]) -> dict[str, Any]:
        model = self._model(asked)
        found = ways_of(model, self.classifier(model.channels))
        names, vectors = way_names(str(asked.get("lang")), found), found.vectors
        if found.method != "sefa":  # as far as two means lie apart, or a standard deviation of the latents
            vectors = vectors * torch.tensor(found.values)[:, None]
        return {"model": name_of(model), "method": found.method, "names": names, "vectors": [rounded(row) for row in vectors]}

    def _model(self, asked: dict[str, Any]) -> ImageModel:
        """The model that is named: a bundled one is loaded again where it was put away, one of the Hub is not."""
        name = self.models.check(asked.get("model"))
        if name not in auto.bundled() and not self.models.is_loaded(name):
            raise GenartError("put_away", name=name)
        model = self.models.painter(name)
        if not opens(model):
            raise GenartError("no_encoder", model=name)
        return model

    def _whose(self, asked: dict[str, Any]) -> tuple[ImageModel, Tensor, Tensor | None]:
        model = self._model(asked)
        label = asked.get("label")
        return model, unpacked(asked.get("x"), model), None if label is None else model.check_label(label, 1)


def answering(answer: Callable[[dict[str, Any]], dict[str, Any]], line: Turns = DRAGGING) -> Callable[..., dict[str, Any]]:
    """An answer in its turn in that line, as the page reads it: with `ok`, or with the sentence of what was wrong."""

    def answered(asked: Any, request: gr.Request) -> dict[str, Any]:
        asked = asked if isinstance(asked, dict) else {}
        lang = texts.spoken(asked.get("lang") if isinstance(asked.get("lang"), str) else None, None)
        try:
            return {"ok": True} | line.call(reader_of([request]), lambda: answer(asked | {"lang": lang}))
        except GenartError as error:
            return {"ok": False, "error": texts.sentence(lang, error)}
        except Exception as error:
            return {"ok": False, "error": texts.sentence(lang, GenartError("unexpected", reason=first_line(error)))}

    answered.__name__ = answer.__name__
    return answered


def panel(answers: Answers) -> gr.HTML:
    """The panel. Its value is what `opened` gives, as JSON."""
    functions = [answering(one) for one in (answers.begin, answers.draw, answers.vary, answers.lead)]
    options = {"html_template": TEMPLATE, "js_on_load": SCRIPT, "server_functions": functions, "apply_default_css": False}
    return gr.HTML("", label=t("opened"), **options)


def closed(lang: str, model: ImageModel, choices: Sequence[str]) -> dict[str, Any]:
    """What the panel shows of a model that has no bars."""
    return {"closed": texts.say(lang, "closed", model=name_of(model), choices=", ".join(choices))}
