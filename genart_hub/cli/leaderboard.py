"""Ranking models from a terminal: leaderboard."""

import argparse
import json
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genart_hub.cli.options import Commands, _title, add_command, add_model, load, print_json
from genart_hub.errors import GenartError
from genart_hub.hub.cards.datasets import DATASETS
from genart_hub.models import auto
from genart_hub.models.base import ImageModel

if TYPE_CHECKING:
    from genart_hub.data import Pictures
    from genart_hub.evaluate.leaderboard import Protocol, Row, Rows

DEFAULT = "emoji64"
TRAIN, TEST = "train.parquet", "test.parquet"
LONGEST_WAIT = timedelta(days=7)  # of a process that has done its share


def add(commands: Commands) -> None:
    """The command of this group with its options."""
    about = "rank models of the same pictures under one protocol, by what one can name first"
    command = add_command(commands, "leaderboard", leaderboard, about)
    add_model(command, "models", nargs="*")
    command.add_argument("--dataset", choices=tuple(DATASETS), help=f"whose bundled models are ranked (that of the models, else {DEFAULT})")
    command.add_argument("--data", metavar="PATH", help=f"a folder with {TRAIN} and {TEST}, or what the models were trained on (./DATASET)")
    command.add_argument(
        "--features",
        action="append",
        metavar="MODEL",
        help="the feature network that ranks; again for one that checks (the bundled ones)",
    )
    command.add_argument("--count", type=int, default=3000, help="the most pictures on each side of a distance (3000)")
    command.add_argument("--prompts", type=int, default=500, help="concepts, or classes in turn, that are asked for (500)")
    command.add_argument("--caption", action="append", metavar="COLUMN", help="prompts; again for another language (text and all text_...)")
    command.add_argument("--seed", type=int, default=0, help="of the generated pictures and of all draws (0)")
    command.add_argument("--rows", metavar="FOLDER", help="where finished rows are kept and found again (in GENART_CACHE)")
    command.add_argument("--anew", action="store_true", help="measure again what is there")
    command.add_argument("--retime", action="store_true", help="take the times of finished rows again, where the machine was busy")
    command.add_argument("--markdown", action="store_true", help="print the tables as Markdown, with standard errors")
    command.add_argument("--json", metavar="FILE", help="also write the numbers here (-: print them alone)")
    command.add_argument("--plot", metavar="FILE", help="also draw quality against time into this PNG")


