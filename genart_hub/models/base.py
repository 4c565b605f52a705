"""What every generative model shares: seeded latents, `sample`, and the recipe of a picture."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

import genart_hub
from genart_hub import __version__
from genart_hub.errors import GenartError, number, shorten, whole
from genart_hub.hub import HubModel

MAX_COUNT = 100_000
MAX_CLASSES = 100_000
MAX_SEED = 2**53 - 1  # the largest whole number that survives JSON and a browser


class Generative(nn.Module, HubModel):
    """A model that makes pictures of (channels, image_size, image_size) from latents of (latent_dim,)."""

    family: ClassVar[str]
    arxiv: ClassVar[str | None] = None
    about: ClassVar[dict[str, str]] = {}  # what a card says of the model, in "en" and "zh"
    default_recipe: ClassVar[str] = "default"
    sizes: ClassVar[tuple[int, ...]] = ()  # the sides in pixels that training chooses from, unless told (empty: that of the pictures)
    channels_last: ClassVar[bool] = False  # whether it trains faster in that memory format
    image_size: int
    channels: int
    latent_dim: int
    class_names: tuple[str, ...] = ()  # empty: the model takes no label

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    def generate(self, z: Tensor, label: object = None) -> Tensor:
        """Latents to pictures. z: (B, Z). Returns (B, C, H, W) in [-1, 1]."""
        raise NotImplementedError(f"{type(self).__name__} must define generate(z).")

    def latents(self, n: int, seed: int = 0, truncation: float = 1.0) -> Tensor:
        """n latents ~ N(0, I), times `truncation`; row k is drawn by a CPU generator of its own, of seed `seed` + k.

        Returns (n, Z) float32 on the CPU. 0 < truncation <= 1.
        """
        where = type(self).__name__
        if getattr(n, "ndim", 0):  # a tensor or an array
            raise GenartError("latents_as_count", where=where, shape=tuple(n.shape))
        n, seed = whole(where, "n", n, 1, MAX_COUNT), whole(where, "seed", seed, 0, MAX_SEED)
        truncation = check_truncation(where, truncation)
        z, generator = torch.empty(n, self.latent_dim), torch.Generator()
        for k, row in enumerate(z.unbind()):
            row.normal_(generator=generator.manual_seed(seed + k))
        return z if truncation == 1 else z.mul_(truncation)

    @torch.no_grad()
    def sample(self, n: int = 1, seed: int = 0, *, label: object = None, truncation: float = 1.0) -> Tensor:
        """n pictures; picture k is the picture of seed `seed` + k, whatever n is. Returns (n, C, H, W) float32 in [-1, 1]."""
        z = self.latents(n, seed, truncation)
        label = self.labels(n, seed) if label is None else self.check_label(label, len(z))
        parameter = next(self.parameters())
        z = z.to(parameter.device, parameter.dtype)
        with evaluating(self):
            return (self.generate(z) if label is None else self.generate(z, label)).float()

    def labels(self, n: int, seed: int = 0) -> Tensor | None:
        """The classes that `sample` gives n pictures without a label: that of picture k is drawn from seed `seed` + k, after its latent.

        Returns (n,) int64, or None where the model has no classes.
        """
        if not self.num_classes:
            return None
        where = type(self).__name__
        n, seed = whole(where, "n", n, 1, MAX_COUNT), whole(where, "seed", seed, 0, MAX_SEED)
        generator, z, drawn = torch.Generator(), torch.empty(self.latent_dim), []
        for k in range(n):
            z.normal_(generator=generator.manual_seed(seed + k))
            drawn.append(torch.randint(self.num_classes, (), generator=generator))
        return torch.stack(drawn)

    def check_label(self, label: object, n: int = 1) -> Tensor | None:
        """The classes of n pictures. label: a class index, a class name, or n of them; None gives the classes in turn.

        Returns (n,) int64 where the weights are, or None where the model has no classes, and refuses a label then.
        """
        where = type(self).__name__
        if not self.num_classes:
            if label is not None:
                raise GenartError("no_classes", where=where, value=shorten(label))
            return None
        if label is None:
            indices = [k % self.num_classes for k in range(n)]
        else:
            label = label.tolist() if hasattr(label, "tolist") else label  # tensors and arrays
            several = label if isinstance(label, Sequence) and not isinstance(label, str) else [label] * n
            if len(several) != n:
                raise GenartError("label_count", where=where, n=n, count=len(several))
            indices = [index_of_class(where, one, self.class_names) for one in several]
        return torch.tensor(indices, device=next(self.parameters()).device)

    def check_latents(self, z: Tensor) -> Tensor:
        """Refuse latents that are not (B, Z). Returns them where the weights are, in their precision."""
        if not isinstance(z, Tensor):
            raise GenartError("no_latents", where=type(self).__name__, latent_dim=self.latent_dim, type=type(z).__name__)
        if z.ndim != 2 or z.shape[1] != self.latent_dim:
            raise GenartError("bad_latents", where=type(self).__name__, latent_dim=self.latent_dim, shape=tuple(z.shape))
        return z.to(next(self.parameters()))

    def check_images(self, x: Tensor) -> Tensor:
        """Refuse pictures that are not (B, C, H, W) of this model's size. Returns them where the weights are, in their precision."""
        return check_images(self, x).to(next(self.parameters()))

    def recipe(
        self, seed: int, n: int = 1, label: object = None, truncation: float = 1.0, columns: int | None = None, scale: int = 1
    ) -> dict[str, Any]:
        """What a saved picture carries, so that it can be made again: the weights' name and sha256, and the request."""
        source = self.source if self.source and self.source.is_current(self) else None  # else nobody has these weights
        return {
            "model": source.name if source else type(self).__name__,
            "weights_sha256": source.sha256 if source else None,
            "revision": source.revision if source else None,
            "seed": seed,
            "n": n,
            "label": label,
            "truncation": truncation,
            "columns": columns,
            "scale": scale,
            "genart_hub_version": __version__,
        }


