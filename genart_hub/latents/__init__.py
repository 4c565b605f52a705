"""Operations in the latent space: interpolation, walks, inversion, and directions along which one thing of a picture changes."""

from genart_hub.latents import directions
from genart_hub.latents.directions import Directions, edit
from genart_hub.latents.inversion import invert, nearest_class, reconstruct
from genart_hub.latents.paths import (
    FRAMES,
    METHODS,
    around,
    frames,
    keys_of,
    lerp,
    of_seed,
    parse_seeds,
    prompt_walk,
    seed_walk,
    slerp,
    walk,
)

__all__ = [
    "FRAMES",
    "METHODS",
    "Directions",
    "around",
    "directions",
    "edit",
    "frames",
    "invert",
    "keys_of",
    "lerp",
    "nearest_class",
    "of_seed",
    "parse_seeds",
    "prompt_walk",
    "reconstruct",
    "seed_walk",
    "slerp",
    "walk",
]
