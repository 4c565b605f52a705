"""Files that are whole or not there."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

import genart_hub
from genart_hub import files
from genart_hub.errors import GenartError
from genart_hub.files import digest, only_one, replacing, save_tensors, saving, set_aside, sha256_of, sweep


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


def test_a_long_name_leaves_room_for_the_unfinished_one(tmp_path):
    name = "苹果" * 40 + ".png"  # 244 bytes of the 255 that a name may have
    with replacing(tmp_path / name) as file:
        file.write_text("new")
    assert os.listdir(tmp_path) == [name]


# ---- many files at once ----


def test_what_is_saved_stands_in_the_folder_at_the_end_beside_what_was_there(tmp_path):
    (tmp_path / "a").mkdir()
    for name in ("a/old", "a/both"):
        (tmp_path / name).write_text("old")
    with saving(tmp_path) as place:
        (place / "a").mkdir()
        for name in ("a/both", "index"):
            (place / name).write_text("new")
            (place / name).chmod(0o600)
        assert (tmp_path / "a" / "both").read_text() == "old"
    assert {file.relative_to(tmp_path).as_posix(): file.read_text() for file in tmp_path.rglob("*") if file.is_file()} == {
        "a/both": "new",
        "a/old": "old",
        "index": "new",
    }
    assert (tmp_path / "index").stat().st_mode & 0o777 == 0o644
    assert sorted(os.listdir(tmp_path)) == ["a", "index"]


@pytest.mark.parametrize(
    ("error", "raised"), [(ValueError, ValueError), (OSError(28, "No space left"), GenartError), (SafetensorError("full"), GenartError)]
)
def test_what_is_saved_halfway_vanishes(tmp_path, error, raised):
    def write(place):
        (place / "half").write_text("half")
        raise error

    with pytest.raises(raised), saving(tmp_path / "model") as place:
        write(place)
    assert os.listdir(tmp_path / "model") == []


# ---- what a killed process leaves ----


def forked(work) -> int:
    """Run `work` in a process that never comes back from it. Returns its id."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(1)
    return pid


def killed(work) -> None:
    """Run `work`, which kills its process, in one of its own."""
    assert os.waitstatus_to_exitcode(os.waitpid(forked(work), 0)[1]) == -signal.SIGKILL


def die(*_, **__) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def replace_and_die(folder):
    with replacing(folder / "a.json") as file:
        file.write_text("half")
        die()


def save_tensors_and_die(folder):
    def half(tensors, file, metadata):
        file.write_text("half")
        (file.parent / ".tmpAbC123").write_text("half")  # as safetensors names what it writes
        die()

    files.save_file = half
    save_tensors({"x": torch.ones(1)}, folder / "a.safetensors", {})


def save_many_and_die(folder):
    with saving(folder) as place:
        (place / "half").write_text("half")
        die()


with_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")


@with_fork
@pytest.mark.parametrize("work", [replace_and_die, save_tensors_and_die, save_many_and_die])
def test_the_next_save_removes_what_a_killed_one_left(tmp_path, work):
    killed(lambda: work(tmp_path))
    assert os.listdir(tmp_path)
    with replacing(tmp_path / "a.txt") as file:
        file.write_text("new")
    assert os.listdir(tmp_path) == ["a.txt"]


@with_fork
def test_what_a_living_process_writes_stays_until_it_is_dead(tmp_path):
    ready, told = os.pipe()

    def write():
        with replacing(tmp_path / "a.json"), saving(tmp_path):
            os.write(told, b"x")
            time.sleep(60)

    pid = forked(write)
    os.read(ready, 1)
    sweep(tmp_path)
    assert len(os.listdir(tmp_path)) == 2
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    sweep(tmp_path)
    assert os.listdir(tmp_path) == []


def written(path, hours):
    path.write_text("half")
    os.utime(path, (time.time() - hours * 3600,) * 2)


def test_of_other_programs_only_what_has_lain_for_an_hour_goes(tmp_path):
    written(tmp_path / ".tmpAbC123", 0.5)
    written(tmp_path / ".tmpDeF456", 1.5)
    sweep(tmp_path)
    assert os.listdir(tmp_path) == [".tmpAbC123"]


def test_where_there_are_no_locks_an_hour_has_to_pass(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "fcntl", None)
    with replacing(tmp_path / "a.json") as file:
        sweep(tmp_path)
        assert file.exists()
        written(tmp_path / ".genart-b-abcdefgh.json", 1.5)
        sweep(tmp_path)
        assert os.listdir(tmp_path) == [file.name]


def test_nothing_else_is_swept_away(tmp_path):
    kept = ["model.safetensors", ".checkpoint.safetensors", ".git-abcdefgh", ".env", ".genart-a.json", "a-abcdefgh.json", ".tmp"]
    for name in kept:
        written(tmp_path / name, 2)
    (tmp_path / ".genart-a-abcdefgh").symlink_to(tmp_path / ".env")
    sweep(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted([*kept, ".genart-a-abcdefgh"])
    sweep(tmp_path / "none")


def test_a_folder_of_thousands_of_pictures_is_not_listed_for_each_of_them(tmp_path, monkeypatch):
    listed, listdir = [], os.listdir
    monkeypatch.setattr(os, "listdir", lambda folder: listed.append(folder) or listdir(folder))
    written(tmp_path / ".tmpAbC123", 2)  # of another program, in a folder that need not be a model's
    for k in range(3):
        with replacing(tmp_path / f"{k}.png") as file:
            file.write_text("new")
    assert listed == [tmp_path]
    assert (tmp_path / ".tmpAbC123").exists()


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


@pytest.mark.slow
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


# ---- hashes ----


def test_sha256_is_that_of_the_content(tmp_path):
    (tmp_path / "a").write_bytes(b"abc" * 100_000)
    assert sha256_of(tmp_path / "a") == hashlib.sha256(b"abc" * 100_000).hexdigest()


@pytest.mark.parametrize(("tick", "times"), [(-1, 1), (3600, 2)])
def test_a_file_is_read_once_where_a_change_would_show_in_its_time(tmp_path, monkeypatch, tick, times):
    read = []
    monkeypatch.setattr(files, "TICK", tick)
    monkeypatch.setattr(files, "digest", lambda path: read.append(path) or digest(path))
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_of(tmp_path / "a") == sha256_of(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()
    assert len(read) == times
    time.sleep(0.02)
    (tmp_path / "a").write_bytes(b"abd")
    assert sha256_of(tmp_path / "a") == hashlib.sha256(b"abd").hexdigest()
