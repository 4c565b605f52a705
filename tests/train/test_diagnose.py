"""What the numbers of a run mean: each sentence where it is due, and none in a healthy run."""

import pytest
import torch

from genart_hub.train.diagnose import SENTENCES, diagnose, explain, spread


def gan_lines(n=5, **numbers):
    return [{"step": 100 * k, "d_loss": 1.2, "g_loss": 0.9, "d_accuracy": 0.7} | numbers for k in range(1, n + 1)]


def vae_lines(n=5, **numbers):
    return [{"step": 100 * k, "reconstruction": 90.0, "kl": 20.0} | numbers for k in range(1, n + 1)]


def looks(*spreads, start=1000):
    return [{"step": start + 100 * k, "spread": value} for k, value in enumerate(spreads)]


WON = {"d_accuracy": 1.0, "g_loss": 7.0}

FAILING = {
    "discriminator_won": gan_lines(**WON),
    "discriminator_ahead": gan_lines(10, d_accuracy=1.0, g_loss=1.0),
    "posterior_collapse": vae_lines(kl=0.02),
    "mode_collapse": gan_lines() + looks(0.8, 0.03, 0.02),
}


@pytest.mark.parametrize(("g_loss", "won"), [(-0.001, True), (-0.7, False)])
def test_the_minimax_loss_tells_a_discriminator_that_has_won_by_rising_to_zero(g_loss, won):
    assert diagnose(gan_lines(d_accuracy=1.0, g_loss=g_loss)) == ({"discriminator_won"} if won else set())


def test_every_sentence_has_a_history_here():
    assert FAILING.keys() == SENTENCES.keys()


@pytest.mark.parametrize("code", FAILING)
def test_a_failing_run_is_told_what_fails_and_what_to_do(code):
    assert diagnose(FAILING[code]) == {code}
    sentence = explain(code, FAILING[code])
    assert "{" not in sentence
    assert any(cure in sentence for cure in ("--r1", "--beta"))


@pytest.mark.parametrize(
    "history",
    [
        [],
        gan_lines(30) + looks(0.2, 0.5, 0.9),
        vae_lines(30) + looks(0.7, 0.8),
        vae_lines(30) + looks(0.1, 0.1),  # blurred, which is another matter
        gan_lines(4, **WON),  # too short to say
        gan_lines(4, **WON) + gan_lines(1),  # it has recovered
        gan_lines(9, d_accuracy=1.0, g_loss=1.0),  # sure of itself, and the generator still learns
        gan_lines(5) + gan_lines(9, d_accuracy=1.0, g_loss=1.0),
        [line | {"step": line["step"] // 2} for line in gan_lines(9, **WON)],  # the first 450 steps
        gan_lines(5, d_accuracy=0.8, g_loss=7.0),
        vae_lines(4, kl=0.02) + vae_lines(1),
        vae_lines(4, kl=0.02),
        gan_lines() + looks(0.02),
        gan_lines() + looks(0.02, 0.02, 0.02, start=100),  # the first samples of a run are all alike
        looks(0.02, 0.02),  # of what, nobody knows yet
        gan_lines() + looks(0.02, 0.6),
        gan_lines() + looks(0.02, 0.02, 0.6),
        [{"step": k, "loss": 0.1, "accuracy": 1.0} for k in range(20)],  # a classifier
    ],
)
def test_a_healthy_run_hears_nothing(history):
    assert diagnose(history) == set()


@pytest.mark.parametrize(("step", "found"), [(17, set()), (18, {"posterior_collapse"})])
def test_a_short_run_is_judged_from_its_half_on(step, found):
    history = [line | {"step": step - 4 + k} for k, line in enumerate(vae_lines(kl=0.02))]
    assert diagnose(history, 36) == found


def test_the_last_lines_count_and_looks_between_them_do_not_hide_them():
    history = gan_lines(30) + [line for pair in zip(gan_lines(5, **WON), looks(*[0.8] * 5), strict=True) for line in pair]
    assert diagnose(history) == {"discriminator_won"}


def test_a_sentence_has_the_last_numbers():
    history = gan_lines(4, **WON) + gan_lines(1, g_loss=7.0, d_accuracy=0.996) + looks(0.031)
    assert "accuracy 1.00" in explain("discriminator_won", history)
    assert "by 3% of" in explain("mode_collapse", history)
    assert "0.13 nats" in explain("posterior_collapse", vae_lines(kl=0.13))


def test_the_spread_is_the_ratio_of_the_variances_summed_over_the_pixels():
    x = torch.tensor([[0.0, 1.0], [2.0, 5.0]]).view(2, 1, 1, 2)  # variances 2 and 8
    assert spread(x, x) == 1
    assert spread(0.5 * x + 3, x) == pytest.approx(0.25)
    assert spread(torch.cat([x[..., :1]] * 2, dim=3), x) == pytest.approx(0.4)
    assert spread(x[:1].expand(5, -1, -1, -1), x) == 0
