"""Training a VAE that reads words. Kingma & Welling 2014; Sohn et al. 2015."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from genart_hub.train.noise import Noise
from genart_hub.train.settings import Steps, Task, option
from genart_hub.train.words import WordedSettings, built, captioned, minus_prompt_accuracy


@dataclass(frozen=True)
class TextVAESettings(WordedSettings):
    beta: float = option("the weight of the KL", 1.0)
    words_noise: float = option("the standard deviation of the noise on the prompts' features", 0.1)
    words_dropout: float = option("the share of prompts that are hidden, so that it learns to do without one", 0.1, high=1, metavar="SHARE")


PRESETS = {"default": TextVAESettings(epochs=100, batch_size=64, lr=1e-3, ema=0.998, schedule="cosine", warmup=0.01)}


def text_vae_step(
    vae: Any,
    optimizer: Optimizer,
    x: Tensor,
    words: Tensor,
    *,
    noise: Noise,
    beta: float = 1.0,
    words_noise: float = 0.0,
    words_dropout: float = 0.0,
    backward: Callable[[Tensor], None] = Tensor.backward,
) -> dict[str, Tensor]:
    """Minimise reconstruction + beta * KL to the prior that the words give, in nats per picture. Sohn et al. 2015, eq. 4.

    x: (B, C, H, W); words: (B, D) features of the captions, to which noise is added; those of the share words_dropout are all 0, the mean
    of all captions. Returns the numbers to log.
    """
    eps = noise.normal(len(x), vae.latent_dim)
    words = words + words_noise * noise.normal(*words.shape)
    words = words * noise.coin(1 - words_dropout, len(x))[:, None]
    reconstruction, kl = (each.mean() for each in vae.elbo_terms(x, words, eps=eps))
    backward(reconstruction + beta * kl)
    optimizer.step()
    optimizer.zero_grad()
    return {"reconstruction": reconstruction.detach(), "kl": kl.detach()}


def make_step(vae: Any, settings: TextVAESettings) -> Steps:
    own = {name: getattr(settings, name) for name in ("beta", "words_noise", "words_dropout")}
    return partial(text_vae_step, **own), {"model": settings.adam(vae)}


TASK: Task = Task("text VAE", PRESETS, make_step, minus_prompt_accuracy, margin=0.02, unwrapped=("nll",), build=built, batches=captioned)
