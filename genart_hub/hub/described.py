"""What a model can tell of itself, whatever it does: its networks, its weights on disk, a summary."""

import json
import os
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn

from genart_hub.hub.locate import Source

# ---- of whatever is handed in: a model of this library, a plain module, a pipeline; so these ask which ----


def name_of(model: Any) -> str:
    """What a model was loaded by, without its folder's path, or its class."""
    source = getattr(model, "source", None)
    return source.name if source else type(model).__name__


def networks_of(model: Any) -> dict[str, nn.Module]:
    """A module's children, or the networks of a pipeline, by name."""
    parts = dict(model.named_children()) if isinstance(model, nn.Module) else getattr(getattr(model, "pipeline", None), "components", {})
    return {name: part for name, part in parts.items() if isinstance(part, nn.Module)}


def modules_of(model: Any) -> list[nn.Module]:
    """A module itself, or the networks of a pipeline."""
    return [model] if isinstance(model, nn.Module) else list(networks_of(model).values())


def device_of(model: Any) -> torch.device:
    """Where a model's weights are; the CPU for one without any."""
    return next((parameter.device for module in modules_of(model) for parameter in module.parameters()), torch.device("cpu"))


def num_parameters(model: Any) -> int:
    """Those of a module, or of all networks of a pipeline."""
    return sum(parameter.numel() for module in modules_of(model) for parameter in module.parameters())


def weight_files(model: Any) -> tuple[Path, ...]:
    """The safetensors files that a model was loaded from; none where it was made here."""
    source = getattr(model, "source", None)
    return () if source is None else source.files or tuple(filter(None, [source.file]))


def facts(model: Any) -> dict[str, Any]:
    """A summary as JSON values."""
    source, inputs, settings = getattr(model, "source", None), described(model).inputs, getattr(model, "config", {})
    return {
        "name": name_of(model),
        "class": type(model).__name__,
        "family": model.family,
        "inputs": None if inputs is None else ["n", "seed", *inputs],
        "settings": settings if isinstance(settings, dict) else {},
        "parameters": {name: sum(p.numel() for p in part.parameters()) for name, part in networks_of(model).items()},
        "num_parameters": num_parameters(model),
        "bytes": sum(file.stat().st_size for file in weight_files(model)),
        "sha256": source.sha256 if source else None,
        "revision": source.revision if source else None,
    }


def year_of(cls: Any) -> int | None:
    """The year of a class's paper, as its first version on arXiv has it; None for a class that names none."""
    return 2000 + int(cls.arxiv[:2]) if cls.arxiv else None


def begun_in(cls: Any) -> int | None:
    """The year in which a class's kind began, where it says so (`since`), else that of its paper."""
    return getattr(cls, "since", None) or year_of(cls)


def summary(model: Any) -> str:
    """What a model is, in lines: class, settings, inputs, parameters, weights."""
    of = facts(model)
    lines = [f"{of['name']}: {of['class']}, family {of['family']}"]
    lines += [f"  {name}: {json.dumps(value)}" for name, value in of["settings"].items()]
    lines += [] if of["inputs"] is None else [f"  inputs: {', '.join(of['inputs'])}"]
    lines += [f"  parameters of {name}: {count:,}" for name, count in of["parameters"].items()]
    lines.append(f"  parameters: {of['num_parameters']:,}")
    lines += [f"  weights: sha256 {of['sha256']}, {of['bytes']:,} bytes"] if of["sha256"] else []
    lines += [f"  revision: {of['revision']}"] if of["revision"] else []
    return "\n".join(lines)


class Described:
    """The same as a model's own, beside what a card says of it."""

    arxiv: ClassVar[str | None] = None
    about: ClassVar[dict[str, str]] = {}  # what the model is, in "en" and "zh"
    class_names: tuple[str, ...] = ()  # empty: the model knows no classes
    source: Source | None

    @property
    def inputs(self) -> tuple[str, ...] | None:
        """What its `sample` takes beside n and seed; None of a model that makes no pictures."""
        return None

    @property
    def prompted(self) -> bool:
        """Whether it makes pictures of words, and none without them."""
        return "prompt" in (self.inputs or ())

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def num_parameters(self) -> int:
        """The parameters of all its networks."""
        return num_parameters(self)

    @property
    def weight_files(self) -> tuple[Path, ...]:
        """The safetensors files that it was loaded from; none of a model that was made here."""
        return weight_files(self)

    def summary(self) -> str:
        """What the model is, in lines: class, settings, inputs, parameters, weights."""
        return summary(self)

    @property
    def task(self) -> str | None:
        """What it does, by the Hub's name."""
        return None

    def write_pictures(self, folder: str | os.PathLike, name: str, dataset: str | None = None) -> None:
        """What its card shows, and what tests compare with. name: what a picture's recipe calls it."""

    def usage(self, loaded: str) -> list[str]:
        """Lines of code that use it, for its card. loaded: an expression that loads it."""
        return ["", f"model = {loaded}"]


def described(model: Any) -> Described:
    """A model that tells of itself; what there is to tell of one that does not: a class of one's own need be no more than a HubModel."""
    return model if isinstance(model, Described) else Described()
