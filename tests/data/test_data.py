"""Folders, parquet files and Hub datasets become one uint8 tensor, kept once decoded, and batches that depend on (seed, step) alone."""

import errno
import hashlib
import io
import json
import os
import shutil
import sys
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hub_server import HubServer, patched_client
from PIL import Image
from postscript import EPS

from genart_hub import data, images
from genart_hub.data import batches, decoded, folders
from genart_hub.data import parquet as parquet_files
from genart_hub.errors import GenartError


def test_a_folder_is_read_in_the_order_of_its_names_with_its_class_folders(picture_folder):
    pictures = data.load(picture_folder)
    assert (pictures.pictures.shape, pictures.pictures.dtype) == ((6, 1, 8, 8), torch.uint8)
    assert (pictures.class_names, pictures.labels.tolist(), pictures.num_classes) == (("cat", "dog"), [0, 0, 0, 1, 1, 1], 2)
    for k, name in enumerate(["cat/0.png", "cat/2.png", "cat/4.png", "dog/1.png", "dog/3.png", "dog/5.png"]):
        assert np.array_equal(pictures.pictures[k, 0], np.asarray(Image.open(picture_folder / name)))


def test_a_flat_folder_has_no_labels_and_says_so_where_they_are_needed(picture_folder):
    pictures = data.load(picture_folder / "cat")
    assert (len(pictures), pictures.labels, pictures.num_classes) == (3, None, 0)
    with pytest.raises(GenartError, match="train a classifier") as error:
        pictures.require_labels("train a classifier")
    assert error.value.code == "no_labels"


def test_a_parquet_file_gives_the_same_pictures_and_its_labels(parquet, picture_folder):
    pictures = data.load(parquet)
    assert (pictures.pictures.shape, pictures.labels.tolist()) == ((12, 1, 8, 8), [0, 1, 2] * 4)
    assert torch.equal(pictures.pictures[0], data.load(picture_folder).pictures[0])


def test_the_class_names_that_datasets_writes_into_a_parquet_file_are_read(parquet):
    import json

    from pyarrow import parquet as files

    table = files.read_table(parquet)
    about = {"info": {"features": {"label": {"names": ["zero", "one", "two"], "_type": "ClassLabel"}}}}
    files.write_table(table.replace_schema_metadata({"huggingface": json.dumps(about)}), parquet)
    assert data.load(parquet).class_names == ("zero", "one", "two")


def test_size_and_channels_are_those_that_were_asked_for(picture_folder):
    assert data.load(picture_folder, size=4, channels=3).pictures.shape == (6, 3, 4, 4)


def test_pixels_reach_the_model_in_minus_one_to_one(picture_folder):
    pictures = data.load(picture_folder)
    torch.testing.assert_close(pictures.images(slice(2)), pictures.pictures[:2].float() / 127.5 - 1)
    assert data.to_images(torch.tensor([0, 255], dtype=torch.uint8)).tolist() == [-1.0, 1.0]


def test_the_hash_is_of_pictures_and_labels_and_not_of_the_place(picture_folder, tmp_path):
    first = data.load(picture_folder)
    picture_folder.rename(tmp_path / "moved")
    assert data.load(tmp_path / "moved").sha256 == first.sha256
    (tmp_path / "moved" / "cat").rename(tmp_path / "moved" / "zebra")
    assert data.load(tmp_path / "moved").sha256 != first.sha256


def test_taking_indices_takes_pictures_and_labels(parquet):
    pictures = data.load(parquet)
    taken = pictures.take(torch.tensor([5, 0]))
    assert torch.equal(taken.pictures, pictures.pictures[[5, 0]])
    assert taken.labels.tolist() == [2, 0]


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda p: None, "no_data"),
        (lambda p: p.mkdir(), "empty_data"),
        (lambda p: p.write_bytes(b"no parquet"), "empty_data"),
        (lambda p: (p.mkdir(), (p / "a.png").write_bytes(b"x"), (p / "b.png").write_bytes(b"y")), "broken_pictures"),
    ],
    ids=["missing", "empty folder", "no parquet", "broken pictures"],
)
def test_what_holds_no_pictures_is_refused_by_its_path(tmp_path, make, code):
    make(tmp_path / "here")
    with pytest.raises(GenartError, match="here") as error:
        data.load(tmp_path / "here")
    assert error.value.code == code


def test_a_parquet_file_without_an_image_column_is_refused(tmp_path):
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"text": ["a"]}), tmp_path / "a.parquet")
    with pytest.raises(GenartError, match="image column"):
        data.load(tmp_path / "a.parquet")


def test_a_parquet_file_with_gaps_in_its_pictures_keeps_each_label_with_its_picture(tmp_path):
    import pyarrow
    from pyarrow import parquet

    Image.new("L", (4, 4), 200).save(content := io.BytesIO(), format="PNG")
    row = {"bytes": content.getvalue(), "path": None}
    parquet.write_table(pyarrow.table({"image": [row, None, row], "label": [4, 5, 6]}), tmp_path / "a.parquet")
    pictures = data.load(tmp_path / "a.parquet")
    assert (len(pictures), pictures.labels.tolist()) == (2, [4, 6])


# ---- folders ----


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


def test_captions_of_metadata_jsonl_stand_beside_their_pictures(tmp_path):
    for k in range(3):
        save(tmp_path / "pictures" / f"{k}.png", (k, 0, 0))
    lines = [{"file_name": f"pictures/{k}.png", "text": f"picture {k}", "likes": k} for k in (2, 0)]
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    pictures = data.load(tmp_path)
    assert (reds(pictures), pictures.labels) == ([0, 1, 2], None)
    assert pictures.columns == {"text": ["picture 0", None, "picture 2"], "likes": [0, None, 2]}


@pytest.mark.parametrize(
    ("labels", "numbers", "names"), [(("dog", "cat", "dog"), [1, 0, 1], ("cat", "dog")), (("2", "0", "1"), [2, 0, 1], ())]
)
def test_labels_of_metadata_csv_are_names_or_numbers(tmp_path, labels, numbers, names):
    for k in range(3):
        save(tmp_path / f"{k}.png")
    lines = ["file_name,label,text", *(f'{k}.png,{label},"a, b"' for k, label in enumerate(labels))]
    (tmp_path / "metadata.csv").write_text("\ufeff" + "\n".join(lines), encoding="utf-8")
    pictures = data.load(tmp_path)
    assert (pictures.labels.tolist(), pictures.class_names, pictures.labels.dtype) == (numbers, names, torch.int64)
    assert pictures.columns == {"text": ["a, b"] * 3}


