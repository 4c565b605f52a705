"""Metrics as pure functions of features, logits and pictures. Features: (N, D); logits: (N, classes); pictures in [-1, 1]."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from genart_hub import losses
from genart_hub.errors import GenartError
from genart_hub.models.vae import VAE


def frechet_distance(real: Tensor, fake: Tensor) -> float:
    """||m_r - m_f||^2 + tr(C_r + C_f - 2 (C_r C_f)^(1/2)), between Gaussians fitted to two sets of features.

    Heusel et al. 2017, https://arxiv.org/abs/1706.08500, eq. 6. real: (N, D), fake: (M, D), both N and M of 2 or more.
    """
    if min(len(real), len(fake)) < 2:
        raise GenartError("few_pictures", path="frechet_distance", count=min(len(real), len(fake)), low=2, purpose="a covariance")
    real, fake = real.double(), fake.double()
    mean_r, mean_f, cov_r, cov_f = real.mean(0), fake.mean(0), real.T.cov(), fake.T.cov()
    return frechet_distance_of_gaussians(mean_r, cov_r, mean_f, cov_f)


def frechet_distance_of_gaussians(mean_r: Tensor, cov_r: Tensor, mean_f: Tensor, cov_f: Tensor) -> float:
    """The same between N(mean_r, cov_r) and N(mean_f, cov_f). Means: (D,); covariances: (D, D)."""
    values, vectors = torch.linalg.eigh(cov_r)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T  # C_r^(1/2)
    trace_of_root = torch.linalg.eigvalsh(root @ cov_f @ root).clamp(min=0).sqrt().sum()  # tr (C_r C_f)^(1/2)
    distance = (mean_r - mean_f).square().sum() + cov_r.trace() + cov_f.trace() - 2 * trace_of_root
    return max(distance.item(), 0.0)


def recognised_share(logits: Tensor, threshold: float = 0.9) -> float:
    """The share of pictures that a classifier recognises: max_k p(k | x) > threshold. logits: (N, K)."""
    return (logits.softmax(dim=1).amax(dim=1) > threshold).float().mean().item()


def class_shares(logits: Tensor) -> Tensor:
    """The share of the pictures that falls on each class. logits: (N, K). Returns (K,), which sums to 1."""
    return torch.bincount(logits.argmax(dim=1), minlength=logits.shape[1]).float() / len(logits)


def evenness(shares: Tensor) -> float:
    """The entropy of the classes' shares over its maximum: 1 when all are equal, 0 when there is one class only. shares: (K,)."""
    return (-torch.special.xlogy(shares, shares).sum() / math.log(len(shares))).item()


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """The share of pictures whose largest logit is their label's. logits: (N, K); labels: (N,)."""
    return (logits.argmax(dim=1) == labels).float().mean().item()


def reconstruction_mse(x: Tensor, x_hat: Tensor) -> float:
    """The mean squared error over all pictures and pixels, for pixels in [0, 1]. x, x_hat: (N, C, H, W) in [-1, 1]."""
    return ((x - x_hat) / 2).square().mean().item()


def binarise(x: Tensor, generator: torch.Generator) -> Tensor:
    """Each pixel -1 or 1, drawn with its grey level as the probability. Salakhutdinov & Murray 2008. x: any shape, in [-1, 1]."""
    return 2 * torch.bernoulli((x + 1) / 2, generator=generator) - 1


@dataclass
class ELBO:
    """The evidence lower bound, and its two parts, in nats per picture: elbo = -(reconstruction + kl)."""

    elbo: float
    reconstruction: float
    kl: float


@torch.no_grad()
def bernoulli_elbo(vae: VAE, x: Tensor, seed: int = 0, num_samples: int = 1) -> ELBO:
    """E_q[log p(x | z)] - KL(q(z | x) || p(z)) of a VAE whose likelihood is Bernoulli, in nats per picture.

    Kingma & Welling 2014, eq. 3. x: (N, C, H, W), every pixel -1 or 1: grey levels under a Bernoulli are no normalised likelihood.
    """
    if not bool((x.abs() == 1).all()):
        raise GenartError("not_binary", where="bernoulli_elbo")
    generator = torch.Generator().manual_seed(seed)
    reconstruction, kl = 0.0, 0.0
    device = next(vae.parameters()).device
    for chunk in x.to(device).split(1000):
        mu, logvar = vae.encode(chunk)
        kl += losses.kl_to_standard_normal(mu, logvar).sum().item()
        for _ in range(num_samples):
            z = mu + (0.5 * logvar).exp() * torch.randn(mu.shape, generator=generator).to(device)
            reconstruction += losses.bernoulli_nll(vae.decode(z), chunk).sum().item() / num_samples
    return ELBO(-(reconstruction + kl) / len(x), reconstruction / len(x), kl / len(x))
