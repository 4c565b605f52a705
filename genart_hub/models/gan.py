"""Generative adversarial network. Goodfellow et al. 2014, https://arxiv.org/abs/1406.2661."""

import torch
from torch import Tensor, nn

from genart_hub.errors import whole
from genart_hub.models.base import Generative, evaluating


class GAN(Generative):
    """A generator and a discriminator of linear layers. D = sigmoid(logits); the sigmoid lives in the loss."""

    family = "gan"
    arxiv = "1406.2661"
    about = {
        "en": "A generative adversarial network: a generator of linear layers turns noise into pictures, trained against a discriminator "
        "that tells real pictures from made ones. Both halves are in the file, so the model can be judged with and trained further.",
        "zh": "生成对抗网络：由线性层组成的生成器把噪声变成图片，并与分辨真假的判别器进行对抗训练。"
        "文件中同时包含生成器与判别器，因此既可用来评判图片，也可继续训练。",
    }

    def __init__(self, image_size: int = 28, channels: int = 1, latent_dim: int = 100):
        super().__init__()
        self.image_size = whole("GAN", "image_size", image_size, 1)
        self.channels = whole("GAN", "channels", channels, 1)
        self.latent_dim = whole("GAN", "latent_dim", latent_dim, 1)
        num_pixels = self.channels * self.image_size**2
        self.generator = nn.Sequential(                                                 # (B, Z)
            nn.Linear(self.latent_dim, 128), nn.LeakyReLU(0.2),                         # (B, 128)
            nn.Linear(128, 256), nn.BatchNorm1d(256), nn.LeakyReLU(0.2),                # (B, 256)
            nn.Linear(256, 512), nn.BatchNorm1d(512), nn.LeakyReLU(0.2),                # (B, 512)
            nn.Linear(512, num_pixels), nn.Tanh(),                                      # (B, C*H*W)
        )  # fmt: skip
        self.discriminator = nn.Sequential(                                             # (B, C*H*W)
            nn.Linear(num_pixels, 512), nn.LeakyReLU(0.2),                              # (B, 512)
            nn.Linear(512, 256), nn.LeakyReLU(0.2),                                     # (B, 256)
            nn.Linear(256, 1),                                                          # (B, 1)
        )  # fmt: skip

    def forward(self, z: Tensor) -> Tensor:
        """G(z), as it is traced and exported: nothing is checked. z: (B, Z). Returns (B, C, H, W) in [-1, 1]."""
        return self.generator(z).unflatten(1, (self.channels, self.image_size, self.image_size))

    def generate(self, z: Tensor, label: object = None) -> Tensor:
        """G(z). z: (B, Z). Returns (B, C, H, W) in [-1, 1]."""
        self.check_label(label)
        return self(self.check_latents(z))

    def discriminate(self, x: Tensor, label: object = None) -> Tensor:
        """The logit of D(x), the probability that x is real. x: (B, C, H, W) in [-1, 1]. Returns (B,)."""
        self.check_label(label)
        return self.discriminator(self.check_images(x).flatten(1)).squeeze(1)

    @torch.no_grad()
    def score(self, x: Tensor) -> Tensor:
        """D(x) = sigmoid(logit): the discriminator's probability that x is real. x: (B, C, H, W). Returns (B,)."""
        with evaluating(self):
            return self.discriminate(x).sigmoid()