def test_metadata_lies_beside_its_pictures_or_further_up_and_the_nearest_counts(tmp_path):
    for name in ("cat/a.png", "cat/b.png", "dog/c.png"):
        save(tmp_path / name)
    (tmp_path / "metadata.csv").write_text("file_name,text,year\ncat/a.png,far,1\ndog/c.png,a dog,2\n")
    (tmp_path / "cat" / "metadata.jsonl").write_text('{"file_name": "a.png", "text": "near"}\n{"file_name": "b.png", "text": "b"}')
    pictures = data.load(tmp_path)
    assert pictures.columns == {"text": ["near", "b", "a dog"], "year": ["1", None, "2"]}
    assert (pictures.class_names, pictures.labels.tolist()) == (("cat", "dog"), [0, 0, 1])
    (tmp_path / "cat" / "metadata.jsonl").write_text('{"file_name": "b.png", "text": "anew"}')
    assert data.load(tmp_path).columns["text"] == ["far", "anew", "a dog"]


def test_metadata_beside_class_folders_keeps_their_classes(tmp_path):
    save(tmp_path / "cat" / "a.png")
    save(tmp_path / "dog" / "b.png")
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "dog/b.png", "text": "a dog"}')
    pictures = data.load(tmp_path)
    assert (pictures.labels.tolist(), pictures.columns) == ([0, 1], {"text": [None, "a dog"]})


@pytest.mark.parametrize("text", ["{", '{"text": "a"}', "[]", '{"file_name": "../a.png"}', '{"file_name": "a.png", "label": [1]}'])
def test_metadata_that_names_no_pictures_is_refused_by_its_file(tmp_path, text):
    save(tmp_path / "a.png")
    (tmp_path / "metadata.jsonl").write_text(text)
    assert "metadata.jsonl" in str(refused("bad_table", tmp_path))


def test_pictures_without_a_label_among_others_with_one_are_told_when_labels_are_needed(tmp_path):
    save(tmp_path / "a.png")
    save(tmp_path / "b.png")
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "b.png", "label": "dog"}')
    pictures = data.load(tmp_path)
    assert pictures.labels.tolist() == [-1, 0]
    with pytest.raises(GenartError, match="1 pictures have no label"):
        pictures.require_labels("train with classes")


def test_a_folder_of_splits_gives_the_one_that_was_asked_for(tmp_path):
    for k, split in enumerate(("train", "test", "val")):
        save(tmp_path / split / "cat" / "a.png", (k, 0, 0))
        save(tmp_path / split / "dog" / "b.png", (10 + k, 0, 0))
    for k, split in enumerate(("train", "test", "validation")):
        pictures = data.load(tmp_path, split=split)
        assert (reds(pictures), pictures.class_names) == ([k, 10 + k], ("cat", "dog"))


def test_a_split_that_is_not_there_is_refused_with_those_that_are(tmp_path):
    save(tmp_path / "train" / "a.png")
    (tmp_path / "test").mkdir()
    error = refused("no_split", tmp_path, split="test")
    assert "'test'" in str(error)
    assert error.values["choices"] == "train"


def test_splits_are_found_below_a_single_folder_too(tmp_path):
    save(tmp_path / "data" / "train" / "a.png", (1, 0, 0))
    save(tmp_path / "data" / "test" / "a.png", (2, 0, 0))
    assert reds(data.load(tmp_path, split="test")) == [2]
    save(tmp_path / "flat" / "only" / "a.png")
    assert data.load(tmp_path / "flat").class_names == ("only",)


def test_a_class_that_is_named_like_a_split_stays_a_class(tmp_path):
    save(tmp_path / "train" / "a.png")
    save(tmp_path / "car" / "b.png")
    assert data.load(tmp_path).class_names == ("car", "train")


def test_hidden_files_and_other_suffixes_are_passed_over(tmp_path):
    save(tmp_path / "a.png")
    for name in ("._a.png", ".thumbnails/b.png", "__MACOSX/c.png", "notes.txt", "d.svg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"no picture")
    assert len(data.load(tmp_path, max_broken=0)) == 1
    (tmp_path / "a.png").unlink()
    refused("empty_data", tmp_path)


def test_a_class_folder_may_be_a_link_and_a_link_upwards_is_not_followed(tmp_path):
    save(tmp_path / "elsewhere" / "a.png")
    save(tmp_path / "pictures" / "dog" / "b.png")
    (tmp_path / "pictures" / "cat").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "pictures" / "dog" / "loop").symlink_to(tmp_path / "pictures")
    pictures = data.load(tmp_path / "pictures")
    assert (len(pictures), pictures.class_names) == (2, ("cat", "dog"))


