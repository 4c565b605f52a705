"""A mixture of Gaussians as the prior of a trained VAE: ex-post density estimation. Ghosh et al. 2020, https://arxiv.org/abs/1903.12436."""

import math

import torch
from torch import Tensor, nn
from tqdm import tqdm

from genart_hub.errors import GenartError, whole

MAX_COMPONENTS = 1000


class Mixture(nn.Module):
    """p(z) = sum_k w_k N(z; mean_k, L_k L_k^T). weights: (K,); means: (K, Z); factors L, lower triangular: (K, Z, Z)."""

    weights: Tensor
    means: Tensor
    factors: Tensor

    def __init__(self, num_components: int, latent_dim: int):
        super().__init__()
        whole("Mixture", "components", num_components, 1, MAX_COMPONENTS)
        self.register_buffer("weights", torch.full((num_components,), 1 / num_components))
        self.register_buffer("means", torch.zeros(num_components, latent_dim))
        self.register_buffer("factors", torch.zeros(num_components, latent_dim, latent_dim))
        self.factors.diagonal(dim1=1, dim2=2).fill_(1)  # torch.eye without memory would first import sympy: a second and more

    def place(self, eps: Tensor, u: Tensor) -> Tensor:
        """Standard normal noise as points of the mixture. eps: (B, Z); u: (B,) in [0, 1), which chooses the component. Returns (B, Z)."""
        k = self.component(u.to(self.weights.device))
        eps = eps.to(self.means)
        return self.means[k] + torch.einsum("bij,bj->bi", self.factors[k], eps)

    def blend(self, eps: Tensor, shares: Tensor) -> Tensor:
        """Standard normal noise as points between components. eps: (B, Z); shares: (B, K), which add up to 1. Returns (B, Z)."""
        eps, shares = eps.to(self.means), shares.to(self.means)
        return shares @ self.means + torch.einsum("bk,kij,bj->bi", shares, self.factors, eps)

    def component(self, u: Tensor) -> Tensor:
        """The component that each of u, (B,) in [0, 1), falls into: (B,) int64."""
        return torch.searchsorted(self.weights.double().cumsum(0), u.double(), right=True).clamp(max=len(self.weights) - 1)

    def log_prob(self, z: Tensor) -> Tensor:
        """log p(z) in nats. z: (B, Z). Returns (B,)."""
        return self._joint(z).logsumexp(dim=1)

    def _joint(self, z: Tensor) -> Tensor:
        """log w_k + log N(z; mean_k, L_k L_k^T): (B, K)."""
        logs = []
        for weight, mean, factor in zip(self.weights, self.means, self.factors, strict=True):
            white = torch.linalg.solve_triangular(factor, (z - mean).T, upper=False)  # (Z, B)
            log_det = factor.diagonal().log().sum()
            logs.append(weight.log() - log_det - 0.5 * (white.square().sum(dim=0) + z.shape[1] * math.log(2 * math.pi)))
        return torch.stack(logs, dim=1)


def mixture_of(where: str, components: object, latent_dim: int) -> Mixture | None:
    """The mixture that a VAE's constructor makes room for: none of 0 components."""
    count = whole(where, "components", components, 0, MAX_COMPONENTS)
    return Mixture(count, latent_dim) if count else None


@torch.no_grad()
def fit_mixture(
    z: Tensor, num_components: int, seed: int = 0, num_steps: int = 100, ridge: float = 1e-4, tolerance: float = 1e-3
) -> Mixture:
    """The mixture of these points by expectation maximisation (Dempster et al. 1977), from the means that k-means++ picks.

    z: (N, Z). ridge: added to the covariances' diagonals, in units of the points' mean variance. It ends when a step adds less than
    `tolerance` nats a point. Raises GenartError where there are too few points.
    """
    num_components = whole("fit_mixture", "components", num_components, 1, MAX_COMPONENTS)
    if len(z) < 2 * num_components:
        raise GenartError("few_points", count=len(z), components=num_components, low=2 * num_components)
    z, generator = z.double(), torch.Generator().manual_seed(seed)
    mixture = Mixture(num_components, z.shape[1]).double()
    ridge *= z.var(dim=0).mean().clamp(min=1e-6).item()
    mixture.means.copy_(_far_apart(z, num_components, generator))
    mixture.factors.copy_(torch.linalg.cholesky(z.T.cov() + ridge * torch.eye(z.shape[1], dtype=z.dtype)))
    before = -math.inf
    for _ in tqdm(range(num_steps), desc=f"{num_components} components", unit="step", leave=False, delay=1):
        joint = mixture._joint(z)
        total = joint.logsumexp(dim=1)
        _maximise(mixture, z, (joint - total[:, None]).exp(), ridge)
        now = total.mean().item()
        if now - before < tolerance:
            break
        before = now
    return mixture.float()


def _maximise(mixture: Mixture, z: Tensor, shares: Tensor, ridge: float) -> None:
    """The weights, means and covariances of the points, of which each component has its share: (N, K)."""
    counts = shares.sum(dim=0).clamp(min=1e-9)
    mixture.weights.copy_(counts / counts.sum())
    mixture.means.copy_(shares.T @ z / counts[:, None])
    for k, (mean, share) in enumerate(zip(mixture.means, shares.T, strict=True)):
        centred = z - mean
        covariance = (centred * share[:, None]).T @ centred / counts[k]
        mixture.factors[k] = torch.linalg.cholesky(covariance + ridge * torch.eye(z.shape[1], dtype=z.dtype))


def _far_apart(z: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Points to begin with, each drawn by its squared distance to the nearest before. Arthur & Vassilvitskii 2007 (k-means++)."""
    chosen = [z[torch.randint(len(z), (), generator=generator)]]
    distances = torch.full((len(z),), math.inf, dtype=z.dtype)
    while len(chosen) < count:
        distances = torch.minimum(distances, (z - chosen[-1]).square().sum(dim=1))
        chosen.append(z[torch.multinomial(distances.clamp(min=1e-12), 1, generator=generator)[0]])
    return torch.stack(chosen)
