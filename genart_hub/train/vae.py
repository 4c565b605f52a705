"""Training a VAE. Kingma & Welling 2014, https://arxiv.org/abs/1312.6114."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from genart_hub import losses
from genart_hub.data import Batches
from genart_hub.errors import GenartError
from genart_hub.models.base import evaluating
from genart_hub.train.noise import Noise
from genart_hub.train.settings import Settings, Steps, Task, option


@dataclass(frozen=True)
class VAESettings(Settings):
    beta: float = option("the weight of the KL", 1.0)
    binarised: bool = option("draw each pixel anew as black or white (a Bernoulli VAE)", False)
    label_dropout: float = option("the share of labels that are hidden, so that it learns to do without one", 0.0, high=1, metavar="SHARE")


PRESETS = {
    "default": VAESettings(epochs=100, batch_size=128, lr=1e-3, ema=0.998, schedule="linear", beta=2.0),
    "example": VAESettings(epochs=10, batch_size=128, lr=1e-3),
    "convolutional": VAESettings(epochs=100, batch_size=64, lr=1e-3, ema=0.998, schedule="cosine", warmup=0.01, label_dropout=0.1),
}


def vae_step(
    vae: Any,
    optimizer: Optimizer,
    x: Tensor,
    label: Tensor | None = None,
    *,
    noise: Noise,
    beta: float = 1.0,
    binarised: bool = False,
    label_dropout: float = 0.0,
    backward: Callable[[Tensor], None] = Tensor.backward,
) -> dict[str, Tensor]:
    """Minimise reconstruction + beta * KL, in nats per picture. Kingma & Welling 2014, eq. 7; beta: Higgins et al. 2017.

    x: (B, C, H, W); label: (B,) for a conditional VAE. binarised: draw each pixel anew as -1 or 1, so that the Bernoulli likelihood
    is a normalised one (Burda et al. 2016). label_dropout: the share of the labels that do not count, so that the model learns to do
    without one (as Ho & Salimans 2022 do for diffusion). Returns the numbers to log.
    """
    if binarised:
        x = 2 * (noise.uniform(*x.shape) < (x + 1) / 2).float() - 1
    eps = noise.normal(len(x), vae.latent_dim)
    masked = {"label_mask": noise.coin(1 - label_dropout, len(x))} if label is not None and label_dropout > 0 else {}
    p, mu, logvar = vae(x, label=label, eps=eps, **masked)
    reconstruction = vae.nll(p, x).mean()
    kl = losses.kl_to_standard_normal(mu, logvar).mean()
    backward(reconstruction + beta * kl)
    optimizer.step()
    optimizer.zero_grad()
    return {"reconstruction": reconstruction.detach(), "kl": kl.detach()}


def make_step(vae: Any, settings: VAESettings) -> Steps:
    if settings.binarised and vae.likelihood != "bernoulli":
        raise GenartError("binarised_gaussian", where=type(vae).__name__)
    return partial(vae_step, **settings.own), {"model": settings.adam(vae)}


def minus_elbo(vae: Any, batches: Batches, seed: int, hold_out: str | None) -> Callable[[Any], float]:
    """Minus the ELBO of some of the training pictures, in nats."""
    labels = None if batches.labels is None else batches.labels[batches.picked(500)]
    return partial(_minus_elbo, x=batches.some(500), labels=labels, seed=seed)


@torch.no_grad()
def _minus_elbo(vae: Any, x: Tensor, labels: Tensor | None, seed: int) -> float:
    """Reconstruction + KL, the noise always the same."""
    device = next(vae.parameters()).device
    with evaluating(vae):
        eps = Noise(seed).normal(len(x), vae.latent_dim).to(device)
        p, mu, logvar = vae(x.to(device), label=labels, eps=eps)
        return (vae.nll(p, x.to(device)) + losses.kl_to_standard_normal(mu, logvar)).mean().item()


TASK: Task = Task("VAE", PRESETS, make_step, minus_elbo, margin=0.001, unwrapped=("nll",))
