"""Folders of pictures, with class folders, splits and tables beside the pictures."""

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sources import reds, refused, save

from genart_hub import data
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


def test_size_and_channels_are_those_that_were_asked_for(picture_folder):
    assert data.load(picture_folder, size=4, channels=3).pictures.shape == (6, 3, 4, 4)


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
