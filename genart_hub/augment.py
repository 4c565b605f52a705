"""Differentiable augmentation, so that a GAN can learn from few pictures. Zhao et al. 2020, https://arxiv.org/abs/2006.10738.

Real and made pictures go through the same functions, so the generator never learns to make augmented pictures. Pictures are
(B, C, H, W) in [-1, 1], and what is random comes as an argument, one value a picture.
"""

from collections.abc import Callable
from functools import partial
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor


def brightness(x: Tensor, u: Tensor) -> Tensor:
    """x + (u - 1/2). u: (B,) in [0, 1)."""
    return x + (u - 0.5).view(-1, 1, 1, 1)


def saturation(x: Tensor, u: Tensor) -> Tensor:
    """The distance to the picture's own grey times 2u. u: (B,) in [0, 1)."""
    grey = x.mean(dim=1, keepdim=True)
    return grey + (x - grey) * (2 * u).view(-1, 1, 1, 1)


def contrast(x: Tensor, u: Tensor) -> Tensor:
    """The distance to the picture's mean times (u + 1/2). u: (B,) in [0, 1)."""
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    return mean + (x - mean) * (u + 0.5).view(-1, 1, 1, 1)


def translation(x: Tensor, shift: Tensor) -> Tensor:
    """Each picture moved by whole pixels, its border going on outwards. shift: (B, 2), rows down and columns to the right."""
    limit = int(shift.abs().max()) if len(shift) else 0
    if not limit:
        return x
    H, W = x.shape[2:]
    padded = F.pad(x, (limit,) * 4, mode="replicate").unbind()
    corners = (limit - shift).tolist()
    return torch.stack([one[:, top : top + H, left : left + W] for one, (top, left) in zip(padded, corners, strict=True)])


def cutout(x: Tensor, centre: Tensor) -> Tensor:
    """A square of half the side, at `centre` (B, 2) in rows and columns, made grey (0)."""
    H, W = x.shape[2:]
    down, right = torch.arange(H, device=x.device) - centre[:, :1], torch.arange(W, device=x.device) - centre[:, 1:]  # (B, H), (B, W)
    rows, columns = (down >= -(H // 4)) & (down < H // 4), (right >= -(W // 4)) & (right < W // 4)
    return x * ~(rows[:, None, :, None] & columns[:, None, None, :])


def flip(x: Tensor, mirrored: Tensor) -> Tensor:
    """Those pictures mirrored, left and right, whose entry of `mirrored` (B,) is not 0."""
    return torch.where(mirrored.bool().view(-1, 1, 1, 1), x.flip(3), x)


class Noise(Protocol):
    """Where the randomness comes from."""

    def uniform(self, n: int, *shape: int) -> Tensor: ...

    def integers(self, low: int, high: int, n: int, *shape: int) -> Tensor: ...


POLICIES = ("brightness", "saturation", "contrast", "translation", "cutout")


def diff_augment(x: Tensor, policy: tuple[str, ...], noise: Noise) -> Tensor:
    """The augmentations of `policy`, in its order."""
    return drawn_augmentation(x.shape, policy, noise)(x)


def drawn_augmentation(shape: tuple[int, ...], policy: tuple[str, ...], noise: Noise) -> Callable[[Tensor], Tensor]:
    """The same as a function of the pictures, whose randomness is drawn already. shape: theirs, (B, C, H, W)."""
    B, _, H, W = shape
    steps: list[Callable[[Tensor], Tensor]] = []
    for name in policy:
        if name == "translation":  # by an eighth of the side
            down, right = noise.integers(-(H // 8), H // 8, B, 1), noise.integers(-(W // 8), W // 8, B, 1)
            steps.append(partial(translation, shift=torch.cat([down, right], dim=1)))
        elif name == "cutout":
            steps.append(partial(cutout, centre=torch.cat([noise.integers(0, H - 1, B, 1), noise.integers(0, W - 1, B, 1)], dim=1)))
        else:
            colour = {"brightness": brightness, "saturation": saturation, "contrast": contrast}[name]
            steps.append(partial(colour, u=noise.uniform(B)))

    def augment(x: Tensor) -> Tensor:
        for step in steps:
            x = step(x)
        return x

    return augment
