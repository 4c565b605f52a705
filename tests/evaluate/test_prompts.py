"""Text-to-image models under the protocol: what was asked for, how far from real pictures of the same captions, what the latents keep."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pipelines import tiny_pipeline

from genart_hub import cli, data, evaluate, images, metrics
from genart_hub.data import Pictures
from genart_hub.errors import GenartError
from genart_hub.evaluate import costs, prompts, samples
from genart_hub.evaluate.memorisation import Training
from genart_hub.models import pictures as painting
from genart_hub.models.base import ImageModel
from genart_hub.models.classifier import Classifier
from genart_hub.models.stable_diffusion.pipeline import StableDiffusion
from genart_hub.models.vae import VAE

NAMES = ("bear", "cat", "dog", "fox")
STYLES = ("blob", "noto", "wash")
ASKED = {"label": "concept", "hold_out": "style"}
OF_SAMPLES = ["frechet", "kid", "precision", "recall", "density", "coverage"]


def captioned(size=16, copies=2):
    """Each thing in each style, with a dark and a plain one of it, each with captions in two languages."""
    rows = [(name, style, dark) for _ in range(copies) for name in NAMES for style in STYLES for dark in (": dark", "")]
    columns = {"concept": [name for name, _, _ in rows], "style": [style for _, style, _ in rows]}
    columns |= {"text": [name + dark for name, _, dark in rows], "text_zh": [f"zh {name}{dark}" for name, _, dark in rows]}
    levels = torch.randint(0, 256, (len(rows), 3, size, size), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return Pictures(levels, None, Path("/somewhere/data/things.parquet"), columns=columns)


class Copyist(ImageModel):
    """Draws, for a caption, the last real picture that has it; notes what it was asked."""

    family, channels, image_size = "diffusion", 3, 16
    defaults = {"num_steps": 7, "guidance": 3.0}

    def __init__(self, pictures):
        texts = pictures.columns["text"] + pictures.columns["text_zh"]
        self.known = dict(zip(texts, torch.cat([pictures.images(), pictures.images().flip(0)]), strict=True))
        self.calls = []

    def sample(self, n, seed, *, prompt, num_steps, guidance):
        self.calls.append((seed, tuple(prompt), num_steps, guidance))
        assert len(prompt) == n
        return torch.stack([self.known[text] for text in prompt])


@pytest.fixture
def pictures():
    return captioned()


@pytest.fixture
def eye(tiny):
    """A classifier of the four things and two more, that tells these pictures apart."""
    eye = tiny(Classifier, image_size=16, channels=3, num_classes=0, class_names=("fox", "owl", "cat", "bear", "yak", "dog"))
    with torch.no_grad():
        eye.head.bias.copy_(-eye.head.weight.mul_(1000) @ eye.features(captioned().images()).mean(dim=0))
    return eye


@pytest.fixture(scope="module")
def pipeline():
    return StableDiffusion(tiny_pipeline(), defaults={"num_steps": 2, "guidance": 3.0})


def by_name(measures):
    return {measure.name: measure for measure in measures}


# ---- what is asked for ----


def test_one_held_out_picture_of_each_class_is_asked_for_and_it_is_the_plain_one(pictures):
    held = pictures.labelled_by("concept").hold_out("style")[1].tolist()
    asked = prompts.draw_classes(pictures, "concept", "style", "text", num=9)
    assert sorted(asked.columns["text"]) == list(NAMES)
    styles = {pictures.columns["concept"][row]: pictures.columns["style"][row] for row in held}
    assert dict(zip(asked.columns["concept"], asked.columns["style"], strict=True)) == styles


def test_fewer_classes_are_drawn_by_the_seed(pictures):
    drawn = {tuple(prompts.draw_classes(pictures, "concept", "style", "text", 2, seed).columns["concept"]) for seed in range(9)}
    order = torch.randperm(4, generator=torch.Generator().manual_seed(5))[:2].tolist()
    assert len(drawn) > 3
    assert prompts.draw_classes(pictures, "concept", "style", "text", 2, 5).columns["concept"] == [NAMES[k] for k in order]


def test_each_language_has_a_row_with_the_held_out_real_pictures_as_the_ceiling(pictures, eye):
    model = Copyist(pictures)
    found = by_name(prompts.evaluate(fake_vae(model), pictures, eye, captions=("text", "text_zh"), **ASKED, count=8, seed=4))
    asked = prompts.draw_classes(pictures, "concept", "style", "text", 500, 4)
    assert [call[:2] for call in model.calls[:2]] == [(4, tuple(asked.columns[column])) for column in ("text", "text_zh")]
    labels = torch.tensor([eye.class_names.index(name) for name in asked.columns["concept"]])
    with torch.no_grad():
        real = eye(asked.images())
        for column in ("text", "text_zh"):
            made = eye(torch.stack([model.known[text] for text in asked.columns[column]]))
            for k, name in ((1, f"is what was asked for ({column})"), (5, f"is what was asked for, top 5 ({column})")):
                assert found[name].value == metrics.top_k_accuracy(made, labels, k).mean().item()
                assert found[name].real == metrics.top_k_accuracy(real, labels, k).mean().item()
                assert f"4 prompts of data/things.parquet, column {column}" in found[name].protocol


def fake_vae(model):
    """An autoencoder that gives back half of each pixel."""
    model.reconstructs, model.reconstruct = True, lambda x: x / 2
    return model


def test_picture_k_has_the_caption_of_real_picture_k_and_the_seed_plus_k(pictures, eye, monkeypatch):
    monkeypatch.setattr(painting, "BATCH", 5)
    model = fake_vae(Copyist(pictures))
    prompts.evaluate(model, pictures, eye, count=12, seed=3)
    rows = torch.randperm(48, generator=torch.Generator().manual_seed(3))[:12].tolist()
    texts = [pictures.columns["text"][row] for row in rows]
    assert [call[0] for call in model.calls] == [3, 8, 13]
    assert [text for call in model.calls for text in call[1]] == texts
    assert {call[2:] for call in model.calls} == {(7, 3.0)}


def test_distances_are_those_of_the_other_models_by_the_same_halves(pictures, eye):
    model = fake_vae(Copyist(pictures))
    found = {measure.metric: measure for measure in prompts.evaluate(model, pictures, eye, count=20, seed=1)}
    half, other = samples.halves(pictures, 20, 1)
    with torch.no_grad():
        real, floor = eye.features(half.images()), eye.features(other.images())
        made = eye.features(torch.stack([model.known[text] for text in half.columns["text"]]))
    assert list(found)[:6] == OF_SAMPLES
    assert found["frechet"].value == pytest.approx(metrics.frechet_distance(real, made), rel=1e-4)
    assert found["frechet"].real == pytest.approx(metrics.frechet_distance(real, floor), rel=1e-4)
    assert found["recall"].value == pytest.approx(metrics.precision_recall(real, made)[1].mean().item())
    assert found["kid"].protocol.startswith(
        "20 made (seeds from 1, prompted with the reference's captions, 7 steps, guidance 3, resized to 16 px (bicubic) where they differ)"
        " against 20 real of data/things.parquet; real: the other 20; "
    )


def test_the_autoencoder_is_measured_through_its_mean_by_the_names_of_a_vaes_figures(pictures, eye, vae):
    found = {measure.metric: measure for measure in prompts.evaluate(fake_vae(Copyist(pictures)), pictures, eye, count=8)}
    x = pictures.images()
    assert found["mse"].value == pytest.approx(metrics.squared_error(x, x / 2).mean().item(), rel=1e-5)
    assert found["psnr"].value == pytest.approx(metrics.psnr(x, x / 2).mean().item(), rel=1e-5)
    assert found["ssim"].value == pytest.approx(metrics.ssim(x, x / 2).mean().item(), rel=1e-5)
    assert found["mse"].protocol == "48 of data/things.parquet at 16 px"
    grey = Pictures(images.resize(x, 8, 1).add(1).mul(127.5).to(torch.uint8), None, pictures.path)
    of_vae = {measure.metric: measure.name for measure in evaluate.evaluate(vae, grey, eye, samples=2, count=8, reference=pictures)}
    assert {metric: found[metric].name for metric in ("mse", "psnr")}.items() <= of_vae.items()


def test_beside_the_held_out_real_pictures_stand_copies_of_those_that_the_feature_network_was_trained_on(pictures, eye):
    found = by_name(prompts.evaluate(fake_vae(Copyist(pictures)), pictures, eye, **ASKED, count=8, seed=4))["is what was asked for (text)"]
    asked, known = (prompts.draw_classes(pictures, "concept", "style", "text", 500, 4, held_out) for held_out in (True, False))
    assert asked.columns["concept"] == known.columns["concept"] == known.columns["text"]  # the plain one of each class
    assert all(a != b for a, b in zip(asked.columns["style"], known.columns["style"], strict=True))
    labels = torch.tensor([eye.class_names.index(name) for name in known.columns["concept"]])
    with torch.no_grad():
        assert found.copied == metrics.top_k_accuracy(eye(known.images()), labels, 1).mean().item()
    assert "copies: others of the same classes, which it did see" in found.protocol


def test_a_distance_of_few_pictures_in_a_sweep_says_that_it_is_too_large(pictures, eye, monkeypatch):
    def distance():
        (measures,) = prompts.sweep(Copyist(pictures), pictures, eye, count=20, num_steps=(1,)).values()
        return {measure.metric: measure for measure in measures}["frechet"]

    few = distance()
    assert few.protocol.endswith(f"of so few a Fréchet distance is far too large, as real pictures' {few.real:.1f} shows: compare columns")
    monkeypatch.setattr(prompts, "ENOUGH", 20)
    assert "too large" not in distance().protocol


def test_a_pipeline_that_copies_what_it_was_prompted_with_is_found_out(pictures, eye, tiny, tmp_path):
    autoencoder = tiny(VAE, image_size=16, channels=3)
    autoencoder.reconstruct = lambda x: x + 0.02  # what is near is nearer than that
    training = Training(pictures, None, eye, autoencoder)
    model = fake_vae(Copyist(pictures))
    found = {m.metric: m for m in prompts.evaluate(model, pictures, eye, count=20, training=training, picture=tmp_path / "nearest.png")}
    assert [found[f"near_copies_{kind}"].value for kind in ("rmse", "features", "prompted")] == [1, 1, 1]
    assert found["nearest_rmse"].protocol.startswith(f"20 made (seeds from 0, {prompts.PROMPTED}, 7 steps, guidance 3), each")
    assert (tmp_path / "nearest.png").is_file()
    texts = list(dict.fromkeys(pictures.columns["text"]))
    model.known = {text: model.known[other] for text, other in zip(texts, texts[1:] + texts[:1], strict=True)}  # of what was not prompted
    found = {m.metric: m for m in prompts.evaluate(model, pictures, eye, count=20, training=training)}
    assert (found["near_copies_rmse"].value, found["near_copies_prompted"].value) == (1, 0)


def test_nothing_is_asked_for_where_no_classes_are_named(pictures, eye):
    found = prompts.evaluate(fake_vae(Copyist(pictures)), pictures, eye, count=8)
    assert [measure.metric for measure in found] == [*OF_SAMPLES, "mse", "psnr", "ssim"]


def test_a_real_pipeline_is_measured_and_its_numbers_come_again(pictures, eye, pipeline):
    first = prompts.evaluate(pipeline, pictures, eye, captions=("text", "text_zh"), **ASKED, count=8)
    torch.manual_seed(99)
    assert prompts.evaluate(pipeline, pictures, eye.train(), captions=("text", "text_zh"), **ASKED, count=8) == first
    assert eye.training
    with torch.no_grad():
        vae, x = pipeline.pipeline.vae, pictures.images()
        x_hat = vae.decode(vae.encode(x).latent_dist.mean).sample.clamp(-1, 1)
    assert {m.metric: m.value for m in first}["mse"] == pytest.approx(metrics.reconstruction_mse(x, x_hat), rel=1e-4)


# ---- several values ----


def test_each_number_of_steps_has_a_column_whose_rows_are_the_same(pictures, eye):
    model = Copyist(pictures)
    found = prompts.sweep(model, pictures, eye, **ASKED, count=8, num_steps=(1, 4))
    assert list(found) == ["1 step", "4 steps"]
    assert {call[2:] for call in model.calls} == {(1, 3.0), (4, 3.0)}
    keys = [[(measure.metric, measure.protocol) for measure in measures] for measures in found.values()]
    assert keys[0] == keys[1]
    assert [metric for metric, _ in keys[0]] == ["prompt_accuracy", "prompt_top_5_accuracy", "frechet", "seconds"]
    assert all("guidance 3" in protocol and "step" not in protocol for _, protocol in keys[0])


def test_each_guidance_has_a_column_and_both_have_one_a_pair(pictures, eye):
    asked = {**ASKED, "count": 8}
    found = prompts.sweep(Copyist(pictures), pictures, eye, **asked, num_steps=(5,), guidance=(2.0, 7.5))
    assert list(found) == ["guidance 2", "guidance 7.5"]
    assert all("5 steps" in measure.protocol and "guidance" not in measure.protocol for measure in found["guidance 2"])
    pairs = prompts.sweep(Copyist(pictures), pictures, eye, **asked, num_steps=(1, 2), guidance=(2.0, 4.0))
    assert list(pairs) == ["1 step, guidance 2", "1 step, guidance 4", "2 steps, guidance 2", "2 steps, guidance 4"]


def test_seconds_are_those_of_a_picture_in_a_batch_after_the_first(pictures, monkeypatch):
    ticks = iter([0.0, 99.0, 100.0, 108.0, 200.0, 216.0, 300.0, 324.0])
    monkeypatch.setattr(costs.time, "perf_counter", lambda: next(ticks))
    model = Copyist(pictures)
    found = prompts._seconds(model, ["cat", "dog"], 0, {"num_steps": 4, "guidance": 3.0}, "")
    assert found.value == pytest.approx((8 + 16 + 24) / 3 / 16)
    assert found.error == pytest.approx(8 / 16 / 3**0.5)
    assert {len(call[1]) for call in model.calls} == {16}
    assert "of the machine that measured it (cpu" in found.protocol


# ---- the command ----


@pytest.fixture
def files(pictures, eye, pipeline, tmp_path, monkeypatch):
    """Pictures, an eye and a pipeline as `genart-hub evaluate` takes them."""

    monkeypatch.setattr(data, "load", lambda *given, **settings: pictures)
    pipeline.pipeline.save_pretrained(tmp_path / "tiny-sd")
    eye.save_pretrained(tmp_path / "eye")
    monkeypatch.chdir(tmp_path)
    return ["--data", "data/test.parquet", "--features", "eye", "--label", "concept", "--hold-out", "style", "--json", "found.json"]


@pytest.mark.slow
def test_the_command_writes_one_column_or_one_for_each_value(files, capsys):
    assert cli.main(["evaluate", "tiny-sd", *files, "--count", "8", "--steps", "2", "--caption", "text_zh"]) == 0
    found = json.loads(Path("found.json").read_text())
    assert list(found["results"]) == ["tiny-sd"]
    assert found["results"]["tiny-sd"][0]["name"] == "is what was asked for (text_zh)"
    assert "2 steps, guidance 7.5" in found["results"]["tiny-sd"][0]["protocol"]
    assert cli.main(["evaluate", "tiny-sd", *files, "--samples", "9", "--steps", "1,2", "--prompts", "3"]) == 0
    found = json.loads(Path("found.json").read_text())["results"]
    assert list(found) == ["tiny-sd, 1 step", "tiny-sd, 2 steps"]
    assert found["tiny-sd, 1 step"][0]["protocol"].startswith("3 prompts")
    assert found["tiny-sd, 1 step"][2]["protocol"].startswith("9 made")
    assert "| tiny-sd, 1 step | tiny-sd, 2 steps |" in capsys.readouterr().out


# ---- refused ----


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"captions": ("name",)}, "no_column"),
        ({"prompts": 1}, "too_small"),
        ({"num_steps": 0}, "out_of_range"),
        ({"guidance": -1}, "out_of_range"),
    ],
)
def test_what_measures_nothing_is_refused(pictures, eye, options, code):
    with pytest.raises(GenartError) as error:
        prompts.evaluate(fake_vae(Copyist(pictures)), pictures, eye, **{"count": 8, **options})
    assert error.value.code == code


def test_pictures_without_a_caption_are_told_with_their_number(pictures):
    pictures.columns["text"][3] = None
    pictures.columns["text"][5] = " "
    with pytest.raises(GenartError, match="2 pictures have no caption in the column text"):
        prompts.captions_of(pictures, "text")


def test_classes_are_captions_by_their_names(pictures):
    labelled = replace(pictures, labels=torch.arange(len(pictures)) % 2, class_names=("moon", "sun"), label_column="shape")
    assert prompts.captions_of(labelled, "shape")[:3] == ["moon", "sun", "moon"]
    numbered = replace(pictures, columns={"style": [0, 1] * (len(pictures) // 2)}, column_names={"style": ("ink", "oil")})
    assert prompts.captions_of(numbered, "style")[:3] == ["ink", "oil", "ink"]


def test_an_eye_of_other_classes_cannot_say_whether_it_is_what_was_asked_for(pictures, tiny):
    eye = tiny(Classifier, image_size=16, channels=3, num_classes=0, class_names=("bear", "cat", "fox"))
    with pytest.raises(GenartError, match="no class dog"):
        prompts.evaluate(Copyist(pictures), pictures, eye, **ASKED, count=8)


def test_steps_that_are_no_numbers_are_told(files, capsys):
    assert cli.main(["evaluate", "tiny-sd", *files, "--steps", "1,two"]) == 1
    assert "steps must be a number, got 'two'" in capsys.readouterr().err
