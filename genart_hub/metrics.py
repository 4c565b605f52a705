"""Metrics as pure functions of features, logits and pictures. Features: (N, D); logits: (N, classes); pictures in [-1, 1].

What is one value a picture comes as (N,), so that its mean and `mean_error` can be taken; the rest has an error of its own.
"""

import math
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from genart_hub.errors import GenartError, whole

CHUNK = 250  # pictures at a time
MAX_PSNR = 100.0  # dB
SSIM_WINDOW = 11  # px
Nats = TypeVar("Nats", Tensor, float)


# ---- two sets of features ----


def frechet_distance(real: Tensor, fake: Tensor) -> float:
    """||m_r - m_f||^2 + tr(C_r + C_f - 2 (C_r C_f)^(1/2)), between Gaussians fitted to two sets of features.

    Heusel et al. 2017, https://arxiv.org/abs/1706.08500, eq. 6. real: (N, D), fake: (M, D), both N and M of 2 or more.
    """
    _at_least("frechet_distance", 2, "a covariance", real, fake)
    real, fake = real.double(), fake.double()
    mean_r, mean_f, cov_r, cov_f = real.mean(0), fake.mean(0), _covariance(real), _covariance(fake)
    return frechet_distance_of_gaussians(mean_r, cov_r, mean_f, cov_f)


def _covariance(x: Tensor) -> Tensor:
    """(D, D), also where D is 1. x: (N, D)."""
    return torch.atleast_2d(x.T.cov())


def frechet_distance_of_gaussians(mean_r: Tensor, cov_r: Tensor, mean_f: Tensor, cov_f: Tensor) -> float:
    """The same between N(mean_r, cov_r) and N(mean_f, cov_f). Means: (D,); covariances: (D, D)."""
    values, vectors = torch.linalg.eigh(cov_r)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T  # C_r^(1/2)
    trace_of_root = torch.linalg.eigvalsh(root @ cov_f @ root).clamp(min=0).sqrt().sum()  # tr (C_r C_f)^(1/2)
    distance = (mean_r - mean_f).square().sum() + cov_r.trace() + cov_f.trace() - 2 * trace_of_root
    return max(distance.item(), 0.0)


def frechet_distance_error(real: Tensor, fake: Tensor, groups: int = 40, seed: int = 0) -> float:
    """The standard error of `frechet_distance`, by `jackknife_error`: copies in a bootstrap would make it up to 2.7 times too large.

    Where both sets come from one distribution it errs on the large side, by up to sqrt(2). real: (N, D), fake: (M, D), each of 3 or more.
    """
    _at_least("frechet_distance_error", 3, "a covariance without one of them", real, fake)
    return jackknife_error(frechet_distance, real, fake, groups=groups, seed=seed)


def kernel_distance(real: Tensor, fake: Tensor) -> float:
    """The unbiased estimate of MMD^2 with the kernel (x.y / D + 1)^3, over all pairs: KID. It may be below 0.

    Bińkowski et al. 2018, https://arxiv.org/abs/1801.01401, section 4. real: (N, D), fake: (M, D), both N and M of 2 or more.
    """
    _at_least("kernel_distance", 2, "pairs", real, fake)
    once_r, once_f = (torch.ones(1, len(each), dtype=torch.float64, device=each.device) for each in (real, fake))
    return _kernel_distances(real, fake, once_r, once_f).item()


def kernel_distance_error(real: Tensor, fake: Tensor, num: int = 50, seed: int = 0) -> float:
    """The standard error of `kernel_distance`, by `num` bootstraps in which two copies of one picture are no pair.

    Where both sets come from one distribution it errs on the large side, by up to sqrt(3): the estimate is a degenerate U-statistic
    there (Arcones & Giné 1992). real: (N, D), fake: (M, D).
    """
    _at_least("kernel_distance_error", 2, "pairs", real, fake)
    num, generator = whole("kernel_distance_error", "num", num, 2), torch.Generator().manual_seed(seed)
    estimates = _kernel_distances(real, fake, _multiplicities(real, num, generator), _multiplicities(fake, num, generator))
    return estimates[estimates.isfinite()].std().item()  # a draw of one picture only has no pair


