"""A diffusion model of pixels: what it promises, what guidance and steps do, and that its formulas are those of the papers."""

import math

import pytest
import torch
from refusals import code_of

import genart_hub
from genart_hub.models.ddpm import DDPM
from genart_hub.train.ddpm import ddpm_step, errors
from genart_hub.train.noise import Noise

NAMES = ("cat", "dog", "7")
each = pytest.mark.parametrize("objective", ["flow", "ddpm"])


@pytest.fixture
def make(tiny):
    def model(objective="flow", **changes):
        return tiny(DDPM, objective=objective, **{"num_classes": 3, "class_names": NAMES} | changes)

    return model


# ---- sampling ----


@each
def test_picture_k_is_that_of_seed_plus_k(make, objective):
    model = make(objective)
    x = model.sample(3, seed=5, num_steps=3)
    assert x.shape == (3, 1, 8, 8)
    assert x.abs().max() <= 1
    torch.testing.assert_close(model.sample(1, seed=7, num_steps=3), x[2:], rtol=0, atol=1e-5)


@each
@pytest.mark.parametrize("num_steps", [1, 2, 7, pytest.param(1000, marks=pytest.mark.slow)])
def test_any_number_of_steps_is_taken(make, objective, num_steps):
    told = []
    x = make(objective).sample(1, num_steps=num_steps, guidance=1, on_step=lambda *step: told.append(step))
    assert told == [(k, num_steps) for k in range(1, num_steps + 1)]
    assert x.isfinite().all()


@each
def test_the_film_begins_with_the_noise_and_ends_with_the_picture(make, objective):
    model = make(objective)
    film = list(model.denoise(2, 4, num_steps=3, label="dog"))
    assert [(step, total) for step, total, _ in film] == [(0, 3), (1, 3), (2, 3), (3, 3)]
    noise = torch.randn(1, 8, 8, generator=torch.Generator().manual_seed(5))
    assert torch.equal(film[0][2][1], noise.clamp(-1, 1))
    assert torch.equal(film[-1][2], model.sample(2, 4, num_steps=3, label="dog"))


def test_the_classes_of_seeds_are_those_of_the_pictures(make):
    model = make()
    classes = model.labels(4, seed=2)
    torch.testing.assert_close(model.sample(4, 2, num_steps=2), model.sample(4, 2, num_steps=2, label=classes.tolist()))


def test_guidance_goes_from_no_class_through_the_class_and_beyond(make):
    model = make(guidance=2.0)
    x, t, classes = torch.randn(2, 1, 8, 8), torch.full((2,), 500.0), torch.tensor([0, 2])
    with torch.no_grad():
        none, told = model(x, t), model(x, t, classes)
        assert torch.equal(model._guided(x, t, classes, 0), none)
        assert torch.equal(model._guided(x, t, classes, 1), told)
        torch.testing.assert_close(model._guided(x, t, classes, 3.0), none + 3 * (told - none))
    assert torch.equal(model.sample(2, num_steps=2), model.sample(2, num_steps=2, guidance=2.0))


def test_a_model_without_classes_takes_neither_label_nor_guidance(make):
    model = make(num_classes=0, class_names=())
    assert (model.inputs, model.defaults) == (("num_steps",), {"num_steps": 20})
    assert model.labels(3) is None
    assert model.sample(1, num_steps=2).shape == (1, 1, 8, 8)
    assert code_of(lambda: model.sample(1, label="cat")) == "no_classes"


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"num_steps": 0}, "out_of_range"),
        ({"num_steps": 1001}, "out_of_range"),
        ({"num_steps": 2.5}, "not_whole"),
        ({"guidance": -1}, "out_of_range"),
        ({"guidance": math.nan}, "not_number"),
        ({"guidance": "much"}, "not_number"),
        ({"label": "bird"}, "bad_label"),
        ({"label": 3}, "bad_label"),
        ({"n": 0}, "out_of_range"),
        ({"seed": -1}, "out_of_range"),
    ],
)
def test_what_makes_no_sense_is_refused_before_the_first_step(make, asked, code):
    assert code_of(lambda: make().denoise(**asked)) == code


@pytest.mark.parametrize(
    "changes", [{"widths": []}, {"widths": [2048]}, {"widths": [8] * 7}, {"image_size": 10, "widths": [8, 8, 8]}, {"objective": "score"}]
)
def test_a_network_that_cannot_be_is_refused(make, changes):
    assert code_of(lambda: make(**changes)) in ("out_of_range", "not_sizes", "not_multiple", "not_choice")


