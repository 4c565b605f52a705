"""Batches that depend on the seed and the step alone."""

from collections.abc import Iterator

import torch
from torch import Tensor

from genart_hub.augment import flip
from genart_hub.data.pictures import Pictures
from genart_hub.errors import GenartError, choice, whole


def seeded(seed: int, step: int, stream: int = 0) -> torch.Generator:
    """A CPU generator that depends on (seed, step, stream) alone: what makes a run that was cut go on with the same bits."""
    return torch.Generator().manual_seed((seed * 1_000_003 + step + stream * 3_037_000_493**2) % 2**63)


class Batches:
    """An endless shuffle: batch number `step` depends on (seed, step) alone, so a run can go on at any step.

    rows: the indices to draw from (all). weights: (num_classes,) how often a class is drawn, relative to its share of the pictures;
    "balanced" draws all classes equally often. flip: mirror half of the pictures. parts: into how many pieces `part` cuts a batch.
    """

    def __init__(
        self,
        data: Pictures,
        batch_size: int,
        seed: int = 0,
        with_labels: bool = False,
        device: str | torch.device = "cpu",
        rows: Tensor | None = None,
        weights: Tensor | str | None = None,
        flip: bool = False,
        parts: int = 1,
        channels_last: bool = False,
    ):
        self.data, self.batch_size, self.seed, self.device = data, whole("Batches", "batch_size", batch_size, 1), seed, device
        self.rows = torch.arange(len(data)) if rows is None else rows
        self.labels = data.require_labels("train with classes") if with_labels else None
        if len(self.rows) < batch_size:
            raise GenartError("few_pictures", path=str(data.path), count=len(self.rows), low=batch_size, purpose="the batch size")
        if batch_size % parts:
            raise GenartError("uneven_batch", batch_size=batch_size, parts=parts)
        self.weights = None if weights is None else self._row_weights(weights)
        self.flip, self.parts = flip, parts
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.per_epoch = len(self.rows) // batch_size
        self._epoch, self._order = -1, torch.empty(0)

    def __getitem__(self, step: int) -> tuple[Tensor, ...]:
        """(x,), or (x, labels): the whole batch. x: (B, C, H, W) in [-1, 1]."""
        return self._images(step, slice(0, self.batch_size))

    def part(self, step: int, part: int) -> tuple[Tensor, ...]:
        """The same for one of the `parts` pieces of the batch, in order."""
        size = self.batch_size // self.parts
        return self._images(step, slice(part * size, (part + 1) * size))

    def some(self, n: int) -> Tensor:
        """Up to n of the pictures, from all over the dataset. Returns (n, C, H, W) in [-1, 1] on the CPU."""
        return self.data.images(self.picked(n))

    def picked(self, n: int) -> Tensor:
        """The rows of `some`."""
        return self.rows[torch.linspace(0, len(self.rows) - 1, min(n, len(self.rows))).long()]

    def indices(self, step: int, cut: slice = slice(None)) -> Tensor:
        """The rows of the dataset that are in batch `step`, in order."""
        epoch, k = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self._shuffled(seeded(self.seed, -1 - epoch))
        return self._order[k * self.batch_size : (k + 1) * self.batch_size][cut]

    def _images(self, step: int, cut: slice) -> tuple[Tensor, ...]:
        indices = self.indices(step, cut)
        x = self.data.images(indices)
        if self.flip:
            x = flip(x, torch.randint(2, (self.batch_size,), generator=seeded(self.seed, step, stream=1))[cut])
        x = x.to(self.device).contiguous(memory_format=self.memory_format)
        return (x,) if self.labels is None else (x, self.labels[indices].to(self.device))

    def _shuffled(self, generator: torch.Generator) -> Tensor:
        if self.weights is None:
            return self.rows[torch.randperm(len(self.rows), generator=generator)]
        return self.rows[torch.multinomial(self.weights, len(self.rows), replacement=True, generator=generator)]

    def _row_weights(self, weights: Tensor | str) -> Tensor:
        labels = self.data.require_labels("weigh the classes")[self.rows]
        if isinstance(weights, str):
            choice("Batches", "weights", weights, ("balanced",))
            weights = 1 / torch.bincount(labels, minlength=self.data.num_classes).clamp(min=1)
        return weights[labels].double()

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        step = 0
        while True:
            yield self[step]
            step += 1
