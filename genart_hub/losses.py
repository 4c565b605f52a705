"""Objectives of GANs and VAEs as plain functions. Images are in [-1, 1]; adversarial losses take logits, shape (B,)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """L_D = -E_x[log D(x)] - E_z[log(1 - D(G(z)))], with D = sigmoid(logits).

    Goodfellow et al. 2014, eq. 1. real_logits, fake_logits: (B,). Returns a scalar in nats, finite for any finite logits.
    """
    return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()


def generator_loss(fake_logits: Tensor) -> Tensor:
    """L_G = -E_z[log D(G(z))], the non-saturating form.

    Goodfellow et al. 2014, section 3. fake_logits: (B,). Returns a scalar in nats.
    """
    return F.softplus(-fake_logits).mean()


def minimax_generator_loss(fake_logits: Tensor) -> Tensor:
    """L_G = E_z[log(1 - D(G(z)))], the form of the minimax game, whose gradient vanishes where D is sure.

    Goodfellow et al. 2014, eq. 1. fake_logits: (B,). Returns a scalar in nats.
    """
    return -F.softplus(fake_logits).mean()


def r1_penalty(logits: Tensor, x: Tensor) -> Tensor:
    """E_x[||grad_x D(x)||^2] on real images, with D the discriminator's logit.

    Mescheder et al. 2018, eq. 9, without its factor gamma / 2. logits: (B,), made from x: (B, ...), which requires grad. Returns a scalar.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
    return gradient.square().flatten(1).sum(dim=1).mean()


def bernoulli_nll(logits: Tensor, x: Tensor) -> Tensor:
    """-log p(x | z) in nats, summed over the pixels, for independent Bernoulli pixels.

    Kingma & Welling 2014, Appendix C.1. logits: (B, C, H, W); x: the same shape, in [-1, 1], -1 for 0 and 1 for 1. Returns (B,).
    A normalised likelihood only where every pixel of x is -1 or 1.
    """
    return F.binary_cross_entropy_with_logits(logits, (x + 1) / 2, reduction="none").flatten(1).sum(dim=1)


def gaussian_nll(mean: Tensor, logvar: Tensor | float, x: Tensor) -> Tensor:
    """-log N(x; mean, exp(logvar)) in nats, summed over the pixels.

    Kingma & Welling 2014, Appendix C.2. mean, x: (B, C, H, W); logvar: a number or anything that broadcasts to x. Returns (B,).
    """
    logvar = torch.as_tensor(logvar, dtype=x.dtype, device=x.device)
    nll = 0.5 * (math.log(2 * math.pi) + logvar + (x - mean).square() * (-logvar).exp())
    return nll.flatten(1).sum(dim=1)


def kl_to_standard_normal(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mu, exp(logvar)) || N(0, I)) in nats, summed over the latent.

    Kingma & Welling 2014, Appendix B. mu, logvar: (B, Z). Returns (B,).
    """
    return 0.5 * (mu.square() + logvar.exp() - 1.0 - logvar).sum(dim=1)
