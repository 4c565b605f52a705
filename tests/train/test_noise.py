"""The noise of a step: a function of (seed, step), of which each part of a batch sees its slice."""

import pytest
import torch

from genart_hub.data.batches import seeded
from genart_hub.train.noise import Noise

DRAWS = {
    "normal": lambda noise, n: noise.normal(n, 3),
    "uniform": lambda noise, n: noise.uniform(n, 2, 2),
    "integers": lambda noise, n: noise.integers(-2, 5, n, 1),
    "coin": lambda noise, n: noise.coin(0.3, n, 4),
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_the_parts_are_the_whole_in_order_draw_after_draw(draw):
    whole, parts = Noise(7, 5), [Noise(7, 5, part, 3) for part in range(3)]
    for _ in range(2):
        assert torch.equal(torch.cat([draw(part, 4) for part in parts]), draw(whole, 12))


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_noise_is_a_function_of_the_seed_and_the_step_alone(draw):
    first = draw(Noise(1, 2), 50)
    torch.manual_seed(4)
    assert torch.equal(draw(Noise(1, 2), 50), first)
    assert not torch.equal(draw(Noise(2, 2), 50), first)
    assert not torch.equal(draw(Noise(1, 3), 50), first)


def test_normal_noise_is_that_of_the_seeded_generator():
    assert torch.equal(Noise(9, 4).normal(2, 3), torch.randn(2, 3, generator=seeded(9, 4)))


def test_the_draws_are_of_their_distributions():
    noise = Noise()
    normal, uniform, whole, coin = noise.normal(20000), noise.uniform(20000), noise.integers(-2, 3, 20000), noise.coin(0.2, 20000)
    assert (normal.mean().item(), normal.std().item()) == pytest.approx((0, 1), abs=0.03)
    assert (uniform.mean().item(), uniform.std().item()) == pytest.approx((0.5, 12**-0.5), abs=0.02)
    assert 0 <= uniform.min() <= uniform.max() < 1
    assert (torch.bincount(whole + 2) / 20000).tolist() == pytest.approx([1 / 6] * 6, abs=0.02)
    assert set(coin.tolist()) == {0.0, 1.0}
    assert coin.mean().item() == pytest.approx(0.2, abs=0.02)
