"""Where a picture's score lies among those of real pictures."""

import pytest
import torch

from genart_hub.data import Pictures
from genart_hub.errors import GenartError
from genart_hub.evaluate import scores
from genart_hub.models import MODELS


def pictures(model, n=300, labels=None):
    x = torch.randint(256, (n, model.channels, model.image_size, model.image_size), generator=torch.Generator().manual_seed(0))
    return Pictures(x.to(torch.uint8), labels, path="noise")


def test_the_quantiles_are_those_of_the_logits_of_all_pictures(tiny):
    model = tiny(MODELS["GAN"])
    real = pictures(model)
    told = model.discriminate(real.images()).double()
    quantiles = scores.of_real(model, real)
    assert len(quantiles) == 101
    assert quantiles == pytest.approx([torch.quantile(told, k / 100).item() for k in range(101)], rel=1e-3, abs=1e-5)


def test_a_conditional_judge_is_told_each_picture_s_class(tiny):
    model = tiny(MODELS["DCGAN"], num_classes=3)
    labels = torch.arange(300) % 3
    real = pictures(model, labels=labels)
    told = torch.cat([model.discriminate(real.images(slice(k, k + 1)), labels[k : k + 1]) for k in range(300)])
    assert scores.of_real(model, real)[50] == pytest.approx(told.double().median().item(), abs=0.01)
    with pytest.raises(GenartError, match="no labels"):
        scores.of_real(model, pictures(model))


@pytest.mark.parametrize(("value", "percent"), [(-1, 0), (0, 0), (50, 50), (24.5, 25), (100, 100), (200, 100)])
def test_a_percentile_counts_the_real_pictures_below(value, percent):
    assert scores.percentile(value, list(range(101))) == pytest.approx(percent, abs=1)


def test_equal_scores_count_half():
    assert scores.percentile(1.0, [1.0] * 101) == 50
