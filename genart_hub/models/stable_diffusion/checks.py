"""A stranger's pipeline folder, read with care: no code, no pickle, nothing from elsewhere, no size that its weights do not bear out."""

import os
import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn

from genart_hub.errors import GenartError, first_line, number, shorten, whole
from genart_hub.files import parse_json, read_header
from genart_hub.hub.loading import aliases_of, is_finite, mismatches, signature_of, summed_up
from genart_hub.hub.locate import PICKLES
from genart_hub.hub.names import CONFIG_LIMIT

CODE = (".py", ".pyc", ".pyd", ".pyw", ".so", ".dll", ".dylib")
LIBRARIES = ("diffusers", "transformers", "stable_diffusion")
UNETS = ("UNet2DConditionModel",)
AUTOENCODERS = ("AutoencoderKL", "AutoencoderTiny", "AsymmetricAutoencoderKL", "VQModel")
TEXT_MODELS = ("clip", "chinese_clip", "bert", "roberta", "xlm_roberta", "t5")  # families of transformers
VOCABULARY_LIMIT = 20_000_000  # bytes of a tokenizer's file
MAX_FILES = 100_000
MAX_LAYERS = 3_000  # of one part: the UNet of SDXL has 1,930
MAX_TIMESTEPS = 10_000
MAX_ORDER = 8  # of a solver: it keeps as many predictions
MAX_WHOLE = 2**31 - 1
MAX_CHANNELS = 65_536
MAX_SIDE, SMALLEST_SCALE, LARGEST_SCALE = 4096, 1e-6, 1e6


ELSEWHERE = {  # what the libraries would follow out of the folder, or into code
    *("auto_map", "custom_pipeline", "custom_pipelines", "custom_generate", "trust_remote_code"),
    *("quantization_config", "compression_config", "configuration_files", "fast_tokenizer_files"),
    *("transformers_weights", "gguf_file", "base_model_name_or_path", "peft_type"),
}


TOKENIZER_FILES = ("vocab_file", "merges_file", "tokenizer_file", "spm_file", "emoji_file", "chat_template_file")
ATTENTION = (None, "eager", "sdpa")  # another name may be that of a kernel on the Hub


# ---- files ----


def files_below(folder: Path) -> Iterator[str]:
    """The names of all files below a folder, in parts divided by "/"; links to folders are not gone into."""
    count = 0
    for place, _, names in os.walk(folder):
        for name in names:
            count += 1
            if count > MAX_FILES:
                raise GenartError("reason_files", limit=MAX_FILES)
            yield Path(place, name).relative_to(folder).as_posix()


def check_names(names: Iterable[str]) -> None:
    """Refuse a folder that holds code, wherever it lies, or what would put the weights of elsewhere into a part."""
    for name in names:
        path = PurePosixPath(name.replace("\\", "/"))
        if path.suffix.lower() in CODE:
            raise GenartError("reason_code", file=shorten(name).strip("'"))
        if path.name == "adapter_config.json" or ".." in path.parts or path.is_absolute():
            raise GenartError("reason_elsewhere", file=shorten(name).strip("'"), key=path.name)


def check_links(folder: Path, parts: Iterable[str]) -> None:
    """Refuse a link that leads out of the folder; those of the Hub's cache lead to its own blobs."""
    folder = folder.absolute()
    inside = [folder.resolve()]
    for place in folder.parents:
        if place.name == "snapshots" and place.parent.name.startswith("models--"):
            inside.append((place.parent / "blobs").resolve())
    entries = [*folder.glob("*.json"), *(folder / part for part in parts)]
    for entry in (*entries, *(file for part in parts if (folder / part).is_dir() for file in (folder / part).rglob("*"))):
        if entry.is_symlink() and not any(entry.resolve().is_relative_to(place) for place in inside):
            raise GenartError("reason_link", file=entry.relative_to(folder).as_posix())


def read_json(path: Path, name: str, limit: int = CONFIG_LIMIT) -> dict[str, Any]:
    """A JSON object of bounded size and depth. name: what an error calls it."""
    if (size := path.stat().st_size) > limit:
        raise GenartError("reason_large", file=name, size=size, limit=limit)
    try:
        found = parse_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise GenartError("reason_json", file=name, reason=error if isinstance(error, GenartError) else first_line(error)) from error
    if not isinstance(found, dict):
        raise GenartError("reason_json", file=name, reason=GenartError("reason_type", type=type(found).__name__))
    return found


