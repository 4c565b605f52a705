"""Latent diffusion behind the same `sample`. Rombach et al. 2022, https://arxiv.org/abs/2112.10752. The network code is diffusers'."""

import copy
import json
import os
import re
import warnings
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from genart_hub.errors import GenartError, number
from genart_hub.files import saving
from genart_hub.hub.cards import pipelines
from genart_hub.hub.described import name_of
from genart_hub.hub.locate import Location, Source
from genart_hub.hub.names import NAMES, SAMPLING
from genart_hub.hub.publish import write_pipeline
from genart_hub.models.base import ImageModel
from genart_hub.models.inputs import MAX_STEPS, inputs_of
from genart_hub.models.stable_diffusion import loading
from genart_hub.models.stable_diffusion.estimate import sizes_of
from genart_hub.models.stable_diffusion.inside import inside
from genart_hub.models.stable_diffusion.request import (
    DEFAULTS,
    FALLBACKS,
    OF_A_PART,
    Request,
    _side,
    _telling,
    _text,
    knows_diffusers_words,
)
from genart_hub.models.vocabulary import Known, Vocabulary
from genart_hub.quiet import _silent
from genart_hub.streams import steps_of

ADAPTERS = re.compile(r"(^|\.)(lora_\w+|base_layer|ip_adapter\w*|to_[kv]_ip)(\.|$)")  # as peft and diffusers name their weights
SLICED_SIDE = 256  # px: from here on the autoencoder decodes picture by picture, which a batch's activations would not fit for


