"""Feature networks, and what they see of pictures."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from genart_hub import images, metrics
from genart_hub.data import Pictures
from genart_hub.errors import GenartError
from genart_hub.hub.described import modules_of, name_of
from genart_hub.models import auto
from genart_hub.models.base import FeatureNetwork, ImageModel, evaluating

BATCH = 500


def pick_features(model: ImageModel) -> FeatureNetwork:
    """The bundled feature network for pictures like this model's: of its channels, and of the size nearest to its own."""
    networks = [network_of(name) for name in auto.bundled("features")]
    fitting = [features for features in networks if features.channels == model.channels]
    if not fitting:
        raise GenartError("no_features", channels=model.channels, size=model.image_size)
    return min(fitting, key=lambda features: abs(features.image_size - model.image_size))


def network_of(name: str) -> FeatureNetwork:
    """The feature network of that name."""
    return check_features(auto.from_pretrained(name))


def check_features(features: Any) -> FeatureNetwork:
    """`features`, if it is a feature network; else an error that names the bundled ones.

    By what it has, for one of somebody's own need be no model of this library.
    """
    if not hasattr(features, "features") or not hasattr(features, "image_size"):
        raise GenartError("not_features", model=name_of(features), choices=", ".join(auto.bundled("features")))
    return features


# ---- made pictures beside real ones ----


def network_name(features: Any) -> str:
    """What a protocol calls a feature network."""
    source = getattr(features, "source", None)
    sha256 = source.sha256 if source else getattr(features, "sha256", None)
    return f"{name_of(features)}@{sha256[:8]}" if sha256 else name_of(features)


# ---- reconstructions and labels ----


def check_size(model: Any, pictures: Pictures) -> None:
    """Refuse pictures that are not of the model's own size."""
    shape = (model.channels, model.image_size, model.image_size)
    if tuple(pictures.pictures.shape[1:]) != shape:
        raise GenartError("bad_images", where="evaluate", channels=shape[0], size=shape[1], shape=tuple(pictures.pictures.shape))


def mean(values: Tensor) -> tuple[float, float]:
    """A mean and its standard error. values: (N,)."""
    return values.double().mean().item(), metrics.mean_error(values)


def chunks(pictures: Pictures) -> Iterator[tuple[int, Tensor]]:
    """The pictures in [-1, 1], some at a time, each time with the row of the first."""
    for k in range(0, len(pictures), BATCH):
        yield k, pictures.images(slice(k, k + BATCH))


def features_of(features: FeatureNetwork, pictures: Pictures) -> Tensor:
    """The features of real pictures, made to the feature network's size where they have another."""
    return torch.cat([look(features, x) for _, x in chunks(pictures)])


def look(features: FeatureNetwork, x: Tensor) -> Tensor:
    """The features of pictures, made to the feature network's size where they have another. x: (B, C, H, W) in [-1, 1]. Returns (B, D)."""
    return run(features, features.features, _seen_by(features, x))


def logits_of(features: FeatureNetwork, x: Tensor) -> Tensor:
    """What the network takes pictures for, made to its size where needed. x: (B, C, H, W) in [-1, 1]. Returns (B, num_classes)."""
    with evaluating(features):
        return run(features, features, _seen_by(features, x))


def _seen_by(features: Any, x: Tensor) -> Tensor:
    """Pictures as the feature network takes them; Inception makes them its own size by itself."""
    return images.resize(x, x.shape[-1] if features.resizes else features.image_size, features.channels)


@torch.no_grad()
def run(module: Any, function: Callable[..., Tensor], x: Tensor, *more: Any) -> Tensor:
    """function(x, *more) with x on the device that `module` is on, brought back to the CPU."""
    weights = (parameter for part in modules_of(module) for parameter in part.parameters())
    return function(x.to(next(weights, x).device), *more).cpu()
