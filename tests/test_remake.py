"""A picture is made again from the recipe that its PNG carries."""

import numpy as np
import pytest
from PIL import Image
from pipelines import save_tiny_pipeline

import genart_hub
from genart_hub import images, remake
from genart_hub.errors import GenartError


@pytest.fixture
def loaded(gan, tmp_path):
    return genart_hub.from_pretrained(gan.save_pretrained(tmp_path / "mine"))


def save(model, path, n=1, seed=5, truncation=1.0, **options):
    x = model.sample(n, seed, truncation=truncation)
    return images.save_png(images.sheet(x, **options), path, model.recipe(seed, n, None, truncation, **options))


def difference(a, b):
    assert a.size == b.size
    return np.abs(np.asarray(a, dtype=int) - np.asarray(b, dtype=int)).max()


@pytest.mark.parametrize(("n", "columns"), [(1, None), (7, 3), (1, 1)])
@pytest.mark.parametrize("truncation", [1.0, 0.6])
def test_a_picture_or_a_grid_comes_back_to_one_grey_level(loaded, tmp_path, n, columns, truncation):
    path = save(loaded, tmp_path / "a.png", n, truncation=truncation, columns=columns)
    picture, x, recipe = remake.remake(path, lambda name: loaded)
    assert difference(picture, Image.open(path)) <= 1
    assert (len(x), recipe["seed"], recipe["columns"]) == (n, 5, columns)


def test_a_bundled_model_is_found_by_the_recipe_alone(tmp_path):
    path = save(genart_hub.from_pretrained("gan-mnist"), tmp_path / "a.png", n=3, columns=2)
    assert difference(remake.remake(path)[0], Image.open(path)) <= 1


def test_other_weights_of_the_same_name_are_refused(loaded, gan, tmp_path):
    path = save(loaded, tmp_path / "a.png")
    gan.generator[0].bias.data += 1
    other = genart_hub.from_pretrained(gan.save_pretrained(tmp_path / "other" / "mine"))
    with pytest.raises(GenartError, match=loaded.source.sha256[:12]) as error:
        remake.remake(path, lambda name: other)
    assert error.value.code == "other_weights"


def test_a_recipe_names_a_hub_model_at_its_commit():
    assert remake.name_of({"model": "me/mine", "revision": "abc"}) == "me/mine@abc"
    assert remake.name_of({"model": "me/mine@v1", "revision": "abc"}) == "me/mine@v1"
    assert remake.name_of({"model": "gan-mnist", "revision": None}) == "gan-mnist"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seed", None),
        ("seed", -1),
        ("seed", "7"),
        ("seed", 2**53),
        ("n", 0),
        ("n", 10**9),
        ("n", True),
        ("columns", 0),
        ("columns", "x"),
        ("truncation", 0),
        ("truncation", 2),
        ("truncation", "NaN"),
    ],
)
def test_a_recipe_of_a_strangers_making_is_checked_field_by_field(tmp_path, field, value):
    recipe = {"model": "gan-mnist", "seed": 1, "n": 1, "truncation": 1.0, field: value}
    path = images.save_png(Image.new("L", (4, 4)), tmp_path / "a.png", recipe)
    with pytest.raises(GenartError, match=rf"a\.png.*{field}") as error:
        remake.read(path)
    assert error.value.code == "bad_recipe"


def test_a_recipe_without_its_optional_fields_takes_their_defaults(tmp_path):
    path = images.save_png(Image.new("L", (4, 4)), tmp_path / "a.png", {"model": "gan-mnist", "seed": 7.0})
    recipe = remake.read(path)
    assert (recipe["seed"], recipe["n"], recipe["columns"], recipe["scale"]) == (7, 1, None, 1)


def test_a_label_for_a_model_without_classes_is_refused(loaded, tmp_path):
    path = images.save_png(Image.new("L", (4, 4)), tmp_path / "a.png", {"model": "mine", "seed": 7, "label": 3})
    with pytest.raises(GenartError, match="it has a label, and mine takes none"):
        remake.remake(path, lambda name: loaded)


