"""What a run leaves to look at: lines of numbers, TensorBoard's events, and grids of samples."""

import builtins
import errno
import json
import os
import sys
import tempfile
from functools import partial

import numpy
import pytest
from PIL import Image

from genart_hub.errors import GenartError
from genart_hub.train.log import Log


@pytest.fixture
def log(tmp_path):
    """A log with the steps 10, 20 and 30."""
    log = Log(tmp_path)
    for step in (10, 20, 30):
        log.numbers(step, step / 3, {"d_loss": step / 100, "g_loss": 1.0})
    log.grid(20, Image.new("RGB", (6, 4), (255, 0, 0)))
    log.numbers(30, 10.0, {"diagnosis": "mode_collapse"})
    log.close()
    return log


def lines_of(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def events_of(folder):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator").EventAccumulator(str(folder / "events"))
    return accumulator.Reload()


def test_a_line_has_the_step_the_seconds_and_the_numbers(log, tmp_path):
    assert lines_of(tmp_path)[0] == {"step": 10, "seconds": 3.3, "d_loss": 0.1, "g_loss": 1.0}
    assert lines_of(tmp_path) == log.history
    assert log.history[-1] == {"step": 30, "seconds": 10.0, "diagnosis": "mode_collapse"}


def test_tensorboard_reads_the_numbers_and_the_grids(log, tmp_path):
    events = events_of(tmp_path)
    assert set(events.Tags()["scalars"]) == {"d_loss", "g_loss"}
    assert [(event.step, event.value) for event in events.Scalars("d_loss")] == [
        (10, pytest.approx(0.1)),
        (20, pytest.approx(0.2)),
        (30, pytest.approx(0.3)),
    ]
    (image,) = events.Images("samples")
    assert (image.step, image.width, image.height) == (20, 6, 4)


def test_a_grid_is_kept_as_a_picture_under_its_step(log, tmp_path):
    with Image.open(tmp_path / "samples" / "step-00000020.png") as picture:
        assert (numpy.asarray(picture.convert("RGB")) == (255, 0, 0)).all()


def test_what_was_written_after_the_checkpoint_is_dropped_when_a_run_goes_on(log, tmp_path):
    again = Log(tmp_path, 20)
    assert [line["step"] for line in again.history] == [line["step"] for line in lines_of(tmp_path)] == [10, 20]
    again.numbers(30, 11.0, {"d_loss": 0.9})
    again.close()
    assert [line["d_loss"] for line in lines_of(tmp_path)] == [0.1, 0.2, 0.9]
    assert [event.value for event in events_of(tmp_path).Scalars("d_loss")] == pytest.approx([0.1, 0.2, 0.9])


def test_a_line_that_was_cut_is_dropped_too(log, tmp_path):
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"step": 25, "d_lo')
    again = Log(tmp_path, 30)
    again.close()
    assert [line["step"] for line in lines_of(tmp_path)] == [10, 20, 30, 30]


def test_without_tensorboard_the_numbers_and_the_grids_are_kept_all_the_same(tmp_path, monkeypatch):
    def without(imported, name, *rest):
        if name.startswith("torch.utils.tensorboard"):
            raise ImportError(name)
        return imported(name, *rest)

    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    monkeypatch.setattr(builtins, "__import__", partial(without, builtins.__import__))
    log = Log(tmp_path)
    log.numbers(1, 0.1, {"loss": 2.0})
    log.grid(1, Image.new("L", (2, 2)))
    log.close()
    assert lines_of(tmp_path) == [{"step": 1, "seconds": 0.1, "loss": 2.0}]
    assert (tmp_path / "samples" / "step-00000001.png").is_file()
    assert not (tmp_path / "events").exists()


def test_a_disk_that_is_full_at_the_start_is_told_before_tensorboard_finds_out(tmp_path, monkeypatch):
    pytest.importorskip("tensorboard")

    def full(**options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(GenartError, match="No space left") as error:
        Log(tmp_path)
    assert error.value.code == "cannot_write"
    assert not list(tmp_path.glob("events/*"))
