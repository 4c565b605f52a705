"""The metrics against scipy, closed forms and torch.distributions."""

import math

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch.distributions import Bernoulli, Normal, kl_divergence

from genart_hub import metrics
from genart_hub.errors import GenartError


def noise(seed=0):
    return torch.Generator().manual_seed(seed)


def features(n, d=6, seed=0):
    mixing = torch.randn(d, d, generator=noise(seed + 100))
    return torch.randn(n, d, generator=noise(seed)) @ mixing + torch.randn(d, generator=noise(seed + 200))


def by_scipy(real, fake):
    real, fake = real.double().numpy(), fake.double().numpy()
    cov_r, cov_f = np.cov(real, rowvar=False), np.cov(fake, rowvar=False)
    difference = real.mean(axis=0) - fake.mean(axis=0)
    return difference @ difference + np.trace(cov_r + cov_f - 2 * sqrtm(cov_r @ cov_f).real)


def test_frechet_distance_is_that_of_scipys_matrix_root():
    real, fake = features(50), features(40, seed=1)
    assert metrics.frechet_distance(real, fake) == pytest.approx(by_scipy(real, fake), rel=1e-6)


def test_frechet_distance_between_gaussians_of_diagonal_covariance_has_a_closed_form():
    mean_r, mean_f, std_r, std_f = (torch.tensor(v, dtype=torch.float64) for v in ([0.0, 1.0], [3.0, 5.0], [1.0, 2.0], [4.0, 2.5]))
    distance = metrics.frechet_distance_of_gaussians(mean_r, std_r.square().diag(), mean_f, std_f.square().diag())
    assert distance == pytest.approx(3**2 + 4**2 + (1 - 4) ** 2 + (2 - 2.5) ** 2)


def test_frechet_distance_of_a_set_to_itself_is_zero_and_it_is_symmetric():
    a, b = features(30), features(30, seed=1)
    assert metrics.frechet_distance(a, a) == pytest.approx(0, abs=1e-6)
    assert metrics.frechet_distance(a, b) == pytest.approx(metrics.frechet_distance(b, a), rel=1e-9)


def test_frechet_distance_of_a_shift_is_its_squared_length():
    a = features(30)
    shift = torch.tensor([3.0, 4.0, 0.0, 0.0, 0.0, 0.0])
    assert metrics.frechet_distance(a, a + shift) == pytest.approx(25, rel=1e-4)


def test_frechet_distance_works_with_fewer_pictures_than_features():
    real, fake = features(4), features(3, seed=1)
    distance = metrics.frechet_distance(real, fake)
    assert math.isfinite(distance)
    assert distance >= (real.mean(0) - fake.mean(0)).square().sum().item() - 1e-4


def test_frechet_distance_of_one_picture_is_refused():
    with pytest.raises(GenartError, match="1 pictures, fewer than 2"):
        metrics.frechet_distance(features(1), features(5))


def test_the_recognised_share_counts_probabilities_above_the_threshold():
    p = torch.tensor([[0.95, 0.05], [0.85, 0.15], [0.5, 0.5], [0.01, 0.99]])
    assert metrics.recognised_share(p.log()) == 0.5
    assert metrics.recognised_share(p.log(), threshold=0.8) == 0.75


def test_class_shares_count_the_largest_logit_and_keep_classes_that_never_come():
    logits = torch.tensor([[1.0, 3.0, 0.0, 0.0], [5.0, 3.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 9.0, 0.0, 1.0]])
    assert metrics.class_shares(logits).tolist() == [0.25, 0.75, 0.0, 0.0]


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ([0.25] * 4, 1.0),
        ([1.0, 0.0, 0.0], 0.0),
        ([0.5, 0.5, 0.0, 0.0], 0.5),
        ([0.75, 0.25], -(0.75 * math.log2(0.75) + 0.25 * math.log2(0.25))),
    ],
)
def test_evenness_is_the_entropy_over_its_maximum(shares, expected):
    assert metrics.evenness(torch.tensor(shares)) == pytest.approx(expected, abs=1e-6)


def test_accuracy_is_the_share_of_right_answers():
    logits = torch.eye(4)
    assert metrics.accuracy(logits, torch.tensor([0, 1, 2, 0])) == 0.75


def test_reconstruction_error_is_for_pixels_between_zero_and_one():
    black, white = -torch.ones(2, 1, 4, 4), torch.ones(2, 1, 4, 4)
    assert metrics.reconstruction_mse(black, white) == 1.0
    assert metrics.reconstruction_mse(black, torch.zeros(2, 1, 4, 4)) == 0.25


def test_binarising_draws_each_pixel_with_its_grey_level_as_the_probability():
    x = torch.tensor([-1.0, -0.5, 0.5, 1.0]).repeat(20_000, 1)
    bits = metrics.binarise(x, noise())
    assert bits.unique().tolist() == [-1.0, 1.0]
    torch.testing.assert_close((bits == 1).float().mean(dim=0), torch.tensor([0.0, 0.25, 0.75, 1.0]), atol=0.015, rtol=0)
    assert torch.equal(bits, metrics.binarise(x, noise()))


def test_the_elbo_is_that_of_torch_distributions(vae):
    x = metrics.binarise(torch.zeros(5, 1, 8, 8), noise())
    bound = metrics.bernoulli_elbo(vae, x, seed=3, num_samples=2)
    mu, logvar = vae.encode(x)
    q, generator = Normal(mu, (0.5 * logvar).exp()), noise(3)
    kl = kl_divergence(q, Normal(0.0, 1.0)).sum().item() / 5
    draws = [vae.decode(mu + q.stddev * torch.randn(mu.shape, generator=generator)) for _ in range(2)]
    log_p = sum(Bernoulli(logits=logits).log_prob((x + 1) / 2).sum().item() for logits in draws) / 2 / 5
    assert bound.elbo == pytest.approx(log_p - kl, rel=1e-5)
    assert (bound.reconstruction, bound.kl) == pytest.approx((-log_p, kl), rel=1e-5)


def test_the_elbo_of_an_untaught_pixel_is_log_two_a_pixel(vae):
    for parameter in vae.parameters():
        parameter.data.zero_()
    bound = metrics.bernoulli_elbo(vae, torch.ones(3, 1, 8, 8))
    assert (bound.elbo, bound.kl) == pytest.approx((-64 * math.log(2), 0.0), rel=1e-6)


def test_the_elbo_lies_below_the_likelihood_that_importance_sampling_finds(vae):
    x = metrics.binarise(torch.zeros(1, 1, 8, 8), noise())
    with torch.no_grad():
        z = torch.randn(20_000, 3, generator=noise())
        log_p = Bernoulli(logits=vae.decode(z)).log_prob((x + 1) / 2).sum(dim=(1, 2, 3)).logsumexp(0) - math.log(20_000)
    assert metrics.bernoulli_elbo(vae, x, num_samples=500).elbo < log_p.item()


def test_grey_pixels_have_no_elbo(vae):
    with pytest.raises(GenartError, match="binarise"):
        metrics.bernoulli_elbo(vae, torch.zeros(1, 1, 8, 8))
