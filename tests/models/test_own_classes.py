"""A model of a new kind costs one file: what it takes and gives is enough for the commands, the cards, the Hub and the app."""

import json

import numpy as np
import own_models
import pytest
import torch
from gradio_client import handle_file
from hub_server import HubServer, User, patched_client
from own_models import PixelDiffusion, PixelTokens, WordPainter
from PIL import Image
from pyarrow import Table, parquet
from running import connect, running_app
from torch import nn

import genart_hub
from genart_hub import cli, images
from genart_hub.errors import GenartError
from genart_hub.hub import HubModel, locate
from genart_hub.models import MODELS, auto
from genart_hub.models.base import ImageModel

ASKED = {PixelDiffusion: {"label": "dog", "num_steps": 3}, WordPainter: {"prompt": "a cat"}, PixelTokens: {"label": "dog"}}
WORDS = {PixelDiffusion: ["--label", "dog", "--steps", "3"], WordPainter: ["--prompt", "a cat"], PixelTokens: ["--label", "dog"]}

for cls in ASKED:
    MODELS.pop(cls.__name__, None)  # they are registered where they are imported: for these tests alone


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    for cls in ASKED:
        monkeypatch.setitem(MODELS, cls.__name__, cls)


@pytest.fixture(params=ASKED, ids=lambda cls: cls.__name__)
def own(request, tiny, tmp_path):
    """A model of the class, saved."""
    tiny(request.param, class_names=("cat", "dog")).save_pretrained(tmp_path / "own")
    return genart_hub.from_pretrained(tmp_path / "own")


