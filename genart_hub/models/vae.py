"""Variational autoencoder. Kingma & Welling 2014, https://arxiv.org/abs/1312.6114."""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn

from genart_hub import losses
from genart_hub.errors import sizes, whole
from genart_hub.models.base import Generative, drawn, evaluating
from genart_hub.models.mixture import mixture_of


class VAE(Generative):
    """An encoder and a mirrored decoder of linear layers, with a Bernoulli likelihood for each pixel."""

    family = "vae"
    likelihood = "bernoulli"
    arxiv = "1312.6114"
    about = {
        "en": "A variational autoencoder: an encoder of linear layers gives a picture's place in the latent space, and a decoder draws it "
        "again. Random points of the latent space give new pictures; your own picture comes back as the model sees it.",
        "zh": "变分自编码器：由线性层组成的编码器给出图片在潜在空间中的位置，解码器再把它画出来。"
        "潜在空间中的随机点给出新图片；你自己的图片会以模型所见的样子返回。",
    }

    def __init__(
        self, image_size: int = 28, channels: int = 1, latent_dim: int = 32, hidden_dims: Sequence[int] = (512, 256), components: int = 0
    ):
        super().__init__()
        self.image_size = whole("VAE", "image_size", image_size, 1)
        self.channels = whole("VAE", "channels", channels, 1)
        self.latent_dim = whole("VAE", "latent_dim", latent_dim, 1)
        hidden_dims = sizes("VAE", "hidden_dims", hidden_dims)
        num_pixels = self.channels * self.image_size**2
        self.encoder = mlp(num_pixels, *hidden_dims, 2 * self.latent_dim)  # (B, C*H*W) -> (B, 2Z)
        self.decoder = mlp(self.latent_dim, *reversed(hidden_dims), num_pixels)  # (B, Z) -> (B, C*H*W)
        self.mixture = mixture_of("VAE", components, self.latent_dim)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """mu and logvar of q(z | x). x: (B, C, H, W) in [-1, 1]. Returns two of (B, Z)."""
        mu, logvar = self.encoder(self.check_images(x).flatten(1)).chunk(2, dim=1)
        return mu, logvar

    def decode(self, z: Tensor) -> Tensor:
        """The logits of p(x | z)'s Bernoulli pixels. z: (B, Z). Returns (B, C, H, W)."""
        return self.decoder(self.check_latents(z)).unflatten(1, (self.channels, self.image_size, self.image_size))

    def forward(
        self, x: Tensor, generator: Generator | None = None, label: object = None, eps: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Encode, draw z (with `generator`, or by the noise `eps`: (B, Z)), decode. Returns the logits (B, C, H, W), mu, logvar (B, Z).

        In eval mode and without noise z is mu, as in `reconstruct`: the same x gives the same answer, also where the model is exported.
        """
        self.check_label(label)
        mu, logvar = self.encode(x)
        if self.training or generator is not None or eps is not None:
            z = mu + (0.5 * logvar).exp() * drawn("VAE", mu, generator, eps)  # reparameterisation, section 2.4
        else:
            z = mu
        return self.decode(z), mu, logvar

    def nll(self, p: Tensor, x: Tensor) -> Tensor:
        """-log p(x | z) in nats, summed over the pixels. p: what `decode` gave. Returns (B,)."""
        return losses.bernoulli_nll(p, x)

    def generate(self, z: Tensor, label: object = None) -> Tensor:
        """The mean of p(x | z). z: (B, Z). Returns (B, C, H, W) in [-1, 1]."""
        self.check_label(label)
        return 2 * self.decode(z).sigmoid() - 1

    @torch.no_grad()
    def reconstruct(self, x: Tensor, label: object = None) -> Tensor:
        """x through the mean of its latent, so that the same x always gives the same answer. Returns (B, C, H, W) in [-1, 1]."""
        with evaluating(self):
            mu, _ = self.encode(x)
            return self.generate(mu, label)


def mlp(*dims: int) -> nn.Sequential:
    """Linear layers of these widths, with LeakyReLU between them."""
    layers = [layer for a, b in zip(dims, dims[1:], strict=False) for layer in (nn.Linear(a, b), nn.LeakyReLU(0.2))]
    return nn.Sequential(*layers[:-1])
