"""Latents of captioned pictures, made once, and the tokens of their captions."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from genart_hub.data import Batches, Pictures
from genart_hub.data.batches import seeded
from genart_hub.errors import GenartError
from genart_hub.files import save_tensors, sha256_of
from genart_hub.models.base import evaluating
from genart_hub.models.vocabulary import Vocabulary
from genart_hub.train.latent_diffusion.networks import Autoencoder, Denoiser, captions_of, train_tokenizer

WORK, LATENTS, TOKENIZER = "stages", "latents.safetensors", "tokenizer"
DROPPED = 0.1  # of the captions, so that the model also learns pictures without one (Ho & Salimans 2022)


class CaptionedLatents(Batches):
    """Batches of latents and the tokens of one of their captions, or of none: batch number `step` depends on (seed, step) alone.

    mean, std: (N, C, H, W) of each picture's latent; tokens: (N, V, L) of its V captions; empty: (L,) of the empty one.
    """

    def __init__(
        self,
        pictures: Pictures,
        mean: Tensor,
        std: Tensor,
        tokens: Tensor,
        empty: Tensor,
        batch_size: int,
        seed: int,
        accelerator: Any,
        weights: str | None = None,
    ):
        super().__init__(pictures, batch_size, seed, device=accelerator.device, weights=weights, parts=accelerator.num_processes)
        self.mean, self.std, self.tokens, self.empty = mean, std, tokens, empty

    def _images(self, step: int, cut: slice) -> tuple[Tensor, Tensor]:
        indices = self.indices(step, cut)
        eps = torch.randn(self.batch_size, *self.mean.shape[1:], generator=seeded(self.seed, step, stream=2))[cut]
        generator = seeded(self.seed, step, stream=3)
        variant = torch.randint(self.tokens.shape[1], (self.batch_size,), generator=generator)[cut]
        dropped = (torch.rand(self.batch_size, generator=generator) < DROPPED)[cut]
        tokens = torch.where(dropped[:, None], self.empty, self.tokens[indices, variant])
        return (self.mean[indices] + self.std[indices] * eps).to(self.device), tokens.to(self.device)


def _captions(pictures: Pictures, columns: Sequence[str], style: str | None) -> list[list[str]]:
    """The captions of each picture: its names in each language, with and without the style."""
    names = {column: ["" if value is None else str(value) for value in pictures.values(column)] for column in columns}
    for column, texts in names.items():
        if not any(map(str.strip, texts)):
            raise GenartError("missing_captions", path=str(pictures.path), count=len(texts), column=column)
    styles = pictures.values(style) if style else [None] * len(pictures)
    return [[caption for column in columns for caption in captions_of(names[column][row], styles[row])] for row in range(len(pictures))]


def vocabulary_of(pictures: Pictures, columns: Sequence[str], style: str | None) -> Vocabulary:
    """The names and the styles of the pictures."""
    names = {column: tuple(sorted({str(value) for value in pictures.values(column) if value})) for column in columns}
    return Vocabulary(names, tuple(sorted({str(value) for value in pictures.values(style)})) if style else ())


def _tokenizer(out: Path, texts: list[list[str]]) -> Any:
    """The tokenizer of the run, learnt once."""
    from transformers import CLIPTokenizer

    folder = out / WORK / TOKENIZER
    if not (folder / "tokenizer.json").is_file():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as beside:
            train_tokenizer(text for several in texts for text in several).save_pretrained(Path(beside) / TOKENIZER)
            os.replace(Path(beside) / TOKENIZER, folder)
    return CLIPTokenizer.from_pretrained(folder)


def _tokens(tokenizer: Any, texts: Sequence[str]) -> Tensor:
    length = tokenizer.model_max_length
    return tokenizer(list(texts), padding="max_length", max_length=length, truncation=True, return_tensors="pt").input_ids


@torch.no_grad()
def encode(networks: Any, pictures: Pictures) -> tuple[Tensor, Tensor]:
    """The mean and the standard deviation of each picture's latent, (N, C, H, W) each, on the CPU. networks: diffusers' AutoencoderKL."""
    device = next(networks.parameters()).device
    found = []
    for k in range(0, len(pictures), 64):
        posterior = networks.encode(pictures.images(slice(k, k + 64)).to(device)).latent_dist
        found.append((posterior.mean.cpu().contiguous(), posterior.std.cpu().contiguous()))
    mean, std = zip(*found, strict=True)
    return torch.cat(mean).contiguous(), torch.cat(std).contiguous()


def _latents(out: Path, autoencoder: Autoencoder, pictures: Pictures) -> tuple[Tensor, Tensor]:
    """The same, made once: kept beside the stages for as long as the pictures and the autoencoder are these."""
    file = out / WORK / LATENTS
    made_of = {"pictures": pictures.sha256, "vae": sha256_of(out / WORK / "vae" / "diffusion_pytorch_model.safetensors")}
    if file.is_file():
        with safe_open(file, framework="pt") as saved:
            if saved.metadata() == made_of:
                return saved.get_tensor("mean"), saved.get_tensor("std")
    mean, std = encode(autoencoder.networks, pictures)
    save_tensors({"mean": mean, "std": std}, file, made_of)
    return mean, std


def _psnr(x_hat: Tensor, x: Tensor) -> float:
    return (-10 * ((x_hat - x).square().mean(dim=(1, 2, 3)) / 4).log10()).mean().item()


@torch.no_grad()
def _minus_psnr(autoencoder: Autoencoder, x: Tensor) -> float:
    return -_psnr(_through(autoencoder, x), x)


@torch.no_grad()
def _through(autoencoder: Autoencoder, x: Tensor) -> Tensor:
    device = next(autoencoder.parameters()).device
    with evaluating(autoencoder):
        return torch.cat([autoencoder(part.to(device))[0].cpu() for part in x.split(64)]).clamp(-1, 1)


def _redraw(autoencoder: Autoencoder, x: Tensor) -> Tensor:
    return torch.stack([x, _through(autoencoder, x)], dim=1).flatten(0, 1)  # a picture, then its reconstruction


def _draw(model: Denoiser, autoencoder: Autoencoder, tokenizer: Any, scheduler: Any, prompts: list[str]) -> Tensor:
    from diffusers import StableDiffusionPipeline

    parts = {"vae": autoencoder.networks, "text_encoder": model.text_encoder, "unet": model.unet}
    parts |= {"tokenizer": tokenizer, "scheduler": scheduler, "safety_checker": None, "feature_extractor": None}
    pipeline = StableDiffusionPipeline(**parts, requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)
    generators = [torch.Generator().manual_seed(k) for k in range(len(prompts))]
    with evaluating(model):
        return pipeline(prompts, num_inference_steps=20, guidance_scale=4.0, generator=generators, output_type="pt").images.cpu() * 2 - 1
