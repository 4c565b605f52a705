"""Directions of a latent space: each method on a model that was built so that they are known."""

import json
import math

import numpy as np
import pytest
import torch
from PIL import Image
from refusals import code_of
from torch import nn

import genart_hub
from genart_hub import cli, images, latents, remake
from genart_hub.errors import GenartError
from genart_hub.latents import directions
from genart_hub.models.base import Generative
from genart_hub.models.classifier import Classifier
from genart_hub.models.conv_vae import ConvVAE
from genart_hub.models.dcgan import DCGAN
from genart_hub.models.text_gan import TextGAN
from genart_hub.models.text_vae import TextVAE

SINGULAR = torch.tensor([3.0, 2.0, 1.0, 0.5])
AXES = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(1)))[0].T  # rows: what the pictures are made along
AXES = AXES * AXES.gather(1, AXES.abs().argmax(dim=1, keepdim=True)).sign()  # each with its largest component positive


class Linear(Generative):
    """Pictures that are U diag(SINGULAR) AXES z, and an encoder that finds z again."""

    family, image_size, channels, latent_dim = "gan", 4, 1, 4

    def __init__(self):
        super().__init__()
        left = torch.linalg.qr(torch.randn(16, 4, generator=torch.Generator().manual_seed(0)))[0]
        self.layer, self.back = nn.Linear(4, 16), nn.Linear(16, 4, bias=False)
        self.layer.weight.data, self.back.weight.data = left * SINGULAR @ AXES, (left / SINGULAR @ AXES).T

    def generate(self, z, label=None):
        return self.layer(self.check_latents(z)).view(-1, 1, 4, 4)

    def encode(self, x):
        mu = self.back(x.flatten(1) - self.layer.bias)
        return mu, torch.zeros_like(mu)


class Twice(Generative):
    """Two layers see z: the one that begins, and one in the middle, which sees what became of the first one's output too."""

    family, image_size, channels, latent_dim = "gan", 2, 1, 2

    def __init__(self):
        super().__init__()
        self.first, self.middle, self.last = nn.Linear(2, 2, bias=False), nn.Conv2d(2, 2, 1), nn.Linear(4, 4)
        self.first.weight.data = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
        self.middle.weight.data = torch.tensor([[3.0, 0.0], [0.0, 0.5]]).view(2, 2, 1, 1)

    def generate(self, z, label=None):
        begun = self.first(z).tanh()
        told = self.middle(z[:, :, None, None]).flatten(1)
        return self.last(torch.cat([begun, told], dim=1)).view(-1, 1, 2, 2)


class Still(Generative):
    """No layer at all."""

    family, image_size, channels, latent_dim = "gan", 2, 1, 4

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def generate(self, z, label=None):
        return (self.scale * z).view(-1, 1, 2, 2)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_sefa_of_a_linear_generator_gives_its_right_singular_vectors_largest_first():
    found = latents.directions.sefa(Linear(), 3)
    torch.testing.assert_close(found.vectors, AXES[:3], rtol=0, atol=1e-5)
    assert found.values == pytest.approx([3, 2, 1], abs=1e-5)
    assert (found.method, found.names) == ("sefa", ("1", "2", "3"))


def test_sefa_looks_at_all_layers_that_see_z_and_at_none_behind_them():
    weight = directions.first_layers(Twice())
    torch.testing.assert_close(weight, torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0], [0.0, 0.5]], dtype=torch.float64))
    found = latents.directions.sefa(Twice())  # 1 + 9 along the first axis, 4 + 0.25 along the second
    assert found.values == pytest.approx([math.sqrt(10), math.sqrt(4.25)])
    torch.testing.assert_close(found.vectors, torch.eye(2))


@pytest.mark.parametrize(
    ("cls", "changes", "weight"),
    [
        (DCGAN, {}, lambda model: model.generator.project.weight),
        (ConvVAE, {"num_classes": 0}, lambda model: model.decoder.project.weight),
        (TextGAN, {}, lambda model: model.generator.style[0].weight[:, :4]),
    ],
)
def test_the_first_layer_of_a_model_is_found_whatever_it_is_told_beside_z(tiny, cls, changes, weight):
    model = tiny(cls, **changes)
    torch.testing.assert_close(directions.first_layers(model), weight(model).double(), rtol=0, atol=1e-5)


