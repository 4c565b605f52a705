"""Training an autoencoder with discrete codes. Mentzer et al. 2024, https://arxiv.org/abs/2309.15505."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from genart_hub import losses
from genart_hub.data import Batches
from genart_hub.models.base import evaluating
from genart_hub.train.noise import Noise
from genart_hub.train.settings import Settings, Steps, Task, option

JUDGED = 500  # pictures of a score


@dataclass(frozen=True)
class VQVAESettings(Settings):
    chroma_weight: float = option("the weight of the error of colours less their mean, without which rare hues come out grey", 2.0)


PRESETS = {"default": VQVAESettings(epochs=20, batch_size=32, lr=1e-3, ema=0.998, schedule="cosine", warmup=0.02)}


def vqvae_step(
    vqvae: Any,
    optimizer: Optimizer,
    x: Tensor,
    *,
    noise: Noise,
    chroma_weight: float = 2.0,
    backward: Callable[[Tensor], None] = Tensor.backward,
) -> dict[str, Tensor]:
    """Minimise `losses.picture_error` of pictures from their tokens; the gradient passes the rounding as it is. x: (B, C, H, W).

    Returns the numbers to log; among them the perplexity of the tokens of the batch, which is the number of codes where all are as common.
    """
    x_hat, tokens = vqvae(x)
    error, numbers = losses.picture_error(x_hat, x, chroma_weight)
    backward(error)
    optimizer.step()
    optimizer.zero_grad()
    return numbers | {"perplexity": perplexity(tokens, vqvae.num_codes)}


def perplexity(tokens: Tensor, num_codes: int) -> Tensor:
    """exp(the entropy of how often each code is used). tokens: int64 in [0, num_codes). Returns ()."""
    shares = torch.bincount(tokens.flatten(), minlength=num_codes) / tokens.numel()
    return torch.special.entr(shares).sum().exp()


def make_step(vqvae: Any, settings: VQVAESettings) -> Steps:
    return partial(vqvae_step, **settings.own), {"model": settings.adam(vqvae)}


def squared_error(vqvae: Any, batches: Batches, seed: int, hold_out: str | None) -> Callable[[Any], float]:
    """The mean squared error of some of the training pictures from their tokens."""
    return partial(_squared_error, x=batches.some(JUDGED))


@torch.no_grad()
def _squared_error(vqvae: Any, x: Tensor) -> float:
    with evaluating(vqvae):
        return torch.cat([(vqvae.reconstruct(some) - some).square().flatten(1).mean(dim=1) for some in x.split(64)]).mean().item()


TASK: Task = Task("autoencoder of codes", PRESETS, make_step, squared_error, margin=0.01)
