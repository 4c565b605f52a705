"""Loaded models, kept by memory, and the names that a page may ask for."""

import copy
import os
import secrets
import shutil
import threading
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import Any

from genart_hub.devices import pick_device
from genart_hub.errors import GenartError, shorten
from genart_hub.hub.described import name_of, num_parameters
from genart_hub.hub.locate import Source, bundled_folder, not_found
from genart_hub.hub.names import HUB_ID, NAME_LIMIT
from genart_hub.models import auto
from genart_hub.models.auto import check_generative, check_image_model
from genart_hub.models.base import Generative, ImageModel
from genart_hub.ui import gpu, turns

HERE = "here/"  # how the names of models begin that were trained in the app
TRUSTED_BYTES = 20_000_000_000  # for the pipeline that the host has named: setting GENART_SD_MODEL is consent


def host_s_models() -> list[str]:
    """The models that the host names in GENART_MODELS: they are loaded as the host, with a stored token."""
    return [name.strip() for name in os.environ.get("GENART_MODELS", "").split(",") if name.strip()]


def host_s_pipeline() -> str:
    """The pipeline that the host names in GENART_SD_MODEL, a folder or a Hub id, or nothing."""
    return os.environ.get("GENART_SD_MODEL", "").strip()


def offered(family: str | None = None) -> list[str]:
    """The models of the model boxes: the bundled ones, then those that the host names in GENART_MODELS."""
    return auto.bundled(family) + host_s_models()


def offered_from_latents() -> list[str]:
    """The models of a box whose tab walks through latents."""
    return auto.from_latents() + host_s_models()


def first_shown() -> str | None:
    """The model that a newcomer meets: the first bundled GAN."""
    return next(iter(auto.bundled("gan")), None)


class ModelCache:
    """Loaded models, the least used put away when together they take more than `max_bytes` of memory.

    What a reader names is loaded as anybody on the Hub could load it, without the host's token and beside the host's own cache.
    """

    def __init__(self, max_bytes: int | None = None):
        self.max_bytes = max_bytes or int(float(os.environ.get("GENART_MODEL_MEMORY_MB", "2000")) * 1e6)
        self._models: OrderedDict[str, ImageModel] = OrderedDict()
        self._kept: dict[str, ImageModel] = {}
        self._lock, self._from_disk, self._from_hub = threading.Lock(), threading.Lock(), threading.Lock()

    def get(self, name: object, trusted: bool = False, agreed: bool = False) -> ImageModel:
        """The model of a bundled name or a Hub id.

        trusted: the name comes from the host, not from the page, and may be a folder. agreed: a big pipeline that the app offers.
        """
        name = str(name).strip() if trusted else self.check(name)
        if (model := self._known(name)) is not None:
            return model
        if (mine := self._host_s(name)) is not None:
            return mine
        if not trusted and bundled_folder(name):
            return self._load(name, {}, self._from_disk)
        with turns.away(turns.LOADING):
            return self._load(name, self._options(name, trusted, agreed), self._from_hub)

    @staticmethod
    def _options(name: str, trusted: bool, agreed: bool) -> dict[str, Any]:
        """How a name is loaded that is not bundled. A token is sent for those that the host names, and no others."""
        if trusted or name == host_s_pipeline():
            return gpu.options(TRUSTED_BYTES)
        if name in host_s_models():
            return {}
        return {"token": False} | gpu.options(TRUSTED_BYTES) if agreed else {"token": False, "cache_dir": readers_cache()}

    def keep(self, model: Any, family: str) -> str:
        """Keep a model that was made here, in place of the one before, under a name that nobody guesses. Returns it."""
        name = f"{HERE}{family}-{secrets.token_hex(4)}"
        mine = copy.deepcopy(model).eval()
        mine.source = Source(name, Path())
        with self._lock:
            self._kept = {name: mine}
        return name

    def is_loaded(self, name: object) -> bool:
        """Whether the model of that name is in memory."""
        with self._lock:
            return str(name).strip() in self._models

    def _known(self, name: str) -> ImageModel | None:
        with self._lock:
            if name in self._models:
                self._models.move_to_end(name)
            if name.startswith(HERE) and name not in self._kept:
                raise GenartError("not_kept", name=name)
            return self._kept.get(name) or self._models.get(name)

    def _host_s(self, name: str) -> ImageModel | None:
        """A model of the host's by the commit that a recipe names, where that is the one that is offered."""
        repo_id, _, commit = name.partition("@")
        for one in host_s_models() if commit else ():
            if one != name and one.partition("@")[0] == repo_id:
                model = self.get(one)
                if model.source and model.source.revision == commit:
                    return model
        return None

    def _load(self, name: str, options: dict[str, Any], one_at_a_time: threading.Lock) -> ImageModel:
        with one_at_a_time:
            if (model := self._known(name)) is not None:
                return model
            try:
                model = auto.from_pretrained(name, **({"device": pick_device()} | options))
            except GenartError as error:
                if options.get("token") is False and error.code in ("hub_no_repo", "hub_gated"):
                    raise GenartError("hub_not_public", name=name) from error
                raise
            if cache := options.get("cache_dir"):
                keep_within(Path(cache), READERS_BYTES, name_of(model))
            with self._lock:
                self._models[name] = model
                while len(self._models) > 1 and sum(map(_memory, self._models.values())) > self.max_bytes:
                    self._models.popitem(last=False)
            return model

    def generative(self, name: object) -> Generative:
        """The same, and it must make pictures from latents."""
        return check_generative(self.get(name))

    def painter(self, name: object) -> ImageModel:
        """The same, and it must make pictures: from latents, or from a text, or from whatever it takes."""
        return check_image_model(self.get(name))

    @staticmethod
    def check(name: object) -> str:
        """A name that may come from a page: never a path."""
        name = name.strip() if isinstance(name, str) else name
        if isinstance(name, str) and bundled_folder(name):
            return name
        if not isinstance(name, str) or not 0 < len(name) <= NAME_LIMIT or not HUB_ID.fullmatch(name):
            if isinstance(name, str) and any(mark in name for mark in ("/", "\\", "..", "~")):
                raise GenartError("path_refused", name=shorten(name))
            raise not_found(name, auto.bundled())
        if Path(name.partition("@")[0]).exists():
            raise GenartError("path_refused", name=shorten(name))
        return name


READERS_BYTES = 5_000_000_000  # on disk, of the models that readers name


def readers_cache() -> Path:
    """The folder beside the Hub's cache for what readers name: what the host has downloaded for itself is not in it."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE).expanduser().with_name("hub-of-readers")


def keep_within(cache: Path, max_bytes: int, newest: str) -> None:
    """Remove from a cache of the Hub the models that were not loaded for the longest time, until it takes at most `max_bytes`."""
    with suppress(OSError):
        os.utime(cache / f"models--{newest.replace('/', '--')}")
    with suppress(OSError):
        folders = sorted(cache.glob("models--*"), key=lambda folder: folder.stat().st_mtime)
        sizes = [sum(file.lstat().st_size for file in folder.rglob("*") if file.is_file() and not file.is_symlink()) for folder in folders]
        for folder, size in list(zip(folders, sizes, strict=True))[:-1]:
            if sum(sizes) <= max_bytes:
                break
            shutil.rmtree(folder, ignore_errors=True)
            sizes.remove(size)


def _memory(model: Any) -> int:
    return 4 * num_parameters(model)
