"""What the commands share: how a model is named, and how an option's text is read."""

import argparse
import json
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from genart_hub.errors import GenartError, first_line
from genart_hub.models import auto
from genart_hub.models.base import Generative, ImageModel
from genart_hub.models.inputs import INPUTS

PIPELINE_BYTES = 20_000_000_000


def load(options: argparse.Namespace, name: str | None = None) -> ImageModel:
    """The model that is named. A pipeline may be as large as they come: the memory that is free is its limit."""
    from genart_hub import devices
    from genart_hub.hub import locate

    name, device = name or options.model, devices.pick_device(options.device)
    if locate.bundled_folder(name) or not locate.locate(name).is_pipeline:  # whose weights have no other limit here
        return auto.from_pretrained(name, device=device)
    return auto.from_pretrained(name, device=device, max_bytes=PIPELINE_BYTES)


def generative(options: argparse.Namespace, name: str | None = None) -> Generative:
    """The same, and it must make pictures from latents."""
    from genart_hub.models.auto import check_generative

    return check_generative(load(options, name))


def _is_first_process() -> bool:
    """Whether this is the process that talks: torchrun and accelerate launch number them."""
    return os.environ.get("RANK", "0") == "0"


def _command(options: argparse.Namespace) -> str:
    """The command that was given, with the folders' names only: a card carries no path of anybody's machine."""
    words = [word for word in options.arguments if word not in ("--resume", "--token", getattr(options, "token", None))]
    short = {options.data: "/".join(Path(options.data).parts[-2:]), options.out: Path(options.out).name}
    return "genart-hub " + shlex.join(short.get(word, word) for word in words)


def _setting(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    try:
        if not name:
            raise ValueError("no name")
        return name, json.loads(value)
    except ValueError as error:
        raise GenartError("bad_setting", text=text, reason=first_line(error)) from error


def _training_pictures(options: argparse.Namespace, read: Callable, network: Any, size: int) -> Any:
    """What --training names, beside the unseen pictures of --data, at a feature network's size; None without it."""
    from genart_hub.evaluate.memorisation import Training, pick_autoencoder

    if not options.training:
        return None
    pictures = read(options.training, size, network.channels, split="train")
    unseen = None if options.data == options.training else read(options.data, size, network.channels)
    return Training(pictures, unseen, network, pick_autoencoder(pictures))


def _title(name: str, names: list[str]) -> str:
    """What a table calls a model: its folder's name, unless two share it; a run's best state keeps the run's name before it."""
    short = [_short(other) for other in names]
    return _short(name) if short.count(_short(name)) == 1 else name


def _short(name: str) -> str:
    return "/".join(Path(name).parts[-2:]) if Path(name).name == "best" else Path(name).name


def _training_of(name: str) -> dict[str, Any] | None:
    from genart_hub.hub.cards.tables import TRAINING, read_json

    return read_json(Path(name) / TRAINING)


Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_inputs(command: argparse.ArgumentParser, *names: str) -> None:
    """An option for each of these inputs of models (all of them, unless named)."""
    for name in names or INPUTS:
        of = INPUTS[name]
        command.add_argument(of.flag, *filter(None, [of.alias]), dest=name, type=of.type, metavar=of.metavar, help=of.help)


def flag(name: str) -> str:
    """How the command line writes an input, or another option."""
    return INPUTS[name].flag if name in INPUTS else f"-{'-' * (len(name) > 1)}{name}"


def add_json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print JSON, for a program to read")


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


def add_command(commands: Commands, name: str, function: Callable[[argparse.Namespace], None], text: str) -> argparse.ArgumentParser:
    """A sub-command that calls `function` with its options."""
    command = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
    command.set_defaults(command=function)
    command.add_argument("--plugin", action="append", metavar="MODULE", help=argparse.SUPPRESS)  # as before the command
    command.add_argument("-q", "--quiet", action="store_true", help="no progress bars")
    command.add_argument("-v", "--verbose", action="store_true", help="what the libraries log, and where an error came from")
    return command


def add_model(command: argparse.ArgumentParser, *flags: str, **options: Any) -> None:
    """The argument that names a model, and --device."""
    command.add_argument(*(flags or ("model",)), help="a bundled name, a folder, or a Hub id owner/name[@revision]", **options)
    command.add_argument("--device", help="auto, cpu, cuda or mps (GENART_DEVICE, else cpu)")
