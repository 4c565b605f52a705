"""The model of tokens: seeds, steps, guidance, temperature, and what is refused."""

import json

import pytest
import torch
from refusals import code_of
from safetensors.torch import load_file, save_file

import genart_hub
from genart_hub import images, remake
from genart_hub.hub.names import CONFIG, NAMES, WEIGHTS
from genart_hub.models.tokens import Tokens, draw
from genart_hub.models.words import TOKENIZER


@pytest.fixture
def model(tiny):
    """Of random weights, so that words and seeds matter: 16 tokens of six codes."""
    model = tiny(Tokens, image_size=16)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.5, generator=torch.Generator().manual_seed(parameter.numel()))
    return model


def tokens_of(model, **request):
    *_, (step, total, tokens) = model._moments(2, 3, "red fox", *(request.get(key) for key in ("num_steps", "guidance", "temperature")))
    assert step == total
    return tokens


def test_it_says_what_it_takes(model):
    assert model.inputs == ("prompt", "num_steps", "guidance", "temperature")
    assert model.defaults == {"num_steps": 12, "guidance": 3.0, "temperature": 1.0}
    assert (model.task, model.prompted, model.reconstructs, model.unfolds) == ("text-to-image", True, True, True)


def test_picture_k_is_that_of_seed_plus_k(model):
    x = model.sample(3, seed=5, prompt="red fox")
    assert (x.shape, x.dtype) == ((3, 1, 16, 16), torch.float32)
    assert x.abs().max() <= 1
    assert not torch.equal(x[0], x[1])
    torch.testing.assert_close(model.sample(1, seed=7, prompt="red fox"), x[2:], rtol=0, atol=1e-5)
    assert torch.equal(model.sample(3, seed=5, prompt=["red fox"] * 3), x)


def test_prompts_of_different_lengths_do_not_disturb_each_other(model):
    x = model.sample(2, seed=5, prompt=["apple", "red fox, apple, fox"])
    torch.testing.assert_close(model.sample(1, seed=5, prompt="apple"), x[:1], rtol=0, atol=1e-5)


def test_sampling_reads_no_global_generator(model):
    torch.manual_seed(1)
    before, x = torch.get_rng_state(), model.sample(2, prompt="apple")
    assert torch.equal(torch.get_rng_state(), before)
    model.train()
    torch.manual_seed(2)
    assert torch.equal(model.sample(2, prompt="apple"), x)
    assert model.training


@pytest.mark.parametrize("num_steps", [1, 2, 12, 40])
def test_after_any_number_of_steps_no_token_is_hidden(model, num_steps):
    tokens = tokens_of(model, num_steps=num_steps)
    assert tokens.shape == (2, 4, 4)
    assert tokens.max() < model.num_codes


def test_each_step_keeps_what_was_found(model):
    moments = [tokens for _, _, tokens in model._moments(2, 3, "red fox", 5, None, None)]
    hidden = [int((tokens == model.hidden).sum()) for tokens in moments]
    assert hidden[0] == 32
    assert hidden[-1] == 0
    assert hidden == sorted(hidden, reverse=True)
    for before, after in zip(moments, moments[1:], strict=False):
        found = before != model.hidden
        assert torch.equal(before[found], after[found])


def test_the_film_ends_in_the_picture(model):
    seen = []
    film = list(model.denoise(2, 1, prompt="apple", num_steps=3))
    x = model.sample(2, 1, prompt="apple", num_steps=3, on_step=lambda *step: seen.append(step))
    assert [(step, total) for step, total, _ in film] == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert torch.equal(film[-1][2], x)
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_guidance_zero_hears_no_words_and_one_is_the_words_alone(model):
    fox, apple = (model.words.tokens([prompt]) for prompt in ("red fox", "apple"))
    tokens = torch.full((1, 4, 4), model.hidden)
    with torch.no_grad():
        assert torch.equal(model._guided(tokens, fox, 0), model._guided(tokens, apple, 0))
        assert not torch.allclose(model._guided(tokens, fox, 1), model._guided(tokens, apple, 1))
        torch.testing.assert_close(model._guided(tokens, fox, 1 + 1e-6), model._guided(tokens, fox, 1), rtol=0, atol=1e-3)
        nearly = model._guided(tokens, fox, 1e-6)
        torch.testing.assert_close(nearly, model._guided(tokens, fox, 0), rtol=0, atol=1e-3)
    x = [model.sample(2, 1, prompt=prompt, guidance=0) for prompt in ("apple", "red fox")]
    assert torch.equal(*x)


