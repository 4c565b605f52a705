"""Any model by its name: bundled, in a folder, or on the Hub."""

import fnmatch
import os
from collections.abc import Callable
from typing import Any, TypeVar

import torch

from genart_hub.errors import GenartError, choice, shorten, text
from genart_hub.hub import HubModel, client
from genart_hub.hub.cards.datasets import DATASETS
from genart_hub.hub.cards.markdown import known_of
from genart_hub.hub.client import Found
from genart_hub.hub.loading import load_folder, read_config
from genart_hub.hub.locate import MAX_BYTES, bundled_folder, bundled_names, family_of, locate
from genart_hub.hub.names import CONFIG, check_variant
from genart_hub.models import MODELS, stable_diffusion
from genart_hub.models.base import Generative

FAMILIES = ("gan", "vae", "diffusion", "features")
Model = TypeVar("Model", bound=HubModel)


def from_pretrained(
    name: str | os.PathLike,
    *,
    revision: str | None = None,
    subfolder: str | None = None,
    variant: str | None = None,
    token: str | bool | None = None,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
    local_files_only: bool = False,
    cache_dir: str | os.PathLike | None = None,
    max_bytes: int = MAX_BYTES,
) -> Any:
    """Load any model, of the class that its config.json names, in eval mode.

    name: a bundled name (see `bundled`); else a folder (written with a separator, or holding a config.json); else a Hub id
    "owner/name[@revision]". token: None for the stored one, False for none. dtype: float32 unless given, whatever is on disk (half of
    it for a pipeline on a GPU). max_bytes: the most that the weights may take.
    A diffusers Stable Diffusion folder or id gives a `stable_diffusion.StableDiffusion`, with the same `sample`.
    Raises errors.GenartError, one line with the cure.
    """
    check_variant(variant)
    location = locate(name, revision=revision, subfolder=subfolder, token=token, local_files_only=local_files_only, cache_dir=cache_dir)
    if location.is_pipeline:
        return stable_diffusion.load(location, variant=variant, device=device, dtype=dtype, max_bytes=max_bytes)
    class_name = read_config(location.folder)["_class_name"]
    if class_name not in MODELS:
        file = str(location.folder / CONFIG)
        raise GenartError("unknown_class", file=file, name=shorten(class_name).strip("'"), known=", ".join(MODELS), place=str(name))
    source = location.fetch(variant, max_bytes)
    return load_folder(MODELS[class_name], source, device=device, dtype=dtype, max_bytes=max_bytes)


def bundled(family: str | None = None) -> list[str]:
    """The names of the models in weights/, of one family ("gan", "vae", "diffusion", "features"), or of the first three."""
    families = FAMILIES[:3] if family is None else (choice("bundled", "family", family, FAMILIES),)
    return [name for name in bundled_names() if family_of(bundled_folder(name), MODELS) in families]


def list_models(pattern: str = "*", family: str | None = None, dataset: str | None = None) -> list[str]:
    """The names of the bundled models, of every family, that match a glob such as "*emoji*"; read from their configs and cards alone.

    dataset: one that the package can attribute, "mnist" or "emoji64".
    """
    pattern = text("list_models", "pattern", pattern, 250)
    if dataset is not None:
        choice("list_models", "dataset", dataset, DATASETS)
    if family is not None:
        choice("list_models", "family", family, FAMILIES)
    names = [name for name in bundled_names() if fnmatch.fnmatchcase(name, pattern)]
    names = [name for name in names if family is None or family_of(bundled_folder(name), MODELS) == family]
    return [name for name in names if dataset is None or known_of(bundled_folder(name), name, None, None)[2] == dataset]


def register(cls: type[Model]) -> type[Model]:
    """Make a class of one's own, a HubModel, one that `from_pretrained` loads by the name in its config. Returns it, as a decorator does.

    Raises GenartError for what is no HubModel, and for the name of another class.
    """
    if not (isinstance(cls, type) and issubclass(cls, HubModel)):
        raise GenartError("not_registrable", value=shorten(cls))
    there = MODELS.setdefault(cls.__name__, cls)
    if (there.__module__, there.__qualname__) != (cls.__module__, cls.__qualname__):
        raise GenartError("class_taken", name=cls.__name__, module=there.__module__)
    MODELS[cls.__name__] = cls  # a cell that runs again defines it anew
    return cls


def search(
    query: str | None = None, family: str | None = None, author: str | None = None, limit: int = 20, token: str | bool | None = None
) -> list[Found]:
    """The Hub's models of this library: `id`, `family`, `author`, `downloads`, `likes` and `tags` of each, best match first.

    token: None for the stored one, False for none: public models only.
    """
    if family is not None:
        choice("search", "family", family, FAMILIES)
    return client.search(query, family, author, limit, token)


def check_generative(model: Any, choices: Callable[[], list[str]] | None = None) -> Generative:
    """`model`, if it makes pictures from latents; else an error that names `choices` (None: the bundled ones that do)."""
    if not isinstance(model, Generative):
        source = getattr(model, "source", None)
        names = choices() if choices else [*bundled("gan"), *bundled("vae")]
        raise GenartError("not_generative", model=source.name if source else type(model).__name__, choices=", ".join(names))
    return model
