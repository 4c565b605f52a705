"""Latent diffusion behind the same `sample`. Rombach et al. 2022, https://arxiv.org/abs/2112.10752. The network code is diffusers'."""

import copy
import ctypes
import inspect
import json
import logging
import os
import queue
import re
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn import functional

from genart_hub import __version__, pipeline_checks
from genart_hub.errors import GenartError, first_line, number, shorten, whole
from genart_hub.files import saving
from genart_hub.hub import MAX_BYTES, PICKLES, Location, Source, check_variant, locate, pick_device
from genart_hub.models.base import MAX_COUNT, MAX_SEED
from genart_hub.remote import CONFIG_LIMIT, PIPELINE, weight_files

FALLBACKS = ("stable-diffusion-v1-5/stable-diffusion-v1-5", "stabilityai/sd-turbo", "nota-ai/bk-sdm-tiny")
SAMPLING = "sampling.json"
DEFAULTS = {"num_steps": 20, "guidance": 7.5}
KNOWN = {"turbo": {"num_steps": 1, "guidance": 0.0}}  # what stands in a name -> how such models were distilled to be sampled
PROMPT_LIMIT, MAX_STEPS, MAX_GUIDANCE, MAX_SIDE = 2_000, 1000, 50, pipeline_checks.MAX_SIDE
MAX_TOKENS = 512  # of a prompt, where the text encoder names no bound
PARTS = ("unet", "vae", "scheduler", "tokenizer", "text_encoder")
SETTINGS = (".json", ".txt", ".model")
WITHOUT_WEIGHTS = ("scheduler", "tokenizer", "feature_extractor", "image_processor")
ADAPTERS = re.compile(r"(^|\.)(lora_\w+|base_layer|ip_adapter\w*|to_[kv]_ip)(\.|$)")  # as peft and diffusers name their weights
OF_A_PART = re.compile(r"\w+(-\d+-of-\d+)?\.safetensors(\.index\.json)?")
SLICED_SIDE = 256  # px: from here on the autoencoder decodes picture by picture, which a batch's activations would not fit for