@pytest.fixture
def captioned(tmp_path):
    """A parquet file of forty pictures with their class and a caption."""
    rows = []
    for k, picture in enumerate(images.to_pil(torch.rand(40, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1)):
        picture.save(file := tmp_path / f"{k}.png")
        rows.append({"bytes": file.read_bytes(), "path": None})
    names = [("cat", "dog")[k % 2] for k in range(40)]
    parquet.write_table(
        Table.from_pydict({"image": rows, "label": names, "text": [f"a {name}" for name in names]}), tmp_path / "data.parquet"
    )
    return tmp_path / "data.parquet"


def run(capsys, *words):
    assert cli.main([str(word) for word in words]) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def test_info_says_what_it_takes(own, capsys):
    told = run(capsys, "info", own.source.folder)
    assert told.startswith(f"own: {type(own).__name__}, family {own.family}")
    assert f"inputs: n, seed, {', '.join(ASKED[type(own)])}" in told
    assert f"parameters: {sum(p.numel() for p in own.parameters()):,}" in told
    assert json.loads(run(capsys, "info", own.source.folder, "--json"))["num_parameters"] == own.num_parameters


def test_its_pictures_are_made_and_made_again(own, capsys, tmp_path):
    first, again = tmp_path / "first.png", tmp_path / "own" / "again.png"
    run(capsys, "sample", own.source.folder, *WORDS[type(own)], "-n", 3, "--seed", 7, "--out", first)
    x = own.sample(3, 7, **ASKED[type(own)])
    assert np.array_equal(images.sheet(x, 8), Image.open(first))
    assert {name: images.read_recipe(first)[name] for name in ASKED[type(own)]} == ASKED[type(own)]
    run(capsys, "sample", "--from", first, "--out", again)
    assert np.array_equal(Image.open(first), Image.open(again))
    assert images.read_recipe(first) == images.read_recipe(again)


def test_single_pictures_have_recipes_of_their_own(own, capsys, tmp_path):
    run(capsys, "sample", own.source.folder, *WORDS[type(own)], "-n", 2, "--seed", 7, "--out", f"{tmp_path}/several/")
    assert sorted(file.name for file in (tmp_path / "several").iterdir()) == ["own-7.png", "own-8.png"]
    run(capsys, "sample", "--from", tmp_path / "several" / "own-8.png", "--out", tmp_path / "again.png")
    assert np.array_equal(Image.open(tmp_path / "several" / "own-8.png"), Image.open(tmp_path / "again.png"))


def test_it_is_measured_and_has_a_card(own, classifier, captioned, capsys, tmp_path):
    eye, folder = classifier.save_pretrained(tmp_path / "eye"), own.source.folder
    asked = ["--steps", "3"] if "num_steps" in own.inputs else []
    asked += ["--label", "label"] if isinstance(own, PixelTokens) else []
    run(capsys, "evaluate", folder, "--data", captioned, "--features", eye, "--samples", 20, *asked, "--json", folder / "evaluation.json")
    (measures,) = json.loads((folder / "evaluation.json").read_text("utf-8"))["results"].values()
    assert {"frechet", "kid", "precision", "coverage"} <= {measure["metric"] for measure in measures}
    assert ("mse" in {measure["metric"] for measure in measures}) is isinstance(own, PixelTokens)
    if "num_steps" in own.inputs:
        assert all("num_steps 3" in measure["protocol"] for measure in measures)
    run(capsys, "card", folder, "--license", "apache-2.0")
    card = (folder / "README.md").read_text("utf-8")
    assert f"pipeline_tag: {own.task}" in card
    assert ("prompt=" in card) is ("prompt" in own.inputs)
    assert (folder / "golden.safetensors").is_file()


@pytest.fixture
def tokens(tiny, picture_folder, tmp_path):
    """A model that gives pictures back, and makes others from what it is told, as a bundled one of digits; and a picture."""
    tiny(PixelTokens).save_pretrained(tmp_path / "weights" / "tokens-mnist")
    return tmp_path / "weights", picture_folder / "cat" / "0.png"


def test_what_gives_pictures_back_without_a_class_is_asked_for_none(tokens, capsys, tmp_path, monkeypatch):
    weights, picture = tokens
    monkeypatch.setattr(locate, "WEIGHTS_FOLDERS", (weights,))
    assert genart_hub.bundled("tokens") == auto.reconstructing() == ["tokens-mnist"]
    run(capsys, "reconstruct", "tokens-mnist", picture, "--out", tmp_path / "r.png")
    x = images.from_pil(Image.open(picture), 8, 1)
    x_hat = 2 * ((x + 1) / 2 * 3).round() / 3 - 1  # the nearest of four levels
    assert np.array_equal(images.enlarge(images.grid(torch.cat([x, x_hat]), columns=2)), Image.open(tmp_path / "r.png"))
    assert cli.main(["reconstruct", "tokens-mnist", str(picture), "--label", "dog"]) == 1
    assert "label is no input of tokens-mnist" in capsys.readouterr().err


@pytest.mark.slow
def test_a_bundled_one_stands_in_every_tab_that_it_fits(tokens, tmp_path):
    weights, picture = tokens
    model = PixelTokens.from_pretrained(weights / "tokens-mnist")
    x, x_hat = images.from_pil(Image.open(picture), 8, 1), model.reconstruct(images.from_pil(Image.open(picture), 8, 1))
    (tmp_path / "app").mkdir()
    with running_app(tmp_path / "app", weights, GENART_PLUGINS=own_models.__file__) as app:
        client = connect(app, "en", tmp_path)
        _, answer, figure = client.predict(handle_file(picture), "tokens-mnist", True, api_name="/reconstruct")
        compared, *_ = client.predict(2, 5, 1, "", "digits", "dog", "", api_name="/compare_on_page")
    assert np.array_equal(Image.open(answer), images.enlarge(images.to_pil(x_hat[0])))
    assert f"{(x - x_hat).square().mean() / 4:.4f}" in figure
    for shown, expected in zip(compared, images.to_pil(model.sample(2, 5, label="dog")), strict=True):
        assert np.array_equal(Image.open(shown["image"]), expected)


@pytest.mark.slow
def test_it_is_pushed_and_pulled_and_the_app_samples_it(own, tmp_path, monkeypatch):
    with HubServer({"write": User("me")}) as hub:
        patched_client(hub, monkeypatch, tmp_path / "cache", token="write")
        own.push_to_hub("me/own", license="apache-2.0")
        pulled = genart_hub.from_pretrained("me/own")
        assert [(found.id, found.family) for found in genart_hub.search(family=own.family)] == [("me/own", own.family)]
        assert torch.equal(pulled.sample(2, 5, **ASKED[type(own)]), own.sample(2, 5, **ASKED[type(own)]))
        (tmp_path / "app").mkdir()
        settings = {"HF_ENDPOINT": hub.url, "GENART_PLUGINS": own_models.__file__, "GENART_MODELS": "me/own"}
        with running_app(tmp_path / "app", tmp_path / "none", **settings) as app:
            label, prompt = ASKED[type(own)].get("label", ""), ASKED[type(own)].get("prompt", "")
            fields = [1, label, prompt, ASKED[type(own)].get("num_steps"), None]
            gallery, *_, code, _ = connect(app, "en", tmp_path).predict("me/own", 2, 5, *fields, api_name="/sample")
    for shown, picture in zip(gallery, images.to_pil(pulled.sample(2, 5, **ASKED[type(own)])), strict=True):
        assert np.array_equal(Image.open(shown["image"]), picture)
    assert all(f"{name}={value!r}" in code for name, value in ASKED[type(own)].items())


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        (("label", "mood"), "nobody knows an input 'mood'. Known are prompt, negative_prompt, label"),
        (["label"], "inputs must be a tuple of names"),
        (("truncation",), "names the input truncation, and its sample does not take it"),
    ],
)
def test_inputs_that_nobody_knows_are_told_where_the_class_is_made(inputs, told):
    def sample(self, n=1, seed=0, *, label=None, mood=None):
        return torch.zeros(n, 1, 8, 8)

    with pytest.raises(GenartError, match="Mine") as refusal:
        type("Mine", (nn.Module, HubModel, ImageModel), {"inputs": inputs, "sample": sample})
    assert told in str(refusal.value)


