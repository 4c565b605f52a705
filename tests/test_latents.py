"""Interpolation, walks and inversion."""

import math

import pytest
import torch
from refusals import code_of

from genart_hub import latents
from genart_hub.errors import MAX_SEED, GenartError
from genart_hub.models.text_vae import TextVAE


def vectors(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def reader(tiny):
    return tiny(TextVAE)


def frames_of(*arguments, **options):
    return torch.cat(list(latents.prompt_walk(*arguments, **options)))


def test_a_walk_from_prompt_to_prompt_begins_and_ends_with_their_pictures(reader):
    x = frames_of(reader, ["apple", "red fox", "apple"], 21, seed=4)
    assert x.shape == (21, 1, 8, 8)
    for k, prompt in ((0, "apple"), (10, "red fox"), (20, "apple")):
        torch.testing.assert_close(x[k : k + 1], reader.sample(1, 4, prompt=prompt), rtol=0, atol=1e-5)


def test_a_walk_between_prompts_is_a_diffusion_model_s_too(pipeline):
    x = frames_of(pipeline, ["red", "fox"], 3, seed=2, num_steps=2, loop=False)
    for k, prompt in ((0, "red"), (2, "fox")):
        torch.testing.assert_close(x[k : k + 1], pipeline.sample(1, 2, prompt=prompt, num_steps=2), rtol=0, atol=1e-4)
    assert not torch.allclose(x[0], x[1])


@pytest.mark.parametrize(
    ("prompts", "frames", "options", "code"),
    [
        (["apple"], 4, {}, "few_prompts"),
        ("apple", 4, {}, "few_prompts"),
        (["apple", "qwzx"], 4, {}, "unknown_words"),
        (["apple", "red"], 1, {}, "loop_frames"),
        (["apple", "red"], 4, {"num_steps": 3}, "no_such_input"),
        (["apple", "red"], 4, {"method": "sideways"}, "not_choice"),
    ],
)
def test_a_walk_that_makes_no_sense_is_refused(reader, prompts, frames, options, code):
    assert code_of(lambda: frames_of(reader, prompts, frames, **options)) == code


def test_a_model_without_words_has_no_walk_between_prompts(gan):
    assert code_of(lambda: frames_of(gan, ["a", "b"], 4)) == "no_prompt_walk"


def test_lerp_goes_straight_from_a_to_b():
    a, b = torch.tensor([0.0, 10.0]), torch.tensor([4.0, 2.0])
    assert latents.lerp(a, b, 0.25).tolist() == [1.0, 8.0]


def test_slerp_goes_a_third_of_a_right_angle():
    made = latents.slerp(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), 1 / 3)
    torch.testing.assert_close(made, torch.tensor([math.cos(math.pi / 6), math.sin(math.pi / 6)]))


@pytest.mark.parametrize("t", [0.0, 0.2, 0.9, 1.0])
def test_the_norm_of_slerp_goes_straight(t):
    a, b = vectors(5, 7), 3 * vectors(5, 7, seed=1)
    expected = (1 - t) * a.norm(dim=1) + t * b.norm(dim=1)
    torch.testing.assert_close(latents.slerp(a, b, t).norm(dim=1), expected)


def test_the_angle_of_slerp_grows_evenly():
    a, b = vectors(7), vectors(7, seed=1)
    whole_angle = torch.acos(torch.cosine_similarity(a, b, dim=0))
    for t in (0.25, 0.5, 0.75):
        angle = torch.acos(torch.cosine_similarity(a, latents.slerp(a, b, t), dim=0))
        assert angle.item() == pytest.approx(t * whole_angle.item(), abs=1e-4)


@pytest.mark.parametrize("interpolate", [latents.lerp, latents.slerp])
def test_interpolation_starts_at_a_and_ends_at_b_to_the_bit(interpolate):
    a, b = vectors(4, 9), vectors(4, 9, seed=1)
    assert torch.equal(interpolate(a, b, 0.0), a)
    assert torch.equal(interpolate(a, b, 1.0), b)


