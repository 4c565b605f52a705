"""Recipes: the settings by name, what may be changed in them, and the learning rate's course."""

import pytest
import torch

from genart_hub.errors import GenartError
from genart_hub.models import MODELS
from genart_hub.models.conv_vae import ConvVAE
from genart_hub.models.dcgan import DCGAN
from genart_hub.train.recipes import RECIPES, Recipe, make_step, pick_recipe, rate


def test_every_model_has_its_default_recipe_and_the_articles_is_the_articles():
    assert all(cls.default_recipe in RECIPES[cls.family] and "default" in RECIPES[cls.family] for cls in MODELS.values())
    assert RECIPES["gan"]["article"] == Recipe(epochs=100, batch_size=32, lr=2e-4)


def test_every_recipe_passes_its_own_check():
    for family, recipes in RECIPES.items():
        assert all(pick_recipe(family, name) == recipe for name, recipe in recipes.items())


def test_a_recipe_takes_the_changes_that_were_given():
    assert pick_recipe("gan", "article", epochs=3, lr=None) == Recipe(epochs=3, batch_size=32, lr=2e-4)


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("none", {}, "default, article"),
        ("default", {"epochs": 0}, "epochs must be at least 1"),
        ("default", {"batch_size": -1}, "batch_size must be at least 2"),
        ("default", {"lr": -0.1}, "lr must be between"),
        ("default", {"lr": 1e6}, "lr must be between"),
        ("default", {"lr": float("nan")}, "lr must be a number"),
        ("default", {"schedule": "step"}, "constant, linear, cosine"),
        ("default", {"objective": "lsgan"}, "non-saturating, minimax, hinge, wasserstein, relativistic"),
        ("default", {"augment": ("brightness", "rotation")}, "cutout"),
        ("default", {"ema": 1.5}, "ema must be between"),
        ("default", {"r1": -1.0}, "r1 must be"),
        ("default", {"r2": -1.0}, "r2 must be"),
        ("default", {"r1_every": 0}, "r1_every must be at least 1"),
        ("default", {"warmup": -0.1}, "warmup must be"),
        ("default", {"r1": float("inf")}, "r1 must be between 0 and"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(name, changes, words):
    with pytest.raises(GenartError, match=words):
        pick_recipe("gan", name, **changes)


def test_the_linear_rate_stands_for_half_the_run_and_then_falls_to_zero():
    assert [rate("linear", 0.0, k / 8) for k in range(9)] == [1, 1, 1, 1, 1, 0.75, 0.5, 0.25, 0]


def test_the_cosine_rate_is_half_a_wave():
    assert [rate("cosine", 0.0, t) for t in (0, 1 / 3, 0.5, 1)] == pytest.approx([1, 0.75, 0.5, 0])


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_a_warmup_rises_over_its_share_of_the_run_and_then_leaves_the_schedule_alone(schedule):
    assert [rate(schedule, 0.2, t) / rate(schedule, 0.0, t) for t in (0, 0.05, 0.1, 0.2, 0.9)] == pytest.approx([0, 0.25, 0.5, 1, 1])


def test_the_optimizers_have_the_recipes_numbers_and_every_weight_once(tiny):
    gan = tiny(DCGAN)
    _, optimizers = make_step(gan, Recipe(epochs=1, batch_size=4, lr=3e-3, betas=(0.4, 0.9)))
    groups = [group for optimizer in optimizers.values() for group in optimizer.param_groups]
    assert [(group["lr"], group["betas"]) for group in groups] == [(3e-3, (0.4, 0.9))] * 2
    assert sorted(id(p) for group in groups for p in group["params"]) == sorted(id(p) for p in gan.parameters())


def test_a_recipe_reaches_the_step(tiny):
    penalties = {"r1": 0.5, "r2": 0.25, "r1_every": 3, "gp": 2.0}
    others = {"beta": 4.0, "binarised": True, "label_dropout": 0.2, "dropout": 0.3, "smoothing": 0.2, "augment": ("cutout",)}
    recipe = Recipe(epochs=1, batch_size=4, lr=1e-3, objective="hinge", **penalties, **others)
    settings = {name: make_step(tiny(MODELS[name]), recipe)[0].keywords for name in ("GAN", "VAE", "Classifier")}
    judge = settings["GAN"].pop("objective")
    assert judge.discriminator(torch.tensor([0.0]), torch.tensor([-3.0])).item() == 1  # max(0, 1 - 0) + max(0, 1 - 3)
    assert settings == {
        "GAN": penalties | {"augment": ("cutout",)},
        "VAE": {"beta": 4.0, "binarised": True, "label_dropout": 0.2},
        "Classifier": {"augment": ("cutout",), "dropout": 0.3, "smoothing": 0.2},
    }


@pytest.mark.parametrize(
    ("family", "changes", "words"),
    [
        ("vae", {"r1": 1.0}, "r1 is no setting of a VAE; it is one of a GAN"),
        ("vae", {"r2": 1.0}, "r2 is no setting of a VAE; it is one of a GAN"),
        ("vae", {"augment": ("cutout",)}, "augment is no setting of a VAE; it is one of a GAN"),
        ("features", {"objective": "hinge"}, "objective is no setting of a classifier; it is one of a GAN"),
        ("gan", {"beta": 2.0}, "beta is no setting of a GAN; it is one of a VAE"),
    ],
)
def test_a_setting_of_another_family_is_refused_by_name(family, changes, words):
    with pytest.raises(GenartError, match=words):
        pick_recipe(family, **changes)


def test_pixels_are_drawn_as_black_or_white_for_a_bernoulli_vae_only(tiny):
    with pytest.raises(GenartError, match="only a Bernoulli VAE"):
        make_step(tiny(ConvVAE), pick_recipe("vae", "convolutional", binarised=True))
    make_step(tiny(ConvVAE, likelihood="bernoulli"), pick_recipe("vae", "convolutional", binarised=True))