def test_a_listing_says_the_same_as_the_model(make, tmp_path):
    model = make()
    outline = DDPM.outline(model.save_pretrained(tmp_path))
    assert outline["num_parameters"] == model.num_parameters
    assert (outline["image_size"], outline["channels"]) == (8, 1)
    assert outline["inputs"] == ["n", "seed", *model.inputs]
    assert outline["classes"] == list(NAMES)


def test_a_recipe_makes_the_pictures_again(make, tmp_path):
    model = genart_hub.from_pretrained(make().save_pretrained(tmp_path / "model"))
    recipe = model.recipe(3, 2, label="dog", num_steps=3)
    assert (recipe["label"], recipe["num_steps"], recipe["guidance"]) == ("dog", 3, 1.5)


# ---- the formulas ----


class Oracle:
    """A model that knows the one picture that there is, and so predicts as the best one would."""

    def __init__(self, model, x):
        self.model, self.x, self.objective, self.scheduler = model, x, model.objective, model.scheduler

    def __call__(self, x_t, t, label=None):
        if self.objective == "flow":
            share = (t / 1000)[:, None, None, None]
            return (x_t - self.x) / share
        alpha_squared = self.scheduler(1).alphas_cumprod[t.long()][:, None, None, None]
        return (x_t - alpha_squared.sqrt() * self.x) / (1 - alpha_squared).sqrt()


@each
@pytest.mark.parametrize("num_steps", [1, 5])
def test_a_perfect_prediction_leads_to_the_picture(make, objective, num_steps):
    model, x = make(objective), 0.9 * (torch.rand(1, 1, 8, 8) * 2 - 1)
    model._guided = lambda x_t, t, classes, guidance: Oracle(model, x)(x_t, t)
    torch.testing.assert_close(model.sample(1, num_steps=num_steps), x, rtol=0, atol=0.02)


@each
def test_a_perfect_prediction_has_no_error(make, objective):
    x = torch.rand(5, 1, 8, 8) * 2 - 1
    error = errors(Oracle(make(objective), x), x, None, torch.tensor([-2.0, -1, 0, 1, 2]), torch.randn(5, 1, 8, 8))
    torch.testing.assert_close(error, torch.zeros(5), rtol=0, atol=1e-6)


def test_a_ddpm_s_error_is_weighed_by_its_signal(make):
    model = make("ddpm")
    x, eps, times = torch.zeros(3, 1, 8, 8), torch.ones(3, 1, 8, 8), torch.tensor([-1.5, 0.0, 1.5])
    zero = Oracle(model, x)
    zero.__class__ = type("Zero", (Oracle,), {"__call__": lambda self, x_t, t, label=None: torch.zeros_like(x_t)})
    alpha_squared = model.scheduler(1).alphas_cumprod[(1000 * torch.special.ndtr(times)).long()]
    snr = alpha_squared / (1 - alpha_squared)
    torch.testing.assert_close(errors(zero, x, None, times, eps), snr.clamp(max=5) / snr)


@each
@pytest.mark.slow
def test_it_learns_what_there_is(make, objective):
    model = make(objective).train()
    adam = torch.optim.Adam(model.parameters(), lr=3e-3)
    x, label = torch.ones(8, 1, 8, 8) * torch.tensor([-0.8, 0.8] * 4)[:, None, None, None], torch.tensor([0, 1] * 4)
    losses = [ddpm_step(model, adam, x, label, noise=Noise(0, k), label_dropout=0.1)["loss"].item() for k in range(150)]
    assert sum(losses[-20:]) < 0.5 * sum(losses[:20])


def test_hidden_labels_are_those_of_no_class(make):
    model = make().train()
    x = torch.rand(4, 1, 8, 8) * 2 - 1
    sgd = torch.optim.SGD(model.parameters(), lr=0.0)
    hidden = ddpm_step(model, sgd, x, torch.tensor([0, 1, 2, 0]), noise=Noise(0, 1), label_dropout=1.0)
    none = ddpm_step(model, sgd, x, torch.full((4,), 3), noise=Noise(0, 1), label_dropout=0.0)
    torch.testing.assert_close(hidden["loss"], none["loss"])