@pytest.mark.parametrize("interpolate", [latents.lerp, latents.slerp])
def test_a_tensor_of_weights_is_one_weight_a_row(interpolate):
    a, b, t = vectors(3, 4), vectors(3, 4, seed=1), torch.tensor([0.1, 0.5, 0.8])
    rows = torch.stack([interpolate(a[k], b[k], t[k].item()) for k in range(3)])
    torch.testing.assert_close(interpolate(a, b, t), rows)


def test_slerp_between_parallel_vectors_keeps_the_direction():
    a = vectors(6)
    torch.testing.assert_close(latents.slerp(a, 3 * a, 0.5), 2 * a)
    torch.testing.assert_close(latents.slerp(a, a, 0.3), a)


@pytest.mark.parametrize("size", [2, 3, 64])
def test_slerp_between_opposite_vectors_goes_round_and_not_through_zero(size):
    a = vectors(size)
    made = latents.slerp(a, -a, 0.5)
    assert made.norm().item() == pytest.approx(a.norm().item(), rel=1e-5)
    assert (made @ a).item() == pytest.approx(0, abs=1e-4)


def test_slerp_from_the_zero_vector_takes_the_direction_of_the_other():
    zero, b = torch.zeros(4), vectors(4)
    torch.testing.assert_close(latents.slerp(zero, b, 0.25), 0.25 * b)
    torch.testing.assert_close(latents.slerp(b, zero, 0.25), 0.75 * b)
    assert latents.slerp(zero, zero, 0.5).tolist() == [0.0] * 4


def test_slerp_keeps_the_dtype():
    assert latents.slerp(vectors(4).half(), vectors(4, seed=1).half(), 0.5).dtype == torch.float16


@pytest.mark.parametrize("method", ["slerp", "lerp"])
def test_a_walk_passes_through_every_key_at_an_even_pace(method):
    keys = vectors(3, 5)
    path = latents.walk(keys, 9, method)
    assert path.shape == (9, 5)
    torch.testing.assert_close(path[[0, 4, 8]], keys)
    torch.testing.assert_close(path[1], latents.METHODS[method](keys[0], keys[1], 0.25))


def test_a_loop_ends_one_step_before_its_first_key():
    keys = vectors(2, 5)
    path = latents.walk(keys, 8, "lerp", loop=True)
    torch.testing.assert_close(path[[0, 4]], keys)
    torch.testing.assert_close(path[7], 0.25 * keys[1] + 0.75 * keys[0])


def test_a_walk_takes_a_list_of_keys():
    keys = vectors(2, 5)
    assert torch.equal(latents.walk(list(keys), 4), latents.walk(keys, 4))


@pytest.mark.parametrize(
    ("keys", "num_frames", "method", "code"),
    [
        (vectors(1, 4), 8, "slerp", "few_keys"),
        ([], 8, "slerp", "few_keys"),
        (vectors(4), 8, "slerp", "few_keys"),
        (vectors(3, 4), 2, "slerp", "loop_frames"),
        (vectors(2, 4), 2.5, "slerp", "not_whole"),
        (vectors(2, 4), 8, "bezier", "not_choice"),
    ],
)
def test_a_walk_refuses(keys, num_frames, method, code):
    with pytest.raises(GenartError) as error:
        latents.walk(keys, num_frames, method)
    assert error.value.code == code


def test_inversion_finds_a_picture_that_the_generator_made(gan):
    x = gan.sample(2, seed=1000)  # none of the starts
    *_, (step, z, error) = latents.invert(gan, x, num_steps=150)
    assert (step, z.shape) == (150, (2, gan.latent_dim))
    started = (gan.sample(256, 0)[:, None] - x).square().mean(dim=(2, 3, 4)).amin(dim=0).mean().item()
    assert error < 0.1 * started


def test_inversion_starts_at_the_nearest_of_its_seeds(gan):
    step, z, error = next(latents.invert(gan, gan.sample(2, seed=5), num_starts=1))
    torch.testing.assert_close(z, gan.latents(2, seed=5))
    assert (step, error) == (1, pytest.approx(0, abs=1e-9))


