"""Training codes, then tokens: what a step minimises, a run that was cut goes on to the bit, and what is refused."""

import math
from functools import partial

import pytest
import torch
from refusals import code_of
from test_worded import captioned, same, states  # noqa: F401 - a fixture
from torch.nn import functional

import genart_hub
from genart_hub import cli, images, losses
from genart_hub.models.gan import GAN
from genart_hub.models.tokens import Tokens
from genart_hub.models.vqvae import VQVAE
from genart_hub.train import train, train_steps
from genart_hub.train.noise import Noise
from genart_hub.train.tokens import TokensSettings, tokens_step
from genart_hub.train.vqvae import VQVAESettings, perplexity, vqvae_step

CODES = {"levels": [3, 2], "width": 2, "num_blocks": 1}
ARGUMENTS = {"model_dim": 8, "num_layers": 1, "num_heads": 2, "num_steps": 2}
COMMON = {"epochs": 3, "batch_size": 4, "lr": 1e-3, "ema": 0.9, "captions": ("text", "text_zh"), "style": "style"}
OPTIONS = {"size": 16, "seed": 5, "progress": False}


@pytest.fixture
def codes_run(captioned, tmp_path):  # noqa: F811
    train("VQVAE", captioned, tmp_path / "codes", VQVAESettings(epochs=1, batch_size=4, lr=1e-3), arguments=CODES, **OPTIONS)
    return tmp_path / "codes"


@pytest.fixture
def settings(pipeline_folder, codes_run):
    return lambda **changes: TokensSettings(**COMMON | {"words_from": str(pipeline_folder), "codes_from": str(codes_run)} | changes)


# ---- codes ----


def test_a_run_of_codes_that_was_cut_goes_on_to_the_bit(captioned, tmp_path):  # noqa: F811
    run = partial(train, "VQVAE", captioned, arguments=CODES, settings=VQVAESettings(epochs=3, batch_size=4, lr=1e-3, ema=0.9), **OPTIONS)
    run(out=tmp_path / "whole")
    settings = VQVAESettings(epochs=3, batch_size=4, lr=1e-3, ema=0.9)
    for step, _ in train_steps("VQVAE", captioned, tmp_path / "cut", settings, arguments=CODES, **OPTIONS):
        if step == 4:
            break
    run(out=tmp_path / "cut", resume=True)
    assert same(states(tmp_path / "whole"), states(tmp_path / "cut"))


def test_a_step_of_codes_minimises_the_error_of_pictures(tiny):
    vqvae, x, seen = tiny(VQVAE).train(), torch.rand(4, 1, 8, 8) * 2 - 1, []
    optimizer = torch.optim.SGD(vqvae.parameters(), lr=0.0)
    numbers = vqvae_step(vqvae, optimizer, x, noise=Noise(), backward=lambda loss: (seen.append(loss), loss.backward()))
    x_hat, tokens = vqvae(x)
    torch.testing.assert_close(seen[0], losses.picture_error(x_hat, x, 2.0)[0])
    torch.testing.assert_close(numbers["perplexity"], perplexity(tokens, 6))


def test_the_encoder_learns_through_the_rounding(tiny):
    vqvae = tiny(VQVAE).train()
    vqvae_step(vqvae, torch.optim.SGD(vqvae.parameters(), lr=0.1), torch.rand(4, 1, 8, 8), noise=Noise(), backward=torch.Tensor.backward)
    before = tiny(VQVAE).state_dict()
    assert not torch.equal(vqvae.state_dict()["encoder.1.weight"], before["encoder.1.weight"])


def test_codes_learn_to_give_pictures_back(tiny):
    torch.manual_seed(0)
    vqvae, x = tiny(VQVAE, width=8).train(), torch.randn(2, 1, 1, 1).sign().expand(2, 1, 8, 8) * 0.8
    optimizer = torch.optim.Adam(vqvae.parameters(), lr=0.01)
    values = [float(vqvae_step(vqvae, optimizer, x, noise=Noise())["psnr"]) for _ in range(60)]
    assert values[-1] > values[0] + 5


def test_the_perplexity_is_the_number_of_codes_where_all_are_as_common():
    assert perplexity(torch.arange(6).repeat(5), 6).item() == pytest.approx(6)
    assert perplexity(torch.zeros(9, dtype=torch.int64), 6).item() == pytest.approx(1)


# ---- tokens ----


@pytest.mark.slow
def test_a_run_of_tokens_that_was_cut_goes_on_to_the_bit(captioned, tmp_path, settings):  # noqa: F811
    train("Tokens", captioned, tmp_path / "whole", settings(), arguments=ARGUMENTS, **OPTIONS)
    for step, _ in train_steps("Tokens", captioned, tmp_path / "cut", settings(), arguments=ARGUMENTS, **OPTIONS):
        if step == 4:
            break
    train("Tokens", captioned, tmp_path / "cut", settings(), arguments=ARGUMENTS, resume=True, **OPTIONS)
    assert same(states(tmp_path / "whole"), states(tmp_path / "cut"))


