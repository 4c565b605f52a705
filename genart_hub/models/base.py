"""What every generative model shares: seeded latents, `sample`, and the recipe of a picture."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from genart_hub import __version__
from genart_hub.errors import GenartError, number, shorten, whole
from genart_hub.hub import HubModel

MAX_COUNT = 100_000
MAX_SEED = 2**53 - 1  # the largest whole number that survives JSON and a browser


class Generative(nn.Module, HubModel):
    """A model that makes pictures of (channels, image_size, image_size) from latents of (latent_dim,)."""

    family: ClassVar[str]
    arxiv: ClassVar[str | None] = None
    about: ClassVar[dict[str, str]] = {}  # what a card says of the model, in "en" and "zh"
    image_size: int
    channels: int
    latent_dim: int

    def generate(self, z: Tensor, label: object = None) -> Tensor:
        """Latents to pictures. z: (B, Z). Returns (B, C, H, W) in [-1, 1]."""
        raise NotImplementedError(f"{type(self).__name__} must define generate(z).")

    def latents(self, n: int, seed: int = 0, truncation: float = 1.0) -> Tensor:
        """n latents ~ N(0, I), times `truncation`; row k is drawn by a CPU generator of its own, of seed `seed` + k.

        Returns (n, Z) float32 on the CPU. 0 < truncation <= 1.
        """
        where = type(self).__name__
        n, seed = whole(where, "n", n, 1, MAX_COUNT), whole(where, "seed", seed, 0, MAX_SEED)
        truncation = check_truncation(where, truncation)
        z, generator = torch.empty(n, self.latent_dim), torch.Generator()
        for k, row in enumerate(z.unbind()):
            row.normal_(generator=generator.manual_seed(seed + k))
        return z if truncation == 1 else z.mul_(truncation)

    @torch.no_grad()
    def sample(self, n: int = 1, seed: int = 0, *, label: object = None, truncation: float = 1.0) -> Tensor:
        """n pictures; picture k is the picture of seed `seed` + k, whatever n is. Returns (n, C, H, W) float32 in [-1, 1]."""
        self.check_label(label)
        z = self.latents(n, seed, truncation)
        parameter = next(self.parameters())
        with evaluating(self):
            return self.generate(z.to(parameter.device, parameter.dtype)).float()

    def check_label(self, label: object) -> None:
        """Refuse a label where the model has no classes."""
        if label is not None:
            raise GenartError("no_classes", where=type(self).__name__, value=shorten(label))

    def check_latents(self, z: Tensor) -> Tensor:
        """Refuse latents that are not (B, Z). Returns them where the weights are, in their precision."""
        if z.ndim != 2 or z.shape[1] != self.latent_dim:
            raise GenartError("bad_latents", where=type(self).__name__, latent_dim=self.latent_dim, shape=tuple(z.shape))
        return z.to(next(self.parameters()))

    def check_images(self, x: Tensor) -> Tensor:
        """Refuse pictures that are not (B, C, H, W) of this model's size. Returns them where the weights are, in their precision."""
        if x.ndim != 4 or tuple(x.shape[1:]) != (self.channels, self.image_size, self.image_size):
            where = type(self).__name__
            raise GenartError("bad_images", where=where, channels=self.channels, size=self.image_size, shape=tuple(x.shape))
        return x.to(next(self.parameters()))

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


def check_generative(model: Any, choices: list[str]) -> Generative:
    """`model`, if it makes pictures from latents; else an error that names `choices`."""
    if not isinstance(model, Generative):
        source = getattr(model, "source", None)
        raise GenartError("not_generative", model=source.name if source else type(model).__name__, choices=", ".join(choices))
    return model


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
