"""Residual convolutional VAE. Kingma & Welling 2014, https://arxiv.org/abs/1312.6114; residual blocks: He et al. 2016."""

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn

from genart_hub import losses
from genart_hub.errors import choice, power_of_two, whole
from genart_hub.models.base import Generative, drawn, evaluating
from genart_hub.models.labels import names_of_classes
from genart_hub.models.mixture import mixture_of

LOWEST_LOGVAR = 2 * math.log(1 / 255)  # a standard deviation of half a grey level: no picture of 8 bits is known better


class ConvVAE(Generative):
    """Strided convolutions encode, transposed ones decode, with a residual block on each side of 16 px and less.

    likelihood: "gaussian" (one variance for all pixels, learned: sigma-VAE, Rybkin et al. 2021, https://arxiv.org/abs/2006.13202),
    "unit-gaussian" (a variance of 1, which makes the reconstruction error a squared error) or "bernoulli" (for black and white).
    With classes, encoder and decoder are told which one is meant (Sohn et al. 2015).
    """

    family = "vae"
    default_preset = "convolutional"
    sizes = (32, 64)
    channels_last = True
    arxiv = "1312.6114"
    about = {
        "en": "A convolutional variational autoencoder: an encoder of residual convolutions gives a picture's place in the latent space, "
        "and a decoder draws it again, with a Gaussian likelihood whose variance is learned. Its strength is your own "
        "picture, which comes back as the model sees it; random points of its latent space give soft shapes rather than things.",
        "zh": "卷积变分自编码器：由残差卷积组成的编码器给出图片在潜在空间中的位置，解码器再把它画出来，高斯似然的方差由学习得到。"
        "它擅长的是你自己的图片：图片会以模型所见的样子返回；潜在空间中的随机点给出的则是柔和的形状，而不是具体的事物。",
    }

    def __init__(
        self,
        image_size: int = 64,
        channels: int = 3,
        latent_dim: int = 128,
        width: int = 32,
        likelihood: str = "gaussian",
        num_classes: int = 0,
        class_names: Sequence[str] = (),
        components: int = 0,
    ):
        super().__init__()
        self.image_size = power_of_two("ConvVAE", "image_size", image_size, 8, 512)
        self.channels = whole("ConvVAE", "channels", channels, 1)
        self.latent_dim = whole("ConvVAE", "latent_dim", latent_dim, 1)
        self.likelihood = choice("ConvVAE", "likelihood", likelihood, ("gaussian", "unit-gaussian", "bernoulli"))
        self.class_names = names_of_classes("ConvVAE", num_classes, class_names)
        width = whole("ConvVAE", "width", width, 1)
        widths = [width * min(2**k, 4) for k in range(self.image_size.bit_length() - 3)]  # from half the picture's side to 4 x 4
        self.encoder = Encoder(self.channels, widths, self.image_size, self.latent_dim, self.num_classes)
        self.decoder = Decoder(self.latent_dim, widths[::-1], self.channels, self.num_classes, self.likelihood == "gaussian")
        self.mixture = mixture_of("ConvVAE", components, self.latent_dim)

    def encode(self, x: Tensor, label: object = None) -> tuple[Tensor, Tensor]:
        """mu and logvar of q(z | x, label), or without a label of q(z | x). x: (B, C, H, W) in [-1, 1]. Returns two of (B, Z)."""
        x = self.check_images(x)
        mu, logvar = self.encoder(x, None if label is None else self.check_label(label, len(x))).chunk(2, dim=1)
        return mu, logvar

    def decode(self, z: Tensor, label: object = None) -> Tensor:
        """The parameters of p(x | z, label): a Gaussian's mean, or a Bernoulli's logits. z: (B, Z). Returns (B, C, H, W)."""
        z = self.check_latents(z)
        return self.decoder(z, self.check_label(label, len(z)))

    def forward(
        self,
        x: Tensor,
        generator: Generator | None = None,
        label: object = None,
        eps: Tensor | None = None,
        label_mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Encode, draw z (with `generator`, or by the noise `eps`: (B, Z)), decode. Returns p (B, C, H, W), and mu and logvar (B, Z).

        In eval mode and without noise z is mu, as in `reconstruct`: the same x gives the same answer, also where the model is exported.
        label: classes as a tensor (B,) are taken as they are. label_mask: (B,) of 1 and 0, for which pictures the label counts (None: all).
        The others go the way of those without one.
        """
        x = self.check_images(x)
        if label is not None:
            label = label.to(x.device) if isinstance(label, Tensor) else self.check_label(label, len(x))
        mu, logvar = self.encoder(x, label, label_mask).chunk(2, dim=1)
        if self.training or generator is not None or eps is not None:
            z = mu + (0.5 * logvar).exp() * drawn("ConvVAE", mu, generator, eps)  # reparameterisation, section 2.4
        else:
            z = mu
        return self.decoder(z, label, label_mask), mu, logvar

    def nll(self, p: Tensor, x: Tensor) -> Tensor:
        """-log p(x | z) in nats, summed over the pixels. p: what `decode` gave. Returns (B,)."""
        if self.likelihood == "bernoulli":
            return losses.bernoulli_nll(p, x)
        return losses.gaussian_nll(p, 0.0 if self.decoder.logvar is None else self.decoder.logvar.clamp(min=LOWEST_LOGVAR), x)

    def generate(self, z: Tensor, label: object = None) -> Tensor:
        """The mean of p(x | z, label). z: (B, Z); label: a class, or B of them (None: in turn). Returns (B, C, H, W) in [-1, 1]."""
        return self._mean(self.decode(z, label))

    def _mean(self, p: Tensor) -> Tensor:
        return 2 * p.sigmoid() - 1 if self.likelihood == "bernoulli" else p.clamp(-1, 1)

    @torch.no_grad()
    def reconstruct(self, x: Tensor, label: object = None) -> Tensor:
        """x through the mean of its latent, so that the same x always gives the same answer. Returns (B, C, H, W) in [-1, 1]."""
        with evaluating(self):
            mu, _ = self.encode(x, label)
            return self._mean(self.decoder(mu, None if label is None else self.check_label(label, len(mu))))


class Encoder(nn.Module):
    """A picture to mu and logvar: half the side with each layer, down to 4 x 4."""

    def __init__(self, channels: int, widths: Sequence[int], image_size: int, latent_dim: int, num_classes: int):
        super().__init__()
        self.layers, size = nn.Sequential(), image_size
        for a, b in zip([channels, *widths], widths, strict=False):
            self.layers.append(nn.Conv2d(a, b, 4, 2, 1))
            size //= 2
            self.layers.append(ResidualBlock(b) if size <= 16 else nn.SiLU())
        self.embed = nn.Embedding(num_classes, 16 * widths[-1]) if num_classes else None
        self.head = nn.Linear(16 * widths[-1], 2 * latent_dim)

    def forward(self, x: Tensor, label: Tensor | None = None, label_mask: Tensor | None = None) -> Tensor:
        features = self.layers(x).flatten(1)  # (B, 16 * widths[-1])
        if self.embed is not None and label is not None:
            features = features + _masked(self.embed(label), label_mask)
        return self.head(nn.functional.silu(features))  # (B, 2Z)


class Decoder(nn.Module):
    """z to the likelihood's parameters: 4 x 4, then twice the side with each layer."""

    def __init__(self, latent_dim: int, widths: Sequence[int], channels: int, num_classes: int, learned_variance: bool):
        super().__init__()
        self.project = nn.Linear(latent_dim, 16 * widths[0])
        self.embed = nn.Embedding(num_classes, 16 * widths[0]) if num_classes else None
        self.layers, size = nn.Sequential(), 4
        for a, b in zip(widths, [*widths[1:], channels], strict=True):
            self.layers.append(ResidualBlock(a) if size <= 16 else nn.SiLU())
            self.layers.append(nn.ConvTranspose2d(a, b, 4, 2, 1))
            size *= 2
        self.logvar = nn.Parameter(torch.tensor(2 * math.log(0.25))) if learned_variance else None

    def forward(self, z: Tensor, label: Tensor | None = None, label_mask: Tensor | None = None) -> Tensor:
        x = self.project(z)
        if self.embed is not None and label is not None:
            x = x + _masked(self.embed(label), label_mask)
        last = not self.layers[1].get_parameter("weight").is_contiguous()  # the weights are channels_last, so be the input
        x = x.unflatten(1, (-1, 4, 4)).contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)
        return self.layers(x)  # (B, C, H, W)


def _masked(embedded: Tensor, label_mask: Tensor | None) -> Tensor:
    """What the labels add: (B, D), nothing for the pictures whose label does not count."""
    return embedded if label_mask is None else embedded * label_mask.to(embedded)[:, None]


class ResidualBlock(nn.Module):
    """x + f(x): two 3 x 3 convolutions, each after group normalisation and SiLU, so that no picture depends on its batch."""

    def __init__(self, width: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.GroupNorm(math.gcd(8, width), width), nn.SiLU(), nn.Conv2d(width, width, 3, 1, 1),
            nn.GroupNorm(math.gcd(8, width), width), nn.SiLU(), nn.Conv2d(width, width, 3, 1, 1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)
