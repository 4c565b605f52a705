"""Classes of somebody's own that the package has not seen: a diffusion model in pixels, one that reads words, and one of tokens."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from genart_hub import register
from genart_hub.errors import whole
from genart_hub.hub import HubModel
from genart_hub.models.base import ImageModel, check_images


@register
class PixelDiffusion(nn.Module, HubModel, ImageModel):
    """From noise to a picture of a class, a step at a time. Song et al. 2021 (DDIM), https://arxiv.org/abs/2010.02502."""

    family = "diffusion"
    inputs = ("label", "num_steps")

    def __init__(self, image_size: int = 8, channels: int = 1, class_names: Sequence[str] = ("cat", "dog"), width: int = 8):
        super().__init__()
        self.image_size, self.channels, self.class_names = image_size, channels, tuple(class_names)
        self.embed = nn.Embedding(len(class_names), width)
        self.layers = nn.Sequential(nn.Conv2d(channels, width, 3, 1, 1), nn.SiLU(), nn.Conv2d(width, channels, 3, 1, 1))

    def denoised(self, x: Tensor, label: Tensor, sigma: float) -> Tensor:
        """The picture that the model sees in the noise. x: (B, C, H, W)."""
        hidden = self.layers[0](x / (1 + sigma**2) ** 0.5) + self.embed(label)[:, :, None, None]
        return self.layers[1:](hidden).tanh()

    @torch.no_grad()
    def sample(self, n: int = 1, seed: int = 0, *, label: object = None, num_steps: int = 5) -> Tensor:
        """n pictures; picture k is that of seed + k. Returns (n, C, H, W) in [-1, 1]."""
        generators = self.generators(n, seed)
        num_steps = whole("PixelDiffusion", "num_steps", num_steps, 1, 1000)
        x = torch.stack([torch.randn(self.channels, self.image_size, self.image_size, generator=one) for one in generators])
        drawn = torch.stack([torch.randint(self.num_classes, (), generator=one) for one in generators])
        classes = drawn if label is None else self.check_label(label, len(generators))
        sigmas = torch.linspace(1, 0, num_steps + 1).tolist()
        for sigma, to in zip(sigmas, sigmas[1:], strict=False):
            x_hat = self.denoised(x, classes, sigma)
            x = x_hat + to / sigma * (x - x_hat)
        return x.clamp(-1, 1)


@register
class WordPainter(nn.Module, HubModel, ImageModel):
    """A picture of the letters of a prompt."""

    family = "words"
    about = {"en": "It reads letters."}

    def __init__(self, image_size: int = 8, channels: int = 1, width: int = 16):
        super().__init__()
        self.image_size, self.channels = image_size, channels
        self.embed = nn.EmbeddingBag(256, width)
        self.decoder = nn.Linear(2 * width, channels * image_size**2)

    @torch.no_grad()
    def sample(self, n: int = 1, seed: int = 0, *, prompt: str | Sequence[str]) -> Tensor:
        """n pictures of a prompt, or of n of them; picture k is that of seed + k. Returns (n, C, H, W) in [-1, 1]."""
        z = torch.stack([torch.randn(self.embed.embedding_dim, generator=one) for one in self.generators(n, seed)])
        prompts = [prompt] * n if isinstance(prompt, str) else prompt
        words = torch.cat([self.embed(torch.tensor([list(one.encode())])) for one in prompts])
        return self.decoder(torch.cat([z, words], dim=1)).tanh().unflatten(1, (self.channels, self.image_size, self.image_size))


@register
class PixelTokens(nn.Module, HubModel, ImageModel):
    """Pixels as tokens of a few grey levels, and how common each is in a class. It needs no class to give a picture back."""

    family = "tokens"

    def __init__(self, image_size: int = 8, channels: int = 1, class_names: Sequence[str] = ("cat", "dog"), num_codes: int = 4):
        super().__init__()
        self.image_size, self.channels, self.class_names = image_size, channels, tuple(class_names)
        self.levels = nn.Parameter(torch.linspace(-1, 1, num_codes))
        self.prior = nn.Embedding(len(class_names), num_codes)

    @torch.no_grad()
    def reconstruct(self, x: Tensor) -> Tensor:
        """x by the level nearest to each pixel."""
        return self.levels[(check_images(self, x)[..., None] - self.levels).abs().argmin(dim=-1)]

    @torch.no_grad()
    def sample(self, n: int = 1, seed: int = 0, *, label: object = None) -> Tensor:
        """n pictures; picture k is that of seed + k. Returns (n, C, H, W) in [-1, 1]."""
        shares = self.prior(self.check_label(label, n)).softmax(dim=1)
        shape = self.channels, self.image_size, self.image_size
        pairs = zip(shares, self.generators(n, seed), strict=True)
        drawn = [one.multinomial(math.prod(shape), True, generator=seeded) for one, seeded in pairs]
        return self.levels[torch.stack(drawn)].unflatten(1, shape)
