"""The convolutional GAN: its layers by hand, its classes, and that both halves can learn."""

import pytest
import torch
from torch import nn

from genart_hub.errors import GenartError
from genart_hub.models.dcgan import DCGAN, ConditionalBatchNorm


@pytest.fixture
def dcgan(tiny) -> DCGAN:
    return tiny(DCGAN, width=4)


def pictures(n=4, channels=1, size=8):
    return torch.rand(n, channels, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


def count(module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_the_parameter_counts_are_those_of_the_layers_by_hand():
    model = DCGAN()  # widths 32, 64, 128, 256
    up = (256 * 128 * 16 + 128) + (128 * 64 * 16 + 64) + (64 * 32 * 16 + 32) + (32 * 3 * 16 + 3)
    assert count(model.generator) == (128 * 4096 + 4096) + 2 * (256 + 128 + 64 + 32) + up == 1_219_235
    down = (3 * 32 * 16 + 32) + (32 * 64 * 16 + 64) + (64 * 128 * 16 + 128) + (128 * 256 * 16 + 256)
    assert count(model.discriminator) == down + (4096 + 1) == 694_241


def test_classes_add_a_gain_and_a_bias_a_layer_and_an_embedding_to_judge_by():
    plain, model = DCGAN(), DCGAN(num_classes=7)
    assert count(model.generator) - count(plain.generator) == (7 - 1) * 2 * (256 + 128 + 64 + 32)
    assert count(model.discriminator) - count(plain.discriminator) == 7 * 16 * 256


@pytest.mark.parametrize(("size", "widths"), [(8, [2]), (16, [4, 2]), (64, [16, 8, 4, 2]), (256, [16, 16, 16, 8, 4, 2])])
def test_each_layer_doubles_the_side_from_four_pixels_and_no_width_is_above_eight_times_the_first(tiny, size, widths):
    model = tiny(DCGAN, image_size=size, channels=3)
    layers = model.generator.layers
    assert [layer.in_channels for layer in layers] == widths
    assert [layer.out_channels for layer in model.discriminator.layers if isinstance(layer, nn.Conv2d)] == widths[::-1]
    assert model.generate(model.latents(1)).shape == (1, 3, size, size)
    assert model.discriminate(pictures(2, 3, size)).shape == (2,)


def test_the_discriminator_normalises_nothing():
    kinds = {type(layer) for layer in DCGAN().discriminator.modules()}
    assert kinds & {nn.Conv2d, nn.LeakyReLU, nn.Linear} == {nn.Conv2d, nn.LeakyReLU, nn.Linear}
    assert not any("Norm" in kind.__name__ for kind in kinds)


def test_conditional_batch_normalisation_is_the_usual_one_with_the_gain_and_bias_of_the_class():
    norm, x, label = ConditionalBatchNorm(2, 3), torch.randn(4, 2, 3, 3), torch.tensor([2, 0, 2, 1])
    norm.gain.weight.data, norm.bias.weight.data = torch.randn(3, 2), torch.randn(3, 2)
    mean, var = x.mean(dim=(0, 2, 3), keepdim=True), x.var(dim=(0, 2, 3), keepdim=True, unbiased=False)
    expected = (x - mean) / (var + 1e-5).sqrt() * norm.gain.weight[label].view(4, 2, 1, 1) + norm.bias.weight[label].view(4, 2, 1, 1)
    torch.testing.assert_close(norm(x, label), expected)


def test_a_fresh_model_of_classes_makes_and_judges_all_of_them_alike(dcgan):
    z, x = dcgan.latents(2), pictures(2)
    assert torch.equal(dcgan.generate(z, 0), dcgan.generate(z, 2))
    assert torch.equal(dcgan.discriminate(x, 1), dcgan.discriminate(x))


def test_the_logit_of_a_class_is_that_of_none_and_its_inner_product_with_the_features(dcgan):
    half, x = dcgan.discriminator, pictures(3)
    half.embed.weight.data.normal_(generator=torch.Generator().manual_seed(3))
    phi = half.layers(x).flatten(1)
    torch.testing.assert_close(dcgan.discriminate(x), phi @ half.judge.weight[0] + half.judge.bias)
    expected = dcgan.discriminate(x) + torch.stack([phi[k] @ half.embed.weight[label] for k, label in enumerate((2, 0, 1))])
    torch.testing.assert_close(dcgan.discriminate(x, [2, 0, 1]), expected)


def test_the_score_is_the_sigmoid_of_the_logit_with_and_without_a_label(dcgan):
    dcgan.discriminator.embed.weight.data.normal_(generator=torch.Generator().manual_seed(3))
    x = pictures(3)
    torch.testing.assert_close(dcgan.score(x, 1), 1 / (1 + (-dcgan.discriminate(x, 1).detach()).exp()))
    assert not torch.equal(dcgan.score(x, 1), dcgan.score(x))


def test_the_discriminator_refuses_other_pictures_and_labels(dcgan, tiny):
    with pytest.raises(GenartError, match=r"DCGAN: images must be of shape \(B, 1, 8, 8\), got \(2, 3, 8, 8\)"):
        dcgan.discriminate(torch.zeros(2, 3, 8, 8))
    with pytest.raises(GenartError, match="DCGAN: there is no class 3"):
        dcgan.discriminate(pictures(), 3)
    with pytest.raises(GenartError, match="DCGAN has no classes"):
        tiny(DCGAN, num_classes=0).discriminate(pictures(), 0)


def test_the_generator_learns_one_batch_by_heart(tiny):
    model, x = tiny(DCGAN, width=16), pictures(4)
    z, adam = model.latents(4), torch.optim.Adam(model.generator.parameters(), 0.01)
    model.train()
    for _ in range(120):
        loss = (model.generate(z, [0, 1, 2, 0]) - x).square().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    assert loss < 0.01  # the pictures' variance is 1/3


def test_the_discriminator_learns_to_tell_the_label_of_a_batch(tiny):
    model, x = tiny(DCGAN, width=8), pictures(6)
    right, wrong = [0, 1, 2, 0, 1, 2], [1, 2, 0, 2, 0, 1]
    adam = torch.optim.Adam(model.discriminator.parameters(), 0.01)
    for _ in range(60):
        loss = nn.functional.softplus(-model.discriminate(x, right)).mean() + nn.functional.softplus(model.discriminate(x, wrong)).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    assert (model.score(x, right) > 0.9).all()
    assert (model.score(x, wrong) < 0.1).all()
