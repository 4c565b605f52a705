"""Residual classifier, the feature network for colour. He et al. 2016, https://arxiv.org/abs/1512.03385."""

from collections.abc import Sequence

from torch import Tensor, nn

from genart_hub.errors import whole
from genart_hub.models.base import FeatureNetwork
from genart_hub.models.labels import names_of_classes


class ResNet(FeatureNetwork):
    """One residual block a size, from half the picture's side down, and the mean over what is left as features."""

    default_preset = "residual"
    sizes = (32, 64)
    channels_last = True
    arxiv = "1512.03385"
    about = {
        "en": "A small residual classifier, the feature network of the metrics: its features measure how far generated pictures are from "
        "real ones. It is no generative model.",
        "zh": "一个小型残差分类器，是各项指标所用的特征网络：用它的特征衡量生成图片与真实图片的距离。它不是生成模型。",
    }

    def __init__(self, image_size: int = 64, channels: int = 3, num_classes: int = 10, class_names: Sequence[str] = (), width: int = 32):
        super().__init__()
        self.image_size = whole("ResNet", "image_size", image_size, 8)
        self.channels = whole("ResNet", "channels", channels, 1)
        self.class_names = names_of_classes("ResNet", num_classes, class_names, low=2)
        width = whole("ResNet", "width", width, 1)
        self.backbone = nn.Sequential(                                                      # (B, C, H, W)
            nn.Conv2d(self.channels, width, 3, 2, 1), nn.BatchNorm2d(width), nn.ReLU(),     # (B, width, H/2, W/2)
            Block(width, width, 1),
            Block(width, 2 * width, 2),                                                     # (B, 2 width, H/4, W/4)
            Block(2 * width, 4 * width, 2),                                                 # (B, 4 width, H/8, W/8)
            Block(4 * width, 4 * width, 2),                                                 # (B, 4 width, H/16, W/16)
            nn.AdaptiveAvgPool2d(1), nn.Flatten(),                                          # (B, 4 width)
        )  # fmt: skip
        self.head = nn.Linear(4 * width, self.num_classes)


class Block(nn.Module):
    """Two 3 x 3 convolutions and a way around them; section 3.3, option B where the shape changes."""

    def __init__(self, a: int, b: int, stride: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(a, b, 3, stride, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU(),
            nn.Conv2d(b, b, 3, 1, 1, bias=False), nn.BatchNorm2d(b),
        )  # fmt: skip
        around = nn.Sequential(nn.Conv2d(a, b, 1, stride, bias=False), nn.BatchNorm2d(b))
        self.around = nn.Identity() if (a, stride) == (b, 1) else around

    def forward(self, x: Tensor) -> Tensor:
        return (self.layers(x) + self.around(x)).relu()
