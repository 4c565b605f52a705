"""Pictures of a model, batch by batch."""

from typing import Any

import torch
from torch import Tensor

from genart_hub.data import Pictures
from genart_hub.evaluate.features import BATCH, _seen_by, look
from genart_hub.models.base import FeatureNetwork, ImageModel

# ---- made pictures beside real ones ----


def _labels_like(model: ImageModel, real: Pictures) -> Tensor | None:
    """The classes that samples must have to be compared with these pictures: theirs."""
    return real.labels if _same_classes(model, real) else None


def _same_classes(model: ImageModel, pictures: Pictures) -> bool:
    """Whether the pictures' labels are the model's classes: by their names, or by their numbers where they have none."""
    if not model.num_classes or pictures.labels is None or pictures.num_classes > model.num_classes or bool((pictures.labels < 0).any()):
        return False
    return tuple(pictures.class_names or map(str, range(model.num_classes))) == tuple(model.class_names)


def _made_features(
    model: ImageModel, features: FeatureNetwork, n: int, seed: int, labels: Tensor | None, levels: list[Tensor] | None = None, **manner: Any
) -> Tensor:
    """The features of n samples. Picture k has seed `seed` + k, and the class labels[k] where they are given.

    manner: the model's other inputs. levels: a list that the samples are added to as well, at the size of `features`, as 8-bit levels.
    """
    made = []
    for k in range(0, n, BATCH):
        asked = manner if labels is None else manner | {"label": labels[k : min(k + BATCH, n)].tolist()}
        x = model.sample(min(BATCH, n - k), seed + k, **asked)
        made.append(look(features, x))
        if levels is not None:
            levels.append(levels_seen_by(features, x))
    return torch.cat(made)


def levels_seen_by(features: Any, x: Tensor) -> Tensor:
    """Pictures as a feature network takes them, in 8 bits. x: (B, C, H, W) in [-1, 1]. Returns uint8."""
    return _seen_by(features, x).cpu().nan_to_num().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
