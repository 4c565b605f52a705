"""A pipeline's folder becomes a pipeline, part by part."""

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from genart_hub import devices
from genart_hub.devices import dtype_on, pick_device
from genart_hub.errors import GenartError, shorten, whole
from genart_hub.hub.locate import MAX_BYTES, Location, Source
from genart_hub.hub.names import check_variant
from genart_hub.models.stable_diffusion import checks
from genart_hub.models.stable_diffusion.estimate import SETTINGS, WITHOUT_WEIGHTS, Outline, _defaults, _list, _Listing, _outline, _refusing
from genart_hub.models.stable_diffusion.request import FALLBACKS
from genart_hub.quiet import _silent

MAX_TOKENS = 512  # of a prompt, where the text encoder names no bound


# ---- loading ----


def read(
    location: Location,
    *,
    variant: str | None = None,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
    max_bytes: int = MAX_BYTES,
) -> tuple[Any, Source, dict[str, Any]]:
    """The pipeline of a diffusers folder or Hub id, where its weights are, and the steps and the guidance that it is sampled with.

    Raises GenartError where it is none, or is too large for this machine.
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
    needed, free = outline.memory(dtype), devices.free_memory(device)
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
    return pipeline, source, _defaults(source)


def _assemble(location: Location, listing: "_Listing", outline: "Outline", variant: str | None, dtype: torch.dtype, max_bytes: int) -> Any:
    """The pipeline of diffusers, part by part: the small files are fetched and looked through before a weight is fetched or read."""
    from diffusers import DiffusionPipeline

    folder, classes = location.folder, listing.classes
    _download(location, (file for file in listing.missing if file not in listing.weights), checks.VOCABULARY_LIMIT)
    _check_cached(location, (file for file in folder.glob("*/*") if file.suffix in SETTINGS))
    checks.check_links(folder, classes)
    checks.check_json(folder, classes, location.name)
    scheduler = "scheduler/scheduler_config.json"
    config = checks.read_json(folder / scheduler, f"{location.name}/{scheduler}")
    checks.check_scheduler(classes["scheduler"], config, f"{location.name}/{scheduler}")
    processor = "feature_extractor/preprocessor_config.json"
    if "feature_extractor" in classes and (folder / processor).is_file():
        config = checks.read_json(folder / processor, f"{location.name}/{processor}")
        checks.check_processor(config, f"{location.name}/{processor}")
    modules = {part: cls for part, cls in classes.items() if not part.startswith(WITHOUT_WEIGHTS)}
    outlines = {part: checks.outline(cls, folder, part) for part, cls in modules.items()}
    checks.check_shapes(outlines, outline.latent_size, outline.image_size)
    _download(location, (file for file in listing.missing if file in listing.weights), max_bytes)
    _check_cached(location, (folder / file for file in listing.weights))
    files = {part: [file for file in listing.weights if file.startswith(f"{part}/")] for part in modules}
    for part, module in outlines.items():
        found: dict[str, tuple[tuple[int, ...], str]] = {}
        for file in files[part]:
            found |= checks.tensors_in(folder / file)
        checks.check_tensors(module, found, f"{location.name}/{files[part][0]}")
    parts = {}
    for part, cls in modules.items():
        of_variant = variant if any(f".{variant}" in file for file in files[part]) else None
        parts[part] = checks.load_part(cls, folder / part, of_variant, dtype, f"{location.name}/{files[part][0]}")
    pipeline = DiffusionPipeline.from_pretrained(
        folder, variant=variant, torch_dtype=dtype, use_safetensors=True, local_files_only=True, **parts
    )
    read = getattr(pipeline.text_encoder.config, "max_position_embeddings", None) or MAX_TOKENS
    where = f"{location.name}/tokenizer/tokenizer_config.json"
    whole(where, "model_max_length", pipeline.tokenizer.model_max_length, 3, read)  # a prompt is filled up to it
    return pipeline


def _download(location: Location, files: Iterable[str], limit: int) -> None:
    if location.repository:
        for file in files:
            location.repository.download(file, limit)


def _check_cached(location: Location, files: Iterable[Path]) -> None:
    """Refuse files of the Hub's cache that are not those which the Hub named."""
    if location.repository:
        for file in files:
            location.repository.check(file)


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
