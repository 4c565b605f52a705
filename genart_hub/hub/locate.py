"""Where a model's weights are: bundled, in a folder, or on the Hub."""

import difflib
import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from genart_hub.errors import GenartError, first_line, shorten, whole
from genart_hub.files import parse_json, sha256_of
from genart_hub.hub.client import Repository
from genart_hub.hub.names import (
    CONFIG,
    CONFIG_LIMIT,
    HUB_ID,
    PIPELINE,
    WEIGHTS,
    check_revision,
    check_subfolder,
    check_token,
    check_variant,
)

MAX_BYTES = 1_000_000_000
COMPANION_LIMIT = 4_000_000
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_PACKAGE = Path(__file__).resolve().parents[1]
WEIGHTS_FOLDERS = (_PACKAGE / "weights", _PACKAGE.parent / "weights")  # inside a wheel; beside the package in a checkout


@dataclass
class Source:
    """Where a model's weights come from: what a recipe says of them, never a path. files: those of a pipeline, instead of `file`."""

    name: str
    folder: Path
    revision: str | None = None
    file: Path | None = None
    repository: Repository | None = None
    files: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        self._sha256: str | None = None
        self._state: Any = None

    @property
    def sha256(self) -> str | None:
        """The weight file's hash, read once: at loading for a small file, else when asked for (1 GB takes about a second).

        A pipeline's is the hash of its weight files' sorted names and hashes, a line each, as `sha256sum` writes them.
        """
        if self._sha256 is None and self.file is not None and self.file.is_file():
            self._sha256 = sha256_of(self.file)
        elif self._sha256 is None and self.files and all(file.is_file() for file in self.files):
            names = sorted((file.relative_to(self.folder).as_posix(), file) for file in self.files)
            lines = "".join(f"{sha256_of(file)}  {name}\n" for name, file in names)
            self._sha256 = hashlib.sha256(lines.encode()).hexdigest()
        return self._sha256

    def remember(self, model: Any) -> None:
        """Take the weights of a module or a pipeline for those of the file, until something of it changes."""
        self._state = _state_of(model)

    def is_current(self, model: Any) -> bool:
        """Whether a module, or each component of a pipeline with its settings, is as it was loaded."""
        return self._state == _state_of(model)

    def companion(self, name: str) -> Path | None:
        """A file beside the weights, such as the card, where there is one."""
        if self.repository is not None:
            try:
                return self.repository.download(name, COMPANION_LIMIT)
            except GenartError as error:
                if error.code == "damaged_file":
                    raise
                return None
        return self.folder / name if (self.folder / name).is_file() else None

    def holds(self, tensors: dict[str, Tensor], rounded: bool = False) -> bool:
        """Whether these are still the weights of the file, number by number. rounded: or what they become in the precision of these."""
        if self.file is None or not self.file.is_file():
            return False
        loaded = load_file(self.file)
        if loaded.keys() != tensors.keys():
            return False
        pairs = ((loaded[key].to(tensors[key]) if rounded else loaded[key].double(), tensors[key]) for key in loaded)
        return all(torch.equal(theirs, ours if rounded else ours.double()) for theirs, ours in pairs)


SPOTS = 16


