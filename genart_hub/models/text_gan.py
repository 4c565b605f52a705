"""A text-to-image GAN in the latents of an autoencoder. Reed et al. 2016, https://arxiv.org/abs/1605.05396.

Networks: Huang et al. 2024 (R3GAN), https://arxiv.org/abs/2501.05441,
modulated as in Karras et al. 2019, https://arxiv.org/abs/1812.04948. With an encoder: Bao et al. 2017 (CVAE-GAN),
https://arxiv.org/abs/1703.10155.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from genart_hub.errors import GenartError, choice, power_of_two, sizes, whole
from genart_hub.models.latent_decoder import LatentDecoder
from genart_hub.models.prompted import Prompted
from genart_hub.models.words import SIZES, Words


class TextGAN(Prompted):
    """Noise and words give a latent of tiny-sd's kind in one pass, and the pipeline's decoder the picture.

    text: the sizes of its text encoder, as `Words` takes them. latent_channels, decoder_widths: of the autoencoder whose decoder is part of
    the model, from the picture down. widths: of the blocks at the latents' side and at half of it. num_blocks: of those at the latents'
    side. trainable: with the discriminator and the encoder, which drawing does without; the encoder places real latents in the latent
    space while the model is trained.
    """

    family = "text-gan"
    arxiv = "1605.05396"
    draws_latents = True
    about = {
        "en": "A generative adversarial network that reads words: noise and a prompt become the latent of a picture in one pass, and the "
        "decoder of a latent diffusion model draws it. The discriminator sees latents and the words too.",
        "zh": "能读懂文字的生成对抗网络：噪声和提示词一步就变成一张图片的潜变量，再由潜在扩散模型的解码器画出来。"
        "判别器看到的也是潜变量和文字。",
    }

    def __init__(
        self,
        text: dict[str, Any] = SIZES,
        image_size: int = 64,
        channels: int = 3,
        latent_channels: int = 4,
        decoder_widths: tuple[int, ...] = (16, 32, 64, 96),
        latent_dim: int = 64,
        widths: tuple[int, ...] = (64, 192),
        hidden_dim: int = 256,
        num_blocks: int = 4,
        trainable: bool = True,
    ):
        super().__init__()
        self.words = Words(text)
        self.picture = LatentDecoder("TextGAN", latent_channels, decoder_widths, channels).requires_grad_(False)
        self.channels = self.picture.picture_channels
        self.image_size = power_of_two("TextGAN", "image_size", image_size, 2 * self.picture.scale, 512)
        self.latent_dim = whole("TextGAN", "latent_dim", latent_dim, 1, 4096)
        self.latent_shape = self.picture.channels, self.image_size // self.picture.scale, self.image_size // self.picture.scale
        if len(high_and_low := sizes("TextGAN", "widths", widths)) != 2 or max(high_and_low) > 2048:
            raise GenartError("out_of_range", where="TextGAN", name="widths", low="two of 1", high=2048, value=str(widths))
        (high, low), hidden_dim = high_and_low, whole("TextGAN", "hidden_dim", hidden_dim, 1, 8192)
        num_blocks = whole("TextGAN", "num_blocks", num_blocks, 1, 64)
        self.generator = Generator(self.latent_dim, self.words.width, self.latent_shape, high, low, hidden_dim, num_blocks)
        if choice("TextGAN", "trainable", trainable, (True, False)):
            self.discriminator = Discriminator(self.words.width, self.latent_shape, high, low, hidden_dim)
            self.encoder = Encoder(self.latent_dim, self.latent_shape, high, low)

    def generate(self, z: Tensor, words: Tensor) -> Tensor:
        """Pictures of latents and prompts. z: (B, Z); words: (B, D). Returns (B, C, H, W) in [-1, 1]."""
        return self.picture(self.generator(z, words)).clamp(-1, 1)

    def drawing_only(self) -> "TextGAN":
        """The same model without what only its training needs."""
        model = TextGAN(**self.config | {"trainable": False})
        model.load_state_dict({key: value for key, value in self.state_dict().items() if key in model.state_dict()})
        model.words.tokenizer, model.words.vocabulary = self.words.tokenizer, self.words.vocabulary
        return model.to(next(self.parameters()).device).eval()


class Modulated(nn.Module):
    """x + f(x, style): two 3 x 3 convolutions without normalisation, the second one at zero in the beginning.

    The style scales the channels before each.
    """

    def __init__(self, width: int, style_dim: int):
        super().__init__()
        self.first, self.second = nn.Conv2d(width, width, 3, 1, 1), nn.Conv2d(width, width, 3, 1, 1)
        self.scales = nn.Linear(style_dim, 2 * width)
        nn.init.zeros_(self.second.weight)
        nn.init.normal_(self.scales.weight, std=0.5 / style_dim**0.5)
        nn.init.zeros_(self.scales.bias)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        one, two = self.scales(style)[:, :, None, None].chunk(2, dim=1)
        y = self.first(functional.leaky_relu(x, 0.2) * (1 + one))
        return x + self.second(functional.leaky_relu(y, 0.2) * (1 + two))


class Generator(nn.Module):
    """Noise and words to a style, which makes 4 x 4, or half the latents' side, and modulates the blocks up to it."""

    def __init__(
        self, latent_dim: int, words_dim: int, latent_shape: tuple[int, int, int], high: int, low: int, hidden_dim: int, num_blocks: int
    ):
        super().__init__()
        channels, side, _ = latent_shape
        self.shape = low, side // 2, side // 2
        self.told = nn.Sequential(nn.Linear(words_dim, hidden_dim), nn.LeakyReLU(0.2), nn.Linear(hidden_dim, hidden_dim))
        self.style = nn.Sequential(
            nn.Linear(latent_dim + hidden_dim, hidden_dim), nn.LeakyReLU(0.2), nn.Linear(hidden_dim, hidden_dim), nn.LeakyReLU(0.2)
        )
        self.start = nn.Linear(hidden_dim, low * (side // 2) ** 2)
        self.low = nn.ModuleList(Modulated(low, hidden_dim) for _ in range(num_blocks // 2))
        self.widen = nn.Conv2d(low, high, 3, 1, 1)
        self.high = nn.ModuleList(Modulated(high, hidden_dim) for _ in range(num_blocks))
        self.last = nn.Conv2d(high, channels, 3, 1, 1)

    def forward(self, z: Tensor, words: Tensor) -> Tensor:
        """z: (B, Z); words: (B, D). Returns the latents of pictures, (B, c, h, w)."""
        style = self.style(torch.cat([z, self.told(words)], dim=1))
        x = self.start(style).unflatten(1, self.shape)
        for block in self.low:
            x = block(x, style)
        x = self.widen(functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False))
        for block in self.high:
            x = block(x, style)
        return self.last(functional.leaky_relu(x, 0.2))


class Residual(nn.Module):
    """x + f(x): two 3 x 3 convolutions without normalisation, the second one at zero in the beginning."""

    def __init__(self, width: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.LeakyReLU(0.2), nn.Conv2d(width, width, 3, 1, 1), nn.LeakyReLU(0.2), nn.Conv2d(width, width, 3, 1, 1)
        )
        nn.init.zeros_(self.layers[3].get_parameter("weight"))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def trunk(latent_shape: tuple[int, int, int], high: int, low: int, hidden_dim: int) -> nn.Sequential:
    """A latent to features (B, hidden_dim)."""
    channels, side, _ = latent_shape
    return nn.Sequential(
        nn.Conv2d(channels, high, 3, 1, 1), Residual(high), Residual(high), nn.LeakyReLU(0.2),
        nn.Conv2d(high, low, 4, 2, 1), Residual(low), Residual(low), nn.LeakyReLU(0.2),
        nn.Flatten(), nn.Linear(low * (side // 2) ** 2, hidden_dim), nn.LeakyReLU(0.2),
    )  # fmt: skip


class Discriminator(nn.Module):
    """A latent and words to a logit, the words by projection. Miyato & Koyama 2018, https://arxiv.org/abs/1802.05637."""

    def __init__(self, words_dim: int, latent_shape: tuple[int, int, int], high: int, low: int, hidden_dim: int):
        super().__init__()
        self.layers = trunk(latent_shape, high, low, hidden_dim)
        self.head = nn.Linear(hidden_dim, 1)
        self.told = nn.Sequential(nn.Linear(words_dim, hidden_dim), nn.LeakyReLU(0.2), nn.Linear(hidden_dim, hidden_dim))

    def forward(self, latent: Tensor, words: Tensor) -> Tensor:
        """latent: (B, c, h, w); words: (B, D). Returns (B,)."""
        features = self.layers(latent)
        return (self.head(features)[:, 0] + (features * self.told(words)).sum(dim=1)) / features.shape[1] ** 0.5


class Encoder(nn.Module):
    """A real latent to mu and logvar of its place in the latent space."""

    def __init__(self, latent_dim: int, latent_shape: tuple[int, int, int], high: int, low: int):
        super().__init__()
        channels, side, _ = latent_shape
        self.layers = nn.Sequential(
            nn.Conv2d(channels, high, 3, 1, 1), nn.LeakyReLU(0.2), nn.Conv2d(high, low, 4, 2, 1), nn.LeakyReLU(0.2),
            nn.Flatten(), nn.Linear(low * (side // 2) ** 2, 2 * latent_dim),
        )  # fmt: skip

    def forward(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """latent: (B, c, h, w). Returns two of (B, Z)."""
        mu, logvar = self.layers(latent).chunk(2, dim=1)
        return mu, logvar
