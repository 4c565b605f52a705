"""Pictures and tables of pictures, as people put them into a dataset."""

import io
import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from genart_hub import data
from genart_hub.errors import GenartError


def save(file: Path, colour="white", size=(8, 8), mode="RGB", **options) -> Path:
    """A picture of one colour."""
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(file, **options)
    return file


def encoded(colour="white", mode="RGB", size=(4, 4)) -> dict:
    """A picture as a parquet file has it."""
    Image.new(mode, size, colour).save(content := io.BytesIO(), format="PNG")
    return {"bytes": content.getvalue(), "path": None}


def write_parquet(file: Path, columns: dict, class_labels: dict[str, list[str]] | None = None) -> Path:
    """A parquet file, with the names that `datasets` notes for its ClassLabel columns."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet as writer

    features = {name: {"names": names, "_type": "ClassLabel"} for name, names in (class_labels or {}).items()}
    table = pyarrow.table(columns).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    file.parent.mkdir(parents=True, exist_ok=True)
    writer.write_table(table, file)
    return file


def refused(code: str, *arguments, **options) -> GenartError:
    with pytest.raises(GenartError) as error:
        data.load(*arguments, **options)
    assert error.value.code == code
    return error.value


def reds(pictures: data.Pictures) -> list[int]:
    """The red level in the middle of each picture."""
    centre = pictures.pictures.shape[-1] // 2
    return pictures.pictures[:, 0, centre, centre].tolist()


CIFAR = {"fine_label": ["pear", "oak", "apple"], "coarse_label": ["tree", "fruit"]}


def cifar_columns() -> dict:
    """Six pictures as CIFAR-100 has them: of fine classes and, by these, of coarse ones, none of them in the order of the alphabet."""
    return {"img": [encoded((k, 0, 0)) for k in range(6)], "fine_label": [0, 1, 2] * 2, "coarse_label": [1, 0, 1] * 2}


def check_both_labels_can_be_named(pictures: data.Pictures):
    assert pictures.labelled_by("fine_label") is pictures
    assert (pictures.labels.tolist(), pictures.class_names) == ([0, 1, 2] * 2, ("pear", "oak", "apple"))
    coarse = pictures.labelled_by("coarse_label")
    assert (coarse.labels.tolist(), coarse.class_names) == ([0, 1, 0] * 2, ("fruit", "tree"))
    assert coarse.values("fine_label") == ["pear", "oak", "apple"] * 2
    again = coarse.labelled_by("fine_label")
    assert [again.class_names[label] for label in again.labels.tolist()] == ["pear", "oak", "apple"] * 2
    assert sorted(coarse.columns) == ["coarse_label", "fine_label"]
    with pytest.raises(GenartError, match="no column shape; it has fine_label, coarse_label"):
        pictures.labelled_by("shape")


def same(a: data.Pictures, b: data.Pictures) -> bool:
    """Whether two datasets are equal in all that they say."""
    for one in (a, b):
        one.sha256  # noqa: B018 - it is worked out once
    tensors = [torch.equal(a.pictures, b.pictures), a.labels is b.labels is None or torch.equal(a.labels, b.labels)]
    names = ("path", "class_names", "columns", "column_names", "broken", "sha256")
    return all(tensors) and all(getattr(a, name) == getattr(b, name) for name in names)
