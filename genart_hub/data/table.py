"""What a source of pictures gives: rows in batches, as often as they are asked for."""

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from genart_hub.errors import GenartError, shorten

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")


SPLITS = {  # as Hugging Face `datasets` finds them in the names of folders and files
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}


SPLIT_OF = {word: split for split, words in SPLITS.items() for word in words}
HUB_ID = re.compile(r"(\w[\w.-]*/\w[\w.-]*)(?:@(\w[\w./-]*))?")
ROWS = 100


# ---- where pictures come from ----


class Row(NamedTuple):
    """One picture before it is decoded. content: a file's path, or the bytes of one. values: of the table's columns."""

    name: str
    content: Path | bytes
    label: int | str | None
    values: tuple


class Table(NamedTuple):
    """All rows of a source, in batches, as often as they are asked for. total: how many there are at most.

    names_files: whether rows may name files that the source's identity knows nothing of.
    """

    total: int
    batches: Callable[[], Iterator[list[Row]]]
    class_names: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    column_names: dict[str, tuple[str, ...]] = {}
    names_files: bool = False
    label: str | None = None  # the name of the labels' column, where there is one


class Source(NamedTuple):
    """Something to read. identity: changes when the pictures do; found without opening any. split: the one that was chosen of several."""

    identity: str
    open: Callable[[], Table]
    split: str = ""


def _leads_up(folder: Path) -> bool:
    return folder.is_symlink() and folder.parent.resolve().is_relative_to(folder.resolve())


def _chosen_split(path: Path, split: str, found: dict[str, Any]) -> str:
    chosen = SPLIT_OF.get(str(split).lower(), split)
    if chosen not in found:
        raise GenartError("no_split", path=str(path), split=shorten(split), choices=", ".join(sorted(found)))
    return chosen


def _stamp(path: Path, files: list[Path]) -> str:
    """A hash of the place, and of each file's name, size and time."""
    digest = hashlib.sha256(os.fsencode(path.resolve()))
    for file in files:
        found = file.stat()
        digest.update(os.fsencode(file) + f"\0{found.st_size}\0{found.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _size_and_time(file: Path) -> list[int] | None:
    """What changes when a file does; None where there is none."""
    try:
        found = file.stat()
    except OSError:
        return None
    return [found.st_size, found.st_mtime_ns]
