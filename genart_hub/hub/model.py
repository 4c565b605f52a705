"""Saving and strict loading: config.json and model.safetensors, in a folder or on the Hub. No pickle, nothing silently wrong."""

import inspect
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from genart_hub import __version__
from genart_hub.errors import GenartError, shorten
from genart_hub.files import num_elements, replacing, save_tensors, saving, sweep
from genart_hub.hub.cards import ablation, markdown, models, tables
from genart_hub.hub.described import described, num_parameters
from genart_hub.hub.loading import _parameters, aliases_of, blank, load_folder, signature_of
from genart_hub.hub.locate import MAX_BYTES, Location, Source, locate, read_config
from genart_hub.hub.names import CONFIG, CONFIG_LIMIT, WEIGHTS
from genart_hub.hub.publish import PUBLISHED, Publishable


class HubModel(Publishable):
    """What a module needs to be saved, published and loaded: `class MyGAN(nn.Module, HubModel)`.

    The constructor's arguments are the config, so they must be JSON values. Those of **kwargs stand among the others, those of *args in
    a list under its name. When a model is loaded, its constructor runs on torch's meta device: it may build layers and buffers, but not
    read the values of a tensor (`.item()`, `.tolist()`).
    """

    default_preset: ClassVar[str] = "default"  # of its family's task
    sizes: ClassVar[tuple[int, ...]] = ()  # the sides in pixels that training chooses from, unless told (empty: that of the pictures)
    channels_last: ClassVar[bool] = False  # whether it trains faster in that memory format
    extra_files: ClassVar[tuple[str, ...]] = ()  # that lie beside the weights, without which it does not load: read and written below
    _write_card = staticmethod(models.write_card)
    config: dict[str, Any]
    source: Source | None = None
    _arguments: dict[str, Any]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not issubclass(cls, nn.Module):
            raise TypeError(f"{cls.__name__} must be a module too: class {cls.__name__}(nn.Module, HubModel).")

    def __new__(cls, /, *args: Any, **kwargs: Any) -> Self:
        model = super().__new__(cls)
        bound = signature_of(cls).bind_partial(model, *args, **kwargs)
        bound.apply_defaults()
        model.__dict__["_arguments"] = dict(list(bound.arguments.items())[1:])
        model.__dict__["config"] = model._arguments  # a class may use the name for something of its own
        return model

    def save_pretrained(self, folder: str | os.PathLike, *, dtype: torch.dtype | None = None) -> Path:
        """Write config.json and model.safetensors into `folder`, each beside its place and then moved. Returns the folder.

        dtype: of the file's numbers; torch.float16 halves it, and from_pretrained gives float32 again.
        """
        folder = Path(folder)
        config = json.dumps(json_config(self), indent=2) + "\n"
        if len(config) > CONFIG_LIMIT:  # it could not be read again
            raise GenartError("config_too_large", file=str(folder / CONFIG), size=len(config), limit=CONFIG_LIMIT)
        tensors = _tensors_to_save(self)
        if dtype is not None:
            tensors = {key: tensor.to(dtype) if tensor.is_floating_point() else tensor for key, tensor in tensors.items()}
        metadata = {"format": "pt", "genart_hub_version": __version__}
        sweep(folder)
        if self.extra_files:
            with saving(folder) as place:
                self.write_files(place)
        save_tensors(tensors, folder / WEIGHTS, metadata)
        with replacing(folder / CONFIG) as file:
            file.write_text(config, encoding="utf-8")
        return folder

    def read_files(self, files: dict[str, Path]) -> None:
        """Take up what lies beside the weights. files: where each of `extra_files` is."""

    def write_files(self, folder: Path) -> None:
        """Write each of `extra_files` into a folder."""

    @classmethod
    def outline(cls, folder: Path) -> dict[str, Any]:
        """What a listing says of the model in a folder, of which no weights are read: sizes, parameters, and what it takes and draws."""
        model: Any = blank(cls, folder)
        about = {key: getattr(model, key, None) for key in ("image_size", "channels")} | {"num_parameters": num_parameters(model)}
        about["bytes"], inputs = (folder / WEIGHTS).stat().st_size, described(model).inputs
        return about if inputs is None else about | {"inputs": ["n", "seed", *inputs], "classes": list(model.class_names)}

    def _write_published(self, folder: Path, repo_id: str, license: str | None, dataset: str | None) -> Sequence[str]:
        """config.json, model.safetensors and a card, with the figures that were measured of these weights."""
        self.save_pretrained(folder)
        if self.source:
            names, tensors = [markdown.CARD], _tensors_to_save(self)
            if self.source.holds(tensors, rounded=True):  # else it was trained on
                names.append(tables.TRAINING)
            if self.source.holds(tensors) and (file := self.source.file):  # else its figures are of other weights
                shutil.copy(file, folder / WEIGHTS)  # the very file that was measured, whichever version wrote it, in its precision
                names += [tables.EVALUATION, markdown.NEAREST, ablation.ABLATION, ablation.CURVES]
            for name in names:
                if file := self.source.companion(name):
                    shutil.copy(file, folder / name)
        with torch.no_grad():
            self.write_card(folder, repo_id, license, dataset)
        return (*PUBLISHED, *self.extra_files)

    @classmethod
    def from_pretrained(
        cls,
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
    ) -> Self:
        """Load this class from a bundled name, a folder or a Hub id "owner/name[@revision]", in eval mode.

        token: None for the stored one, False for none. dtype: float32 unless given, whatever is on disk. max_bytes: the most that the
        weights may take, on disk and in memory.
        Raises GenartError, with the cure, for anything that does not fit exactly.
        """
        location = locate(
            name, revision=revision, subfolder=subfolder, token=token, local_files_only=local_files_only, cache_dir=cache_dir
        )  # fmt: skip
        return cls._load(location, variant=variant, device=device, dtype=dtype, max_bytes=max_bytes)

    @classmethod
    def _load(cls, location: Location, *, variant: str | None, max_bytes: int, **options: Any) -> Self:
        """The model that was found. options: device and dtype, of `from_pretrained`."""
        return load_folder(cls, location.fetch(variant, max_bytes), max_bytes=max_bytes, **options)


