"""The metrics against scipy, torchmetrics, closed forms and torch.distributions."""

import math
import sys

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from scipy.ndimage import gaussian_filter
from torch.distributions import Bernoulli, Normal, kl_divergence

from genart_hub import losses, metrics
from genart_hub.errors import GenartError
from genart_hub.evaluate import reconstructions
from genart_hub.models.base import Generative
from genart_hub.models.conv_vae import ConvVAE


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


def test_frechet_distance_of_gaussians_on_a_line_leaves_out_what_neither_spans():
    mean, along = torch.zeros(3, dtype=torch.float64), torch.tensor([2.0, 1.0, 2.0], dtype=torch.float64) / 3
    cov = torch.outer(along, along)
    assert metrics.frechet_distance_of_gaussians(mean, 4 * cov, mean, 25 * cov) == pytest.approx((2 - 5) ** 2, abs=1e-6)


def test_frechet_distance_of_one_picture_is_refused():
    with pytest.raises(GenartError, match="1, fewer than 2"):
        metrics.frechet_distance(features(1), features(5))


def test_the_error_of_a_far_shift_is_that_of_the_squared_distance_of_the_means():
    real, fake = torch.randn(2, 200, 3, generator=noise())
    fake = fake + torch.tensor([30.0, 0.0, 0.0])
    assert metrics.frechet_distance_error(real, fake, groups=200) == pytest.approx(2 * 30 * math.sqrt(2 / 200), rel=0.15)


def gaussians(kind, seed, n=400, d=32):
    """Two sets of Gaussian features whose scale falls as a feature network's does."""
    scale = 3 * torch.arange(1.0, d + 1) ** -0.5
    real, fake = (torch.randn(2, n, d, generator=noise(seed)) * scale).unbind()
    return real, {"alike": fake, "moved": fake + 0.15, "wider": 1.2 * fake, "narrower": fake * torch.linspace(0.6, 1.1, d) + 0.1}[kind]


@pytest.mark.parametrize(
    ("kind", "low", "high"), [("alike", 1.1, 1.5), ("moved", 0.8, 1.25), ("wider", 0.75, 1.2), ("narrower", 0.8, 1.25)]
)
def test_the_error_of_the_frechet_distance_is_the_spread_of_fresh_samples(kind, low, high):
    spread = torch.tensor([metrics.frechet_distance(*gaussians(kind, seed)) for seed in range(150)]).std().item()
    errors = [metrics.frechet_distance_error(*gaussians(kind, 1000 + seed), seed=seed) for seed in range(5)]
    assert low < sum(errors) / 5 / spread < high  # by a bootstrap: 1.75, 1.30, 1.15, 1.26


def mmd_by_hand(real, fake):
    def kernel(x, y):
        return (sum(a * b for a, b in zip(x, y, strict=True)) / len(x) + 1) ** 3

    def within(x):
        return sum(kernel(x[i], x[j]) for i in range(len(x)) for j in range(len(x)) if i != j) / (len(x) * (len(x) - 1))

    across = sum(kernel(x, y) for x in real for y in fake) / (len(real) * len(fake))
    return within(real) + within(fake) - 2 * across


def test_kernel_distance_is_the_unbiased_mmd_of_the_cubic_kernel():
    real, fake = features(5), features(7, seed=1)
    expected = mmd_by_hand(real.double().tolist(), fake.double().tolist())
    assert metrics.kernel_distance(real, fake) == pytest.approx(expected, rel=1e-9)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_kernel_distance_is_that_of_torchmetrics():
    kid = pytest.importorskip("torchmetrics.image.kid").KernelInceptionDistance(torch.nn.Identity(), subsets=1, subset_size=40)
    real, fake = features(40), features(40, seed=1)
    kid.update(real, real=True)
    kid.update(fake, real=False)
    assert metrics.kernel_distance(real, fake) == pytest.approx(kid.compute()[0].item(), rel=1e-4)


def test_kernel_distance_of_one_distribution_to_itself_is_zero_on_average():
    distances = torch.tensor([metrics.kernel_distance(*torch.randn(2, 10, 4, generator=noise(seed))) for seed in range(400)])
    assert abs(distances.mean()) < 3 * distances.std() / math.sqrt(400)
    assert distances.min() < 0


