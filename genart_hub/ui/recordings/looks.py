"""A look at a model in training: pictures of the same seeds, and what its judge or its latent says."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from genart_hub.data import Batches
from genart_hub.losses import kl_of_each
from genart_hub.models.base import evaluating

PICTURES = 16
BINS, JUDGED = 20, 256  # of D's answers, and of how many pictures


@torch.no_grad()
def drawn(model: Any, batches: Batches) -> Tensor:
    """The pictures of a moment, always of the same seeds: of a VAE, half of them are real ones as it rebuilds them. (P, C, H, W)."""
    if model.family == "ddpm":
        labels = [k % model.num_classes for k in range(PICTURES)]
        return model.sample(PICTURES, 0, label=labels, num_steps=10)
    if model.family == "vae":
        real = batches.some(PICTURES // 2)
        return torch.cat([model.sample(PICTURES // 2, 0), model.reconstruct(real).cpu()])
    return model.sample(PICTURES, 0)


@torch.no_grad()
def judged(model: Any, batches: Batches) -> dict[str, Sequence[float]]:
    """The bars of a moment: how often D gives which answer, from 0 to 1, to real and to made pictures; or the nats in each of a VAE's z."""
    if model.family == "gan":
        with evaluating(model):
            answers = {"real": model.discriminate(batches.some(JUDGED)), "made": model.discriminate(model.sample(JUDGED, 1_000))}
        return {name: torch.histc(logits.sigmoid().float(), BINS, 0, 1).tolist() for name, logits in answers.items()}
    if model.family == "vae":
        with evaluating(model):
            mu, logvar = model.encode(batches.some(JUDGED))
        return {"nats": kl_of_each(mu, logvar).mean(dim=0).tolist()}
    return {}
