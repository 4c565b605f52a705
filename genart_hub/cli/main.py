"""genart-hub: everything of the package from a terminal."""

import argparse
import difflib
import logging
import os
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import genart_hub
from genart_hub.cli import directions, evaluation, generate, leaderboard, publishing, training
from genart_hub.errors import GenartError
from genart_hub.models import auto


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Returns the exit status: 0, 1 for an error that is told in a sentence, 130 after Ctrl-C."""
    words = sys.argv[1:] if arguments is None else arguments
    words = [part for word in words for part in (word.split("=", 1) if word.startswith("--") else [word])]  # --out=x as --out x
    try:
        plugins = {word for before, word in zip(words, words[1:], strict=False) if before == "--plugin"}
        auto.plug(plugins)  # the options below know what they register
        options = parser().parse_args(words)
        options.arguments = [Path(word).name if word in plugins else word for word in words]  # as a card may tell it
        with _as_loud_as(options):
            options.command(options)
    except GenartError as error:
        if "-v" in words or "--verbose" in words:
            traceback.print_exc()
        print(f"genart-hub: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("genart-hub: stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, which offers the nearest word for one that it does not know."""

    def error(self, message: str) -> NoReturn:
        if match := re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message):
            known = [word.strip(" '") for word in match[2].split(",")]
        else:
            match, known = re.search(r"unrecognized arguments: (\S+)", message), [flag for action in self._all() for flag in action]
        word, cure = match[1] if match else "", ""
        if word in known:
            cure = f"Write it {'before the command' if word in self._option_string_actions else 'after a command that takes it'}. "
        elif near := difflib.get_close_matches(word, known, 1):
            cure = f"Did you mean {near[0]}? "
        self.exit(2, f"{self.prog}: {message}. {cure}See {self.prog} --help.\n")

    def _all(self) -> Iterator[list[str]]:
        """The flags of each option, those of the sub-commands among them."""
        for action in self._actions:
            yield list(action.option_strings)
            if isinstance(action, argparse._SubParsersAction):
                for command in action.choices.values():
                    yield from command._all()


def parser() -> argparse.ArgumentParser:
    """The command line: a sub-command a verb."""
    root = Parser(prog="genart-hub", allow_abbrev=False, description="GAN, VAE and diffusion from a terminal.")
    root.add_argument("--version", action="version", version=genart_hub.__version__)
    root.add_argument("--plugin", action="append", default=[], metavar="MODULE", help="import this module first, which registers classes")
    commands = root.add_subparsers(required=True, metavar="command")
    for group in (generate, directions, training, evaluation, leaderboard, publishing):
        group.add(commands)
    return root


@contextmanager
def _as_loud_as(options: argparse.Namespace) -> Iterator[None]:
    """-v: what the libraries log. -q: no progress bars."""
    from tqdm import tqdm

    if options.verbose:
        logging.basicConfig(level=logging.INFO)
    init = tqdm.__init__

    def without_bar(bar: tqdm, *args: Any, **others: Any) -> None:
        init(bar, *args, **others | {"disable": True})

    if options.quiet:
        tqdm.__init__ = without_bar
    try:
        yield
    finally:
        tqdm.__init__ = init