def test_a_folder_that_may_not_be_read_is_told_and_not_passed_over(picture_folder, monkeypatch):
    real = os.scandir

    def scandir(folder):
        if Path(folder).name == "dog":
            raise PermissionError(errno.EACCES, "Permission denied", str(folder))
        return real(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    assert "dog cannot be read (Permission denied)" in str(refused("unreadable_data", picture_folder))


def test_a_class_without_pictures_is_named_when_every_class_is_needed(tmp_path):
    save(tmp_path / "cat" / "a.png")
    (tmp_path / "dog").mkdir()
    pictures = data.load(tmp_path)
    assert pictures.class_names == ("cat", "dog")
    with pytest.raises(GenartError, match="the class 'dog' has no picture") as error:
        pictures.require_every_class()
    assert error.value.code == "empty_class"
    save(tmp_path / "dog" / "b.png")
    assert data.load(tmp_path).require_every_class() is None


# ---- parquet ----


def test_columns_beside_the_picture_and_its_label_are_kept_and_class_labels_stay_numbers(tmp_path):
    columns = {"image": [encoded()] * 3, "label": [1, 0, 1], "style": [2, 0, 1], "text": ["a", "b", None], "mask": [encoded()] * 3}
    file = write_parquet(tmp_path / "a.parquet", columns, {"label": ["x", "y", "z"], "style": ["noto", "blob", "two"]})
    pictures = data.load(file)
    assert (pictures.labels.tolist(), pictures.class_names) == ([1, 0, 1], ("x", "y", "z"))
    assert pictures.columns == {"style": [2, 0, 1], "text": ["a", "b", None]}
    assert pictures.column_names == {"style": ("noto", "blob", "two")}
    assert pictures.labelled_by("style").class_names == ("blob", "noto", "two")
    with pytest.raises(GenartError, match="'z'"):
        pictures.require_every_class()


def test_the_column_label_is_already_the_labels_and_a_picture_without_a_value_has_no_class(picture_folder):
    pictures = data.load(picture_folder)
    assert pictures.labelled_by("label") is pictures
    styled = replace(pictures, columns={"style": ["b", None, "a", "b", None, "a"]}).labelled_by("style")
    assert (styled.labels.tolist(), styled.class_names) == ([1, -1, 0, 1, -1, 0], ("a", "b"))


@pytest.mark.parametrize("label", [10**12, 10**20])
def test_a_label_far_too_large_for_a_class_is_refused_in_a_sentence(label, picture_folder):
    (picture_folder / "metadata.jsonl").write_text(json.dumps({"file_name": "cat/0.png", "label": label}))
    with pytest.raises(GenartError, match="label must be at most") as error:
        data.load(picture_folder).take(torch.tensor([0])).require_every_class()
    assert error.value.code == "too_large"


def test_variants_of_classes_that_have_numbers_only_are_held_out_by_the_numbers():
    rows = [(label, style) for style in "abc" for label in range(4)]
    labels, columns = torch.tensor([label for label, _ in rows]), {"style": [style for _, style in rows]}
    pictures = data.Pictures(torch.zeros(12, 1, 8, 8, dtype=torch.uint8), labels, Path("x"), columns=columns)
    held = [rows[k] for k in pictures.hold_out("style")[1]]
    expected = {label: "abc"[int(hashlib.sha256(str(label).encode()).hexdigest(), 16) % 3] for label in range(4)}
    assert sorted(held) == sorted(expected.items())


def test_the_first_column_with_bytes_and_the_first_class_label_stand_in_for_image_and_label(tmp_path):
    columns = {"text": ["a"], "img": [encoded((7, 0, 0))], "fine_label": [1], "coarse_label": [0]}
    file = write_parquet(tmp_path / "a.parquet", columns, {"fine_label": ["x", "y"], "coarse_label": ["v"]})
    pictures = data.load(file)
    assert (reds(pictures), pictures.labels.tolist(), pictures.class_names) == ([7], [1], ("x", "y"))


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


def test_the_first_of_several_class_labels_can_be_named_as_the_others_can(tmp_path):
    file = write_parquet(tmp_path / "a.parquet", cifar_columns(), CIFAR)
    for _ in range(2):  # decoded, then from the cache
        check_both_labels_can_be_named(data.load(file))


def test_variants_of_one_class_label_are_held_out_by_another(tmp_path):
    rows = [(shape, colour) for colour in range(3) for shape in range(2)]
    columns = {"image": [encoded()] * 6, "colour": [colour for _, colour in rows], "shape": [shape for shape, _ in rows]}
    pictures = data.load(write_parquet(tmp_path / "a.parquet", columns, {"colour": list("rgb"), "shape": ["disc", "box"]}))
    by_shape = pictures.labelled_by("shape")
    held = {by_shape.class_names[by_shape.labels[k]]: columns["colour"][k] for k in by_shape.hold_out("colour")[1].tolist()}
    assert held == {name: int(hashlib.sha256(name.encode()).hexdigest(), 16) % 3 for name in ("box", "disc")}


def test_the_labels_of_a_folder_can_be_named_as_its_columns_can(tmp_path):
    lines = []
    for k, (label, style) in enumerate([("cat", "ink"), ("dog", "ink"), ("cat", "oil")]):
        save(tmp_path / f"{k}.png")
        lines.append(json.dumps({"file_name": f"{k}.png", "label": label, "style": style}))
    (tmp_path / "metadata.jsonl").write_text("\n".join(lines))
    pictures = data.load(tmp_path)
    assert pictures.labelled_by("label") is pictures
    styled = pictures.labelled_by("style")
    assert (styled.class_names, styled.values("label")) == (("ink", "oil"), ["cat", "dog", "cat"])


def test_a_column_of_lists_is_no_class_label_whatever_its_table_says(tmp_path):
    columns = {"image": [encoded()] * 2, "boxes": [[1], [2, 3]], "kind": [1, 0]}
    pictures = data.load(write_parquet(tmp_path / "a.parquet", columns, {"boxes": ["a", "b"], "kind": ["x", "y"]}))
    assert (pictures.label_column, pictures.labels.tolist()) == ("kind", [1, 0])
    assert pictures.labelled_by("boxes").class_names == ("[1]", "[2, 3]")


def test_the_column_named_image_comes_before_other_pictures(tmp_path):
    file = write_parquet(tmp_path / "a.parquet", {"mask": [encoded((1, 0, 0))], "image": [encoded((2, 0, 0))]})
    assert reds(data.load(file)) == [2]


def test_labels_that_are_texts_are_numbered_in_the_order_of_the_alphabet(tmp_path):
    file = write_parquet(tmp_path / "a.parquet", {"image": [encoded()] * 3, "label": ["dog", "cat", "dog"]})
    pictures = data.load(file)
    assert (pictures.labels.tolist(), pictures.class_names) == ([1, 0, 1], ("cat", "dog"))


def test_numbers_below_zero_are_no_labels(tmp_path):
    file = write_parquet(tmp_path / "a.parquet", {"image": [encoded()] * 3, "label": [-1, 1, -5]})
    assert data.load(file).labels.tolist() == [-1, 1, -1]


def test_labels_that_are_all_missing_are_no_labels(tmp_path):
    file = write_parquet(tmp_path / "a.parquet", {"image": [encoded()] * 2, "label": [-1, -1]}, {"label": ["x", "y"]})
    assert data.load(file).labels is None


def test_gaps_take_their_columns_with_them(tmp_path):
    file = write_parquet(tmp_path / "a.parquet", {"image": [encoded(), None, encoded()], "text": ["a", "b", "c"]})
    assert data.load(file).columns == {"text": ["a", "c"]}


def test_a_folder_and_a_glob_of_parquet_files_are_read_in_the_order_of_their_names(tmp_path):
    for k in (2, 0, 1):
        write_parquet(tmp_path / f"part-{k}.parquet", {"image": [encoded((k, 0, 0))], "label": [k]})
    for path in (tmp_path, tmp_path / "part-*.parquet"):
        pictures = data.load(path)
        assert (reds(pictures), pictures.labels.tolist()) == ([0, 1, 2], [0, 1, 2])
    assert reds(data.load(tmp_path / "part-[12].parquet")) == [1, 2]


@pytest.mark.parametrize("name", ["data/{}-00000-of-00001.parquet", "{}.parquet", "default/{}/0000.parquet"])
def test_parquet_files_whose_names_tell_splits_are_not_mixed(tmp_path, name):
    for k, split in enumerate(("train", "test")):
        write_parquet(tmp_path / name.format(split), {"image": [encoded((k, 0, 0))]})
    assert (reds(data.load(tmp_path)), reds(data.load(tmp_path, split="test"))) == ([0], [1])
    assert refused("no_split", tmp_path, split="validation").values["choices"] == "test, train"


def test_a_picture_in_the_readme_of_a_parquet_dataset_is_not_the_dataset(tmp_path):
    save(tmp_path / "preview.png")
    write_parquet(tmp_path / "data" / "train.parquet", {"image": [encoded((9, 0, 0))]})
    assert reds(data.load(tmp_path)) == [9]


def test_a_table_of_numbers_beside_pictures_does_not_hide_them(tmp_path):
    save(tmp_path / "a.png", (5, 0, 0))
    write_parquet(tmp_path / "scores.parquet", {"score": [1.0]})
    assert reds(data.load(tmp_path)) == [5]


# ---- decoding ----


@pytest.fixture
def opened(monkeypatch):
    """The names of the pictures that were opened."""
    names, real = [], images.open_picture
    monkeypatch.setattr(decoded, "open_picture", lambda file, name: (names.append(name), real(file, name))[1])
    return names


def coded_red(mode: str) -> Image.Image:
    """Pure red in any mode that has colours."""
    return Image.new("RGBA" if mode == "RGBA" else "RGB", (4, 4), (255, 0, 0)).convert(mode)


@pytest.mark.parametrize(("mode", "suffix"), [("RGB", "png"), ("RGBA", "png"), ("P", "png"), ("CMYK", "tif"), ("P", "gif")])
def test_red_is_red_in_every_mode(tmp_path, mode, suffix):
    coded_red(mode).save(tmp_path / f"a.{suffix}")
    pictures = data.load(tmp_path)
    assert pictures.pictures.flatten(2)[0].unique(dim=1).tolist() == [[255], [0], [0]]


def test_sixteen_bits_become_eight_and_stay_grey(tmp_path):
    Image.fromarray(np.full((4, 4), 257 * 100, dtype=np.uint16)).save(tmp_path / "a.png")
    assert data.load(tmp_path).pictures.unique().tolist() == [100]


def test_one_coloured_picture_makes_all_of_them_coloured(tmp_path):
    for k in range(3):
        save(tmp_path / f"{k}.png", 50, mode="L")
    assert data.load(tmp_path).pictures.shape[1] == 1
    save(tmp_path / "3.png", (200, 100, 0))
    pictures = data.load(tmp_path)
    assert pictures.pictures[[0, 3], :, 0, 0].tolist() == [[50, 50, 50], [200, 100, 0]]
    assert data.load(tmp_path, channels=1).pictures.shape[1] == 1


def test_a_turned_photo_stands_upright_and_an_animation_gives_its_first_frame(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # its top is on the right
    photo = Image.new("L", (8, 8))
    photo.paste(255, (0, 0, 4, 8))
    photo.save(tmp_path / "a.png", exif=exif)
    frames = [Image.new("L", (8, 8), level) for level in (90, 200)]
    frames[0].save(tmp_path / "b.gif", save_all=True, append_images=frames[1:])
    pictures = data.load(tmp_path, channels=1).pictures[:, 0]
    assert (pictures[0, 0].unique().tolist(), pictures[0, 7].unique().tolist(), pictures[1].unique().tolist()) == ([255], [0], [90])


def test_the_size_is_what_was_asked_for_else_the_first_pictures_smaller_side(tmp_path):
    (tmp_path / "a.png").write_bytes(b"broken")
    save(tmp_path / "b.png", size=(12, 6))
    save(tmp_path / "c.png", size=(30, 40))
    assert [data.load(tmp_path, size, max_broken=0.5).pictures.shape[-1] for size in (None, 8)] == [6, 8]


def test_the_smallest_side_is_the_first_pictures_and_is_noted(tmp_path, opened):
    save(tmp_path / "a.png", size=(12, 6))
    save(tmp_path / "b.png", size=(3, 4))
    assert (data.smallest_side(tmp_path), data.smallest_side(tmp_path, fit="pad")) == (6, 12)
    assert opened == ["a.png"]
    (tmp_path / "a.png").unlink()
    assert data.smallest_side(tmp_path) == 3


def test_crop_keeps_the_centre_and_pad_the_whole_on_the_colour_of_the_corners(tmp_path):
    picture = Image.new("RGB", (8, 4), (10, 20, 30))
    picture.paste((200, 0, 0), (2, 0, 6, 4))
    picture.save(tmp_path / "a.png")
    crop = data.load(tmp_path, size=4).pictures[0]
    assert crop.flatten(1).unique(dim=1).tolist() == [[200], [0], [0]]
    pad = data.load(tmp_path, size=8, fit="pad").pictures[0]
    assert pad[:, [0, 1, 6, 7]].flatten(1).unique(dim=1).tolist() == [[10], [20], [30]]
    assert torch.equal(pad[:, 2:6], torch.from_numpy(np.array(picture)).movedim(-1, 0))


def test_one_odd_corner_does_not_decide_the_colour_of_the_padding():
    picture = Image.new("L", (8, 4), 40)
    picture.putpixel((7, 3), 255)
    square = decoded.padded(picture, 8, 1)
    assert [square.getpixel(at) for at in ((0, 0), (7, 0), (7, 7))] == [40, 40, 40]
    assert decoded.padded(Image.new("L", (4000, 1), 40), 8, 1).size == (8, 8)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"fit": "stretch"}, "not_choice"),
        ({"channels": 2}, "not_choice"),
        ({"size": 0}, "out_of_range"),
        ({"max_broken": 2}, "out_of_range"),
    ],
)
def test_settings_out_of_their_range_are_refused(picture_folder, options, code):
    refused(code, picture_folder, **options)