def test_where_a_prompt_scales_the_latents_it_scales_the_weight(tiny):
    model = tiny(TextVAE)
    _, logvar = model.prior_of(model.embed(["apple"]))
    wanted = model.decoder.project.weight[:, :4] * (0.5 * logvar).exp()
    torch.testing.assert_close(directions.first_layers(model, prompt="apple"), wanted.double(), rtol=0, atol=1e-5)


def test_the_model_is_as_it_was_after_its_layers_were_looked_for(gan):
    gan.train()
    before = {key: value.clone() for key, value in gan.state_dict().items()}
    latents.directions.sefa(gan, 2)
    assert gan.training
    assert all(torch.equal(value, before[key]) for key, value in gan.state_dict().items())
    assert all(parameter.grad is None and not module._forward_hooks for module in gan.modules() for parameter in module.parameters())


@pytest.mark.slow
def test_pca_of_generated_pictures_is_led_back_to_the_latents():
    found = latents.directions.pca(Linear(), 3, n=4000)
    assert (found.vectors * AXES[:3]).sum(dim=1).tolist() == pytest.approx([1, 1, 1], abs=2e-3)
    assert found.values == pytest.approx([3, 2, 1], rel=0.05)


def test_pca_takes_other_features_than_pixels():
    second = Linear().layer.weight.detach() @ AXES[1]
    found = latents.directions.pca(Linear(), 1, n=2000, features=lambda x: x.flatten(1) @ second[:, None])
    assert (found.vectors[0] @ AXES[1]).item() == pytest.approx(1, abs=2e-3)


def test_pca_of_encoded_pictures_gives_the_axes_of_their_means():
    z = normal(500, 4) * torch.tensor([0.1, 1.0, 5.0, 2.0])
    found = latents.directions.pca(Linear(), 2, Linear().generate(z).detach())
    assert found.vectors[[0, 1], [2, 3]].tolist() == pytest.approx([1, 1], abs=5e-3)
    assert found.values == pytest.approx([5, 2], rel=0.1)


def test_labels_that_move_one_coordinate_are_found_along_it():
    labels = torch.arange(300) % 3
    z = 0.1 * normal(300, 5)
    z[labels == 1, 3] += 2
    z[labels == 2, 0] -= 4
    found = latents.directions.from_labels(z, labels, ("none", "up", "down"))
    assert found.names == ("none", "up", "down")
    mean = torch.stack([z[labels == 1].mean(dim=0) - z[labels != 1].mean(dim=0)])[0]
    torch.testing.assert_close(found["up"], mean / mean.norm())
    assert found["up"].tolist() == pytest.approx([2 / math.sqrt(8), 0, 0, 2 / math.sqrt(8), 0], abs=0.03)  # 0 -> 2, and -2 -> 0 the others
    assert found["down"].tolist() == pytest.approx([-4 / math.sqrt(17), 0, 0, -1 / math.sqrt(17), 0], abs=0.03)
    assert found.values[2] == pytest.approx(math.sqrt(17), abs=0.1)


def test_the_classes_that_lie_furthest_apart_are_kept_in_their_order():
    labels = torch.arange(200) % 4
    z = normal(200, 2) * 1e-3
    z[:, 0] += torch.tensor([0.0, 5.0, 0.0, -3.0])[labels]
    found = latents.directions.from_labels(z, labels, count=2)
    assert found.names == ("1", "3")
    assert [round(value) for value in found[0].tolist() + found[1].tolist()] == [1, 0, -1, 0]


def test_pictures_without_a_label_and_classes_of_a_few_count_for_nothing():
    labels = torch.tensor([0] * 20 + [1] * 20 + [2] * 3 + [-1] * 50)
    z = normal(93, 2)
    found = latents.directions.from_labels(z, labels)
    assert found.names == ("0", "1")
    torch.testing.assert_close(found.vectors, latents.directions.from_labels(z[:43], labels[:43]).vectors)


