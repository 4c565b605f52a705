"""The parts of a small latent diffusion pipeline, untrained. Rombach et al. 2022, https://arxiv.org/abs/2112.10752.

The network code is that of diffusers and transformers.
"""

import re
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from genart_hub.errors import GenartError
from genart_hub.files import saving

WIDTHS = (16, 32, 64, 96)  # of the autoencoder, from the picture down to its latents: a side of 1/8
GROUPS = 4  # of its normalisation: were each channel a group, pictures would lose their colours
UNET_WIDTHS = (64, 128, 192)
VOCABULARY, MAX_TOKENS = 4096, 32
START, END = "<|startoftext|>", "<|endoftext|>"
HAN = re.compile(r"[\u3400-\u9fff]")


class Autoencoder(nn.Module):
    """diffusers' AutoencoderKL as one function of a picture and its noise, which training needs. `networks` is what ships."""

    def __init__(self, latent_channels: int = 4, widths: tuple[int, ...] = WIDTHS, image_size: int = 64):
        from diffusers import AutoencoderKL

        super().__init__()
        self.networks = AutoencoderKL(
            block_out_channels=widths,
            down_block_types=["DownEncoderBlock2D"] * len(widths),
            up_block_types=["UpDecoderBlock2D"] * len(widths),
            layers_per_block=1,
            latent_channels=latent_channels,
            norm_num_groups=min(GROUPS, *widths),
            sample_size=image_size,
            scaling_factor=1.0,
        )

    def forward(self, x: Tensor, eps: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """x through a latent drawn with the noise eps, or through its mean. Returns x_hat (B, 3, H, W) and mu, logvar (B, C, H/8, W/8)."""
        posterior = self.networks.encode(x).latent_dist
        z = posterior.mean if eps is None else posterior.mean + posterior.std * eps
        return self.networks.decode(z).sample, posterior.mean, posterior.logvar

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        config = self.networks.config
        side = config.sample_size // 2 ** (len(config.block_out_channels) - 1)
        return config.latent_channels, side, side

    @torch.no_grad()
    def normalise(self, mean: Tensor, std: Tensor) -> None:
        """Fold z <- (z - mean) / std into the last convolution of the encoder and the first of the decoder. mean, std: (C,)."""
        last, first = self.networks.quant_conv, self.networks.post_quant_conv
        scale = torch.cat([1 / std, torch.ones_like(std)])
        last.weight.mul_(scale.view(-1, 1, 1, 1))
        last.bias.copy_((last.bias - torch.cat([mean, 2 * std.log()])) * torch.cat([1 / std, torch.ones_like(std)]))
        first.bias.add_((first.weight.flatten(1) * mean).sum(dim=1))
        first.weight.mul_(std.view(1, -1, 1, 1))

    def save_pretrained(self, folder: str | Path) -> None:
        with saving(folder) as place:
            self.networks.save_pretrained(place)


class Denoiser(nn.Module):
    """CLIP's text encoder and a UNet that attends to its words: the two that learn together."""

    def __init__(
        self,
        latent_shape: tuple[int, int, int],
        vocabulary: int = VOCABULARY,
        max_tokens: int = MAX_TOKENS,
        widths: tuple[int, ...] = UNET_WIDTHS,
        width: int = 128,
        end: int = 1,
    ):
        from diffusers import UNet2DConditionModel
        from transformers import CLIPTextConfig, CLIPTextModel

        super().__init__()
        channels, side, _ = latent_shape
        text = CLIPTextConfig(
            vocab_size=vocabulary, hidden_size=width, intermediate_size=4 * width, num_hidden_layers=2, num_attention_heads=4,
            max_position_embeddings=max_tokens, projection_dim=width, bos_token_id=end - 1, eos_token_id=end, pad_token_id=end,
        )  # fmt: skip
        self.text_encoder = CLIPTextModel(text)
        self.unet = UNet2DConditionModel(
            sample_size=side,
            in_channels=channels,
            out_channels=channels,
            down_block_types=["CrossAttnDownBlock2D"] * len(widths),
            up_block_types=["CrossAttnUpBlock2D"] * len(widths),
            block_out_channels=widths,
            layers_per_block=1,
            cross_attention_dim=width,
            attention_head_dim=4,  # heads, whatever its name says
        )

    def forward(self, z_t: Tensor, t: Tensor, tokens: Tensor) -> Tensor:
        """z_t: (B, C, H, W); t: (B,) steps of the schedule; tokens: (B, L). Returns v_hat (B, C, H, W)."""
        return self.unet(z_t, t, self.text_encoder(tokens)[0]).sample

    def save_pretrained(self, folder: str | Path) -> None:
        with saving(folder) as place:
            self.text_encoder.save_pretrained(place / "text_encoder")
            self.unet.save_pretrained(place / "unet")


def make_scheduler() -> Any:
    """DPM-Solver++ (Lu et al. 2022) on the cosine schedule (Nichol & Dhariwal 2021), which leaves nothing of a picture at its end."""
    from diffusers import DPMSolverMultistepScheduler

    scheduler = DPMSolverMultistepScheduler(
        beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction", timestep_spacing="trailing", steps_offset=1
    )
    scheduler.register_to_config(clip_sample=False)  # for DDIM and DDPM, whose default cuts latents off at 1
    return scheduler


def captions_of(text: str, style: str | None = None) -> list[str]:
    """A picture's name, and its name with the style, as they are written in its language."""
    if not style:
        return [text, text]
    return [text, f"{text}，{style} 风格" if HAN.search(text) else f"{text}, {style} style"]


def train_tokenizer(texts: Iterable[str], vocabulary: int = VOCABULARY, max_tokens: int = MAX_TOKENS) -> Any:
    """CLIP's tokenizer with byte pairs learnt from `texts`. Sennrich et al. 2016; Radford et al. 2021.

    All 256 bytes are among the tokens, inside a word and at its end, so that there is no text that it cannot write.
    """
    try:
        from tokenizers import Tokenizer, models, pre_tokenizers, trainers
        from transformers import CLIPTokenizer
    except ImportError as error:
        raise GenartError("needs_package", package="tokenizers", install="transformers") from error

    pattern = CLIPTokenizer(vocab={START: 0, END: 1}, merges=[]).backend_tokenizer
    learner = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    learner.normalizer, learner.pre_tokenizer = pattern.normalizer, pattern.pre_tokenizer
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    base = [*letters, *(f"{letter}</w>" for letter in letters)]
    trainer = trainers.BpeTrainer(vocab_size=vocabulary - 2, initial_alphabet=letters, end_of_word_suffix="</w>", show_progress=False)
    learner.train_from_iterator(sorted(set(texts)), trainer)
    with tempfile.TemporaryDirectory() as folder:
        learner.model.save(folder)
        lines = (Path(folder) / "merges.txt").read_text(encoding="utf-8").splitlines()
    merges = [tuple(line.split(" ")) for line in lines if line and not line.startswith("#")][: vocabulary - 2 - len(base)]
    tokens = dict.fromkeys([*base, *("".join(merge) for merge in merges), START, END])
    vocab = {token: index for index, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=max_tokens)
