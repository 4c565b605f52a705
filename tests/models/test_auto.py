"""Models by their names, and classes of one's own among them."""

import pytest
import torch
from torch import nn

import genart_hub
from genart_hub.errors import GenartError
from genart_hub.hub import HubModel
from genart_hub.models import MODELS
from genart_hub.models.base import Generative


@pytest.fixture
def models(monkeypatch):
    """MODELS as it was, whatever a test registers."""
    before = dict(MODELS)
    yield MODELS
    MODELS.clear()
    MODELS.update(before)


class Points(Generative):
    """A model of one's own: white where the latent is positive."""

    family, image_size, channels, latent_dim = "gan", 2, 1, 4

    def __init__(self, scale: float = 1.0):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scale))

    def generate(self, z, label=None):
        return (self.scale * z).sign().view(-1, 1, 2, 2)


def test_a_registered_class_is_loaded_by_the_name_in_its_config(models, tmp_path):
    folder = Points(2.0).save_pretrained(tmp_path / "mine")
    with pytest.raises(GenartError, match="names the class Points"):
        genart_hub.from_pretrained(folder)
    assert genart_hub.register(Points) is Points
    model = genart_hub.from_pretrained(folder)
    assert torch.equal(model.sample(3, seed=5), Points(2.0).sample(3, seed=5))


def test_a_class_that_is_defined_anew_takes_the_place_of_its_old_self(models):
    genart_hub.register(Points)
    again = type("Points", (Points,), {"__module__": Points.__module__, "__qualname__": Points.__qualname__})
    assert genart_hub.register(again) is again
    assert models["Points"] is again


def test_what_is_no_hub_model_is_refused():
    for wrong in (nn.Linear, Points(), "GAN", None):
        with pytest.raises(GenartError) as error:
            genart_hub.register(wrong)
        assert error.value.code == "not_registrable"


def test_the_name_of_another_class_is_refused(models):
    gan = models["GAN"]
    with pytest.raises(GenartError, match="genart_hub.models.gan") as error:
        genart_hub.register(type("GAN", (nn.Module, HubModel), {}))
    assert (error.value.code, models["GAN"]) == ("class_taken", gan)


def test_models_are_listed_by_a_glob_a_family_and_their_pictures():
    names = genart_hub.list_models()
    assert set(genart_hub.bundled()) | set(genart_hub.bundled("features")) == set(names)
    assert genart_hub.list_models("*emoji*") == [name for name in names if "emoji" in name]
    assert genart_hub.list_models("*-mnist", family="gan") == [name for name in genart_hub.bundled("gan") if name.endswith("-mnist")]
    assert genart_hub.list_models(dataset="mnist") == genart_hub.list_models("*mnist")
    assert genart_hub.list_models("none-*") == []


def test_the_list_opens_no_weights(monkeypatch):
    monkeypatch.setattr("genart_hub.hub.model.load_folder", lambda *arguments, **options: pytest.fail("weights were read"))
    monkeypatch.setattr("genart_hub.models.stable_diffusion.loading.read", lambda *arguments, **options: pytest.fail("weights were read"))
    assert genart_hub.list_models("*", dataset="emoji64")


@pytest.mark.parametrize("request_", [{"pattern": 5}, {"family": "x"}, {"dataset": "x"}])
def test_a_list_of_what_there_is_not_is_a_sentence(request_):
    with pytest.raises(GenartError, match="list_models"):
        genart_hub.list_models(**request_)
