"""The autoencoder of codes: rounding, tokens and back, and what is refused."""

import itertools
import math

import pytest
import torch
from refusals import code_of

import genart_hub
from genart_hub.models.vqvae import VQVAE


@pytest.fixture
def vqvae(tiny):
    return tiny(VQVAE)  # levels 3 and 2: six codes; 2 x 2 tokens


def pictures(n=3):
    return torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_every_code_comes_back_as_its_number(vqvae):
    tokens = torch.arange(6)[:, None, None].expand(6, 2, 2)
    codes = vqvae.codes_of(tokens)
    assert codes.shape == (6, 2, 2, 2)
    assert torch.equal(vqvae.tokens_of(codes), tokens)
    assert len({tuple(code) for code in codes[:, :, 0, 0].tolist()}) == 6


def test_all_codes_of_the_default_levels_are_reached_by_some_encoding():
    vqvae = VQVAE(width=2, num_blocks=1)
    centres = [torch.linspace(-1, 1, count).clamp(-0.999, 0.999).atanh() for count in vqvae.levels]
    z = torch.tensor(list(itertools.product(*centres)))[:, :, None, None]
    tokens = vqvae.tokens_of(vqvae.quantise(z).detach()).flatten()
    assert sorted(tokens.tolist()) == list(range(1000))


def test_numbers_are_rounded_to_the_nearest_level(vqvae):
    z = torch.tensor([[-0.9, -0.1], [-0.4, 0.1], [0.4, 0.3], [0.6, -2.0]]).atanh().nan_to_num(nan=-9.0)[:, :, None, None]
    expected = torch.tensor([[-1.0, -1.0], [0.0, 1.0], [0.0, 1.0], [1.0, -1.0]])
    torch.testing.assert_close(vqvae.quantise(z)[:, :, 0, 0], expected)


def test_the_gradient_passes_the_rounding_as_it_is(vqvae):
    z = torch.randn(2, 2, 3, 3, requires_grad=True)
    vqvae.quantise(z).sum().backward()
    torch.testing.assert_close(z.grad, 1 - z.detach().tanh().square())


def test_a_reconstruction_is_the_picture_of_the_tokens_and_always_the_same(vqvae):
    x = pictures()
    tokens = vqvae.encode_tokens(x)
    assert (tokens.shape, tokens.dtype) == ((3, 2, 2), torch.int64)
    assert torch.equal(vqvae.reconstruct(x), vqvae.decode_tokens(tokens).detach())
    assert torch.equal(vqvae.reconstruct(x), vqvae.reconstruct(x))
    x_hat, same = vqvae(x)
    assert torch.equal(same, tokens)
    torch.testing.assert_close(x_hat.clamp(-1, 1), vqvae.reconstruct(x))


@pytest.mark.parametrize("value", [-1, 6, 10**12])
def test_codes_out_of_range_are_refused(vqvae, value):
    assert code_of(lambda: vqvae.decode_tokens(torch.tensor([[[0, 1], [value, 2]]]))) == "code_out_of_range"


@pytest.mark.parametrize(
    "tokens", [[[0]], torch.zeros(1, 2, 2), torch.zeros(2, 2, dtype=torch.int64), torch.zeros(1, 3, 2, dtype=torch.int64)]
)
def test_what_is_no_grid_of_tokens_is_refused(vqvae, tokens):
    assert code_of(lambda: vqvae.decode_tokens(tokens)) == "bad_tokens"


@pytest.mark.parametrize("levels", [[], [1], [8, 0], [2] * 9, [300, 300], "8", [2.5]])
def test_wild_levels_are_refused(tiny, levels):
    assert code_of(lambda: tiny(VQVAE, levels=levels)) in ("bad_levels", "not_sizes")


def test_it_samples_by_seeds_and_takes_nothing_else(vqvae):
    x = vqvae.sample(3, 5)
    assert (x.shape, vqvae.inputs, vqvae.reconstructs) == ((3, 1, 8, 8), (), True)
    torch.testing.assert_close(vqvae.sample(1, 7), x[2:], rtol=0, atol=1e-6)


def test_a_folder_says_what_it_has_and_reconstructs_the_same(vqvae, tmp_path):
    loaded = genart_hub.from_pretrained(vqvae.save_pretrained(tmp_path / "codes"))
    assert (loaded.levels, loaded.num_codes, loaded.side) == ((3, 2), 6, 2)
    assert torch.equal(loaded.reconstruct(pictures()), vqvae.reconstruct(pictures()))


def test_the_default_has_a_thousand_codes_and_few_parameters():
    vqvae = VQVAE()
    assert (vqvae.num_codes, vqvae.side) == (math.prod((8, 5, 5, 5)), 16)
    assert vqvae.num_parameters < 1_600_000
