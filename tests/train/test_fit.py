"""The loop: a run that was cut goes on to the same bits, a run that fails keeps what it had."""

import errno
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import genart_hub
from genart_hub import data, files
from genart_hub.errors import GenartError
from genart_hub.hub import HubModel
from genart_hub.train import Recipe, Run, fit, recipes, train

loop = importlib.import_module("genart_hub.train.fit")

GAN_RECIPE = Recipe(epochs=3, batch_size=4, lr=1e-3, betas=(0.5, 0.999), ema=0.9, decay=True, r1=0.1)
VAE_RECIPE = Recipe(epochs=3, batch_size=4, lr=1e-3, ema=0.9, decay=True)
FEATURES_RECIPE = Recipe(epochs=3, batch_size=4, lr=1e-3, decay=True)
RUNS = {
    "GAN": (GAN_RECIPE, {"latent_dim": 4}),
    "VAE": (VAE_RECIPE, {"latent_dim": 3, "hidden_dims": [16]}),
    "Classifier": (FEATURES_RECIPE, {"width": 2, "feature_dim": 5}),
}

CUT = """
import importlib, os, signal, sys, torch
from genart_hub.train import Recipe, recipes, train

torch.set_num_threads(1)
make_step = recipes.make_step

def cut(model, recipe):
    step, optimizers = make_step(model, recipe)
    def counted(*batch, generator):
        counted.calls += 1
        if counted.calls == 6:
            os.kill(os.getpid(), signal.{signal})
        return step(*batch, generator=generator)
    counted.calls = 0
    return counted, optimizers

recipes.make_step = cut
train({name!r}, {path!r}, {out!r}, {recipe!r}, {arguments!r}, seed=5, save_minutes=0, progress=False)
"""


