"""Pictures of one size with labels, columns, names and a hash; batches of them depend on (seed, step) alone."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from sources import encoded, save, write_parquet

from genart_hub import data
from genart_hub.data import batches
from genart_hub.errors import GenartError


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


def test_pictures_without_a_label_among_others_with_one_are_told_when_labels_are_needed(tmp_path):
    save(tmp_path / "a.png")
    save(tmp_path / "b.png")
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "b.png", "label": "dog"}')
    pictures = data.load(tmp_path)
    assert pictures.labels.tolist() == [-1, 0]
    with pytest.raises(GenartError, match="1 pictures have no label"):
        pictures.require_labels("train with classes")


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


def test_variants_of_one_class_label_are_held_out_by_another(tmp_path):
    rows = [(shape, colour) for colour in range(3) for shape in range(2)]
    columns = {"image": [encoded()] * 6, "colour": [colour for _, colour in rows], "shape": [shape for shape, _ in rows]}
    pictures = data.load(write_parquet(tmp_path / "a.parquet", columns, {"colour": list("rgb"), "shape": ["disc", "box"]}))
    by_shape = pictures.labelled_by("shape")
    held = {by_shape.class_names[by_shape.labels[k]]: columns["colour"][k] for k in by_shape.hold_out("colour")[1].tolist()}
    assert held == {name: int(hashlib.sha256(name.encode()).hexdigest(), 16) % 3 for name in ("box", "disc")}


def test_a_turned_split_holds_out_the_next_variant_of_each_class_and_no_picture_of_the_split_before():
    rows = [(label, style) for style in "abc" for label in range(9)]
    labels, columns = torch.tensor([label for label, _ in rows]), {"style": [style for _, style in rows]}
    pictures = data.Pictures(torch.zeros(27, 1, 8, 8, dtype=torch.uint8), labels, Path("x"), columns=columns)
    splits = [dict(rows[k] for k in pictures.hold_out(f"style{turn}")[1]) for turn in ("", "+1", "+2", "+3")]
    assert [{label: "abc"[("abc".index(style) + turn) % 3] for label, style in splits[0].items()} for turn in range(4)] == splits
    assert sorted(splits[0]) == list(range(9))


def test_a_column_whose_own_name_has_a_plus_is_that_column_and_no_turn():
    columns = {"style+1": list("aabbcc")}
    pictures = data.Pictures(torch.zeros(6, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 1] * 3), Path("x"), columns=columns)
    assert len(pictures.hold_out("style+1")[1]) == 2
    for unknown in ("colour+1", "style+x", "+1"):
        with pytest.raises(GenartError, match="no column"):
            pictures.hold_out(unknown)


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
