"""Pictures of a model, batch by batch."""

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from genart_hub.data import Pictures
from genart_hub.evaluate.features import BATCH, _seen_by, look
from genart_hub.models.base import FeatureNetwork, Generative, evaluating
from genart_hub.models.stable_diffusion.pipeline import StableDiffusion

# ---- the parts ----


@torch.no_grad()
def reconstruct(model: StableDiffusion, x: Tensor) -> Tensor:
    """Pictures through the mean of their latents. x: (B, C, H, W) of the model's size in [-1, 1], and so returned."""
    vae = model.pipeline.vae
    return vae.decode(vae.encode(x.to(vae.device, vae.dtype)).latent_dist.mean).sample.float().cpu().clamp(-1, 1)


if TYPE_CHECKING:
    pass


def judging(features: Any) -> AbstractContextManager:
    """A feature network in eval mode for a while."""
    return evaluating(features) if isinstance(features, nn.Module) else nullcontext()


# ---- made pictures beside real ones ----


def _labels_like(model: Generative, real: Pictures) -> Tensor | None:
    """The classes that samples must have to be compared with these pictures: theirs."""
    return real.labels if _same_classes(model, real) else None


def _same_classes(model: Generative, pictures: Pictures) -> bool:
    """Whether the pictures' labels are the model's classes: by their names, or by their numbers where they have none."""
    if not model.num_classes or pictures.labels is None or pictures.num_classes > model.num_classes or bool((pictures.labels < 0).any()):
        return False
    return tuple(pictures.class_names or map(str, range(model.num_classes))) == tuple(model.class_names)


def _made_features(
    model: Generative, features: FeatureNetwork, n: int, seed: int, labels: Tensor | None, levels: list[Tensor] | None = None
) -> Tensor:
    """The features of n samples. Picture k has seed `seed` + k, and the class labels[k] where they are given.

    levels: a list that the samples are added to as well, at the size of `features`, as 8-bit levels.
    """
    made = []
    for k in range(0, n, BATCH):
        label = None if labels is None else labels[k : min(k + BATCH, n)].tolist()
        x = model.sample(min(BATCH, n - k), seed + k, label=label)
        made.append(look(features, x))
        if levels is not None:
            levels.append(levels_seen_by(features, x))
    return torch.cat(made)


def levels_seen_by(features: Any, x: Tensor) -> Tensor:
    """Pictures as a feature network takes them, in 8 bits. x: (B, C, H, W) in [-1, 1]. Returns uint8."""
    return _seen_by(features, x).cpu().nan_to_num().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
