"""The decoder of a latent diffusion model's autoencoder, as a part of models that draw in its latents. The network code is diffusers'."""

from collections.abc import Sequence

from torch import Tensor, nn

from genart_hub.errors import GenartError, sizes, whole

GROUPS = 4  # of its normalisation: were each channel a group, pictures would lose their colours


class LatentDecoder(nn.Module):
    """Latents to pictures: the decoder half of diffusers' AutoencoderKL. Rombach et al. 2022, https://arxiv.org/abs/2112.10752.

    where: the model that it is a part of. channels: of the latents. widths: of the layers, from the picture down, each at half the side
    of the one before.
    """

    def __init__(self, where: str, channels: int, widths: Sequence[int], picture_channels: int = 3):
        from diffusers import AutoencoderKL

        super().__init__()
        self.channels = whole(where, "latent_channels", channels, 1, 64)
        self.picture_channels = whole(where, "channels", picture_channels, 1, 64)
        widths = sizes(where, "decoder_widths", widths)
        if not 1 <= len(widths) <= 8 or max(widths) > 1024 or any(width % GROUPS for width in widths):
            raise GenartError("bad_decoder_widths", groups=GROUPS, value=str(widths))
        self.scale = 2 ** (len(widths) - 1)  # pixels of a latent's side
        networks = AutoencoderKL(
            block_out_channels=tuple(widths),
            down_block_types=("DownEncoderBlock2D",) * len(widths),
            up_block_types=("UpDecoderBlock2D",) * len(widths),
            layers_per_block=1,
            latent_channels=self.channels,
            in_channels=self.picture_channels,
            out_channels=self.picture_channels,
            norm_num_groups=GROUPS,
        )
        self.post_quant_conv, self.decoder = networks.post_quant_conv, networks.decoder

    def forward(self, latent: Tensor) -> Tensor:
        """latent: (B, c, h, w). Returns (B, C, H, W), not cut off at the ends of the range."""
        return self.decoder(self.post_quant_conv(latent))
