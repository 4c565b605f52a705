"""Latent diffusion behind the same `sample`. Rombach et al. 2022, https://arxiv.org/abs/2112.10752. The network code is diffusers'."""

from genart_hub.models.stable_diffusion.estimate import Estimate, estimate
from genart_hub.models.stable_diffusion.pipeline import StableDiffusion
from genart_hub.models.stable_diffusion.request import FALLBACKS

__all__ = ["FALLBACKS", "Estimate", "StableDiffusion", "estimate"]
