"""Settings by name, what may be changed in them, the learning rate's course, and the tasks that they are of."""

import copy
from dataclasses import replace

import pytest
import torch

from genart_hub.errors import GenartError
from genart_hub.models import MODELS
from genart_hub.models.conv_vae import ConvVAE
from genart_hub.models.dcgan import DCGAN
from genart_hub.train import TASKS, ClassifierSettings, GANSettings, Settings, Task, VAESettings, gan, pick_settings, register, task_of


def test_every_model_has_its_preset_and_the_articles_is_the_articles():
    assert all(pick_settings(cls) == task_of(cls).presets[cls.default_preset] for cls in MODELS.values())
    assert pick_settings("gan", "article") == GANSettings(epochs=100, batch_size=32, lr=2e-4)


def test_every_preset_passes_its_own_check():
    assert all(pick_settings(family, name) == preset for family, task in TASKS.items() for name, preset in task.presets.items())


def test_settings_take_the_changes_that_were_given():
    assert pick_settings("gan", "article", epochs=3, lr=None) == GANSettings(epochs=3, batch_size=32, lr=2e-4)


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
        ("default", {"depth": 3}, "setting must be one of epochs, batch_size, lr"),
    ],
)
def test_settings_that_make_no_sense_are_refused(name, changes, words):
    with pytest.raises(GenartError, match=words):
        pick_settings("gan", name, **changes)


def scheduled(schedule, warmup=0.0):
    return Settings(epochs=1, batch_size=1, lr=1.0, schedule=schedule, warmup=warmup)


def test_the_linear_rate_stands_for_half_the_run_and_then_falls_to_zero():
    assert [scheduled("linear").rate(k / 8) for k in range(9)] == [1, 1, 1, 1, 1, 0.75, 0.5, 0.25, 0]


def test_the_cosine_rate_is_half_a_wave():
    assert [scheduled("cosine").rate(t) for t in (0, 1 / 3, 0.5, 1)] == pytest.approx([1, 0.75, 0.5, 0])


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_a_warmup_rises_over_its_share_of_the_run_and_then_leaves_the_schedule_alone(schedule):
    warm, plain = scheduled(schedule, 0.2), scheduled(schedule)
    assert [warm.rate(t) / plain.rate(t) for t in (0, 0.05, 0.1, 0.2, 0.9)] == pytest.approx([0, 0.25, 0.5, 1, 1])


def test_the_optimizers_have_the_settings_numbers_and_every_weight_once(tiny):
    model = tiny(DCGAN)
    _, optimizers = gan.make_step(model, GANSettings(epochs=1, batch_size=4, lr=3e-3, betas=(0.4, 0.9)))
    groups = [group for optimizer in optimizers.values() for group in optimizer.param_groups]
    assert [(group["lr"], group["betas"]) for group in groups] == [(3e-3, (0.4, 0.9))] * 2
    assert sorted(id(p) for group in groups for p in group["params"]) == sorted(id(p) for p in model.parameters())


@pytest.mark.parametrize(
    ("name", "kind", "own"),
    [
        ("GAN", GANSettings, {"r1": 0.5, "r2": 0.25, "r1_every": 3, "gp": 2.0, "augment": ("cutout",)}),
        ("VAE", VAESettings, {"beta": 4.0, "binarised": True, "label_dropout": 0.2}),
        ("Classifier", ClassifierSettings, {"augment": ("cutout",), "dropout": 0.3, "smoothing": 0.2}),
    ],
)
def test_settings_reach_the_step(name, kind, own, tiny):
    model = tiny(MODELS[name])
    objective = {"objective": "hinge"} if name == "GAN" else {}
    reached = task_of(model).make_step(model, kind(epochs=1, batch_size=4, lr=1e-3, **own, **objective))[0].keywords
    if name == "GAN":
        judge = reached.pop("objective")
        assert judge.discriminator(torch.tensor([0.0]), torch.tensor([-3.0])).item() == 1  # max(0, 1 - 0) + max(0, 1 - 3)
    assert reached == own


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
        pick_settings(family, **changes)


def test_pixels_are_drawn_as_black_or_white_for_a_bernoulli_vae_only(tiny):
    binarised, task = pick_settings("vae", "convolutional", binarised=True), TASKS["vae"]
    with pytest.raises(GenartError, match="only a Bernoulli VAE"):
        task.make_step(tiny(ConvVAE), binarised)
    task.make_step(tiny(ConvVAE, likelihood="bernoulli"), binarised)


# ---- tasks ----


@pytest.fixture
def tasks(monkeypatch):
    """TASKS, as they were again afterwards."""
    before = copy.copy(TASKS)
    yield TASKS
    TASKS.clear()
    TASKS.update(before)


def test_a_family_that_nothing_trains_is_refused_by_name():
    with pytest.raises(GenartError, match=f"Nothing here trains the family diffusion; there are {', '.join(TASKS)}. Add it with"):
        pick_settings("diffusion")
    with pytest.raises(GenartError, match="the family custom"):
        task_of(torch.nn.Linear)


def test_a_family_has_one_task_and_a_cell_that_runs_again_may_define_it_anew(tasks):
    again = replace(tasks["gan"], margin=0.5)
    assert register("gan", again) is tasks["gan"] is again
    with pytest.raises(GenartError, match="The family gan has another task already, that of a GAN"):
        register("gan", tasks["vae"])
    assert tasks["gan"] is again


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"name": ""}, "name"),
        ({"presets": {}}, "presets"),
        ({"presets": {"mine": pick_settings("vae")}}, "presets"),
        ({"presets": {"default": pick_settings("vae"), "other": pick_settings("gan")}}, "presets"),
        ({"presets": {"default": {"lr": 1.0}}}, "presets"),
        ({"make_step": None}, "make_step"),
        ({"score": 3}, "score"),
    ],
)
def test_a_task_that_lacks_something_is_refused_by_its_name(changes, missing):
    with pytest.raises(GenartError, match=f"lacks a sound {missing}. A genart_hub.train.Task takes a name, presets"):
        replace(TASKS["vae"], **changes)


def test_what_is_no_task_is_refused_also_where_it_was_put_among_them_by_hand(tasks):
    with pytest.raises(GenartError, match="mine lacks a sound Task"):
        register("mine", torch)
    tasks["mine"] = torch
    with pytest.raises(GenartError, match="mine lacks a sound Task"):
        pick_settings("mine")
    with pytest.raises(GenartError, match="Task lacks a sound name"):
        Task()