class StableDiffusion:
    """A diffusers text-to-image pipeline with the promise of every model here: picture k of `sample` is that of seed + k."""

    family = "diffusion"
    channels = 3
    class_names: tuple[str, ...] = ()
    num_classes = 0

    def __init__(self, pipeline: Any, source: Source | None = None, defaults: dict[str, Any] | None = None):
        """defaults: the num_steps and guidance of a request that names none."""
        self.pipeline, self.source = pipeline, source
        if source:
            source.remember(pipeline)
        self.defaults = DEFAULTS | (defaults or {})
        self.blanked: tuple[int, ...] = ()  # the pictures of the last call that the safety checker made black
        pipeline.set_progress_bar_config(disable=True)
        if self.image_size >= SLICED_SIDE and hasattr(pipeline.vae, "enable_slicing"):
            pipeline.vae.enable_slicing()

    @property
    def image_size(self) -> int:
        """The pictures' width in pixels, and their height unless the pipeline says otherwise."""
        return self._shape()[1]

    @property
    def latent_channels(self) -> int:
        """The channels of the autoencoder's latents: 4 in Stable Diffusion 1 and 2."""
        return self.pipeline.vae.config.latent_channels

    @property
    def num_parameters(self) -> int:
        """The parameters of all components."""
        modules = (part for part in self.pipeline.components.values() if isinstance(part, torch.nn.Module))
        return sum(parameter.numel() for module in modules for parameter in module.parameters())

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
        pipe, options = self._text_to_image(n, seed, prompt, num_steps, guidance, negative_prompt, size)
        return self._run(pipe, options, _telling(on_step))

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
    ) -> Iterator[tuple[int, int, Tensor]]:
        """The pictures of `sample` as they come out of the noise: (step, num_steps, x), from step 0, the noise itself.

        x: (n, 3, H, W) float32 in [-1, 1], the latents of that moment through the autoencoder; the last one is what `sample` gives.
        No step is made before it is asked for, and none after the generator is closed or dropped.
        """
        return self._denoise(*self._text_to_image(n, seed, prompt, num_steps, guidance, negative_prompt, size))

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
        options = self._request("img2img", n, seed, prompt, num_steps, guidance, negative_prompt)
        options |= self._start("img2img", x, len(options["generator"]), strength, options["num_inference_steps"])
        return self._run(self._pipe(options["num_inference_steps"], "AutoPipelineForImage2Image"), options, _telling(on_step))

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
            raise GenartError("four_channels", name=self._name(), channels=self.latent_channels, choices=", ".join(FALLBACKS))
        options = self._request("inpaint", n, seed, prompt, num_steps, guidance, negative_prompt)
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
        source = self.source if self.is_current() else None  # else nobody has these weights
        return {
            "model": source.name if source else type(self.pipeline).__name__,
            "weights_sha256": source.sha256 if source else None,
            "revision": source.revision if source else None,
            "seed": seed,
            "n": n,
            "prompt": _text(prompt) if isinstance(prompt, str) else [_text(one) for one in prompt],
            "negative_prompt": _text(negative_prompt) if negative_prompt else None,
            "num_steps": self.defaults["num_steps"] if num_steps is None else num_steps,
            "guidance": self.defaults["guidance"] if guidance is None else guidance,
            "size": list(size) if isinstance(size, tuple | list) else size,
            "columns": columns,
            "scale": scale,
            "genart_hub_version": __version__,
        }

    def is_current(self) -> bool:
        """Whether the pipeline is the one that was loaded: with the weights, the scheduler and the settings that its folder has."""
        return self.source is not None and self.source.is_current(self.pipeline)

    def save_pretrained(self, folder: str | os.PathLike) -> None:
        """Write the pipeline as it is now, as a diffusers folder, with the steps and the guidance that it is meant to be sampled with.

        Raises GenartError where adapters (LoRA) are in it, whose weights diffusers would write under names that it cannot load.
        """
        modules = (part for part in self.pipeline.components.values() if isinstance(part, nn.Module))
        names = (name for module in modules for name in module.state_dict())
        if adapter := next((name for name in names if ADAPTERS.search(name)), None):
            raise GenartError("has_adapters", name=self._name(), tensor=adapter)
        with _silent(), saving(folder) as place:
            self.pipeline.save_pretrained(place)
            for old in Path(folder).glob("*/*.safetensors*"):  # of a save before, in other pieces
                part = place / old.parent.name
                if OF_A_PART.fullmatch(old.name) and part.is_dir() and not (part / old.name).exists():
                    old.unlink()
            (place / SAMPLING).write_text(json.dumps(self.defaults, indent=2) + "\n", encoding="utf-8")

    def push_to_hub(
        self,
        repo_id: str,
        *,
        license: str | None = None,
        private: bool | None = None,
        token: str | None = None,
        revision: str | None = None,
        commit_message: str | None = None,
        dataset: str | None = None,
        overwrite_card: bool = False,
    ) -> str:
        """Publish the folder that it was loaded from, as `HubModel.push_to_hub` does; where it was changed since, as it is now.

        Returns the commit's address.
        """
        from genart_hub.pipeline_hub import push_pipeline

        options = {"license": license, "private": private, "token": token, "revision": revision, "commit_message": commit_message}
        return push_pipeline(self, repo_id, dataset=dataset, overwrite_card=overwrite_card, **options)

    # ---- one call ----

    def _name(self) -> str:
        return self.source.name if self.source else type(self.pipeline).__name__

    def _shape(self, size: int | Sequence[int] | None = None) -> tuple[int, int]:
        """(height, width) in px of a request, checked."""
        scale = self.pipeline.vae_scale_factor
        if size is None:
            side = self.pipeline.unet.config.sample_size
            height, width = (side, side) if isinstance(side, int) else side
            return height * scale, width * scale
        height, width = size if isinstance(size, tuple | list) and len(size) == 2 else (size, size)
        return _side("height", height, max(8, scale)), _side("width", width, max(8, scale))

    def _request(self, where: str, n, seed, prompt, num_steps, guidance, negative_prompt) -> dict[str, Any]:
        """What all three pipelines take, checked."""
        n, seed = whole(where, "n", whole(where, "n", n, 1), None, MAX_COUNT), whole(where, "seed", seed, 0, MAX_SEED)
        limits = (self.pipeline.scheduler.config.get(key) for key in ("num_train_timesteps", "original_inference_steps"))
        most = min([MAX_STEPS, *(limit for limit in limits if limit)])
        num_steps = whole(where, "num_steps", self.defaults["num_steps"] if num_steps is None else num_steps, 1, most)
        guidance = number(where, "guidance", self.defaults["guidance"] if guidance is None else guidance, 0, MAX_GUIDANCE)
        several = isinstance(prompt, list | tuple)
        if several and len(prompt) != n:
            raise GenartError("prompt_count", n=n, count=len(prompt))
        prompts = [_check_prompt(one) for one in (prompt if several else [prompt])]
        blank = negative_prompt is None or (isinstance(negative_prompt, str) and not negative_prompt.strip())
        negative = None if blank else _check_prompt(negative_prompt)
        return {
            "prompt": prompts if several else prompts[0],
            "negative_prompt": [negative] * n if several and negative else negative,
            "num_images_per_prompt": 1 if several else n,
            "num_inference_steps": num_steps,
            "guidance_scale": guidance,
            "generator": [torch.Generator().manual_seed(seed + k) for k in range(n)],
        }

    def _text_to_image(self, n, seed, prompt, num_steps, guidance, negative_prompt, size) -> tuple[Any, dict[str, Any]]:
        options = self._request("StableDiffusion", n, seed, prompt, num_steps, guidance, negative_prompt)
        height, width = self._shape(size)
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

    def _denoise(self, pipe: Any, options: dict[str, Any]) -> Iterator[tuple[int, int, Tensor]]:
        """The pipeline runs in a thread that waits after each step until the next one is asked for."""
        with _silent():
            pipe.scheduler.set_timesteps(options["num_inference_steps"])
        total = len(pipe.scheduler.timesteps)
        yield 0, total, self._decode(options["latents"])
        seen, turn, stopping = queue.SimpleQueue(), threading.Semaphore(0), threading.Event()

        def on_latents(step: int, total: int, latents: Tensor) -> None:
            if step < total and not stopping.is_set():
                seen.put((step, pipe.scheduler.scale_model_input(latents, pipe.scheduler.timesteps[step])))
                turn.acquire()
            if stopping.is_set():
                raise _Stopped

        def work() -> None:
            try:
                seen.put((total, self._run(pipe, options, on_latents)))
            except BaseException as error:  # it is raised where the generator is read
                seen.put((None, error))

        thread = threading.Thread(target=work, name="denoise", daemon=True)
        thread.start()
        try:
            step = 0
            while step != total:
                step, found = seen.get()
                if step is None:
                    raise found
                yield step, total, found if step == total else self._decode(found)
                turn.release()
        finally:
            stopping.set()
            turn.release()
            thread.join()

    @torch.no_grad()
    def _decode(self, latents: Tensor) -> Tensor:
        """Latents to pictures. latents: (B, C, H, W). Returns (B, 3, H', W') float32 in [-1, 1]."""
        vae = self.pipeline.vae
        z = latents.to(vae.dtype) / vae.config.scaling_factor + (getattr(vae.config, "shift_factor", None) or 0)
        return vae.decode(z, return_dict=False)[0].float().cpu().clamp(-1, 1)


