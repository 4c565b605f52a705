"""Batches: an endless shuffle that any step can go on with, and that any number of processes can share."""

from pathlib import Path

import pytest
import torch

from genart_hub.data import Batches, Pictures, to_images
from genart_hub.errors import GenartError


def numbered(n=20, labels=None):
    """n pictures of 2 x 2, whose left column says which one it is and whose right one is black."""
    pictures = torch.zeros(n, 1, 2, 2, dtype=torch.uint8)
    pictures[:, :, :, 0] = torch.arange(1, n + 1, dtype=torch.uint8).view(n, 1, 1)
    return Pictures(pictures, labels, Path("numbered"))


def which(x):
    """The numbers of the pictures of a batch, mirrored or not."""
    return ((x[:, 0, 0].amax(dim=1) + 1) * 127.5).round().int() - 1


def drawn(batches, steps):
    return torch.cat([which(batches[k][0]) for k in range(steps)])


# ---- the whole ----


def test_an_epoch_shows_each_picture_once_and_the_next_one_in_another_order():
    batches = Batches(numbered(), 5)
    first, second = drawn(batches, 4), torch.cat([which(batches[k][0]) for k in range(4, 8)])
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(20))
    assert not torch.equal(first, second)


@pytest.mark.parametrize("options", [{}, {"flip": True}, {"weights": "balanced"}])
def test_a_batch_is_the_same_whatever_was_asked_before(options):
    data = numbered(labels=torch.arange(20) % 3)
    walked, jumped = (Batches(data, 4, seed=6, with_labels=True, **options) for _ in range(2))
    in_order = [walked[k] for k in range(13)]
    for k in (12, 2, 7):
        assert all(torch.equal(a, b) for a, b in zip(jumped[k], in_order[k], strict=True))
    assert not torch.equal(Batches(data, 4, seed=7, **options)[2][0], in_order[2][0])


def test_labels_stay_with_their_pictures():
    batches = Batches(numbered(labels=torch.arange(20) % 3), 5, with_labels=True)
    for k in range(6):
        x, labels = batches[k]
        assert torch.equal(labels, which(x) % 3)


def test_pictures_are_in_minus_one_to_one_and_in_the_memory_format_that_was_asked_for():
    data = Pictures(torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 3, 4, 4).contiguous(), None, Path("two"))
    (x,) = Batches(data, 2, channels_last=True)[0]
    assert sorted({*x.flatten().tolist()}) == [-1.0, 1.0]
    assert x.is_contiguous(memory_format=torch.channels_last)


# ---- its parts ----


@pytest.mark.parametrize("options", [{}, {"flip": True}, {"weights": "balanced"}, {"rows": torch.arange(3, 19)}])
def test_the_parts_of_a_batch_are_the_batch_in_order(options):
    data = numbered(labels=torch.arange(20) % 3)
    whole = Batches(data, 8, seed=2, with_labels=True, **options)
    shared = [Batches(data, 8, seed=2, with_labels=True, parts=4, **options) for _ in range(4)]
    for k in range(5):
        pieces = [batches.part(k, part) for part, batches in enumerate(shared)]
        assert all(torch.equal(torch.cat(a), b) for a, b in zip(zip(*pieces, strict=True), whole[k], strict=True))


def test_a_batch_that_cannot_be_shared_evenly_is_refused_with_the_multiple():
    with pytest.raises(GenartError, match="multiple of 4") as error:
        Batches(numbered(), 10, parts=4)
    assert error.value.code == "uneven_batch"


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(GenartError, match="20, fewer than 21") as error:
        Batches(numbered(), 21)
    assert error.value.code == "few_pictures"


# ---- which pictures, how often, which way round ----


def test_rows_are_the_only_pictures_drawn():
    batches = Batches(numbered(), 3, rows=torch.tensor([1, 4, 5, 7, 11, 13]))
    assert batches.per_epoch == 2
    assert sorted(drawn(batches, 2).tolist()) == [1, 4, 5, 7, 11, 13]
    assert sorted(which(batches.some(100)).tolist()) == [1, 4, 5, 7, 11, 13]


def test_some_pictures_are_from_all_over_the_dataset():
    assert which(Batches(numbered(), 2).some(3)).tolist() == [0, 9, 19]


def test_balanced_classes_are_drawn_equally_often():
    labels = torch.tensor([0] * 90 + [1] * 8 + [2] * 2)
    batches = Batches(numbered(100, labels), 50, with_labels=True, weights="balanced")
    counts = torch.bincount(torch.cat([batches[k][1] for k in range(60)])) / 3000
    assert counts.tolist() == pytest.approx([1 / 3] * 3, abs=0.04)  # of 3,000 draws: 4.6 standard deviations


def test_a_class_of_weight_zero_is_never_drawn_and_one_of_weight_three_three_times_as_often():
    labels = torch.arange(20) % 4
    batches = Batches(numbered(labels=labels), 20, with_labels=True, weights=torch.tensor([1.0, 0.0, 3.0, 1.0]))
    counts = torch.bincount(torch.cat([batches[k][1] for k in range(150)]), minlength=4) / 3000
    assert counts[1] == 0
    assert counts.tolist() == pytest.approx([0.2, 0, 0.6, 0.2], abs=0.04)


def test_weights_need_labels():
    with pytest.raises(GenartError) as error:
        Batches(numbered(), 4, weights="balanced")
    assert error.value.code == "no_labels"


def test_flip_mirrors_half_of_the_pictures_anew_in_each_epoch():
    data = numbered()
    batches = Batches(data, 20, seed=3, flip=True)
    mirrored = []
    for k in range(50):
        (x,) = batches[k]
        was = to_images(data.pictures[which(x).long()])
        mirrored.append([torch.equal(one, other.flip(2)) for one, other in zip(x, was, strict=True)])
        assert all(torch.equal(one, other.flip(2) if turned else other) for one, other, turned in zip(x, was, mirrored[-1], strict=True))
    assert sum(map(sum, mirrored)) / 1000 == pytest.approx(0.5, abs=0.07)
    assert mirrored[0] != mirrored[1]
