"""A dataset in memory: one uint8 tensor, its labels, and what it was read from."""

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from genart_hub.errors import MAX_CLASSES, GenartError, shorten, whole


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
        digest = hashlib.sha256(self.pictures.numpy().data)
        if self.labels is not None:
            digest.update(self.labels.numpy().data)
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
        "style+1" for the column "style" holds out the next one of each class instead, "style+2" the one after it: other splits of the same
        pictures. Returns the rows to train on, and those held out.
        """
        column, turn = (column, 0) if column in self.columns else _turned(column)
        labels = self.require_labels("hold out variants of each class").tolist()
        values = [str(value) for value in self.column(column)[0]]
        variants = sorted(set(values))
        found: dict[int, set[str]] = {}
        for label, value in zip(labels, values, strict=True):
            found.setdefault(label, set()).add(value)
        names = self.class_names or tuple(map(str, range(self.num_classes)))
        digests = {label: int(hashlib.sha256(names[label].encode()).hexdigest(), 16) for label in found}
        held = {label: variants[(digests[label] + turn) % len(variants)] for label in found if len(found[label]) == len(variants) >= 3}
        out = torch.tensor([held.get(label) == value for label, value in zip(labels, values, strict=True)])
        if not bool(out.any()):
            raise GenartError("nothing_held_out", path=str(self.path), column=column)
        return (~out).nonzero().squeeze(1), out.nonzero().squeeze(1)


def _turned(column: str) -> tuple[str, int]:
    """The column that "style+1" names, and by how many variants its split is turned."""
    name, plus, turn = column.rpartition("+")
    return (name, int(turn)) if plus and turn.isdecimal() and len(turn) < 4 else (column, 0)


def to_images(pictures: Tensor) -> Tensor:
    """uint8 in [0, 255] to float32 in [-1, 1]."""
    return pictures.float().div_(127.5).sub_(1)