class Scalar(nn.Module, HubModel):
    """One weight, which a test sets by hand."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))


class Counted:
    """Batches that are their own number."""

    batch_size = 1

    def __getitem__(self, step):
        return (step,)


def scalar_run(folder, **options):
    model = Scalar()
    return Run(folder, model, {"model": torch.optim.SGD(model.parameters(), lr=0.5)}, **options)


def fit_scalar(run, step, num_steps, **options):
    return fit(step, Counted(), num_steps, run, progress=False, **options)


def train_tiny(name, path, out, recipe=None, arguments=None, seed=5, **options):
    recipe, arguments = recipe or RUNS[name][0], arguments or RUNS[name][1]
    return train(name, path, out, recipe, arguments, seed=seed, progress=False, **options)


def states(folder):
    return {name: load_file(folder / name) for name in ("checkpoint.safetensors", "model.safetensors")}


def same(a, b):
    return all(a[file].keys() == b[file].keys() and all(torch.equal(a[file][key], b[file][key]) for key in a[file]) for file in a)


# ---- cut and resumed ----


@pytest.mark.parametrize("name", RUNS)
def test_a_run_that_was_killed_and_resumed_is_the_uncut_run_to_the_bit(name, parquet, tmp_path):
    recipe, arguments = RUNS[name]
    code = CUT.format(signal="SIGKILL", name=name, path=str(parquet), out=str(tmp_path / "cut"), recipe=recipe, arguments=arguments)
    environment = os.environ | {"PYTHONPATH": str(Path(genart_hub.__file__).parent.parent)}
    assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == -signal.SIGKILL
    torch.manual_seed(12345)
    resumed = train_tiny(name, parquet, tmp_path / "cut", resume=True)
    train_tiny(name, parquet, tmp_path / "uncut")
    assert resumed.step == 9
    assert same(states(tmp_path / "cut"), states(tmp_path / "uncut"))


def test_another_seed_makes_another_run(parquet, tmp_path):
    train_tiny("VAE", parquet, tmp_path / "a")
    train_tiny("VAE", parquet, tmp_path / "b", seed=6)
    assert not same(states(tmp_path / "a"), states(tmp_path / "b"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_step_saves_and_gives_the_handlers_back(tmp_path, number):
    def step(k, generator):
        if k == 2:
            os.kill(os.getpid(), number)
        return {"loss": 0.0}

    run, before = scalar_run(tmp_path), signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt):
        fit_scalar(run, step, 10)
    again = scalar_run(tmp_path)
    again.load()
    assert again.step == 3
    assert signal.getsignal(number) is before


def test_the_finished_run_loads_as_the_averaged_model(parquet, tmp_path):
    run = train_tiny("GAN", parquet, tmp_path / "run")
    loaded = genart_hub.from_pretrained(tmp_path / "run")
    assert (loaded.image_size, loaded.channels, loaded.latent_dim) == (8, 1, 4)
    assert all(torch.equal(value, loaded.state_dict()[key]) for key, value in run.averaged.state_dict().items())
    assert not torch.equal(loaded.generator[0].weight, run.model.generator[0].weight)


def test_seconds_and_steps_add_up_over_a_resumed_run(tmp_path):
    def step(k, generator):
        time.sleep(0.01)
        return {"loss": 1.0 * k}

    fit_scalar(scalar_run(tmp_path), step, 3)
    run = scalar_run(tmp_path)
    run.load()
    assert fit_scalar(run, step, 5) == {"loss": 4.0}
    assert (run.step, run.seconds >= 0.05) == (5, True)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [(line["step"], line["loss"]) for line in lines] == [(3, 2.0), (5, 4.0)]


# ---- refused ----


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("arguments", {"arguments": {"latent_dim": 5, "hidden_dims": [16]}}),
        ("recipe", {"recipe": Recipe(epochs=3, batch_size=4, lr=2e-3, ema=0.9, decay=True)}),
        ("seed", {"seed": 6}),
    ],
)
def test_a_run_is_not_resumed_with_other_settings(parquet, tmp_path, what, change):
    train_tiny("VAE", parquet, tmp_path / "run")
    with pytest.raises(GenartError, match=f"another {what}") as error:
        train_tiny("VAE", parquet, tmp_path / "run", resume=True, **change)
    assert error.value.code == "other_run"


def test_a_run_is_not_resumed_on_other_data(parquet, picture_folder, tmp_path):
    recipe = Recipe(epochs=1, batch_size=4, lr=1e-3)
    train_tiny("VAE", parquet, tmp_path / "run", recipe)
    with pytest.raises(GenartError, match="another data"):
        train_tiny("VAE", picture_folder, tmp_path / "run", recipe, resume=True)


def test_a_run_is_not_resumed_as_another_model(parquet, tmp_path):
    recipe = Recipe(epochs=1, batch_size=4, lr=1e-3)
    train_tiny("VAE", parquet, tmp_path / "run", recipe)
    with pytest.raises(GenartError, match="another model"):
        train_tiny("GAN", parquet, tmp_path / "run", recipe, resume=True)


def test_a_folder_that_holds_a_run_is_not_overwritten_and_an_empty_one_not_resumed(parquet, tmp_path):
    train_tiny("VAE", parquet, tmp_path / "run")
    before = states(tmp_path / "run")
    for out, resume, code in ((tmp_path / "run", False, "run_exists"), (tmp_path / "none", True, "no_checkpoint")):
        with pytest.raises(GenartError) as error:
            train_tiny("VAE", parquet, out, resume=resume)
        assert error.value.code == code
    assert same(states(tmp_path / "run"), before)


def test_a_damaged_checkpoint_is_told_in_a_sentence(parquet, tmp_path):
    train_tiny("VAE", parquet, tmp_path / "run")
    file = tmp_path / "run" / "checkpoint.safetensors"
    file.write_bytes(file.read_bytes()[:-50])
    with pytest.raises(GenartError) as error:
        train_tiny("VAE", parquet, tmp_path / "run", resume=True)
    assert error.value.code == "weights_unreadable"


def test_an_argument_that_the_model_does_not_have_is_refused_by_name(parquet, tmp_path):
    with pytest.raises(GenartError, match="depth"):
        train_tiny("GAN", parquet, tmp_path / "run", arguments={"depth": 3})


# ---- failing ----


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_checkpoint(tmp_path):
    run = scalar_run(tmp_path)

    def step(k, generator):
        run.model.weight.data.fill_(k if k < 4 else float("nan"))
        return {"loss": run.model.weight.detach().clone()}

    with pytest.raises(GenartError) as error:
        fit_scalar(run, step, 20, save_minutes=0, log_every=10)
    assert error.value.code == "diverged"
    assert error.value.values["saved"] == 4
    assert load_file(tmp_path / "checkpoint.safetensors")["model.weight"].tolist() == [3.0]


def test_weights_that_are_no_numbers_are_never_saved_over_a_good_checkpoint(tmp_path):
    run = scalar_run(tmp_path)

    def step(k, generator):  # the loss of step k is measured before its update
        loss = run.model.weight.detach().clone()
        run.model.weight.data.fill_(k if k < 4 else float("nan"))
        return {"loss": loss}

    with pytest.raises(GenartError) as error:
        fit_scalar(run, step, 20, save_minutes=0, log_every=10)
    assert error.value.code == "diverged"
    assert load_file(tmp_path / "checkpoint.safetensors")["model.weight"].tolist() == [3.0]


def test_a_run_that_diverges_in_its_last_step_publishes_nothing(tmp_path):
    run = scalar_run(tmp_path)
    with pytest.raises(GenartError) as error:
        fit_scalar(run, lambda k, generator: {"loss": float("inf") if k == 2 else 0.0}, 3)
    assert error.value.code == "diverged"
    assert not (tmp_path / "model.safetensors").exists()


def test_a_full_disk_keeps_the_old_checkpoint(tmp_path, monkeypatch):
    run = scalar_run(tmp_path)
    fit_scalar(run, lambda k, generator: {"loss": 0.0}, 2)
    before = {file.name: file.read_bytes() for file in tmp_path.glob("*.safetensors")}

    def full(tensors, file, metadata):
        Path(file).write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "save_file", full)
    with pytest.raises(GenartError, match="No space left on device") as error:
        fit_scalar(run, lambda k, generator: {"loss": 0.0}, 4)
    assert error.value.code == "cannot_write"
    assert {file.name: file.read_bytes() for file in tmp_path.glob("*.safetensors")} == before
    assert [file for file in tmp_path.iterdir() if file.name.startswith(".")] == []


# ---- average and learning rate ----


def test_the_average_starts_at_the_first_weights_and_then_decays(tmp_path):
    run = scalar_run(tmp_path, ema_decay=0.75)

    def step(k, generator):
        run.model.weight.data.fill_([1.0, 3.0, -5.0][k])
        return {"loss": 0.0}

    fit_scalar(run, step, 3)
    assert run.averaged.weight.item() == pytest.approx(0.75 * (0.75 * 1.0 + 0.25 * 3.0) + 0.25 * -5.0)
    assert run.model.weight.item() == -5.0


def test_the_average_takes_the_buffers_too(tmp_path):
    model = nn.BatchNorm1d(1)
    model.save_pretrained = lambda folder: None
    run = Run(tmp_path, model, {}, ema_decay=0.5)

    def step(k, generator):
        model.running_mean.fill_([2.0, 4.0][k])
        return {"loss": 0.0}

    fit_scalar(run, step, 2)
    assert run.averaged.running_mean.item() == 3.0


def test_the_learning_rate_stands_for_half_the_run_and_then_falls_to_zero(tmp_path):
    run, rates = scalar_run(tmp_path), []

    def step(k, generator):
        rates.append(run.optimizers["model"].param_groups[0]["lr"])
        return {"loss": 0.0}

    fit_scalar(run, step, 8, schedule=recipes.linear_decay)
    assert rates == [0.5] * 5 + [0.375, 0.25, 0.125]
    assert recipes.linear_decay(1.0) == 0


def test_the_noise_of_a_step_depends_on_the_seed_and_its_number_alone(tmp_path):
    drawn = []

    def step(k, generator):
        drawn.append(torch.randn(3, generator=generator).tolist())
        return {"loss": 0.0}

    fit_scalar(None, step, 4, seed=9)
    assert drawn == [torch.randn(3, generator=data.seeded(9, k)).tolist() for k in range(4)]
    assert len({tuple(numbers) for numbers in drawn}) == 4


# ---- recipes ----


def test_every_family_that_trains_has_a_default_recipe_and_the_articles_is_the_articles():
    assert all("default" in of_family for of_family in recipes.RECIPES.values())
    assert recipes.RECIPES["gan"]["article"] == Recipe(epochs=100, batch_size=32, lr=2e-4)


def test_a_recipe_takes_the_changes_that_were_given():
    assert recipes.pick_recipe("gan", "article", epochs=3, lr=None) == Recipe(epochs=3, batch_size=32, lr=2e-4)


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("none", {}, "default, article"),
        ("default", {"epochs": 0}, "epochs must be at least 1"),
        ("default", {"batch_size": -1}, "batch_size must be at least 2"),
        ("default", {"lr": -0.1}, "lr must be between"),
        ("default", {"lr": float("nan")}, "lr must be a number"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(name, changes, words):
    with pytest.raises(GenartError, match=words):
        recipes.pick_recipe("gan", name, **changes)
