"""Where pictures come from: a folder, parquet files, or a dataset of the Hub, by its name."""

import glob
import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

from genart_hub.data.decoded import DECODING, _build, _check_broken, _note, _read_entry, _shape, _sides, cache_folder
from genart_hub.data.folders import _folder_source
from genart_hub.data.on_hub import _hub_source
from genart_hub.data.parquet import _parquet_source
from genart_hub.data.pictures import Pictures
from genart_hub.data.table import HUB_ID, Source
from genart_hub.errors import GenartError, choice, first_line, number, whole


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
    cache = cache_folder(cache_dir)
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
    cache = cache_folder(cache_dir)
    source = _source(path, split, token, cache)
    note = cache / "sides" / hashlib.sha256(json.dumps([DECODING, source.identity]).encode()).hexdigest()
    try:
        width, height = (int(side) for side in note.read_text(encoding="ascii").split())
    except (OSError, ValueError):
        width, height = _sides(source.open())
        _note(note, f"{width} {height}")
    return max(width, height) if fit == "pad" else min(width, height)


# ---- where pictures come from ----


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
