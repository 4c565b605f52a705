"""Training a classifier, whose features then measure pictures."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from genart_hub import metrics
from genart_hub.augment import POLICIES, diff_augment
from genart_hub.data import Batches, Pictures
from genart_hub.models.base import FeatureNetwork, evaluating
from genart_hub.train.noise import Noise
from genart_hub.train.settings import Settings, Steps, Task, option


@dataclass(frozen=True)
class ClassifierSettings(Settings):
    smallest_batch = 2

    augment: tuple[str, ...] = option("augment the pictures by these, with commas between, or none", (), choices=POLICIES)
    dropout: float = option("the share of features that are hidden from the last layer", 0.0, high=0.99, metavar="SHARE")
    smoothing: float = option("the share of a target that is spread over all classes", 0.0, high=1, metavar="SHARE")


PRESETS = {
    "default": ClassifierSettings(epochs=8, batch_size=128, lr=1e-3, schedule="linear", dropout=0.25, augment=("translation",)),
    "residual": ClassifierSettings(
        epochs=60, batch_size=64, lr=2e-3, schedule="cosine", warmup=0.02, smoothing=0.1, dropout=0.1, flip=True,
        augment=("translation", "brightness", "contrast", "saturation"),
    ),
}  # fmt: skip


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
    return {"loss": loss.detach(), "accuracy": torch.tensor(metrics.accuracy(logits, label), device=x.device)}


def make_step(classifier: FeatureNetwork, settings: ClassifierSettings) -> Steps:
    return partial(classifier_step, **settings.own), {"model": settings.adam(classifier)}


def error(classifier: FeatureNetwork, batches: Batches, seed: int, hold_out: str | None) -> Callable[[nn.Module], float] | str:
    """The share of the pictures held out that it gets wrong."""
    if not hold_out:
        return "no pictures were held out (--hold-out) to choose it by"
    return partial(_error_rate, pictures=batches.data.take(batches.data.hold_out(hold_out)[1]))


@torch.no_grad()
def _error_rate(classifier: nn.Module, pictures: Pictures) -> float:
    device = next(classifier.parameters()).device
    with evaluating(classifier):
        logits = [classifier(pictures.images(slice(k, k + 500)).to(device)).cpu() for k in range(0, len(pictures), 500)]
    return 1 - metrics.accuracy(torch.cat(logits), pictures.require_labels("judge a classifier"))


TASK: Task = Task("classifier", PRESETS, make_step, error, margin=0.01, labelled=True)
