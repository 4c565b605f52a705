"""Pictures for training and measuring: a folder, parquet files or a dataset of the Hub become one uint8 tensor, decoded once."""

import csv
import errno
import glob
import hashlib
import io
import json
import math
import os
import re
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from PIL import Image
from torch import Tensor

from genart_hub.augment import flip
from genart_hub.errors import GenartError, choice, first_line, number, shorten, whole
from genart_hub.images import as_uint8, flatten, open_picture, read_header
from genart_hub.models.base import MAX_CLASSES

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")
SPLITS = {  # as Hugging Face `datasets` finds them in the names of folders and files
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
SPLIT_OF = {word: split for split, words in SPLITS.items() for word in words}
METADATA = ("metadata.jsonl", "metadata.csv")
HUB_ID = re.compile(r"(\w[\w.-]*/\w[\w.-]*)(?:@(\w[\w./-]*))?")
GREY = ("1", "L", "I", "F", "LA", "La")

DECODING = 3  # counts up when the same file would become other pixels, or more is kept of it
CACHE_VARIABLE = "GENART_CACHE"
PICTURES, INDEX, UNFINISHED = "pictures.bin", "index.json", ".unfinished"
IN_MEMORY = 1_000_000_000  # bytes that are held in memory where nothing can be kept
ROWS = 100
NAMED = 10  # broken pictures
WORKERS = min(4, os.cpu_count() or 1)


@dataclass(frozen=True)
class Pictures:
    """A dataset: pictures (N, C, H, W) uint8, labels (N,) int64 (-1: none) or None, and what it was read from."""

    pictures: Tensor
    labels: Tensor | None
    path: Path
    class_names: tuple[str, ...] = ()
    columns: dict[str, list] = field(default_factory=dict)  # what else is known of each picture: captions, styles, ...
    column_names: dict[str, tuple[str, ...]] = field(default_factory=dict)  # what the numbers of a column stand for
    broken: tuple[str, ...] = ()  # the names of those that could not be read
    digest: str | None = None  # the sha256, where it is known
    part: str = ""  # of the source: the split that was chosen, and whether pictures were padded
    label_column: str | None = "label"  # what the labels are called in the source; they stand in `labels`, not among the columns

    def __len__(self) -> int:
        return len(self.pictures)

    @cached_property
    def sha256(self) -> str:
        """The hash of the pictures and their labels, whatever file they came in."""
        if self.digest:
            return self.digest
        digest = hashlib.sha256(self.pictures.numpy())
        if self.labels is not None:
            digest.update(self.labels.numpy())
        return digest.hexdigest()

    @property
    def num_classes(self) -> int:
        return max(len(self.class_names), 0 if self.labels is None else int(self.labels.max()) + 1)

    def images(self, indices: Tensor | slice = slice(None)) -> Tensor:
        """Pictures as the models take them. Returns (B, C, H, W) float32 in [-1, 1]."""
        return to_images(self.pictures[indices])

    def require_labels(self, purpose: str) -> Tensor:
        if self.labels is None:
            raise GenartError("no_labels", path=str(self.path), purpose=purpose)
        if missing := int((self.labels < 0).sum()):
            raise GenartError("missing_labels", path=str(self.path), count=missing, purpose=purpose)
        whole(str(self.path), "label", int(self.labels.max()), high=MAX_CLASSES - 1)
        return self.labels

    def require_every_class(self) -> None:
        """Refuse a class that has a name, by its folder or in a table, but no pictures."""
        counts = torch.bincount(self.require_labels("train with classes"), minlength=len(self.class_names))
        for name, count in zip(self.class_names, counts.tolist(), strict=False):
            if not count:
                raise GenartError("empty_class", path=str(self.path), name=shorten(name))

    def take(self, indices: Tensor) -> "Pictures":
        """The pictures of these indices, as a dataset."""
        columns = {name: [values[k] for k in indices.tolist()] for name, values in self.columns.items()}
        labels = None if self.labels is None else self.labels[indices]
        return replace(self, pictures=self.pictures[indices], labels=labels, columns=columns, digest=None)

    def column(self, name: str) -> tuple[list, tuple[str, ...]]:
        """What a column holds of each picture, and the names of its numbers where it has any. The labels are a column too (-1: None)."""
        if name in self.columns:
            return self.columns[name], self.column_names.get(name, ())
        if name == self.label_column and self.labels is not None:
            return [None if label < 0 else label for label in self.labels.tolist()], self.class_names
        labels = [self.label_column] if self.labels is not None and self.label_column else []
        raise GenartError("no_column", path=str(self.path), column=name, choices=", ".join([*labels, *self.columns]) or "none")

    def values(self, column: str) -> list:
        """The same by name: what a column holds of each picture, a number that has a name as that name."""
        values, names = self.column(column)
        return [names[value] if isinstance(value, int) and 0 <= value < len(names) else value for value in values]

    def labelled_by(self, column: str) -> "Pictures":
        """The same pictures with another column as their classes, named by its values in the order of the alphabet.

        The column of the labels keeps its own order.
        """
        if column == self.label_column and column not in self.columns:
            return self
        values = [None if value is None else str(value) for value in self.values(column)]
        class_names = tuple(sorted({value for value in values if value is not None}))
        index = {None: -1} | {name: k for k, name in enumerate(class_names)}
        columns, column_names = dict(self.columns), dict(self.column_names)
        if self.label_column and self.labels is not None:
            columns[self.label_column], column_names[self.label_column] = self.column(self.label_column)
        labels = torch.tensor([index[value] for value in values])
        return replace(
            self, labels=labels, class_names=class_names, label_column=column, columns=columns, column_names=column_names, digest=None
        )

    def hold_out(self, column: str) -> tuple[Tensor, Tensor]:
        """Split the pictures so that it can be told how a class is recognised in a variant never seen of it.

        For each class with all variants of `column` (at least three), one variant is held out, chosen by the hash of the class's name.
        Returns the rows to train on, and those held out.
        """
        labels = self.require_labels("hold out variants of each class").tolist()
        values = [str(value) for value in self.column(column)[0]]
        variants = sorted(set(values))
        found: dict[int, set[str]] = {}
        for label, value in zip(labels, values, strict=True):
            found.setdefault(label, set()).add(value)
        names = self.class_names or tuple(map(str, range(self.num_classes)))
        digests = {label: int(hashlib.sha256(names[label].encode()).hexdigest(), 16) for label in found}
        held = {label: variants[digests[label] % len(variants)] for label in found if len(found[label]) == len(variants) >= 3}
        out = torch.tensor([held.get(label) == value for label, value in zip(labels, values, strict=True)])
        if not bool(out.any()):
            raise GenartError("nothing_held_out", path=str(self.path), column=column)
        return (~out).nonzero().squeeze(1), out.nonzero().squeeze(1)


def to_images(pictures: Tensor) -> Tensor:
    """uint8 in [0, 255] to float32 in [-1, 1]."""
    return pictures.float().div_(127.5).sub_(1)


def load(
    path: str | Path,
    size: int | None = None,
    channels: int | None = None,
    *,
    fit: str = "crop",
    split: str = "train",
    max_broken: float = 0.05,
    cache_dir: str | Path | None = None,
    token: str | None = None,
    progress: bool = False,
) -> Pictures:
    """Read a folder of pictures, a parquet file (or a folder or glob of them), or a Hub dataset owner/name[@revision].

    size: of the squares that pictures are made into; None takes the smaller side of the first picture.
    channels: 1 or 3; None takes 3 if any picture has colours. fit: "crop" keeps the centre, "pad" the whole picture.
    split: "train", "test" or "validation", where there are such. max_broken: the share of pictures that may be unreadable.
    What was decoded is kept in cache_dir (GENART_CACHE, or ~/.cache/genart_hub), and is not decoded again until a file changes.
    """
    size = size if size is None else whole("data", "size", size, 1, 4096)
    channels = channels if channels is None else choice("data", "channels", channels, (1, 3))
    fit, max_broken = choice("data", "fit", fit, ("crop", "pad")), number("data", "max_broken", max_broken, 0, 1)
    cache = _cache_folder(cache_dir)
    source = _source(path, split, token, cache)
    key = json.dumps([DECODING, source.identity, size, channels, fit])
    entry = cache / hashlib.sha256(key.encode()).hexdigest()
    pictures = _read_entry(entry, Path(path))
    if pictures is None:
        table = source.open()
        pictures = _build(table, entry, Path(path), *_shape(table, size, channels), fit, max_broken, progress)
    else:
        _check_broken(path, pictures.broken, len(pictures), max_broken)
    part = ", ".join(filter(None, (source.split and f"split {source.split}", "padded" if fit == "pad" else "")))
    return replace(pictures, part=part)


def smallest_side(
    path: str | Path,
    *,
    fit: str = "crop",
    split: str = "train",
    cache_dir: str | Path | None = None,
    token: str | None = None,
    progress: bool = False,
) -> int:
    """The size at which the first picture of a source, given as to `load`, loses nothing: its smaller side, its larger one if padded."""
    choice("data", "fit", fit, ("crop", "pad"))
    cache = _cache_folder(cache_dir)
    source = _source(path, split, token, cache)
    note = cache / "sides" / hashlib.sha256(json.dumps([DECODING, source.identity]).encode()).hexdigest()
    try:
        sides = [int(side) for side in note.read_text(encoding="ascii").split()]
    except (OSError, ValueError):
        sides = []
    if len(sides) != 2:
        sides = _sides(source.open())
        _note(note, "{} {}".format(*sides))
    return max(sides) if fit == "pad" else min(sides)


def _check_broken(path: str | Path, broken: Sequence[str], count: int, max_broken: float) -> None:
    """Say on stderr which pictures are left out beside the `count` good ones, or refuse to go on without so many."""
    total = count + len(broken)
    if not total:
        raise GenartError("empty_data", path=str(path))
    if not broken:
        return
    names = ", ".join(map(shorten, broken[:NAMED])) + (f" and {len(broken) - NAMED:,} more" if len(broken) > NAMED else "")
    print(f"{path}: {len(broken):,} of {total:,} pictures cannot be read: {names}.", file=sys.stderr)
    if not count or len(broken) > max_broken * total:
        limit = f"{100 * max_broken:g}%"
        raise GenartError("broken_pictures", path=str(path), count=len(broken), total=total, limit=limit, first=shorten(broken[0]))


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


def _source(path: str | Path, split: str, token: str | None, cache: Path) -> Source:
    name, path = str(path), Path(path)
    try:
        if path.is_dir():
            return _folder_source(path, split)
        if path.exists():
            return _parquet_source(path, [path])
    except OSError as error:
        raise GenartError("unreadable_data", path=error.filename or name, reason=error.strerror or first_line(error)) from error
    if files := sorted(Path(file) for file in glob.glob(name, recursive=True) if file.endswith(".parquet")):
        return _parquet_source(path, files)
    if (match := HUB_ID.fullmatch(name.replace(os.sep, "/"))) and not name.endswith(".parquet"):
        return _hub_source(match[1], match[2], split, token, cache)
    raise GenartError("no_data", path=name)


def _folder_source(path: Path, split: str) -> Source:
    files = _walk(path)
    pictures = [file for file in files if file.suffix.lower() in SUFFIXES]
    parquet = [file for file in files if file.suffix.lower() == ".parquet" and file.stem != "metadata"]
    if parquet and not (pictures and _image_column(_schema(parquet[0])) is None):
        chosen = _files_of_split(path, parquet, split)
        return _parquet_source(path, chosen)._replace(split=split if len(chosen) < len(parquet) else "")
    root = _folder_of_split(path, pictures, split)
    folders = tuple(sorted(folder.name for folder in root.iterdir() if folder.is_dir() and not _hidden(folder.name)))
    pictures = [file for file in pictures if file.is_relative_to(root)]
    tables = _tables(path, root, pictures)
    identity = _stamp(path, [*pictures, *tables]) + "\n".join(folders)
    return Source(identity, partial(_folder_table, root, pictures, folders, tables), root.name if root != path else "")


def _tables(path: Path, root: Path, pictures: list[Path]) -> list[Path]:
    """The metadata of a folder of pictures: one file a folder, beside the pictures or further up, the nearest last."""
    below = {folder for place in {root, *(file.parent for file in pictures)} for folder in (place, *place.parents)}
    folders = sorted((folder for folder in below if folder.is_relative_to(path)), key=lambda folder: (len(folder.parts), folder))
    found = (next((folder / name for name in METADATA if (folder / name).is_file()), None) for folder in folders)
    return [file for file in found if file]


def _folder_table(root: Path, files: list[Path], folders: tuple[str, ...], tables: list[Path]) -> Table:
    """Labels from the metadata, else from class folders, which there are when every picture lies in a folder of the root."""
    about: dict[Path, dict[str, Any]] = {}
    for file, values in (pair for table in tables for pair in _metadata(table).items() if pair[0].is_relative_to(root)):
        about[file] = about.get(file, {}) | values
    listed = [file for file in about if file.suffix.lower() in SUFFIXES]
    files = sorted({*files, *listed}) if listed else files
    columns = list(dict.fromkeys(name for values in about.values() for name in values))
    has_labels = "label" in columns
    columns = tuple(name for name in columns if name != "label")
    labelled = bool(files) and not has_labels and all(file.parent.parent == root for file in files)
    labelled = labelled and (len(folders) > 1 or not about)

    def row(file: Path) -> Row:
        values = about.get(file, {})
        label = values.get("label") if has_labels else folders.index(file.parent.name) if labelled else None
        return Row(str(file.relative_to(root)), file, label, tuple(values.get(name) for name in columns))

    def batches() -> Iterator[list[Row]]:
        for start in range(0, len(files), ROWS):
            yield [row(file) for file in files[start : start + ROWS]]

    return Table(len(files), batches, folders if labelled else (), columns, label="label" if labelled or has_labels else None)


def _metadata(file: Path) -> dict[Path, dict[str, Any]]:
    """What metadata.jsonl or metadata.csv says of each picture, as Hugging Face `imagefolder` has it."""
    try:
        text = file.read_text(encoding="utf-8-sig")
        if file.suffix == ".csv":
            rows = list(csv.DictReader(io.StringIO(text, newline="")))
        else:
            rows = [json.loads(line) for line in text.split("\n") if line.strip()]
    except (OSError, ValueError, csv.Error, RecursionError) as error:
        raise GenartError("bad_table", file=str(file), reason=first_line(error)) from error
    about = {}
    for k, row in enumerate(rows, 1):
        name = row.get("file_name") if isinstance(row, dict) else None
        if not isinstance(name, str) or not name or "\0" in name or Path(name).is_absolute() or ".." in Path(name).parts:
            raise GenartError("bad_table", file=str(file), reason=GenartError("reason_row", row=k))
        if not isinstance(row.get("label"), str | int | None):
            raise GenartError("bad_table", file=str(file), reason=GenartError("reason_label", row=k, value=shorten(row["label"])))
        about[file.parent / name] = {key: value for key, value in row.items() if key not in ("file_name", None)}
    return about


def _walk(folder: Path) -> list[Path]:
    """All files below a folder but hidden ones, in the order of their names. Links are followed, but never back up."""
    found = []

    def failed(error: OSError) -> None:
        raise error

    for root, folders, files in os.walk(folder, onerror=failed, followlinks=True):
        here = Path(root)
        folders[:] = [name for name in folders if not _hidden(name) and not _leads_up(here / name)]
        found += [here / name for name in files if not _hidden(name)]
    return sorted(file for file in found if file.suffix.lower() in (*SUFFIXES, ".parquet") and file.is_file())


def _hidden(name: str) -> bool:
    return name.startswith((".", "__"))


def _leads_up(folder: Path) -> bool:
    return folder.is_symlink() and folder.parent.resolve().is_relative_to(folder.resolve())


def _folder_of_split(path: Path, pictures: list[Path], split: str) -> Path:
    """The folder train/, test/ or validation/ where there are several or only such (perhaps one folder further down), else the path."""
    parts = {file.relative_to(path).parts[0] for file in pictures}
    folders = [folder for folder in path.iterdir() if folder.is_dir() and not _hidden(folder.name)]
    found = {SPLIT_OF[part.lower()]: path / part for part in sorted(parts) if part.lower() in SPLIT_OF and (path / part).is_dir()}
    if len(found) > 1:  # what lies beside several splits is of none
        return found[_chosen_split(path, split, found)]
    if not parts or not parts <= {folder.name for folder in folders}:
        return path
    if all(folder.name.lower() in SPLIT_OF for folder in folders):
        return found[_chosen_split(path, split, found)]
    if len(folders) == 1 and (inner := _folder_of_split(folders[0], pictures, split)) != folders[0]:
        return inner
    return path


def _files_of_split(path: Path, files: list[Path], split: str) -> list[Path]:
    """The parquet files whose names, or whose folders' names, say that they are of a split; all where a name says nothing."""
    word = re.compile(rf"(?<![a-z])({'|'.join(sorted(SPLIT_OF, key=len, reverse=True))})(?![a-z])")
    splits: dict[str, list[Path]] = {}
    for file in files:
        parts = [file.stem, *reversed(file.relative_to(path).parts[:-1])]
        match = next((match for part in parts if (match := word.search(part.lower()))), None)
        if match:
            splits.setdefault(SPLIT_OF[match[1]], []).append(file)
    if len(splits) < 2 and sum(map(len, splits.values())) < len(files):  # what lies beside several splits is of none
        return files
    return splits[_chosen_split(path, split, splits)]


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


# ---- tables of pictures: parquet files, and datasets of the Hub ----


def _parquet_source(path: Path, files: list[Path]) -> Source:
    return Source(_stamp(path, files), partial(_parquet_table, path, files))


def _parquet_table(path: Path, files: list[Path]) -> Table:
    schema = _schema(files[0])
    class_labels = _class_labels(schema.metadata)
    image, label, columns = _plan(path, schema, class_labels)
    own = [path] if path.is_dir() else []

    def batches() -> Iterator[list[Row]]:
        for file in files:
            prefix, start = "row " if len(files) == 1 else f"{file.name} row ", 0
            with _parquet_errors(file) as parquet, closing(parquet.ParquetFile(file, memory_map=True, pre_buffer=False)) as opened:
                names = set(opened.schema_arrow.names)
                if image not in names:
                    raise GenartError("no_image_column", path=str(file), choices=", ".join(map(shorten, names)) or "none")
                wanted = [name for name in (image, label, *columns) if name in names]
                for batch in opened.iter_batches(ROWS, columns=wanted, use_threads=False):
                    place = _Place(file, file.parent, [file.parent, *own])
                    yield list(_rows(batch, image, label, columns, prefix, start, place))
                    start += batch.num_rows

    total = 0
    for file in files:
        with _parquet_errors(file) as parquet:
            total += parquet.read_metadata(file).num_rows
    names = {name: class_labels[name] for name in columns if name in class_labels}
    return Table(total, batches, class_labels.get(label, ()), columns, names, names_files=True, label=label)


@contextmanager
def _parquet_errors(file: Path) -> Iterator[Any]:
    """pyarrow.parquet, whose errors become one that names the file."""
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise GenartError("needs_package", package="pyarrow", install='"genart-hub[train]"') from error
    try:
        yield parquet
    except PermissionError as error:
        raise GenartError("unreadable_data", path=str(file), reason=error.strerror or first_line(error)) from error
    except (ArrowException, OSError) as error:
        raise GenartError("empty_data", path=str(file)) from error


def _schema(file: Path) -> Any:
    with _parquet_errors(file) as parquet:
        return parquet.read_schema(file)


def _class_labels(metadata: dict[bytes, bytes] | None) -> dict[str, tuple[str, ...]]:
    """The names that Hugging Face `datasets` keeps in a parquet file for each ClassLabel column."""
    try:
        features = json.loads((metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
        return {name: tuple(feature["names"]) for name, feature in features.items() if "names" in feature}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _image_column(schema: Any) -> str | None:
    """`image`, or the first column of structs with bytes."""
    from pyarrow import types

    def holds_pictures(name: str) -> bool:
        kind = schema.field(name).type
        if types.is_struct(kind):
            return kind.get_field_index("bytes") >= 0 and holds_bytes(kind.field("bytes").type)
        return name == "image" and holds_bytes(kind)

    def holds_bytes(kind: Any) -> bool:
        return any(is_kind(kind) for is_kind in (types.is_binary, types.is_large_binary, types.is_binary_view, types.is_null))

    return next((name for name in sorted(schema.names, key=lambda name: name != "image") if holds_pictures(name)), None)


def _plan(path: str | Path, schema: Any, class_labels: dict[str, tuple[str, ...]]) -> tuple[str, str | None, tuple[str, ...]]:
    """Which columns hold the picture, the label (`label`, or the first ClassLabel), and what else is worth keeping."""
    from pyarrow import types

    image = _image_column(schema)
    if image is None:
        raise GenartError("no_image_column", path=str(path), choices=", ".join(map(shorten, schema.names)) or "none")
    kinds = (types.is_integer, types.is_boolean, types.is_string, types.is_large_string, types.is_dictionary, types.is_null)
    candidates = [name for name in schema.names if name == "label" or name in class_labels]
    candidates = [name for name in candidates if any(is_kind(schema.field(name).type) for is_kind in kinds)]
    label = "label" if "label" in candidates else next(iter(candidates), None)
    columns = tuple(name for name in schema.names if name not in (image, label) and not _has_bytes(schema.field(name).type))
    return image, label, columns


def _has_bytes(kind: Any) -> bool:
    from pyarrow import types

    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        return True
    return any(_has_bytes(kind.field(k).type) for k in range(kind.num_fields))


class _Place(NamedTuple):
    """Where rows come from: what an error calls it, the folder that their paths start in, and those that a picture may lie in."""

    name: str | Path
    folder: Path
    own: list[Path]


def _rows(batch: Any, image: str, label: str | None, columns: tuple[str, ...], prefix: str, start: int, place: _Place) -> Iterator[Row]:
    """The rows of a pyarrow batch that have a picture, be it bytes or a path to a file of the dataset's own."""
    known, nothing = set(batch.schema.names), [None] * batch.num_rows
    labels = batch.column(label).to_pylist() if label in known else nothing
    values = [batch.column(name).to_pylist() if name in known else nothing for name in columns]
    for k, picture in enumerate(batch.column(image).to_pylist()):
        if isinstance(picture, dict):
            content = picture.get("bytes")
            content = _own_file(picture["path"], place, start + k) if content is None and picture.get("path") else content
        else:
            content = picture
        if content is not None:
            content = content if isinstance(content, bytes | Path) else b""  # which is no picture: a text would be a path
            yield Row(f"{prefix}{start + k}", content, labels[k], tuple(column[k] for column in values))


def _own_file(path: object, place: _Place, row: int) -> Path:
    """The file that a row names. Raises GenartError where it lies, links followed, outside of the dataset's own folders."""
    try:
        file = os.path.realpath(place.folder / path)
        if any(os.path.commonpath([file, root]) == root for root in map(os.path.realpath, place.own)):
            return place.folder / path
    except (TypeError, ValueError):  # no text, one with a null byte, or another drive
        pass
    raise GenartError("picture_outside", file=str(place.name), row=row, value=shorten(path))


def _hub_source(name: str, revision: str | None, split: str, token: str | None, cache: Path) -> Source:
    """A dataset of the Hub at the commit that the revision stands for now; without a network, at the one it stood for last."""
    from huggingface_hub import HfApi, constants

    from genart_hub.remote import CLIENT, hub_errors, token_for_endpoint

    place = json.dumps([constants.ENDPOINT, name, revision])
    known = cache / "revisions" / hashlib.sha256(place.encode()).hexdigest()
    try:
        with hub_errors(name, revision=revision):
            api = HfApi(token=token_for_endpoint(token), **CLIENT)
            commit = api.dataset_info(name, revision=revision, timeout=constants.HF_HUB_ETAG_TIMEOUT).sha
    except GenartError as error:
        if error.code == "hub_no_repo":
            raise GenartError("hub_no_dataset", name=name) from error
        if error.code not in ("hub_unreachable", "hub_not_cached"):
            raise
        commit = known.read_text(encoding="ascii") if known.is_file() else None
        if not re.fullmatch("[0-9a-f]{40}", commit or ""):
            raise GenartError("hub_no_dataset_now", name=name, endpoint=constants.ENDPOINT) from error

    _note(known, commit)
    identity = json.dumps([constants.ENDPOINT, name, commit, split])
    return Source(identity, partial(_hub_table, name, commit, split, token_for_endpoint(token)), split)


def _hub_table(name: str, commit: str, split: str, token: str | bool | None) -> Table:
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    try:
        import datasets
    except ImportError as error:
        raise GenartError("needs_package", package="datasets", install='"genart-hub[train]"') from error
    with _quiet(datasets):
        try:
            dataset = datasets.load_dataset(name, split=split, revision=commit, token=token)
        except Exception as error:  # whatever its many readers raise
            raise _dataset_error(error, name, split) from error
        for column, feature in dataset.features.items():
            if isinstance(feature, datasets.Image):
                dataset = dataset.cast_column(column, datasets.Image(decode=False))
    built = {part for file in dataset.cache_files for part in Path(file["filename"]).parts if re.fullmatch("[0-9a-f]{40}", part)}
    if built and commit not in built:  # `datasets` falls back to an older one that it holds
        raise _unreachable(name)
    class_labels = {
        column: tuple(feature.names) for column, feature in dataset.features.items() if isinstance(feature, datasets.ClassLabel)
    }
    image, label, columns = _plan(name, dataset.features.arrow_schema, class_labels)
    dataset = dataset.select_columns([column for column in (image, label, *columns) if column]).with_format("arrow")
    downloaded = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=name, repo_type="dataset")
    place = _Place(name, Path(), [downloaded, Path(datasets.config.EXTRACTED_DATASETS_PATH)])

    def batches() -> Iterator[list[Row]]:
        for start in range(0, len(dataset), ROWS):
            yield list(_rows(dataset[start : start + ROWS], image, label, columns, "row ", start, place))

    names = {column: class_labels[column] for column in columns if column in class_labels}
    return Table(len(dataset), batches, class_labels.get(label, ()), columns, names, label=label)


def _dataset_error(error: Exception, name: str, split: str) -> GenartError:
    """What `datasets` raises, as a sentence."""
    from genart_hub.remote import hub_errors

    if isinstance(error, ValueError) and (match := re.match(r"Unknown split .*Should be one of \[(.*)\]", str(error))):
        return GenartError("no_split", path=name, split=shorten(split), choices=match[1].replace("'", ""))
    if "gated dataset" in str(error):
        return GenartError("hub_gated", name=name)
    for cause in filter(None, (error, error.__cause__)):
        if isinstance(cause, ConnectionError) or type(cause).__module__.split(".")[0] in ("httpx", "huggingface_hub"):
            translated = hub_errors(name).translate(cause)
            unreachable = translated is None or translated.code in ("hub_unreachable", "hub_not_cached")
            return _unreachable(name) if unreachable else translated
    return GenartError("bad_dataset", name=name, reason=first_line(error.__cause__ or error))


def _unreachable(name: str) -> GenartError:
    from huggingface_hub import constants

    return GenartError("hub_no_dataset_now", name=name, endpoint=constants.ENDPOINT)


@contextmanager
def _quiet(datasets: Any) -> Iterator[None]:
    """Without the bars and the warnings of `datasets` and of huggingface_hub."""
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
    from huggingface_hub.utils import logging as hub_logging

    logs = ((datasets.logging, datasets.logging.get_verbosity()), (hub_logging, hub_logging.get_verbosity()))
    bars = (
        (datasets.are_progress_bars_disabled(), datasets.disable_progress_bars, datasets.enable_progress_bars),
        (are_progress_bars_disabled(), disable_progress_bars, enable_progress_bars),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for log, _ in logs:
            log.set_verbosity_error()
        for hidden, hide, _ in bars:
            if not hidden:
                hide()
        try:
            yield
        finally:
            for log, level in logs:
                log.set_verbosity(level)
            for hidden, _, show in bars:
                if not hidden:
                    show()


# ---- decoding ----


def _shape(table: Table, size: int | None, channels: int | None) -> tuple[int, int]:
    """The size and the channels that nobody asked for: of the first picture, and whether any has colours, by the headers alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        size = size or whole("data", "size", min(_sides(table)), 1, 4096)
        return size, channels or (3 if any(_has_colours(row) for rows in table.batches() for row in rows) else 1)


def _sides(table: Table) -> tuple[int, int]:
    """The width and the height of the first picture that can be read; 1 where there is none, of which `load` then tells."""
    for rows in table.batches():
        for row in rows:
            if picture := _opened(row):
                picture.close()
                return picture.size
    return 1, 1


def _opened(row: Row) -> Image.Image | None:
    try:
        return open_picture(_file(row.content), row.name)
    except GenartError:
        return None


def _has_colours(row: Row) -> bool:
    try:
        with read_header(_file(row.content)) as picture:
            return picture.mode.split(";")[0] not in GREY
    except Exception:  # a damaged file, of which Pillow may raise anything
        return False


def _file(content: Path | bytes) -> Path | io.BytesIO:
    return io.BytesIO(content) if isinstance(content, bytes) else content


def _decoded(row: Row, size: int, channels: int, fit: str) -> Tensor | None:
    """(channels, size, size) uint8, or None where the picture is broken."""
    try:
        with open_picture(_file(row.content), row.name) as picture:
            return as_uint8(padded(picture, size, channels) if fit == "pad" else picture, size, channels)
    except Exception:  # a damaged file, of which Pillow may raise anything
        return None


def padded(picture: Image.Image, size: int, channels: int) -> Image.Image:
    """The whole of a picture in a square of `size` px, on the colour of its corners (their median)."""
    picture = flatten(picture).convert("L" if channels == 1 else "RGB")
    right, bottom = picture.width - 1, picture.height - 1
    corners = [picture.getpixel(at) for at in ((0, 0), (right, 0), (0, bottom), (right, bottom))]
    levels = zip(*corners, strict=True) if channels == 3 else [corners]
    colour = tuple(sum(sorted(level)[1:3]) // 2 for level in levels)
    scale = size / max(picture.size)
    picture = picture.resize([max(1, round(edge * scale)) for edge in picture.size], Image.Resampling.LANCZOS)
    square = Image.new(picture.mode, (size, size), colour if channels == 3 else colour[0])
    square.paste(picture, ((size - picture.width) // 2, (size - picture.height) // 2))
    return square


def _decode(table: Table, size: int, channels: int, fit: str, write: Callable[[bytes], Any], progress: bool) -> dict[str, Any]:
    """Decode all pictures, a few at a time and in order, and `write` each. Returns what else is known of them, as JSON has it."""
    from tqdm import tqdm

    digest, broken, labels, values, outside = hashlib.sha256(), [], [], [[] for _ in table.columns], {}
    at_once = max(1, min(ROWS, (1 << 26) // (channels * size * size)))
    decode = partial(_decoded, size=size, channels=channels, fit=fit)
    with (
        warnings.catch_warnings(),
        ThreadPoolExecutor(WORKERS) as pool,
        tqdm(total=table.total, unit=" pictures", disable=not progress) as bar,
    ):
        warnings.simplefilter("ignore")
        for batch in table.batches():
            for start in range(0, len(batch), at_once):
                rows = batch[start : start + at_once]
                for row, picture in zip(rows, pool.map(decode, rows), strict=True):
                    if table.names_files and isinstance(row.content, Path):
                        outside[os.path.abspath(row.content)] = _size_and_time(row.content)
                    if picture is None:
                        broken.append(row.name)
                        continue
                    levels = picture.numpy().tobytes()
                    digest.update(levels)
                    write(levels)
                    labels.append(row.label)
                    for column, value in zip(values, row.values, strict=True):
                        column.append(value)
                bar.update(len(rows))
    numbers, class_names = _numbered(labels, table.class_names)
    if numbers is not None:
        digest.update(torch.tensor(numbers, dtype=torch.int64).numpy())
    return {
        "shape": [len(labels), channels, size, size],
        "labels": numbers,
        "class_names": class_names,
        "columns": dict(zip(table.columns, values, strict=True)),
        "column_names": table.column_names,
        "label_column": table.label,
        "broken": broken,
        "outside": outside,
        "sha256": digest.hexdigest(),
    }


def _numbered(labels: list, class_names: tuple[str, ...]) -> tuple[list[int] | None, tuple[str, ...]]:
    """Labels as numbers, -1 for none, and the classes' names; names are numbered in the order of the alphabet."""
    labels = [None if label == "" else label for label in labels]
    known = {label for label in labels if label is not None}
    if any(isinstance(label, str) for label in known):
        if all(re.fullmatch(r"-?\d+", str(label)) for label in known):
            labels = [None if label is None else int(label) for label in labels]
        else:
            names = {str(label) for label in known}
            class_names = class_names if names <= set(class_names) else tuple(sorted(names))
            index = {name: k for k, name in enumerate(class_names)}
            labels = [None if label is None else index[str(label)] for label in labels]
    numbers = [-1 if label is None or label < 0 else whole("data", "label", int(label), high=2**63 - 1) for label in labels]
    return (numbers, class_names) if max(numbers, default=-1) >= 0 else (None, ())


# ---- the cache: what was decoded, one folder for each source and way of decoding ----


def _cache_folder(cache_dir: str | Path | None) -> Path:
    if cache_dir or (cache_dir := os.environ.get(CACHE_VARIABLE)):
        return Path(cache_dir).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "genart_hub"


def _note(file: Path, text: str) -> None:
    """Keep a word for the next start, which does without it where nothing can be written."""
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="ascii")


def _read_entry(entry: Path, path: Path) -> Pictures | None:
    """The pictures of an entry as a memory map, or None where there is none, or a damaged one."""
    try:
        index = json.loads((entry / INDEX).read_text(encoding="utf-8"))
        size = math.prod(index["shape"])
        if (entry / PICTURES).stat().st_size != size:
            return None
        if any(_size_and_time(Path(file)) != then for file, then in index["outside"].items()):
            return None
        levels = torch.from_file(str(entry / PICTURES), shared=False, size=size, dtype=torch.uint8)
        return _from_index(levels, index, path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError):
        return None


def _from_index(levels: Tensor, index: dict[str, Any], path: Path) -> Pictures:
    pictures, labels, columns = levels.view(index["shape"]), index["labels"], index["columns"]
    if any(len(values) != len(pictures) for values in (*columns.values(), *([] if labels is None else [labels]))):
        raise ValueError("The index does not fit the pictures.")
    return Pictures(
        pictures,
        None if labels is None else torch.tensor(labels, dtype=torch.int64),
        path,
        tuple(index["class_names"]),
        columns,
        {name: tuple(names) for name, names in index["column_names"].items()},
        tuple(index["broken"]),
        index["sha256"],
        label_column=index["label_column"],
    )


def _build(table: Table, entry: Path, path: Path, size: int, channels: int, fit: str, max_broken: float, progress: bool) -> Pictures:
    """Decode into an entry of the cache, which is there when it is whole; or into memory where nothing may be written."""
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix=".", suffix=UNFINISHED, dir=entry.parent))
    except OSError as error:
        read_only = error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
        if not read_only or table.total * channels * size * size >= IN_MEMORY:
            raise _cannot_write(entry.parent, error) from error
        levels = bytearray()
        index = _decode(table, size, channels, fit, levels.extend, progress)
        _check_broken(path, index["broken"], index["shape"][0], max_broken)
        return _from_index(torch.frombuffer(levels, dtype=torch.uint8), json.loads(json.dumps(index, default=str)), path)
    _sweep(entry.parent)
    try:
        with open(place / PICTURES, "wb") as file:
            index = _decode(table, size, channels, fit, file.write, progress)
            _check_broken(path, index["broken"], index["shape"][0], max_broken)
            file.flush()
            os.fsync(file.fileno())
        with open(place / INDEX, "w", encoding="utf-8") as file:
            json.dump(index, file, default=str)
            file.flush()
            os.fsync(file.fileno())
        place.chmod(0o755)
        _publish(place, entry)
    except OSError as error:
        raise _cannot_write(entry.parent, error) from error
    finally:
        shutil.rmtree(place, ignore_errors=True)
    pictures = _read_entry(entry, path)
    if pictures is None:
        raise GenartError("cannot_write", path=str(entry), reason=GenartError("reason_gone"))
    return pictures


