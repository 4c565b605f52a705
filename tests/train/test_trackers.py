"""Numbers and samples of a run go where the tracker is that was named, and to metrics.jsonl all the same."""

import json
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest
from accelerate.tracking import LOGGER_TYPE_TO_CLASS
from huggingface_hub import constants
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from genart_hub import cli
from genart_hub.errors import GenartError
from genart_hub.train import pick_settings, train
from genart_hub.train.log import Log


class Notebook:
    """A tracker of somebody's own, as accelerate's are: it writes down what it is told."""

    name = "notebook"

    def __init__(self):
        self.started, self.finished, self.numbers, self.shapes = 0, 0, [], []

    def start(self):
        self.started += 1

    def log(self, values, step=None, **options):
        self.numbers.append((step, values))

    def log_images(self, values, step=None, **options):
        self.shapes.append((step, values["samples"].shape))

    def finish(self):
        self.finished += 1


def test_a_tracker_of_ones_own_gets_numbers_and_samples(parquet, tmp_path):
    notebook = Notebook()
    train("GAN", parquet, tmp_path / "run", pick_settings("gan", batch_size=4, epochs=2), trackers=[notebook], progress=False)
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    losses = [(line["step"], line["g_loss"]) for line in lines if "g_loss" in line]
    assert losses == [(step, values["g_loss"]) for step, values in notebook.numbers if "g_loss" in values]
    assert len(losses) > 2
    assert notebook.shapes[-1][0] == lines[-1]["step"]
    assert notebook.shapes[-1][1][0] == 1
    assert (notebook.started, notebook.finished) == (1, 1)
    assert not (tmp_path / "run" / "events").exists()


def test_the_command_names_trackers(parquet, tmp_path):
    words = ["--data", parquet, "--out", tmp_path / "run", "--epochs", 2, "--batch-size", 4, "-q", "--tracker", "tensorboard"]
    assert cli.main(["train", "vae", *map(str, words)]) == 0
    (events,) = {file.parent for file in (tmp_path / "run").rglob("events.out.*")}
    found = EventAccumulator(str(events)).Reload()
    assert "kl" in found.Tags()["scalars"]
    assert found.Tags()["images"] == ["samples"]


def test_a_tracker_whose_package_is_not_there_is_told_before_anything_is_made(parquet, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("genart_hub.train.log.find_spec", lambda name: None)
    assert cli.main(["train", "vae", "--data", str(parquet), "--out", str(tmp_path / "run"), "--tracker", "wandb"]) == 1
    assert "This needs the package wandb. Install it with: pip install wandb" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_tracker_that_does_not_start_is_told(parquet, tmp_path):
    notebook = Notebook()
    notebook.start = lambda: 1 / 0
    with pytest.raises(GenartError, match="The tracker notebook does not start"):
        train("VAE", parquet, tmp_path / "run", pick_settings("vae", batch_size=4, epochs=1), trackers=[notebook], progress=False)


def test_a_named_tensorboard_forgets_what_came_after_the_checkpoint(tmp_path, monkeypatch):
    for begun, start, loss in ((1e9, 0, 0.5), (2e9, 20, 0.25)):
        monkeypatch.setattr("time.time", lambda begun=begun: begun)  # its files are read in the order of their names: of seconds
        log = Log(tmp_path, start, ["tensorboard"])
        for step in range(start + 10, 40, 10):
            log.numbers(step, 1.0, {"loss": loss, "diagnosis": "words go to metrics.jsonl alone"})
        log.close()
    found = EventAccumulator(str(tmp_path / "events")).Reload()
    assert [(event.step, event.value) for event in found.Scalars("loss")] == [(10, 0.5), (20, 0.5), (30, 0.25)]
    assert found.Tags()["tensors"] == []


@pytest.mark.parametrize("offline", [True, False])
def test_two_trackers_get_the_same_and_no_network_is_asked_when_offline(offline, tmp_path, monkeypatch):
    made = {}

    def make(run_name, **options):
        notebook = made.setdefault(len(made), (run_name, options, Notebook()))[2]
        notebook.name = "wandb" if "dir" in options else "trackio"
        return notebook

    for name in ("wandb", "trackio"):
        module = ModuleType(name)
        module.__spec__ = ModuleSpec(name, None)
        monkeypatch.setitem(sys.modules, name, module)
        monkeypatch.setitem(LOGGER_TYPE_TO_CLASS, name, make)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
    log = Log(tmp_path / "runs" / "mine", 0, ["wandb", "trackio", "wandb"], {"seed": 3})
    log.numbers(7, 1.0, {"loss": 2.0})
    log.grid(7, Image.new("L", (6, 4)))
    log.close()
    (project, options, wandb), (_, others, trackio) = made.values()
    assert (project, options["name"].split("/")[-2:], options["config"]) == ("genart-hub", ["runs", "mine"], {"seed": 3})
    assert (options["dir"], options["mode"]) == (tmp_path / "runs" / "mine", "offline" if offline else None)
    assert "mode" not in others
    assert wandb.numbers == trackio.numbers == [(7, {"loss": 2.0})]
    assert wandb.shapes == trackio.shapes == [(7, (1, 4, 6, 3))]
    assert (wandb.finished, trackio.finished) == (1, 1)
