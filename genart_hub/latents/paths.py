"""Straight and spherical interpolation, walks from latent to latent and from prompt to prompt, and their pictures."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from genart_hub.errors import MAX_COUNT, MAX_SEED, GenartError, choice, shorten, whole
from genart_hub.hub.described import name_of
from genart_hub.latents.inversion import generate
from genart_hub.models.auto import check_generative, embedding
from genart_hub.models.base import Generative, ImageModel, evaluating
from genart_hub.models.inputs import check_request
from genart_hub.models.prompted import Prompted

FRAMES = 16  # of a walk from prompt to prompt, drawn at once


def lerp(a: Tensor, b: Tensor, t: float | Tensor) -> Tensor:
    """(1 - t) a + t b. a, b: (..., Z); t: a number, or a tensor of the leading shape."""
    t = _weight(t, a)
    return (1 - t) * a + t * b


def slerp(a: Tensor, b: Tensor, t: float | Tensor) -> Tensor:
    """Along the great circle from a to b, the norm going straight: ||slerp(a, b, t)|| = (1 - t) ||a|| + t ||b||.

    Shoemake 1985; White 2016, https://arxiv.org/abs/1609.04468. a, b: (..., Z); t: a number, or a tensor of the leading shape.
    A zero vector takes the other's direction; opposite vectors go round through a fixed direction that is orthogonal to them.
    """
    u, v, t = a.double(), b.double(), _weight(t, a).double()
    norm_a, norm_b = u.norm(dim=-1, keepdim=True), v.norm(dim=-1, keepdim=True)
    norm = (1 - t) * norm_a + t * norm_b
    u, v = torch.where(norm_a > 0, u / norm_a, v / norm_b), torch.where(norm_b > 0, v / norm_b, u / norm_a)
    cos = (u * v).sum(dim=-1, keepdim=True)
    w = v - cos * u  # the part of v that is orthogonal to u, of length sin(angle)
    sin = w.norm(dim=-1, keepdim=True)
    angle = torch.atan2(sin, cos)
    direction = (t * angle).cos() * u + (t * angle).sin() * torch.where(sin > 1e-9, w / sin, _orthogonal(u))
    made = torch.nan_to_num(direction / direction.norm(dim=-1, keepdim=True)) * norm
    return torch.where(t == 0, a.double(), torch.where(t == 1, b.double(), made)).to(a.dtype)


def _orthogonal(u: Tensor) -> Tensor:
    """A unit vector orthogonal to u: the axis that u leans on least, less its part along u. (u itself where Z = 1.)"""
    if u.shape[-1] == 1:
        return u
    axis = torch.zeros_like(u).scatter_(-1, u.abs().argmin(dim=-1, keepdim=True), 1.0)
    w = axis - (axis * u).sum(dim=-1, keepdim=True) * u
    return w / w.norm(dim=-1, keepdim=True)


def _weight(t: float | Tensor, a: Tensor) -> Tensor:
    t = torch.as_tensor(t, dtype=a.dtype, device=a.device)
    return t.unsqueeze(-1) if t.ndim else t


METHODS = {"slerp": slerp, "lerp": lerp}


def walk(keys: Tensor | Sequence[Tensor], num_frames: int, method: str = "slerp", loop: bool = False) -> Tensor:
    """A path of `num_frames` latents through all keys at an even pace. keys: (K, Z), K >= 2. Returns (num_frames, Z).

    The first frame is the first key. The last is the last key or, with `loop`, one step before the first key comes again.
    """
    keys = keys if isinstance(keys, Tensor) else torch.stack(list(keys)) if len(keys) else torch.empty(0, 0)
    if keys.ndim != 2 or len(keys) < 2:
        raise GenartError("few_keys", count=len(keys) if keys.ndim == 2 else 1)
    interpolate = METHODS[choice("walk", "method", method, METHODS)]
    num_frames = whole("walk", "num_frames", num_frames, high=MAX_COUNT)
    if num_frames < len(keys):
        raise GenartError("loop_frames", keys=len(keys), low=len(keys), value=num_frames)
    stops = torch.cat([keys, keys[:1]]) if loop else keys
    segments, steps = len(stops) - 1, num_frames if loop else num_frames - 1
    positions = torch.arange(num_frames, dtype=torch.float64) * segments / steps
    k = positions.long().clamp(max=segments - 1)
    return interpolate(stops[k], stops[k + 1], (positions - k).to(keys.device))


def keys_of(model: ImageModel, seeds: Sequence[int], truncation: float = 1.0) -> Tensor:
    """The latents of these seeds. Returns (len(seeds), Z)."""
    return torch.cat([model.latents(1, seed, truncation) for seed in seeds])


def seed_walk(
    model: Generative,
    seeds: Sequence[int],
    num_frames: int,
    method: str = "slerp",
    loop: bool = False,
    truncation: float = 1.0,
    prior: str | None = None,
) -> Tensor:
    """A path of `num_frames` latents through those of the seeds, as `walk` takes it. Returns (num_frames, Z).

    Where a mixture places the latents, the noise goes along the sphere and is placed by both ends' components, whose shares go straight
    from the one to the other: its points are no normal noise, and no sphere around 0 leads from one to the next.
    """
    mixture = model.prior_named(prior)
    drawn = [model.noise(1, seed, truncation) for seed in seeds]
    u = torch.cat([of_seed for _, of_seed, _ in drawn])
    path = walk(torch.cat([eps for eps, _, _ in drawn]), num_frames, method, loop)
    if mixture is None:
        return path
    shares = functional.one_hot(mixture.component(u.to(mixture.weights.device)), len(mixture.weights)).float()
    return mixture.blend(path, walk(shares, num_frames, "lerp", loop)).cpu()


def of_seed(model: ImageModel, seed: int, *, truncation: float = 1.0, prior: str | None = None, **inputs: Any) -> Tensor | None:
    """The latent that a model draws a seed's picture from, (Z,); None for a model that begins with noise of another shape.

    inputs: the others of a request, on which it does not depend.
    """
    if isinstance(model, Generative):
        return model.latents(1, seed, truncation, prior)[0]
    return model.latents(1, seed, truncation)[0] if isinstance(model, Prompted) else None


@torch.no_grad()
def around(model: ImageModel, seed: int, n: int = 4, **inputs: Any) -> Tensor:
    """Pictures close to a seed's: each from a quarter of the way to the latent of another seed, of those that come next.

    inputs: of the request, as `sample` takes them. Returns (n, C, H, W) float32 in [-1, 1].
    """
    seed = whole("around", "seed", seed, 0, MAX_SEED)
    others = [seed + k if seed + n <= MAX_SEED else seed - k for k in range(1, n + 1)]
    if isinstance(model, Prompted):
        z = model.latents(1, seed, inputs.get("truncation", 1.0))
        near = [walk(torch.cat([z, model.latents(1, other, inputs.get("truncation", 1.0))]), 5)[1] for other in others]
        with evaluating(model):
            words = model.embed([inputs["prompt"]] * n)
            return model.generate(torch.stack(near).to(words), words).float().cpu()
    model = check_generative(model)
    label = inputs.pop("label", None)
    label = model.labels(1, seed) if label is None else model.check_label(label, 1)
    near = [seed_walk(model, [seed, other], 5, **inputs)[1] for other in others]
    return frames(model, torch.stack(near), label=None if label is None else int(label[0])).cpu()


def frames(model: ImageModel, z: Tensor, batch_size: int = 64, label: object = None) -> Tensor:
    """The pictures of a walk. z: (N, Z). label: the class of all, or N of them (None: the first class, where the model has classes).

    Returns (N, C, H, W) float32 in [-1, 1].
    """
    model = check_generative(model)
    parameter = next(model.parameters())
    label = model.check_label(0 if label is None and model.num_classes else label, len(z))
    labels = [None] * len(z) if label is None else label.split(batch_size)
    with torch.no_grad(), evaluating(model):
        parts = zip(z.split(batch_size), labels, strict=False)
        return torch.cat([generate(model, part.to(parameter.device, parameter.dtype), k).float() for part, k in parts])


def prompt_walk(
    model: ImageModel, prompts: Sequence[str], num_frames: int, seed: int = 0, method: str = "slerp", loop: bool = False, **inputs: Any
) -> Iterator[Tensor]:
    """The pictures of a walk from prompt to prompt, all of one seed: what the model sees of the words goes from one key to the next.

    inputs: the model's others, such as num_steps. Yields (B, C, H, W) float32 in [-1, 1], some frames at a time.
    Raises GenartError for a model that reads no words, and for one prompt alone.
    """
    if not model.embeds:
        raise GenartError("no_prompt_walk", model=name_of(model), choices=", ".join(embedding()))
    if isinstance(prompts, str) or len(prompts) < 2:
        raise GenartError("few_prompts", count=1)
    inputs = check_request(name_of(model), model.inputs, inputs)
    embedded = model.embed(prompts)
    path = walk(embedded.flatten(1).float(), num_frames, method, loop).unflatten(1, embedded.shape[1:]).to(embedded)
    for some in path.split(FRAMES):
        yield model.sample_embedded(some, seed, **inputs)


def parse_seeds(text: str, most: int = 16) -> list[int]:
    """Seeds from a line such as "0, 7, 42": commas in Latin or Chinese, or spaces, between whole numbers."""
    parts = re.split(r"[\s,，、;；]+", text.strip()) if isinstance(text, str) else []
    if not parts or not all(re.fullmatch(r"\d{1,16}", part) and int(part) <= MAX_SEED for part in parts):
        raise GenartError("bad_seeds", value=shorten(text))
    if len(parts) > most:
        raise GenartError("many_seeds", count=len(parts), high=most)
    return [int(part) for part in parts]
