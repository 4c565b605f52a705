"""Parquet files, alone and in folders: which column is the picture, which the label, and what strangers put into them."""

import pytest
import torch
from postscript import EPS
from sources import CIFAR, check_both_labels_can_be_named, cifar_columns, encoded, reds, refused, save, write_parquet

from genart_hub import data
from genart_hub.errors import GenartError


def test_a_parquet_file_gives_the_same_pictures_and_its_labels(parquet, picture_folder):
    pictures = data.load(parquet)
    assert (pictures.pictures.shape, pictures.labels.tolist()) == ((12, 1, 8, 8), [0, 1, 2] * 4)
    assert torch.equal(pictures.pictures[0], data.load(picture_folder).pictures[0])


def test_a_parquet_file_without_an_image_column_is_refused(tmp_path):
    assert "image column" in str(refused("no_image_column", write_parquet(tmp_path / "a.parquet", {"text": ["a"]})))


def test_a_parquet_file_with_gaps_in_its_pictures_keeps_labels_and_columns_with_their_pictures(tmp_path):
    columns = {"image": [encoded(), None, encoded()], "label": [4, 5, 6], "text": list("abc")}
    pictures = data.load(write_parquet(tmp_path / "a.parquet", columns))
    assert (len(pictures), pictures.labels.tolist(), pictures.columns) == (2, [4, 6], {"text": ["a", "c"]})


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


def test_the_first_column_with_bytes_and_the_first_class_label_stand_in_for_image_and_label(tmp_path):
    columns = {"text": ["a"], "img": [encoded((7, 0, 0))], "fine_label": [1], "coarse_label": [0]}
    file = write_parquet(tmp_path / "a.parquet", columns, {"fine_label": ["x", "y"], "coarse_label": ["v"]})
    pictures = data.load(file)
    assert (reds(pictures), pictures.labels.tolist(), pictures.class_names) == ([7], [1], ("x", "y"))


def test_the_first_of_several_class_labels_can_be_named_as_the_others_can(tmp_path):
    file = write_parquet(tmp_path / "a.parquet", cifar_columns(), CIFAR)
    for _ in range(2):  # decoded, then from the cache
        check_both_labels_can_be_named(data.load(file))


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
    file = write_parquet(tmp_path / "b.parquet", {"image": [encoded()] * 2, "label": [-1, -1]}, {"label": ["x", "y"]})
    assert data.load(file).labels is None


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
