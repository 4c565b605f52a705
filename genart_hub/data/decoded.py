"""Pictures decoded once, into a file that stays mapped."""

import errno
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
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from genart_hub.data.pictures import Pictures
from genart_hub.data.table import ROWS, Row, Table, _size_and_time
from genart_hub.errors import GenartError, first_line, shorten, whole
from genart_hub.images import as_uint8, flatten, open_picture, read_header

GREY = ("1", "L", "I", "F", "LA", "La")
DECODING = 3  # counts up when the same file would become other pixels, or more is kept of it
CACHE_VARIABLE = "GENART_CACHE"
PICTURES, INDEX, UNFINISHED = "pictures.bin", "index.json", ".unfinished"
IN_MEMORY = 1_000_000_000  # bytes that are held in memory where nothing can be kept
NAMED = 10  # broken pictures
WORKERS = min(4, os.cpu_count() or 1)


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

    digest, broken, labels, outside = hashlib.sha256(), [], [], {}
    values: list[list[Any]] = [[] for _ in table.columns]
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
        digest.update(torch.tensor(numbers, dtype=torch.int64).numpy().data)
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


def cache_folder(cache_dir: str | Path | None = None) -> Path:
    """Where what was worked out once is kept: cache_dir, else GENART_CACHE, else ~/.cache/genart_hub."""
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