def _state_of(model: Any) -> Any:
    """What tells a model from the same with other weights or, of a pipeline, with another component: names, versions, a few numbers.

    A version counts the changes in place. What passes by it (`weight.data = …`, as melting in a LoRA does) shows in the numbers.
    """
    if not isinstance(model, nn.Module):  # a pipeline of diffusers, whose parts may be anything
        return {name: _component(part) for name, part in model.components.items()}
    state = {name: tensor.detach() for name, tensor in model.state_dict().items() if isinstance(tensor, Tensor)}
    about = [(name, tensor.shape, tensor.dtype, 0 if tensor.is_inference() else tensor._version) for name, tensor in state.items()]
    spots = [tensor.reshape(-1)[:: max(1, tensor.numel() // SPOTS)] for tensor in state.values() if not tensor.is_meta]
    by_kind: dict[tuple[torch.device, torch.dtype], list[Tensor]] = {}
    for spot in spots:
        by_kind.setdefault((spot.device, spot.dtype), []).append(spot)
    numbers = [number for several in by_kind.values() for number in torch.cat(several).cpu().double().nan_to_num().tolist()]
    return about, numbers


def _component(part: Any) -> Any:
    """The same of a pipeline's component: a network with its config, a scheduler with its own, a tokenizer with its words."""
    part = getattr(part, "_orig_mod", part)  # what torch.compile wraps
    config = getattr(part, "config", None)
    config = {key: repr(value) for key, value in config.items()} if isinstance(config, Mapping) else None
    if isinstance(part, nn.Module):
        # FreeU's factors are attributes of the blocks
        factors = [[getattr(module, name, None) for name in ("s1", "s2", "b1", "b2")] for module in getattr(part, "up_blocks", ())]
        return type(part), config, factors, _state_of(part)
    return type(part), config, len(part) if hasattr(part, "__len__") else None


# ---- loading ----


def read_config(folder: Path) -> dict[str, Any]:
    """config.json of a model's folder: a JSON object that names its class."""
    file = folder / CONFIG
    if not file.is_file():
        raise GenartError("no_config", folder=str(folder))
    if (size := file.stat().st_size) > CONFIG_LIMIT:
        raise GenartError("config_too_large", file=str(file), size=size, limit=CONFIG_LIMIT)
    try:
        config = parse_json(file.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise GenartError("bad_config", file=str(file), reason=error if isinstance(error, GenartError) else first_line(error)) from error
    if not isinstance(config, dict):
        raise GenartError("bad_config", file=str(file), reason=GenartError("reason_type", type=type(config).__name__))
    if not isinstance(config.get("_class_name"), str):
        raise GenartError("config_no_class", file=str(file))
    return config


# ---- finding ----


def is_pipeline(folder: Path) -> bool:
    """Whether a folder is laid out as diffusers lays out a pipeline, and not as this library does a model."""
    return (folder / PIPELINE).is_file() and not (folder / CONFIG).is_file()


def holds_model(folder: Path) -> bool:
    """Whether a model lies in a folder, in either layout."""
    return (folder / PIPELINE).is_file() or (folder / CONFIG).is_file()


def bundled_folder(name: str) -> Path | None:
    """The folder of the bundled model called `name`, or None."""
    if not re.fullmatch(r"[\w.-]{1,100}", name) or name.startswith("."):
        return None
    folders = (weights / name for weights in WEIGHTS_FOLDERS)
    return next(filter(holds_model, folders), None)


def bundled_folders() -> dict[str, Path]:
    """The folders of all bundled models by their names, sorted."""
    names = sorted({folder.name for weights in WEIGHTS_FOLDERS if weights.is_dir() for folder in weights.iterdir()})
    return {name: folder for name in names if (folder := bundled_folder(name))}


def bundled_names() -> list[str]:
    """The names of all bundled models, sorted."""
    return list(bundled_folders())


def not_found(name: object, bundled: Sequence[str] | None = None) -> GenartError:
    """What is said of a name that is nothing: with the bundled model that it may have meant. bundled: those that are named (all)."""
    names = bundled_names() if bundled is None else bundled
    near = difflib.get_close_matches(name, names, 1) if isinstance(name, str) else []
    hint = GenartError("did_you_mean", name=near[0]) if near else ""
    return GenartError("model_not_found", name=shorten(name), near=hint, bundled=", ".join(names))


@dataclass
class Location:
    """A model that was found: its folder, or the Hub repository that `fetch` downloads from."""

    name: str
    folder: Path
    repository: Repository | None = None

    @property
    def is_pipeline(self) -> bool:
        return is_pipeline(self.folder)

    def fetch(self, variant: str | None = None, max_bytes: int = MAX_BYTES) -> Source:
        """Make sure of the weight file, downloading it where it is on the Hub. Returns where it lies."""
        max_bytes = whole(self.name, "max_bytes", max_bytes, 1)
        name = WEIGHTS if check_variant(variant) is None else f"model.{variant}.safetensors"
        if self.repository:
            try:
                file = self.repository.download(name, max_bytes)
            except GenartError as error:
                if error.code == "hub_no_file" and (pickles := [f for f in self.repository.files() if f.endswith(PICKLES)]):
                    raise GenartError("pickle_only", folder=self.name, file=shorten(pickles[0]).strip("'")) from error
                raise
            return Source(self.name, self.folder, self.repository.commit, file, self.repository)
        file = self.folder / name
        if not (self.folder / CONFIG).is_file():
            raise GenartError("no_config", folder=str(self.folder))
        if not file.is_file():
            pickles = sorted(p.name for p in self.folder.iterdir() if p.suffix in PICKLES)
            if pickles:
                raise GenartError("pickle_only", folder=str(self.folder), file=pickles[0])
            raise GenartError("no_weights", folder=str(self.folder), file=name)
        if (size := file.stat().st_size) > 2 * max_bytes + CONFIG_LIMIT:  # float64 on disk may be twice what float32 takes in memory
            raise GenartError("too_many_bytes", name=self.name, size=size, limit=max_bytes)
        return Source(self.name, self.folder, None, file)


def locate(
    name: str | os.PathLike,
    *,
    revision: str | None = None,
    subfolder: str | None = None,
    token: str | bool | None = None,
    local_files_only: bool = False,
    cache_dir: str | os.PathLike | None = None,
) -> Location:
    """Find a model: a bundled name; else a folder (written with a separator, or holding a config.json); else a Hub id."""
    text = os.fspath(name) if isinstance(name, str | os.PathLike) else None
    if not isinstance(text, str) or not text or "\0" in text:
        raise not_found(name)
    revision, subfolder, token = check_revision(revision), check_subfolder(subfolder), check_token(token)
    if isinstance(name, str) and (folder := bundled_folder(text)):
        return Location(text, folder / subfolder if subfolder else folder)
    folder = Path(os.path.expanduser(text))
    inside = folder / subfolder if subfolder else folder
    looks_like_path = not isinstance(name, str) or text.startswith((".", "/", "~", "\\")) or "\\" in text or text.endswith("/")
    try:
        if inside.is_dir():
            return Location(inside.resolve().name, inside)
    except (OSError, ValueError):  # a name that no file system takes
        looks_like_path = True
    if looks_like_path or not HUB_ID.fullmatch(text):
        raise not_found(name)
    repo_id, _, at = text.partition("@")
    repository = Repository(repo_id, revision or at or None, subfolder, token, local_files_only, cache_dir)
    return Location(repo_id, repository.open(), repository)
