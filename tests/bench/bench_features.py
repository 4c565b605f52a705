"""Feature extraction of 5,000 pictures, as `evaluate` does it, beside the network's bare forward passes over the same pictures.

Run: python tests/bench/bench_features.py. The pictures are noise: neither side minds.
"""

import statistics
import time

import torch

import genart_hub
from genart_hub.data import Pictures
from genart_hub.evaluate.features import BATCH, features_of


def main() -> None:
    for name in genart_hub.bundled("features"):
        network = genart_hub.from_pretrained(name)
        shape = (5000, network.channels, network.image_size, network.image_size)
        pictures = Pictures(torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0)), None, "noise")
        x = pictures.images()

        def bare(network=network, x=x) -> float:
            begun = time.perf_counter()
            with torch.no_grad():
                for chunk in x.split(BATCH):
                    network.features(chunk)
            return time.perf_counter() - begun

        def ours(network=network, pictures=pictures) -> float:
            begun = time.perf_counter()
            features_of(network, pictures)
            return time.perf_counter() - begun

        pairs = [(ours(), bare()) for _ in range(6)][1:]
        a, b = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratio = statistics.median(x / y for x, y in pairs)
        print(f"{name}: features_of {a:.2f} s, bare forward {b:.2f} s: {ratio:.2f}x (medians of 5 pairs)")


if __name__ == "__main__":
    main()