class _Stopped(Exception):
    """Nobody reads on: the pipeline is to end between two steps."""


def _telling(on_step: Callable[[int, int], None] | None) -> Callable[[int, int, Tensor], None]:
    return lambda step, total, latents: on_step(step, total) if on_step else None


def _side(name: str, value: object, multiple: int) -> int:
    side = whole("StableDiffusion", name, value, multiple, MAX_SIDE)
    if side % multiple:
        low = side // multiple * multiple
        raise GenartError("bad_side", name=name, value=side, multiple=multiple, low=low, high=low + multiple)
    return side


def _check_prompt(prompt: object) -> str:
    if not isinstance(prompt, str) or not prompt.strip():
        raise GenartError("empty_prompt")
    if len(prompt) > PROMPT_LIMIT:
        raise GenartError("long_prompt", count=len(prompt), limit=PROMPT_LIMIT)
    return _text(prompt)


def _text(prompt: str) -> str:
    """The prompt as a tokenizer can take it: half an emoji, which a broken paste leaves, becomes a question mark."""
    return prompt.encode("utf-8", "replace").decode("utf-8")


# ---- loading ----


def load(
    location: Location,
    *,
    variant: str | None = None,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
    max_bytes: int = MAX_BYTES,
) -> StableDiffusion:
    """The pipeline of a diffusers folder or Hub id. Raises GenartError where it is none, or is too large for this machine.

    dtype: None for float32 on the CPU, bfloat16 on a GPU that has it, else float16.
    """
    device = pick_device(device)
    check_variant(variant)
    if dtype is None:
        dtype = dtype_on(device.type, device.type == "cuda" and torch.cuda.is_bf16_supported())
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        names = "torch.float32, torch.float16, torch.bfloat16"
        raise GenartError("not_choice", where="StableDiffusion", name="dtype", choices=names, value=shorten(dtype))
    listing = _list(location, variant)
    if (size := sum(listing.weights.values())) > max_bytes:
        raise GenartError("too_many_bytes", name=location.name, size=size, limit=max_bytes)
    outline = _outline(location, listing)
    needed, free = outline.memory(dtype), free_memory(device)
    placement = place(needed, outline.num_parameters * dtype.itemsize, free) if device.type == "cuda" else "whole"
    if placement == "whole" and needed > free:
        values = {"needed": needed / 1e9, "free": free / 1e9, "smaller": FALLBACKS[-1]}
        raise GenartError("too_little_memory", name=location.name, **values)
    with _refusing(location), _silent(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        pipeline = _assemble(location, listing, outline, variant, dtype, max_bytes)
        if placement == "whole":
            pipeline = pipeline.to(device)
        else:
            pipeline.enable_attention_slicing()
            pipeline = pipeline.to(device) if placement == "slices" else _offloaded(pipeline, device)
    repository = location.repository
    files = tuple(location.folder / file for file in listing.weights)
    source = Source(location.name, location.folder, repository.commit if repository else None, None, repository, files)
    return StableDiffusion(pipeline, source, _defaults(source))


def _assemble(location: Location, listing: "_Listing", outline: "Outline", variant: str | None, dtype: torch.dtype, max_bytes: int) -> Any:
    """The pipeline of diffusers, part by part: the small files are fetched and looked through before a weight is fetched or read."""
    from diffusers import DiffusionPipeline

    folder, classes = location.folder, listing.classes
    for file in listing.missing:
        if file not in listing.weights:
            location.repository.download(file, pipeline_checks.VOCABULARY_LIMIT)
    _check_cached(location, (file for file in folder.glob("*/*") if file.suffix in SETTINGS))
    pipeline_checks.check_links(folder, classes)
    pipeline_checks.check_json(folder, classes, location.name)
    scheduler = "scheduler/scheduler_config.json"
    config = pipeline_checks.read_json(folder / scheduler, f"{location.name}/{scheduler}")
    pipeline_checks.check_scheduler(classes["scheduler"], config, f"{location.name}/{scheduler}")
    processor = "feature_extractor/preprocessor_config.json"
    if "feature_extractor" in classes and (folder / processor).is_file():
        config = pipeline_checks.read_json(folder / processor, f"{location.name}/{processor}")
        pipeline_checks.check_processor(config, f"{location.name}/{processor}")
    modules = {part: cls for part, cls in classes.items() if not part.startswith(WITHOUT_WEIGHTS)}
    outlines = {part: pipeline_checks.outline(cls, folder, part) for part, cls in modules.items()}
    pipeline_checks.check_shapes(outlines, outline.latent_size, outline.image_size)
    for file in listing.missing:
        if file in listing.weights:
            location.repository.download(file, max_bytes)
    _check_cached(location, (folder / file for file in listing.weights))
    files = {part: [file for file in listing.weights if file.startswith(f"{part}/")] for part in modules}
    for part, module in outlines.items():
        found = {}
        for file in files[part]:
            found |= pipeline_checks.tensors_in(folder / file)
        pipeline_checks.check_tensors(module, found, f"{location.name}/{files[part][0]}")
    parts = {}
    for part, cls in modules.items():
        of_variant = variant if any(f".{variant}" in file for file in files[part]) else None
        parts[part] = pipeline_checks.load_part(cls, folder / part, of_variant, dtype, f"{location.name}/{files[part][0]}")
    pipeline = DiffusionPipeline.from_pretrained(
        folder, variant=variant, torch_dtype=dtype, use_safetensors=True, local_files_only=True, **parts
    )
    read = getattr(pipeline.text_encoder.config, "max_position_embeddings", None) or MAX_TOKENS
    where = f"{location.name}/tokenizer/tokenizer_config.json"
    whole(where, "model_max_length", pipeline.tokenizer.model_max_length, 3, read)  # a prompt is filled up to it
    return pipeline


def _check_cached(location: Location, files: Iterable[Path]) -> None:
    """Refuse files of the Hub's cache that are not those which the Hub named."""
    for file in files if location.repository else ():
        location.repository.check(file)


def dtype_on(device: str, has_bfloat16: bool) -> torch.dtype:
    """The precision that a pipeline runs in where none is asked for. device: cpu, cuda or mps."""
    if device == "cuda":
        return torch.bfloat16 if has_bfloat16 else torch.float16
    return torch.float16 if device == "mps" else torch.float32


def place(needed: int, weights: int, free: int) -> str:
    """How a pipeline goes onto a GPU, by bytes: "whole"; in "slices" of its attention; or part by part, "offload"."""
    if needed <= free:
        return "whole"
    return "slices" if weights + (needed - weights) // 2 <= free else "offload"


def _offloaded(pipeline: Any, device: torch.device) -> Any:
    from importlib.util import find_spec

    if find_spec("accelerate") is None:
        raise GenartError("needs_package", package="accelerate", install="accelerate")
    pipeline.enable_model_cpu_offload(device=device)
    return pipeline


def _not_pipeline(location: Location, reason: GenartError | str) -> GenartError:
    return GenartError("not_pipeline", name=shorten(location.name).strip("'"), reason=reason)


@contextmanager
def _refusing(location: Location) -> Iterator[None]:
    """What a library, or a check, cannot take of the folder becomes one sentence: a stranger's files may raise anything."""
    try:
        yield
    except GenartError as error:
        raise (_not_pipeline(location, error) if error.code.startswith("reason_") else error) from error
    except Exception as error:
        raise _not_pipeline(location, first_line(error)) from error
    except BaseException as error:  # what a tokenizer's Rust code raises where it gives up is no Exception
        if type(error).__name__ != "PanicException":
            raise
        raise _not_pipeline(location, first_line(error)) from error


def _class_of(index: dict[str, Any]) -> type:
    """The pipeline's class: diffusers' own, one that goes from text to a picture and takes nothing from other repositories."""
    name = index.get("_class_name")
    with _silent():
        import diffusers

        found = getattr(diffusers, name, None) if isinstance(name, str) and name.isidentifier() else None
    parameters = inspect.signature(found.__call__).parameters if isinstance(found, type) else {}
    fits = {"prompt", "latents", "guidance_scale", "callback_on_step_end"} <= parameters.keys()
    if "image" in parameters or not fits or getattr(found, "_load_connected_pipes", False):
        raise GenartError("reason_type", type=shorten(name).strip("'"))
    return found


def _defaults(source: Source) -> dict[str, Any]:
    """The steps and the guidance that a pipeline is meant to be sampled with."""
    file = source.companion(SAMPLING)
    if file is None:
        return next((known for part, known in KNOWN.items() if part in source.name.lower()), {})
    try:
        found = pipeline_checks.read_json(file, SAMPLING)
    except GenartError as error:
        raise GenartError("bad_config", file=str(file), reason=error) from error
    steps = whole(SAMPLING, "num_steps", found.get("num_steps", DEFAULTS["num_steps"]), 1, MAX_STEPS)
    return {"num_steps": steps, "guidance": number(SAMPLING, "guidance", found.get("guidance", DEFAULTS["guidance"]), 0, MAX_GUIDANCE)}


# ---- what a pipeline will take ----


@dataclass(frozen=True)
class Estimate:
    """What a pipeline will take, before it is loaded. download_bytes: 0 where all of it is here. seconds_per_picture: a rough one,
    within a factor of three, on the CPU; None on another device. free_bytes: the memory that this machine has free.
    """

    name: str
    download_bytes: int
    memory_bytes: int
    seconds_per_picture: float | None
    free_bytes: int


def estimate(
    name: str | os.PathLike, device: str = "cpu", token: str | bool | None = None, cache_dir: str | os.PathLike | None = None
) -> Estimate:
    """What the pipeline of a folder or Hub id will take. Asks for sizes and configs only, and downloads no weights."""
    device, location = pick_device(device), locate(name, token=token, cache_dir=cache_dir)
    if not location.is_pipeline:
        raise _not_pipeline(location, GenartError("reason_no_index"))
    listing = _list(location)
    outline = _outline(location, listing)
    memory = outline.memory(dtype_on(device.type, device.type == "cuda" and torch.cuda.is_bf16_supported()))
    download = sum(listing.weights.get(file, 0) for file in listing.missing)
    defaults = _defaults(Source(location.name, location.folder, repository=location.repository))
    seconds = outline.seconds(DEFAULTS | defaults) if device.type == "cpu" else None
    return Estimate(location.name, download, memory, seconds, free_memory(device))


@dataclass(frozen=True)
class Outline:
    """What the files of a pipeline say of it. image_size, latent_size: (height, width). width: the autoencoder's first channels."""

    num_parameters: int
    unet_parameters: int
    image_size: tuple[int, int]
    latent_size: tuple[int, int]
    width: int

    def memory(self, dtype: torch.dtype) -> int:
        """Bytes: the weights, and the autoencoder's activations, about eight maps of its first width at full size."""
        return self.num_parameters * dtype.itemsize + 8 * self.width * prod(self.image_size) * dtype.itemsize

    def seconds(self, defaults: dict[str, Any]) -> float:
        """A picture's seconds on this CPU, to two digits."""
        forwards = (2 if defaults["guidance"] > 1 else 1) * defaults["num_steps"]
        operations = forwards * 2 * self.unet_parameters * prod(self.latent_size)
        return float(f"{COST * operations / _operations_a_second():.2g}")


COST = 0.3  # of operations / rate, measured: most of a UNet's weights work at a part of the positions, and below the rate


@dataclass(frozen=True)
class _Listing:
    """The class of each part; the weight files with their bytes; the files of it that are still on the Hub."""

    classes: dict[str, type]
    weights: dict[str, int]
    missing: tuple[str, ...]


def _list(location: Location, variant: str | None = None) -> _Listing:
    """Read the index and look for each part's files, here or on the Hub. Nothing of what they hold is read yet."""
    with _refusing(location):
        index = pipeline_checks.read_json(location.folder / PIPELINE, PIPELINE)
        pipeline = _class_of(index)
        with _silent():
            classes = pipeline_checks.classes_of(index, pipeline)
        if missing := sorted(set(PARTS) - set(classes)):
            raise GenartError("reason_no_part", part=missing[0])
    parts = list(classes)
    on_hub = location.repository.pipeline_files(location.folder) if location.repository else None
    with _refusing(location):
        pipeline_checks.check_names(on_hub if on_hub is not None else pipeline_checks.files_below(location.folder))
    sizes = on_hub if on_hub is not None else _sizes(location.folder, parts)
    weights = weight_files(sizes, parts, variant)
    absent = [part for part in parts if not _is_whole(part, sizes, weights)]
    if absent:
        if location.repository and on_hub is None:
            raise location.repository.not_cached()
        pickles = [file for file in sizes if file.startswith(f"{absent[0]}/") and file.endswith(PICKLES)]
        reason = GenartError("reason_pickle_part", file=pickles[0]) if pickles else GenartError("reason_no_part", part=absent[0])
        raise _not_pipeline(location, reason)
    small = [file for file in sizes if file.split("/")[0] in parts and file.endswith(SETTINGS) and file.count("/") == 1]
    missing = [file for file in (*small, *weights) if on_hub is not None and not (location.folder / file).is_file()]
    return _Listing(classes, {file: sizes[file] for file in weights}, tuple(missing))


def _sizes(folder: Path, parts: list[str]) -> dict[str, int]:
    files = (file for part in parts if (folder / part).is_dir() for file in sorted((folder / part).iterdir()) if file.is_file())
    return {file.relative_to(folder).as_posix(): file.stat().st_size for file in files}


def _is_whole(part: str, files: dict[str, int], weights: list[str]) -> bool:
    among = files if part.startswith(WITHOUT_WEIGHTS) else weights
    names = {file.removeprefix(f"{part}/") for file in among if file.startswith(f"{part}/")}
    if part.startswith("tokenizer"):
        known = {"tokenizer.json"}, {"vocab.json", "merges.txt"}, {"vocab.txt"}, {"spiece.model"}, {"sentencepiece.bpe.model"}
        return any(one <= names for one in known)
    return bool(names)


def _outline(location: Location, listing: _Listing) -> Outline:
    with _refusing(location):
        image_size, latent_size, widest = pipeline_checks.check_sizes(*(_config(location, part) for part in ("unet", "vae")), location.name)
    counts = {file: _count(location, file, size) for file, size in listing.weights.items()}
    of_unet = sum(count for file, count in counts.items() if file.startswith("unet/"))
    return Outline(sum(counts.values()), of_unet, image_size, latent_size, widest)


def _config(location: Location, part: str) -> dict[str, Any]:
    file = f"{part}/config.json"
    path = location.folder / file
    if location.repository and not path.is_file():
        path = location.repository.download(file, CONFIG_LIMIT)
    return pipeline_checks.read_json(path, f"{location.name}/{file}")


def _count(location: Location, file: str, size: int) -> int:
    """The numbers in a safetensors file, from its header; of a file on the Hub, taken to be float32 where the header is not sent."""
    path = location.folder / file
    if path.is_file():
        with suppress(ValueError, SafetensorError, OSError):
            return sum(prod(shape) for shape, _ in pipeline_checks.tensors_in(path).values())
    elif location.repository and (count := location.repository.count_numbers(file)):
        return count
    return size // 4


def _operations_a_second() -> float:
    """Of a float32 matrix product of 512 x 512, the best of three."""
    x = torch.full((512, 512), 0.5)
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        x @ x
        best = min(best, time.perf_counter() - start)
    return 2 * 512**3 / best


def free_memory(device: str | torch.device = "cpu") -> int:
    """Bytes that a program could still take: of the GPU, or of this machine and the container around it."""
    if torch.device(device).type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if sys.platform == "win32":
        status = (ctypes.c_uint64 * 8)(64)  # MEMORYSTATUSEX: its size, the load; total and available bytes of memory follow
        ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))
        return int(status[2])
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        available = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
        return min(available, _left_in_container())
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")  # macOS frees what it caches when asked


