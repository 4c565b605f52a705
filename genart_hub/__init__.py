"""The development path of AI image making: GAN, VAE and diffusion behind one API, loaded in one line."""

TYPE_CHECKING = False  # typing's own takes milliseconds to import; type checkers know this name too
if TYPE_CHECKING:
    import os
    from typing import Any

    import torch

    from genart_hub.models import MODELS
    from genart_hub.remote import Found

__version__ = "0.3.0"
__all__ = ["MODELS", "bundled", "from_pretrained", "search", "__version__"]

_MODULES = (
    "data",
    "errors",
    "evaluate",
    "hub",
    "images",
    "latents",
    "losses",
    "metrics",
    "models",
    "remote",
    "stable_diffusion",
    "train",
    "ui",
)


def from_pretrained(
    name: "str | os.PathLike",
    *,
    revision: str | None = None,
    subfolder: str | None = None,
    variant: str | None = None,
    token: "str | bool | None" = None,
    device: "str | torch.device" = "cpu",
    dtype: "torch.dtype | None" = None,
    local_files_only: bool = False,
    cache_dir: "str | os.PathLike | None" = None,
    max_bytes: int = 1_000_000_000,
) -> "Any":
    """Load any model, of the class that its config.json names, in eval mode.

    name: a bundled name (see `bundled`); else a folder (written with a separator, or holding a config.json); else a Hub id
    "owner/name[@revision]". token: None for the stored one, False for none. dtype: float32 unless given, whatever is on disk (half of
    it for a pipeline on a GPU). max_bytes: the most that the weights may take.
    A diffusers Stable Diffusion folder or id gives a `stable_diffusion.StableDiffusion`, with the same `sample`.
    Raises errors.GenartError, one line with the cure.
    """
    from genart_hub import hub, stable_diffusion
    from genart_hub.errors import GenartError, shorten
    from genart_hub.models import MODELS

    hub.check_variant(variant)
    location = hub.locate(name, revision=revision, subfolder=subfolder, token=token, local_files_only=local_files_only, cache_dir=cache_dir)
    if location.is_pipeline:
        options = {"device": device, "dtype": dtype, "max_bytes": max_bytes}
        return stable_diffusion.load(location, variant=variant, **options)
    config = hub.read_config(location.folder)
    cls = MODELS.get(config["_class_name"])
    if cls is None:
        file, class_name = str(location.folder / hub.CONFIG), shorten(config["_class_name"]).strip("'")
        raise GenartError("unknown_class", file=file, name=class_name, known=", ".join(MODELS), place=str(name))
    return hub.load_folder(cls, location.fetch(variant, max_bytes), device=device, dtype=dtype, max_bytes=max_bytes)


def bundled(family: str | None = None) -> list[str]:
    """The names of the models in weights/, of one family ("gan", "vae", "diffusion", "features"), or of the first three."""
    from genart_hub import hub
    from genart_hub.errors import choice
    from genart_hub.models import MODELS

    families = ("gan", "vae", "diffusion") if family is None else (choice("bundled", "family", family, FAMILIES),)
    return [name for name in hub.bundled_names() if hub.family_of(hub.bundled_folder(name), MODELS) in families]


def search(
    query: str | None = None, family: str | None = None, author: str | None = None, limit: int = 20, token: "str | bool | None" = None
) -> "list[Found]":
    """The Hub's models of this library: `id`, `family`, `author`, `downloads`, `likes` and `tags` of each, best match first.

    token: None for the stored one, False for none: public models only.
    """
    from genart_hub import remote
    from genart_hub.errors import choice

    if family is not None:
        choice("search", "family", family, FAMILIES)
    return remote.search(query, family, author, limit, token)


FAMILIES = ("gan", "vae", "diffusion", "features")


def __getattr__(name: str) -> "Any":
    """MODELS and the modules are imported when they are first asked for: importing the package costs nothing."""
    from importlib import import_module

    if name == "MODELS":
        return import_module("genart_hub.models").MODELS
    if name in _MODULES:
        return import_module(f"genart_hub.{name}")
    raise AttributeError(f"module 'genart_hub' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULES, "MODELS"])