def test_the_error_of_inversion_never_rises_and_is_that_of_its_latents(gan):
    x = gan.sample(3, seed=9)
    steps = list(latents.invert(gan, x, num_steps=30, num_starts=2))
    errors = [error for _, _, error in steps]
    assert errors == sorted(errors, reverse=True)
    with torch.no_grad():
        assert (gan.generate(steps[-1][1]) - x).square().mean().item() == pytest.approx(errors[-1], rel=1e-4)


def test_inversion_streams_the_same_steps_for_the_same_seed_and_leaves_the_model_alone(gan):
    gan.train()
    before = {key: value.clone() for key, value in gan.state_dict().items()}
    x = gan.sample(1, seed=3)
    runs = [list(latents.invert(gan, x, num_steps=3, seed=4)) for _ in range(2)]
    assert all(torch.equal(a[1], b[1]) for a, b in zip(*runs, strict=True))
    assert all(torch.equal(value, before[key]) for key, value in gan.state_dict().items())
    assert all(parameter.grad is None for parameter in gan.parameters())
    assert gan.training


def test_inversion_refuses_pictures_of_another_size(gan):
    with pytest.raises(GenartError, match=r"\(B, 1, 8, 8\)"):
        next(latents.invert(gan, torch.zeros(1, 1, 9, 9)))


def test_the_keys_of_seeds_are_their_latents_and_the_frames_their_pictures(gan):
    z = latents.keys_of(gan, [3, 9], truncation=0.5)
    torch.testing.assert_close(z, 0.5 * torch.cat([gan.latents(1, 3), gan.latents(1, 9)]))
    torch.testing.assert_close(
        latents.frames(gan, z, batch_size=1), gan.sample(2, 3, truncation=0.5)[:1].new_tensor(gan.generate(z).tolist())
    )


@pytest.mark.parametrize("text", ["0, 7,42", "0 7 42", "0，7、42", " 0;7；42 "])
def test_seeds_are_read_with_latin_and_chinese_commas(text):
    assert latents.parse_seeds(text) == [0, 7, 42]


@pytest.mark.parametrize(
    ("text", "code"),
    [("", "bad_seeds"), ("1,x", "bad_seeds"), ("-1", "bad_seeds"), (str(2**53), "bad_seeds"), ("1," * 16 + "1", "many_seeds")],
)
def test_a_line_of_seeds_is_refused(text, code):
    with pytest.raises(GenartError) as error:
        latents.parse_seeds(text)
    assert error.value.code == code


def test_the_latent_of_a_seed_draws_its_picture(gan, reader, pipeline):
    z = latents.of_seed(gan, 5, truncation=0.5)
    torch.testing.assert_close(latents.frames(gan, z[None]), gan.sample(1, 5, truncation=0.5), rtol=0, atol=1e-5)
    assert torch.equal(latents.of_seed(reader, 5, prompt="apple"), reader.latents(1, 5)[0])
    assert latents.of_seed(pipeline, 5, prompt="red") is None


def test_pictures_around_a_seed_lie_a_quarter_of_the_way_to_the_next_ones(gan, reader):
    near = latents.around(gan, 5, 2)
    for k, x in enumerate(near, 1):
        z = latents.slerp(gan.latents(1, 5), gan.latents(1, 5 + k), 0.25)
        torch.testing.assert_close(x[None], latents.frames(gan, z), rtol=0, atol=1e-5)
    words = latents.around(reader, 5, 3, prompt="apple")
    assert words.shape == (3, 1, 8, 8)
    assert not torch.allclose(words[0], latents.around(reader, 5, 3, prompt="red fox")[0])


def test_around_the_last_seed_lie_those_before_it(gan):
    near = latents.around(gan, MAX_SEED, 1)
    z = latents.slerp(gan.latents(1, MAX_SEED), gan.latents(1, MAX_SEED - 1), 0.25)
    torch.testing.assert_close(near, latents.frames(gan, z), rtol=0, atol=1e-5)


def test_nothing_lies_around_a_picture_without_a_latent(pipeline):
    assert code_of(lambda: latents.around(pipeline, 5, 3, prompt="red")) == "not_generative"
