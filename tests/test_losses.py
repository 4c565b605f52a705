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


def relu(value):
    return max(0.0, value)


def test_hinge_discriminator_loss_asks_for_a_margin_of_one_on_either_side():
    expected = sum(relu(1 - logit) for logit in (2.0, -1.0, 0.5)) / 3 + sum(relu(1 + logit) for logit in (0.3, -3.0)) / 2
    assert losses.hinge_discriminator_loss(real_logits, fake_logits).item() == pytest.approx(expected)


def test_hinge_discriminator_loss_is_zero_beyond_the_margins_and_two_when_undecided():
    assert losses.hinge_discriminator_loss(torch.tensor([1.0, 7.0]), torch.tensor([-1.0, -9.0])).item() == 0
    assert losses.hinge_discriminator_loss(torch.zeros(4), torch.zeros(7)).item() == 2


def test_hinge_generator_loss_is_minus_the_mean_fake_logit():
    assert losses.hinge_generator_loss(fake_logits).item() == pytest.approx((-0.3 + 3.0) / 2)


def test_wasserstein_loss_is_the_mean_fake_logit_minus_the_mean_real_one():
    expected = (0.3 - 3.0) / 2 - (2.0 - 1.0 + 0.5) / 3
    assert losses.wasserstein_discriminator_loss(real_logits, fake_logits).item() == pytest.approx(expected)


def test_relativistic_losses_are_of_each_pairs_difference():
    real, fake = [2.0, -1.0], [0.3, -3.0]
    pairs = torch.tensor(real), torch.tensor(fake)
    discriminator = -(log_sigmoid(2.0 - 0.3) + log_sigmoid(-1.0 + 3.0)) / 2
    generator = -(log_sigmoid(0.3 - 2.0) + log_sigmoid(-3.0 + 1.0)) / 2
    assert losses.relativistic_discriminator_loss(*pairs).item() == pytest.approx(discriminator, rel=1e-6)
    assert losses.relativistic_generator_loss(*pairs).item() == pytest.approx(generator, rel=1e-6)


def test_a_relativistic_loss_depends_on_which_picture_meets_which():
    real, fake = torch.tensor([2.0, -1.0]), torch.tensor([0.3, -3.0])
    assert losses.relativistic_generator_loss(real, fake) != losses.relativistic_generator_loss(real, fake.flip(0))


def generator_loss(objective, real, fake):
    return objective.generator(real, fake) if objective.paired else objective.generator(fake)


@pytest.mark.parametrize(
    ("name", "discriminator", "generator"),
    [
        ("non-saturating", -log_sigmoid(2.0) - log_sigmoid(0.5), -log_sigmoid(-0.5)),
        ("minimax", -log_sigmoid(2.0) - log_sigmoid(0.5), log_sigmoid(0.5)),
        ("hinge", 0.5, 0.5),
        ("wasserstein", -0.5 - 2.0, 0.5),
        ("relativistic", -log_sigmoid(2.5), -log_sigmoid(-2.5)),
    ],
)
def test_each_objective_has_its_name(name, discriminator, generator):
    objective, real, fake = losses.OBJECTIVES[name], torch.tensor([2.0]), torch.tensor([-0.5])
    assert objective.discriminator(real, fake).item() == pytest.approx(discriminator, rel=1e-6)
    assert generator_loss(objective, real, fake).item() == pytest.approx(generator, rel=1e-6)


@pytest.mark.parametrize("name", losses.OBJECTIVES)
def test_the_discriminator_raises_real_logits_and_lowers_fake_ones(name):
    real, fake = (logits.clone().requires_grad_() for logits in (torch.tensor([0.4, -0.9]), torch.tensor([0.3, -0.8])))
    up, down = torch.autograd.grad(losses.OBJECTIVES[name].discriminator(real, fake), (real, fake))
    assert torch.all(up < 0)
    assert torch.all(down > 0)


@pytest.mark.parametrize("name", losses.OBJECTIVES)
def test_the_generator_raises_fake_logits(name):
    real, fake = torch.tensor([0.4, -0.9]), torch.tensor([0.3, -0.8], requires_grad=True)
    (gradient,) = torch.autograd.grad(generator_loss(losses.OBJECTIVES[name], real, fake), fake)
    assert torch.all(gradient < 0)


@pytest.mark.parametrize("name", losses.OBJECTIVES)
def test_an_objective_is_another_when_real_and_fake_are_swapped(name):
    objective, real, fake = losses.OBJECTIVES[name], torch.tensor([2.0, -1.0]), torch.tensor([0.3, -3.0])
    assert abs(objective.discriminator(real, fake) - objective.discriminator(fake, real)) > 0.1
    assert abs(generator_loss(objective, real, fake) - generator_loss(objective, fake, real)) > 0.1


