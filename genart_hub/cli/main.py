"""genart-hub: everything of the package from a terminal."""

import argparse
import os
import sys

import genart_hub
from genart_hub.cli import evaluation, generate, publishing, training
from genart_hub.errors import GenartError


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Returns the exit status: 0, 1 for an error that is told in a sentence, 130 after Ctrl-C."""
    words = sys.argv[1:] if arguments is None else arguments
    words = [part for word in words for part in (word.split("=", 1) if word.startswith("--") else [word])]  # --out=x as --out x
    options = parser().parse_args(words)
    options.arguments = words
    try:
        options.command(options)
    except GenartError as error:
        print(f"genart-hub: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("genart-hub: stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line: a sub-command a verb."""
    root = argparse.ArgumentParser(prog="genart-hub", allow_abbrev=False, description="GAN, VAE and diffusion from a terminal.")
    root.add_argument("--version", action="version", version=genart_hub.__version__)
    commands = root.add_subparsers(required=True, metavar="command")
    for group in (generate, training, evaluation, publishing):
        group.add(commands)
    return root
