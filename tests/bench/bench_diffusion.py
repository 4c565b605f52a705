"""What `sample` of a text-to-image pipeline costs beside its bare UNet passes. Run: python tests/bench/bench_diffusion.py NAME-OR-FOLDER"""

import statistics
import sys
import time

import torch

import genart_hub

NUM_STEPS = 20


def seconds(function) -> float:
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun


def main(name: str, rounds: int = 9) -> None:
    model = genart_hub.from_pretrained(name)
    unet = model.pipeline.unet
    side, channels, width = unet.config.sample_size, unet.config.in_channels, unet.config.cross_attention_dim
    for n in (1, 16):
        z, t = torch.randn(2 * n, channels, side, side), torch.tensor(500)
        words = torch.randn(2 * n, model.pipeline.tokenizer.model_max_length, width)

        @torch.no_grad()
        def passes(z=z, t=t, words=words):  # with guidance, each picture is predicted with its prompt and without
            for _ in range(NUM_STEPS):
                unet(z, t, words)

        def whole(n=n):
            model.sample(n, 0, prompt="red apple", num_steps=NUM_STEPS, guidance=4.0)

        pairs = [(seconds(whole), seconds(passes)) for _ in range(rounds + 2)][2:]
        sample, bare = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratio = statistics.median(a / b for a, b in pairs)
        told = f"{name}, n = {n:<3} sample {sample:6.3f} s, {NUM_STEPS} UNet passes at {2 * n}: {bare:6.3f} s"
        print(f"{told}, {ratio:.2f}x (medians of {rounds} pairs)")


if __name__ == "__main__":
    main(sys.argv[1])
