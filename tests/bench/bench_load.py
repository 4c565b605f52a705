"""Loading a 200 MB model: ours beside the stock PyTorchModelHubMixin, alternating. Run: python tests/bench/bench_load.py"""

import contextlib
import io
import statistics
import tempfile
import time
from pathlib import Path

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import nn

from genart_hub.hub import HubModel

LAYERS, WIDTH = 12, 2048  # 12 x 2048^2 x 4 bytes = 201 MB


def layers(width: int, depth: int) -> nn.Sequential:
    return nn.Sequential(*(nn.Linear(width, width) for _ in range(depth)))


class Ours(nn.Module, HubModel):
    def __init__(self, width: int = WIDTH, depth: int = LAYERS):
        super().__init__()
        self.layers = layers(width, depth)


class Stock(nn.Module, PyTorchModelHubMixin):
    def __init__(self, width: int = WIDTH, depth: int = LAYERS):
        super().__init__()
        self.layers = layers(width, depth)


def seconds(cls: type, folder: Path) -> float:
    begun = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):  # the mixin prints
        model = cls.from_pretrained(folder)
    with torch.no_grad():
        sum(parameter.sum().item() for parameter in model.parameters())  # every byte is touched on both sides
    return time.perf_counter() - begun


def main(rounds: int = 9) -> None:
    with tempfile.TemporaryDirectory() as root:
        ours, stock = Path(root, "ours"), Path(root, "stock")
        model = Ours()
        model.save_pretrained(ours)
        other = Stock()
        other.load_state_dict(model.state_dict())
        other.save_pretrained(stock)
        pairs = [(seconds(Ours, ours), seconds(Stock, stock)) for _ in range(rounds + 1)][1:]
    a, b = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(stock / ours for ours, stock in pairs)
    print(f"200 MB: ours {a:.3f} s, stock mixin {b:.3f} s: {ratio:.1f}x faster (medians of {rounds} pairs)")


if __name__ == "__main__":
    main()