def test_the_error_of_the_kernel_distance_is_the_spread_of_fresh_samples():
    def draw(seed):
        real, fake = torch.randn(2, 60, 4, generator=noise(seed))
        return real, fake + 1

    spread = torch.tensor([metrics.kernel_distance(*draw(seed)) for seed in range(200)]).std().item()
    errors = [metrics.kernel_distance_error(*draw(seed), num=100, seed=seed) for seed in range(20)]
    assert sum(errors) / 20 == pytest.approx(spread, rel=0.2)


def test_a_bootstrap_of_the_kernel_distance_leaves_out_the_pairs_of_one_picture():
    real, fake = features(3).double(), features(4, seed=1).double()
    weights_r, weights_f = torch.tensor([[2.0, 0.0, 1.0]]).double(), torch.tensor([[1.0, 1.0, 2.0, 0.0]]).double()
    kernel = [(x @ y.T / 6 + 1) ** 3 for x, y in ((real, real), (fake, fake), (real, fake))]
    within_r, within_f = kernel[0][0, 2], (kernel[1][0, 1] + 2 * kernel[1][0, 2] + 2 * kernel[1][1, 2]) / 5
    across = (weights_r[0] @ kernel[2] @ weights_f[0]) / 12
    estimate = metrics._kernel_distances(real, fake, weights_r, weights_f)
    torch.testing.assert_close(estimate, (within_r + within_f - 2 * across).view(1))


@pytest.mark.parametrize("metric", [metrics.kernel_distance, metrics.kernel_distance_error])
def test_kernel_distance_of_one_picture_is_refused(metric):
    with pytest.raises(GenartError, match="1, fewer than 2"):
        metric(features(5), features(1))


def on_a_line(*places):
    return torch.tensor(places)[:, None] * torch.tensor([[0.6, 0.8]])  # of length 1


def test_precision_and_recall_look_from_either_side():
    real, fake = on_a_line(0.0, 1.0, 2.0, 10.0), on_a_line(1.5, 4.0, 30.0)
    precision, recall = metrics.precision_recall(real, fake, k=1)  # radii 1, 1, 1, 8 and 2.5, 2.5, 26
    assert precision.tolist() == [1, 1, 0]
    assert recall.tolist() == [1, 1, 1, 1]
    swapped = metrics.precision_recall(fake, real, k=1)
    assert [each.tolist() for each in swapped] == [recall.tolist(), precision.tolist()]


def test_the_k_th_neighbour_of_a_point_is_not_itself():
    real, fake = on_a_line(0.0, 2.0, 5.0), on_a_line(-3.0, -6.0, 100.0)
    assert metrics.precision_recall(real, fake, k=1)[0].tolist() == [0, 0, 0]  # radii 2, 2, 3
    assert metrics.precision_recall(real, fake, k=2)[0].tolist() == [1, 0, 0]  # radii 5, 3, 5


def test_equal_points_have_balls_of_no_size_that_hold_their_like():
    points = features(50, d=128).double()
    real, fake = points.repeat(4, 1), torch.cat([points, points + 1e-9])
    density, coverage = metrics.density_coverage(real, fake, k=3)
    torch.testing.assert_close(density, torch.tensor([4 / 3, 0.0]).repeat_interleave(50))
    assert coverage.min().item() == 1


def test_density_counts_the_balls_and_coverage_those_that_are_not_empty():
    real = on_a_line(0.0, 1.0, 3.0, 20.0, 21.0)  # with k = 2, radii of 3, 2, 3, 17, 18
    density, coverage = metrics.density_coverage(real, on_a_line(0.5, 10.0, 50.0), k=2)
    assert density.tolist() == [1.5, 1.0, 0.0]
    assert coverage.tolist() == [1, 1, 1, 1, 1]
    assert metrics.density_coverage(real, on_a_line(0.5, 50.0), k=2)[1].tolist() == [1, 1, 1, 0, 0]
    assert metrics.density_coverage(on_a_line(0.5, 10.0, 50.0), real, k=2)[0].tolist() == [1, 1.5, 1.5, 1.5, 1.5]


def test_a_set_covers_itself():
    real = features(30)
    assert [each.min().item() for each in metrics.precision_recall(real, real)] == [1, 1]
    density, coverage = metrics.density_coverage(real, real)
    assert coverage.min().item() == 1
    assert density.mean().item() == pytest.approx((5 + 1) / 5)  # every ball holds its centre and k more


