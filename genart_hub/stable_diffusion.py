"""Latent diffusion behind the same `sample`. Rombach et al. 2022, https://arxiv.org/abs/2112.10752. The network code is diffusers'."""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor

from genart_hub.errors import GenartError, first_line, number, shorten, whole
from genart_hub.hub import MAX_BYTES, Location, Source, pick_device
from genart_hub.models.base import MAX_SEED
from genart_hub.remote import hub_errors, token_for_endpoint

PROMPT_LIMIT = 2_000


class StableDiffusion:
    """A diffusers text-to-image pipeline with the promise of every model here: picture k of `sample` is that of seed + k."""

    family = "diffusion"
    channels = 3

    def __init__(self, pipeline: Any, source: Source | None = None):
        self.pipeline, self.source = pipeline, source
        pipeline.set_progress_bar_config(disable=True)

    @property
    def image_size(self) -> int:
        """The pictures' side in pixels."""
        return self.pipeline.unet.config.sample_size * self.pipeline.vae_scale_factor

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
        prompt: str,
        num_steps: int = 20,
        guidance: float = 7.5,
        negative_prompt: str | None = None,
        on_step: Callable[[int, int], None] | None = None,
    ) -> Tensor:
        """n pictures of `prompt`. on_step: called with (step, num_steps) after each. Returns (n, 3, H, W) float32 in [-1, 1]."""
        n, seed = whole("StableDiffusion", "n", n, 1), whole("StableDiffusion", "seed", seed, 0, MAX_SEED)
        num_steps = whole("StableDiffusion", "num_steps", num_steps, 1, 1000)
        guidance = number("StableDiffusion", "guidance", guidance, 0, 50)
        if not isinstance(prompt, str) or not prompt.strip():
            raise GenartError("empty_prompt")
        if len(prompt) > PROMPT_LIMIT:
            raise GenartError("long_prompt", count=len(prompt), limit=PROMPT_LIMIT)

        def after_step(pipeline: Any, step: int, timestep: int, values: dict) -> dict:
            if on_step:
                on_step(step + 1, num_steps)
            return values

        made = self.pipeline(
            prompt,
            num_images_per_prompt=n,
            generator=[torch.Generator().manual_seed(seed + k) for k in range(n)],
            num_inference_steps=num_steps,
            guidance_scale=guidance,
            negative_prompt=negative_prompt,
            output_type="pt",
            callback_on_step_end=after_step,
        )
        return made.images.float().cpu() * 2 - 1


def load(
    location: Location,
    *,
    variant: str | None = None,
    token: str | None = None,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
    max_bytes: int = MAX_BYTES,
) -> StableDiffusion:
    """The pipeline of a diffusers folder or Hub id. Raises GenartError where diffusers finds none."""
    options: dict[str, Any] = {"variant": variant, "torch_dtype": dtype or torch.float32, "use_safetensors": True}
    repository = location.repository
    if repository:
        options |= {"revision": repository.commit, "cache_dir": repository.cache_dir, "token": token_for_endpoint(token)}
        options |= {"local_files_only": repository.local_files_only}
    name = repository.repo_id if repository else location.folder
    size = repository.pipeline_size(variant) if repository else sum(f.stat().st_size for f in location.folder.rglob("*.safetensors"))
    if size > max_bytes:
        raise GenartError("too_many_bytes", name=location.name, size=size, limit=max_bytes)
    try:
        with hub_errors(location.name, file="model_index.json") if repository else nullcontext(), _quiet():
            from diffusers import DiffusionPipeline

            pipeline = DiffusionPipeline.from_pretrained(name, **options)
            components = pipeline.unet, pipeline.vae, pipeline.scheduler
            assert all(components)
    except GenartError:
        raise
    except (ValueError, TypeError, AttributeError, KeyError, OSError, RuntimeError, AssertionError, ImportError) as error:
        raise GenartError("not_pipeline", name=shorten(location.name).strip("'"), reason=first_line(error)) from error
    revision = repository.commit if repository else None
    return StableDiffusion(pipeline.to(pick_device(device)), Source(location.name, location.folder, revision))


@contextmanager
def _quiet() -> Iterator[None]:
    """The libraries' bars and notes are off for a while: what matters in them comes back as an exception."""
    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging as of_transformers

    libraries = of_diffusers, of_transformers
    before = [(library, library.get_verbosity(), library.is_progress_bar_enabled()) for library in libraries]
    for library in libraries:
        library.set_verbosity(logging.CRITICAL)
        library.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        for library, verbosity, bars in before:
            library.set_verbosity(verbosity)
            if bars:
                library.enable_progress_bar()