def test_a_class_without_inputs_takes_what_its_sample_takes():
    assert WordPainter().inputs == ("prompt",)
    assert type("Plain", (nn.Module, HubModel, ImageModel), {"sample": lambda self, n=1, seed=0: torch.zeros(n, 1, 8, 8)})().inputs == ()


def test_what_makes_no_pictures_says_so(tmp_path, capsys, monkeypatch):
    cls = type("Judge", (nn.Linear, HubModel), {})
    monkeypatch.setitem(MODELS, "Judge", cls)
    cls(2, 1).save_pretrained(tmp_path / "judge")
    assert "inputs" not in run(capsys, "info", tmp_path / "judge")
    assert cli.main(["sample", str(tmp_path / "judge")]) == 1
    assert "judge makes no pictures. Choose one of: " in capsys.readouterr().err


@pytest.mark.parametrize("content", ["import nowhere_to_be_found", "1 / 0", "raise SystemExit"])
def test_a_plugin_that_does_not_import_is_told(tmp_path, capsys, content):
    (plugin := tmp_path / "broken_plugin.py").write_text(content, "utf-8")
    assert cli.main(["--plugin", str(plugin), "list"]) == 1
    assert f"The plugin {plugin} does not import (" in capsys.readouterr().err


def test_a_plugin_of_the_folder_one_stands_in_registers_its_classes(tmp_path, capsys, monkeypatch, own):
    monkeypatch.chdir(tmp_path)
    (tmp_path / f"my_{type(own).__name__}.py").write_text("from own_models import *", "utf-8")
    monkeypatch.delitem(MODELS, type(own).__name__)
    assert cli.main(["info", "./own"]) == 1
    monkeypatch.delitem(__import__("sys").modules, "own_models")
    told = run(capsys, "info", "./own", "--plugin", f"my_{type(own).__name__}")
    assert told == run(capsys, "--plugin", f"my_{type(own).__name__}", "info", "./own")
    assert type(own).__name__ in told
