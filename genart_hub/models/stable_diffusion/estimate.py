"""What a pipeline will take, from its configs and headers, before a weight is downloaded or read."""

import inspect
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from genart_hub import devices
from genart_hub.devices import dtype_on, pick_device
from genart_hub.errors import GenartError, first_line, number, shorten, whole
from genart_hub.hub.cards.pipelines import weights_of
from genart_hub.hub.client import weight_files
from genart_hub.hub.locate import PICKLES, Location, Source, locate
from genart_hub.hub.names import CONFIG_LIMIT, PIPELINE, SAMPLING
from genart_hub.models.inputs import MAX_GUIDANCE, MAX_STEPS
from genart_hub.models.stable_diffusion import checks
from genart_hub.models.stable_diffusion.request import DEFAULTS
from genart_hub.quiet import _silent

KNOWN = {"turbo": {"num_steps": 1, "guidance": 0.0}}  # what stands in a name -> how such models were distilled to be sampled
PARTS = ("unet", "vae", "scheduler", "tokenizer", "text_encoder")
SETTINGS = (".json", ".txt", ".model")
WITHOUT_WEIGHTS = ("scheduler", "tokenizer", "feature_extractor", "image_processor")


# ---- loading ----


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

        found: Any = getattr(diffusers, name, None) if isinstance(name, str) and name.isidentifier() else None
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
        found = checks.read_json(file, SAMPLING)
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
    name: str | os.PathLike, device: str | torch.device = "cpu", token: str | bool | None = None, cache_dir: str | os.PathLike | None = None
) -> Estimate:
    """What the pipeline of a folder or Hub id will take. Asks for sizes and configs only, and downloads no weights."""
    device, location = pick_device(device), locate(name, token=token, cache_dir=cache_dir)
    if not location.is_pipeline:  # nothing is loaded here that would refuse it
        raise _not_pipeline(location, GenartError("reason_no_index"))
    listing = _list(location)
    outline = _outline(location, listing)
    memory = outline.memory(dtype_on(device.type, device.type == "cuda" and torch.cuda.is_bf16_supported()))
    download = sum(listing.weights.get(file, 0) for file in listing.missing)
    defaults = _defaults(Source(location.name, location.folder, repository=location.repository))
    seconds = outline.seconds(DEFAULTS | defaults) if device.type == "cpu" else None
    return Estimate(location.name, download, memory, seconds, devices.free_memory(device))


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
        return float(f"{COST * operations / devices.operations_a_second():.2g}")


COST = 0.3  # of operations / rate, measured: most of a UNet's weights work at a part of the positions, and below the rate


def sizes_of(folder: Path) -> dict[str, int]:
    """A local pipeline's image size, channels, parameters and bytes of weights, from its configs and its weights' headers."""
    files = [folder / name for name in weights_of(folder)]
    tensors = [shape for file in files for shape, _ in checks.tensors_in(file).values()]
    side = checks.read_json(folder / "unet" / "config.json", "unet/config.json")["sample_size"]
    vae = checks.read_json(folder / "vae" / "config.json", "vae/config.json")
    scale = 2 ** (len(vae["block_out_channels"]) - 1)
    return {
        "image_size": (side if isinstance(side, int) else side[1]) * scale,
        "channels": vae["out_channels"],
        "num_parameters": sum(map(prod, tensors)),
        "bytes": sum(file.stat().st_size for file in files),
    }


@dataclass(frozen=True)
class _Listing:
    """The class of each part; the weight files with their bytes; the files of it that are still on the Hub."""

    classes: dict[str, type[Any]]
    weights: dict[str, int]
    missing: tuple[str, ...]


def _list(location: Location, variant: str | None = None) -> _Listing:
    """Read the index and look for each part's files, here or on the Hub. Nothing of what they hold is read yet."""
    with _refusing(location):
        index = checks.read_json(location.folder / PIPELINE, PIPELINE)
        pipeline = _class_of(index)
        with _silent():
            classes = checks.classes_of(index, pipeline)
        if missing := sorted(set(PARTS) - set(classes)):
            raise GenartError("reason_no_part", part=missing[0])
    parts = list(classes)
    on_hub = location.repository.pipeline_files(location.folder) if location.repository else None
    with _refusing(location):
        checks.check_names(on_hub if on_hub is not None else checks.files_below(location.folder))
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
        image_size, latent_size, widest = checks.check_sizes(_config(location, "unet"), _config(location, "vae"), location.name)
    counts = {file: _count(location, file, size) for file, size in listing.weights.items()}
    of_unet = sum(count for file, count in counts.items() if file.startswith("unet/"))
    return Outline(sum(counts.values()), of_unet, image_size, latent_size, widest)


def _config(location: Location, part: str) -> dict[str, Any]:
    file = f"{part}/config.json"
    path = location.folder / file
    if location.repository and not path.is_file():
        path = location.repository.download(file, CONFIG_LIMIT)
    return checks.read_json(path, f"{location.name}/{file}")


def _count(location: Location, file: str, size: int) -> int:
    """The numbers in a safetensors file, from its header; of a file on the Hub, taken to be float32 where the header is not sent."""
    path = location.folder / file
    if path.is_file():
        with suppress(ValueError, SafetensorError, OSError):
            return sum(prod(shape) for shape, _ in checks.tensors_in(path).values())
    elif location.repository and (count := location.repository.count_numbers(file)):
        return count
    return size // 4
