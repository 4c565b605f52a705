"""Stable Diffusion opened: what it has and believes at each step, what it would draw without words, and the tokens that it reads."""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from genart_hub.errors import GenartError
from genart_hub.hub.described import name_of
from genart_hub.models.inside import Inside, split
from genart_hub.models.stable_diffusion.request import Request, _text
from genart_hub.quiet import _silent

OPENED = "StableDiffusionPipeline"  # others tell their network more than a time and words


@dataclass(frozen=True)
class Token:
    """A piece of a prompt as the text encoder reads it. kind: "start", "text" or "end". known: False for a piece of a word that the model
    was trained without."""  # fmt: skip

    text: str
    kind: str = "text"
    known: bool = True


@torch.no_grad()
def inside(
    model: Any, seed: int = 0, *, prompt: str, num_steps: int | None = None, guidance: float | None = None
) -> Generator[Inside, None, Tensor]:
    """The steps of `sample(1, seed, ...)` from within, each before it is made. Returns the picture of `sample`, (1, 3, H, W).

    guidance: up to 1, the network is asked with the words alone, as diffusers does.
    """
    pipe, options = model._text_to_image(Request(1, seed, prompt, num_steps, guidance))
    w, scheduler = max(options["guidance_scale"], 1.0), pipe.scheduler
    words = encoded(model, options["prompt"])
    with closing(model._denoise(pipe, options, None, look=lambda z: z)) as steps:
        for step, total, z in steps:
            if step == total:
                break
            t = scheduler.timesteps[step]
            without, told = pipe.unet(torch.cat([z, z]).to(words), t, encoder_hidden_states=words).sample.chunk(2)
            kind, alpha, sigma = levels(scheduler, float(t))
            x_0, eps = split(kind, z, without + w * (told - without), alpha, sigma)
            beside = [split(kind, z, each, alpha, sigma)[0] for each in (without, told)]
            pictures = model._decode(torch.cat([z, x_0, *beside]))
            yield Inside(step, total, pictures[0], pictures[1], eps[0].float().cpu(), pictures[2], pictures[3], alpha, sigma)
    return z


def levels(scheduler: Any, t: float) -> tuple[str, float, float]:
    """What the network predicts, and the alpha and sigma of time t."""
    config = scheduler.config
    if not hasattr(scheduler, "alphas_cumprod"):
        sigma = t / config.num_train_timesteps
        return "flow", 1 - sigma, sigma
    kept = float(scheduler.alphas_cumprod[round(t)])
    return config.get("prediction_type", "epsilon"), kept**0.5, (1 - kept) ** 0.5


@torch.no_grad()
def encoded(model: Any, prompt: str) -> Tensor:
    """What the text encoder makes of no words, and of `prompt`. Returns (2, L, D). Raises GenartError for a pipeline of another kind."""
    pipe = model.pipeline
    if type(pipe).__name__ != OPENED:
        raise GenartError("not_opened", name=name_of(model))
    with _silent():
        told, without = pipe.encode_prompt(prompt, pipe._execution_device, 1, True)
    return torch.cat([without, told])


def unprompted(model: Any, seed: int = 0, *, num_steps: int | None = None) -> Tensor:
    """The picture of a seed without any words, w = 0 of guidance's formula. Returns (1, 3, H, W) float32 in [-1, 1]."""
    return model.sample_embedded(encoded(model, "")[:1], seed, num_steps=num_steps, guidance=1)


def tokens(model: Any, prompt: str) -> list[Token]:
    """What the text encoder reads of a prompt, in its order; a character of several tokens stands in the first of them."""
    tokenizer, prompt = model.pipeline.tokenizer, _text(prompt)
    with _silent():
        places = tokenizer(prompt, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    places = places[: tokenizer.model_max_length - tokenizer.num_special_tokens_to_add()]
    known, lower = model.knows(prompt), prompt.lower()
    strange = [(lower.find(word.lower()), len(word)) for word in (known.unknown if known is not None else ())]
    read, before = [], 0
    for start, end in places:
        unknown = any(at >= 0 and at < end and start < at + length for at, length in strange)
        read.append(Token(prompt[max(start, before) : end] or "…", known=not unknown))
        before = max(before, end)
    return [Token(tokenizer.bos_token, "start"), *read, Token(tokenizer.eos_token, "end")]


@torch.no_grad()
def latents_of(model: Any, x: Tensor) -> Tensor:
    """The latents of pictures, by their mean, on the scale on which noise is added. x: (B, 3, H, W) in [-1, 1]. Returns (B, C, h, w)."""
    vae = model.pipeline.vae
    mean = vae.encode(x.to(vae.device, vae.dtype)).latent_dist.mean
    return ((mean - (getattr(vae.config, "shift_factor", None) or 0)) * vae.config.scaling_factor).float().cpu()


@torch.no_grad()
def begun(
    model: Any, x: Tensor, seed: int = 0, *, strength: float = 0.6, num_steps: int | None = None, masked: bool = False
) -> Tensor | None:  # fmt: skip
    """The latents under noise from which `img2img`, or `inpaint`, of that seed begins; None for a pipeline of another kind.

    x: (1, 3, H, W) in [-1, 1]. Returns (1, C, h, w).
    """
    if type(model.pipeline).__name__ != OPENED:
        return None
    options = model._options("img2img", Request(1, seed, "of no words", num_steps))
    options |= model._start("img2img", x, 1, strength, options["num_inference_steps"])
    steps, strength, generator = (options[key] for key in ("num_inference_steps", "strength", "generator"))
    pipe = model._pipe(steps, "AutoPipelineForInpainting" if masked else "AutoPipelineForImage2Image")
    device, dtype = pipe._execution_device, pipe.unet.dtype
    with _silent():
        pipe.scheduler.set_timesteps(steps)
        t = pipe.get_timesteps(steps, strength, device)[0][:1]
        image = pipe.image_processor.preprocess(options["image"])
        if masked:
            shape = 1, pipe.vae.config.latent_channels, *image.shape[2:]
            return pipe.prepare_latents(*shape, dtype, device, generator, None, image, t, strength == 1, True, True)[0].float().cpu()
        return pipe.prepare_latents(image, t, 1, 1, dtype, device, generator).float().cpu()