# ---- from words ----


ASKED = [
    {"prompt": "red 苹果 👍", "num_steps": 2},
    {"prompt": ["red", "blue"], "num_steps": 3, "guidance": 2, "negative_prompt": "grey", "size": (8, 24)},
    {"prompt": "red", "num_steps": 1, "guidance": 0.0, "size": 24},
]


@pytest.mark.parametrize("asked", ASKED)
def test_a_picture_from_words_comes_back_to_one_grey_level(pipeline, tmp_path, asked):
    x = pipeline.sample(2, 9, **asked)
    path = images.save_png(images.sheet(x, 2, 3), tmp_path / "a.png", pipeline.recipe(9, 2, **asked, columns=2, scale=3))
    picture, made, recipe = remake.remake(path, lambda name: pipeline)
    assert difference(picture, Image.open(path)) <= 1
    assert (len(made), recipe["prompt"]) == (2, asked["prompt"])


def test_the_recipe_is_the_same_when_the_picture_is_saved_again(pipeline, tmp_path):
    recipe = pipeline.recipe(9, prompt="red", num_steps=2)
    path = images.save_png(images.sheet(pipeline.sample(1, 9, prompt="red", num_steps=2)), tmp_path / "a.png", recipe)
    assert remake.remake(path, lambda name: pipeline)[2] == recipe


def test_other_weights_of_a_pipeline_are_refused(pipeline, tmp_path):
    path = images.save_png(Image.new("RGB", (16, 16)), tmp_path / "a.png", pipeline.recipe(9, prompt="red", num_steps=2))
    other = genart_hub.from_pretrained(save_tiny_pipeline(tmp_path / "tiny-sd", latent_channels=8))
    with pytest.raises(GenartError, match=pipeline.source.sha256[:12]) as error:
        remake.remake(path, lambda name: other)
    assert error.value.code == "other_weights"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prompt", 3),
        ("prompt", ["a", 3]),
        ("prompt", []),
        ("negative_prompt", ["a"]),
        ("num_steps", 0),
        ("num_steps", 1001),
        ("guidance", "NaN"),
        ("guidance", 51),
        ("size", 4),
        ("size", [8, 10**9]),
        ("size", [8, 8, 8]),
    ],
)
def test_what_a_stranger_asks_of_a_pipeline_is_checked_field_by_field(tmp_path, field, value):
    recipe = {"model": "tiny-sd", "seed": 1, "prompt": "red", field: value}
    path = images.save_png(Image.new("L", (4, 4)), tmp_path / "a.png", recipe)
    with pytest.raises(GenartError, match=rf"a\.png.*{field}") as error:
        remake.read(path)
    assert error.value.code == "bad_recipe"


def test_a_sheet_that_is_far_too_large_is_refused_before_it_is_made(pipeline, tmp_path):
    recipe = {"model": "tiny-sd", "seed": 1, "n": 100, "prompt": "red", "size": 4096}
    path = images.save_png(Image.new("L", (4, 4)), tmp_path / "a.png", recipe)
    with pytest.raises(GenartError, match="far too many pixels"):
        remake.remake(path, lambda name: pipeline)


def test_a_recipe_and_a_model_that_do_not_go_together_are_refused(pipeline, loaded, tmp_path):
    with_prompt = images.save_png(Image.new("L", (4, 4)), tmp_path / "a.png", {"model": "mine", "seed": 1, "prompt": "red"})
    without = images.save_png(Image.new("L", (4, 4)), tmp_path / "b.png", {"model": "tiny-sd", "seed": 1})
    with pytest.raises(GenartError, match="it has a prompt, and mine takes none"):
        remake.remake(with_prompt, lambda name: loaded)
    with pytest.raises(GenartError, match="it has no prompt, and tiny-sd needs one"):
        remake.remake(without, lambda name: pipeline)
