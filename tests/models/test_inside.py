"""A diffusion model seen from within: each step's split into picture and noise, and the same pictures as from without."""

import pytest
import torch
from driving import run
from refusals import code_of

from genart_hub.models.ddpm import DDPM
from genart_hub.models.inside import split
from genart_hub.models.stable_diffusion import inside
from genart_hub.models.stable_diffusion.inside import Token, encoded, levels, tokens, unprompted
from genart_hub.models.vocabulary import Known


@pytest.fixture(params=["flow", "ddpm"])
def ddpm(request, tiny):
    return tiny(DDPM, objective=request.param, num_classes=3, class_names=("cat", "dog", "7"))


@pytest.mark.parametrize(
    ("kind", "predicted"),
    [
        ("epsilon", lambda x, eps, a, s: eps),
        ("v_prediction", lambda x, eps, a, s: a * eps - s * x),
        ("sample", lambda x, eps, a, s: x),
        ("flow", lambda x, eps, a, s: eps - x),
    ],
)
def test_what_a_perfect_network_predicts_is_split_into_the_picture_and_the_noise(kind, predicted):
    x, eps = torch.tensor([0.5, -1.0]), torch.tensor([2.0, 0.25])
    alpha, sigma = (0.7, 0.3) if kind == "flow" else (0.8, 0.6)
    found = split(kind, alpha * x + sigma * eps, predicted(x, eps, alpha, sigma), alpha, sigma)
    torch.testing.assert_close(found, (x, eps))


def test_the_digits_from_within_are_bit_for_bit_those_of_sample(ddpm):
    steps, x = run(ddpm.inside(5, label="dog", num_steps=4, guidance=2.5))
    assert torch.equal(x, ddpm.sample(1, 5, label="dog", num_steps=4, guidance=2.5))
    assert [(one.step, one.total) for one in steps] == [(k, 4) for k in range(4)]
    assert steps[0].has.shape == steps[0].believes.shape == steps[0].eps.shape == (1, 8, 8)


def test_a_flow_ends_at_what_it_believes_in_last(tiny):
    steps, x = run(tiny(DDPM, objective="flow").inside(5, num_steps=3))
    torch.testing.assert_close(steps[-1].believes, x[0], rtol=0, atol=1e-6)
    assert [one.sigma for one in steps] == pytest.approx([1, 2 / 3, 1 / 3])


def test_a_pipeline_from_within_gives_bit_for_bit_the_picture_of_sample_and_ends_at_what_it_believes_in_last(pipeline):
    asked = {"prompt": "red apple", "num_steps": 4, "guidance": 3}
    steps, x = run(pipeline.inside(7, **asked))
    assert torch.equal(x, pipeline.sample(1, 7, **asked))
    torch.testing.assert_close(steps[-1].believes, x[0], rtol=0, atol=1e-3)
    assert [one.step for one in steps] == [0, 1, 2, 3]
    film = list(pipeline.denoise(1, 7, **asked))
    for one, (_, _, seen) in zip(steps, film, strict=False):
        torch.testing.assert_close(one.has, seen[0], rtol=0, atol=1e-5)


def test_alpha_and_sigma_are_those_of_the_noise_schedule(pipeline):
    scheduler = pipeline.pipeline.scheduler
    _, alpha, sigma = levels(scheduler, 500)
    assert alpha**2 + sigma**2 == pytest.approx(1)
    assert alpha**2 == pytest.approx(float(torch.cumprod(1 - scheduler.betas, 0)[500]), rel=1e-5)


def test_guidance_of_a_pipeline_goes_from_its_answer_without_words_beyond_the_one_with_them(pipeline):
    once, _ = run(pipeline.inside(7, prompt="red apple", num_steps=2, guidance=1))
    torch.testing.assert_close(once[0].believes, once[0].told, rtol=0, atol=1e-6)
    assert not torch.equal(once[0].without, once[0].told)


def test_a_closed_run_makes_no_further_step(pipeline):
    calls = []
    hook = pipeline.pipeline.unet.register_forward_hook(lambda *_: calls.append(1))
    steps = pipeline.inside(7, prompt="red", num_steps=4)
    next(steps)
    before = len(calls)
    steps.close()
    hook.remove()
    assert len(calls) == before


def test_the_picture_without_words_is_that_of_no_words_and_of_no_other(pipeline):
    x = unprompted(pipeline, 7, num_steps=3)
    torch.testing.assert_close(x, pipeline.sample_embedded(encoded(pipeline, "red")[:1], 7, num_steps=3, guidance=1))
    assert not torch.equal(x, pipeline.sample(1, 7, prompt="red", num_steps=3, guidance=1))


def test_the_tokens_of_a_prompt_put_together_are_the_prompt(pipeline):
    read = tokens(pipeline, "red apple")
    assert [read[0].kind, read[-1].kind] == ["start", "end"]
    assert "".join(one.text for one in read[1:-1]).replace(" ", "") == "redapple"
    assert all(one.known for one in read)


def test_pieces_of_a_word_that_it_was_trained_without_are_marked(pipeline, monkeypatch):
    known = Known(("red", "zebra"), ("zebra",), ())
    monkeypatch.setattr(type(pipeline), "knows", lambda self, prompt: known)
    read = tokens(pipeline, "red zebra")
    assert "".join(one.text for one in read if not one.known) == "zebra"
    assert Token(read[0].text, "start") == read[0]


def test_a_pipeline_of_another_kind_is_refused(pipeline, monkeypatch):
    monkeypatch.setattr(inside, "OPENED", "StableDiffusionXLPipeline")
    assert code_of(lambda: next(pipeline.inside(0, prompt="red"))) == "not_opened"
