"""A prior that fits: a mixture of Gaussians over the latents of a trained VAE's pictures. Ghosh et al. 2020, https://arxiv.org/abs/1903.12436."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from genart_hub.data import Pictures
from genart_hub.errors import GenartError
from genart_hub.hub.described import name_of
from genart_hub.models.auto import bundled
from genart_hub.models.base import Generative, evaluating
from genart_hub.models.mixture import Mixture, fit_mixture

BATCH = 500
HELD_OUT = 10  # one in so many pictures, or in so many groups of them, is held out where the number of components is chosen


@torch.no_grad()
def latents_of(vae: Any, pictures: Pictures, seed: int = 0) -> Tensor:
    """A draw from q(z | x) of each picture: (N, Z) on the CPU."""
    generator, drawn = torch.Generator().manual_seed(seed), []
    with evaluating(vae):
        for k in range(0, len(pictures), BATCH):
            mu, logvar = (each.cpu() for each in vae.encode(pictures.images(slice(k, k + BATCH)).to(next(vae.parameters()))))
            drawn.append(mu + (0.5 * logvar).exp() * torch.randn(mu.shape, generator=generator))
    z = torch.cat(drawn)
    if not bool(z.isfinite().all()):
        raise GenartError("not_finite", model=name_of(vae))
    return z


def fit_prior(
    vae: Generative, pictures: Pictures, components: Sequence[int] = (50,), seed: int = 0, apart: str | None = None
) -> tuple[Generative, dict[int, float]]:
    """The VAE with a mixture of so many components as its prior; of several numbers, that under which held-out latents are likeliest.

    apart: a column whose values are held out whole, so that a picture's twins do not speak for it. Returns the model, and the mean
    log-density of the held-out latents by number of components, in nats.
    Raises GenartError for a model that is no VAE.
    """
    if not hasattr(vae, "encode") or "components" not in vae.config:
        raise GenartError("no_prior", model=name_of(vae), choices=", ".join(bundled("vae")))
    z = latents_of(vae, pictures, seed)
    held = _held_out(pictures, seed, apart)
    scores = (
        {count: fit_mixture(z[~held], count, seed).log_prob(z[held]).mean().item() for count in components} if len(components) > 1 else {}
    )
    best = max(scores, key=lambda count: scores[count]) if scores else components[0]
    return _with(vae, fit_mixture(z, best, seed)), scores


def _held_out(pictures: Pictures, seed: int, apart: str | None) -> Tensor:
    """Which pictures are held out: (N,) bool."""
    values = list(range(len(pictures))) if apart is None else pictures.values(apart)
    names = sorted(set(values), key=str)
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed)).tolist()
    out = {names[k] for k in order[: -(-len(names) // HELD_OUT)]}
    return torch.tensor([value in out for value in values])


def _with(vae: Generative, mixture: Mixture) -> Generative:
    """The same weights with another prior."""
    fitted = type(vae)(**vae.config | {"components": len(mixture.weights)})
    state = {key: value for key, value in vae.state_dict().items() if not key.startswith("mixture.")}
    fitted.load_state_dict(state | {f"mixture.{key}": value for key, value in mixture.state_dict().items()})
    return fitted.to(next(vae.parameters()).device).eval()