@pytest.mark.parametrize("method", ["sefa", "pca"])
def test_the_same_directions_come_again_each_with_its_largest_component_positive(gan, method):
    one, two = (getattr(latents.directions, method)(gan, 4) for _ in range(2))
    assert torch.equal(one.vectors, two.vectors)
    assert torch.all(one.vectors.gather(1, one.vectors.abs().argmax(dim=1, keepdim=True)) > 0)
    torch.testing.assert_close(one.vectors.norm(dim=1), torch.ones(4))


def test_an_edit_goes_along_the_direction_by_the_strength():
    z, along = normal(3, 4), torch.tensor([0.0, 1.0, 0.0, 0.0])
    torch.testing.assert_close(latents.edit(z, along, -2.5) - z, torch.tensor([0.0, -2.5, 0.0, 0.0]).expand(3, 4))
    torch.testing.assert_close(latents.edit(z, along, torch.tensor([0.0, 1.0, 3.0]))[:, 1] - z[:, 1], torch.tensor([0.0, 1.0, 3.0]))
    assert torch.equal(latents.edit(z[0], along, 2), latents.edit(z, along, torch.tensor(2))[0])


NAN = torch.tensor([0.0, float("nan"), 0.0, 0.0])


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: latents.edit(normal(2, 4), normal(5), 1), "bad_direction"),
        (lambda: latents.edit(normal(2, 4), normal(1, 4), 1), "bad_direction"),
        (lambda: latents.edit(normal(2, 4), [1, 0, 0, 0], 1), "bad_direction"),
        (lambda: latents.edit(normal(2, 4), NAN, 1), "numbers_not_finite"),
        (lambda: latents.edit(normal(2, 4), normal(4), float("nan")), "not_number"),
        (lambda: latents.edit(normal(2, 4), normal(4), torch.tensor([1.0, float("inf")])), "numbers_not_finite"),
        (lambda: latents.directions.from_labels(normal(30, 2), torch.zeros(30)), "one_class"),
        (lambda: latents.directions.from_labels(normal(30, 2), torch.arange(30) % 6), "few_labelled"),
        (lambda: latents.directions.from_labels(normal(6, 2), torch.zeros(6)), "few_labelled"),
        (lambda: latents.directions.from_labels(normal(30, 2), torch.full((30,), -1)), "few_labelled"),
        (lambda: latents.directions.from_labels(normal(30, 2), torch.zeros(29)), "label_count"),
        (lambda: latents.directions.from_labels(NAN.repeat(30, 1), torch.arange(30) % 2), "numbers_not_finite"),
        (lambda: latents.directions.from_labels(torch.ones(40, 2), torch.arange(40) % 2), "nothing_changes"),
        (lambda: latents.directions.sefa(Still()), "no_first_layer"),
        (lambda: latents.directions.sefa(Linear(), 5), "out_of_range"),
        (lambda: latents.directions.sefa(Linear(), 0), "out_of_range"),
        (lambda: latents.directions.pca(Linear(), 5), "out_of_range"),
        (lambda: latents.directions.pca(Linear(), n=1), "out_of_range"),
        (lambda: latents.directions.pca(Still(), pictures=torch.zeros(9, 1, 2, 2)), "no_encoder"),
        (lambda: latents.directions.pca(Linear(), pictures=torch.zeros(9, 1, 3, 3)), "bad_images"),
        (lambda: latents.directions.pca(Linear(), features=torch.zeros_like), "nothing_changes"),
        (lambda: directions.strengths_of(float("nan")), "not_number"),
        (lambda: directions.strengths_of(columns=1), "out_of_range"),
    ],
)
def test_what_makes_no_sense_is_refused_by_a_sentence(call, code):
    assert code_of(call) == code


def test_a_model_without_latents_has_no_directions(pipeline, classifier):
    for model in (pipeline, classifier):
        assert code_of(lambda model=model: latents.directions.sefa(model)) == "not_generative"
        assert code_of(lambda model=model: latents.directions.pca(model)) == "not_generative"


def test_a_model_of_words_needs_some_to_be_drawn_with(tiny):
    model = tiny(TextGAN)
    found = latents.directions.sefa(model, 1)
    assert code_of(lambda: directions.traversal(model, found, [0.0])) == "needs_prompt"


