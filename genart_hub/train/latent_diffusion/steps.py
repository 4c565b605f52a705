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
    """Minimise `losses.picture_error` + kl_weight * KL. Rombach et al. 2022, section 3.1. x: (B, 3, H, W). Returns the numbers to log."""
    x_hat, mu, logvar = autoencoder(x, noise.normal(len(x), *latent_shape))
    error, numbers = losses.picture_error(x_hat, x, chroma_weight)
    kl = losses.kl_to_standard_normal(mu.flatten(1), logvar.flatten(1)).mean() / mu[0].numel()
    backward(error + kl_weight * kl)
    optimizer.step()
    optimizer.zero_grad()
    return numbers | {"kl": kl.detach()}


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