def test_manifolds_are_the_same_when_cut_into_chunks():
    real, fake = features(1200, d=4), features(300, d=4, seed=1)
    precision, recall = metrics.precision_recall(real, fake)
    distances = torch.cdist(real.double(), real.double()).sort(dim=1).values[:, 3]
    expected = (torch.cdist(fake.double(), real.double()) <= distances).any(dim=1)
    assert torch.equal(precision, expected.float())
    assert recall.shape == (1200,)


def test_manifolds_of_as_few_pictures_as_neighbours_are_refused():
    with pytest.raises(GenartError, match="3, fewer than 4"):
        metrics.precision_recall(features(10), features(3))
    with pytest.raises(GenartError, match="5, fewer than 6"):
        metrics.density_coverage(features(5), features(10))
    assert metrics.density_coverage(features(6), features(1))[0].shape == (1,)


def test_the_recognised_share_counts_probabilities_above_the_threshold():
    p = torch.tensor([[0.95, 0.05], [0.85, 0.15], [0.5, 0.5], [0.01, 0.99]])
    assert metrics.recognised_share(p.log()) == 0.5
    assert metrics.recognised_share(p.log(), threshold=0.8) == 0.75


def test_each_picture_is_recognised_or_not():
    assert metrics.recognised(torch.tensor([[0.95, 0.05], [0.85, 0.15], [0.02, 0.98]]).log()).tolist() == [1, 0, 1]


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


def test_top_k_accuracy_asks_for_the_label_among_the_largest_logits():
    logits = torch.tensor([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [0.0, 5.0, 9.0]])
    labels = torch.tensor([0, 1, 0])
    assert metrics.top_k_accuracy(logits, labels).tolist() == [1, 0, 0]
    assert metrics.top_k_accuracy(logits, labels, k=2).tolist() == [1, 1, 0]
    assert metrics.top_k_accuracy(logits, labels, k=3).tolist() == [1, 1, 1]


def test_top_1_accuracy_is_accuracy():
    logits, labels = torch.randn(50, 4, generator=noise()), torch.randint(4, (50,), generator=noise())
    assert metrics.top_k_accuracy(logits, labels).mean().item() == pytest.approx(metrics.accuracy(logits, labels))


def test_no_label_is_among_more_than_all_classes():
    with pytest.raises(GenartError, match="between 1 and 3"):
        metrics.top_k_accuracy(torch.zeros(2, 3), torch.zeros(2), k=4)


def test_reconstruction_error_is_for_pixels_between_zero_and_one():
    black, white = -torch.ones(2, 1, 4, 4), torch.ones(2, 1, 4, 4)
    assert metrics.reconstruction_mse(black, white) == 1.0
    assert metrics.reconstruction_mse(black, torch.zeros(2, 1, 4, 4)) == 0.25


def test_squared_error_has_one_value_a_picture():
    x, x_hat = torch.zeros(3, 3, 4, 4), torch.zeros(3, 3, 4, 4)
    x[1], x_hat[2, 0] = 1.0, -1.0
    torch.testing.assert_close(metrics.squared_error(x, x_hat), torch.tensor([0, 0.25, 0.25 / 3]))


def test_psnr_is_that_of_scaled_pixels_and_ends_at_100_db():
    x = torch.zeros(3, 1, 4, 4)
    x_hat = torch.tensor([0.2, -2.0, 0.0]).view(3, 1, 1, 1).expand_as(x)
    torch.testing.assert_close(metrics.psnr(x, x_hat), torch.tensor([20.0, 0.0, 100.0]))


def ssim_by_scipy(x, x_hat):
    """Wang et al. 2004, eq. 13, at every pixel of one channel in [0, 1] whose window lies within the picture."""
    c1, c2 = 0.01**2, 0.03**2

    def smooth(values):
        return gaussian_filter(values, sigma=1.5, truncate=3.5, mode="mirror")

    mean_x, mean_y = smooth(x), smooth(x_hat)
    var_x, var_y, cov = smooth(x * x) - mean_x**2, smooth(x_hat * x_hat) - mean_y**2, smooth(x * x_hat) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return (luminance * (2 * cov + c2) / (var_x + var_y + c2))[5:-5, 5:-5].mean()


