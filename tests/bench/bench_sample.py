"""What `sample(n)` costs beside the bare forward pass of the same latents. Run: python tests/bench/bench_sample.py"""

import statistics
import time

import torch

import genart_hub


def seconds(function) -> float:
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun


def main(rounds: int = 60) -> None:
    for name in genart_hub.bundled("gan") + genart_hub.bundled("vae"):
        model = genart_hub.from_pretrained(name)
        for n in (1, 64, 1024):
            z = model.latents(n, 0)

            @torch.no_grad()
            def forward(model=model, z=z):
                model.generate(z)

            pairs = [(seconds(lambda: model.sample(n, 0)), seconds(forward)) for _ in range(rounds + 5)][5:]  # noqa: B023
            sample, bare = (statistics.median(column) * 1e3 for column in zip(*pairs, strict=True))
            ratio = statistics.median(a / b for a, b in pairs)
            print(f"{name:<12} n = {n:<5} sample {sample:8.3f} ms, bare forward {bare:8.3f} ms: {ratio:.2f}x (medians of {rounds} pairs)")


if __name__ == "__main__":
    main()
