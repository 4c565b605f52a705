"""Inception v3, the feature network of published Fréchet and kernel distances. Szegedy et al. 2016, https://arxiv.org/abs/1512.00567."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from genart_hub.errors import GenartError, choice, first_line
from genart_hub.models import auto

CHUNK = 50  # pictures at a time
SHA256_PREFIX = "6726825d"  # of the weights' file


class Inception:
    """The 2,048 last features of the network of 2015 that FID is defined by. Heusel et al. 2017, https://arxiv.org/abs/1706.08500.

    It needs the packages torch-fidelity and torchmetrics, and fetches its weights (91 MB) the first time that it sees a picture.
    network: (B, 3, H, W) uint8 -> (B, 2048), in place of that one.
    """

    image_size = 299
    channels = 3
    resizes = True
    num_classes = 0

    def __init__(self, network: Callable[[Tensor], Tensor] | None = None):
        self.network = network
        self.sha256 = SHA256_PREFIX if network is None else None  # of the weights, as far as it is checked

    @torch.no_grad()
    def features(self, x: Tensor) -> Tensor:
        """x: (B, C, H, W) in [-1, 1], of any size, C of 1 or 3, on any device. Returns (B, 2048)."""
        choice("Inception", "channels", x.shape[1], (1, 3))
        if self.network is None:
            self.network = load()
        if isinstance(self.network, torch.nn.Module):
            self.network.to(x.device)
        return torch.cat([self.network(levels(some)) for some in x.split(CHUNK)])


def levels(x: Tensor) -> Tensor:
    """The 8-bit levels of pictures, grey ones in three equal channels. x: (B, C, H, W) in [-1, 1]. Returns (B, 3, H, W) uint8."""
    return x.add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8).expand(-1, 3, -1, -1)


def load() -> torch.nn.Module:
    """The network, with the resizing of the original; its weights' file is checked by its hash, and opened for tensors only."""
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3
        from torchmetrics.image.fid import NoTrainInceptionV3
    except ImportError as error:
        raise GenartError("needs_package", package="torch-fidelity", install='torch-fidelity "genart-hub[train]"') from error
    file = Path(torch.hub.get_dir(), "checkpoints", URL_INCEPTION_V3.rpartition("/")[2])
    if not file.exists():
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(URL_INCEPTION_V3, str(file), hash_prefix=SHA256_PREFIX, progress=False)
        except (OSError, RuntimeError) as error:  # no network, no space, or another hash
            choices = ", ".join(auto.bundled("features"))
            raise GenartError("no_inception", reason=first_line(error), choices=choices) from error
    return NoTrainInceptionV3("inception-v3-compat", ["2048"], str(file), antialias=False)