def outline_of_files(cls: type, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arguments that a model in a folder is made by, and what a listing says of its size, without making it."""
    arguments = {key: value.default for key, value in signature_of(cls).parameters.items()} | read_config(folder)
    sizes = {key: arguments[key] for key in ("image_size", "channels")}
    file = folder / WEIGHTS
    return arguments, sizes | {"num_parameters": num_elements(file), "bytes": file.stat().st_size}


# ---- saving ----


def json_config(model: HubModel) -> dict[str, Any]:
    """What config.json says of `model`: its class, the package's version, and the constructor's arguments."""
    name = type(model).__name__
    for argument, value in model._arguments.items():
        try:
            same = json.loads(json.dumps(value, allow_nan=False)) == _as_lists(value)
        except (TypeError, ValueError, RecursionError) as error:
            raise GenartError("config_not_json", name=name, argument=argument) from error
        if not same:  # the keys of an object that are no texts
            raise GenartError("config_not_json", name=name, argument=argument)
    config, parameters = {"_class_name": name, "genart_hub_version": __version__}, _parameters(type(model))
    for argument, value in model._arguments.items():
        others = parameters[argument].kind is inspect.Parameter.VAR_KEYWORD
        for key, one in value.items() if others else [(argument, value)]:
            if key in config or (others and key in parameters and parameters[key].kind is not inspect.Parameter.VAR_KEYWORD):
                raise GenartError("config_clash", name=name, argument=shorten(key).strip("'"))
            config[key] = one
    return config


def _as_lists(value: Any) -> Any:
    """A value as JSON gives it back: its tuples are lists."""
    if isinstance(value, list | tuple):
        return [_as_lists(one) for one in value]
    return {key: _as_lists(one) for key, one in value.items()} if isinstance(value, dict) else value


def _tensors_to_save(model: Any) -> dict[str, Tensor]:
    """A module's state, with a tied weight under its first name only and nothing that shares memory."""
    aliases = aliases_of(model)
    tensors, storages = {}, set()
    for key, tensor in model.state_dict().items():
        if key in aliases:
            continue
        tensor = tensor.detach().cpu().contiguous()
        storage = tensor.untyped_storage().data_ptr()
        tensors[key] = tensor.clone() if storage in storages else tensor
        storages.add(storage)
    return tensors
