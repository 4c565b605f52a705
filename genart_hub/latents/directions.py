"""Directions of a latent space along which one thing of a picture changes: from labels, from weights (SeFa), from pictures (PCA)."""

import base64
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from genart_hub.errors import GenartError, number, shorten, whole
from genart_hub.hub.described import name_of
from genart_hub.latents.inversion import generate
from genart_hub.models.auto import check_latent
from genart_hub.models.base import Generative, ImageModel, evaluating
from genart_hub.models.inputs import check_request
from genart_hub.models.prompted import Prompted

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d, nn.ConvTranspose2d)
COUNT = 8  # directions, unless more or fewer are asked for
FEWEST = 10  # pictures of a class, below which its mean says little
LARGEST = 2_800  # numbers of all directions that a picture's recipe has room for
FURTHEST, MOST = 100.0, 64  # the strength, and how many of them, that a stranger's recipe may have
BATCH = 64


@dataclass(frozen=True)
class Directions:
    """K directions of unit length. vectors: (K, Z); values: how much each one does, by its method; names: of classes, or numbers."""

    vectors: Tensor
    values: tuple[float, ...]
    names: tuple[str, ...]
    method: str

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, which: int | str) -> Tensor:
        """The direction of that place or of that name: (Z,)."""
        return self.vectors[self.names.index(which) if isinstance(which, str) else which]

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self.vectors.unbind())

    def as_dict(self) -> dict[str, Any]:
        """As JSON values: the method, and of each direction its name, value and vector."""
        rows = zip(self.names, self.values, self.vectors.tolist(), strict=True)
        return {"method": self.method, "directions": [{"name": name, "value": value, "vector": row} for name, value, row in rows]}


def edit(z: Tensor, direction: Tensor, strength: float | Tensor) -> Tensor:
    """z + strength * direction. z: (..., Z); direction: (Z,); strength: a number, or a tensor of the leading shape of z.

    Along a unit direction, a strength of 1 is a standard deviation of N(0, I).
    """
    if not isinstance(direction, Tensor) or direction.shape != z.shape[-1:]:
        shape = tuple(getattr(direction, "shape", ())) or type(direction).__name__
        raise GenartError("bad_direction", latent_dim=z.shape[-1], shape=shape)
    _check_finite("edit", "direction", direction)
    if isinstance(strength, Tensor):
        _check_finite("edit", "strength", strength)
        return z + strength.to(z).unsqueeze(-1) * direction.to(z) if strength.ndim else z + strength.to(z) * direction.to(z)
    return z + number("edit", "strength", strength, -1e6, 1e6) * direction.to(z)


def from_labels(z: Tensor, labels: Tensor, names: Sequence[str] = (), count: int | None = None) -> Directions:
    """Towards each class: the mean of its latents less the mean of all others'. Radford et al. 2016, section 6.3.2 (of vectors).

    z: (N, Z); labels: (N,), -1 for none. names: of the classes (their numbers). count: of the directions, those of the means that lie
    furthest apart (None: all). A class of fewer than 10 latents is left out. values: how far apart the two means are.
    Raises GenartError where fewer than two classes are left.
    """
    if z.ndim != 2 or len(labels) != len(z):
        raise GenartError("label_count", where="from_labels", n=len(z), count=len(labels))
    _check_finite("from_labels", "latents", z)
    z, labels = z[labels >= 0].double().cpu(), labels[labels >= 0].cpu()
    classes, counts = labels.unique(return_counts=True)
    kept = classes[counts >= FEWEST].tolist()
    called = [names[k] if k < len(names) else str(k) for k in classes.tolist()]
    if len(classes) == 1 and len(z) >= FEWEST:
        raise GenartError("one_class", count=len(z), name=called[0])
    if len(kept) < 2:
        raise GenartError("few_labelled", count=len(z), low=FEWEST, found=len(kept))
    apart = torch.stack([z[labels == k].mean(dim=0) - z[labels != k].mean(dim=0) for k in kept])
    lengths = apart.norm(dim=1)
    most = len(kept) if count is None else whole("from_labels", "count", count, 1, len(kept))
    rows = lengths.argsort(descending=True, stable=True)[:most].sort().values  # in the order of the classes
    titles = dict(zip(classes.tolist(), called, strict=True))
    return _unit("labels", apart[rows], lengths[rows], [titles[kept[k]] for k in rows.tolist()])


