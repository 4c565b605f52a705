"""One step of each objective. A step draws its noise from what it is given, never from the global generator.

Gradients are cleared after an update, not before, so that they can be gathered over several parts of a batch.
"""

from collections.abc import Callable
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from genart_hub import losses
from genart_hub.augment import diff_augment, drawn_augmentation
from genart_hub.metrics import accuracy
from genart_hub.models.base import FeatureNetwork, Generative
from genart_hub.train.noise import Noise


def gan_step(
    gan: Generative,
    g_optimizer: Optimizer,
    d_optimizer: Optimizer,
    x: Tensor,
    label: Tensor | None = None,
    *,
    noise: Noise,
    objective: losses.Objective = losses.OBJECTIVES["non-saturating"],
    r1: float = 0.0,
    r2: float = 0.0,
    r1_every: int = 1,
    gp: float = 0.0,
    augment: tuple[str, ...] = (),
    backward: Callable[[Tensor], None] = Tensor.backward,
) -> dict[str, Tensor]:
    """One step of the discriminator, then one of the generator. Goodfellow et al. 2014, algorithm 1.

    x: (B, C, H, W) real pictures; label: (B,) for a conditional GAN. r1, r2: the weights of E[||grad_x D(x)||^2] on real and on made
    pictures (Mescheder et al. 2018), both taken every r1_every-th step at r1_every times the weight (Karras et al. 2020, section B), by
    the pixels before their augmentation and through it, as Karras et al. 2020 (ADA) and Huang et al. 2024 do. gp: the weight of WGAN-GP's
    penalty.
    With accumulated gradients, the generator's come from the discriminator before its update in all parts of a batch but the last.
    Returns the numbers to log.
    """
    given = () if label is None else (label,)
    x_hat = gan.generate(noise.normal(len(x), gan.latent_dim), *given)
    now = noise.step % r1_every == 0
    augment_real, augment_fake = (drawn_augmentation(x.shape, augment, noise) for _ in range(2))
    x, made = x.detach().requires_grad_(now and r1 > 0), x_hat.detach().requires_grad_(now and r2 > 0)
    real, fake = augment_real(x), augment_fake(x_hat)
    judged = augment_fake(made) if made.requires_grad else fake.detach()

    real_logits, fake_logits = gan.discriminate(real, *given), gan.discriminate(judged, *given)
    d_loss = objective.discriminator(real_logits, fake_logits)
    penalty = r1 * r1_every * losses.r1_penalty(real_logits, x) if x.requires_grad else 0.0
    if made.requires_grad:
        penalty += r2 * r1_every * losses.r2_penalty(fake_logits, made)
    if gp > 0:
        u = noise.uniform(len(x))
        penalty += gp * losses.gradient_penalty(lambda between: gan.discriminate(between, *given), real, fake.detach(), u)
    backward(d_loss + penalty)
    d_optimizer.step()
    d_optimizer.zero_grad()

    with frozen(gan) as judge:
        fooled = judge.discriminate(fake, *given)
        g_loss = objective.generator(judge.discriminate(real.detach(), *given), fooled) if objective.paired else objective.generator(fooled)
        backward(g_loss)
    g_optimizer.step()
    g_optimizer.zero_grad()

    numbers = {"d_loss": d_loss.detach(), "g_loss": g_loss.detach()}
    if objective.paired:
        return numbers | {"d_accuracy": (real_logits > fake_logits).float().mean()}
    if objective is losses.OBJECTIVES["wasserstein"]:  # a critic's zero means nothing
        return numbers
    return numbers | {"d_accuracy": (real_logits > 0).float().mean() / 2 + (fake_logits < 0).float().mean() / 2}


@contextmanager
def frozen(gan: Generative):
    """The GAN with a discriminator whose own gradients are not wanted: outside of any wrapper that waits for them."""
    wrapped = gan.discriminator
    gan.discriminator = getattr(wrapped, "module", wrapped).requires_grad_(False)
    try:
        yield gan
    finally:
        gan.discriminator.requires_grad_(True)
        gan.discriminator = wrapped


