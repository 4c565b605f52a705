"""A new objective costs a task and a class: a denoising autoencoder is trained, cut and resumed by the command line like any other."""

from __future__ import annotations  # the types of its settings are read all the same

import json
from dataclasses import dataclass, make_dataclass, replace
from functools import partial

import pytest
import torch
from torch import nn

import genart_hub
from genart_hub import cli
from genart_hub.hub import HubModel
from genart_hub.models import MODELS
from genart_hub.train import TASKS, Settings, Task, option, register


class DAE(nn.Module, HubModel):
    """Denoising autoencoder. Vincent et al. 2008."""

    family = "dae"

    def __init__(self, image_size: int = 8, channels: int = 1, width: int = 4):
        super().__init__()
        num_pixels = channels * image_size**2
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(num_pixels, width), nn.ReLU(), nn.Linear(width, num_pixels))

    def forward(self, x):
        return self.layers(x).view_as(x)


@dataclass(frozen=True)
class DAESettings(Settings):
    sigma: float = option("the noise's standard deviation", 0.5, high=10)


def dae_step(dae, optimizer, x, *, noise, sigma, backward=torch.Tensor.backward):
    loss = (dae(x + sigma * noise.normal(*x.shape)) - x).square().mean()
    backward(loss)
    optimizer.step()
    optimizer.zero_grad()
    return {"loss": loss.detach()}


def make_step(dae, settings):
    return partial(dae_step, **settings.own), {"model": settings.adam(dae)}


def error(dae, batches, seed, hold_out):
    x = batches.some(100)
    return lambda averaged: (averaged(x) - x).square().mean().item()


TASK = Task("denoiser", {"default": DAESettings(epochs=2, batch_size=4, lr=1e-2, ema=0.9)}, make_step, error)


@pytest.fixture
def dae(monkeypatch):
    """DAE and its task, registered for one test."""
    monkeypatch.setitem(MODELS, "DAE", DAE)
    monkeypatch.setitem(TASKS, "dae", TASK)
    assert register("dae", TASK) is TASK


def run(capsys, *words):
    status = cli.main([str(word) for word in words])
    out, err = capsys.readouterr()
    assert status == 0, err
    return out


def test_a_class_of_ones_own_with_an_objective_of_its_own_is_trained_and_resumed_by_the_command(dae, parquet, tmp_path, capsys):
    words = ["train", "DAE", "--data", parquet, "--out", tmp_path / "run", "--sigma", 0.25, "--set", "width=6"]
    assert "6 steps" in run(capsys, *words)
    assert "9 steps" in run(capsys, *words, "--epochs", 3, "--resume")
    model = genart_hub.from_pretrained(tmp_path / "run")
    assert type(model) is DAE
    assert model.layers[1].out_features == 6
    about = json.loads((tmp_path / "run" / "training.json").read_text())
    assert about["recipe"] == {"epochs": 3, "batch_size": 4, "lr": 0.01, "ema": 0.9, "sigma": 0.25}
    assert about["best"]["score"] > 0
    losses = [json.loads(line)["loss"] for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines() if "loss" in line]
    assert len(losses) == 9
    assert losses[-1] < losses[0]


def test_the_command_that_is_written_down_names_a_plugin_without_its_path(dae, parquet, tmp_path, capsys):
    (plugin := tmp_path / "my_tasks.py").write_text("", "utf-8")
    run(capsys, "train", "DAE", "--plugin", plugin, "--data", parquet, "--out", tmp_path / "run")
    command = json.loads((tmp_path / "run" / "training.json").read_text())["command"]
    assert command == f"genart-hub train DAE --plugin my_tasks.py --data {tmp_path.name}/tiny.parquet --out run"


def test_its_settings_are_checked_shown_and_refused_for_others(dae, parquet, tmp_path, capsys):
    with pytest.raises(SystemExit):
        cli.main(["train", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "denoiser settings: --sigma SIGMA the noise's standard deviation (0.5)" in shown
    assert "denoiser, default, of dae: epochs 2, batch_size 4, lr 0.01, ema 0.9" in shown
    refused = {"dae": "sigma must be between 0 and 10", "vae": "sigma is no setting of a VAE; it is one of a denoiser"}
    for model, words in refused.items():
        assert cli.main(["train", model, "--data", str(parquet), "--out", str(tmp_path / "run"), "--sigma", "11"]) == 1
        assert words in capsys.readouterr().err


def test_a_setting_whose_name_the_command_has_already_is_refused_in_a_sentence(monkeypatch, capsys):
    kind = make_dataclass("Clashing", [("seed", "int", option("of its own", 1))], bases=(Settings,), frozen=True)
    monkeypatch.setitem(TASKS, "dae", replace(TASK, presets={"default": kind(epochs=2, batch_size=4, lr=1e-2)}))
    assert cli.main(["list"]) == 1
    assert "No setting can be named seed: genart-hub train has another option --seed." in capsys.readouterr().err


def test_a_class_of_a_family_that_nothing_trains_is_refused_in_a_sentence(parquet, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(MODELS, "DAE", DAE)
    assert cli.main(["train", "dae", "--data", str(parquet), "--out", str(tmp_path / "run")]) == 1
    assert f"Nothing here trains the family dae; there are {', '.join(TASKS)}." in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
