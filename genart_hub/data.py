"""Pictures for training and measuring: a parquet file or a folder becomes one uint8 tensor in memory."""

import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from genart_hub.errors import GenartError, shorten, whole
from genart_hub.images import as_uint8, open_picture

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True)
class Pictures:
    """A dataset: pictures (N, C, H, W) uint8, labels (N,) int64 or None, and what it was read from."""

    pictures: Tensor
    labels: Tensor | None
    path: Path
    class_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.pictures)

    @cached_property
    def sha256(self) -> str:
        """The hash of the pictures and their labels, whatever file they came in."""
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
        return self.labels

    def take(self, indices: Tensor) -> "Pictures":
        """The pictures of these indices, as a dataset."""
        return replace(self, pictures=self.pictures[indices], labels=None if self.labels is None else self.labels[indices])


def to_images(pictures: Tensor) -> Tensor:
    """uint8 in [0, 255] to float32 in [-1, 1]."""
    return pictures.float().div_(127.5).sub_(1)


def load(path: str | Path, size: int | None = None, channels: int | None = None) -> Pictures:
    """Read a parquet file (an `image` column, perhaps a `label` one) or a folder of pictures (with or without class folders).

    size, channels: what every picture is made into; None takes those of the first picture.
    Raises GenartError for a path with no pictures, or with one that cannot be read.
    """
    path = Path(path)
    if size is not None:
        size = whole("data", "size", size, 1, 4096)
    if not path.exists():
        raise GenartError("no_data", path=str(path))
    items, labels, class_names = _from_folder(path) if path.is_dir() else _from_parquet(path)
    if not items:
        raise GenartError("empty_data", path=str(path))
    decoded, broken = [], []
    for name, content in items:
        try:
            picture = open_picture(content, name)
        except GenartError:
            broken.append(name)
            continue
        size = size or min(picture.size)
        channels = channels or (1 if picture.mode in ("1", "L", "I", "F") or picture.mode.startswith("I;16") else 3)
        decoded.append(as_uint8(picture, size, channels))
    if broken:
        raise GenartError("broken_pictures", path=str(path), count=len(broken), first=shorten(broken[0]))
    return Pictures(torch.stack(decoded), None if labels is None else torch.tensor(labels), path, class_names)


def _from_parquet(path: Path) -> tuple[list[tuple[str, io.BytesIO]], list[int] | None, tuple[str, ...]]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise GenartError("needs_package", package="pyarrow", install='"genart-hub[train]"') from error
    try:
        table = parquet.read_table(path)
    except (ArrowException, OSError) as error:
        raise GenartError("empty_data", path=str(path)) from error
    if "image" not in table.column_names:
        raise GenartError("empty_data", path=str(path))
    rows = table.column("image").to_pylist()
    items = [(f"row {k}", io.BytesIO(row["bytes"] if isinstance(row, dict) else row)) for k, row in enumerate(rows) if row]
    labels = table.column("label").to_pylist() if "label" in table.column_names else None
    labels = None if labels is None else [label for label, row in zip(labels, rows, strict=True) if row]
    return items, labels, _class_names(table.schema.metadata)


def _class_names(metadata: dict[bytes, bytes] | None) -> tuple[str, ...]:
    """The names that Hugging Face `datasets` keeps in a parquet file for a ClassLabel column."""
    features = json.loads((metadata or {}).get(b"huggingface", b"{}")).get("info", {}).get("features", {})
    return tuple(features.get("label", {}).get("names", ()))


def _from_folder(path: Path) -> tuple[list[tuple[str, Path]], list[int] | None, tuple[str, ...]]:
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
    class_names = tuple(sorted({file.parent.name for file in files if file.parent != path}))
    labelled = class_names and all(file.parent.parent == path for file in files)
    items = [(str(file.relative_to(path)), file) for file in files]
    return items, [class_names.index(file.parent.name) for file in files] if labelled else None, class_names if labelled else ()


def seeded(seed: int, step: int) -> torch.Generator:
    """A CPU generator that depends on (seed, step) alone: what makes a run that was cut go on with the same bits."""
    return torch.Generator().manual_seed((seed * 1_000_003 + step) % 2**63)


class Batches:
    """An endless shuffle: batch number `step` depends on (seed, step) alone, so a run can go on at any step."""

    def __init__(self, data: Pictures, batch_size: int, seed: int = 0, with_labels: bool = False, device: str | torch.device = "cpu"):
        self.data, self.batch_size, self.seed, self.device = data, whole("Batches", "batch_size", batch_size, 1), seed, device
        self.labels = data.require_labels("train a classifier") if with_labels else None
        if len(data) < batch_size:
            raise GenartError("few_pictures", path=str(data.path), count=len(data), low=batch_size, purpose="the batch size")
        self.per_epoch = len(data) // batch_size
        self._epoch, self._order = -1, torch.empty(0)

    def __getitem__(self, step: int) -> tuple[Tensor, ...]:
        """(x,), or (x, labels). x: (B, C, H, W) in [-1, 1]."""
        epoch, k = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            generator = seeded(self.seed, -1 - epoch)
            self._epoch, self._order = epoch, torch.randperm(len(self.data), generator=generator)
        indices = self._order[k * self.batch_size : (k + 1) * self.batch_size]
        x = self.data.images(indices).to(self.device)
        return (x,) if self.labels is None else (x, self.labels[indices].to(self.device))

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        step = 0
        while True:
            yield self[step]
            step += 1