@pytest.mark.parametrize(("channels", "size"), [(1, 28), (3, 64)])
def test_ssim_is_that_of_the_formula(channels, size):
    pytest.importorskip("torchmetrics")
    x, x_hat = 2 * torch.rand(2, 3, channels, size, size, generator=noise()).double() - 1
    x_hat = 0.5 * x + 0.5 * x_hat
    planes = zip(((x + 1) / 2).flatten(0, 1).numpy(), ((x_hat + 1) / 2).flatten(0, 1).numpy(), strict=True)
    expected = torch.tensor([ssim_by_scipy(*pair) for pair in planes]).view(3, channels).mean(dim=1)
    torch.testing.assert_close(metrics.ssim(x, x_hat), expected.double(), rtol=1e-4, atol=1e-5)


def test_ssim_of_a_picture_to_itself_is_one_for_any_number_of_pictures(monkeypatch):
    pytest.importorskip("torchmetrics")
    monkeypatch.setattr(metrics, "CHUNK", 2)
    x = 2 * torch.rand(5, 1, 16, 16, generator=noise()) - 1
    torch.testing.assert_close(metrics.ssim(x, x), torch.ones(5))
    assert metrics.ssim(x[:1], -x[:1]).item() < 0


def test_ssim_leaves_out_the_windows_that_reach_over_the_border():
    pytest.importorskip("torchmetrics")
    x, x_hat = 2 * torch.rand(2, 1, 1, 11, 11, generator=noise()) - 1  # one window, all of whose pixels count by their weights alone
    at_centre = torch.tensor(gaussian_filter(np.pad([[1.0]], 5), sigma=1.5, truncate=3.5)).float()
    mean_x, mean_y = ((at_centre * (each + 1) / 2).sum() for each in (x, x_hat))
    square_x, square_y, product = ((at_centre * (a + 1) * (b + 1) / 4).sum() for a, b in ((x, x), (x_hat, x_hat), (x, x_hat)))
    luminance = (2 * mean_x * mean_y + 1e-4) / (mean_x**2 + mean_y**2 + 1e-4)
    contrast = (2 * (product - mean_x * mean_y) + 9e-4) / (square_x - mean_x**2 + square_y - mean_y**2 + 9e-4)
    assert metrics.ssim(x, x_hat).item() == pytest.approx((luminance * contrast).item(), abs=1e-4)
    with pytest.raises(GenartError, match="at least 11, got 10"):
        metrics.ssim(torch.zeros(1, 1, 10, 16), torch.zeros(1, 1, 10, 16))


def test_ssim_without_torchmetrics_names_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchmetrics.functional.image", None)
    with pytest.raises(GenartError, match="torchmetrics"):
        metrics.ssim(torch.zeros(1, 1, 16, 16), torch.zeros(1, 1, 16, 16))


def test_binarising_draws_each_pixel_with_its_grey_level_as_the_probability():
    x = torch.tensor([-1.0, -0.5, 0.5, 1.0]).repeat(20_000, 1)
    bits = metrics.binarise(x, noise())
    assert bits.unique().tolist() == [-1.0, 1.0]
    torch.testing.assert_close((bits == 1).float().mean(dim=0), torch.tensor([0.0, 0.25, 0.75, 1.0]), atol=0.015, rtol=0)
    assert torch.equal(bits, metrics.binarise(x, noise()))


def test_dequantising_fills_each_level_evenly():
    x = (torch.tensor([0.0, 7.0, 255.0]) / 127.5 - 1).repeat(20_000, 1)
    moved = (metrics.dequantise(x, noise()) - x) * 127.5
    assert -0.5001 < moved.min() < -0.499
    assert 0.499 < moved.max() < 0.5001
    torch.testing.assert_close(moved.mean(dim=0), torch.zeros(3), atol=0.01, rtol=0)
    torch.testing.assert_close(moved.var(dim=0), torch.full((3,), 1 / 12), atol=0.002, rtol=0)


@pytest.mark.parametrize("level", [0.5, -1.0, 256.0])
def test_what_is_no_level_of_8_bits_is_not_dequantised(level):
    with pytest.raises(GenartError, match="256 levels"):
        metrics.dequantise(torch.tensor([0.0, level]) / 127.5 - 1, noise())