def test_the_folder_loads_alone_with_the_codes_as_they_were(captioned, tmp_path, settings, codes_run):  # noqa: F811
    train("Tokens", captioned, tmp_path / "run", settings(), arguments=ARGUMENTS, **OPTIONS)
    codes = genart_hub.from_pretrained(codes_run)
    (codes_run / "model.safetensors").unlink()
    model = genart_hub.from_pretrained(tmp_path / "run")
    assert model.sample(2, prompt=["red apple", "红苹果, noto style"]).shape == (2, 3, 16, 16)
    for key, value in codes.state_dict().items():
        assert torch.equal(model.codes.state_dict()[key], value)
    assert model.knows("dog").unknown == ("dog",)


def test_the_command_line_asks_for_tokens_of_a_temperature(captioned, tmp_path, settings, capsys):  # noqa: F811
    train("Tokens", captioned, tmp_path / "run", settings(), arguments=ARGUMENTS, **OPTIONS)
    words = ["sample", str(tmp_path / "run"), "--prompt", "red apple", "--temperature", "0.5", "--out", str(tmp_path / "a.png")]
    assert cli.main(words) == 0, capsys.readouterr().err
    assert images.read_recipe(tmp_path / "a.png")["temperature"] == 0.5
    assert cli.main([*words, "--temperature", "9"]) == 1
    assert "temperature must be between 0 and 4, got 9" in capsys.readouterr().err


def test_without_codes_there_are_no_tokens(captioned, tmp_path, settings, tiny):  # noqa: F811
    gan = tiny(GAN, image_size=16, channels=3).save_pretrained(tmp_path / "gan")
    small = tiny(VQVAE, channels=3).save_pretrained(tmp_path / "small")
    for place, code in (("", "needs_codes"), (str(gan), "no_codes_from"), (str(small), "codes_other_size")):
        call = partial(train, "Tokens", captioned, tmp_path / "run", settings(codes_from=place), arguments=ARGUMENTS, **OPTIONS)
        assert code_of(call) == code
        assert not (tmp_path / "run").exists()


@pytest.fixture
def batch(tiny):
    model = tiny(Tokens, image_size=16).train()
    tokens = torch.randint(model.num_codes, (4, 4, 4), generator=torch.Generator().manual_seed(0))
    return model, tokens, model.words.tokens(["apple", "red fox", "red", "fox"])


def test_a_step_of_tokens_minimises_the_surprise_of_hidden_ones(batch):
    model, tokens, text = batch
    seen, optimizer = [], torch.optim.SGD(model.transformer.parameters(), lr=0.0)
    numbers = tokens_step(model, optimizer, tokens, text, noise=Noise(0, 1), backward=lambda loss: (seen.append(loss), loss.backward()))
    noise = Noise(0, 1)
    share, u = (math.pi / 2 * noise.uniform(4)).cos(), noise.uniform(4, 4, 4)
    where = (u < share[:, None, None]) | (u == u.amin(dim=(1, 2), keepdim=True))
    assert where.flatten(1).any(dim=1).all()
    logits = model(tokens.masked_fill(where, model.hidden), model.told(text), where)
    torch.testing.assert_close(numbers["loss"], functional.cross_entropy(logits, tokens[where]).detach())
    torch.testing.assert_close(seen[0], numbers["loss"] * where.sum() / 64 * math.pi / 2)


def test_a_batch_in_pieces_is_the_batch(batch):
    model, tokens, text = batch
    seen, optimizer = [], torch.optim.SGD(model.transformer.parameters(), lr=0.0)
    step = partial(tokens_step, model, optimizer, words_dropout=0.5, backward=lambda loss: (seen.append(loss.detach()), loss.backward()))
    step(tokens, text, noise=Noise(0, 1))
    for part in range(2):
        step(tokens.chunk(2)[part], text.chunk(2)[part], noise=Noise(0, 1, part, 2))
    torch.testing.assert_close((seen[1] + seen[2]) / 2, seen[0])


def test_dropped_words_are_those_of_no_caption(batch):
    model, tokens, text = batch
    step = partial(tokens_step, model, torch.optim.SGD(model.transformer.parameters(), lr=0.0), tokens, words_dropout=1.0)
    first, second = step(text, noise=Noise(0, 1)), step(text.flip(0), noise=Noise(0, 1))
    torch.testing.assert_close(first["loss"], second["loss"])


def test_tokens_are_learnt_by_their_words(batch):
    model, _, text = batch
    model.transformer.requires_grad_(True)
    tokens = torch.arange(4)[:, None, None].expand(4, 4, 4)
    optimizer = torch.optim.Adam(model.transformer.parameters(), lr=0.01)
    for k in range(200):
        tokens_step(model, optimizer, tokens, text, noise=Noise(0, k))
    *_, (_, _, drawn) = model._moments(4, 0, ["apple", "red fox", "red", "fox"], 4, 1.0, 0.0)
    assert (drawn == tokens).float().mean() > 0.9