@pytest.mark.parametrize("name", losses.OBJECTIVES)
@pytest.mark.parametrize("logit", [-1e4, 1e4])
def test_an_objective_and_its_gradient_are_finite_for_large_logits(name, logit):
    real, fake = torch.full((3,), logit, requires_grad=True), torch.full((3,), -logit, requires_grad=True)
    for loss in (losses.OBJECTIVES[name].discriminator(real, fake), generator_loss(losses.OBJECTIVES[name], real, fake)):
        assert torch.isfinite(loss)
        gradients = torch.autograd.grad(loss, (real, fake), allow_unused=True)
        assert all(torch.isfinite(gradient).all() for gradient in gradients if gradient is not None)


@pytest.mark.parametrize("name", losses.OBJECTIVES)
def test_an_objective_is_a_mean_over_the_batch(name):
    real, fake = torch.tensor([0.4, -0.9]), torch.tensor([0.3, -0.8])
    objective = losses.OBJECTIVES[name]
    torch.testing.assert_close(objective.discriminator(real, fake), objective.discriminator(real.repeat(3), fake.repeat(3)))
    torch.testing.assert_close(generator_loss(objective, real, fake), generator_loss(objective, real.repeat(3), fake.repeat(3)))


@pytest.mark.parametrize("length", [0.5, 1.0, 5.0])
def test_the_gradient_penalty_of_a_linear_discriminator_is_of_its_weights_norm(length):
    weight = length * torch.tensor([0.6, 0.8]).view(1, 1, 1, 2)
    x, x_hat = torch.randn(2, 6, 1, 1, 2, generator=torch.Generator().manual_seed(0))
    penalty = losses.gradient_penalty(lambda x: (x * weight).sum(dim=(1, 2, 3)), x, x_hat, torch.rand(6))
    assert penalty.item() == pytest.approx((length - 1) ** 2, abs=1e-6)


@pytest.mark.parametrize(("u", "seen"), [(1.0, 3.0), (0.0, -1.0), (0.25, 0.0)])
def test_the_gradient_penalty_is_taken_between_a_made_picture_and_at_u_of_one_the_real(u, seen):
    x, x_hat = torch.full((2, 1, 1, 1), 3.0), torch.full((2, 1, 1, 1), -1.0)
    penalty = losses.gradient_penalty(lambda x: x.square().sum(dim=(1, 2, 3)) / 2, x, x_hat, torch.full((2,), u))  # of slope x
    assert penalty.item() == pytest.approx((abs(seen) - 1) ** 2)


def test_the_gradient_penalty_has_a_place_for_each_pair_and_a_norm_for_each_picture():
    x, x_hat = torch.ones(2, 2, 1, 1), torch.zeros(2, 2, 1, 1)
    penalty = losses.gradient_penalty(lambda x: x.square().sum(dim=(1, 2, 3)) / 2, x, x_hat, torch.tensor([1.0, 0.5]))
    assert penalty.item() == pytest.approx(((math.sqrt(2) - 1) ** 2 + (math.sqrt(0.5) - 1) ** 2) / 2)


def test_the_gradient_penalty_teaches_the_weights_and_not_the_pictures():
    weight, x = torch.tensor([3.0, 4.0], requires_grad=True), torch.ones(5, 2, requires_grad=True)
    losses.gradient_penalty(lambda x: x.square() @ weight, x, torch.zeros(5, 2), torch.ones(5)).backward()  # a slope of 2 * weight
    torch.testing.assert_close(weight.grad, 2 * (10 - 1) * 2 * torch.tensor([0.6, 0.8]))
    assert x.grad is None


def test_r1_of_a_linear_discriminator_is_its_squared_weight_norm():
    weight = torch.tensor([3.0, 4.0]).view(1, 1, 1, 2)
    x = torch.zeros(5, 1, 1, 2, requires_grad=True)
    logits = (x * weight).flatten(1).sum(dim=1)
    assert losses.r1_penalty(logits, x).item() == pytest.approx(25.0)


def test_r2_of_a_linear_discriminator_is_its_squared_weight_norm_at_made_pictures():
    weight = torch.tensor([3.0, 4.0]).view(1, 1, 1, 2)
    x_hat = torch.full((5, 1, 1, 2), 0.3, requires_grad=True)
    assert losses.r2_penalty((x_hat * weight).flatten(1).sum(dim=1), x_hat).item() == pytest.approx(25.0)


def test_r2_is_the_mean_over_the_pictures_of_the_squared_slope_at_each():
    x_hat = torch.tensor([[1.0, 2.0], [3.0, 0.0]], requires_grad=True)  # of slope x, whose squares are 5 and 9
    assert losses.r2_penalty(x_hat.square().sum(dim=1) / 2, x_hat).item() == pytest.approx(7.0)


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
