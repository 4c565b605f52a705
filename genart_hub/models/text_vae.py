"""Convolutional VAE that reads words. Kingma & Welling 2014, https://arxiv.org/abs/1312.6114; conditional: Sohn et al. 2015."""

from typing import Any

import torch
from torch import Generator, Tensor, nn

from genart_hub import losses
from genart_hub.errors import power_of_two, whole
from genart_hub.models.base import check_images, drawn, evaluating
from genart_hub.models.conv_vae import LOWEST_LOGVAR, Decoder, Encoder
from genart_hub.models.prompted import Prompted
from genart_hub.models.words import SIZES, Words


class TextVAE(Prompted):
    """A prompt gives a Gaussian over the latents, p(z | words), and a decoder draws z and the words: the encoder sees the picture alone.

    text: the sizes of its text encoder, as `Words` takes them. told_dim: the width of what the decoder is told beside z.
    """

    family = "text-vae"
    sizes = (32, 64)
    channels_last = True
    arxiv = "1312.6114"
    about = {
        "en": "A convolutional variational autoencoder that reads words: a prompt gives a Gaussian over the latent space, and the "
        "decoder draws a point of it in one pass. What it draws can be named and is soft, because it is the mean of all that fits.",
        "zh": "能读懂文字的卷积变分自编码器：提示词给出潜在空间上的一个高斯分布，解码器一步就把其中的一个点画成图片。"
        "画出的东西认得出来，但比较柔和，因为它是所有合适图片的平均。",
    }

    def __init__(
        self,
        text: dict[str, Any] = SIZES,
        image_size: int = 64,
        channels: int = 3,
        latent_dim: int = 64,
        width: int = 32,
        told_dim: int = 256,
        hidden_dim: int = 512,
    ):
        super().__init__()
        self.image_size = power_of_two("TextVAE", "image_size", image_size, 8, 512)
        self.channels = whole("TextVAE", "channels", channels, 1)
        self.latent_dim = whole("TextVAE", "latent_dim", latent_dim, 1)
        told_dim, hidden_dim = whole("TextVAE", "told_dim", told_dim, 1), whole("TextVAE", "hidden_dim", hidden_dim, 1)
        width = whole("TextVAE", "width", width, 1)
        self.words = Words(text)
        widths = [width * min(2**k, 4) for k in range(self.image_size.bit_length() - 3)]  # from half the picture's side to 4 x 4
        self.encoder = Encoder(self.channels, widths, self.image_size, self.latent_dim, 0)
        self.prior = nn.Sequential(nn.Linear(self.words.width, hidden_dim), nn.SiLU(), nn.Linear(hidden_dim, 2 * self.latent_dim))
        self.told = nn.Sequential(nn.Linear(self.words.width, hidden_dim), nn.SiLU(), nn.Linear(hidden_dim, told_dim), nn.SiLU())
        self.decoder = Decoder(self.latent_dim + told_dim, widths[::-1], self.channels, 0, learned_variance=True)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """mu and logvar of q(z | x). x: (B, C, H, W) in [-1, 1]. Returns two of (B, Z)."""
        mu, logvar = self.encoder(check_images(self, x).to(next(self.parameters()))).chunk(2, dim=1)
        return mu, logvar

    def prior_of(self, words: Tensor) -> tuple[Tensor, Tensor]:
        """mu and logvar of p(z | words). words: (B, D). Returns two of (B, Z)."""
        mu, logvar = self.prior(words).chunk(2, dim=1)
        return mu, logvar

    def decode(self, z: Tensor, words: Tensor) -> Tensor:
        """The mean of p(x | z, words), not cut off at the ends of the range. z: (B, Z); words: (B, D). Returns (B, C, H, W)."""
        return self.decoder(torch.cat([z, self.told(words)], dim=1))

    def elbo_terms(
        self, x: Tensor, words: Tensor, generator: Generator | None = None, eps: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """-log p(x | z, words) and KL(q(z | x) || p(z | words)) in nats, z drawn by the noise `eps`: (B, Z). Returns two of (B,)."""
        mu, logvar = self.encode(x)
        z = mu + (0.5 * logvar).exp() * drawn("TextVAE", mu, generator, eps)
        return self.nll(self.decode(z, words), x), losses.kl_of_gaussians(mu, logvar, *self.prior_of(words))

    def nll(self, p: Tensor, x: Tensor) -> Tensor:
        """-log p(x | z, words) in nats, summed over the pixels. p: what `decode` gave. Returns (B,)."""
        assert self.decoder.logvar is not None  # it is learned
        return losses.gaussian_nll(p, self.decoder.logvar.clamp(min=LOWEST_LOGVAR), x)

    def generate(self, z: Tensor, words: Tensor) -> Tensor:
        """The pictures of standard normal noise, which p(z | words) places. z: (B, Z); words: (B, D). Returns (B, C, H, W) in [-1, 1]."""
        mu, logvar = self.prior_of(words)
        return self.decode(mu + (0.5 * logvar).exp() * z, words).clamp(-1, 1)

    @torch.no_grad()
    def reconstruct(self, x: Tensor) -> Tensor:
        """x through the mean of its latent, told no words: the average of all. The same x always gives the same answer."""
        with evaluating(self):
            mu, _ = self.encode(x)
            return self.decode(mu, mu.new_zeros(len(mu), self.words.width)).clamp(-1, 1).float().cpu()
