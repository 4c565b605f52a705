"""Pictures are decoded once: the second start reads the cache, and whatever changes is read anew."""

import errno
import hashlib
import io
import os
import shutil
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from sources import encoded, reds, refused, same, save, write_parquet

from genart_hub import data
from genart_hub.data import decoded, folders
from genart_hub.data import parquet as parquet_files


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
    assert (decoded.cache_folder("b"), decoded.cache_folder(None)) == (Path("b"), tmp_path / "a")
    monkeypatch.delenv("GENART_CACHE")
    assert decoded.cache_folder(None) == tmp_path / "genart_hub"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert decoded.cache_folder(None) == Path.home() / ".cache" / "genart_hub"


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
