"""The VAE opened: what its panel computes, and the panel in a browser."""

import base64
import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from genart_hub import images, losses
from genart_hub.errors import GenartError
from genart_hub.models import ConvVAE, VAE
from genart_hub.ui import opened
from genart_hub.ui.opened import LIMIT, VARIANTS


def tiny(kind: str) -> torch.nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if kind == "bernoulli":
            return VAE(image_size=4, latent_dim=3, hidden_dims=[8]).eval()
        return ConvVAE(image_size=8, latent_dim=3, width=2, likelihood=kind, num_classes=2 if kind == "unit-gaussian" else 0).eval()


def picture(model, seed: int = 0) -> torch.Tensor:
    """One of 256 levels, as an upload is."""
    levels = torch.randint(256, (1, model.channels, model.image_size, model.image_size), generator=torch.Generator().manual_seed(seed))
    return levels / 127.5 - 1


KINDS = pytest.mark.parametrize("kind", ["bernoulli", "gaussian", "unit-gaussian"])


@KINDS
def test_bars_are_the_encoders_answer_and_their_kl_is_that_of_torch(kind):
    model, label = tiny(kind), torch.tensor([1]) if kind == "unit-gaussian" else None
    x = picture(model)
    value = opened.opened(model, x, label)
    with torch.no_grad():
        mu, logvar = model.encode(x) if label is None else model.encode(x, label)
    sigma = (logvar / 2).exp()
    assert value["mu"] == pytest.approx(mu[0].tolist(), abs=1e-4)
    assert value["sigma"] == pytest.approx(sigma[0].tolist(), abs=1e-4)
    assert value["kl"] == pytest.approx(kl_divergence(Normal(mu, sigma), Normal(0, 1))[0].tolist(), abs=1e-3)
    rebuilt = images.to_pil(model.reconstruct(x) if label is None else model.reconstruct(x, label))[0]
    assert base64.b64decode(value["pictures"][0]) == rebuilt.tobytes()
    assert base64.b64decode(value["x"]) == images.to_pil(x)[0].tobytes()


def test_the_error_of_a_bernoulli_is_its_nll_and_that_of_a_gaussian_costs_nothing_for_a_perfect_copy():
    model = tiny("bernoulli")
    x, z = picture(model), torch.tensor([[0.5, -1.0, 2.0]])
    with torch.no_grad():
        assert opened.drawn(model, z, x)["errors"] == pytest.approx(losses.bernoulli_nll(model.decode(z), x).tolist(), rel=1e-4)
    model = tiny("gaussian")
    model.decoder.logvar.data.fill_(math.log(0.04))
    x = picture(model)
    with torch.no_grad():
        squares = (model.decode(z) - x).square().sum().item()
        assert opened.drawn(model, z, x)["errors"] == pytest.approx([squares / (2 * 0.04)], rel=1e-3)
        assert opened.drawn(model, z, model.decode(z))["errors"] == pytest.approx([0], abs=1e-2)


def test_draws_are_mu_and_scaled_sigma_times_the_noise_of_their_seeds():
    model = tiny("bernoulli")
    x, mu, sigma = picture(model), torch.tensor([[0.5, -1.0, 5.9]]), torch.tensor([[1.0, 0.5, 2.0]])
    one = opened.varied(model, mu, sigma, x, scale=2.0, seed=40)
    for k in range(VARIANTS):
        eps = torch.randn(3, generator=torch.Generator().manual_seed(40 + k))
        assert one["z"][k] == pytest.approx((mu[0] + 2 * sigma[0] * eps).clamp(-LIMIT, LIMIT).tolist(), abs=1e-3)
    assert one == opened.varied(model, mu, sigma, x, scale=2.0, seed=40)
    assert one["pictures"][3] == opened.varied(model, mu, sigma, x, scale=2.0, seed=43)["pictures"][0]
    assert set(opened.varied(model, mu, sigma, x, scale=0.0)["pictures"]) == {opened.drawn(model, mu, x)["pictures"][0]}


def test_a_picture_goes_to_the_page_and_back_without_loss():
    model = tiny("gaussian")
    x = picture(model, seed=3)
    torch.testing.assert_close(opened.unpacked(opened.packed(x)[0], model), x)


@pytest.mark.parametrize("values", [[0.0, 1.0], [0.0] * 4, [0.0, math.nan, 0.0], [0.0, math.inf, 0.0], ["0", 0, 0], None, {}, "abc", [[0], 0, 0]])
def test_numbers_that_are_no_bars_are_refused(values):
    with pytest.raises(GenartError) as error:
        opened.numbers_of(values, tiny("bernoulli"))
    assert error.value.code == "bad_bars"


def test_numbers_beyond_the_bars_are_cut_off():
    assert opened.numbers_of([1e300, -7, 0.5], tiny("bernoulli")).tolist() == [[LIMIT, -LIMIT, 0.5]]


@pytest.mark.parametrize("text", ["", "!!", "AAAA", None, 7, base64.b64encode(bytes(17)).decode()])
def test_a_picture_of_another_size_is_refused(text):
    with pytest.raises(GenartError, match="bars do not fit"):
        opened.unpacked(text, tiny("bernoulli"))


def test_ways_are_of_unit_length_and_kept_with_the_model():
    model = tiny("gaussian")
    found = opened.ways_of(model)
    assert found.method == "sefa"
    torch.testing.assert_close(found.vectors.norm(dim=1), torch.ones(3))
    assert opened.ways_of(model) is found
    assert opened.way_names("zh", found) == ["方向 1", "方向 2", "方向 3"]