class StableDiffusion(ImageModel):
    """A diffusers text-to-image pipeline with the promise of every model here: picture k of `sample` is that of seed + k.

    `pipeline` is diffusers' own, for all else that it can do; what is changed there (a scheduler, weights, `to`) holds here too.
    Steps and guidance may be called num_inference_steps and guidance_scale, as there.
    """

    family, arxiv = "diffusion", "2112.10752"
    channels = 3
    _write_card, inside = staticmethod(pipelines.write_card), inside
    defaults: dict[str, Any] = DEFAULTS

    def __init__(self, pipeline: Any, source: Source | None = None, defaults: dict[str, Any] | None = None):
        """defaults: the num_steps and guidance of a request that names none."""
        self.pipeline, self.source = pipeline, source
        if source:
            source.remember(pipeline)
        self.defaults = DEFAULTS | (defaults or {})
        pipeline.set_progress_bar_config(disable=True)
        if self.image_size >= SLICED_SIDE and hasattr(pipeline.vae, "enable_slicing"):
            pipeline.vae.enable_slicing()

    @classmethod
    def _load(cls, location: Location, **options: Any) -> Self:
        return cls(*loading.read(location, **options))

    @classmethod
    def outline(cls, folder: Path) -> dict[str, Any]:
        """What a listing says of the pipeline in a folder, of which no weights are read."""
        return {"inputs": ["n", "seed", *inputs_of(cls.sample)], "classes": []} | sizes_of(folder)

    @property
    def image_size(self) -> int:  # type: ignore[override]  # its networks say it, so it cannot be set
        """The pictures' width in pixels, and their height unless the pipeline says otherwise."""
        return self._shape()[1]

    @property
    def latent_channels(self) -> int:
        """The channels of the autoencoder's latents: 4 in Stable Diffusion 1 and 2."""
        return self.pipeline.vae.config.latent_channels

    @property
    def config(self) -> dict[str, Any]:
        """What a summary says of it."""
        return {"image_size": self.image_size, "latent_channels": self.latent_channels} | self.defaults

    def to(self, device: str | torch.device) -> Self:
        """Move all networks onto a device; what diffusers has placed part by part stays there."""
        with _silent():
            self.pipeline.to(device)
        return self

    @knows_diffusers_words
    def sample(
        self,
        n: int = 1,
        seed: int = 0,
        *,
        prompt: str | Sequence[str],
        num_steps: int | None = None,
        guidance: float | None = None,
        negative_prompt: str | None = None,
        size: int | tuple[int, int] | None = None,
        on_step: Callable[[int, int], None] | None = None,
    ) -> Tensor:
        """n pictures of `prompt`, or of n prompts, one each. Returns (n, 3, H, W) float32 in [-1, 1].

        num_steps, guidance: None for the pipeline's own (`defaults`). size: px, one number or (height, width), multiples of 8.
        on_step: called with (step, num_steps) after each step; what it raises ends the call and comes out.
        """
        pipe, options = self._text_to_image(Request(n, seed, prompt, num_steps, guidance, negative_prompt, size))
        return self._run(pipe, options, _telling(on_step))

    @knows_diffusers_words
    def denoise(
        self,
        n: int = 1,
        seed: int = 0,
        *,
        prompt: str | Sequence[str],
        num_steps: int | None = None,
        guidance: float | None = None,
        negative_prompt: str | None = None,
        size: int | tuple[int, int] | None = None,
        moments: Callable[[int], Collection[int]] | None = None,
    ) -> Iterator[tuple[int, int, Tensor]]:
        """The pictures of `sample` as they come out of the noise: (step, num_steps, x), from step 0, the noise itself.

        x: (n, 3, H, W) float32 in [-1, 1], the latents of that moment through the autoencoder; the last one is what `sample` gives.
        No step is made before it is asked for, or after the generator is closed. moments: which steps are drawn, of so many (None: all).
        """
        return self._denoise(*self._text_to_image(Request(n, seed, prompt, num_steps, guidance, negative_prompt, size)), moments)

    @knows_diffusers_words
    def img2img(
        self,
        x: Tensor,
        n: int = 1,
        seed: int = 0,
        *,
        prompt: str | Sequence[str],
        strength: float = 0.6,
        num_steps: int | None = None,
        guidance: float | None = None,
        negative_prompt: str | None = None,
        on_step: Callable[[int, int], None] | None = None,
    ) -> Tensor:
        """n pictures of `prompt` that start from x, under noise. Meng et al. 2022 (SDEdit), https://arxiv.org/abs/2108.01073.

        x: (3, H, W), (1, 3, H, W) or (n, 3, H, W) in [-1, 1], of any height and width in multiples of 8. strength: above 0, at most
        1, the share of the noise, and of the steps, at least one of which is made. Returns (n, 3, H, W) float32 in [-1, 1].
        """
        options = self._options("img2img", Request(n, seed, prompt, num_steps, guidance, negative_prompt))
        options |= self._start("img2img", x, len(options["generator"]), strength, options["num_inference_steps"])
        return self._run(self._pipe(options["num_inference_steps"], "AutoPipelineForImage2Image"), options, _telling(on_step))

    @knows_diffusers_words
    def inpaint(
        self,
        x: Tensor,
        mask: Tensor,
        n: int = 1,
        seed: int = 0,
        *,
        prompt: str | Sequence[str],
        strength: float = 0.6,
        num_steps: int | None = None,
        guidance: float | None = None,
        negative_prompt: str | None = None,
        on_step: Callable[[int, int], None] | None = None,
    ) -> Tensor:
        """The same within a mask only: every pixel outside stays as it is. For pipelines of 4 latent channels.

        mask: (H, W), (1, H, W), (1, 1, H, W) or (n, 1, H, W), 1 or True where to paint anew.
        """
        if self.latent_channels != 4:
            raise GenartError("four_channels", name=name_of(self), channels=self.latent_channels, choices=", ".join(FALLBACKS))
        options = self._options("inpaint", Request(n, seed, prompt, num_steps, guidance, negative_prompt))
        options |= self._start("inpaint", x, len(options["generator"]), strength, options["num_inference_steps"])
        x = options["image"]
        height, width = x.shape[2:]
        try:
            mask = torch.as_tensor(mask).float()
        except (TypeError, ValueError, RuntimeError) as error:
            raise GenartError("bad_mask", height=height, width=width, shape=type(mask).__name__) from error
        mask = mask.view(*(1,) * (4 - mask.ndim), *mask.shape) if mask.ndim < 4 else mask
        if mask.shape[1:] != (1, height, width) or len(mask) not in (1, len(x)) or mask.ndim != 4:
            raise GenartError("bad_mask", height=height, width=width, shape=tuple(mask.shape))
        mask = (mask > 0.5).float().expand(len(x), -1, -1, -1)
        scale = self.pipeline.vae_scale_factor  # a latent is painted anew where any of its pixels is: diffusers looks at one of them
        whole_latents = functional.interpolate(functional.max_pool2d(mask, scale), scale_factor=scale)
        options |= {"mask_image": whole_latents, "height": height, "width": width}
        made = self._run(self._pipe(options["num_inference_steps"], "AutoPipelineForInpainting"), options, _telling(on_step))
        kept = torch.where(mask > 0, made, x.float().cpu() * 2 - 1)
        for k in self.blanked:
            kept[k] = made[k]
        return kept

    @torch.no_grad()
    def embed(self, prompts: Sequence[str]) -> Tensor:
        """What the text encoder makes of prompts, token by token. Returns (N, L, D)."""
        checked = Request(len(prompts), 0, list(prompts)).options("embed", self.defaults, MAX_STEPS)["prompt"]
        with _silent():
            return self.pipeline.encode_prompt(checked, self.pipeline._execution_device, 1, False)[0]

    @knows_diffusers_words
    def sample_embedded(
        self, embedded: Tensor, seed: int = 0, *, num_steps: int | None = None, guidance: float | None = None
    ) -> Tensor:  # fmt: skip
        """The pictures of what `embed` gave, (N, L, D), or of something between, of one noise. Returns (N, 3, H, W) float32 in [-1, 1]."""
        pipe, options = self._text_to_image(Request(1, seed, "of one noise", num_steps, guidance))
        state = options["generator"][0].get_state()  # with the noise drawn, as in `sample`
        options |= {"prompt": None, "prompt_embeds": embedded, "latents": options["latents"].expand(len(embedded), -1, -1, -1)}
        options["generator"] = [torch.Generator().set_state(state) for _ in embedded]
        return self._run(pipe, options, _telling(None))

    @cached_property
    def vocabulary(self) -> Vocabulary | None:
        """The names of the pictures that it was trained with, where they lie beside its parts."""
        file = self.source.companion(NAMES) if self.source else None
        return Vocabulary.read(file) if file else None

    def knows(self, prompt: str) -> Known | None:
        """Which words of a prompt stood in a name that it was trained with; None where these are not told, as of large models."""
        return self.vocabulary.knows(prompt) if self.vocabulary else None

    def unread(self, prompt: str) -> str:
        """The end of `prompt` that the text encoder does not see because it is too long; "" where it sees all."""
        tokenizer = self.pipeline.tokenizer
        room = tokenizer.model_max_length - tokenizer.num_special_tokens_to_add()
        with _silent():
            ends = tokenizer(_text(prompt), add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        return _text(prompt)[ends[room][0] :] if len(ends) > room else ""

    def recipe(
        self,
        seed: int,
        n: int = 1,
        *,
        prompt: str | Sequence[str],
        num_steps: int | None = None,
        guidance: float | None = None,
        negative_prompt: str | None = None,
        size: int | tuple[int, int] | None = None,
        columns: int | None = None,
        scale: int = 1,
    ) -> dict[str, Any]:
        """What a saved picture carries, so that it can be made again: the weights' name and sha256, and the request."""
        request = {
            "prompt": _text(prompt) if isinstance(prompt, str) else [_text(one) for one in prompt],
            "negative_prompt": _text(negative_prompt) if negative_prompt else None,
            "num_steps": self.defaults["num_steps"] if num_steps is None else num_steps,
            "guidance": self.defaults["guidance"] if guidance is None else guidance,
            "size": list(size) if isinstance(size, tuple | list) else size,
        }
        return self._recipe(seed, n, request, columns, scale)

    def _class_name(self) -> str:
        return type(self.pipeline).__name__

    def is_current(self) -> bool:
        """Whether the pipeline is the one that was loaded: with the weights, the scheduler and the settings that its folder has."""
        return self.source is not None and self.source.is_current(self.pipeline)

    def save_pretrained(self, folder: str | os.PathLike) -> Path:
        """Write the pipeline as it is now, as a diffusers folder, with the steps and the guidance that it is meant to be sampled with.

        Raises GenartError where adapters (LoRA) are in it, whose weights diffusers would write under names that it cannot load.
        """
        modules = (part for part in self.pipeline.components.values() if isinstance(part, nn.Module))
        names = (name for module in modules for name in module.state_dict())
        if adapter := next((name for name in names if ADAPTERS.search(name)), None):
            raise GenartError("has_adapters", name=name_of(self), tensor=adapter)
        with _silent(), saving(folder) as place:
            self.pipeline.save_pretrained(place)
            for old in Path(folder).glob("*/*.safetensors*"):  # of a save before, in other pieces
                part = place / old.parent.name
                if OF_A_PART.fullmatch(old.name) and part.is_dir() and not (part / old.name).exists():
                    old.unlink()
            if self.vocabulary:
                self.vocabulary.write(place / NAMES)
            (place / SAMPLING).write_text(json.dumps(self.defaults, indent=2) + "\n", encoding="utf-8")
        return Path(folder)

    @torch.no_grad()
    def reconstruct(self, x: Tensor) -> Tensor:
        """Pictures through the autoencoder, by the mean of their latents. x: (B, 3, H, W) in [-1, 1], and so returned."""
        vae = self.pipeline.vae
        return vae.decode(vae.encode(x.to(vae.device, vae.dtype)).latent_dist.mean).sample.float().cpu().clamp(-1, 1)

    def _write_published(self, folder: Path, repo_id: str, license: str | None, dataset: str | None) -> Sequence[str]:
        return write_pipeline(self, folder, repo_id, license, dataset)

    # ---- one call ----

    def _shape(self, size: int | Sequence[int] | None = None) -> tuple[int, int]:
        """(height, width) in px of a request, checked."""
        scale = self.pipeline.vae_scale_factor
        if size is None:
            side = self.pipeline.unet.config.sample_size
            height, width = (side, side) if isinstance(side, int) else side
            return height * scale, width * scale
        height, width = size if isinstance(size, tuple | list) and len(size) == 2 else (size, size)
        return _side("height", height, max(8, scale)), _side("width", width, max(8, scale))

    def _options(self, where: str, request: Request) -> dict[str, Any]:
        """What all three pipelines take, checked."""
        limits = (self.pipeline.scheduler.config.get(key) for key in ("num_train_timesteps", "original_inference_steps"))
        return request.options(where, self.defaults, min([MAX_STEPS, *(limit for limit in limits if limit)]))

    def _text_to_image(self, request: Request) -> tuple[Any, dict[str, Any]]:
        options = self._options("StableDiffusion", request)
        height, width = self._shape(request.size)
        scale, unet = self.pipeline.vae_scale_factor, self.pipeline.unet
        shape = 1, unet.config.in_channels, height // scale, width // scale
        noise = torch.cat([torch.randn(shape, generator=generator) for generator in options["generator"]])
        options |= {"height": height, "width": width, "latents": noise.to(self.pipeline._execution_device, unet.dtype)}
        return self._pipe(options["num_inference_steps"]), options

    def _start(self, where: str, x: Tensor, n: int, strength: float, num_steps: int) -> dict[str, Any]:
        """What the pipelines that begin with a picture take too. Their own range of pixels is [0, 1]."""
        strength = number(where, "strength", strength, 0.01, 1)
        if not isinstance(x, Tensor):
            raise GenartError("no_images", where=where, channels=3, size=self.image_size, type=type(x).__name__)
        x = x[None] if x.ndim == 3 else x
        if x.ndim != 4 or x.shape[1] != 3 or len(x) not in (1, n):
            raise GenartError("bad_images", where=where, channels=3, size="size", shape=tuple(x.shape))
        self._shape(tuple(x.shape[2:]))
        while int(num_steps * strength) < 1:
            num_steps += 1
        x = (x.detach().float().clamp(-1, 1) + 1) / 2
        return {"image": x.expand(n, -1, -1, -1), "strength": strength, "num_inference_steps": num_steps}

    def _pipe(self, num_steps: int, kind: str | None = None) -> Any:
        """The pipeline over the same parts, with a scheduler of its own: calls that overlap do not disturb each other."""
        with _silent(), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            import diffusers

            pipe = getattr(diffusers, kind).from_pipe(self.pipeline) if kind else copy.copy(self.pipeline)
            pipe.scheduler = copy.deepcopy(self.pipeline.scheduler)
        pipe.set_progress_bar_config(disable=True)
        config = pipe.scheduler.config
        spacing, trained = config.get("timestep_spacing"), config.get("num_train_timesteps", MAX_STEPS + 2)
        if spacing == "linspace" and num_steps >= trained - 1:  # two steps would be one, and the picture not a number
            pipe.scheduler.register_to_config(timestep_spacing="trailing")
        offset = config.get("steps_offset")
        if spacing == "leading" and offset and trained // num_steps * (num_steps - 1) + offset >= trained:  # it would begin after the end
            pipe.scheduler.register_to_config(steps_offset=0)
        return pipe

    def _run(self, pipe: Any, options: dict[str, Any], on_latents: Callable[[int, int, Tensor], None]) -> Tensor:
        def after_step(pipe: Any, step: int, timestep: int, values: dict) -> dict:
            on_latents(step + 1, pipe.num_timesteps, values["latents"])
            return values

        self.blanked = ()
        with _silent():
            made = pipe(**options, output_type="pt", callback_on_step_end=after_step)
        self.blanked = tuple(k for k, blank in enumerate(getattr(made, "nsfw_content_detected", None) or ()) if blank)
        return made.images.float().cpu() * 2 - 1

    def _denoise(self, pipe: Any, options: dict, moments: Any, look: Any = None) -> Generator[tuple[int, int, Tensor], None, float]:
        with _silent():
            pipe.scheduler.set_timesteps(options["num_inference_steps"])
        total = len(pipe.scheduler.timesteps)
        drawn = moments(total) if moments else range(total)
        look = look or self._decode
        yield 0, total, look(options["latents"])

        def unfold(tell: Callable[..., None]) -> Tensor:
            def on_latents(step: int, total: int, latents: Tensor) -> None:
                if step < total and step in drawn:
                    tell(step, pipe.scheduler.scale_model_input(latents, pipe.scheduler.timesteps[step]))

            return self._run(pipe, options, on_latents)

        with closing(steps_of(unfold)) as steps:
            try:
                while True:
                    step, latents = next(steps)
                    yield step, total, look(latents)
            except StopIteration as done:
                x, seconds = done.value
        yield total, total, x
        return seconds  # that the steps took, without the moments that were drawn

    @torch.no_grad()
    def _decode(self, latents: Tensor) -> Tensor:
        """Latents to pictures. latents: (B, C, H, W). Returns (B, 3, H', W') float32 in [-1, 1]."""
        vae = self.pipeline.vae
        z = latents.to(vae.dtype) / vae.config.scaling_factor + (getattr(vae.config, "shift_factor", None) or 0)
        return vae.decode(z, return_dict=False)[0].float().cpu().clamp(-1, 1)
