"""Training a GAN. Goodfellow et al. 2014, https://arxiv.org/abs/1406.2661."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from genart_hub import images, losses
from genart_hub.augment import POLICIES, drawn_augmentation
from genart_hub.data import Batches
from genart_hub.errors import GenartError
from genart_hub.evaluate.features import pick_features
from genart_hub.evaluate.samples import fidelity
from genart_hub.hub.described import name_of
from genart_hub.models.base import Generative
from genart_hub.train.noise import Noise
from genart_hub.train.settings import Settings, Steps, Task, option

OTHER_SEEDS = 1_000_000_000  # on from the run's seed: the samples that choose the best state are not those that measure it
MOVES = ("both", "discriminator", "generator")
FITS = 0.1  # a feature network's `shift`: emoji of any style 0.01, digits of one class 0.06; photographs 0.7, line drawings on white 0.2


@dataclass(frozen=True)
class GANSettings(Settings):
    smallest_batch = 2

    objective: str = option("the loss", "non-saturating", choices=tuple(losses.OBJECTIVES))
    r1: float = option("the weight of R1, the squared gradient norm on real pictures", 0.0)
    r2: float = option("the weight of R2, the same on generated pictures; R3GAN has both, and the objective relativistic", 0.0)
    r1_every: int = option("take both penalties every so many steps only, and that many times as strongly", 1, low=1, metavar="STEPS")
    gp: float = option("the weight of the gradient penalty of WGAN-GP", 0.0)
    augment: tuple[str, ...] = option(
        "augment the pictures, real and generated, by these, with commas between, or none", (), choices=POLICIES
    )


PRESETS = {
    "default": GANSettings(epochs=100, batch_size=64, lr=2e-4, betas=(0.5, 0.999), ema=0.998, schedule="linear", r1=0.1),
    "article": GANSettings(epochs=100, batch_size=32, lr=2e-4),
    "convolutional": GANSettings(
        epochs=100, batch_size=64, lr=3e-4, betas=(0.5, 0.99), ema=0.998, schedule="linear", objective="relativistic", r1=0.05,
        r1_every=4, augment=("translation", "brightness"),
    ),
    "dcgan-paper": GANSettings(epochs=100, batch_size=128, lr=2e-4, betas=(0.5, 0.999)),
}  # fmt: skip


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
    move: str = "both",
    backward: Callable[[Tensor], None] = Tensor.backward,
) -> dict[str, Tensor]:
    """One step of the discriminator, then one of the generator. Goodfellow et al. 2014, algorithm 1.

    x: (B, C, H, W) real pictures; label: (B,) for a conditional GAN. r1, r2: the weights of E[||grad_x D(x)||^2] on real and on made
    pictures (Mescheder et al. 2018), both taken every r1_every-th step at r1_every times the weight (Karras et al. 2020, section B), by
    the pixels before their augmentation and through it, as Karras et al. 2020 (ADA) and Huang et al. 2024 do. gp: the weight of WGAN-GP's
    penalty. move: of MOVES, whose step it is, where only one of the two shall learn.
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
    if move != "generator":
        backward(d_loss + penalty)
        d_optimizer.step()
        d_optimizer.zero_grad()

    with frozen(gan) as judge:
        fooled = judge.discriminate(fake, *given)
        g_loss = objective.generator(judge.discriminate(real.detach(), *given), fooled) if objective.paired else objective.generator(fooled)
        if move != "discriminator":
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
def frozen(gan: Any) -> Iterator[Any]:
    """The GAN with a discriminator whose own gradients are not wanted: outside of any wrapper that waits for them."""
    wrapped = gan.discriminator
    gan.discriminator = getattr(wrapped, "module", wrapped).requires_grad_(False)
    try:
        yield gan
    finally:
        gan.discriminator.requires_grad_(True)
        gan.discriminator = wrapped


def make_step(gan: Any, settings: GANSettings) -> Steps:
    optimizers = {"generator": settings.adam(gan.generator), "discriminator": settings.adam(gan.discriminator)}
    return partial(gan_step, **settings.own | {"objective": losses.OBJECTIVES[settings.objective]}), optimizers


def distance(gan: Generative, batches: Batches, seed: int, hold_out: str | None) -> Callable[[Generative], float] | str:
    """The Fréchet distance of 1,000 samples to training pictures, by a bundled network that was trained on such pictures."""
    pictures = batches.data
    if len(pictures) < 16:
        return f"{len(pictures)} pictures are too few to compare with (16 are needed)"
    try:
        features = pick_features(gan).to(batches.device)
    except GenartError:
        return f"no bundled feature network sees pictures of {gan.channels} channels"
    shift = features.shift(images.resize(batches.some(100), features.image_size, features.channels).to(batches.device))
    if shift > FITS:
        return (
            f"{name_of(features)}, the feature network nearest to these pictures, was trained on others "
            f"(they lie {shift:.2f} from its own, where {FITS} is the limit); look at samples/, and take the last state"
        )
    made = cache(lambda: fidelity(pictures, features, min(1000, len(pictures)), seed + OTHER_SEEDS))  # when it is first asked for
    return lambda averaged: made()(averaged)


TASK: Task = Task("GAN", PRESETS, make_step, distance, margin=0.1)  # of 1,000 samples' Fréchet distance, other draws change 5 % to 16 %
