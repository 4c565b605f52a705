"""What one is used to from other command lines: JSON, near words, quiet, globs, other libraries' names."""

import json

import pytest
import torch
from pipelines import tiny_pipeline

import genart_hub
from genart_hub import cli
from genart_hub.errors import GenartError
from genart_hub.models.stable_diffusion.pipeline import StableDiffusion

NAMES = ["conv-vae-emoji", "dcgan-emoji", "dcgan-mnist", "features-emoji64", "features-emoji64-b", "features-mnist", "gan-mnist"]
NAMES += ["tiny-sd-emoji", "vae-mnist"]


def run(capsys, *words):
    assert cli.main([str(word) for word in words]) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def refuse(capsys, *words):
    with pytest.raises(SystemExit) as end:
        cli.main(list(words))
    assert end.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("name", NAMES)
def test_a_listing_is_true_though_nothing_was_loaded(capsys, name):
    (listed,) = json.loads(run(capsys, "list", name, "--json"))
    model = genart_hub.from_pretrained(name)
    assert (listed["name"], listed["family"], listed["class"]) == (name, model.family, type(model).__name__)
    assert (listed["image_size"], listed["channels"]) == (model.image_size, model.channels)
    assert (listed["num_parameters"], listed["bytes"]) == (model.num_parameters, sum(file.stat().st_size for file in model.weight_files))
    inputs = getattr(model, "inputs", None)
    assert listed["inputs"] == (None if inputs is None else ["n", "seed", *inputs])


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (
            ["*emoji*"],
            [
                "dcgan-emoji",
                "conv-vae-emoji",
                "tiny-sd-emoji",
                "features-emoji64",
                "features-emoji64-b",
                "text-vae-emoji",
                "text-gan-emoji",
                "tokens-emoji",
            ],
        ),
        (["*mnist", "--family", "gan"], ["dcgan-mnist", "gan-mnist"]),
        (["--dataset", "mnist", "--family", "vae"], ["vae-mnist"]),
        (["nothing*"], []),
    ],
)
def test_a_list_is_of_what_was_asked_for(capsys, words, names):
    assert [line.split()[0] for line in run(capsys, "list", *words).splitlines()[1:]] == names


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (["smaple"], "sample"),
        (["sample", "gan-mnist", "--lable", "3"], "--label"),
        (["list", "--family", "gna"], "gan"),
        (["push", "x", "me/x", "--licence", "mit"], "--license"),
    ],
)
def test_a_word_that_is_nearly_right_is_named(capsys, words, near):
    assert f"Did you mean {near}?" in refuse(capsys, *words)


def test_a_word_that_is_near_nothing_has_no_hint(capsys):
    assert "Did you mean" not in refuse(capsys, "xyzzy")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["-q", "list"], "genart-hub: unrecognized arguments: -q. Write it after a command that takes it. See genart-hub --help."),
        (["list", "--version"], "genart-hub: unrecognized arguments: --version. Write it before the command. See genart-hub --help."),
        (["info"], "genart-hub info: the following arguments are required: model. See genart-hub info --help."),
    ],
)
def test_a_wrong_command_line_is_told_in_one_line_with_its_cure(capsys, words, line):
    assert refuse(capsys, *words) == line + "\n"


def test_a_model_s_name_that_is_nearly_right_is_named(capsys):
    assert cli.main(["info", "gan-mnits"]) == 1
    assert "No model 'gan-mnits'. Did you mean gan-mnist? Tried" in capsys.readouterr().err


def test_quiet_shows_no_bar_and_the_next_command_does(capsys, tmp_path, picture_folder):
    words = ["reconstruct", "gan-mnist", picture_folder / "cat" / "0.png", "--steps", 3, "--out", tmp_path / "a.png"]
    run(capsys, *words)
    for quiet in (True, False):
        assert cli.main([str(word) for word in [*words, *["-q"] * quiet]]) == 0
        out, err = capsys.readouterr()
        assert "gan-mnist's answer" in out
        assert ("3/3" in err) is not quiet


def test_quiet_training_shows_no_bar(capsys, tmp_path, parquet):
    words = ["train", "vae", "--data", parquet, "--out", tmp_path / "run", "--epochs", "1", "--batch-size", "4", "-q"]
    assert cli.main([str(word) for word in words]) == 0
    assert "step/s" not in capsys.readouterr().err


def test_verbose_says_where_an_error_came_from(capsys):
    for words, traceback in (([], False), (["-v"], True)):
        assert cli.main(["info", "nowhere", *words]) == 1
        assert ("Traceback" in capsys.readouterr().err) is traceback


def test_the_measures_of_an_evaluation_can_go_to_another_program(capsys, tmp_path, picture_folder, gan, classifier):
    eye, model = classifier.save_pretrained(tmp_path / "eye"), gan.save_pretrained(tmp_path / "mine")
    for k in range(16):
        (picture_folder / "cat" / f"{k}.png").write_bytes((picture_folder / "cat" / "0.png").read_bytes())
    told = json.loads(run(capsys, "evaluate", model, "--data", picture_folder, "--features", eye, "--samples", 8, "--json", "-"))
    assert {measure["metric"] for measure in told["results"]["mine"]} >= {"frechet", "kid"}


def test_diffusers_own_names_are_understood(capsys, tmp_path):
    sd = StableDiffusion(tiny_pipeline())
    x = sd.sample(1, 0, prompt="cat", num_steps=2, guidance=3.0)
    assert torch.equal(x, sd.sample(1, 0, prompt="cat", num_inference_steps=2, guidance_scale=3.0))
    assert torch.equal(x, [*sd.denoise(1, 0, prompt="cat", num_inference_steps=2, guidance_scale=3.0)][-1][2])
    for twice in ({"num_steps": 2, "num_inference_steps": 3}, {"guidance": None, "guidance_scale": 3.0}):
        with pytest.raises(GenartError, match=f"sample: {' and '.join(twice)} are two names of one input. Give one of them."):
            sd.sample(1, 0, prompt="cat", **twice)
    folder = sd.save_pretrained(tmp_path / "sd")
    for steps, guidance in (("--steps", "--guidance"), ("--num-inference-steps", "--guidance-scale")):
        run(capsys, "sample", folder, "--prompt", "cat", "-n", 1, steps, 2, guidance, 3, "--out", tmp_path / f"{steps}.png")
    assert (tmp_path / "--steps.png").read_bytes() == (tmp_path / "--num-inference-steps.png").read_bytes()


def test_a_pipeline_moves_as_diffusers_moves_it():
    sd = StableDiffusion(tiny_pipeline())
    assert sd.to("cpu") is sd
    assert sd.to(torch.device("meta")).pipeline.unet.device.type == "meta"