# ---- broken pictures ----


@pytest.fixture
def damaged(tmp_path):
    """A folder with four pictures that can be read, and four that cannot."""
    for k in range(4):
        save(tmp_path / "damaged" / f"{k}.png", (k, 0, 0))
    (tmp_path / "damaged" / "empty.png").touch()
    (tmp_path / "damaged" / "text.png").write_text("no picture")
    Image.effect_noise((64, 64), 90).save(content := io.BytesIO(), format="JPEG")
    (tmp_path / "damaged" / "cut.jpg").write_bytes(content.getvalue()[: len(content.getvalue()) // 2])
    save(tmp_path / "damaged" / "bomb.png", 0, size=(20_000, 20_000), mode="1")
    return tmp_path / "damaged"


def test_broken_pictures_are_left_out_and_listed(damaged, capsys):
    pictures = data.load(damaged, max_broken=0.5)
    assert (reds(pictures), pictures.broken) == ([0, 1, 2, 3], ("bomb.png", "cut.jpg", "empty.png", "text.png"))
    printed = capsys.readouterr()
    assert "4 of 8 pictures cannot be read: 'bomb.png', 'cut.jpg', 'empty.png', 'text.png'." in printed.err
    assert printed.out == ""


def test_more_broken_pictures_than_are_allowed_stop_the_start_and_leave_nothing(damaged, picture_cache):
    error = refused("broken_pictures", damaged, max_broken=0.49)
    assert "4 of 8" in str(error)
    assert "49%" in str(error)
    assert list(picture_cache.iterdir()) == []


def test_the_limit_holds_for_what_is_in_the_cache_too(damaged):
    data.load(damaged, max_broken=0.5)
    refused("broken_pictures", damaged)


def test_nothing_but_broken_pictures_is_refused_whatever_is_allowed(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    refused("broken_pictures", tmp_path, max_broken=1)


def test_of_many_broken_pictures_ten_are_named(tmp_path, capsys):
    save(tmp_path / "a.png")
    for k in range(12):
        (tmp_path / f"b{k:02}.png").touch()
    data.load(tmp_path, max_broken=1)
    line = capsys.readouterr().err
    assert "'b09.png' and 2 more" in line
    assert "b10" not in line


def test_a_broken_row_takes_its_label_and_its_caption_with_it(tmp_path):
    rows = [encoded((k, 0, 0)) for k in range(3)]
    rows[1]["bytes"] = b"no picture"
    pictures = data.load(write_parquet(tmp_path / "a.parquet", {"image": rows, "label": [4, 5, 6], "text": list("abc")}), max_broken=0.5)
    assert (reds(pictures), pictures.labels.tolist(), pictures.columns, pictures.broken) == (
        [0, 2],
        [4, 6],
        {"text": ["a", "c"]},
        ("row 1",),
    )


def test_a_broken_row_is_named_by_its_number_in_its_file(tmp_path, monkeypatch):
    for module in (decoded, folders, parquet_files):
        monkeypatch.setattr(module, "ROWS", 2)
    for name, k in (("a", 3), ("b", 4)):
        rows = [encoded() for _ in range(5)]
        rows[k]["bytes"] = b"no picture"
        write_parquet(tmp_path / f"{name}.parquet", {"image": rows})
    assert data.load(tmp_path, max_broken=0.5).broken == ("a.parquet row 3", "b.parquet row 4")


def test_a_listed_picture_that_is_missing_counts_as_broken(tmp_path):
    save(tmp_path / "a.png")
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "a.png", "text": "a"}\n{"file_name": "b.png", "text": "b"}')
    pictures = data.load(tmp_path, max_broken=0.5)
    assert (pictures.broken, pictures.columns) == (("b.png",), {"text": ["a"]})


# ---- what strangers put into a dataset ----


@pytest.mark.parametrize("place", ["folder", "metadata", "parquet", "parquet path"])
def test_an_eps_among_the_pictures_is_broken_and_starts_no_program(tmp_path, ghostscript, place):
    folder = tmp_path / "data"
    save(folder / "a.png")
    (folder / "b.png").write_bytes(EPS)
    if place == "metadata":
        (folder / "metadata.jsonl").write_text('{"file_name": "b.png", "text": "b"}')
    if place.startswith("parquet"):
        row = {"bytes": EPS, "path": None} if place == "parquet" else {"bytes": None, "path": "b.png"}
        write_parquet(folder / "a.parquet", {"image": [encoded(), row]})
    assert data.smallest_side(folder) in (4, 8)
    pictures = data.load(folder, max_broken=0.5)
    assert (len(pictures), len(pictures.broken)) == (1, 1)
    assert not ghostscript.exists()


@pytest.mark.parametrize("path", ["{tmp}/secret.png", "../secret.png", "inner/../../secret.png", "link.png", "inner/secret.png", "a\0.png"])
def test_a_row_that_names_a_file_outside_of_its_dataset_is_refused(tmp_path, path):
    save(tmp_path / "secret.png")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "link.png").symlink_to(tmp_path / "secret.png")
    (tmp_path / "data" / "inner").symlink_to(tmp_path)
    row = {"bytes": None, "path": path.format(tmp=tmp_path)}
    file = write_parquet(tmp_path / "data" / "a.parquet", {"image": [encoded(), row]})
    for source in (file, tmp_path / "data"):
        error = refused("picture_outside", source, max_broken=1)
        assert error.values["row"] == 1
        assert "\n" not in str(error)


def test_a_row_may_name_a_file_of_its_dataset_wherever_that_lies(tmp_path, monkeypatch):
    save(tmp_path / "real" / "pictures" / "a.png", (7, 0, 0))
    (tmp_path / "data").symlink_to(tmp_path / "real")  # the whole dataset behind a link
    rows = [{"bytes": None, "path": path} for path in ("../pictures/a.png", str(tmp_path / "data" / "pictures" / "a.png"))]
    file = write_parquet(tmp_path / "real" / "tables" / "a.parquet", {"image": rows})
    monkeypatch.chdir(tmp_path)
    assert reds(data.load("data")) == [7, 7]
    assert refused("picture_outside", file).values["row"] == 0  # of the table alone, its own folder is `tables`


@pytest.mark.parametrize("image", ["secret", {"bytes": "secret", "path": None}, {"bytes": None, "path": "a.png"}])
def test_a_text_where_the_bytes_belong_is_no_path(tmp_path, image):
    secret = str(save(tmp_path / "secret.png"))
    image = secret if image == "secret" else {key: secret if value == "secret" else value for key, value in image.items()}
    write_parquet(tmp_path / "data" / "a.parquet", {"image": [encoded()]})
    write_parquet(tmp_path / "data" / "b.parquet", {"image": [image]})
    assert data.load(tmp_path / "data", max_broken=0.5).broken == ("b.parquet row 0",)
    if image == secret or image["bytes"]:
        refused("no_image_column", tmp_path / "data" / "b.parquet")


# ---- the cache ----


def same(a: data.Pictures, b: data.Pictures) -> bool:
    """Whether two datasets are equal in all that they say."""
    for one in (a, b):
        one.sha256  # noqa: B018 - it is worked out once
    tensors = [torch.equal(a.pictures, b.pictures), a.labels is b.labels is None or torch.equal(a.labels, b.labels)]
    names = ("path", "class_names", "columns", "column_names", "broken", "sha256")
    return all(tensors) and all(getattr(a, name) == getattr(b, name) for name in names)


def test_the_second_start_opens_no_picture_and_says_the_same(parquet, opened):
    first = data.load(parquet)
    assert len(opened) == 13  # one more for the size
    assert same(data.load(parquet), first)
    assert len(opened) == 13


def test_values_that_json_does_not_have_are_the_same_in_both_starts(tmp_path):
    from datetime import date

    file = write_parquet(tmp_path / "a.parquet", {"image": [encoded()], "day": [date(2024, 5, 1)]})
    assert [data.load(file).columns for _ in range(2)] == [{"day": ["2024-05-01"]}] * 2


def test_the_noted_hash_is_the_hash_of_the_pictures_and_labels(parquet):
    pictures = data.load(parquet)
    expected = hashlib.sha256(pictures.pictures.numpy().tobytes() + pictures.labels.numpy().tobytes()).hexdigest()
    by_hand = data.Pictures(pictures.pictures, pictures.labels, parquet)
    assert pictures.digest == pictures.sha256 == by_hand.sha256 == expected
    assert pictures.take(torch.arange(3)).sha256 != expected
    other = replace(pictures, columns={"half": [k // 6 for k in range(12)]}).labelled_by("half")
    assert other.sha256 == hashlib.sha256(pictures.pictures.numpy().tobytes() + other.labels.numpy().tobytes()).hexdigest() != expected


def test_pixels_are_mapped_from_the_file_and_changes_stay_in_memory(parquet, picture_cache):
    pictures = data.load(parquet)
    (file,) = picture_cache.glob("*/pictures.bin")
    before = file.read_bytes()
    assert before == pictures.pictures.numpy().tobytes()
    pictures.pictures.zero_()
    assert file.read_bytes() == before
    assert str(file) in Path("/proc/self/maps").read_text() or not Path("/proc/self/maps").exists()


@pytest.mark.parametrize("change", ["time", "added", "removed", "renamed", "class", "caption"])
def test_a_folder_that_changes_is_read_anew(picture_folder, opened, change):
    data.load(picture_folder)
    opened.clear()
    file = picture_folder / "cat" / "0.png"
    changes = {
        "time": lambda: os.utime(file, ns=(0, 0)),
        "added": lambda: save(picture_folder / "cat" / "9.png"),
        "removed": file.unlink,
        "renamed": lambda: file.rename(picture_folder / "cat" / "9.png"),
        "class": (picture_folder / "bird").mkdir,
        "caption": lambda: (picture_folder / "metadata.jsonl").write_text('{"file_name": "cat/0.png", "text": "a"}'),
    }
    changes[change]()
    data.load(picture_folder)
    assert opened


def test_pictures_that_a_table_names_are_read_anew_when_they_change(tmp_path, opened, monkeypatch):
    save(tmp_path / "a.png", (1, 0, 0))
    rows = [{"bytes": None, "path": "a.png"}, {"bytes": None, "path": "b.png"}, encoded()]
    file = write_parquet(tmp_path / "a.parquet", {"image": rows})
    monkeypatch.chdir(tmp_path)
    before = data.load("a.parquet", max_broken=0.5)
    assert (reds(before)[0], before.broken) == (1, ("row 1",))
    opened.clear()
    assert same(data.load("a.parquet", max_broken=0.5), before)
    assert not opened
    save(tmp_path / "a.png", (2, 0, 0))
    save(tmp_path / "b.png", (3, 0, 0))
    assert reds(data.load(file))[:2] == [2, 3]


@pytest.mark.parametrize("settings", [{"size": 4}, {"channels": 3}, {"fit": "pad"}])
def test_other_settings_are_kept_apart(picture_folder, picture_cache, settings):
    plain = data.load(picture_folder)
    data.load(picture_folder, **settings)
    assert len(list(picture_cache.iterdir())) == 2
    assert same(data.load(picture_folder), plain)


@pytest.mark.parametrize("failure", [KeyboardInterrupt, MemoryError])
def test_a_start_that_is_cut_leaves_no_entry(parquet, picture_cache, monkeypatch, failure):
    def numbered(*_):
        raise failure

    with monkeypatch.context() as patch:
        patch.setattr(decoded, "_numbered", numbered)
        with pytest.raises(failure):
            data.load(parquet)
    assert list(picture_cache.iterdir()) == []
    assert len(data.load(parquet)) == 12


def test_what_a_killed_process_left_is_swept_away_but_not_what_one_writes_now(parquet, picture_cache):
    for name, age in (("old", 7200), ("new", 10)):
        (picture_cache / f".{name}.unfinished").mkdir()
        for file in (picture_cache / f".{name}.unfinished" / "pictures.bin", picture_cache / f".{name}.unfinished"):
            file.touch()
            os.utime(file, (time.time() - age,) * 2)
    data.load(parquet)
    assert [file.name for file in picture_cache.glob(".*")] == [".new.unfinished"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda entry: (entry / "index.json").write_text("{"),
        lambda entry: (entry / "index.json").write_text("[]"),
        lambda entry: (entry / "index.json").unlink(),
        lambda entry: (entry / "pictures.bin").write_bytes(b"short"),
        lambda entry: (entry / "pictures.bin").unlink(),
    ],
)
def test_a_damaged_entry_is_made_anew(parquet, picture_cache, damage):
    first = data.load(parquet)
    digest = first.sha256
    (entry,) = picture_cache.iterdir()
    damage(entry)
    again = data.load(parquet)
    assert (again.sha256, hashlib.sha256(again.pictures.numpy().tobytes() + again.labels.numpy().tobytes()).hexdigest()) == (digest, digest)
    assert list(picture_cache.iterdir()) == [entry]


def test_an_entry_that_another_process_finished_first_is_kept(parquet, picture_cache):
    data.load(parquet)
    (entry,) = picture_cache.iterdir()
    first = (entry / "pictures.bin").stat().st_ino
    decoded._publish(Path(shutil.copytree(entry, picture_cache / "later")), entry)
    assert (entry / "pictures.bin").stat().st_ino == first


def test_the_first_start_shows_its_progress_where_it_is_asked_to(parquet, capsys):
    data.load(parquet, progress=True)
    assert "12/12" in capsys.readouterr().err


def test_a_full_disk_is_told_in_a_sentence(parquet, picture_cache, monkeypatch):
    def fsync(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)
    assert "No space left" in str(refused("cannot_write", parquet))
    assert list(picture_cache.iterdir()) == []


def test_without_a_place_to_write_small_data_is_held_in_memory_and_large_data_refused(parquet, monkeypatch):
    expected = data.load(parquet)

    def mkdtemp(**_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(decoded.tempfile, "mkdtemp", mkdtemp)
    assert same(data.load(parquet, cache_dir=parquet.parent / "read-only"), expected)
    monkeypatch.setattr(decoded, "IN_MEMORY", 12 * 8 * 8)
    refused("cannot_write", parquet, cache_dir=parquet.parent / "read-only")


def test_a_cache_that_is_a_file_is_told_in_a_sentence(parquet):
    assert "tiny.parquet" in str(refused("cannot_write", parquet, cache_dir=parquet))


def test_the_caches_place_is_the_argument_then_the_variable_then_the_homes(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("GENART_CACHE", str(tmp_path / "a"))
    assert (decoded._cache_folder("b"), decoded._cache_folder(None)) == (Path("b"), tmp_path / "a")
    monkeypatch.delenv("GENART_CACHE")
    assert decoded._cache_folder(None) == tmp_path / "genart_hub"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert decoded._cache_folder(None) == Path.home() / ".cache" / "genart_hub"


def test_pictures_on_their_way_are_few_whatever_the_dataset(tmp_path, monkeypatch):
    Image.effect_noise((64, 64), 90).save(content := io.BytesIO(), format="PNG")
    file = write_parquet(tmp_path / "a.parquet", {"image": [{"bytes": content.getvalue(), "path": None}] * 500})
    for module in (decoded, folders, parquet_files):
        monkeypatch.setattr(module, "ROWS", 10)
    tracemalloc.start()
    pictures = data.load(file, size=64, channels=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(pictures) == 500
    assert peak < pictures.pictures.numel() / 2


# ---- datasets of the Hub ----


@pytest.fixture
def shelf(monkeypatch, tmp_path):
    """A Hub with the dataset me/pictures, of three red levels for training and one for testing."""
    pytest.importorskip("datasets")
    columns = {"image": [encoded((k, 0, 0)) for k in range(3)], "label": [1, 0, 1], "text": list("abc")}
    train = write_parquet(tmp_path / "train.parquet", columns, {"label": ["cat", "dog"]}).read_bytes()
    columns = {"image": [encoded((9, 0, 0))], "label": [0], "text": ["d"]}
    test = write_parquet(tmp_path / "test.parquet", columns, {"label": ["cat", "dog"]}).read_bytes()
    monkeypatch.chdir(tmp_path)
    with HubServer(tokens={"my-token": "me", "your-token": "you"}) as hub:
        patched_client(hub, monkeypatch, tmp_path / "hub")
        hub.add("me/pictures", {"data/train-0-of-1.parquet": train, "data/test-0-of-1.parquet": test}, type="dataset")
        yield hub


def test_a_dataset_of_the_hub_is_loaded_by_its_id(shelf, capsys):
    pictures = data.load("me/pictures")
    assert (reds(pictures), pictures.labels.tolist(), pictures.class_names) == ([0, 1, 2], [1, 0, 1], ("cat", "dog"))
    assert (pictures.columns, str(pictures.path)) == ({"text": ["a", "b", "c"]}, "me/pictures")
    assert capsys.readouterr() == ("", "")


def test_both_labels_of_a_dataset_of_the_hub_can_be_named(shelf, tmp_path):
    content = write_parquet(tmp_path / "cifar.parquet", cifar_columns(), CIFAR).read_bytes()
    shelf.add("me/cifar", {"train.parquet": content}, type="dataset")
    for _ in range(2):  # decoded, then from the cache
        check_both_labels_can_be_named(data.load("me/cifar"))


def test_a_dataset_is_loaded_at_a_split_and_at_a_revision(shelf, tmp_path):
    first = shelf.repos["datasets/me/pictures"].at().sha
    assert reds(data.load("me/pictures", split="test")) == [9]
    newer = write_parquet(tmp_path / "new.parquet", {"image": [encoded((77, 0, 0))]}).read_bytes()
    shelf.add("me/pictures", {"data/train-0-of-1.parquet": newer, "data/test-0-of-1.parquet": newer}, type="dataset")
    assert reds(data.load("me/pictures")) == [77]
    assert reds(data.load(f"me/pictures@{first}")) == [0, 1, 2]
    assert reds(data.load("me/pictures@main")) == [77]


def test_a_folder_of_pictures_on_the_hub_is_loaded_too(shelf, tmp_path):
    files = {f"train/{name}/a.png": save(tmp_path / "a.png", (k, 0, 0)).read_bytes() for k, name in enumerate(("cat", "dog"))}
    shelf.add("me/folder", files, type="dataset")
    pictures = data.load("me/folder")
    assert (reds(pictures), pictures.labels.tolist(), pictures.class_names) == ([0, 1], [0, 1], ("cat", "dog"))


def test_the_second_start_downloads_nothing_and_needs_no_network(shelf, opened, monkeypatch):
    first = data.load("me/pictures")
    opened.clear()
    served = shelf.bytes_served
    assert same(data.load("me/pictures"), first)
    shelf.close()
    assert same(data.load("me/pictures"), first)
    assert (opened, shelf.bytes_served) == ([], served)


@pytest.mark.parametrize("path", ["secret.png", "{tmp}/secret.png", "{tmp}/hub/hub/datasets--me--other/secret.png"])
def test_a_dataset_of_the_hub_names_no_file_of_this_machine(shelf, tmp_path, path):
    path = path.format(tmp=tmp_path)
    save(tmp_path / path)
    columns = {"image": [encoded(), {"bytes": None, "path": path}]}
    shelf.add("me/spy", {"train.parquet": write_parquet(tmp_path / "spy.parquet", columns).read_bytes()}, type="dataset")
    assert refused("picture_outside", "me/spy", max_broken=1).values["row"] == 1


def test_an_eps_on_the_hub_is_broken_and_starts_no_program(shelf, tmp_path, ghostscript):
    columns = {"image": [encoded(), {"bytes": EPS, "path": "a.png"}]}
    shelf.add("me/table", {"train.parquet": write_parquet(tmp_path / "t.parquet", columns).read_bytes()}, type="dataset")
    shelf.add("me/folder", {"train/a.png": save(tmp_path / "a.png").read_bytes(), "train/b.png": EPS}, type="dataset")
    for name in ("me/table", "me/folder"):
        assert data.load(name, max_broken=0.5).broken == ("row 1",)
    assert not ghostscript.exists()


def test_a_private_dataset_needs_the_token_of_its_owner(shelf):
    shelf.repos["datasets/me/pictures"].private = True
    assert refused("hub_no_dataset", "me/pictures").values == {"name": "me/pictures"}
    refused("hub_no_dataset", "me/pictures", token="your-token")
    assert len(data.load("me/pictures", token="my-token")) == 3


def test_what_the_hub_does_not_have_is_told_in_a_sentence(shelf):
    refused("hub_no_dataset", "me/none")
    assert refused("hub_no_revision", "me/pictures@v9").values["revision"] == "v9"
    assert refused("no_split", "me/pictures", split="validation").values["choices"] == "train, test"
    shelf.add("me/gated", {"train.parquet": shelf.read("datasets/me/pictures", "data/test-0-of-1.parquet")}, type="dataset", gated="manual")
    refused("hub_gated", "me/gated", token="your-token")
    assert reds(data.load("me/gated", token="my-token")) == [9]


def test_a_dataset_without_pictures_is_told_in_a_sentence(shelf, tmp_path):
    shelf.add("me/words", {"train.parquet": write_parquet(tmp_path / "a.parquet", {"text": ["a"]}).read_bytes()}, type="dataset")
    assert "'text'" in str(refused("no_image_column", "me/words"))
    shelf.add("me/broken", {"train.parquet": b"no parquet"}, type="dataset")
    refused("bad_dataset", "me/broken")


def test_without_a_network_the_sentence_names_the_endpoint(shelf):
    shelf.close()
    error = refused("hub_no_dataset_now", "me/pictures")
    assert shelf.url in str(error)
    assert "HF_ENDPOINT" in str(error)


def test_an_older_dataset_that_is_held_does_not_stand_in_for_one_that_fails(shelf, tmp_path):
    data.load("me/pictures")
    shelf.add("me/pictures", {"data/train-0-of-1.parquet": b"newer"}, type="dataset")
    shelf.fail("/tree/|/resolve/", 403, times=100)
    refused("hub_no_dataset_now", "me/pictures")


def test_without_the_package_datasets_its_installation_is_named(shelf, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert "genart-hub[train]" in str(refused("needs_package", "me/pictures"))


def test_a_folder_of_the_same_name_comes_before_the_hub(shelf, tmp_path):
    save(tmp_path / "me" / "pictures" / "a.png", (50, 0, 0))
    assert reds(data.load("me/pictures")) == [50]
    assert shelf.requests == []


# ---- batches ----


def test_an_epoch_of_batches_holds_every_picture_once_and_the_next_is_shuffled_anew(parquet):
    pictures = data.load(parquet)
    batches = data.Batches(pictures, 4, seed=1)
    epochs = [torch.cat([batches[step][0] for step in range(3 * e, 3 * e + 3)]) for e in range(2)]
    assert batches.per_epoch == 3
    for epoch in epochs:
        assert sorted(epoch.flatten(1).tolist()) == sorted(pictures.images().flatten(1).tolist())
    assert not torch.equal(*epochs)


def test_a_batch_depends_on_the_seed_and_its_number_alone(parquet):
    pictures = data.load(parquet)
    walked = data.Batches(pictures, 4, seed=1)
    for step, (x,) in zip(range(8), walked, strict=False):
        assert torch.equal(data.Batches(pictures, 4, seed=1)[step][0], x)
    assert not torch.equal(data.Batches(pictures, 4, seed=2)[0][0], data.Batches(pictures, 4, seed=1)[0][0])


def test_a_batch_keeps_each_label_with_its_picture(parquet):
    pictures = data.load(parquet)
    x, labels = data.Batches(pictures, 5, with_labels=True)[0]
    for picture, label in zip(x, labels, strict=True):
        k = (pictures.images() == picture).flatten(1).all(dim=1).nonzero().item()
        assert pictures.labels[k] == label


def test_more_pictures_a_batch_than_there_are_is_refused(parquet):
    with pytest.raises(GenartError, match="12, fewer than 13") as error:
        data.Batches(data.load(parquet), 13)
    assert error.value.code == "few_pictures"


def test_seeded_generators_differ_by_seed_and_by_step():
    draws = {torch.rand(1, generator=batches.seeded(seed, step)).item() for seed in range(3) for step in range(-2, 3)}
    assert len(draws) == 15


@pytest.mark.parametrize("beside", ["preview.png", "docs/logo.png", "notes/readme.txt"])
def test_what_lies_beside_several_splits_is_of_none_of_them(beside, tmp_path):
    folder = tmp_path / "pictures"
    for name in ("train/a/0.png", "train/b/1.png", "train/b/2.png", "test/a/3.png", "test/b/4.png", beside):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.effect_noise((8, 8), 90).save(folder / name, format="PNG")
    train, test = (data.load(folder, split=split, cache_dir=tmp_path / "cache") for split in ("train", "test"))
    assert (len(train), len(test), test.class_names) == (3, 2, ("a", "b"))


def test_pictures_know_which_part_of_their_source_they_are(parquet, tmp_path):
    folder = tmp_path / "pictures"
    for name in ("train/0.png", "test/1.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.effect_noise((8, 8), 90).save(folder / name)
    for _ in range(2):  # decoded, then from the cache
        assert data.load(folder, split="test", cache_dir=tmp_path / "cache").part == "split test"
        assert data.load(folder, split="train", fit="pad", cache_dir=tmp_path / "cache").part == "split train, padded"
        assert data.load(parquet, split="test", cache_dir=tmp_path / "cache").part == ""
