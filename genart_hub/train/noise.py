"""The randomness of one training step: a function of (seed, step), drawn for the whole batch and sliced for each process."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from genart_hub.data.batches import seeded


@dataclass
class Noise:
    """What step `step` of a run of this seed draws. Part `part` of `parts` sees its slice of what the whole batch gets.

    So a run on several processes, or with accumulated gradients, draws the same noise for the same picture as a run in one piece.
    """

    seed: int = 0
    step: int = 0
    part: int = 0
    parts: int = 1
    device: torch.device | str = "cpu"
    generator: torch.Generator = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.generator = seeded(self.seed, self.step)

    def normal(self, n: int, *shape: int) -> Tensor:
        """n rows ~ N(0, I) of the shape. Returns (n, *shape)."""
        return self._slice(torch.randn(n * self.parts, *shape, generator=self.generator))

    def uniform(self, n: int, *shape: int) -> Tensor:
        """n rows, uniform in [0, 1). Returns (n, *shape)."""
        return self._slice(torch.rand(n * self.parts, *shape, generator=self.generator))

    def integers(self, low: int, high: int, n: int, *shape: int) -> Tensor:
        """n rows of whole numbers from low to high, both among them. Returns (n, *shape) int64."""
        return self._slice(torch.randint(low, high + 1, (n * self.parts, *shape), generator=self.generator))

    def coin(self, share: float, n: int, *shape: int) -> Tensor:
        """n rows of ones and zeros, `share` of them ones. Returns (n, *shape) float32."""
        return (self.uniform(n, *shape) < share).float()

    def _slice(self, whole: Tensor) -> Tensor:
        return whole.chunk(self.parts)[self.part].to(self.device)
