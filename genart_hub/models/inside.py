"""What a diffusion model has, and what it believes, at each step. Salimans & Ho 2022, https://arxiv.org/abs/2202.00512, appendix D."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Inside:
    """One step of a request for one picture: x_t = alpha x_0 + sigma eps, as the network splits it, guidance included.

    step: from 0. has, believes, without, told: pictures (C, H, W) float32 in [-1, 1]: x_t, the x_0 that it believes in, and the x_0 of
    guidance's two questions, the one without its condition and the one with it. eps: the noise that it predicts, (c, h, w) as the
    network has it.
    """

    step: int
    total: int
    has: Tensor
    believes: Tensor
    eps: Tensor
    without: Tensor
    told: Tensor
    alpha: float
    sigma: float


def split(kind: str, x_t: Tensor, predicted: Tensor, alpha: float, sigma: float) -> tuple[Tensor, Tensor]:
    """(x_0, eps) of x_t = alpha x_0 + sigma eps, given what the network predicts of them.

    kind: "epsilon" (the noise), "v_prediction" (alpha eps - sigma x_0), "sample" (x_0) or "flow" (eps - x_0, where alpha + sigma = 1).
    """
    if kind == "epsilon":
        return (x_t - sigma * predicted) / alpha, predicted
    if kind == "v_prediction":
        return alpha * x_t - sigma * predicted, sigma * x_t + alpha * predicted
    if kind == "sample":
        return predicted, (x_t - alpha * predicted) / sigma
    return x_t - sigma * predicted, x_t + alpha * predicted