def _kernel_distances(real: Tensor, fake: Tensor, weights_r: Tensor, weights_f: Tensor) -> Tensor:
    """MMD^2 without the pairs of a picture and itself, where picture k comes weights[s, k] times. weights: (S, N), (S, M). Returns (S,)."""

    def within(x: Tensor, weights: Tensor) -> Tensor:
        kernel = _cubic_kernel(x, x).fill_diagonal_(0)
        return ((weights @ kernel) * weights).sum(dim=1) / (weights.sum(dim=1).square() - weights.square().sum(dim=1))

    across = ((weights_r @ _cubic_kernel(real, fake)) * weights_f).sum(dim=1) / (weights_r.sum(dim=1) * weights_f.sum(dim=1))
    return within(real, weights_r) + within(fake, weights_f) - 2 * across


def _cubic_kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x.double() @ y.double().T / x.shape[1] + 1) ** 3


def precision_recall(real: Tensor, fake: Tensor, k: int = 3) -> tuple[Tensor, Tensor]:
    """Whether each made picture lies among the real ones, and each real one among the made: in the ball of any, out to its k-th neighbour.

    Kynkäänniemi et al. 2019, https://arxiv.org/abs/1904.06991, eq. 1 and 2. real: (N, D), fake: (M, D), both N and M above k.
    Returns (M,) and (N,) of 0 and 1; their means are precision and recall.
    """
    k = whole("precision_recall", "k", k, 1)
    _at_least("precision_recall", k + 1, f"{k} neighbours of each", real, fake)
    return (_balls(real, fake, k)[0] > 0).float(), (_balls(fake, real, k)[0] > 0).float()


def density_coverage(real: Tensor, fake: Tensor, k: int = 5) -> tuple[Tensor, Tensor]:
    """How many real balls, out to the k-th neighbour, hold each made picture, over k; and whether each real ball holds any.

    Naeem et al. 2020, https://arxiv.org/abs/2002.09797, eq. 3 and 5. real: (N, D), N above k, fake: (M, D).
    Returns the density (M,), which may exceed 1, and the coverage (N,) of 0 and 1.
    """
    k = whole("density_coverage", "k", k, 1)
    _at_least("density_coverage", k + 1, f"{k} neighbours of each", real)
    _at_least("density_coverage", 1, "made ones", fake)
    counts, coverage = _balls(real, fake, k)
    return counts / k, coverage.float()