def sefa(model: ImageModel, count: int | None = None, *, label: object = None, prompt: str | None = None) -> Directions:
    """Where the first layers that see z move most: eigenvectors of A^T A. Shen & Zhou 2021, https://arxiv.org/abs/2007.06600, eq. 6.

    A is d(first layers) / dz, which is their weight where they see z itself; several layers are put one below the other. No data is
    needed. label, prompt: of a model whose first layers see them too. values: singular values of A. The largest component of each
    direction is positive.
    """
    weight = first_layers(model, label, prompt)
    count = whole("sefa", "count", min(COUNT, weight.shape[1]) if count is None else count, 1, weight.shape[1])
    eigenvalues, eigenvectors = torch.linalg.eigh(weight.T @ weight)
    order = eigenvalues.argsort(descending=True, stable=True)[:count]
    return _unit("sefa", _signed(eigenvectors.T[order]), eigenvalues[order].clamp(min=0).sqrt())


def pca(
    model: ImageModel,
    count: int | None = None,
    pictures: Tensor | None = None,
    *,
    n: int = 2000,
    seed: int = 0,
    features: Callable[[Tensor], Tensor] | None = None,
    label: object = None,
    prompt: str | None = None,
) -> Directions:
    """Where latents or pictures vary most.

    With pictures, (N, C, H, W), of a model that encodes: principal components of their means mu. Else those of `features` of n generated
    pictures (None: their pixels), each led back to z by regression: Härkönen et al. 2020 (GANSpace), https://arxiv.org/abs/2004.02546,
    section 2. features: (B, C, H, W) -> (B, D). label: the class that is drawn (the first one). values: standard deviations of mu, or of
    the features. The largest component of each direction is positive.
    """
    model = check_latent(model)
    if pictures is not None:
        return of_points(encoded(model, pictures), count)
    z, seen = [], []
    for drawn, x in samples(model, whole("pca", "n", n, 2, 100_000), seed, label, prompt):
        z.append(drawn)
        seen.append((x if features is None else features(x)).flatten(1).float().cpu())
    return led_back(torch.cat(z), torch.cat(seen), count)


def of_points(z: Tensor, count: int | None = None) -> Directions:
    """The principal components of latents. z: (N, Z). values: standard deviations along them."""
    _check_finite("pca", "latents", z)
    high = min(len(z) - 1, z.shape[1])
    count = whole("pca", "count", min(COUNT, high) if count is None else count, 1, high)
    variances, axes = torch.linalg.eigh(torch.cov(z.double().T).reshape(z.shape[1], z.shape[1]))
    order = variances.argsort(descending=True, stable=True)[:count]
    return _unit("pca", _signed(axes.T[order]), variances[order].clamp(min=0).sqrt())


def led_back(z: Tensor, features: Tensor, count: int | None = None) -> Directions:
    """The directions of z that go with the principal components of features: z regressed on their coordinates.

    z: (N, Z); features: (N, D). values: standard deviations of the features along their components.
    """
    _check_finite("pca", "latents", z)
    _check_finite("pca", "pictures", features)
    z, y = (z - z.mean(dim=0)).double(), features - features.mean(dim=0)
    energies, coordinates = torch.linalg.eigh((y @ y.T).double())  # of N x N: there are fewer pictures than pixels
    high = min(z.shape[1], int((energies > 1e-6 * energies.max()).sum()))
    count = whole("pca", "count", max(1, min(COUNT, high)) if count is None else count, 1, max(1, high))
    order = energies.argsort(descending=True, stable=True)[:count]
    return _unit("pca", _signed(coordinates.T[order] @ z), (energies[order].clamp(min=0) / (len(z) - 1)).sqrt())


# ---- what a model does with latents ----