@pytest.mark.parametrize(
    ("cls", "inputs"), [(DCGAN, {}), (DCGAN, {"label": 2, "truncation": 0.5}), (TextGAN, {"prompt": "apple"}), (TextVAE, {"prompt": "red"})]
)
def test_a_row_goes_from_one_end_to_the_other_through_the_picture_of_the_seed(tiny, cls, inputs):
    model = tiny(cls)
    found = latents.directions.sefa(model, 2)
    rows = directions.traversal(model, found, directions.strengths_of(2.0, 3), seed=7, **inputs).unflatten(0, (2, 3))
    for row in rows:
        torch.testing.assert_close(row[1:2], model.sample(1, 7, **inputs), rtol=0, atol=1e-5)
    z = latents.edit(model.latents(1, 7, inputs.get("truncation", 1.0)), found[1], -2.0)
    label = inputs.get("label", model.labels(1, 7))
    told = model.embed([inputs["prompt"]]) if "prompt" in inputs else label
    torch.testing.assert_close(rows[1, :1], model.generate(z, told).detach(), rtol=0, atol=1e-5)
    assert not torch.allclose(rows[0, 0], rows[0, 2], atol=1e-4)


def test_strengths_are_odd_in_number_so_that_the_picture_stands_in_the_middle():
    assert directions.strengths_of() == [-3, -2, -1, 0, 1, 2, 3]
    assert directions.strengths_of(1, 4) == [-1, -0.5, 0, 0.5, 1]


# ---- the command ----


@pytest.fixture
def folder(gan, tmp_path):
    return gan.save_pretrained(tmp_path / "mine")


def run(capsys, *words):
    assert cli.main(["directions", "-q", *map(str, words)]) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def fail(capsys, *words):
    assert cli.main(["directions", "-q", *map(str, words)]) == 1
    return capsys.readouterr().err


def test_the_command_draws_a_row_a_direction_and_the_picture_can_be_made_again(capsys, folder, tmp_path):
    out = tmp_path / "mine.png"
    told = run(capsys, folder, "--count", 3, "--seed", 4, "--columns", 5, "--out", out)
    assert "3 directions of mine by sefa, from -3 to 3" in told
    recipe = images.read_recipe(out)
    assert (recipe["n"], recipe["columns"], recipe["seed"], recipe["directions"]["method"]) == (15, 5, 4, "sefa")
    model = genart_hub.from_pretrained(folder)
    found = latents.directions.sefa(model, 3)
    x = directions.traversal(model, found, [-3, -1.5, 0, 1.5, 3], seed=4)
    assert np.array_equal(np.asarray(Image.open(out)), np.asarray(images.sheet(x, 5, 2)))
    assert cli.main(["sample", "-q", "--from", str(out), "--out", str(tmp_path / "again.png")]) == 0
    levels = [np.asarray(Image.open(tmp_path / name), dtype=int) for name in ("mine.png", "again.png")]
    assert np.abs(levels[0] - levels[1]).max() <= 1


def test_what_data_found_is_made_again_without_the_data(capsys, vae, picture_folder, tmp_path):
    folder, out = vae.save_pretrained(tmp_path / "mine"), tmp_path / "mine.png"
    run(capsys, folder, "--method", "pca", "--data", picture_folder, "--count", 2, "--out", out)
    again = remake.remake(out)[0]
    assert np.abs(np.asarray(again, dtype=int) - np.asarray(Image.open(out), dtype=int)).max() <= 1


def test_json_tells_each_direction(capsys, folder, tmp_path):
    told = json.loads(run(capsys, folder, "--method", "pca", "--samples", 50, "--count", 2, "--json", "--out", tmp_path / "a.png"))
    found = latents.directions.pca(genart_hub.from_pretrained(folder), 2, n=50)
    assert (told["model"], told["method"], told["strengths"]) == ("mine", "pca", [-3, -2, -1, 0, 1, 2, 3])
    assert [row["name"] for row in told["directions"]] == ["1", "2"]
    torch.testing.assert_close(torch.tensor([row["vector"] for row in told["directions"]]), found.vectors)


