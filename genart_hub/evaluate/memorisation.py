"""How near generated pictures lie to the training pictures: whether a model draws or repeats."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from genart_hub import images, metrics
from genart_hub.data import Pictures, to_images
from genart_hub.evaluate.features import BATCH, features_of, look, mean, network_name, run
from genart_hub.evaluate.measure import split_of
from genart_hub.hub.cards.tables import Measure
from genart_hub.hub.described import name_of
from genart_hub.models import auto
from genart_hub.models.base import ImageModel, evaluating

CHUNK = 1000  # pictures on each side at a time
QUANTILE = 0.9
RECONSTRUCTED = 2000  # training pictures, at most, whose reconstructions say what is near
SMALL = 32  # px


@dataclass(frozen=True)
class Nearest:
    """The training picture nearest to each of N pictures. distance: (N,); row: (N,) int64, of the training pictures."""

    distance: Tensor
    row: Tensor


def nearest_by_pixels(levels: Tensor, training: Pictures) -> Nearest:
    """By the root mean squared error, for pixels in [0, 1]. levels: (N, C, H, W) uint8, of the training pictures' size."""
    return _nearest(levels.flatten(1), training.pictures.flatten(1), 255 * levels[0].numel() ** 0.5)


def nearest_by_features(features: Tensor, training: Tensor) -> Nearest:
    """By the Euclidean distance. features: (N, D), training: (M, D)."""
    return _nearest(features, training, 1.0)


def _nearest(x: Tensor, y: Tensor, unit: float) -> Nearest:
    """Found by products, some at a time, and then measured by differences. x: (N, D), y: (M, D) of any type. Distances are over `unit`."""
    distances, rows = [], []
    for some in x.split(CHUNK):
        some = some.float()
        best, row = torch.full((len(some),), torch.inf), torch.zeros(len(some), dtype=torch.int64)
        for start in range(0, len(y), CHUNK):
            others = y[start : start + CHUNK].float()
            square, column = (others.square().sum(dim=1) - 2 * some @ others.T).min(dim=1)  # less |x|^2
            row, best = torch.where(square < best, start + column, row), torch.minimum(square, best)
        distances.append((some - y[row].float()).double().norm(dim=1) / unit)
        rows.append(row)
    return Nearest(torch.cat(distances), torch.cat(rows))


def _reconstruct(autoencoder: Any, x: Tensor) -> Tensor:
    """Pictures of any size through an autoencoder. x: (B, C, H, W) in [-1, 1], and so returned."""
    resized = images.resize(x, autoencoder.image_size, autoencoder.channels)
    return images.resize(run(autoencoder, autoencoder.reconstruct, resized), x.shape[-1], x.shape[1])


def pick_autoencoder(pictures: Pictures) -> ImageModel | None:
    """The bundled autoencoder for pictures like these: of their channels, of the nearest size, and the largest of these."""
    models = [auto.from_pretrained(name) for name in auto.reconstructing()]
    fitting = [model for model in models if model.channels == pictures.pictures.shape[1]]
    side = pictures.pictures.shape[-1]
    return min(fitting, key=lambda model: (abs(model.image_size - side), -model.num_parameters), default=None)


