"""One step of each objective. A step draws its noise from the generator that it is given, never from the global one."""

import torch
import torch.nn.functional as F
from torch import Generator, Tensor
from torch.optim import Optimizer

from genart_hub import losses
from genart_hub.metrics import accuracy, binarise
from genart_hub.models.classifier import Classifier
from genart_hub.models.gan import GAN
from genart_hub.models.vae import VAE


def gan_step(
    gan: GAN, g_optimizer: Optimizer, d_optimizer: Optimizer, x: Tensor, generator: Generator | None = None, r1: float = 0.0
) -> dict[str, Tensor]:
    """One step of the discriminator, then one of the generator. Goodfellow et al. 2014, algorithm 1; R1: Mescheder et al. 2018.

    x: (B, C, H, W) real pictures. r1: the weight of E[||grad_x D(x)||^2]. Returns the numbers to log.
    """
    z = torch.randn(len(x), gan.latent_dim, generator=generator).to(x.device)
    x_hat, x = gan.generate(z), x.detach().requires_grad_(r1 > 0)

    real_logits, fake_logits = gan.discriminate(x), gan.discriminate(x_hat.detach())
    d_loss = losses.discriminator_loss(real_logits, fake_logits)
    penalty = r1 * losses.r1_penalty(real_logits, x) if r1 > 0 else 0.0
    d_optimizer.zero_grad()
    (d_loss + penalty).backward()
    d_optimizer.step()

    gan.discriminator.requires_grad_(False)  # its gradients are not wanted here
    g_loss = losses.generator_loss(gan.discriminate(x_hat))
    g_optimizer.zero_grad()
    g_loss.backward()
    g_optimizer.step()
    gan.discriminator.requires_grad_(True)

    right = (real_logits > 0).float().mean() / 2 + (fake_logits < 0).float().mean() / 2
    return {"d_loss": d_loss.detach(), "g_loss": g_loss.detach(), "d_accuracy": right}


def vae_step(
    vae: VAE, optimizer: Optimizer, x: Tensor, generator: Generator | None = None, beta: float = 1.0, binarised: bool = False
) -> dict[str, Tensor]:
    """Minimise reconstruction + beta * KL, in nats per picture. Kingma & Welling 2014, eq. 7; beta: Higgins et al. 2017.

    x: (B, C, H, W). binarised: draw each pixel anew as -1 or 1, so that the Bernoulli likelihood is a normalised one
    (Burda et al. 2016). Returns the numbers to log.
    """
    x = binarise(x, generator) if binarised else x
    logits, mu, logvar = vae(x, generator)
    reconstruction = losses.bernoulli_nll(logits, x).mean()
    kl = losses.kl_to_standard_normal(mu, logvar).mean()
    optimizer.zero_grad()
    (reconstruction + beta * kl).backward()
    optimizer.step()
    return {"reconstruction": reconstruction.detach(), "kl": kl.detach()}


def classifier_step(
    classifier: Classifier, optimizer: Optimizer, x: Tensor, labels: Tensor, generator: Generator | None = None
) -> dict[str, Tensor]:
    """Minimise the cross-entropy on pictures moved by up to 2 px. x: (B, C, H, W); labels: (B,). Returns the numbers to log."""
    dy, dx = torch.randint(-2, 3, (2,), generator=generator).tolist()
    with torch.random.fork_rng(devices=[x.device] if x.is_cuda else []):  # dropout draws from the global generator
        torch.manual_seed(torch.randint(2**62, (), generator=generator).item())
        logits = classifier(x.roll((dy, dx), dims=(2, 3)))
    loss = F.cross_entropy(logits, labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return {"loss": loss.detach(), "accuracy": torch.tensor(accuracy(logits, labels))}
