"""Training a text-to-image GAN in latents. Reed et al. 2016; Bao et al. 2017 (CVAE-GAN); Huang et al. 2024 (R3GAN)."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.optim import Optimizer

from genart_hub import losses
from genart_hub.errors import GenartError
from genart_hub.train.gan import frozen
from genart_hub.train.noise import Noise
from genart_hub.train.settings import Steps, Task, option
from genart_hub.train.words import WordedSettings, built, captioned, minus_prompt_accuracy


@dataclass(frozen=True)
class TextGANSettings(WordedSettings):
    smallest_batch = 2

    r1: float = option("the weight of R1, the squared gradient norm on real latents, and of R2, the same on generated ones", 0.5)
    r1_every: int = option("take both penalties every so many steps only, and that many times as strongly", 4, low=1, metavar="STEPS")
    words_noise: float = option("the standard deviation of the noise on the prompts' features", 0.1)
    reconstruction: float = option("the weight of the squared error of half a batch, which is generated from its own latents", 10.0)
    alone: int = option("steps before the discriminator joins, in which the generator only learns to reconstruct", 3000, metavar="STEPS")
    kl: float = option("the weight of the KL of these latents' places, in units of the squared error", 0.3)


PRESETS = {
    "default": TextGANSettings(epochs=300, batch_size=64, lr=3e-4, betas=(0.0, 0.99), ema=0.999, schedule="cosine"),
}


def text_gan_step(
    gan: Any,
    g_optimizer: Optimizer,
    d_optimizer: Optimizer,
    x: Tensor,
    words: Tensor,
    *,
    noise: Noise,
    r1: float = 0.5,
    r1_every: int = 4,
    words_noise: float = 0.1,
    reconstruction: float = 10.0,
    kl: float = 0.3,
    alone: int = 0,
    backward: Callable[[Tensor], None] = Tensor.backward,
) -> dict[str, Tensor]:
    """One step of the discriminator, then one of generator and encoder, in latents.

    Each real latent is paired with one generated from the same words (Jolicoeur-Martineau 2019), with R1 and R2 (Huang et al. 2024). Half
    of the generator's z are drawn from N(0, I), the other half from the encoder's q(z | x), whose pictures must also come back, as in
    Bao et al. 2017: so words are answered long before the game alone would teach it. In the first `alone` steps there is no game, and
    every z is the encoder's. x: (B, c, h, w) latents; words: (B, D), with noise (Rangwani et al. 2023). Real and generated latents are
    shifted by up to a cell before they are judged. Returns the numbers to log.
    """
    playing = noise.step >= alone
    words = words + words_noise * noise.normal(*words.shape)
    half = len(x) // 2 if playing else len(x)
    mu, logvar = gan.encoder(x[:half])
    z = torch.cat([mu + (0.5 * logvar).exp() * noise.normal(half, gan.latent_dim), noise.normal(len(x) - half, gan.latent_dim)])
    x_hat = gan.generator(z, words)
    error = (x_hat[:half] - x[:half]).square().mean()
    divergence = losses.kl_to_standard_normal(mu, logvar).mean() / math.prod(x.shape[1:])
    bound = reconstruction * (error + kl * divergence)
    numbers = {"error": error, "kl": divergence}
    if not playing:
        backward(bound)
        g_optimizer.step()
        g_optimizer.zero_grad()
        return {name: value.detach() for name, value in numbers.items()}

    now = noise.step % r1_every == 0 and r1 > 0
    shift_real, shift_fake = (partial(shifted, by=noise.integers(-1, 1, len(x), 2)) for _ in range(2))
    real, made = x.detach().requires_grad_(now), x_hat.detach().requires_grad_(now)
    real_logits, fake_logits = gan.discriminator(shift_real(real), words), gan.discriminator(shift_fake(made), words)
    d_loss = losses.relativistic_discriminator_loss(real_logits, fake_logits)
    penalty = torch.zeros(())
    if now:
        penalty = r1 * r1_every * (losses.r1_penalty(real_logits, real) + losses.r2_penalty(fake_logits, made))
    backward(d_loss + penalty)
    d_optimizer.step()
    d_optimizer.zero_grad()

    with frozen(gan) as judge:
        g_loss = losses.relativistic_generator_loss(real_logits.detach(), judge.discriminator(shift_fake(x_hat), words))
        backward(g_loss + bound)
    g_optimizer.step()
    g_optimizer.zero_grad()
    numbers |= {"d_loss": d_loss, "g_loss": g_loss, "d_accuracy": (real_logits > fake_logits).float().mean()}
    return {name: value.detach() for name, value in numbers.items()}


def shifted(x: Tensor, by: Tensor) -> Tensor:
    """x shifted by whole cells, its border repeated. x: (B, c, h, w); by: (B, 2) of -1, 0 and 1, down and to the right."""
    height, width = x.shape[2:]
    padded = functional.pad(x, (1, 1, 1, 1), mode="replicate")
    rows = (torch.arange(height, device=x.device) + 1 - by[:, :1])[:, None, :, None]
    columns = (torch.arange(width, device=x.device) + 1 - by[:, 1:])[:, None, None, :]
    batch = torch.arange(len(x), device=x.device)[:, None, None, None]
    channels = torch.arange(x.shape[1], device=x.device)[None, :, None, None]
    return padded[batch, channels, rows, columns]


def make_step(gan: Any, settings: TextGANSettings) -> Steps:
    if not gan.config["trainable"]:
        raise GenartError("not_choice", where="train", name="trainable", choices="True", value="False")
    own = {name: getattr(settings, name) for name in ("r1", "r1_every", "words_noise", "reconstruction", "alone", "kl")}
    made = torch.nn.ModuleList([gan.generator, gan.encoder])
    return partial(text_gan_step, **own), {"generator": settings.adam(made), "discriminator": settings.adam(gan.discriminator)}


TASK: Task = Task("text GAN", PRESETS, make_step, minus_prompt_accuracy, margin=0.02, build=built, batches=captioned)