def check_json(folder: Path, parts: Iterable[str], name: str) -> None:
    """Every JSON file that a library will read: its size, its depth, and what it names."""
    for part in parts:
        for file in sorted((folder / part).glob("*")) if (folder / part).is_dir() else ():
            where, tokens = f"{name}/{part}/{file.name}", part.startswith("tokenizer")
            if file.name.endswith(".index.json"):
                _check_shards(read_json(file, where, VOCABULARY_LIMIT), f"{part}/{file.name}")
            elif file.suffix == ".json":
                large = tokens and file.name != "tokenizer_config.json"
                found = read_json(file, where, VOCABULARY_LIMIT if tokens else CONFIG_LIMIT)
                if not large:
                    check_keys(found, f"{part}/{file.name}")
            elif file.suffix in (".txt", ".model") and (size := file.stat().st_size) > VOCABULARY_LIMIT:
                raise GenartError("reason_large", file=where, size=size, limit=VOCABULARY_LIMIT)


def _check_shards(index: dict[str, Any], file: str) -> None:
    named = index.get("weight_map")
    for shard in set(map(str, named.values())) if isinstance(named, dict) else [str(named)]:
        if not re.fullmatch(r"[\w.-]+\.safetensors", shard):
            raise GenartError("reason_weights", file=file, weights=shorten(shard).strip("'"))


def check_keys(config: object, file: str) -> None:
    """Refuse what would be followed out of the folder, a pickle's name, and whole numbers that no layer has."""
    level = [("", config)]
    while level:
        for key, value in level:
            refused = key in ELSEWHERE and value not in (None, False)
            refused |= key in TOKENIZER_FILES and isinstance(value, str)
            refused |= key.endswith("attn_implementation") and value not in ATTENTION
            if refused:
                raise GenartError("reason_elsewhere", file=file, key=key)
            if isinstance(value, str) and value.lower().endswith(PICKLES) and not key.startswith("_"):
                raise GenartError("reason_weights", file=file, weights=shorten(value).strip("'"))
            if isinstance(value, int) and abs(value) > MAX_WHOLE and key != "model_max_length":
                raise GenartError("out_of_range", where=file, name=key, low=-MAX_WHOLE, high=MAX_WHOLE, value=shorten(value))
        inner = [(key, value) for key, value in level if isinstance(value, dict | list)]
        level = [(key, one) for key, value in inner if isinstance(value, list) for one in value]
        level += [(str(own), one) for _, value in inner if isinstance(value, dict) for own, one in value.items()]


# ---- the index ----


def classes_of(index: dict[str, Any], pipeline: type) -> dict[str, type[Any]]:
    """The class of each part that `pipeline` takes and the index names: one of its kind, of diffusers or transformers."""
    check_keys(index, "model_index.json")
    taken = signature_of(pipeline).parameters
    found = {}
    for part, value in index.items():
        if part.startswith("_") or not isinstance(value, list) or value == [None, None]:
            continue
        if len(value) != 2 or not part.isidentifier():
            raise GenartError("reason_part", part=shorten(part).strip("'"), type=shorten(value))
        library, name = value
        if library not in LIBRARIES:
            raise GenartError("reason_library", part=part, library=shorten(library).strip("'"), known=", ".join(LIBRARIES))
        if not isinstance(name, str) or not name.isidentifier() or not (cls := _class(part, library, name)):
            raise GenartError("reason_part", part=part, type=shorten(name).strip("'"))
        if part in taken:
            found[part] = cls
    return found


def _class(part: str, library: str, name: str) -> type | None:
    """The class `name`, where it may be the part of a text-to-image pipeline; else None."""
    import diffusers
    import transformers
    from diffusers.pipelines import stable_diffusion

    if library == "stable_diffusion":
        return getattr(stable_diffusion, name) if (part, name) == ("safety_checker", "StableDiffusionSafetyChecker") else None
    if library == "diffusers":
        cls = getattr(diffusers, name, None)
        names = {"unet": UNETS, "vae": AUTOENCODERS}
        fits = name in names[part] if part in names else part == "scheduler" and _is(cls, diffusers.SchedulerMixin)
        return cls if fits and isinstance(cls, type) else None
    name = "CLIPImageProcessor" if name == "CLIPFeatureExtractor" else name  # its name until transformers 5
    cls = getattr(transformers, name, None)
    if part.startswith("tokenizer"):  # one that is built from its words: another takes its rules, which may explode, from the file
        fits = _is(cls, transformers.PreTrainedTokenizerBase) and cls.__module__.startswith("transformers.models.")
        return cls if fits and "__init__" in vars(cls) else None
    if part == "feature_extractor":
        return cls if _is(cls, transformers.image_processing_utils.BaseImageProcessor) and name.startswith("CLIP") else None
    family = re.match(r"transformers\.models\.(\w+)\.", getattr(cls, "__module__", ""))
    fits = _is(cls, transformers.PreTrainedModel) and family is not None and family[1] in TEXT_MODELS
    return cls if fits and part.startswith(("text_encoder", "image_encoder")) else None


