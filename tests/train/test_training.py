"""`train`: a run that was killed and resumed is the uncut run to the bit, one of other settings is refused, and what it leaves loads."""

import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from run_folders import lines_of, same, states
from safetensors.torch import load_file

import genart_hub
from genart_hub import data, images, metrics
from genart_hub.data import batches
from genart_hub.errors import GenartError
from genart_hub.files import only_one
from genart_hub.models import auto
from genart_hub.models.classifier import Classifier
from genart_hub.train import ClassifierSettings, VAESettings, task_of, train, train_steps
from genart_hub.train.words import WordedSettings

NAMES = ("GAN", "VAE", "DCGAN", "ConvVAE", "DDPM", "Classifier", "ResNet")

ALONE = """
import dataclasses, functools, importlib, os, signal, accelerate, pyarrow.parquet, torch, torch._dynamo, torch.utils.tensorboard
from genart_hub.errors import GenartError
from genart_hub.train import ClassifierSettings, GANSettings, VAESettings, train
from genart_hub.train.ddpm import DDPMSettings
from genart_hub.train.tasks import TASKS

training, loop = (importlib.import_module("genart_hub.train." + name) for name in ("launch", "loop"))
loop.LOOK_SHARE, loop.FIRST_BEST, training.FIRST_BEST = float("inf"), 1, 1  # looks at the same steps, however long they take
torch.set_num_threads(1)

def cut(make_step, model, settings):
    step, optimizers = make_step(model, settings)
    def counted(*arguments, **options):
        counted.calls += 1
        if counted.calls == 6:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(*arguments, **options)
    counted.calls = 0
    return counted, optimizers

def train_tiny(name, folder, **more):
    settings, arguments, options = runs[name]
    train(name, {path!r}, os.path.join({out!r}, folder), settings, arguments, seed=5, save_minutes=0, progress=False, **options, **more)

def killed(name):
    for family, task in TASKS.items():
        TASKS[family] = dataclasses.replace(task, make_step=functools.partial(cut, task.make_step))
    train_tiny(name, name)

def in_bf16():
    for name in runs:
        train_tiny(name, name + "-bf16", precision="bf16")

def in_fp16():
    try:
        train_tiny("VAE", "fp16", precision="fp16")
    except GenartError as error:
        print(error.code, error, flush=True)

runs = {runs!r}
for name, work in [(name, lambda name=name: killed(name)) for name in runs] + [("bf16", in_bf16), ("fp16", in_fp16)]:
    child = os.fork()  # a process of its own, without importing torch again
    if not child:
        work()
        os._exit(0)
    print(name, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


# ---- cut and resumed ----


@pytest.fixture(scope="module")
def alone(runs, tiny_parquet, tmp_path_factory):
    """What processes of their own did: a folder with a run of each class, killed in its sixth of nine steps, and what all of them said."""
    out = tmp_path_factory.mktemp("alone")
    code = ALONE.format(runs=runs, path=str(tiny_parquet), out=str(out))
    environment = os.environ | {"PYTHONPATH": str(Path(genart_hub.__file__).parent.parent), "GENART_CACHE": str(out / "cache")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out, done.stdout.splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_run_that_was_killed_and_resumed_is_the_uncut_run_to_the_bit(name, alone, tiny_parquet, tmp_path, train_tiny):
    killed, said = alone
    assert f"{name} {-signal.SIGKILL}" in said
    torch.manual_seed(12345)
    resumed = train_tiny(name, tiny_parquet, killed / name, resume=True)
    uncut = train_tiny(name, tiny_parquet, tmp_path)
    assert resumed.step == uncut.step == 9
    assert resumed.best == uncut.best
    assert same(states(killed / name), states(tmp_path))
    numbers = [[{key: line[key] for key in line if key != "seconds"} for line in lines_of(folder)] for folder in (killed / name, tmp_path)]
    assert numbers[0] == numbers[1]


def test_who_stops_watching_a_run_finds_it_saved_and_it_goes_on_to_the_bit(parquet, tmp_path, runs):
    settings, arguments, _ = runs["VAE"]
    whole = {"settings": settings, "arguments": arguments, "seed": 5, "progress": False}
    seen = []
    for step, numbers in train_steps("VAE", parquet, tmp_path / "left", **whole):
        seen.append((step, float(numbers["kl"])))
        if step == 5:
            break
    assert genart_hub.from_pretrained(tmp_path / "left").latent_dim == 3
    assert json.loads((tmp_path / "left" / "training.json").read_text())["steps"] == 5
    with only_one(tmp_path / "left"):  # nobody holds it any more
        pass
    assert train("VAE", parquet, tmp_path / "left", resume=True, **whole).step == 9
    train("VAE", parquet, tmp_path / "uncut", **whole)
    assert same(states(tmp_path / "left"), states(tmp_path / "uncut"))
    assert seen == [(line["step"], line["kl"]) for line in lines_of(tmp_path / "uncut") if "kl" in line][:5]


def test_every_model_is_among_the_runs(runs):
    assert tuple(runs) == NAMES
    worded = {name for name, cls in genart_hub.MODELS.items() if issubclass(task_of(cls).settings, WordedSettings)}  # in test_worded.py
    assert set(NAMES) == set(genart_hub.MODELS) - worded - {"VQVAE"}  # in test_token_runs.py


@pytest.mark.slow
def test_another_seed_makes_another_run(parquet, tmp_path, train_tiny):
    train_tiny("VAE", parquet, tmp_path / "a")
    train_tiny("VAE", parquet, tmp_path / "b", seed=6)
    assert not same(states(tmp_path / "a"), states(tmp_path / "b"))


# ---- precision ----


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_half_precision_where_it_was_asked_for_makes_another_run_and_a_finite_one(name, alone, tiny_parquet, tmp_path, train_tiny):
    folder, said = alone
    assert "bf16 0" in said
    assert json.loads((folder / f"{name}-bf16" / "training.json").read_text())["precision"] == "bf16"
    half, whole = states(folder / f"{name}-bf16"), states(train_tiny(name, tiny_parquet, tmp_path).folder)
    assert all(value.isfinite().all() and value.dtype != torch.bfloat16 for file in half.values() for value in file.values())
    assert not same(half, whole)


@pytest.mark.slow
def test_runs_of_one_process_have_each_their_own_precision(tiny_parquet, tmp_path, train_tiny):
    for precision in ("no", "bf16", "no"):
        train_tiny("VAE", tiny_parquet, tmp_path / "run", precision=precision)
        assert json.loads((tmp_path / "run" / "training.json").read_text())["precision"] == precision
        shutil.rmtree(tmp_path / "run")


@pytest.mark.slow
def test_half_precision_that_a_cpu_does_not_have_is_refused_in_a_sentence(alone):
    folder, said = alone
    assert said[-1] == "fp16 0"
    assert said[-2].startswith("precision_refused Training in fp16 needs another device than cpu (")
    assert said[-2].endswith("Leave --precision out.")
    assert not (folder / "fp16").exists()


def test_a_precision_that_there_is_not_is_refused(parquet, tmp_path, train_tiny):
    with pytest.raises(GenartError, match="auto, no, bf16, fp16"):
        train_tiny("VAE", parquet, tmp_path / "run", precision="fp8")


# ---- what a run leaves ----


def test_the_finished_run_loads_as_the_averaged_model(parquet, tmp_path, train_tiny):
    run = train_tiny("GAN", parquet, tmp_path / "run")
    loaded = genart_hub.from_pretrained(tmp_path / "run")
    assert (loaded.image_size, loaded.channels, loaded.latent_dim) == (8, 1, 4)
    assert all(torch.equal(value, loaded.state_dict()[key]) for key, value in run.averaged.state_dict().items())
    assert not torch.equal(loaded.generator[0].weight, run.model.generator[0].weight)


def test_a_conditional_run_knows_its_classes_by_their_folders(picture_folder, tmp_path, train_tiny):
    train_tiny("DCGAN", picture_folder, tmp_path / "run")
    loaded = genart_hub.from_pretrained(tmp_path / "run")
    assert loaded.class_names == ("cat", "dog")
    assert not torch.equal(loaded.sample(1, 0, label="cat"), loaded.sample(1, 0, label="dog"))


def test_training_json_tells_how_the_run_was_made(parquet, tmp_path, train_tiny):
    run = train_tiny("VAE", parquet, tmp_path / "run", command="genart-hub train vae")
    about = json.loads((tmp_path / "run" / "training.json").read_text())
    wanted = {
        "class": "VAE",
        "seed": 5,
        "pictures": 12,
        "file": "tiny.parquet",
        "steps": 9,
        "device": "cpu",
        "processes": 1,
        "precision": "no",
    }
    assert {key: about[key] for key in wanted} == wanted
    assert (about["command"], about["best"]) == ("genart-hub train vae", run.best)
    assert VAESettings(**about["recipe"]).lr == 1e-3


def test_the_best_vae_is_that_of_the_highest_elbo_and_loads(parquet, tmp_path, train_tiny):
    run = train_tiny("VAE", parquet, tmp_path / "run")
    scores = {line["step"]: line["score"] for line in lines_of(tmp_path / "run") if "score" in line}
    assert len(scores) == 9
    assert run.best == {"step": min(scores, key=scores.get), "score": min(scores.values())}
    best, x = genart_hub.from_pretrained(tmp_path / "run" / "best"), data.load(parquet).images()
    with torch.no_grad():
        mu, logvar = best.encode(x)
        eps = torch.randn(12, 3, generator=batches.seeded(5, 0))
        logits = best.decode(mu + (0.5 * logvar).exp() * eps)
        nll = torch.nn.BCEWithLogitsLoss(reduction="sum")(logits, (x + 1) / 2) / 12
        q = torch.distributions.Normal(mu, (0.5 * logvar).exp())
        kl = torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0)).sum() / 12
    assert run.best["score"] == pytest.approx((nll + kl).item(), rel=1e-4)


@pytest.mark.slow
def test_the_best_gan_is_that_of_the_lowest_frechet_distance_by_the_bundled_eye_of_the_nearest_size(
    tmp_path, train_tiny, monkeypatch, tiny
):
    monkeypatch.setattr(Classifier, "shift", lambda network, x: 0.0)
    eyes = [("eye", {}), ("far", {"image_size": 16}), ("colour", {"channels": 3})]
    for name, changes in eyes:
        tiny(Classifier, **changes).save_pretrained(tmp_path / name)
    monkeypatch.setattr(auto, "bundled", lambda family=None: [str(tmp_path / name) for name, _ in eyes])
    for k in range(20):
        (tmp_path / "pictures").mkdir(exist_ok=True)
        Image.effect_noise((8, 8), 90).save(tmp_path / "pictures" / f"{k:02}.png")
    run = train_tiny("GAN", tmp_path / "pictures", tmp_path / "run")
    best, eye = (genart_hub.from_pretrained(tmp_path / name) for name in ("run/best", "eye"))
    with torch.no_grad():
        real, fake = eye.features(data.load(tmp_path / "pictures").images()), eye.features(best.sample(20, seed=5 + 10**9))
    assert run.best["score"] == pytest.approx(metrics.frechet_distance(real, fake), rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["GAN", "DCGAN", "ConvVAE"])
def test_looks_change_no_bit_of_what_is_trained(name, tiny_parquet, tmp_path, train_tiny, monkeypatch):
    train_tiny(name, tiny_parquet, tmp_path / "often")
    monkeypatch.setattr(importlib.import_module("genart_hub.train.loop"), "LOOK_SHARE", 0.0)
    train_tiny(name, tiny_parquet, tmp_path / "once")
    assert [len(list((tmp_path / run / "samples").iterdir())) for run in ("often", "once")] == [9, 1]
    for file in ("checkpoint.safetensors", "model.safetensors"):
        often, once = (load_file(tmp_path / run / file) for run in ("often", "once"))
        assert all(torch.equal(often[key], once[key]) for key in once)


@pytest.mark.slow
def test_pictures_unlike_those_of_the_feature_network_are_not_judged_by_it(noisy, tmp_path, train_tiny, capsys):
    run = train_tiny("GAN", noisy, tmp_path / "run", progress=True)
    assert run.best is None
    assert not (tmp_path / "run" / "best").exists()
    assert "No best state is kept: features-mnist, the feature network nearest to these pictures, was trained on" in capsys.readouterr().err
    assert not [line for line in lines_of(tmp_path / "run") if "score" in line]


@pytest.mark.slow
def test_digits_are_judged_by_the_feature_network_of_digits(tmp_path, train_tiny, capsys):
    (tmp_path / "digits").mkdir()
    for k, picture in enumerate(images.to_pil(genart_hub.from_pretrained("gan-mnist").sample(20))):
        picture.save(tmp_path / "digits" / f"{k}.png")
    run = train_tiny("GAN", tmp_path / "digits", tmp_path / "run", progress=True)
    assert run.best
    assert "No best state" not in capsys.readouterr().err


@pytest.mark.budget
def test_a_short_run_keeps_no_best_state_and_says_so(parquet, tmp_path, train_tiny, capsys):
    assert train_tiny("VAE", parquet, tmp_path / "run", progress=True).best is None
    assert "No best state is kept: a run of 9 steps is too short to choose from (500 are needed)." in capsys.readouterr().err
    assert not (tmp_path / "run" / "best").exists()


def test_a_classifier_is_scored_on_the_variants_that_were_held_out(styles, tmp_path, train_tiny):
    run = train_tiny("Classifier", styles, tmp_path / "run", label="name", hold_out="style")
    assert run.step == 9  # 12 of the 18 are trained on, in batches of 4
    best, pictures = genart_hub.from_pretrained(tmp_path / "run" / "best"), data.load(styles).labelled_by("name")
    held = pictures.take(pictures.hold_out("style")[1])
    assert len(held) == 6
    wrong = (best(held.images()).argmax(1) != held.labels).double().mean()
    assert run.best["score"] == pytest.approx(wrong.item())


@pytest.mark.parametrize(("label", "names"), [(None, ["disc", "box"]), ("shape", ["disc", "box"]), ("colour", ["blue", "red"])])
def test_any_class_label_of_a_table_can_be_trained_on_and_balanced_by_its_name(styles, tmp_path, train_tiny, label, names):
    from pyarrow import parquet

    table = parquet.read_table(styles).select(["image"]).append_column("shape", [[k % 2 for k in range(18)]])
    table = table.append_column("colour", [[k // 9 for k in range(18)]])
    features = {"shape": ["disc", "box"], "colour": ["red", "blue"]}
    features = {name: {"names": names, "_type": "ClassLabel"} for name, names in features.items()}
    table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    parquet.write_table(table, tmp_path / "shapes.parquet")
    settings = ClassifierSettings(epochs=1, batch_size=4, lr=1e-3, balance=True)
    train_tiny("Classifier", tmp_path / "shapes.parquet", tmp_path / "run", settings, label=label)
    assert list(genart_hub.from_pretrained(tmp_path / "run").class_names) == names


def test_a_run_is_looked_at_from_the_same_seeds_and_its_numbers_are_in_tensorboard(parquet, tmp_path, train_tiny):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    train_tiny("DCGAN", parquet, tmp_path)
    events = reader.EventAccumulator(str(tmp_path / "events"), size_guidance={"images": 0}).Reload()
    assert {"d_loss", "g_loss", "d_accuracy", "spread"} <= set(events.Tags()["scalars"])
    assert len(list((tmp_path / "samples").iterdir())) == len(events.Images("samples")) == 9


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "arguments"), [("VAE", {"latent_dim": 3, "hidden_dims": [16]}), ("ConvVAE", {"latent_dim": 3, "width": 16})]
)
def test_a_batch_cut_into_pieces_makes_the_run_of_the_whole_batch(name, arguments, parquet, tmp_path, train_tiny):
    whole, pieces = (train_tiny(name, parquet, tmp_path / str(count), arguments=arguments, accumulate=count) for count in (1, 2))
    for (key, a), b in zip(whole.model.state_dict().items(), pieces.model.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=2e-5, msg=lambda text, key=key: f"{key}: {text}")
    a, b = ([line for line in lines_of(tmp_path / count) if "kl" in line][-1] for count in ("1", "2"))
    assert (a["reconstruction"], a["kl"]) == pytest.approx((b["reconstruction"], b["kl"]), rel=1e-4)


def test_a_gan_runs_in_pieces(parquet, tmp_path, train_tiny):
    run = train_tiny("DCGAN", parquet, tmp_path / "run", accumulate=2)
    assert run.step == 9
    assert all(optimizer.state_dict()["state"][0]["step"] == 9 for optimizer in run.optimizers.values())


def test_flips_and_weights_of_settings_reach_the_batches(picture_folder, tmp_path, train_tiny, monkeypatch):
    seen = []
    training = importlib.import_module("genart_hub.train.launch")
    monkeypatch.setattr(training, "fit_steps", lambda step, batches, *rest, **options: seen.append(batches) or iter(()))
    (picture_folder / "dog" / "1.png").unlink()  # three cats, two dogs
    for k, change in enumerate(({}, {"flip": True}, {"balance": True}, {"class_weights": {"dog": 3.0}})):
        train_tiny("VAE", picture_folder, tmp_path / str(k), VAESettings(epochs=1, batch_size=4, lr=1e-3, **change))
    assert [batches.flip for batches in seen] == [False, True, False, False]
    assert [None if batches.weights is None else batches.weights.tolist() for batches in seen] == [
        None,
        None,
        pytest.approx([1 / 3] * 3 + [1 / 2] * 2),
        [1, 1, 1, 3, 3],
    ]


def test_training_goes_on_without_tensorboard(parquet, tmp_path, train_tiny, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)  # importing it raises ImportError
    train_tiny("VAE", parquet, tmp_path / "run")
    assert lines_of(tmp_path / "run")[-1]["step"] == 9
    assert not (tmp_path / "run" / "events").exists()
