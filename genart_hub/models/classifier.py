"""Convolutional classifier, the feature network for grey pictures. LeCun et al. 1998, https://doi.org/10.1109/5.726791."""

from collections.abc import Sequence

from torch import nn

from genart_hub.errors import whole
from genart_hub.models.base import FeatureNetwork
from genart_hub.models.labels import names_of_classes


class Classifier(FeatureNetwork):
    """Three convolutions and a linear layer: enough to read digits."""

    about = {
        "en": "A small convolutional classifier, the feature network of the metrics: its features measure how far generated pictures are "
        "from real ones. It is no generative model.",
        "zh": "一个小型卷积分类器，是各项指标所用的特征网络：用它的特征衡量生成图片与真实图片的距离。它不是生成模型。",
    }

    def __init__(
        self,
        image_size: int = 28,
        channels: int = 1,
        num_classes: int = 10,
        width: int = 32,
        feature_dim: int = 128,
        class_names: Sequence[str] = (),
    ):
        super().__init__()
        self.image_size = whole("Classifier", "image_size", image_size, 4)
        self.channels = whole("Classifier", "channels", channels, 1)
        self.class_names = names_of_classes("Classifier", num_classes, class_names, low=2)
        width = whole("Classifier", "width", width, 1)
        feature_dim = whole("Classifier", "feature_dim", feature_dim, 1)
        final_size = (self.image_size + 3) // 4  # halved twice, rounded up
        self.backbone = nn.Sequential(                                                  # (B, C, H, W)
            nn.Conv2d(self.channels, width, 3, 1, 1), nn.BatchNorm2d(width), nn.ReLU(), # (B, width, H, W)
            nn.Conv2d(width, 2 * width, 3, 2, 1), nn.BatchNorm2d(2 * width), nn.ReLU(), # (B, 2 width, H/2, W/2)
            nn.Conv2d(2 * width, 2 * width, 3, 2, 1), nn.BatchNorm2d(2 * width), nn.ReLU(),  # (B, 2 width, H/4, W/4)
            nn.Flatten(), nn.Identity(),
            nn.Linear(2 * width * final_size**2, feature_dim), nn.ReLU(),               # (B, D)
        )  # fmt: skip
        self.head = nn.Linear(feature_dim, self.num_classes)
