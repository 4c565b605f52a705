"""The objectives against formulas by hand and against torch.distributions."""

import math

import pytest
import torch
from torch.distributions import Bernoulli, Independent, Normal, kl_divergence

from genart_hub import losses

real_logits, fake_logits = torch.tensor([2.0, -1.0, 0.5]), torch.tensor([0.3, -3.0])


def log_sigmoid(logit):
    return math.log(1 / (1 + math.exp(-logit)))


def test_discriminator_loss_is_minus_log_d_of_real_minus_log_one_minus_d_of_fake():
    expected = -sum(map(log_sigmoid, real_logits.tolist())) / 3 - sum(log_sigmoid(-logit) for logit in fake_logits.tolist()) / 2
    assert losses.discriminator_loss(real_logits, fake_logits).item() == pytest.approx(expected, rel=1e-6)


def test_discriminator_loss_of_an_undecided_discriminator_is_two_log_two():
    assert losses.discriminator_loss(torch.zeros(4), torch.zeros(7)).item() == pytest.approx(2 * math.log(2), rel=1e-6)


def test_generator_loss_is_minus_log_d_of_fake():
    expected = -sum(map(log_sigmoid, fake_logits.tolist())) / 2
    assert losses.generator_loss(fake_logits).item() == pytest.approx(expected, rel=1e-6)


def test_minimax_generator_loss_is_log_of_one_minus_d_of_fake():
    expected = sum(math.log(1 - 1 / (1 + math.exp(-logit))) for logit in fake_logits.tolist()) / 2
    assert losses.minimax_generator_loss(fake_logits).item() == pytest.approx(expected, rel=1e-6)


def test_only_the_non_saturating_generator_loss_learns_from_a_sure_discriminator():
    logits = torch.tensor([-30.0], requires_grad=True)
    (saturating,) = torch.autograd.grad(losses.minimax_generator_loss(logits), logits)
    (non_saturating,) = torch.autograd.grad(losses.generator_loss(logits), logits)
    assert saturating.item() == pytest.approx(0, abs=1e-9)
    assert non_saturating.item() == pytest.approx(-1)


@pytest.mark.parametrize("logit", [-1e4, 1e4])
def test_adversarial_losses_are_finite_where_the_log_of_the_sigmoid_is_not(logit):
    logits = torch.full((3,), logit)
    assert torch.isinf(torch.log(torch.sigmoid(-logits.abs()))).all()
    for loss in (losses.discriminator_loss(logits, -logits), losses.generator_loss(logits), losses.minimax_generator_loss(logits)):
        assert abs(loss.item()) in (0.0, 1e4, 2e4)


def test_r1_of_a_linear_discriminator_is_its_squared_weight_norm():
    weight = torch.tensor([3.0, 4.0]).view(1, 1, 1, 2)
    x = torch.zeros(5, 1, 1, 2, requires_grad=True)
    logits = (x * weight).flatten(1).sum(dim=1)
    assert losses.r1_penalty(logits, x).item() == pytest.approx(25.0)


def test_r1_can_be_differentiated_with_respect_to_the_weights():
    weight = torch.tensor([3.0, 4.0], requires_grad=True)
    x = torch.ones(5, 2, requires_grad=True)
    losses.r1_penalty(x @ weight, x).backward()
    torch.testing.assert_close(weight.grad, torch.tensor([6.0, 8.0]))


def test_bernoulli_nll_is_that_of_torch_distributions_summed_over_the_pixels():
    logits = torch.randn(3, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    bits = (torch.rand(3, 2, 4, 4, generator=torch.Generator().manual_seed(1)) < 0.3).float()
    expected = -Independent(Bernoulli(logits=logits), 3).log_prob(bits)
    torch.testing.assert_close(losses.bernoulli_nll(logits, 2 * bits - 1), expected)


@pytest.mark.parametrize("logvar", [0.7, torch.linspace(-1, 1, 4)])
def test_gaussian_nll_is_that_of_torch_distributions_summed_over_the_pixels(logvar):
    mean, x = torch.randn(2, 3, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    std = torch.as_tensor(logvar).mul(0.5).exp().expand(x.shape)
    expected = -Independent(Normal(mean, std), 3).log_prob(x)
    torch.testing.assert_close(losses.gaussian_nll(mean, logvar, x), expected)


def test_kl_is_that_of_torch_distributions_summed_over_the_latent():
    mu, logvar = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    expected = kl_divergence(Normal(mu, (0.5 * logvar).exp()), Normal(0.0, 1.0)).sum(dim=1)
    torch.testing.assert_close(losses.kl_to_standard_normal(mu, logvar), expected)


def test_kl_of_the_standard_normal_to_itself_is_zero():
    assert losses.kl_to_standard_normal(torch.zeros(2, 3), torch.zeros(2, 3)).tolist() == [0.0, 0.0]
