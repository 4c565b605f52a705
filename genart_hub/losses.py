"""Objectives of GANs and VAEs as plain functions. Images are in [-1, 1]; adversarial losses take logits, shape (B,)."""

import math
from collections.abc import Callable
from typing import NamedTuple

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


def hinge_discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """L_D = E_x[max(0, 1 - D(x))] + E_z[max(0, 1 + D(G(z)))].

    Lim & Ye 2017, https://arxiv.org/abs/1705.02894; Miyato et al. 2018, eq. 16. real_logits, fake_logits: (B,). Returns a scalar.
    """
    return F.relu(1 - real_logits).mean() + F.relu(1 + fake_logits).mean()


def hinge_generator_loss(fake_logits: Tensor) -> Tensor:
    """L_G = -E_z[D(G(z))], that of the hinge and of the Wasserstein objective.

    Miyato et al. 2018, eq. 17; Arjovsky et al. 2017, eq. 3. fake_logits: (B,). Returns a scalar.
    """
    return -fake_logits.mean()


def wasserstein_discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """L_D = E_z[D(G(z))] - E_x[D(x)], which needs `gradient_penalty` to bound the critic's slope.

    Arjovsky et al. 2017, https://arxiv.org/abs/1701.07875. real_logits, fake_logits: (B,). Returns a scalar.
    """
    return fake_logits.mean() - real_logits.mean()


def relativistic_discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """L_D = E[-log sigmoid(D(x) - D(G(z)))]: each real picture paired with a made one.

    Jolicoeur-Martineau 2019, https://arxiv.org/abs/1807.00734; Huang et al. 2024, https://arxiv.org/abs/2501.05441, eq. 2.
    real_logits, fake_logits: (B,). Returns a scalar in nats.
    """
    return F.softplus(fake_logits - real_logits).mean()


def relativistic_generator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """L_G = E[-log sigmoid(D(G(z)) - D(x))], the same pairs the other way round.

    The papers of `relativistic_discriminator_loss`. real_logits, fake_logits: (B,). Returns a scalar in nats.
    """
    return F.softplus(real_logits - fake_logits).mean()


class Objective(NamedTuple):
    """An adversarial game. discriminator: (real_logits, fake_logits) -> loss; generator: (fake_logits) -> loss, or, paired, of both."""

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[..., Tensor]
    paired: bool = False


OBJECTIVES = {
    "non-saturating": Objective(discriminator_loss, generator_loss),
    "minimax": Objective(discriminator_loss, minimax_generator_loss),
    "hinge": Objective(hinge_discriminator_loss, hinge_generator_loss),
    "wasserstein": Objective(wasserstein_discriminator_loss, hinge_generator_loss),
    "relativistic": Objective(relativistic_discriminator_loss, relativistic_generator_loss, paired=True),
}


def gradient_penalty(discriminate: Callable[[Tensor], Tensor], x: Tensor, x_hat: Tensor, u: Tensor) -> Tensor:
    """E[(||grad D(u x + (1 - u) x_hat)|| - 1)^2], between pairs of a real and a made picture: WGAN-GP, without its factor lambda.

    Gulrajani et al. 2017, https://arxiv.org/abs/1704.00028, eq. 3. discriminate: (B, C, H, W) -> (B,); x, x_hat: (B, C, H, W);
    u: (B,) in [0, 1). Returns a scalar.
    """
    u = u.view(-1, *[1] * (x.ndim - 1))
    between = (u * x + (1 - u) * x_hat).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(discriminate(between).sum(), between, create_graph=True)
    return (gradient.flatten(1).norm(dim=1) - 1).square().mean()


def r1_penalty(logits: Tensor, x: Tensor) -> Tensor:
    """E_x[||grad_x D(x)||^2] on real images, with D the discriminator's logit.

    Mescheder et al. 2018, eq. 9, without its factor gamma / 2. logits: (B,), made from x: (B, ...), which requires grad. Returns a scalar.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
    return gradient.square().flatten(1).sum(dim=1).mean()


def r2_penalty(logits: Tensor, x_hat: Tensor) -> Tensor:
    """E_z[||grad_x D(G(z))||^2] on made images, with D the discriminator's logit.

    Mescheder et al. 2018, eq. 10, without its factor gamma / 2; beside R1 in Huang et al. 2024, https://arxiv.org/abs/2501.05441, eq. 3.
    logits: (B,), made from x_hat: (B, ...), which requires grad and hangs on no generator. Returns a scalar.
    """
    return r1_penalty(logits, x_hat)


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


def kl_of_each(mu: Tensor, logvar: Tensor) -> Tensor:
    """The same for each number of the latent by itself: which of them say anything. mu, logvar: (B, Z). Returns (B, Z), in nats."""
    return kl_to_standard_normal(mu.reshape(-1, 1), logvar.reshape(-1, 1)).reshape(mu.shape)


def kl_of_gaussians(mu: Tensor, logvar: Tensor, prior_mu: Tensor, prior_logvar: Tensor) -> Tensor:
    """KL(N(mu, exp(logvar)) || N(prior_mu, exp(prior_logvar))) in nats, both with diagonal covariances, summed over the latent.

    Each: (B, Z). Returns (B,).
    """
    distance = (mu - prior_mu).square() * (-prior_logvar).exp()
    return 0.5 * (prior_logvar - logvar + (logvar - prior_logvar).exp() + distance - 1.0).sum(dim=1)


def picture_error(x_hat: Tensor, x: Tensor, chroma_weight: float) -> tuple[Tensor, dict[str, Tensor]]:
    """|e| + e^2 + |the differences of neighbours in e| + chroma_weight (|c| + c^2), each a mean. x_hat, x: (B, C, H, W) in [-1, 1].

    e = x_hat - x; c: e less its mean over the colours, without which greens and purples, rare beside yellow and blue, come out grey. No
    critic and no network judges the picture: emoji are flat areas with edges, which the differences keep sharp. Returns it, (), and the
    numbers to log.
    """
    error = x_hat - x
    edges = (error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()) / 2
    chroma = error - error.mean(dim=1, keepdim=True)
    hues = chroma.abs().mean() + chroma.square().mean()
    loss = error.abs().mean() + error.square().mean() + edges + chroma_weight * hues
    return loss, {"psnr": -10 * (error.detach().square().mean() / 4).log10(), "edges": edges.detach(), "hues": hues.detach()}
