"""Deep convolutional GAN. Radford et al. 2016, https://arxiv.org/abs/1511.06434."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from genart_hub.errors import power_of_two, whole
from genart_hub.models.base import Generative, evaluating
from genart_hub.models.labels import names_of_classes


class DCGAN(Generative):
    """Transposed convolutions make pictures, strided ones judge them; with classes, both halves are told which one is meant.

    The discriminator has no normalisation, so that it can be trained with a gradient penalty. The class enters it by projection
    (Miyato & Koyama 2018, https://arxiv.org/abs/1802.05637), and the generator by conditional batch normalisation
    (de Vries et al. 2017, https://arxiv.org/abs/1707.00683).
    """

    family = "gan"
    default_preset = "convolutional"
    sizes = (32, 64)
    channels_last = True
    arxiv = "1511.06434"
    about = {
        "en": "A deep convolutional GAN: transposed convolutions turn noise into pictures, and a discriminator of strided convolutions "
        "tells real pictures from made ones. Both halves are in the file, so the model can be judged with and trained further.",
        "zh": "深度卷积生成对抗网络：转置卷积把噪声变成图片，由步进卷积组成的判别器分辨真假。"
        "文件中同时包含生成器与判别器，因此既可用来评判图片，也可继续训练。",
    }

    def __init__(
        self,
        image_size: int = 64,
        channels: int = 3,
        latent_dim: int = 128,
        width: int = 32,
        num_classes: int = 0,
        class_names: Sequence[str] = (),
    ):
        super().__init__()
        self.image_size = power_of_two("DCGAN", "image_size", image_size, 8, 512)
        self.channels = whole("DCGAN", "channels", channels, 1)
        self.latent_dim = whole("DCGAN", "latent_dim", latent_dim, 1)
        self.class_names = names_of_classes("DCGAN", num_classes, class_names)
        width = whole("DCGAN", "width", width, 1)
        widths = [width * min(2**k, 8) for k in range(self.image_size.bit_length() - 3)]  # from the picture's side to 4 x 4
        self.generator = Generator(self.latent_dim, widths[::-1], self.channels, self.num_classes)
        self.discriminator = Discriminator(self.channels, widths, self.num_classes)

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """G(z, label), as it is traced and exported: nothing is checked. z: (B, Z); label: (B,). Returns (B, C, H, W) in [-1, 1]."""
        return self.generator(z, label)

    def generate(self, z: Tensor, label: object = None) -> Tensor:
        """G(z, label). z: (B, Z); label: a class, or B of them (None: the classes in turn). Returns (B, C, H, W) in [-1, 1]."""
        z = self.check_latents(z)
        return self(z, self.check_label(label, len(z)))

    def discriminate(self, x: Tensor, label: object = None) -> Tensor:
        """The logit of D(x, label). x: (B, C, H, W) in [-1, 1]. Without a label, the part that all classes share. Returns (B,)."""
        x = self.check_images(x)
        return self.discriminator(x, None if label is None else self.check_label(label, len(x)))

    @torch.no_grad()
    def score(self, x: Tensor, label: object = None) -> Tensor:
        """D(x) = sigmoid(logit): the discriminator's probability that x is real. x: (B, C, H, W). Returns (B,)."""
        with evaluating(self):
            return self.discriminate(x, label).sigmoid()


class Generator(nn.Module):
    """z to a picture: 4 x 4, then twice the side with each layer."""

    def __init__(self, latent_dim: int, widths: Sequence[int], channels: int, num_classes: int):
        super().__init__()
        self.project = nn.Linear(latent_dim, 16 * widths[0])
        self.norms = nn.ModuleList(ConditionalBatchNorm(width, num_classes) for width in widths)
        self.layers = nn.ModuleList(nn.ConvTranspose2d(a, b, 4, 2, 1) for a, b in zip(widths, [*widths[1:], channels], strict=True))

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        x = self.project(z).unflatten(1, (-1, 4, 4))  # (B, widths[0], 4, 4)
        x = x.contiguous(memory_format=memory_format_of(self.layers[0]))
        for norm, layer in zip(self.norms, self.layers, strict=True):
            x = layer(norm(x, label).relu())  # (B, widths[k + 1], 2H, 2W)
        return x.tanh()  # (B, C, H, W)


class Discriminator(nn.Module):
    """A picture to its logit: half the side with each layer, down to 4 x 4."""

    def __init__(self, channels: int, widths: Sequence[int], num_classes: int):
        super().__init__()
        layers = [(nn.Conv2d(a, b, 4, 2, 1), nn.LeakyReLU(0.2)) for a, b in zip([channels, *widths], widths, strict=False)]
        self.layers = nn.Sequential(*(layer for pair in layers for layer in pair))  # (B, C, H, W) -> (B, widths[-1], 4, 4)
        self.judge = nn.Linear(16 * widths[-1], 1)
        self.embed = nn.Embedding(num_classes, 16 * widths[-1]) if num_classes else None
        if self.embed:
            nn.init.zeros_(self.embed.weight)  # it starts as a discriminator of no classes

    def forward(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        phi = self.layers(x).flatten(1)  # (B, D)
        logits = self.judge(phi).squeeze(1)  # (B,)
        if self.embed is None or label is None:
            return logits
        return logits + (self.embed(label) * phi).sum(dim=1)  # eq. 3: the inner product with the class's embedding


class ConditionalBatchNorm(nn.Module):
    """Batch normalisation whose gain and bias are the class's own; without classes, the usual one."""

    def __init__(self, width: int, num_classes: int):
        super().__init__()
        self.norm = nn.BatchNorm2d(width, affine=not num_classes)
        self.gain = nn.Embedding(num_classes, width) if num_classes else None
        self.bias = nn.Embedding(num_classes, width) if num_classes else None
        if self.gain is not None and self.bias is not None:
            nn.init.ones_(self.gain.weight)
            nn.init.zeros_(self.bias.weight)

    def forward(self, x: Tensor, label: Tensor | None) -> Tensor:
        x = self.norm(x)
        if self.gain is None or self.bias is None:
            return x
        return torch.addcmul(self.bias(label)[:, :, None, None], x, self.gain(label)[:, :, None, None])


def memory_format_of(layer: nn.Module) -> torch.memory_format:
    """The memory format of a convolution's weight, in which its input is best given."""
    weight = layer.get_parameter("weight")
    last = weight.is_contiguous(memory_format=torch.channels_last) and not weight.is_contiguous()
    return torch.channels_last if last else torch.contiguous_format
