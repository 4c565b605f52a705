"""Training pictures/s beside the plain PyTorch loop that everyone writes: PNGs decoded in __getitem__, DataLoader, default Adam.

Run: python tests/bench/bench_train.py [--data mnist/train.parquet]. Without --data, PNGs of gan-mnist's samples stand in for MNIST; for
the DCGAN they are made into JPEGs of CelebA's size, as the usual script has them. The same architecture, loss, batch and no weight
averaging on both sides; both with the process's default threads, in turn.
"""

import argparse
import io
import statistics
import time
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

import genart_hub
from genart_hub import images
from genart_hub.data import Batches, Pictures
from genart_hub.models.dcgan import DCGAN
from genart_hub.models.gan import GAN
from genart_hub.models.vae import VAE
from genart_hub.train import fit, pick_settings, task_of


class PNGs(Dataset):
    """The usual dataset: a picture is decoded and transformed when it is asked for."""

    def __init__(self, contents: list[bytes], mode: str = "L"):
        self.contents, self.mode = contents, mode

    def __len__(self) -> int:
        return len(self.contents)

    def __getitem__(self, k: int) -> torch.Tensor:
        picture = Image.open(io.BytesIO(self.contents[k])).convert(self.mode)
        if picture.width > 64:  # Resize(64), CenterCrop(64)
            picture = picture.resize((64, round(64 * picture.height / picture.width)), Image.Resampling.BILINEAR)
            top = (picture.height - 64) // 2
            picture = picture.crop((0, top, 64, top + 64))
        x = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8).view(*reversed(picture.size), -1).permute(2, 0, 1)
        return x.float().div(255).sub(0.5).div(0.5)


def plain_gan(contents: list[bytes], steps: int, batch_size: int) -> float:
    return plain(GAN(), DataLoader(PNGs(contents), batch_size, shuffle=True, drop_last=True), steps)


def plain_dcgan(contents: list[bytes], steps: int, batch_size: int) -> float:
    return plain(DCGAN(), DataLoader(PNGs(contents, "RGB"), batch_size, shuffle=True, drop_last=True, num_workers=2), steps)


def plain(gan: nn.Module, batches: DataLoader, steps: int) -> float:
    torch.set_flush_denormal(False)
    gan, loss = gan.train(), nn.BCEWithLogitsLoss()
    g_adam = torch.optim.Adam(gan.generator.parameters(), lr=2e-4)
    d_adam = torch.optim.Adam(gan.discriminator.parameters(), lr=2e-4)
    loader = iter(batches)
    begun = time.perf_counter()
    for _ in range(steps):
        x = next(loader)
        real, fake = torch.ones(len(x)), torch.zeros(len(x))
        x_hat = gan.generate(torch.randn(len(x), gan.latent_dim))
        g_adam.zero_grad()
        loss(gan.discriminate(x_hat), real).backward()
        g_adam.step()
        d_adam.zero_grad()
        ((loss(gan.discriminate(x), real) + loss(gan.discriminate(x_hat.detach()), fake)) / 2).backward()
        d_adam.step()
    return steps * batches.batch_size / (time.perf_counter() - begun)


def plain_vae(contents: list[bytes], steps: int, batch_size: int) -> float:
    vae = VAE().train()
    torch.set_flush_denormal(False)
    adam = torch.optim.Adam(vae.parameters(), lr=1e-3)
    loader = iter(DataLoader(PNGs(contents), batch_size, shuffle=True, drop_last=True))
    begun = time.perf_counter()
    for _ in range(steps):
        x = next(loader)
        adam.zero_grad()
        logits, mu, logvar = vae(x, eps=torch.randn(len(x), vae.latent_dim))
        reconstruction = F.binary_cross_entropy(logits.sigmoid(), (x + 1) / 2, reduction="sum")
        kl = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
        ((reconstruction + kl) / len(x)).backward()
        adam.step()
    return steps * batch_size / (time.perf_counter() - begun)


def ours(model: nn.Module, preset: str, pictures: Pictures, steps: int, batch_size: int) -> float:
    last = model.channels_last
    model = model.train().to(memory_format=torch.channels_last) if last else model.train()
    step, optimizers = task_of(model).make_step(model, pick_settings(model, preset))
    step = partial(step, model, *optimizers.values())
    begun = time.perf_counter()
    fit(step, Batches(pictures, batch_size, channels_last=last), steps, progress=False)
    return steps * batch_size / (time.perf_counter() - begun)


def in_colour(contents: list[bytes]) -> list[bytes]:
    """The same pictures as JPEGs of the usual script's size, that of CelebA's: 178 x 218 px in colour."""
    made = []
    for k, content in enumerate(contents):
        grey = Image.open(io.BytesIO(content)).resize((178, 218))
        colour = Image.merge("RGB", (grey, grey.rotate(90 * (k % 4)), grey.transpose(Image.Transpose.FLIP_LEFT_RIGHT)))
        colour.save(buffer := io.BytesIO(), "JPEG", quality=90)
        made.append(buffer.getvalue())
    return made


def decoded(contents: list[bytes], size: int, channels: int) -> Pictures:
    levels = [images.as_uint8(images.open_picture(io.BytesIO(one), "picture"), size, channels) for one in contents]
    return Pictures(torch.stack(levels), None, Path("pictures"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", help="a parquet file of PNGs")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if options.data:
        from pyarrow import parquet

        contents = [row["bytes"] for row in parquet.read_table(options.data).column("image").slice(0, 20_000).to_pylist()]
    else:
        contents = []
        for picture in images.to_pil(genart_hub.from_pretrained("gan-mnist").sample(20_000)):
            picture.save(buffer := io.BytesIO(), "PNG")
            contents.append(buffer.getvalue())
    coloured = in_colour(contents[:4000])
    begun = time.perf_counter()
    grey, colour = decoded(contents, 28, 1), decoded(coloured, 64, 3)
    count = len(contents) + len(coloured)
    print(f"{count:,} PNGs decoded once in {time.perf_counter() - begun:.1f} s; {torch.get_num_threads()} threads")
    for name, cls, preset, usual, pictures, pngs, batch_size, steps in (
        ("GAN", GAN, "article", plain_gan, grey, contents, 32, 400),
        ("VAE", VAE, "example", plain_vae, grey, contents, 128, 120),
        ("DCGAN, 64 px,", DCGAN, "dcgan-paper", plain_dcgan, colour, coloured, 64, 20),
    ):
        rounds = options.rounds
        pairs = [(ours(cls(), preset, pictures, steps, batch_size), usual(pngs, steps, batch_size)) for _ in range(rounds + 1)][1:]
        a, b = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratio = statistics.median(x / y for x, y in pairs)
        print(f"{name} at batch {batch_size}: ours {a:,.0f} pictures/s, plain loop {b:,.0f}: {ratio:.2f}x (medians of {rounds} pairs)")


if __name__ == "__main__":
    main()