class FeatureNetwork(nn.Module, HubModel):
    """A classifier whose last features measure pictures of one small domain, where Inception is the wrong eye."""

    family: ClassVar[str] = "features"
    arxiv: ClassVar[str | None] = None
    about: ClassVar[dict[str, str]] = {}
    default_recipe: ClassVar[str] = "default"
    sizes: ClassVar[tuple[int, ...]] = ()
    channels_last: ClassVar[bool] = False
    image_size: int
    channels: int
    class_names: tuple[str, ...]
    backbone: nn.Module  # (B, C, H, W) -> (B, D)
    head: nn.Module  # (B, D) -> (B, num_classes)

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    def features(self, x: Tensor) -> Tensor:
        """What the last layer sees. x: (B, C, H, W) in [-1, 1]. Returns (B, D)."""
        return self.backbone(check_images(self, x))

    @torch.no_grad()
    def shift(self, x: Tensor) -> float:
        """How far pictures lie from those that the network was trained on: 0 for the same, 1 for a standard deviation in all channels.

        The mean over the channels of ((m - mean) / std)^2, m over x of what a batch normalisation gets, mean and std what it got in
        training; the largest of all layers. x: (B, C, H, W) in [-1, 1].
        """
        shifts: list[float] = []

        def compare(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            m = inputs[0].transpose(0, 1).flatten(1).mean(dim=1)
            shifts.append(((m - layer.running_mean).square() / (layer.running_var + layer.eps)).mean().item())

        layers = [layer for layer in self.modules() if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)]
        hooks = [layer.register_forward_pre_hook(compare) for layer in layers]
        try:
            with evaluating(self):
                self.features(x)
        finally:
            for hook in hooks:
                hook.remove()
        return max(shifts, default=0.0)

    def forward(self, x: Tensor) -> Tensor:
        """The logits of the classes. x: (B, C, H, W) in [-1, 1]. Returns (B, num_classes)."""
        return self.head(self.features(x))


def names_of_classes(where: str, num_classes: object, class_names: object, low: int = 0) -> tuple[str, ...]:
    """The classes' names, or their numbers as names. Raises GenartError for names that are no texts, not unique, or of another count."""
    num_classes = whole(where, "num_classes", num_classes, 0, MAX_CLASSES)
    names = tuple(class_names) if isinstance(class_names, list | tuple) else (None,)
    if not all(isinstance(name, str) and name for name in names) or len(set(names)) != len(names) or len(names) > MAX_CLASSES:
        raise GenartError("bad_class_names", where=where, value=shorten(class_names))
    if names and num_classes not in (0, len(names)):
        raise GenartError("class_count", where=where, num_classes=num_classes, count=len(names))
    names = names or tuple(map(str, range(num_classes)))
    if len(names) < low:
        raise GenartError("too_small", where=where, name="num_classes", low=low, value=len(names))
    return names


def index_of_class(where: str, label: object, class_names: Sequence[str]) -> int:
    """The index of a class that is given by its index or its name, or an error that lists the classes."""
    if isinstance(label, str):
        name = label.strip()
        if name in class_names:
            return class_names.index(name)
        label = int(name) if name.isdecimal() and len(name) < 10 else label
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    if isinstance(label, bool) or not hasattr(label, "__index__") or not 0 <= label.__index__() < len(class_names):
        choices = ", ".join(f"{index} {name}" if name != str(index) else name for index, name in enumerate(class_names[:20]))
        more = ", …" if len(class_names) > 20 else ""
        raise GenartError("bad_label", where=where, value=shorten(label), choices=choices + more)
    return label.__index__()


def drawn(where: str, like: Tensor, generator: torch.Generator | None, eps: Tensor | None) -> Tensor:
    """The noise `eps`, or what `generator` draws of the shape of `like`: never from the global generator, which would make runs differ."""
    if eps is None and generator is None:
        raise GenartError("no_noise", where=where)
    return torch.randn(like.shape, generator=generator, device=like.device, dtype=like.dtype) if eps is None else eps


def check_generative(model: Any, choices: list[str] | None = None) -> Generative:
    """`model`, if it makes pictures from latents; else an error that names `choices` (None: the bundled ones that do)."""
    if not isinstance(model, Generative):
        source = getattr(model, "source", None)
        choices = [name for family in ("gan", "vae") for name in genart_hub.bundled(family)] if choices is None else choices
        raise GenartError("not_generative", model=source.name if source else type(model).__name__, choices=", ".join(choices))
    return model


def check_images(model: Generative | FeatureNetwork, x: Any) -> Tensor:
    """`x`, if it is a tensor (B, C, H, W) of the model's size; else an error, which for any other kind of picture names the way to one."""
    where, values = type(model).__name__, {"channels": model.channels, "size": model.image_size}
    if not isinstance(x, Tensor):
        raise GenartError("no_images", where=where, type=type(x).__name__, **values)
    if x.ndim != 4 or tuple(x.shape[1:]) != (model.channels, model.image_size, model.image_size):
        raise GenartError("bad_images", where=where, shape=tuple(x.shape), **values)
    return x


def check_truncation(where: str, value: object) -> float:
    """`value` as a float in (0, 1], or an error."""
    truncation = number(where, "truncation", value)
    if not 0 < truncation <= 1:
        raise GenartError("bad_truncation", where=where, value=shorten(value))
    return truncation


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """`model` in eval mode for a while; each of its modules then gets its own mode back."""
    training = [module for module in model.modules() if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True
