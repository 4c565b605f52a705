"""The residual classifier: its layers by hand, the ways around them, and that it can learn."""

import pytest
import torch
from torch import nn

from genart_hub.errors import GenartError
from genart_hub.models.resnet import Block, ResNet


def pictures(n=3, channels=1, size=8):
    return torch.rand(n, channels, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


def count(module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_the_parameter_count_is_that_of_the_layers_by_hand():
    first = (3 * 32 * 9 + 32) + 2 * 32
    same = 2 * 9 * 32 * 32 + 4 * 32
    wider = [9 * a * b + 9 * b * b + 4 * b + (a * b + 2 * b) for a, b in ((32, 64), (64, 128), (128, 128))]
    assert count(ResNet(num_classes=7)) == first + same + sum(wider) + (128 * 7 + 7) == 620_359


@pytest.mark.parametrize("size", [8, 9, 28, 64])
def test_it_gives_features_and_logits_at_any_size_and_a_gradient_to_every_weight(tiny, size):
    eye = tiny(ResNet, image_size=size, width=4)
    x = pictures(size=size)
    assert (eye.features(x).shape, eye(x).shape) == ((3, 16), (3, 3))
    eye.train()(x).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in eye.parameters())


def test_the_features_are_the_mean_over_what_the_last_block_sees(tiny):
    eye, x = tiny(ResNet, image_size=64, width=2), pictures(size=64)
    last = eye.backbone[:-2](x)
    assert last.shape == (3, 8, 4, 4)
    torch.testing.assert_close(eye.features(x), last.mean(dim=(2, 3)))


def test_a_block_of_one_shape_adds_what_it_got_and_another_projects_it():
    same, other, x = Block(4, 4, 1).eval(), Block(4, 6, 2).eval(), torch.randn(2, 4, 6, 6)
    for layer in (same, other):
        layer.layers[-1].weight.data.zero_()
    torch.testing.assert_close(same(x), x.clip(min=0))
    projected = nn.functional.conv2d(x, other.around[0].weight, stride=2) / (1 + 1e-5) ** 0.5
    torch.testing.assert_close(other(x), projected.clip(min=0))
    assert other(x).shape == (2, 6, 3, 3)


@pytest.mark.parametrize("size", [7, 0, 8.5])
def test_a_size_of_less_than_eight_pixels_is_refused(size):
    with pytest.raises(GenartError, match="ResNet: image_size must be"):
        ResNet(image_size=size, num_classes=2)


def test_without_classes_it_says_how_many_it_needs():
    with pytest.raises(GenartError, match="ResNet: num_classes must be at least 2, got 0"):
        ResNet(num_classes=0)


def test_it_learns_one_batch_by_heart(tiny):
    eye, x, labels = tiny(ResNet, width=8), pictures(6), torch.tensor([0, 1, 2, 2, 1, 0])
    adam = torch.optim.Adam(eye.parameters(), 0.01)
    eye.train()
    for _ in range(40):
        loss = nn.functional.cross_entropy(eye(x), labels)
        adam.zero_grad()
        loss.backward()
        adam.step()
    assert loss < 0.02
    assert torch.equal(eye.eval()(x).argmax(dim=1), labels)
