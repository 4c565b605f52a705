"""Datasets of the Hub, by their id."""

import sys

import pytest
from hub_server import HubServer, patched_client
from postscript import EPS
from sources import CIFAR, check_both_labels_can_be_named, cifar_columns, encoded, reds, refused, same, save, write_parquet

from genart_hub import data


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
