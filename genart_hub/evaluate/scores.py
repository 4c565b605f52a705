"""What a model's discriminator thinks of real pictures: its logits mean something only beside these."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import torch
from torch import Tensor

from genart_hub.data import Pictures
from genart_hub.errors import whole
from genart_hub.models.base import ImageModel, evaluating

BATCH = 250
PARTS = 100  # quantiles from the lowest score to the highest, in hundredths of the pictures


@torch.no_grad()
def logits(model: ImageModel, x: Tensor, label: Tensor | None = None) -> Tensor:
    """D's logits, whose sigmoid is `score`: higher is more real. x: (B, C, H, W) in [-1, 1]; label: (B,), of a conditional model.

    Returns (B,) float64 on the CPU.
    """
    with evaluating(model):
        return (model.discriminate(x) if label is None else model.discriminate(x, label)).double().cpu()


def of_real(model: ImageModel, pictures: Pictures, count: int = 5000, seed: int = 0) -> list[float]:
    """The quantiles of D's logits over at most `count` real pictures of the model's size, with their own classes.

    Returns PARTS + 1 numbers. Raises GenartError for pictures without the classes that a conditional model needs.
    """
    order = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(seed))[: whole("scores", "count", count, 1)]
    labels = pictures.require_labels("score pictures with their classes") if model.num_classes else None
    told = [logits(model, pictures.images(rows), None if labels is None else labels[rows]) for rows in order.split(BATCH)]
    quantiles = torch.quantile(torch.cat(told), torch.linspace(0, 1, PARTS + 1, dtype=torch.float64))
    return [float(f"{value:.5g}") for value in quantiles.tolist()]


def percentile(value: float, quantiles: Sequence[float]) -> int:
    """Of 100 real pictures, how many have a lower score than `value`; equal ones count half. quantiles: of `of_real`."""
    return round((bisect_left(quantiles, value) + bisect_right(quantiles, value)) / 2 / len(quantiles) * 100)
