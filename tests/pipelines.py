"""Tiny Stable Diffusion pipelines of random weights."""

from pathlib import Path
from typing import Any

import torch

from genart_hub.models.words import SIZES

TEXT = dict.fromkeys(SIZES, 8) | {"vocab_size": 514, "num_hidden_layers": 1, "num_attention_heads": 1, "max_position_embeddings": 16}


def byte_tokenizer(max_tokens: int = 16) -> Any:
    """CLIP's tokenizer without any merges: 514 tokens."""
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPTokenizer

    letters = sorted(ByteLevel.alphabet())
    tokens = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer({token: k for k, token in enumerate(tokens)}, merges=[], model_max_length=max_tokens)


def tiny_pipeline(latent_channels: int = 4, size: int = 16, max_tokens: int = 16, scheduler: Any = None, safety_checker: Any = None) -> Any:
    """A pipeline that makes pictures of `size` px from latents of half of it, and reads any text of single bytes and letters.

    max_tokens: what its text encoder sees, both ends among them. scheduler: DDIM, unless another one is given.
    """
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    tokenizer = byte_tokenizer(max_tokens)
    start, end = len(tokenizer) - 2, len(tokenizer) - 1
    with torch.random.fork_rng():
        torch.manual_seed(0)
        text_encoder = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(tokenizer),
                hidden_size=8,
                intermediate_size=8,
                projection_dim=8,
                num_hidden_layers=1,
                num_attention_heads=1,
                max_position_embeddings=max_tokens,
                bos_token_id=start,
                eos_token_id=end,
                pad_token_id=end,
            )
        )
        unet = UNet2DConditionModel(
            sample_size=size // 2,
            in_channels=latent_channels,
            out_channels=latent_channels,
            block_out_channels=(8, 8),
            layers_per_block=1,
            norm_num_groups=4,
            cross_attention_dim=8,
            attention_head_dim=4,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        )
        vae = AutoencoderKL(
            block_out_channels=(8, 8),
            norm_num_groups=4,
            latent_channels=latent_channels,
            sample_size=size,
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
        )
    return StableDiffusionPipeline(
        vae,
        text_encoder,
        tokenizer,
        unet,
        scheduler or DDIMScheduler(steps_offset=1, clip_sample=False),
        safety_checker=safety_checker,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def save_tiny_pipeline(folder: Path, latent_channels: int = 4, size: int = 16) -> Path:
    """The same as a folder. Returns it."""
    tiny_pipeline(latent_channels, size).save_pretrained(folder)
    return folder


def sample(pipeline: Any, n: int = 1, seed: int = 0, prompt: str | list[str] = "red fox", **options) -> torch.Tensor:
    """Pictures of two steps, unless more are asked for."""
    return pipeline.sample(n, seed, prompt=prompt, **{"num_steps": 2} | options)
