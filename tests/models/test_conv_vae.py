"""The convolutional VAE: its layers by hand, its likelihoods against torch's, its classes, and that it can learn."""

import math

import pytest
import torch
from torch.distributions import Bernoulli, Normal

from genart_hub import losses
from genart_hub.errors import GenartError
from genart_hub.models.conv_vae import ConvVAE, ResidualBlock

LIKELIHOODS = ["gaussian", "unit-gaussian", "bernoulli"]


@pytest.fixture
def vae(tiny) -> ConvVAE:
    return tiny(ConvVAE, width=4)


def pictures(n=3, channels=1, size=8):
    return torch.rand(n, channels, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


def count(module) -> int:
    return sum(p.numel() for p in module.parameters())


def block(width: int) -> int:
    """The parameters of a residual block: two of group normalisation and a 3 x 3 convolution."""
    return 2 * (2 * width + 9 * width * width + width)


def test_the_parameter_counts_are_those_of_the_layers_by_hand():
    model = ConvVAE()  # widths 32, 64, 128, 128; blocks at 16, 8 and 4 px
    down = (3 * 32 * 16 + 32) + (32 * 64 * 16 + 64) + (64 * 128 * 16 + 128) + (128 * 128 * 16 + 128)
    assert count(model.encoder) == down + block(64) + 2 * block(128) + (2048 * 256 + 256) == 1_617_888
    up = (128 * 128 * 16 + 128) + (128 * 64 * 16 + 64) + (64 * 32 * 16 + 32) + (32 * 3 * 16 + 3)
    assert count(model.decoder) == (128 * 2048 + 2048) + up + block(64) + 2 * block(128) + 1 == 1_357_412


def test_classes_add_an_embedding_to_each_half_and_only_the_learned_variance_is_a_parameter():
    plain, model = ConvVAE(likelihood="bernoulli"), ConvVAE(num_classes=7)
    assert count(model.encoder) - count(plain.encoder) == 7 * 2048
    assert count(model.decoder) - count(plain.decoder) == 7 * 2048 + 1


def test_a_residual_block_adds_to_what_it_gets():
    layer, x = ResidualBlock(4), torch.randn(2, 4, 5, 5)
    layer.layers[-1].weight.data.zero_()
    layer.layers[-1].bias.data.fill_(3)
    torch.testing.assert_close(layer(x), x + 3)


@pytest.mark.parametrize("size", [8, 32, 128])
def test_it_encodes_and_decodes_in_the_right_shapes(tiny, size):
    model = tiny(ConvVAE, image_size=size, channels=3)
    p, mu, logvar = model(pictures(2, 3, size), torch.Generator())
    assert (p.shape, mu.shape, logvar.shape) == ((2, 3, size, size), (2, 4), (2, 4))


def test_the_learned_variance_starts_at_a_quarter_and_is_trained(vae):
    assert vae.decoder.logvar.exp().sqrt().item() == pytest.approx(0.25)
    vae.nll(vae.decode(vae.latents(3)), pictures()).sum().backward()
    assert vae.decoder.logvar.grad.abs() > 0


@pytest.mark.parametrize("sigma", [0.1, 0.25, 2.0])
def test_the_likelihood_of_a_learned_variance_is_the_normal_distributions(vae, sigma):
    vae.decoder.logvar.data.fill_(2 * math.log(sigma))
    p, x = vae.decode(vae.latents(3)), pictures()
    torch.testing.assert_close(vae.nll(p, x), -Normal(p, sigma).log_prob(x).sum(dim=(1, 2, 3)), rtol=1e-4, atol=1e-3)


def test_the_likelihood_of_unit_variance_is_the_normal_distributions(tiny):
    vae, x = tiny(ConvVAE, likelihood="unit-gaussian"), pictures()
    p = vae.decode(vae.latents(3))
    torch.testing.assert_close(vae.nll(p, x), -Normal(p, 1.0).log_prob(x).sum(dim=(1, 2, 3)))


def test_the_bernoulli_likelihood_is_that_of_black_and_white_pixels(tiny):
    vae, x = tiny(ConvVAE, likelihood="bernoulli"), pictures().sign()
    logits = vae.decode(vae.latents(3))
    torch.testing.assert_close(vae.nll(logits, x), -Bernoulli(logits=logits).log_prob((x > 0).float()).sum(dim=(1, 2, 3)))


def test_a_generated_picture_is_the_mean_of_its_likelihood(tiny):
    for likelihood in LIKELIHOODS:
        vae = tiny(ConvVAE, likelihood=likelihood, num_classes=0)
        z = 30 * vae.latents(4)
        p = vae.decode(z)
        mean = 2 * Bernoulli(logits=p).mean - 1 if likelihood == "bernoulli" else p.clip(-1, 1)
        torch.testing.assert_close(vae.generate(z), mean)


def test_an_unknown_likelihood_is_refused_with_those_there_are():
    with pytest.raises(GenartError, match="ConvVAE: likelihood must be one of gaussian, unit-gaussian, bernoulli, got 'laplace'"):
        ConvVAE(likelihood="laplace")


def test_reparameterisation_is_mu_plus_sigma_times_the_noise(vae):
    x, label = pictures(), [2, 0, 1]
    mu, logvar = vae.encode(x, label)
    eps = torch.randn(mu.shape, generator=torch.Generator().manual_seed(3))
    expected = vae.decode(mu + logvar.exp().sqrt() * eps, label)
    torch.testing.assert_close(vae(x, torch.Generator().manual_seed(3), label)[0], expected)
    torch.testing.assert_close(vae(x, label=label, eps=eps)[0], expected)


def test_reconstruction_goes_through_the_mean_and_its_class(vae):
    x = pictures()
    expected = vae.generate(vae.encode(x, 2)[0], 2).detach()
    torch.testing.assert_close(vae.reconstruct(x, 2), expected)
    assert torch.equal(vae.reconstruct(x, [2, 2, 2]), vae.reconstruct(x, 2))
    assert not torch.equal(vae.reconstruct(x, 1), vae.reconstruct(x, 2))


def test_both_halves_are_told_the_class(vae):
    x, z = pictures(), vae.latents(3)
    assert not torch.equal(vae.encode(x, 0)[0], vae.encode(x, 1)[0])
    assert not torch.equal(vae.decode(z, 0), vae.decode(z, 1))


def test_without_a_label_a_pictures_latent_does_not_depend_on_its_place_in_the_batch(vae):
    x = pictures()
    torch.testing.assert_close(vae.encode(x.flip(0))[0], vae.encode(x)[0].flip(0))
    torch.testing.assert_close(vae.reconstruct(x.flip(0)), vae.reconstruct(x).flip(0))


def test_it_never_draws_from_the_global_generator(vae):
    with pytest.raises(GenartError, match="ConvVAE: pass generator="):
        vae.train()(pictures())


def test_the_learned_variance_has_a_floor(vae):
    p, x = pictures(), pictures()
    vae.decoder.logvar.data.fill_(-100.0)
    sigma = torch.distributions.Normal(p, 1 / 255)
    torch.testing.assert_close(vae.nll(p, x), -sigma.log_prob(x).flatten(1).sum(1))


def test_it_refuses_other_pictures_latents_and_labels(vae, tiny):
    with pytest.raises(GenartError, match=r"ConvVAE: images must be of shape \(B, 1, 8, 8\), got \(2, 1, 16, 16\)"):
        vae.encode(torch.zeros(2, 1, 16, 16))
    with pytest.raises(GenartError, match=r"ConvVAE: latents must be of shape \(B, 4\)"):
        vae.decode(torch.zeros(2, 5))
    for call in (lambda: vae.encode(pictures(), "x"), lambda: vae.decode(vae.latents(1), "x"), lambda: vae.reconstruct(pictures(), "x")):
        with pytest.raises(GenartError, match="ConvVAE: there is no class 'x'"):
            call()
    with pytest.raises(GenartError, match="ConvVAE has no classes"):
        tiny(ConvVAE, num_classes=0).reconstruct(pictures(), 0)


@pytest.mark.slow
@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_it_learns_one_batch_by_heart(tiny, likelihood):
    model, x = tiny(ConvVAE, width=16, likelihood=likelihood), pictures(4)
    x = x.sign() if likelihood == "bernoulli" else x
    adam, noise = torch.optim.Adam(model.parameters(), 0.01), torch.Generator().manual_seed(0)
    for _ in range(100):
        p, mu, logvar = model(x, noise, [0, 1, 2, 0])
        loss = (model.nll(p, x) + 0.1 * losses.kl_to_standard_normal(mu, logvar)).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    error = (model.reconstruct(x, [0, 1, 2, 0]) - x).square().mean()
    assert error < 0.05  # the pictures' variance is 1/3, that of the signs 1