def vae_step(
    vae: Generative,
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
    told = {"told": noise.coin(1 - label_dropout, len(x))} if label is not None and label_dropout > 0 else {}
    p, mu, logvar = vae(x, label=label, eps=eps, **told)
    reconstruction = vae.nll(p, x).mean()
    kl = losses.kl_to_standard_normal(mu, logvar).mean()
    backward(reconstruction + beta * kl)
    optimizer.step()
    optimizer.zero_grad()
    return {"reconstruction": reconstruction.detach(), "kl": kl.detach()}


def classifier_step(
    classifier: FeatureNetwork,
    optimizer: Optimizer,
    x: Tensor,
    label: Tensor,
    *,
    noise: Noise,
    augment: tuple[str, ...] = (),
    dropout: float = 0.0,
    smoothing: float = 0.0,
    backward: Callable[[Tensor], None] = Tensor.backward,
) -> dict[str, Tensor]:
    """Minimise the cross-entropy. x: (B, C, H, W); label: (B,). dropout: the share of the features that the last layer does not see.

    smoothing: the share of the target that is spread over all classes (Szegedy et al. 2016). Returns the numbers to log.
    """
    features = classifier.features(diff_augment(x, augment, noise))
    if dropout > 0:
        features = features * noise.coin(1 - dropout, *features.shape) / (1 - dropout)
    logits = classifier.head(features)
    loss = F.cross_entropy(logits, label, label_smoothing=smoothing)
    backward(loss)
    optimizer.step()
    optimizer.zero_grad()
    return {"loss": loss.detach(), "accuracy": torch.tensor(accuracy(logits, label), device=x.device)}


def autoencoder_step(
    autoencoder: nn.Module,
    optimizer: Optimizer,
    x: Tensor,
    *,
    noise: Noise,
    kl_weight: float = 1e-3,
    chroma_weight: float,
    latent_shape: tuple[int, int, int],
    backward: Callable[[Tensor], None] = Tensor.backward,
) -> dict[str, Tensor]:
    """Minimise |e| + e^2 + |the differences of neighbours in e| + chroma_weight (|c| + c^2) + kl_weight * KL, each a mean.

    Rombach et al. 2022, section 3.1. x: (B, 3, H, W); e = x_hat - x; c: e less its mean over the colours, without which greens and
    purples, rare beside yellow and blue, come out grey. No critic and no network judges the picture: emoji are flat areas with edges,
    which the differences keep sharp. Returns the numbers to log.
    """
    x_hat, mu, logvar = autoencoder(x, noise.normal(len(x), *latent_shape))
    error = x_hat - x
    edges = (error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()) / 2
    chroma = error - error.mean(dim=1, keepdim=True)
    kl = losses.kl_to_standard_normal(mu.flatten(1), logvar.flatten(1)).mean() / mu[0].numel()
    hues = chroma.abs().mean() + chroma.square().mean()
    backward(error.abs().mean() + error.square().mean() + edges + chroma_weight * hues + kl_weight * kl)
    optimizer.step()
    optimizer.zero_grad()
    return {"psnr": -10 * (error.detach().square().mean() / 4).log10(), "edges": edges.detach(), "hues": hues.detach(), "kl": kl.detach()}


def diffusion_step(
    denoiser: nn.Module,
    optimizer: Optimizer,
    z: Tensor,
    tokens: Tensor,
    *,
    noise: Noise,
    alphas_cumprod: Tensor,
    backward: Callable[[Tensor], None] = Tensor.backward,
) -> dict[str, Tensor]:
    """Minimise |v - v_hat(z_t, t, tokens)|^2, v = alpha_t eps - sigma_t z. Ho et al. 2020; v: Salimans & Ho 2022, section 4.

    z: (B, C, H, W) latents; tokens: (B, L) of their captions; alphas_cumprod: (T,) alpha_t^2 of the noise schedule.
    Returns the numbers to log.
    """
    t = noise.integers(0, len(alphas_cumprod) - 1, len(z))
    eps = noise.normal(len(z), *z.shape[1:])
    alpha_squared = alphas_cumprod.to(z)[t].view(-1, 1, 1, 1)
    alpha, sigma = alpha_squared.sqrt(), (1 - alpha_squared).sqrt()
    v_hat = denoiser(alpha * z + sigma * eps, t, tokens)
    loss = (v_hat - (alpha * eps - sigma * z)).square().mean()
    backward(loss)
    norm = nn.utils.clip_grad_norm_(denoiser.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    return {"loss": loss.detach(), "gradient": norm.detach()}


def trained_parts(model: nn.Module) -> list[str]:
    """The names of a model's sub-networks that are trained."""
    return [name for name, module in model.named_children() if any(p.requires_grad for p in module.parameters())]
