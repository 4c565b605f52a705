"""A parquet file or a folder becomes one uint8 tensor, and batches that depend on (seed, step) alone."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

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
    with pytest.raises(GenartError, match="12 pictures, fewer than 13") as error:
        data.Batches(data.load(parquet), 13)
    assert error.value.code == "few_pictures"


def test_seeded_generators_differ_by_seed_and_by_step():
    draws = {torch.rand(1, generator=data.seeded(seed, step)).item() for seed in range(3) for step in range(-2, 3)}
    assert len(draws) == 15