def _sweep(cache: Path, seconds: float = 3600) -> None:
    """Remove what processes that were killed left behind: unfinished entries to which nobody has written for an hour."""
    for place in cache.glob(f".*{UNFINISHED}"):
        with suppress(OSError):
            if time.time() - max(file.stat().st_mtime for file in (place, *place.iterdir())) > seconds:
                shutil.rmtree(place, ignore_errors=True)


def _publish(place: Path, entry: Path) -> None:
    """Move a finished entry into its place. One that another process put there first is as good; a damaged one makes room."""
    try:
        place.rename(entry)
    except OSError:
        if _read_entry(entry, entry) is None:
            shutil.rmtree(entry, ignore_errors=True)
            entry.unlink(missing_ok=True)
            place.rename(entry)


def _cannot_write(folder: Path, error: OSError) -> GenartError:
    return GenartError("cannot_write", path=str(folder), reason=error.strerror or first_line(error))


# ---- batches ----


def seeded(seed: int, step: int, stream: int = 0) -> torch.Generator:
    """A CPU generator that depends on (seed, step, stream) alone: what makes a run that was cut go on with the same bits."""
    return torch.Generator().manual_seed((seed * 1_000_003 + step + stream * 3_037_000_493**2) % 2**63)


class Batches:
    """An endless shuffle: batch number `step` depends on (seed, step) alone, so a run can go on at any step.

    rows: the indices to draw from (all). weights: (num_classes,) how often a class is drawn, relative to its share of the pictures;
    "balanced" draws all classes equally often. flip: mirror half of the pictures. parts: into how many pieces `part` cuts a batch.
    """

    def __init__(
        self,
        data: Pictures,
        batch_size: int,
        seed: int = 0,
        with_labels: bool = False,
        device: str | torch.device = "cpu",
        rows: Tensor | None = None,
        weights: Tensor | str | None = None,
        flip: bool = False,
        parts: int = 1,
        channels_last: bool = False,
    ):
        self.data, self.batch_size, self.seed, self.device = data, whole("Batches", "batch_size", batch_size, 1), seed, device
        self.rows = torch.arange(len(data)) if rows is None else rows
        self.labels = data.require_labels("train with classes") if with_labels else None
        if len(self.rows) < batch_size:
            raise GenartError("few_pictures", path=str(data.path), count=len(self.rows), low=batch_size, purpose="the batch size")
        if batch_size % parts:
            raise GenartError("uneven_batch", batch_size=batch_size, parts=parts)
        self.weights = None if weights is None else self._row_weights(weights)
        self.flip, self.parts = flip, parts
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.per_epoch = len(self.rows) // batch_size
        self._epoch, self._order = -1, torch.empty(0)

    def __getitem__(self, step: int) -> tuple[Tensor, ...]:
        """(x,), or (x, labels): the whole batch. x: (B, C, H, W) in [-1, 1]."""
        return self._images(step, slice(0, self.batch_size))

    def part(self, step: int, part: int) -> tuple[Tensor, ...]:
        """The same for one of the `parts` pieces of the batch, in order."""
        size = self.batch_size // self.parts
        return self._images(step, slice(part * size, (part + 1) * size))

    def some(self, n: int) -> Tensor:
        """Up to n of the pictures, from all over the dataset. Returns (n, C, H, W) in [-1, 1] on the CPU."""
        return self.data.images(self.picked(n))

    def picked(self, n: int) -> Tensor:
        """The rows of `some`."""
        return self.rows[torch.linspace(0, len(self.rows) - 1, min(n, len(self.rows))).long()]

    def indices(self, step: int, cut: slice = slice(None)) -> Tensor:
        """The rows of the dataset that are in batch `step`, in order."""
        epoch, k = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self._shuffled(seeded(self.seed, -1 - epoch))
        return self._order[k * self.batch_size : (k + 1) * self.batch_size][cut]

    def _images(self, step: int, cut: slice) -> tuple[Tensor, ...]:
        indices = self.indices(step, cut)
        x = self.data.images(indices)
        if self.flip:
            x = flip(x, torch.randint(2, (self.batch_size,), generator=seeded(self.seed, step, stream=1))[cut])
        x = x.to(self.device).contiguous(memory_format=self.memory_format)
        return (x,) if self.labels is None else (x, self.labels[indices].to(self.device))

    def _shuffled(self, generator: torch.Generator) -> Tensor:
        if self.weights is None:
            return self.rows[torch.randperm(len(self.rows), generator=generator)]
        return self.rows[torch.multinomial(self.weights, len(self.rows), replacement=True, generator=generator)]

    def _row_weights(self, weights: Tensor | str) -> Tensor:
        labels = self.data.require_labels("weigh the classes")[self.rows]
        if isinstance(weights, str):
            choice("Batches", "weights", weights, ("balanced",))
            weights = 1 / torch.bincount(labels, minlength=self.data.num_classes).clamp(min=1)
        return weights[labels].double()

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        step = 0
        while True:
            yield self[step]
            step += 1
