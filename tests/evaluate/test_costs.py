"""Multiply-adds and peak memory, against layers whose numbers are known by hand."""

import gc

import pytest
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from genart_hub.evaluate import costs
from genart_hub.models.conv_vae import ConvVAE
from genart_hub.models.dcgan import DCGAN
from genart_hub.models.gan import GAN


class Line(nn.Module):
    """A `sample` that is one linear layer, from 30 numbers to 50."""

    def __init__(self):
        super().__init__()
        self.layer, self.calls = nn.Linear(30, 50), 0

    @torch.no_grad()
    def sample(self, n: int, repeats: int = 1):
        self.calls += 1
        for _ in range(repeats):
            x = self.layer(torch.ones(n, 30))
        return x


def test_a_linear_layer_multiplies_its_inputs_by_its_outputs():
    assert costs.multiply_adds(Line()) == 30 * 50
    assert costs.multiply_adds(Line(), repeats=3) == 3 * 30 * 50


def test_the_first_gan_s_multiply_adds_are_those_of_its_four_layers():
    assert costs.multiply_adds(GAN()) == 100 * 128 + 128 * 256 + 256 * 512 + 512 * 784


def test_attention_is_counted_on_the_cpu_too():
    class Attention:
        def sample(self, n):
            q, k, v = torch.ones(n, 2, 16, 8), torch.ones(n, 2, 5, 8), torch.ones(n, 2, 5, 8)
            return scaled_dot_product_attention(q, k, v)

    assert costs.multiply_adds(Attention()) == 2 * (16 * 5 * 8 + 16 * 5 * 8)  # q k^T, then its product with v, for two heads


@pytest.mark.parametrize("cls", [DCGAN, ConvVAE])
def test_a_convolution_multiplies_each_weight_at_each_place(cls, tiny):
    """A transposed convolution uses each weight once at each pixel that it reads."""
    model, expected = tiny(cls, num_classes=0), []

    def note(layer, inputs, output):
        places = inputs[0] if isinstance(layer, nn.ConvTranspose2d) else output
        expected.append(layer.weight.numel() * (places[0, 0].numel() if places.ndim == 4 else 1))

    for layer in model.modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            layer.register_forward_hook(note)
    model.sample(1)
    layers, expected = sum(expected), []
    assert costs.multiply_adds(model) == layers > 0


def test_the_memory_is_that_of_the_weights_and_of_what_is_alive_at_once():
    layer = nn.Linear(1000, 500, bias=False)
    weights, wide, narrow = 1000 * 500 * 4, 1000 * 4, 500 * 4

    @torch.no_grad()
    def one_after_the_other():
        for _ in range(3):
            layer(torch.ones(1, 1000))

    @torch.no_grad()
    def all_kept():
        return [layer(torch.ones(1, 1000)) for _ in range(3)]

    assert costs.peak_memory(layer, lambda: None) == weights
    assert costs.peak_memory(layer, one_after_the_other) == weights + wide + narrow
    assert costs.peak_memory(layer, all_kept) == weights + wide + 3 * narrow


def test_views_and_the_model_s_own_weights_cost_nothing_more():
    layer = nn.Linear(8, 4, bias=False)
    assert costs.peak_memory(layer, lambda: [layer.weight.T, layer.weight.view(-1)[3:]]) == 8 * 4 * 4
    assert costs.peak_memory(layer, lambda: torch.ones(10).view(2, 5).T) == 8 * 4 * 4 + 10 * 4


def test_tied_weights_lie_in_memory_once():
    first, second = nn.Linear(6, 6, bias=False), nn.Linear(6, 6, bias=False)
    second.weight = first.weight
    assert costs.peak_memory(nn.Sequential(first, second), lambda: None) == 6 * 6 * 4


def test_a_model_is_counted_once_and_forgotten_with_it():
    model = Line()
    first = costs.costs(model)
    calls = model.calls
    assert costs.costs(model) is first
    assert model.calls == calls
    assert first == costs.Costs(30 * 50, (30 * 50 + 50 + 30 + 50) * 4)
    before = len(costs._remembered)
    del model
    gc.collect()
    assert len(costs._remembered) == before - 1


class Steps:
    """A pipeline in small: a text is read, each step runs the layer twice, as guidance does, and a decoder ends it."""

    inputs = ("prompt", "num_steps", "guidance")
    defaults = {"num_steps": 20, "guidance": 4.0}

    def __init__(self):
        self.pipeline = type("Pipeline", (), {"components": {"unet": Line(), "tokenizer": object(), "vae": nn.Linear(7, 7)}})
        self.asked = []

    @torch.no_grad()
    def sample(self, n: int, *, prompt: str, num_steps: int | None = None):
        self.asked.append(num_steps)
        parts = self.pipeline.components
        for _ in range(num_steps or 20):
            parts["unet"].sample(2 * n)
        return parts["vae"](torch.ones(n, 7))


@pytest.mark.parametrize(("request_of_it", "steps"), [({}, 20), ({"num_steps": 1}, 1), ({"num_steps": 3}, 3), ({"num_steps": 50}, 50)])
def test_a_pipeline_s_multiply_adds_are_those_of_all_its_steps_without_running_them_all(request_of_it, steps):
    model = Steps()
    assert costs.multiply_adds(model, prompt="red apple", **request_of_it) == steps * 2 * 30 * 50 + 7 * 7
    assert max(model.asked) <= 3


def test_a_pipeline_s_memory_holds_the_weights_of_all_its_parts():
    model = Steps()
    assert costs.peak_memory(model, lambda: None) == 4 * (30 * 50 + 50 + 7 * 7 + 7)
