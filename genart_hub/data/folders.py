"""Folders of pictures: class folders, metadata and splits as Hugging Face `imagefolder` has them."""

import csv
import io
import json
import os
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from genart_hub.data.parquet import _image_column, _parquet_source, _schema
from genart_hub.data.table import ROWS, SPLIT_OF, SUFFIXES, Row, Source, Table, _chosen_split, _leads_up, _stamp
from genart_hub.errors import GenartError, first_line, shorten

METADATA = ("metadata.jsonl", "metadata.csv")


# ---- where pictures come from ----


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
    names = dict.fromkeys(name for values in about.values() for name in values)
    has_labels = "label" in names
    columns = tuple(name for name in names if name != "label")
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