@torch.no_grad()
def encoded(model: ImageModel, x: Tensor) -> Tensor:
    """The means mu of pictures. x: (N, C, H, W). Returns (N, Z). Raises GenartError where the model has no encoder of its latents."""
    if not isinstance(model, Generative) or not hasattr(model, "encode"):
        raise GenartError("no_encoder", model=name_of(model))
    parts = tqdm(model.check_images(x).split(BATCH), desc="encoding", unit="batch", leave=False, delay=1)
    with evaluating(model):
        return torch.cat([model.encode(part)[0].float().cpu() for part in parts])


def samples(
    model: ImageModel, n: int, seed: int = 0, label: object = None, prompt: str | None = None
) -> Iterator[tuple[Tensor, Tensor]]:  # fmt: skip
    """The latents of seeds from `seed` on and their pictures, some at a time: (B, Z), (B, C, H, W), of one class (the first) or prompt."""
    z = check_latent(model).latents(n, seed)
    for part in tqdm(z.split(BATCH), desc="drawing", unit="batch", leave=False, delay=1):
        yield part, draw(model, part, label, prompt)


@torch.no_grad()
def draw(model: ImageModel, z: Tensor, label: object = None, prompt: str | None = None) -> Tensor:
    """The pictures of latents, all of one class or one prompt. z: (N, Z). Returns (N, C, H, W) float32 in [-1, 1] on the CPU."""
    with evaluating(model):
        return torch.cat([_pictures(model, part, label, prompt).float().cpu() for part in z.split(BATCH)])


def _pictures(model: ImageModel, z: Tensor, label: object, prompt: str | None) -> Tensor:
    z = z.to(next(cast(nn.Module, model).parameters()))
    if isinstance(model, Prompted):
        words = z.new_zeros(1, model.words.width) if prompt is None else model.embed([prompt])
        return model.generate(z, words.expand(len(z), -1))
    assert isinstance(model, Generative)
    label = model.check_label(0 if label is None and model.num_classes else label, len(z))
    return generate(model, model.check_latents(z), label)


