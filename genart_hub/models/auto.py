"""Any model by its name: bundled, in a folder, or on the Hub."""

import fnmatch
import os
import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import torch

from genart_hub.errors import GenartError, choice, first_line, shorten, text
from genart_hub.hub import HubModel, client
from genart_hub.hub.cards.datasets import DATASETS
from genart_hub.hub.cards.markdown import known_of
from genart_hub.hub.client import Found
from genart_hub.hub.described import name_of
from genart_hub.hub.locate import MAX_BYTES, bundled_folder, bundled_names, is_pipeline, locate, not_found, read_config
from genart_hub.hub.names import CONFIG, check_variant
from genart_hub.models import MODELS, stable_diffusion
from genart_hub.models.base import Generative, ImageModel
from genart_hub.models.prompted import Prompted

FAMILIES = ("gan", "vae", "diffusion", "features")
Model = TypeVar("Model", bound=HubModel)
Base = TypeVar("Base", bound=ImageModel)


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
) -> ImageModel:
    """Load any model, of the class that its config.json names, in eval mode.

    name: a bundled name (see `bundled`); else a folder (written with a separator, or holding a config.json); else a Hub id
    "owner/name[@revision]". token: None for the stored one, False for none. dtype: float32 unless given, whatever is on disk (half of
    it for a pipeline on a GPU). max_bytes: the most that the weights may take.
    A diffusers Stable Diffusion folder or id gives a `stable_diffusion.StableDiffusion`, with the same `sample`. A feature network has
    `features` in place of it, and a class of one's own what it has: `MyModel.from_pretrained` gives it with its own type.
    Raises errors.GenartError, one line with the cure.
    """
    check_variant(variant)
    location = locate(name, revision=revision, subfolder=subfolder, token=token, local_files_only=local_files_only, cache_dir=cache_dir)
    cls = _class_in(location.folder)
    if cls is None:
        file, class_name = str(location.folder / CONFIG), read_config(location.folder)["_class_name"]
        raise GenartError("unknown_class", file=file, name=shorten(class_name).strip("'"), known=", ".join(MODELS), place=str(name))
    return cls._load(location, variant=variant, device=device, dtype=dtype, max_bytes=max_bytes)


def _class_in(folder: Path) -> Any:
    """The class of a folder's model; None where nobody has registered it."""
    if is_pipeline(folder):  # diffusers' own layout, which names none of ours
        return stable_diffusion.StableDiffusion
    return MODELS.get(read_config(folder)["_class_name"])


def class_of(name: str) -> Any:
    """The class of a bundled model, from its config alone; None where nobody has registered it."""
    folder = bundled_folder(name)
    return _class_in(folder) if folder else None


def families() -> tuple[str, ...]:
    """The families of all classes: the package's own, then those that were registered."""
    return tuple(dict.fromkeys([*FAMILIES, *(cls.family for cls in MODELS.values())]))


def bundled(family: str | None = None) -> list[str]:
    """The names of the models in weights/ that make pictures, or of those of one family ("gan", "vae", "diffusion", "features")."""
    return list_models(family=family) if family is not None else [name for name in bundled_names() if _is_a(name, ImageModel)]


def from_latents() -> list[str]:
    """The names of the bundled models that make a picture from a point of a latent space."""
    return [name for name in bundled_names() if _is_a(name, Generative)]


def with_latents() -> list[str]:
    """The names of the bundled models that have a latent space, those that read words among them."""
    return [name for name in bundled_names() if _is_a(name, Generative) or _is_a(name, Prompted)]


def reconstructing() -> list[str]:
    """The names of the bundled models that can give a picture back: autoencoders of every kind."""
    return [name for name in bundled() if class_of(name).reconstructs]


def embedding() -> list[str]:
    """The names of the bundled models that one can walk through from prompt to prompt."""
    return [name for name in bundled() if class_of(name).embeds]


def _is_a(name: str, base: type) -> bool:
    cls = class_of(name)
    return cls is not None and issubclass(cls, base)  # which of them to offer, before any is loaded


def list_models(pattern: str = "*", family: str | None = None, dataset: str | None = None) -> list[str]:
    """The names of the bundled models, of every family, that match a glob such as "*emoji*"; read from their configs and cards alone.

    dataset: one that the package can attribute, "mnist" or "emoji64".
    """
    pattern = text("list_models", "pattern", pattern, 250)
    if dataset is not None:
        choice("list_models", "dataset", dataset, DATASETS)
    if family is not None:
        choice("list_models", "family", family, families())
    names = [name for name in bundled_names() if fnmatch.fnmatchcase(name, pattern)]
    names = [name for name in names if family is None or family == _family_of(name)]
    return names if dataset is None else [name for name in names if _dataset_of(name) == dataset]


def _family_of(name: str) -> str | None:
    return cls.family if (cls := class_of(name)) else None


def _dataset_of(name: str) -> str | None:
    folder = bundled_folder(name)
    return known_of(folder, name, None, None)[2] if folder else None


def listing(name: str) -> dict[str, Any]:
    """What a bundled model is and takes, as JSON values, from its configs and its weights' headers: nothing is loaded."""
    folder, cls = bundled_folder(name), class_of(name)
    if folder is None or cls is None:
        raise not_found(name)
    return {"name": name, "family": cls.family, "class": cls.__name__, "inputs": None} | cls.outline(folder)


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


def plug(modules: Iterable[str] = ()) -> None:
    """Import modules that register classes of one's own, and those of GENART_PLUGINS: by their dotted names, or as .py files.

    Raises GenartError for one that does not import.
    """
    for name in filter(None, map(str.strip, [*modules, *os.environ.get("GENART_PLUGINS", "").split(",")])):
        try:
            _import(name)
        except GenartError:
            raise
        except (Exception, SystemExit) as error:
            raise GenartError("bad_plugin", module=shorten(name, 250).strip("'"), reason=first_line(error)) from error


def _import(name: str) -> None:
    sys.path.insert(0, str(Path(name).parent) if name.endswith(".py") else "")  # "": the folder that the command was given in
    try:
        import_module(Path(name).stem if name.endswith(".py") else name)
    finally:
        del sys.path[0]


def search(
    query: str | None = None, family: str | None = None, author: str | None = None, limit: int = 20, token: str | bool | None = None
) -> list[Found]:
    """The Hub's models of this library: `id`, `family`, `author`, `downloads`, `likes` and `tags` of each, best match first.

    token: None for the stored one, False for none: public models only.
    """
    if family is not None:
        choice("search", "family", family, families())
    return client.search(query, family, author, limit, token, families())


def check_image_model(model: Any) -> ImageModel:
    """`model`, if it makes pictures; else an error that names bundled ones that do."""
    return _checked(model, ImageModel, "no_image_model", bundled)


def check_generative(model: Any) -> Generative:
    """`model`, if it makes pictures from latents; else an error that names bundled ones that do."""
    return _checked(model, Generative, "not_generative", from_latents)


def check_latent(model: Any) -> ImageModel:
    """`model`, if it has latents, those that read words among them; else an error that names bundled ones that do."""
    if not isinstance(model, Generative | Prompted):
        raise GenartError("not_generative", model=name_of(model), choices=", ".join(with_latents()))
    return model


def _checked(model: Any, base: type[Base], code: str, choices: Callable[[], list[str]]) -> Base:
    # at the door, before anything is asked of the model, which may be a feature network or a class of one's own
    if not isinstance(model, base):
        raise GenartError(code, model=name_of(model), choices=", ".join(choices()))
    return model
