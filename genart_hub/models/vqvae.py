"""Autoencoder with discrete codes. Mentzer et al. 2024 (FSQ), https://arxiv.org/abs/2309.15505; VQ-VAE: van den Oord et al. 2017."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from genart_hub.errors import MAX_COUNT, GenartError, power_of_two, shorten, sizes, whole
from genart_hub.hub import HubModel
from genart_hub.models.base import ImageModel, check_images, evaluating

SCALE = 4  # pixels of a token's side
PATCH = 2  # pixels a side that become channels, so that the convolutions see a quarter of the places
MOST_CODES = 65_536


class VQVAE(nn.Module, HubModel, ImageModel):
    """Pictures to a grid of tokens, each one of a fixed number of codes, and back.

    Finite scalar quantisation: the encoder gives each place a few numbers, and each number is rounded to one of its levels. A code is a
    combination of levels, so there is no codebook to learn, and no code is out of reach. Gradients pass the rounding as they are
    (straight-through; Bengio et al. 2013).

    levels: how many each number has; their product is the number of codes. width: of the convolutions at half the picture's side; they
    are twice as wide at a quarter of it, where the tokens are. num_blocks: residual blocks at each of the two sides.
    """

    family = "vqvae"
    channels_last = True
    sizes = (32, 64)
    arxiv = "2309.15505"
    about = {
        "en": "An autoencoder with discrete codes: the encoder turns a picture into a grid of tokens, each one of a fixed number of codes, "
        "and the decoder draws the picture from the tokens. Codes are made by rounding (finite scalar quantisation). Without a model of "
        "the tokens it draws nothing that makes sense; it gives pictures back.",
        "zh": "带离散编码的自编码器：编码器把图片变成一格格的标记，每个标记是固定数量的编码之一，解码器再由标记画出图片。"
        "编码由取整得到（有限标量量化）。没有标记的模型，它画不出有意义的东西；它能重建图片。",
    }

    def __init__(
        self,
        image_size: int = 64,
        channels: int = 3,
        levels: tuple[int, ...] = (8, 5, 5, 5),
        width: int = 32,
        num_blocks: int = 2,
    ):
        super().__init__()
        self.image_size = power_of_two("VQVAE", "image_size", image_size, 8, 512)
        self.channels = whole("VQVAE", "channels", channels, 1, 64)
        self.levels = check_levels("VQVAE", levels)
        self.num_codes = math.prod(self.levels)
        self.side = self.image_size // SCALE  # of the grid of tokens
        width, num_blocks = whole("VQVAE", "width", width, 1, 1024), whole("VQVAE", "num_blocks", num_blocks, 1, 64)
        pixels = PATCH**2 * self.channels
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(PATCH),
            nn.Conv2d(pixels, width, 3, padding=1),
            *(Residual(width) for _ in range(num_blocks)),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
            *(Residual(2 * width) for _ in range(num_blocks)),
            nn.SiLU(),
            nn.Conv2d(2 * width, len(self.levels), 1),
        )
        self.decoder = nn.Sequential(
            nn.Conv2d(len(self.levels), 2 * width, 3, padding=1),
            *(Residual(2 * width) for _ in range(num_blocks)),
            nn.Conv2d(2 * width, 4 * width, 1),
            nn.PixelShuffle(2),
            *(Residual(width) for _ in range(num_blocks)),
            nn.SiLU(),
            nn.Conv2d(width, pixels, 3, padding=1),
            nn.PixelShuffle(PATCH),
        )

    def quantise(self, z: Tensor) -> Tensor:
        """Each number rounded to the nearest of its levels, which are spread evenly over [-1, 1]; the gradient is that of tanh alone.

        z: (B, K, h, w), of K numbers a place. Returns the same shape.
        """
        steps = self._levels(z)[:, None, None] - 1
        bounded = z.tanh()
        rounded = ((bounded + 1) / 2 * steps).round() / steps * 2 - 1
        return bounded + (rounded - bounded).detach()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The picture from its tokens, not cut off at the ends of the range, and what the tokens are. x: (B, C, H, W) in [-1, 1].

        Returns (B, C, H, W) and (B, h, w) int64.
        """
        codes = self.quantise(self.encoder(x))
        return self.decoder(codes), self.tokens_of(codes.detach())

    def tokens_of(self, codes: Tensor) -> Tensor:
        """The numbers of codes. codes: (B, K, h, w), of `quantise`. Returns (B, h, w) int64."""
        levels = self._levels(codes)
        places = ((codes + 1) / 2 * (levels[:, None, None] - 1)).round().long()
        return (places * self._strides(codes)[:, None, None]).sum(dim=1)

    def codes_of(self, tokens: Tensor) -> Tensor:
        """The codes of their numbers, unchecked. tokens: (B, h, w) in [0, num_codes). Returns (B, K, h, w) in [-1, 1]."""
        like = next(self.parameters())
        levels = self._levels(like)
        places = tokens[..., None] // self._strides(like) % levels.long()
        return (places.to(like) / (levels - 1) * 2 - 1).movedim(-1, 1)

    def encode_tokens(self, x: Tensor) -> Tensor:
        """The tokens of pictures. x: (B, C, H, W) in [-1, 1]. Returns (B, h, w) int64 in [0, num_codes), h a quarter of H."""
        x = check_images(self, x).to(next(self.parameters()))
        return self.tokens_of(self.quantise(self.encoder(x)).detach())

    def decode_tokens(self, tokens: Tensor) -> Tensor:
        """The pictures of tokens. tokens: (B, h, w) int64. Returns (B, C, H, W) in [-1, 1]. Raises GenartError for what are no tokens."""
        return self.draw(self.codes_of(self.check_tokens(tokens)))

    def draw(self, codes: Tensor) -> Tensor:
        """The pictures of codes. codes: (B, K, h, w). Returns (B, C, H, W) in [-1, 1]."""
        return self.decoder(codes).clamp(-1, 1)

    def check_tokens(self, tokens: Any) -> Tensor:
        """Refuse what is no grid of codes' numbers. Returns it where the weights are."""
        sound = isinstance(tokens, Tensor) and tokens.dtype == torch.int64 and tokens.shape[1:] == (self.side, self.side)
        if not sound or tokens.ndim != 3:
            found = f"{tuple(tokens.shape)} {tokens.dtype}" if isinstance(tokens, Tensor) else shorten(tokens)
            raise GenartError("bad_tokens", where=type(self).__name__, side=self.side, value=found)
        if tokens.numel() and not 0 <= int(tokens.min()) <= int(tokens.max()) < self.num_codes:
            wrong = int(tokens.max() if tokens.max() >= self.num_codes else tokens.min())
            raise GenartError("code_out_of_range", where=type(self).__name__, high=self.num_codes - 1, value=wrong)
        return tokens.to(next(self.parameters()).device)

    @torch.no_grad()
    def reconstruct(self, x: Tensor) -> Tensor:
        """x from its tokens: the same x always gives the same answer. x: (B, C, H, W). Returns (B, C, H, W) float32 in [-1, 1]."""
        with evaluating(self):
            return self.decode_tokens(self.encode_tokens(x)).float().cpu()

    @torch.no_grad()
    def sample(self, n: int = 1, seed: int = 0) -> Tensor:
        """n pictures of tokens of which each code is as likely as any: what the decoder knows without a model of the tokens.

        Picture k is that of seed `seed` + k. Returns (n, C, H, W) float32 in [-1, 1].
        """
        shape = self.side, self.side
        drawn = [torch.randint(self.num_codes, shape, generator=one) for one in self.generators(whole("VQVAE", "n", n, 1, MAX_COUNT), seed)]
        with evaluating(self):
            return self.decode_tokens(torch.stack(drawn)).float().cpu()

    def _levels(self, like: Tensor) -> Tensor:
        return torch.tensor(self.levels, device=like.device, dtype=like.dtype)

    def _strides(self, like: Tensor) -> Tensor:
        return torch.tensor([math.prod(self.levels[:k]) for k in range(len(self.levels))], device=like.device)


class Residual(nn.Module):
    """x plus two convolutions of it, without normalisation; the second starts at zero, so that the block starts as the identity."""

    def __init__(self, width: int):
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(functional.silu(self.first(functional.silu(x))))


def check_levels(where: str, levels: object) -> tuple[int, ...]:
    """`levels` as one to eight numbers of at least 2 whose product is no more codes than can be told apart, or an error."""
    checked = tuple(sizes(where, "levels", levels))
    if len(checked) > 8 or min(checked) < 2 or math.prod(checked) > MOST_CODES:
        raise GenartError("bad_levels", where=where, most=MOST_CODES, value=shorten(checked))
    return checked