def _left_in_container(folder: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes until the limit of cgroup version 2."""
    with suppress(OSError, ValueError):
        limit, used = (int((folder / f"memory.{name}").read_text()) for name in ("max", "current"))
        pages = next(int(line.split()[1]) for line in (folder / "memory.stat").read_text().splitlines() if line.startswith("file "))
        return max(0, limit - used + pages)
    return sys.maxsize


# ---- quiet ----

_QUIET = threading.Lock()
_quiet_before: list[Any] = []
_quiet_depth = 0


@contextmanager
def _silent() -> Iterator[None]:
    """The libraries' bars and notes are off while anybody is in here, in any thread: what matters in them comes back as an exception."""
    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging as of_transformers

    global _quiet_depth
    libraries = of_diffusers, of_transformers
    with _QUIET:
        _quiet_depth += 1
        if _quiet_depth == 1:
            _quiet_before[:] = [(library, library.get_verbosity(), library.is_progress_bar_enabled()) for library in libraries]
            for library in libraries:
                library.set_verbosity(logging.CRITICAL)
                library.disable_progress_bar()
    try:
        yield
    finally:
        with _QUIET:
            _quiet_depth -= 1
            if not _quiet_depth:
                for library, verbosity, bars in _quiet_before:
                    library.set_verbosity(verbosity)
                    if bars:
                        library.enable_progress_bar()
