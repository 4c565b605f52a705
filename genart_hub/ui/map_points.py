"""The points of a latent space that the map shows: four ends and all between them, or the plane in which a model's pictures vary most."""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, cast
from weakref import WeakKeyDictionary

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from genart_hub import images
from genart_hub.hub.described import device_of
from genart_hub.latents import METHODS, directions, lerp, slerp
from genart_hub.models.auto import check_latent
from genart_hub.models.base import Generative, ImageModel, evaluating
from genart_hub.models.mixture import Mixture
from genart_hub.models.prompted import Prompted
from genart_hub.ui import examples

SIDE = 8  # pictures of the map, across and down
FRAMES = 24  # of a strip
WIDE = 2.5  # standard deviations from the plane's middle to its edge
SEEN = 300  # pictures in which a plane is looked for, of a model that has no mixture
PLANES = 8  # kept of one model
_planes: WeakKeyDictionary[ImageModel, dict[Any, "Plane"]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Fixed:
    """What is the same for all pictures of a map, of what a model takes: a seed, the number of a class, a prompt."""

    seed: int = 0
    label: int = 0
    prompt: str = ""


@dataclass(frozen=True)
class Points:
    """N points. vectors: (N, D), between which one goes along a sphere or straight. shares: (N, S), which always go straight: of a
    mixture's components, or of classes; None where there are none. kind: what the ends are, a key of `KINDS`.
    """  # fmt: skip

    kind: str
    vectors: Tensor
    shares: Tensor | None = None

    def __len__(self) -> int:
        return len(self.vectors)

    def at(self, x: Tensor, y: Tensor) -> "Points":
        """Places of the map whose corners are these four, in reading order: along its top and its bottom edge by slerp, then between.

        x, y: (N,) in [0, 1], to the right and down.
        """

        def between(rows: Tensor, way: Any) -> Tensor:
            a, b, c, d = (row.expand(len(x), -1) for row in rows[:, None])
            return way(way(a, b, x), way(c, d, x), y)

        return Points(self.kind, between(self.vectors, slerp), None if self.shares is None else between(self.shares, lerp))

    def walk(self, a: int, b: int, method: str) -> "Points":
        """FRAMES points from the one end to the other. method: of METHODS."""
        t = torch.linspace(0, 1, FRAMES, dtype=torch.float64)

        def along(rows: Tensor, way: Any) -> Tensor:
            return way(rows[a].expand(FRAMES, -1), rows[b].expand(FRAMES, -1), t)

        return Points(self.kind, along(self.vectors, METHODS[method]), None if self.shares is None else along(self.shares, lerp))


def kinds_of(model: ImageModel) -> tuple[str, ...]:
    """What the ends of a map of this model may be."""
    found = {
        "seeds": True,
        "classes": isinstance(model, Generative) and bool(class_layers(model)),
        "pictures": isinstance(model, Generative) and hasattr(model, "encode") and not model.num_classes,
        "prompts": isinstance(model, Prompted),
    }
    return tuple(kind for kind in KINDS if found[kind])


KINDS = ("seeds", "classes", "pictures", "prompts")


def class_layers(model: ImageModel) -> list[nn.Embedding]:
    """The layers by which the number of a class enters a model."""
    layers = cast(nn.Module, model).modules() if model.num_classes else ()
    return [layer for layer in layers if isinstance(layer, nn.Embedding) and layer.num_embeddings == model.num_classes]


def ends(model: ImageModel, kind: str, values: Sequence[Any], fixed: Fixed) -> Points:
    """The points of ends. values: seeds, numbers of classes, latents (a list of Z numbers each) or prompts, by `kind`."""
    if kind == "prompts":
        return Points(kind, model.embed(list(values)).float().cpu())
    if kind == "pictures":
        return Points(kind, torch.tensor(values, dtype=torch.float32))
    if kind == "classes":
        z = model.latents(1, fixed.seed).expand(len(values), -1)
        return Points(kind, z, functional.one_hot(torch.tensor(values), model.num_classes).float())
    mixture = mixture_of(model)
    if mixture is None:
        return Points(kind, torch.cat([model.latents(1, seed) for seed in values]))
    assert isinstance(model, Generative)
    drawn = [model.noise(1, seed) for seed in values]
    component = mixture.component(torch.cat([u for _, u, _ in drawn]).to(mixture.weights.device)).cpu()
    return Points(kind, torch.cat([eps for eps, _, _ in drawn]), functional.one_hot(component, len(mixture.weights)).float())


def mixture_of(model: ImageModel) -> Mixture | None:
    """The mixture that places a model's latents, where there is one."""
    return model.fitted_prior if isinstance(model, Generative) else None


def latents_of(model: ImageModel, points: Points) -> Tensor:
    """What is as long as the curve below a strip says: the latents of points, (N, Z); of prompts, what the model sees of their words."""
    mixture = mixture_of(model)
    if points.kind == "seeds" and mixture is not None and points.shares is not None:
        return mixture.blend(points.vectors, points.shares).cpu()
    return points.vectors


@torch.no_grad()
def draw(model: ImageModel, points: Points, fixed: Fixed) -> Tensor:
    """The pictures of points. Returns (N, C, H, W) in [-1, 1] on the CPU."""
    if points.kind == "prompts":
        return model.sample_embedded(points.vectors.to(device_of(model)), fixed.seed)
    if points.kind == "classes":
        assert isinstance(model, Generative)
        assert points.shares is not None
        twin = told_shares(model, points.shares)
        with evaluating(twin):
            return twin.generate(points.vectors.to(device_of(model)), 0).float().cpu()
    return draw_latents(model, latents_of(model, points), fixed)


def draw_latents(model: ImageModel, z: Tensor, fixed: Fixed) -> Tensor:
    """The pictures of latents, all of one class or one prompt where the model takes it. z: (N, Z). Returns (N, C, H, W) in [-1, 1]."""
    return directions.draw(model, z, fixed.label if model.num_classes else None, fixed.prompt or None)


def told_shares(model: Generative, shares: Tensor) -> Generative:
    """The same network, of the same weights, that takes each picture's class to be a mixture of classes. shares: (N, S).

    It is another object, so that nobody else who draws with the model meets the mixture.
    """
    tensors = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    twin = copy.deepcopy(model, cast(dict[int, Any], tensors))
    for layer in class_layers(twin):
        layer.register_forward_hook(lambda layer, inputs, output: shares.to(output) @ layer.weight)
    return twin


def grid() -> tuple[Tensor, Tensor]:
    """x and y of the map's pictures, row by row: (SIDE * SIDE,) each, in [0, 1]."""
    y, x = torch.meshgrid(*[torch.linspace(0, 1, SIDE, dtype=torch.float64)] * 2, indexing="ij")
    return x.flatten(), y.flatten()


# ---- the plane ----


@dataclass(frozen=True)
class Plane:
    """A plane through the middle of a model's latents. middle: (Z,); axes: (2, Z), each of a standard deviation's length."""

    middle: Tensor
    axes: Tensor

    def at(self, x: Tensor, y: Tensor) -> Tensor:
        """Latents of places. x, y: (N,) in [0, 1], to the right and down; the first axis leads right, the second up. Returns (N, Z)."""
        right, up = WIDE * (2 * x - 1), WIDE * (1 - 2 * y)
        return (self.middle + torch.stack([right, up], dim=1).float() @ self.axes).float()


def plane_of(model: ImageModel, fixed: Fixed) -> Plane:
    """The plane in which a model's pictures vary most, kept as long as the model.

    Where a mixture was fitted to the latents of the training pictures: the two widest principal components of its points. Else the two
    directions of z that go with the two widest components of drawn pictures (GANSpace), of a class or a prompt where the model takes it.
    """
    kept = _planes.setdefault(model, {})
    key = (fixed.label if model.num_classes else 0, fixed.prompt if isinstance(model, Prompted) else "")
    if key not in kept:
        while len(kept) >= PLANES:
            kept.pop(next(iter(kept)), None)
        kept[key] = _plane(model, fixed)
    return kept[key]


def _plane(model: ImageModel, fixed: Fixed) -> Plane:
    count = min(2, model.latent_dim)
    if mixture_of(model) is not None:
        z = model.latents(1000)
        found = directions.of_points(z, count)
        axes, middle = found.vectors * torch.tensor(found.values)[:, None], z.mean(dim=0)
    else:
        label = fixed.label if model.num_classes else None
        axes = directions.pca(model, count, n=SEEN, label=label, prompt=fixed.prompt or None).vectors
        middle = torch.zeros(model.latent_dim)
    return Plane(middle, torch.cat([axes, axes.new_zeros(2 - len(axes), model.latent_dim)]).float())


# ---- pictures as ends ----


def example_names(model: ImageModel) -> list[str]:
    """The pictures of the app that a model's own are like: digits of one in grey, else things in colour."""
    return list(examples.STROKES if model.channels == 1 else examples.SHAPES)


@cache
def _example(name: str) -> Image.Image:
    return examples.draw(examples.STROKES[name]) if name in examples.STROKES else examples.paint(examples.SHAPES[name])


def example(model: ImageModel, name: str) -> Tensor:
    """The latent of an example, by its name: (Z,)."""
    return seen(model, _example(name))


@torch.no_grad()
def seen(model: ImageModel, picture: Image.Image) -> Tensor:
    """The latent that a model with an encoder gives a picture, the mean of q(z | x): (Z,)."""
    if model.channels == 1:
        picture = images.center_digit(picture, model.image_size)
    x = images.from_pil(picture, model.image_size, model.channels).to(device_of(model))
    return directions.encoded(check_latent(model), x)[0]


def radius(model: ImageModel) -> float:
    """How long a latent of N(0, I) is, about: the square root of its count of numbers."""
    return math.sqrt(model.latent_dim)
