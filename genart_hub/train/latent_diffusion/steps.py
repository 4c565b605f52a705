"""One step of each objective: an autoencoder's, and a denoiser's of its latents."""

from collections.abc import Callable

from torch import Tensor, nn
from torch.optim import Optimizer

from genart_hub import losses
from genart_hub.train.noise import Noise


def autoencoder_step(
    autoencoder: nn.Module,
    optimizer: Optimizer,
    x: Tensor,
    *,
    noise: Noise,
    kl_weight: float = 1e-3,
    chroma_weight: float,
    latent_shape: tuple[int, int, int],
    backward: Callable[[Tensor], None] = Tensor.backward,
) -> dict[str, Tensor]:
    """Minimise |e| + e^2 + |the differences of neighbours in e| + chroma_weight (|c| + c^2) + kl_weight * KL, each a mean.

    Rombach et al. 2022, section 3.1. x: (B, 3, H, W); e = x_hat - x; c: e less its mean over the colours, without which greens and
    purples, rare beside yellow and blue, come out grey. No critic and no network judges the picture: emoji are flat areas with edges,
    which the differences keep sharp. Returns the numbers to log.
    """
    x_hat, mu, logvar = autoencoder(x, noise.normal(len(x), *latent_shape))
    error = x_hat - x
    edges = (error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()) / 2
    chroma = error - error.mean(dim=1, keepdim=True)
    kl = losses.kl_to_standard_normal(mu.flatten(1), logvar.flatten(1)).mean() / mu[0].numel()
    hues = chroma.abs().mean() + chroma.square().mean()
    backward(error.abs().mean() + error.square().mean() + edges + chroma_weight * hues + kl_weight * kl)
    optimizer.step()
    optimizer.zero_grad()
    return {"psnr": -10 * (error.detach().square().mean() / 4).log10(), "edges": edges.detach(), "hues": hues.detach(), "kl": kl.detach()}


def diffusion_step(
    denoiser: nn.Module,
    optimizer: Optimizer,
    z: Tensor,
    tokens: Tensor,
    *,
    noise: Noise,
    alphas_cumprod: Tensor,
    backward: Callable[[Tensor], None] = Tensor.backward,
) -> dict[str, Tensor]:
    """Minimise |v - v_hat(z_t, t, tokens)|^2, v = alpha_t eps - sigma_t z. Ho et al. 2020; v: Salimans & Ho 2022, section 4.

    z: (B, C, H, W) latents; tokens: (B, L) of their captions; alphas_cumprod: (T,) alpha_t^2 of the noise schedule.
    Returns the numbers to log.
    """
    t = noise.integers(0, len(alphas_cumprod) - 1, len(z))
    eps = noise.normal(len(z), *z.shape[1:])
    alpha_squared = alphas_cumprod.to(z)[t].view(-1, 1, 1, 1)
    alpha, sigma = alpha_squared.sqrt(), (1 - alpha_squared).sqrt()
    v_hat = denoiser(alpha * z + sigma * eps, t, tokens)
    loss = (v_hat - (alpha * eps - sigma * z)).square().mean()
    backward(loss)
    norm = nn.utils.clip_grad_norm_(denoiser.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    return {"loss": loss.detach(), "gradient": norm.detach()}
