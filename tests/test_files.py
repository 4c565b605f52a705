"""Files that are whole or not there."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import genart_hub
from genart_hub.errors import GenartError
from genart_hub.files import only_one, replacing, set_aside, sha256_of, sweep


def test_the_new_file_stands_in_the_place_of_the_old_one_only_at_the_end(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with replacing(path) as file:
        file.write_text("new")
        assert path.read_text() == "old"
        assert (file.parent, file.suffix) == (tmp_path, ".txt")
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_folders_on_the_way_are_made_and_others_may_read_the_file(tmp_path):
    with replacing(tmp_path / "b" / "c" / "a.txt") as file:
        file.write_text("new")
    assert (tmp_path / "b" / "c" / "a.txt").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_error_leaves_the_old_file_and_passes_through(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write(file):
        file.write_text("half")
        raise error

    with pytest.raises(error), replacing(path) as file:
        write(file)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_an_error_of_the_system_becomes_a_sentence_with_the_path(tmp_path):
    with pytest.raises(GenartError, match=r"a\.txt could not be written \(No space left on device\)"), replacing(tmp_path / "a.txt"):
        raise OSError(28, "No space left on device")


def test_a_place_that_is_a_folder_or_below_a_file_cannot_be_written(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "folder", tmp_path / "file" / "a.txt"):
        with pytest.raises(GenartError) as error, replacing(path) as file:
            file.write_text("new")
        assert error.value.code == "cannot_write"
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def test_what_a_killed_process_left_half_written_is_swept_away_and_nothing_else(tmp_path):
    kept = ["model.safetensors", ".checkpoint.safetensors", ".git-abcdefgh", ".env", "a-abcdefgh.json", ".tmp"]
    for name in kept:
        (tmp_path / name).write_text("mine")
    with replacing(tmp_path / "checkpoint.safetensors") as file:
        file.write_text("new")
        name = file.name
        file.write_text("new")
    for left in (name, ".tmpAbC123"):
        (tmp_path / left).write_text("half")
    sweep(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted([*kept, "checkpoint.safetensors"])
    sweep(tmp_path / "none")


def test_a_folder_is_one_holders_at_a_time_and_leaves_nothing_behind(tmp_path):
    with only_one(tmp_path / "new" / "run"):
        with pytest.raises(GenartError, match="Another process trains into") as error, only_one(tmp_path / "new" / "run"):
            pytest.fail("two at once")
        assert error.value.code == "run_in_use"
    with only_one(tmp_path / "new" / "run"):
        (tmp_path / "new" / "run" / "model").write_text("mine")
    assert [str(place.relative_to(tmp_path)) for place in sorted(tmp_path.rglob("*"))] == ["new", "new/run", "new/run/model"]
    with pytest.raises(ZeroDivisionError), only_one(tmp_path / "refused" / "run"):
        1 / 0  # noqa: B018
    assert not (tmp_path / "refused").exists()


def test_a_killed_process_lets_go_of_its_folder(tmp_path):
    code = f"import time; from genart_hub.files import only_one\nwith only_one({str(tmp_path)!r}): print('in', flush=True); time.sleep(600)"
    environment = os.environ | {"PYTHONPATH": str(Path(genart_hub.__file__).parents[1])}
    with subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout.readline() == "in\n"
            with pytest.raises(GenartError) as error, only_one(tmp_path):
                pass
        finally:
            holder.kill()
    assert error.value.code == "run_in_use"
    with only_one(tmp_path):
        pass
    assert os.listdir(tmp_path) == []


def test_a_place_where_nothing_can_be_written_is_told_in_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(GenartError) as error, only_one(tmp_path / "file" / "run"):
        pass
    assert error.value.code == "cannot_write"


def test_what_is_set_aside_takes_no_other_files_name(tmp_path):
    for text, name in (("a", "x.1.json"), ("b", "x.2.json")):
        (tmp_path / "x.json").write_text(text)
        assert set_aside(tmp_path / "x.json").name == name
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"x.1.json": "a", "x.2.json": "b"}


def test_sha256_is_that_of_the_content(tmp_path):
    (tmp_path / "a").write_bytes(b"abc" * 100_000)
    assert sha256_of(tmp_path / "a") == hashlib.sha256(b"abc" * 100_000).hexdigest()