def _is(cls: object, base: type) -> bool:
    return isinstance(cls, type) and issubclass(cls, base)


# ---- what the configs say ----


def check_sizes(unet: dict[str, Any], vae: dict[str, Any], name: str) -> tuple[tuple[int, int], tuple[int, int], int]:
    """The (height, width) of a picture and of its latents, and the autoencoder's first width, from the two configs."""
    where = f"{name}/vae/config.json"
    widths = vae.get("block_out_channels") or vae["encoder_block_out_channels"]
    if not isinstance(widths, list) or not 1 <= len(widths) <= 8:
        raise GenartError("not_sizes", where=where, name="block_out_channels", value=shorten(widths))
    widths = [whole(where, "block_out_channels", width, 1, MAX_CHANNELS) for width in widths]
    number(where, "scaling_factor", 1.0 if vae.get("scaling_factor") is None else vae["scaling_factor"], SMALLEST_SCALE, LARGEST_SCALE)
    number(where, "shift_factor", vae.get("shift_factor") or 0, -LARGEST_SCALE, LARGEST_SCALE)
    whole(where, "latent_channels", vae.get("latent_channels", 4), 1, 1024)
    whole(where, "out_channels", vae.get("out_channels", 3), 3, 3)
    scale, side = 2 ** (len(widths) - 1), unet["sample_size"]
    sides = side if isinstance(side, list) and len(side) == 2 else (side, side)
    height, width = (whole(f"{name}/unet/config.json", "sample_size", one, 1, MAX_SIDE // scale) for one in sides)
    return (height * scale, width * scale), (height, width), widths[0]


def check_scheduler(cls: type[Any], config: dict[str, Any], where: str) -> None:
    """Bound a schedule's steps and everything that is kept for each of them, then build it once."""
    trained = whole(where, "num_train_timesteps", config.get("num_train_timesteps", 1000), 1, MAX_TIMESTEPS)
    for key, value in config.items():
        if value is None or key.startswith("_"):
            continue
        if key.endswith("_order") and not isinstance(value, bool):
            whole(where, key, value, 0, MAX_ORDER)
        elif key in ("steps_offset", "original_inference_steps"):
            whole(where, key, value, 0, trained)
        elif key in ("beta_start", "beta_end"):
            number(where, key, value, 0, 1)
        elif isinstance(value, list) and len(value) > MAX_TIMESTEPS:
            raise GenartError("too_large", where=where, name=f"len({key})", high=MAX_TIMESTEPS, value=len(value))
    scheduler = cls.from_config(config)
    scheduler.set_timesteps(min(20, trained))
    for numbers in (scheduler.timesteps, *(getattr(scheduler, kept, None) for kept in ("sigmas", "alphas_cumprod"))):
        if isinstance(numbers, Tensor) and (len(numbers) > 2 * MAX_TIMESTEPS or not torch.isfinite(numbers).all()):
            raise GenartError("reason_schedule", file=where)


def check_processor(config: dict[str, Any], where: str) -> None:
    """Bound the size that a picture is brought to before the safety checker looks at it."""
    for key in ("size", "crop_size"):
        value = config.get(key)
        for side in value.values() if isinstance(value, dict) else [value]:
            if side is not None:
                whole(where, key, side, 1, 1024)


# ---- outlines ----


_building = threading.local()


@cache
def _count_layers() -> None:
    """From now on the layers that `outlined` builds are counted. The hook stays: taking it away could disturb another thread's loop."""

    def count(module: nn.Module, name: str, layer: nn.Module | None) -> None:
        left = getattr(_building, "left", None)
        if left is not None:
            if left == 0:
                raise GenartError("reason_layers", part=_building.part, limit=MAX_LAYERS)
            _building.left = left - 1

    nn.modules.module.register_module_module_registration_hook(count)


@contextmanager
def outlined(part: str) -> Iterator[None]:
    """What is built within has shapes but no memory, and at most MAX_LAYERS layers."""
    _count_layers()
    _building.left, _building.part = MAX_LAYERS, part
    try:
        with torch.device("meta"), torch.no_grad():
            yield
    finally:
        _building.left = None


def outline(cls: type[Any], folder: Path, part: str) -> nn.Module:
    """A part's module on the meta device, as its config has it."""
    import transformers

    with outlined(part):
        if issubclass(cls, transformers.PreTrainedModel):
            return cls(cls.config_class.from_pretrained(folder / part, local_files_only=True))
        return cls.from_config(cls.load_config(folder / part, local_files_only=True))


def check_shapes(modules: dict[str, Any], latent: tuple[int, int], size: tuple[int, int]) -> None:
    """Let a picture's shape through the parts, on the meta device: the text's width, the UNet's channels, the autoencoder's scale."""
    unet, vae = modules["unet"], modules["vae"]
    channels = getattr(vae.config, "latent_channels", 4)
    with outlined("unet"):
        special = ("addition_embed_type", "class_embed_type", "encoder_hid_dim_type", "time_cond_proj_dim")
        if unet.config.in_channels != channels or unet.config.out_channels != channels:
            raise GenartError("reason_shapes", part="unet", shape=unet.config.in_channels, wanted=channels)
        if "text_encoder" in modules and not any(unet.config.get(key) for key in special):
            text = torch.zeros(1, 2, modules["text_encoder"].config.hidden_size)
            unet(torch.zeros(1, channels, *latent), torch.zeros(1), text)
    with outlined("vae"):
        shape = tuple(vae.decode(torch.zeros(1, channels, *latent), return_dict=False)[0].shape)
    if shape != (1, 3, *size):
        raise GenartError("reason_shapes", part="vae", shape=shape, wanted=(1, 3, *size))


# ---- weights ----


def tensors_in(file: Path) -> dict[str, tuple[tuple[int, ...], str]]:
    """The shape and kind of each tensor of a safetensors file, from its header."""
    read_header(file)
    with safe_open(file, framework="pt") as saved:
        slices = {key: saved.get_slice(key) for key in saved.keys()}
        return {key: (tuple(one.get_shape()), one.get_dtype()) for key, one in slices.items()}


def check_tensors(module: nn.Module, found: dict[str, tuple[tuple[int, ...], str]], file: str) -> None:
    """Refuse a file whose tensors cannot be those of `module`, before any memory is taken for them.

    Names of old versions, which diffusers and transformers know, are left to them: `load_part` asks what they did with each.
    """
    aliases = aliases_of(module)
    expected = {key: tensor for key, tensor in module.state_dict().items() if key not in aliases}
    missing = sum(tensor.numel() for key, tensor in expected.items() if key not in found)
    strange = sum(torch.Size(shape).numel() for key, (shape, _) in found.items() if key not in expected)
    both = expected.keys() & found.keys()
    problems = mismatches(expected, found)
    if missing > strange or mismatches({key: expected[key] for key in both}, {key: found[key] for key in both}):
        raise GenartError("weights_mismatch", file=file, name=type(module).__name__, problems=summed_up(problems))


def load_part(cls: type[Any], folder: Path, variant: str | None, dtype: torch.dtype, file: str) -> nn.Module:
    """A part with all of its weights from its own files: none left over, none filled at random, none that is not a number."""
    import transformers

    precision = "dtype" if issubclass(cls, transformers.PreTrainedModel) else "torch_dtype"
    options = {"variant": variant, "use_safetensors": True, "local_files_only": True, precision: dtype, "output_loading_info": True}
    module, told = cls.from_pretrained(folder, **options)
    aliases = aliases_of(module)
    problems = [f"{key} is missing" for key in sorted(told["missing_keys"]) if key not in aliases]
    problems += [f"{key} is not of the model" for key in sorted(told["unexpected_keys"]) if not key.endswith("position_ids")]
    problems += [f"{shorten(key)} has another shape" for key in told["mismatched_keys"]] + [str(text) for text in told["error_msgs"]]
    if problems:
        raise GenartError("weights_mismatch", file=file, name=cls.__name__, problems=summed_up(problems))
    for key, tensor in module.state_dict().items():
        if not is_finite(tensor):
            raise GenartError("weights_not_finite", file=file, tensor=shorten(key).strip("'"))
    return module
