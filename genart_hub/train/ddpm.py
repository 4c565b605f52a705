"""Training a diffusion model of pixels. Ho et al. 2020, https://arxiv.org/abs/2006.11239; Lipman et al. 2023, https://arxiv.org/abs/2210.02747."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from genart_hub.data import Batches
from genart_hub.models.base import evaluating
from genart_hub.models.ddpm import TRAINED_STEPS
from genart_hub.train.noise import Noise
from genart_hub.train.settings import Settings, Steps, Task, option

LARGEST_SNR = 5.0  # up to which a step of a ddpm weighs as its signal-to-noise ratio says
JUDGED = 500  # pictures of a score
CLIP = 1.0  # the largest norm of a gradient


@dataclass(frozen=True)
class DDPMSettings(Settings):
    label_dropout: float = option("the share of labels that are hidden, so that it learns to do without one", 0.1, high=1, metavar="SHARE")


PRESETS = {"default": DDPMSettings(epochs=20, batch_size=128, lr=1e-3, betas=(0.9, 0.99), ema=0.999, schedule="cosine", warmup=0.02)}


def ddpm_step(
    model: Any,
    optimizer: Optimizer,
    x: Tensor,
    label: Tensor | None = None,
    *,
    noise: Noise,
    label_dropout: float = 0.0,
    backward: Callable[[Tensor], None] = Tensor.backward,
) -> dict[str, Tensor]:
    """Minimise the squared error of what the network predicts of a picture under noise.

    x: (B, C, H, W); label: (B,) for a model of classes, of which the share label_dropout is hidden (Ho & Salimans 2022). A flow's times
    are logit-normal (Esser et al. 2024, section 3.1); a ddpm's steps are drawn evenly and weighed by min(SNR, 5) / SNR (Hang et al. 2023).
    Returns the numbers to log.
    """
    if label is not None:
        kept = noise.coin(1 - label_dropout, len(x)).bool()
        label = torch.where(kept, label, torch.full_like(label, model.num_classes))
    times, eps = noise.normal(len(x)), noise.normal(*x.shape)
    loss = errors(model, x, label, times, eps).mean()
    backward(loss)
    norm = nn.utils.clip_grad_norm_(model.parameters(), CLIP)
    optimizer.step()
    optimizer.zero_grad()
    return {"loss": loss.detach(), "gradient": norm.detach()}


def errors(model: Any, x: Tensor, label: Tensor | None, times: Tensor, eps: Tensor) -> Tensor:
    """The weighed squared error of each picture, a mean over its pixels. times: (B,) ~ N(0, 1), which say how much noise. Returns (B,)."""
    if model.objective == "flow":
        t = times.sigmoid()
        x_t = x.lerp(eps, t[:, None, None, None])
        return (model(x_t, TRAINED_STEPS * t, label) - (eps - x)).square().flatten(1).mean(dim=1)
    t = (TRAINED_STEPS * torch.special.ndtr(times)).long().clamp(max=TRAINED_STEPS - 1)
    alpha_squared = model.scheduler(1).alphas_cumprod.to(x)[t]
    alpha, sigma = (each.sqrt()[:, None, None, None] for each in (alpha_squared, 1 - alpha_squared))
    snr = alpha_squared / (1 - alpha_squared)
    error = (model(alpha * x + sigma * eps, t, label) - eps).square().flatten(1).mean(dim=1)
    return error * snr.clamp(max=LARGEST_SNR) / snr.clamp(min=1e-8)


def make_step(model: Any, settings: DDPMSettings) -> Steps:
    return partial(ddpm_step, **settings.own), {"model": settings.adam(model)}


def fixed_error(model: Any, batches: Batches, seed: int, hold_out: str | None) -> Callable[[Any], float]:
    """The error of some of the training pictures."""
    labels = None if batches.labels is None else batches.labels[batches.picked(JUDGED)]
    return partial(_fixed_error, x=batches.some(JUDGED), labels=labels, seed=seed)


@torch.no_grad()
def _fixed_error(model: Any, x: Tensor, labels: Tensor | None, seed: int) -> float:
    """The noise always the same."""
    device, noise = next(model.parameters()).device, Noise(seed)
    times, eps = noise.normal(len(x)).to(device), noise.normal(*x.shape).to(device)
    with evaluating(model):
        return errors(model, x.to(device), None if labels is None else labels.to(device), times, eps).mean().item()


TASK: Task = Task("diffusion model", PRESETS, make_step, fixed_error, margin=0.01, unwrapped=("scheduler",))
