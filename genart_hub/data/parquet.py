"""Parquet files in the layout of Hugging Face `datasets`."""

import json
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from genart_hub.data.table import ROWS, Row, Source, Table, _stamp
from genart_hub.errors import GenartError, first_line, shorten


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
    return Table(total, batches, class_labels.get(label or "", ()), columns, names, names_files=True, label=label)


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


def _own_file(path: Any, place: _Place, row: int) -> Path:
    """The file that a row names. Raises GenartError where it lies, links followed, outside of the dataset's own folders."""
    try:
        file = os.path.realpath(place.folder / path)
        if any(os.path.commonpath([file, root]) == root for root in map(os.path.realpath, place.own)):
            return place.folder / path
    except (TypeError, ValueError):  # no text, one with a null byte, or another drive
        pass
    raise GenartError("picture_outside", file=str(place.name), row=row, value=shorten(path))