def test_a_temperature_of_zero_takes_the_likeliest_whatever_the_seed(model):
    x = model.sample(3, 1, prompt="apple", temperature=0)
    assert torch.equal(x[0], x[1])
    assert torch.equal(x, model.sample(3, 100, prompt="apple", temperature=0))


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"num_steps": 0}, "out_of_range"),
        ({"num_steps": 1001}, "out_of_range"),
        ({"guidance": -1}, "out_of_range"),
        ({"temperature": -0.1}, "out_of_range"),
        ({"temperature": float("nan")}, "not_number"),
        ({"temperature": 5}, "out_of_range"),
        ({"prompt": ""}, "empty_prompt"),
        ({"prompt": "qwzx"}, "unknown_words"),
        ({"prompt": "a" * 10_000}, "long_prompt"),
        ({"prompt": ["apple"] * 3}, "prompt_count"),
    ],
)
def test_a_wild_request_is_refused_at_once(model, request_, code):
    assert code_of(lambda: model.sample(2, **{"prompt": "apple"} | request_)) == code
    assert code_of(lambda: model.denoise(2, **{"prompt": "apple"} | request_)) == code


def test_codes_are_drawn_as_often_as_they_are_likely():
    logits = torch.tensor([0.5, 0.3, 0.2]).log().expand(1, 1000, 3)
    drawn, logs = draw(logits, torch.arange(1000)[None] / 1000)
    assert (torch.bincount(drawn[0]) - torch.tensor([500, 300, 200])).abs().max() <= 1
    torch.testing.assert_close(logs, logits.gather(2, drawn[..., None])[..., 0])
    assert draw(torch.tensor([[[0.0, -1e9]]]), torch.tensor([[1 - 1e-7]]))[0].item() == 0


def test_hidden_words_are_not_seen(model):
    text = model.words.tokens(["apple", "red fox"])
    tokens = torch.randint(model.num_codes + 1, (1, 4, 4), generator=torch.Generator().manual_seed(0)).expand(2, 4, 4)
    none = model(tokens, model.told(text, torch.zeros(2)))
    torch.testing.assert_close(none[0], none[1])
    some = model(tokens, model.told(text, torch.tensor([1.0, 0.0])))
    torch.testing.assert_close(some[1], none[1])
    assert not torch.allclose(some[0], none[0])


def test_logits_of_some_tokens_are_those_of_all(model):
    tokens, where = torch.full((2, 4, 4), model.hidden), torch.rand(2, 4, 4) < 0.5
    told = model.told(model.words.tokens(["apple", "red fox"]))
    torch.testing.assert_close(model(tokens, told, where), model(tokens, told)[where.flatten(1)])


def test_each_token_has_its_own_place(model):
    told = model.told(model.words.tokens(["apple"]))
    tokens = torch.zeros(1, 4, 4, dtype=torch.int64)
    before = model(tokens, told)
    tokens[0, 1, 2] = 3
    changed = (model(tokens, told) - before).abs().amax(dim=2).unflatten(1, (4, 4))
    assert (changed > 0).all()  # every position looks at every other


def test_a_folder_loads_alone_in_half_precision(model, tmp_path):
    folder = model.save_pretrained(tmp_path / "tokens", dtype=torch.float16)
    assert {TOKENIZER, NAMES, CONFIG, WEIGHTS} <= {file.name for file in folder.iterdir()}
    loaded = genart_hub.from_pretrained(folder)
    assert loaded.sample(2, 1, prompt="apple").shape == (2, 1, 16, 16)
    assert loaded.knows("red cat").unknown == ("cat",)
    outline = Tokens.outline(folder)
    assert outline["num_parameters"] == loaded.num_parameters
    assert outline["inputs"] == ["n", "seed", *loaded.inputs]


def test_a_model_without_its_codes_is_refused(model, tmp_path):
    folder = model.save_pretrained(tmp_path / "tokens")
    state = {key: value for key, value in load_file(folder / WEIGHTS).items() if not key.startswith("codes.")}
    save_file(state, folder / WEIGHTS, {"format": "pt"})
    assert code_of(lambda: genart_hub.from_pretrained(folder)) is not None


def test_codes_of_other_levels_than_the_weights_are_refused(model, tmp_path):
    folder = model.save_pretrained(tmp_path / "tokens")
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(config | {"levels": [3, 3]}))
    assert code_of(lambda: genart_hub.from_pretrained(folder)) is not None


def test_a_dimension_that_heads_do_not_share_is_refused(tiny):
    assert code_of(lambda: tiny(Tokens, model_dim=9)) == "bad_model_dim"


def test_a_picture_is_made_again_by_its_recipe(model, tmp_path):
    model = genart_hub.from_pretrained(model.save_pretrained(tmp_path / "tokens"))
    asked = {"prompt": ["apple", "red fox"], "num_steps": 3, "guidance": 2.0, "temperature": 0.5}
    picture = images.grid(model.sample(2, 4, **asked))
    again, *_ = remake.remake(images.save_png(picture, tmp_path / "a.png", model.recipe(4, 2, **asked)), lambda place: model)
    assert again.tobytes() == picture.tobytes()


def test_a_reconstruction_needs_no_words(model):
    x = torch.rand(2, 1, 16, 16) * 2 - 1
    assert torch.equal(model.reconstruct(x), model.decode_tokens(model.encode_tokens(x)).detach())


def test_the_default_fits_twelve_megabytes_in_half_precision():
    assert 2 * Tokens().num_parameters < 12_000_000
