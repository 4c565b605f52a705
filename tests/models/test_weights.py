"""Every model in weights/ loads, makes the pictures that its golden file holds, and has a card."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

import genart_hub
from genart_hub.hub import locate
from genart_hub.hub.cards.ablation import ABLATION, CURVES
from genart_hub.hub.cards.pipelines import components
from genart_hub.hub.names import PIPELINE
from genart_hub.models import auto

NAMES = genart_hub.bundled() + genart_hub.bundled("features")
MODEL = {"README.md", "config.json", "evaluation.json", "golden.safetensors", "model.safetensors", "samples.png", "training.json"}
MODEL |= {"nearest.png"}
OF_PIPELINES = MODEL - {"config.json", "model.safetensors"} | {PIPELINE, "sampling.json", "unseen.png"}
OF_PIPELINES |= {"guidance.json", "names.json", "schedulers.json", "steps.json"}


def files_of(name: str) -> list[Path]:
    return [file for file in locate.bundled_folder(name).rglob("*") if file.is_file()]


def bytes_of(names: list[str]) -> int:
    return sum(file.stat().st_size for name in names for file in files_of(name))


@torch.no_grad()
def made_by(model, golden, asked):
    """What the golden file should hold, from the rest of it."""
    if "logits" in golden:
        return model(golden["x"])
    if "z" in golden:
        return model.generate(golden["z"])
    return model.sample(len(golden["x"]), 0, **{name: json.loads(asked[name]) for name in model.inputs if name in asked})


@pytest.mark.parametrize("name", NAMES)
def test_a_bundled_model_makes_what_its_golden_file_holds(name):
    model, file = genart_hub.from_pretrained(name), locate.bundled_folder(name) / "golden.safetensors"
    if not file.is_file():
        pytest.fail(f"{name} has no golden.safetensors")
    with safe_open(file, framework="pt") as saved:
        golden, asked = {key: saved.get_tensor(key) for key in saved.keys()}, saved.metadata()
    expected = golden.get("logits", golden["x"])
    torch.testing.assert_close(made_by(model, golden, asked), expected, rtol=0, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", genart_hub.bundled("diffusion"))
def test_ddim_of_a_bundled_pipelines_scheduler_draws_the_same_pictures(name):
    from diffusers import DDIMScheduler

    model = genart_hub.from_pretrained(name)
    request = {"prompt": ["red apple", "rocket"], "num_steps": 50, "guidance": 1.0}
    own = model.sample(2, 0, **request)
    model.pipeline.scheduler = DDIMScheduler.from_config(model.pipeline.scheduler.config)
    assert (own - model.sample(2, 0, **request)).div(2).square().mean() < 1e-4  # 0.2 where latents are cut off at 1


@pytest.mark.parametrize("name", NAMES)
def test_a_bundled_model_has_a_card_and_is_known_by_its_name(name):
    folder, model = locate.bundled_folder(name), genart_hub.from_pretrained(name)
    wanted = ["README.md"] + ["samples.png", "nearest.png"] * (model.family != "features")
    wanted += ["unseen.png", "schedulers.json"] * (model.family == "diffusion")
    assert [file for file in wanted if not (folder / file).is_file()] == []
    assert model.source.name == name


@pytest.mark.parametrize("name", NAMES)
def test_a_bundled_folder_holds_a_model_and_what_is_told_of_it_and_nothing_else(name):
    folder = locate.bundled_folder(name)
    words = {"unseen.png", "wishes.png", "names.json"}  # of a model that reads them
    words = words if "prompt" in (auto.listing(name)["inputs"] or ()) else set()
    allowed = OF_PIPELINES | set(components(folder)) if (folder / PIPELINE).is_file() else MODEL | set(auto.class_of(name).extra_files)
    allowed |= words
    allowed |= {ABLATION, CURVES} if (folder / ABLATION).is_file() else set()
    assert {entry.name for entry in folder.iterdir()} <= allowed


def test_the_weights_stay_within_their_budget():
    pipelines = genart_hub.bundled("diffusion")
    assert bytes_of(pipelines) < 30_000_000
    assert bytes_of([name for name in NAMES if name not in pipelines]) < 65_000_000
    assert bytes_of(NAMES) <= 95_000_000