def _balls(centres: Tensor, points: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Balls out to the centre's k-th nearest neighbour, itself left out, border included. centres: (N, D), points: (M, D).

    Returns how many balls hold each point, (M,), and whether each ball holds any, (N,).
    """
    counts, filled = torch.zeros(len(points), device=points.device), []
    for some in centres.split(1000):
        radii = _distances(some, centres).kthvalue(k + 1, dim=1, keepdim=True).values  # the nearest of all is the centre
        held = _distances(some, points) <= radii
        counts += held.sum(dim=0)
        filled.append(held.any(dim=1))
    return counts, torch.cat(filled)


def _distances(x: Tensor, y: Tensor) -> Tensor:
    """Euclidean, by differences: by products, equal points would lie apart. x: (N, D), y: (M, D). Returns (N, M)."""
    return torch.cdist(x.double(), y.double(), compute_mode="donot_use_mm_for_euclid_dist")


def _at_least(where: str, low: int, purpose: str, *sets: Tensor) -> None:
    count = min(map(len, sets))
    if count < low:
        raise GenartError("few_pictures", path=where, count=count, low=low, purpose=purpose)


# ---- what a classifier says ----


def recognised(logits: Tensor, threshold: float = 0.9) -> Tensor:
    """Whether a classifier recognises each picture: max_k p(k | x) > threshold. logits: (N, K). Returns (N,) of 0 and 1."""
    return (logits.softmax(dim=1).amax(dim=1) > threshold).float()


def recognised_share(logits: Tensor, threshold: float = 0.9) -> float:
    """The share of pictures that a classifier recognises. logits: (N, K)."""
    return recognised(logits, threshold).mean().item()


def class_shares(logits: Tensor) -> Tensor:
    """The share of the pictures that falls on each class. logits: (N, K). Returns (K,), which sums to 1."""
    return torch.bincount(logits.argmax(dim=1), minlength=logits.shape[1]).float() / len(logits)


def evenness(shares: Tensor) -> float:
    """The entropy of the classes' shares over its maximum: 1 when all are equal, 0 when there is one class only. shares: (K,)."""
    return (-torch.special.xlogy(shares, shares).sum() / math.log(len(shares))).item() + 0.0  # not -0.0


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """The share of pictures whose largest logit is their label's. logits: (N, K); labels: (N,)."""
    return (logits.argmax(dim=1) == labels).float().mean().item()


def top_k_accuracy(logits: Tensor, labels: Tensor, k: int = 1) -> Tensor:
    """Whether each picture's label is among its k largest logits. logits: (N, K); labels: (N,). Returns (N,) of 0 and 1."""
    k = whole("top_k_accuracy", "k", k, 1, logits.shape[1])
    return (logits.topk(k, dim=1).indices == labels[:, None]).any(dim=1).float()


# ---- reconstructions ----


def squared_error(x: Tensor, x_hat: Tensor) -> Tensor:
    """The mean squared error of each picture, for pixels in [0, 1]. x, x_hat: (N, C, H, W) in [-1, 1]. Returns (N,)."""
    return ((x - x_hat) / 2).square().flatten(1).mean(dim=1)


def reconstruction_mse(x: Tensor, x_hat: Tensor) -> float:
    """The mean of `squared_error` over the pictures. x, x_hat: (N, C, H, W) in [-1, 1]."""
    return squared_error(x, x_hat).mean().item()


def psnr(x: Tensor, x_hat: Tensor) -> Tensor:
    """-10 log10 of each picture's `squared_error`, in dB, at most 100: so that equal pictures leave the mean finite.

    x, x_hat: (N, C, H, W) in [-1, 1]. Returns (N,).
    """
    return -10 * squared_error(x, x_hat).clamp(min=10 ** (-MAX_PSNR / 10)).log10()


def ssim(x: Tensor, x_hat: Tensor) -> Tensor:
    """The structural similarity of each picture, for pixels in [0, 1]: 1 for equal ones.

    Wang et al. 2004, https://doi.org/10.1109/TIP.2003.819861: a Gaussian window of 11 px, wherever it lies within the picture, and the
    mean over the channels. x, x_hat: (N, C, H, W) in [-1, 1], 11 px or more. Returns (N,).
    """
    if min(x.shape[-2:]) < SSIM_WINDOW:
        raise GenartError("too_small", where="ssim", name="the pictures' side", low=SSIM_WINDOW, value=min(x.shape[-2:]))
    try:
        from torchmetrics.functional.image import structural_similarity_index_measure
    except ImportError as error:
        raise GenartError("needs_package", package="torchmetrics", install='"genart-hub[train]"') from error
    values = []
    for some, some_hat in zip(((x + 1) / 2).split(CHUNK), ((x_hat + 1) / 2).split(CHUNK), strict=True):
        _, each_place = structural_similarity_index_measure(some, some_hat, data_range=1.0, reduction="none", return_full_image=True)
        border = SSIM_WINDOW // 2  # where torchmetrics reflects the picture
        values.append(each_place[..., border:-border, border:-border].flatten(1).mean(dim=1))
    return torch.cat(values)


# ---- the likelihood of a VAE ----


def binarise(x: Tensor, generator: torch.Generator) -> Tensor:
    """Each pixel -1 or 1, drawn with its grey level as the probability. Salakhutdinov & Murray 2008. x: any shape, in [-1, 1]."""
    return 2 * torch.bernoulli((x + 1) / 2, generator=generator) - 1


def dequantise(x: Tensor, generator: torch.Generator) -> Tensor:
    """Each pixel of 8 bits moved by up to half a level, uniformly, so that a density fits it. Theis et al. 2016, section 3.1.

    x: any shape, each pixel one of the 256 levels k / 127.5 - 1. Returns the same shape, within half a level of [-1, 1].
    """
    levels = ((x + 1) * 127.5).round()
    if not bool((((x + 1) * 127.5 - levels).abs() < 0.01).all()) or levels.min() < 0 or levels.max() > 255:
        raise GenartError("not_levels", where="dequantise")
    noise = torch.rand(x.shape, generator=generator).to(x.device)
    return (levels + noise - 0.5) / 127.5 - 1


def bits_per_dimension(elbo_nats: Nats, num_dimensions: int) -> Nats:
    """-elbo / (D log 2): what a pixel's channel costs on average. elbo_nats: in nats, of any shape; num_dimensions: C * H * W."""
    return -elbo_nats / (num_dimensions * math.log(2))


# ---- standard errors ----


def jackknife_error(statistic: Callable[..., float], *samples: Tensor, groups: int = 40, seed: int = 0) -> float:
    """The standard error of statistic(*samples), from its values without one of `groups` parts of a sample. Quenouille 1956; Tukey 1958.

    The rows of each sample are dealt to the groups at random, each sample on its own: what belongs together is one sample.
    """
    groups, generator = whole("jackknife_error", "groups", groups, 2), torch.Generator().manual_seed(seed)
    variance = 0.0
    for k, sample in enumerate(samples):
        parts = torch.randperm(len(sample), generator=generator) % min(groups, len(sample))  # the group of each row
        without = (sample[(parts != group).to(sample.device)] for group in range(min(groups, len(sample))))
        values = torch.tensor([float(statistic(*samples[:k], rest, *samples[k + 1 :])) for rest in without], dtype=torch.float64)
        variance += (len(values) - 1) * values.var(correction=0).item()
    return math.sqrt(variance)


def bootstrap_error(statistic: Callable[..., float], *samples: Tensor, num: int = 50, seed: int = 0) -> float:
    """The standard error of statistic(*samples): its standard deviation over `num` resamples. Efron 1979.

    The rows of each sample are drawn with replacement, each sample on its own: what belongs together is one sample.
    """
    num, generator = whole("bootstrap_error", "num", num, 2), torch.Generator().manual_seed(seed)
    estimates = [float(statistic(*(sample[_drawn(sample, (), generator)] for sample in samples))) for _ in range(num)]
    return torch.tensor(estimates, dtype=torch.float64).std().item()


def mean_error(values: Tensor, num: int = 50, seed: int = 0) -> float:
    """The standard error of the mean of values (N,), by `num` bootstraps."""
    num, generator = whole("mean_error", "num", num, 2), torch.Generator().manual_seed(seed)
    return values.double()[_drawn(values, (num,), generator)].mean(dim=1).std().item()


def _drawn(sample: Tensor, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """The indices of as many rows as `sample` has, with replacement. Returns (*shape, N)."""
    return torch.randint(len(sample), (*shape, len(sample)), generator=generator).to(sample.device)


def _multiplicities(sample: Tensor, num: int, generator: torch.Generator) -> Tensor:
    """How often each row of `sample` is drawn. Returns (num, N) float64."""
    drawn = _drawn(sample, (num,), generator)
    return torch.zeros(drawn.shape, dtype=torch.float64, device=sample.device).scatter_add_(
        1, drawn, torch.ones_like(drawn, dtype=torch.float64)
    )