def leaderboard(options: argparse.Namespace) -> None:
    from genart_hub.evaluate import standings
    from genart_hub.evaluate.plot import plot
    from genart_hub.files import replacing
    from genart_hub.images import save_png

    if options.plot and Path(options.plot).suffix.lower() != ".png":  # before an hour of work
        raise GenartError("not_png", file=Path(options.plot).name)
    board = _board(options)
    if board is None:  # another process prints it
        return None
    if options.json and options.json != "-":
        with replacing(options.json) as file:
            file.write_text(json.dumps(board, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if options.plot:
        save_png(plot(board), options.plot)
    if options.json == "-":
        return print_json(board)
    return print(standings.markdown(board) if options.markdown else standings.terminal(board))


def _board(options: argparse.Namespace) -> dict[str, Any] | None:
    """All rows, measured by this process, or by several that take a share of the models each; None but in the first one."""
    from genart_hub.data.decoded import cache_folder
    from genart_hub.evaluate.features import network_of
    from genart_hub.evaluate.leaderboard import Protocol, Rows, check_trained_on, rows_of
    from genart_hub.evaluate.standings import order

    names, dataset = _names(options)
    with _sharing(options) as (rank, processes, wait):
        networks = tuple(map(network_of, _networks(options, dataset)))
        file, training, unseen = _pictures(options, dataset, networks[0])
        protocol = Protocol(training, unseen, networks, None, options.count, options.prompts, options.seed, tuple(options.caption or ()))
        models = [(_title(name, names), protocol.fits(load(options, name))) for name in names]
        for _, model in models:
            check_trained_on(model, file)
        rows = Rows(options.rows or cache_folder() / "leaderboard")
        mine = _measured(models[rank::processes], protocol, rows, options.anew, options.retime, silent=rank > 0)
        wait()
        if rank:
            return None
        mine = mine if processes == 1 else list(rows_of(models, protocol, rows))
    about = {"command": _command(options), "dataset": dataset, "protocol": protocol.facts, "networks": protocol.facts["networks"]}
    return about | {"rows": order(mine, about["networks"][0])}


def _measured(
    models: list[tuple[str, ImageModel]], protocol: "Protocol", rows: "Rows", anew: bool, retime: bool, silent: bool
) -> list["Row"]:
    """The rows of these models, under a bar that counts the pictures of those that are not there yet."""
    from tqdm import tqdm

    from genart_hub.evaluate.leaderboard import rows_of

    missing = [model for _, model in models if anew or rows.get(protocol.key(model)) is None]
    done: list[Row] = []
    try:
        with tqdm(total=sum(map(protocol.pictures, missing)), unit="picture", disable=True if silent else None) as bar:
            for title, model in models:
                bar.set_description(title)
                done += rows_of([(title, model)], protocol, rows, bar.update, anew, retime)
    except (GenartError, KeyboardInterrupt):
        print(f"{len(done)} of {len(models)} rows are finished and kept: the same command goes on from there.", file=sys.stderr)
        raise
    return done


def _names(options: argparse.Namespace) -> tuple[list[str], str]:
    """The models to rank, each once, and their dataset: the one that is asked for, else that of the bundled ones among them."""
    drawing = auto.bundled()
    of = {name: dataset for dataset in DATASETS for name in auto.list_models(dataset=dataset)}
    names = list(dict.fromkeys(options.models))
    dataset = options.dataset or next((of[name] for name in names if name in of), DEFAULT)
    for name in names:
        if of.get(name, dataset) != dataset:
            raise GenartError("other_board", model=name, of=of[name], dataset=dataset)
    return names or [name for name in drawing if of.get(name) == dataset], dataset


def _networks(options: argparse.Namespace, dataset: str) -> list[str]:
    """The feature networks that are named, else the bundled ones of a dataset: the first one is that which `pick_features` takes too."""
    return options.features or [name for name in auto.bundled("features") if name in auto.list_models(dataset=dataset)]


def _pictures(options: argparse.Namespace, dataset: str, network: Any) -> tuple[Path, "Pictures", "Pictures | None"]:
    """The training pictures' file, these pictures at the size of the feature network, and unseen ones where a file of them lies beside."""
    from genart_hub import data

    place = Path(options.data or dataset)
    file = place / TRAIN if (place / TRAIN).is_file() else place
    if not file.exists():
        raise GenartError("no_board_pictures", path=str(options.data or place / TRAIN))
    asked: dict[str, Any] = {"size": network.image_size, "channels": network.channels}
    test = file.parent / TEST
    unseen = data.load(test, split="test", **asked) if file.name == TRAIN and test.is_file() else None
    return file, data.load(file, split="train", **asked), unseen


@contextmanager
def _sharing(options: argparse.Namespace) -> Iterator[tuple[int, int, Callable[[], None]]]:
    """This process's number, how many there are, and what waits for all: torchrun and accelerate launch start several."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield 0, 1, lambda: None
        return
    try:
        from accelerate import PartialState
    except ImportError as error:
        raise GenartError("needs_package", package="accelerate", install='"genart-hub[train]"') from error
    from genart_hub.devices import pick_device

    state = PartialState(cpu=pick_device(options.device).type == "cpu", timeout=LONGEST_WAIT)
    options.device = str(state.device)
    try:
        yield state.process_index, state.num_processes, state.wait_for_everyone
    finally:
        state.destroy_process_group()


def _command(options: argparse.Namespace) -> str:
    """The command that was given, with the last names of paths only: a table carries no path of anybody's machine."""
    words = [word for word in options.arguments if word not in ("--anew", "--retime", "-q", "--quiet")]
    for flag in ("--rows", "--device"):
        if flag in words:
            del words[words.index(flag) : words.index(flag) + 2]
    return "genart-hub " + shlex.join("/".join(Path(word).parts[-2:]) if Path(word).is_absolute() else word for word in words)
