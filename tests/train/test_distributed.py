"""Two processes make the run that one makes: the same pictures, the same noise, the same weights on both."""

import importlib
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import genart_hub
from genart_hub.train import VAESettings

pytestmark = pytest.mark.slow  # processes of their own

LONG = VAESettings(epochs=8, batch_size=4, lr=1e-3, ema=0.9, schedule="linear")  # 24 steps

SCRIPT = """
import accelerate, dataclasses, functools, importlib, os, signal, sys, torch
from safetensors.torch import save_file
from genart_hub import cli
from genart_hub.train import ClassifierSettings, GANSettings, VAESettings, train
from genart_hub.train.ddpm import DDPMSettings
from genart_hub.train.tasks import TASKS

training = importlib.import_module("genart_hub.train.launch")
torch.set_num_threads(1)
training.fit_steps = functools.partial(training.fit_steps, log_every=1)
accelerate.Accelerator.end_training = lambda self: None  # several runs, one after the other
vae, path, out, rank = TASKS["vae"], {path!r}, {out!r}, int(os.environ["RANK"])

def signalled(model, settings):
    step, optimizers = vae.make_step(model, settings)
    def counted(*arguments, **options):
        counted.calls += 1
        if counted.calls == 12 and rank == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(*arguments, **options)
    counted.calls = 0
    return counted, optimizers

for name, (settings, arguments, options) in {runs!r}.items():
    run = train(name, path, os.path.join(out, name), settings, arguments, seed=5, progress=name == "GAN", **options)
    save_file({{key: value.contiguous() for key, value in run.model.named_parameters()}}, os.path.join(out, name + str(rank)))

long = functools.partial(train, "VAE", path, settings={long!r}, arguments={{"latent_dim": 3, "hidden_dims": [16]}}, seed=5, progress=False)
long(out=os.path.join(out, "uncut"))
TASKS["vae"] = dataclasses.replace(vae, make_step=signalled)
try:
    long(out=os.path.join(out, "cut"))
except KeyboardInterrupt:
    print("stopped")
TASKS["vae"] = vae
long(out=os.path.join(out, "cut"), resume=True)

cli.main(["train", "vae", "--data", {pictures!r}, "--out", os.path.join(out, "cli"), "--epochs", "1", "--batch-size", "4"])
torch.distributed.destroy_process_group()
"""


@pytest.fixture(scope="module")
def two(runs, tiny_parquet, tmp_path_factory):
    """The folder of all that two processes trained, and what they said."""
    out = tmp_path_factory.mktemp("two")
    pictures = out / "pictures"
    pictures.mkdir()
    for k in range(24):
        Image.new("L", (8, 8), 10 * k).save(pictures / f"{k}.png")
    (pictures / "broken.png").write_bytes(b"no picture")
    (out / "script.py").write_text(SCRIPT.format(path=str(tiny_parquet), out=str(out), runs=runs, long=LONG, pictures=str(pictures)))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(out / "script.py")]
    environment = os.environ | {
        "PYTHONPATH": str(Path(genart_hub.__file__).parent.parent),
        "GENART_CACHE": str(out / "cache"),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return out, done


def lines_of(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_a_run_says_and_writes_down_that_there_are_two_processes(two, runs):
    out, done = two
    assert "2 processes on cpu, 1 thread each; 12 pictures, 3 updates an epoch of 4 (2 at once on each process); from step 0" in done.stderr
    assert [json.loads((out / name / "training.json").read_text())["processes"] for name in runs] == [2] * len(runs)


@pytest.mark.parametrize("name", ["VAE", "ConvVAE"])
def test_two_processes_have_the_losses_of_one(name, two, tiny_parquet, tmp_path, train_tiny, monkeypatch):
    training = importlib.import_module("genart_hub.train.launch")
    monkeypatch.setattr(training, "fit_steps", partial(training.fit_steps, log_every=1))
    train_tiny(name, tiny_parquet, tmp_path)
    one, other = ([line for line in lines_of(folder) if "kl" in line] for folder in (tmp_path, two[0] / name))
    assert len(one) == len(other) == 9
    for a, b in zip(one, other, strict=True):
        assert (b["reconstruction"], b["kl"]) == pytest.approx((a["reconstruction"], a["kl"]), rel=1e-3)


def test_both_processes_end_with_the_same_finite_weights(two, runs):
    for name in runs:
        first, second = (load_file(two[0] / f"{name}{rank}") for rank in (0, 1))
        assert all(value.isfinite().all() for value in first.values())
        assert {key for key, value in first.items() if not torch.equal(value, second[key])} == set()


def test_what_the_first_process_saved_is_what_both_have(two, runs):
    for name in runs:
        saved, held = load_file(two[0] / name / "checkpoint.safetensors"), load_file(two[0] / f"{name}1")
        assert all(torch.equal(saved[f"model.{key}"], value) for key, value in held.items())


def test_a_signal_to_one_process_stops_both_and_the_run_goes_on_to_the_bit(two):
    out, done = two
    assert done.stdout.splitlines().count("stopped") == 2
    for name in ("checkpoint.safetensors", "model.safetensors"):
        cut, uncut = load_file(out / "cut" / name), load_file(out / "uncut" / name)
        assert cut.keys() == uncut.keys()
        assert all(torch.equal(cut[key], uncut[key]) for key in cut)
    assert [line["step"] for line in lines_of(out / "cut")] == [line["step"] for line in lines_of(out / "uncut")]


def test_the_command_line_speaks_once(two):
    assert two[1].stderr.count("1 of 25 pictures cannot be read: 'broken.png'.") == 1
    assert two[1].stdout.count("6 steps in") == two[1].stdout.count("Load it with from_pretrained") == 1
    assert genart_hub.from_pretrained(two[0] / "cli").image_size == 8