@dataclass(frozen=True)
class Training:
    """The pictures that models were trained on, and unseen real ones beside them, both at the size of the feature network.

    A near-copy is nearer to a training picture than 90 % of the training pictures are to what `autoencoder` makes of them.
    """

    pictures: Pictures
    unseen: Pictures | None
    features: Any
    autoencoder: Any

    @cached_property
    def known(self) -> Tensor:
        """The features of the training pictures, (M, D)."""
        with evaluating(self.features):
            return features_of(self.features, self.pictures)

    @cached_property
    def reconstructed(self) -> Tensor:
        """The rows of the training pictures whose reconstructions say what is near."""
        return torch.arange(0, len(self.pictures), max(1, len(self.pictures) // RECONSTRUCTED))[:RECONSTRUCTED]

    @cached_property
    def limits(self) -> tuple[float, float]:
        """What is near: the RMSE, and the distance of features, that 90 % of the reconstructions stay below."""
        by_pixels: list[Tensor] = []
        by_features: list[Tensor] = []
        with evaluating(self.features), evaluating(self.autoencoder):
            for some in self.reconstructed.split(BATCH):
                x = self.pictures.images(some)
                x_hat = _reconstruct(self.autoencoder, x)
                by_pixels.append(metrics.squared_error(x, x_hat).sqrt())
                by_features.append((look(self.features, x_hat) - self.known[some]).norm(dim=1))
        rmse, distance = (torch.cat(each).double().quantile(QUANTILE).item() for each in (by_pixels, by_features))
        return rmse, distance

    @cached_property
    def beside(self) -> "Compared | None":
        """The unseen real pictures with their nearest training pictures."""
        if self.unseen is None:
            return None
        with evaluating(self.features):
            return self.compare(self.unseen.pictures, features_of(self.features, self.unseen))

    def compare(self, levels: Tensor, features: Tensor) -> "Compared":
        """Pictures with their nearest training pictures. levels: (N, C, H, W) uint8; features: (N, D)."""
        return Compared(levels, nearest_by_pixels(levels, self.pictures), nearest_by_features(features, self.known))

    def measures(self, made: "Compared", what: str, prompts: Sequence[str] = (), captions: Sequence[str] = ()) -> list[Measure]:
        """How far generated pictures are from the training pictures, and how many are near-copies.

        what: how a protocol calls them. prompts: one a generated picture; captions: one a training picture.
        """
        rmse, distance = self.limits
        autoencoder = name_of(self.autoencoder)
        unseen = f" and {len(self.unseen):,} unseen real ones of {split_of(self.unseen)}" if self.unseen else ""
        protocol = (
            f"{what}{unseen}, each with the nearest of {len(self.pictures):,} training pictures of {split_of(self.pictures)} at "
            f"{self.pictures.pictures.shape[-1]} px; a near-copy is nearer to one than {QUANTILE:.0%} of {len(self.reconstructed):,} of "
            f"them are to their reconstruction by {autoencoder} (RMSE {rmse:.3g}, features {distance:.3g}); {network_name(self.features)}"
        )
        measures: list[Measure] = []

        def add(name: str, metric: str, *sides: Tensor | None) -> None:
            (value, error), (real, real_error) = ((None, None) if values is None else mean(values) for values in sides)
            measures.append(Measure(name, value, error, real, real_error, protocol, metric))

        for kind, limit in (("RMSE", rmse), ("features", distance)):
            sides = [None if compared is None else compared.nearest(kind).distance for compared in (made, self.beside)]
            add(f"nearest training picture ({kind})", f"nearest_{kind.lower()}", *sides)
            near = [None if values is None else (values < limit).double() for values in sides]
            add(f"near-copies of training pictures ({kind})", f"near_copies_{kind.lower()}", *near)
        if prompts:
            copies = (self._to_prompted(made.levels, prompts, captions) < rmse).double()
            add("near-copies of the picture prompted (RMSE)", "near_copies_prompted", copies, None)
        return measures

    def _to_prompted(self, levels: Tensor, prompts: Sequence[str], captions: Sequence[str]) -> Tensor:
        """The RMSE of each generated picture to the nearest of the training pictures whose caption was its prompt, (N,)."""
        rows: dict[str, list[int]] = {}
        for row, caption in enumerate(captions):
            rows.setdefault(caption, []).append(row)
        each = (self.pictures.take(torch.tensor(rows[prompt])) for prompt in prompts)
        return torch.cat([nearest_by_pixels(one[None], some).distance for one, some in zip(levels, each, strict=True)])


@dataclass(frozen=True)
class Compared:
    """Pictures (N, C, H, W) uint8 with the nearest training picture of each, by pixels and by features."""

    levels: Tensor
    by_pixels: Nearest
    by_features: Nearest

    def nearest(self, kind: str) -> Nearest:
        return {"RMSE": self.by_pixels, "features": self.by_features}[kind]

    def sheet(self, training: Pictures) -> Image.Image:
        """Two bands of three rows: generated pictures, and below each its nearest training picture, by pixels and by features.

        The first band holds those that are nearest to a training picture by pixels, the second the first ones, whatever they are.
        """
        columns = min(len(self.levels), 16 if self.levels.shape[-1] <= SMALL else 8)
        rows = []
        for chosen in (self.by_pixels.distance.argsort()[:columns], torch.arange(columns)):
            rows += [self.levels[chosen], *(training.pictures[nearest.row[chosen]] for nearest in (self.by_pixels, self.by_features))]
        return images.sheet(to_images(torch.cat(rows)), columns, 2 if self.levels.shape[-1] <= SMALL else 1)