def bits(n, seed=0):
    return metrics.binarise(torch.zeros(n, 1, 8, 8), noise(seed))


def levels(n, seed=0):
    return torch.randint(0, 256, (n, 1, 8, 8), generator=noise(seed)) / 127.5 - 1


def test_a_bernoulli_elbo_is_that_of_torch_distributions(vae):
    x = bits(5)
    bound = reconstructions.elbo(vae, x, seed=3, num_samples=2)
    mu, logvar = vae.encode(x)
    q, generator = Normal(mu, (0.5 * logvar).exp()), noise(3)
    kl = kl_divergence(q, Normal(0.0, 1.0)).sum(dim=1)
    draws = [vae.decode(mu + q.stddev * torch.randn(mu.shape, generator=generator)) for _ in range(2)]
    log_p = sum(Bernoulli(logits=logits).log_prob((x + 1) / 2).sum(dim=(1, 2, 3)) for logits in draws) / 2
    torch.testing.assert_close(bound.elbo, (log_p - kl).double(), rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(bound.reconstruction, -log_p.double(), rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(bound.kl, kl.double(), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("likelihood", ["gaussian", "unit-gaussian"])
def test_a_gaussian_elbo_is_that_of_torch_distributions(tiny, likelihood):
    vae, x = tiny(ConvVAE, likelihood=likelihood, num_classes=0), levels(4)
    std = vae.decoder.logvar.mul(0.5).exp().item() if likelihood == "gaussian" else 1.0
    bound, generator = reconstructions.elbo(vae, x, seed=3), noise(3)
    mu, logvar = vae.encode(x)
    mean = vae.decode(mu + (0.5 * logvar).exp() * torch.randn(mu.shape, generator=generator))
    density = Normal(mean, std).log_prob(x + (torch.rand(x.shape, generator=generator) - 0.5) / 127.5)
    log_p = (density - math.log(127.5)).sum(dim=(1, 2, 3))  # a cell is 1 / 127.5 wide
    kl = kl_divergence(Normal(mu, (0.5 * logvar).exp()), Normal(0.0, 1.0)).sum(dim=1)
    torch.testing.assert_close(bound.elbo, (log_p - kl).double(), rtol=1e-5, atol=1e-3)


def test_the_elbo_of_an_untaught_pixel_is_log_two_a_pixel(vae):
    for parameter in vae.parameters():
        parameter.data.zero_()
    bound = reconstructions.elbo(vae, torch.ones(3, 1, 8, 8))
    assert bound.elbo.tolist() == pytest.approx([-64 * math.log(2)] * 3, rel=1e-6)
    assert bound.kl.tolist() == [0, 0, 0]


def test_the_elbo_lies_below_the_likelihood_that_importance_sampling_finds(vae):
    x = bits(1)
    with torch.no_grad():
        z = torch.randn(20_000, 3, generator=noise())
        log_p = Bernoulli(logits=vae.decode(z)).log_prob((x + 1) / 2).sum(dim=(1, 2, 3)).logsumexp(0) - math.log(20_000)
    assert reconstructions.elbo(vae, x, num_samples=500).elbo.item() < log_p.item()


def test_the_importance_weighted_bound_is_the_likelihood_where_the_posterior_is_exact():
    x = torch.tensor([200.0, 30.0, 140.0]).view(3, 1, 1, 1).expand(3, 1, 8, 8) / 127.5 - 1
    vae = Blind(mean=0.1, std=2.0)  # no z counts, and the prior is the posterior
    log_p = Normal(0.1, 2.0).log_prob(x.double()).sum(dim=(1, 2, 3)) - 64 * math.log(127.5)
    torch.testing.assert_close(reconstructions.importance_weighted_bound(vae, x, num_samples=300), log_p, atol=0.01, rtol=0)


def test_more_draws_tighten_the_bound_towards_the_likelihood_that_the_prior_finds(vae):
    x = bits(2)
    with torch.no_grad():
        z = torch.randn(50_000, 3, generator=noise(5))
        log_p = torch.stack([Bernoulli(logits=vae.decode(z)).log_prob((one + 1) / 2).sum(dim=(1, 2, 3)).logsumexp(0) for one in x])
    log_p = log_p.double() - math.log(50_000)
    elbo = reconstructions.elbo(vae, x, num_samples=2000).elbo
    tight = reconstructions.importance_weighted_bound(vae, x, num_samples=2000)
    assert bool((elbo < tight - 0.1).all())
    torch.testing.assert_close(tight, log_p, atol=0.06, rtol=0)
    single = torch.stack([reconstructions.importance_weighted_bound(vae, x, seed, num_samples=1) for seed in range(300)]).mean(dim=0)
    torch.testing.assert_close(single, elbo, atol=0.3, rtol=0)


def test_the_importance_weighted_bound_takes_labels_and_chunks_and_refuses_what_the_elbo_does(tiny, monkeypatch):
    vae, x = tiny(ConvVAE, likelihood="bernoulli"), bits(3)
    at_once = reconstructions.importance_weighted_bound(vae, x, num_samples=20, label=[2, 0, 1])
    monkeypatch.setattr(metrics, "CHUNK", 7)
    torch.testing.assert_close(reconstructions.importance_weighted_bound(vae, x, num_samples=20, label=[2, 0, 1]), at_once)
    assert not torch.allclose(reconstructions.importance_weighted_bound(vae, x, num_samples=20, label=1), at_once)
    with pytest.raises(GenartError, match="binarise"):
        reconstructions.importance_weighted_bound(vae, torch.zeros(1, 1, 8, 8))


class Blind(Generative):
    """A VAE that encodes nothing, and whose pixels are all N(mean, std^2)."""

    family, likelihood = "vae", "gaussian"
    image_size, channels, latent_dim = 8, 1, 3

    def __init__(self, mean=0.0, std=1.0):
        super().__init__()
        self.mean, self.std = torch.nn.Parameter(torch.tensor(mean)), std

    def encode(self, x):
        return torch.zeros(len(x), 3), torch.zeros(len(x), 3)

    def decode(self, z):
        return self.mean.expand(len(z), 1, 8, 8)

    def nll(self, p, x):
        return losses.gaussian_nll(p, 2 * math.log(self.std), x)


def test_a_discrete_bound_lies_just_below_the_exact_likelihood_of_the_levels():
    cell, mean, std = 1 / 127.5, 0.1, 1.2 / 127.5
    x = (torch.randint(138, 143, (2, 1, 8, 8), generator=noise()) / 127.5 - 1).double()
    normal = Normal(torch.tensor(mean).double(), std)
    exact = (normal.cdf(x + cell / 2) - normal.cdf(x - cell / 2)).log().sum(dim=(1, 2, 3))
    expected = normal.log_prob(x).sum(dim=(1, 2, 3)) - 64 * (cell**2 / 12 / (2 * std**2) + math.log(127.5))
    bound = reconstructions.elbo(Blind(mean, std), x.float(), num_samples=2000)
    assert bound.kl.tolist() == [0, 0]
    torch.testing.assert_close(bound.elbo, expected, atol=0.2, rtol=0)
    assert torch.all(bound.elbo < exact)
    assert torch.all(bound.elbo > exact - 3)


def test_bits_per_dimension_of_noise_are_eight_where_the_model_is_uniform():
    blind = Blind()
    blind.nll = lambda p, x: torch.full((len(x),), 64 * math.log(256 / 127.5))  # the density over [-1 - 1/255, 1 + 1/255]
    bound = reconstructions.elbo(blind, levels(3))
    torch.testing.assert_close(metrics.bits_per_dimension(bound.elbo, 64), torch.full((3,), 8.0).double(), atol=1e-6, rtol=0)


def test_bits_per_dimension_of_noise_under_a_gaussian_are_a_quarter_more_than_eight():
    bound = reconstructions.elbo(Blind(std=math.sqrt(1 / 3)), levels(200))
    expected = 8 + 0.5 * math.log2(2 * math.pi * math.e / 12)  # the entropy of a Gaussian less that of a uniform of its variance
    assert metrics.bits_per_dimension(bound.elbo.mean().item(), 64) == pytest.approx(expected, abs=0.02)


def test_the_elbo_of_each_picture_is_for_its_own_label_in_any_chunk(tiny, monkeypatch):
    vae, x, label = tiny(ConvVAE, likelihood="bernoulli"), bits(5), [2, 0, 1, 1, 2]
    with torch.no_grad():
        vae.encoder.embed.weight.mul_(5)
        mu, logvar = vae.encode(x, label)
    monkeypatch.setattr(metrics, "CHUNK", 2)
    expected = losses.kl_to_standard_normal(mu, logvar)
    torch.testing.assert_close(reconstructions.elbo(vae, x, label=label).kl, expected.double(), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(reconstructions.elbo(vae, x, label=1).kl, expected.double(), rtol=1e-3)


def test_the_elbo_is_the_same_for_the_same_seed_and_leaves_the_model_in_training(vae):
    vae.train()
    first, again, other = (reconstructions.elbo(vae, bits(3), seed).elbo for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert vae.training
    assert not first.requires_grad


def test_grey_pixels_have_no_bernoulli_elbo_and_pixels_between_levels_no_gaussian_one(vae):
    with pytest.raises(GenartError, match="binarise"):
        reconstructions.elbo(vae, torch.zeros(1, 1, 8, 8))
    with pytest.raises(GenartError, match="256 levels"):
        reconstructions.elbo(Blind(), torch.zeros(1, 1, 8, 8))


def test_the_bootstrap_error_of_a_mean_is_the_standard_error():
    values = 3 * torch.randn(400, generator=noise())
    expected = values.std().item() / math.sqrt(400)
    assert metrics.mean_error(values, num=1000) == pytest.approx(expected, rel=0.1)
    assert metrics.bootstrap_error(torch.mean, values, num=1000) == pytest.approx(expected, rel=0.1)


def test_the_error_of_an_indicators_mean_is_that_of_a_share():
    hits = (torch.rand(500, generator=noise()) < 0.2).float()
    share = hits.mean().item()
    assert metrics.mean_error(hits, num=1000) == pytest.approx(math.sqrt(share * (1 - share) / 500), rel=0.1)


def test_the_jackknife_error_of_a_difference_of_means_is_its_standard_error():
    a, b = torch.randn(300, generator=noise()), 2 * torch.randn(100, generator=noise(1))
    expected = math.sqrt(a.var().item() / 300 + b.var().item() / 100)

    def difference(a, b):
        return (a.mean() - b.mean()).item()

    assert metrics.jackknife_error(difference, a, b, groups=300) == pytest.approx(expected, rel=1e-4)  # a row a group: exact for means
    assert metrics.jackknife_error(difference, a, b, groups=40) == pytest.approx(expected, rel=0.25)


def test_a_bootstrap_draws_each_sample_on_its_own():
    a, b = torch.randn(300, generator=noise()), 2 * torch.randn(100, generator=noise(1))
    error = metrics.bootstrap_error(lambda a, b: (a.mean() - b.mean()).item(), a, b, num=1000)
    assert error == pytest.approx(math.sqrt(a.var().item() / 300 + b.var().item() / 100), rel=0.1)


def test_a_bootstrap_keeps_the_rows_of_a_sample_whole():
    rows = torch.arange(20.0)[:, None].expand(-1, 2)
    assert metrics.bootstrap_error(lambda rows: (rows[:, 0] - rows[:, 1]).abs().max().item(), rows) == 0


@pytest.mark.parametrize("error", [metrics.frechet_distance_error, metrics.kernel_distance_error])
def test_an_error_is_the_same_for_the_same_seed_and_leaves_the_global_generator_alone(error):
    state = torch.random.get_rng_state()
    first, again, other = (error(features(50), features(50, seed=1), seed=seed) for seed in (4, 4, 5))
    assert first == again != other
    assert torch.equal(state, torch.random.get_rng_state())


def test_an_error_needs_more_than_one_resample():
    with pytest.raises(GenartError, match="at least 2"):
        metrics.mean_error(torch.zeros(5), num=1)


def test_the_frechet_distance_of_one_feature_is_that_of_two_numbers():
    real, fake = torch.randn(50, 1, generator=torch.Generator().manual_seed(0)), 3 + 2 * torch.randn(60, 1)
    expected = (real.double().mean() - fake.double().mean()) ** 2 + (real.double().std() - fake.double().std()) ** 2
    assert metrics.frechet_distance(real, fake) == pytest.approx(expected.item())


def test_evenness_of_one_class_alone_is_plain_zero():
    assert str(metrics.evenness(torch.tensor([1.0, 0.0, 0.0]))) == "0.0"