def test_labels_of_pictures_give_their_classes_rows(capsys, vae, tmp_path):
    folder, pictures = vae.save_pretrained(tmp_path / "mine"), tmp_path / "pictures"
    for k in range(40):
        (pictures / ("dark", "light")[k % 2]).mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), k + 200 * (k % 2)).save(pictures / ("dark", "light")[k % 2] / f"{k}.png")
    told = json.loads(run(capsys, folder, "--method", "labels", "--data", pictures, "--json", "--out", tmp_path / "a.png"))
    rows = {row["name"]: torch.tensor(row["vector"]) for row in told["directions"]}
    assert list(rows) == ["dark", "light"]
    mu = {level: vae.encode(torch.full((1, 1, 8, 8), level / 127.5 - 1))[0][0] for level in (19.0, 220.0)}
    towards = (mu[220.0] - mu[19.0]) / (mu[220.0] - mu[19.0]).norm()
    assert (rows["light"] @ towards).item() > 0.99
    torch.testing.assert_close(rows["light"], -rows["dark"])


def test_drawn_pictures_are_labelled_by_a_feature_network(capsys, folder, tiny, tmp_path):
    model, classifier = genart_hub.from_pretrained(folder), tiny(Classifier, width=8, feature_dim=32)
    classifier.head.bias.data -= classifier(model.sample(300, 0)).mean(dim=0)  # it tells several classes apart
    network = classifier.save_pretrained(tmp_path / "network")
    words = [folder, "--method", "labels", "--features", network, "--samples", 300, "--json", "--out", tmp_path / "a.png"]
    labels = classifier(model.sample(300, 0)).argmax(dim=1)
    told = json.loads(run(capsys, *words))
    found = latents.directions.from_labels(model.latents(300, 0), labels)
    torch.testing.assert_close(torch.tensor([row["vector"] for row in told["directions"]]), found.vectors)


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["tiny-sd-emoji"], "makes no pictures from latents. Choose one of: conv-vae-emoji"),
        (["features-mnist"], "makes no pictures from latents"),
        (["gan-mnist", "--count", "101"], "count must be between 1 and 100"),
        (["gan-mnist", "--count", "40"], "room for 28 directions"),
        (["gan-mnist", "--data", "missing"], "Leave --data out"),
        (["gan-mnist", "--method", "labels", "--data", "pictures"], "has no encoder"),
        (["gan-mnist", "--label", "3"], "--label is no input of gan-mnist"),
        (["gan-mnist", "--out", "a.jpg"], ".png"),
        (["gan-mnist", "--strength", "nan"], "strength must be a number"),
        (["vae-mnist", "--method", "labels", "--data", "pictures"], "two classes of at least 10 pictures"),
        (["text-gan-emoji"], "prompt"),
        (["dcgan-mnist", "--method", "labels", "--samples", "30", "--label", "1"], "of one class, 1"),
    ],
    ids=" ".join,
)
def test_the_command_refuses_by_one_line(capsys, picture_folder, monkeypatch, words, part):
    monkeypatch.chdir(picture_folder.parent)
    told = fail(capsys, *words)
    assert part in told
    assert told.count("\n") == 1


def test_who_is_offered_has_directions():
    for name in genart_hub.models.auto.with_latents():
        assert latents.directions.sefa(genart_hub.from_pretrained(name), 1).vectors.isfinite().all()


@pytest.mark.parametrize(
    ("field", "value", "part"),
    [
        ("vectors", "!", "vectors"),
        ("vectors", "AAAA", "vectors"),
        ("vectors", None, "vectors"),
        ("vectors", "AADAfwAAwH8AAMB/AADAfw==", "vectors"),  # NaN, four times
        ("names", [], "directions"),
        ("names", "1", "directions"),
        ("strengths", [], "strengths"),
        ("strengths", [0] * 65, "strengths"),
        ("strengths", [1e9], "strengths"),
        ("strengths", [0.0, 1.0], "n must be"),
        (None, [], "directions"),
    ],
)
def test_directions_in_a_recipe_of_a_strangers_making_are_checked(gan, folder, tmp_path, field, value, part):
    model = genart_hub.from_pretrained(folder)
    recipe = directions.recipe(model, latents.directions.sefa(model, 1), [0.0], seed=0)
    recipe["directions"] = recipe["directions"] | {field: value} if field else value
    path = images.save_png(Image.new("L", (4, 4)), tmp_path / "a.png", recipe)
    with pytest.raises(GenartError, match=rf"a\.png.*{part}") as error:
        remake.remake(path, lambda name: model)
    assert error.value.code == "bad_recipe"