def first_layers(model: ImageModel, label: object = None, prompt: str | None = None) -> Tensor:
    """d(layers) / dz of all linear layers and convolutions that see z through no other one. Returns (out, Z) in float64.

    They are found by running the model once, cut off behind each of them. Raises GenartError where there is none.
    """
    network = cast(nn.Module, check_latent(model))
    layers = [layer for layer in network.modules() if isinstance(layer, LAYERS)]
    z = torch.zeros(1, model.latent_dim).to(next(network.parameters())).requires_grad_()
    found: dict[nn.Module, Tensor] = {}

    def cut(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        x = inputs[0]
        if x.requires_grad and torch.autograd.grad(x.sum(), z, retain_graph=True, allow_unused=True)[0] is not None:
            found[layer] = output
        return output.detach()

    with torch.enable_grad(), evaluating(model), _hooked(layers, cut):
        _pictures(model, z, label, prompt)
    if not found:
        raise GenartError("no_first_layer", model=name_of(model))
    outputs: dict[nn.Module, Tensor] = {}

    def note(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        outputs.setdefault(layer, output.flatten(1).double().cpu())

    points = torch.cat([z.new_zeros(1, model.latent_dim), torch.eye(model.latent_dim).to(z)])
    with torch.no_grad(), evaluating(model), _hooked(list(found), note):
        _pictures(model, points, label, prompt)
    return torch.cat([(output[1:] - output[0]).T for output in outputs.values()])


class _hooked:
    """A forward hook on these layers for a while."""

    def __init__(self, layers: Sequence[nn.Module], hook: Callable[..., Any]):
        self.layers, self.hook = layers, hook

    def __enter__(self) -> None:
        self.handles = [layer.register_forward_hook(self.hook) for layer in self.layers]

    def __exit__(self, *error: object) -> None:
        for handle in self.handles:
            handle.remove()


# ---- the grid, and its recipe ----


def strengths_of(strength: float = 3.0, columns: int = 7) -> list[float]:
    """An odd number of strengths from -strength to +strength, so that the picture itself stands in the middle."""
    strength = number("directions", "strength", strength, 0, FURTHEST)
    columns = whole("directions", "columns", columns, 3, MOST - 1)
    return torch.linspace(-strength, strength, columns + 1 - columns % 2, dtype=torch.float64).tolist()


def traversal(model: ImageModel, found: Directions, strengths: Sequence[float], seed: int = 0, **inputs: Any) -> Tensor:
    """The picture of a seed along each direction, a row a direction. inputs: those of `sample`. Returns (K * S, C, H, W) in [-1, 1].

    At strength 0 it is the picture of `sample(1, seed)`, whose class the seed draws where none is named.
    """
    inputs = check_request(name_of(check_latent(model)), model.inputs, {"prompt": None} | inputs)
    placed = {name: inputs[name] for name in ("truncation", "prior") if name in inputs}
    z, label = model.latents(1, seed, **placed), inputs.get("label")
    label = model.labels(1, seed) if label is None else model.check_label(label)
    rows = [edit(z.expand(len(strengths), -1), one, torch.tensor(strengths)) for one in found]
    return draw(model, torch.cat(rows), None if label is None else int(label[0]), inputs.get("prompt"))


def recipe(
    model: ImageModel, found: Directions, strengths: Sequence[float], seed: int = 0, scale: int = 1, **inputs: Any
) -> dict[str, Any]:
    """What the PNG of a traversal carries: a recipe as that of samples, and the directions themselves, so that no data is needed again."""
    high = LARGEST // found.vectors.shape[1]
    if len(found) > high:
        raise GenartError("many_directions", count=len(found), high=high, latent_dim=found.vectors.shape[1])
    request = model.recipe(seed, len(found) * len(strengths), **inputs, columns=len(strengths), scale=scale)
    vectors = base64.b64encode(found.vectors.numpy().astype("<f4").tobytes()).decode()
    told = {"method": found.method, "names": list(found.names), "strengths": list(strengths), "vectors": vectors}
    return request | {"directions": told}


def of_recipe(told: Any, latent_dim: int) -> tuple[Directions, list[float]]:
    """The directions and strengths of a recipe, every field checked: a stranger may have written it."""
    names, strengths, method = (told.get(key) if isinstance(told, dict) else None for key in ("names", "strengths", "method"))
    if not isinstance(names, list) or not 0 < len(names) <= MOST or not all(isinstance(name, str) for name in names):
        raise GenartError("reason_field", field="directions", value=shorten(told))
    if not isinstance(strengths, list) or not 0 < len(strengths) <= MOST:
        raise GenartError("reason_field", field="strengths", value=shorten(strengths))
    strengths = [number("recipe", "strengths", strength, -FURTHEST, FURTHEST) for strength in strengths]
    try:
        vectors = np.frombuffer(base64.b64decode(told.get("vectors"), validate=True), dtype="<f4").reshape(len(names), latent_dim)
    except (TypeError, ValueError) as error:
        raise GenartError("reason_field", field="vectors", value=shorten(told.get("vectors"))) from error
    _check_finite("recipe", "vectors", found := torch.from_numpy(vectors.copy()))
    return Directions(found, (math.nan,) * len(names), tuple(names), shorten(method)), strengths


def _unit(method: str, vectors: Tensor, values: Tensor, names: Sequence[str] | None = None) -> Directions:
    """Directions of unit length. Raises GenartError where one has no length at all."""
    lengths = vectors.norm(dim=1, keepdim=True)
    if bool((lengths < 1e-12).any()) or float(values.max()) < 1e-12:
        raise GenartError("nothing_changes", method=method)
    names = tuple(map(str, range(1, len(vectors) + 1))) if names is None else tuple(names)
    return Directions((vectors / lengths).float(), tuple(values.tolist()), names, method)


def _signed(vectors: Tensor) -> Tensor:
    """The same lines, each with its largest component positive. vectors: (K, Z)."""
    largest = vectors.gather(1, vectors.abs().argmax(dim=1, keepdim=True))
    return vectors * torch.where(largest < 0, -1.0, 1.0)


def _check_finite(where: str, name: str, values: Tensor) -> None:
    if not bool(values.isfinite().all()):
        raise GenartError("numbers_not_finite", where=where, name=name)
