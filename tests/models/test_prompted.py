"""Models that draw from words in one pass: what they promise, how they are saved, and what is refused."""

import json

import pytest
import torch
from refusals import code_of

import genart_hub
from genart_hub import images, remake
from genart_hub.hub.names import CONFIG, NAMES
from genart_hub.models.text_gan import TextGAN
from genart_hub.models.text_vae import TextVAE
from genart_hub.models.words import TOKENIZER

CLASSES = [TextVAE, TextGAN]
each = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)


@pytest.fixture
def saved(request, tiny, tmp_path):
    def save(cls):
        return tiny(cls).save_pretrained(tmp_path / cls.__name__)

    return save


@each
def test_it_says_what_it_takes(cls, tiny):
    model = tiny(cls)
    assert model.inputs == ("prompt", "truncation")
    assert model.task == "text-to-image"
    assert model.defaults == {"truncation": 1.0}


@each
def test_picture_k_is_that_of_seed_plus_k(cls, tiny):
    model = tiny(cls)
    x = model.sample(3, seed=5, prompt="red fox")
    assert x.shape == (3, 1, 8, 8)
    assert x.dtype == torch.float32
    assert x.abs().max() <= 1
    torch.testing.assert_close(model.sample(1, seed=7, prompt="red fox"), x[2:], rtol=0, atol=1e-6)
    assert torch.equal(model.sample(3, seed=5, prompt=["red fox"] * 3), x)


@each
def test_words_change_the_picture(cls, tiny):
    model = tiny(cls)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.5, generator=torch.Generator().manual_seed(parameter.numel()))
    fox, apple = model.sample(2, prompt=["red fox", "apple"]), model.sample(2, prompt=["apple", "apple"])
    assert not torch.allclose(fox[0], apple[0])
    assert torch.allclose(fox[1], apple[1])


@each
def test_truncation_scales_the_latents(cls, tiny):
    model = tiny(cls)
    torch.testing.assert_close(model.latents(2, 3, 0.5), model.latents(2, 3) / 2)
    assert code_of(lambda: model.sample(1, prompt="apple", truncation=0)) == "bad_truncation"


@each
def test_sampling_reads_no_global_generator(cls, tiny):
    model = tiny(cls)
    torch.manual_seed(1)
    before, x = torch.get_rng_state(), model.sample(2, prompt="apple")
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(model.sample(2, prompt="apple"), x)


@each
def test_a_folder_loads_alone_with_its_tokenizer_and_names(cls, tiny, saved):
    folder, model = saved(cls), tiny(cls)
    assert {TOKENIZER, NAMES} <= {file.name for file in folder.iterdir()}
    loaded = genart_hub.from_pretrained(folder)
    assert torch.equal(loaded.sample(2, 1, prompt="apple"), model.sample(2, 1, prompt="apple"))
    assert loaded.knows("red cat").unknown == ("cat",)
    assert loaded.unread("a" * 20) == "a" * 6


@each
@pytest.mark.parametrize("name", [TOKENIZER, NAMES])
def test_a_folder_without_one_of_its_files_is_refused(cls, saved, name):
    folder = saved(cls)
    (folder / name).unlink()
    assert code_of(lambda: genart_hub.from_pretrained(folder)) == "no_file_beside"


@each
@pytest.mark.parametrize(
    ("prompt", "code"),
    [
        ("qwzx", "unknown_words"),
        ("苹", "unknown_words"),
        ("!", "unknown_words"),
        ("", "empty_prompt"),
        (["apple", "qwzx"], "unknown_words"),
    ],
)
def test_a_prompt_without_a_known_word_is_told_near_ones(cls, tiny, prompt, code):
    n = len(prompt) if isinstance(prompt, list) else 1
    assert code_of(lambda: tiny(cls).sample(n, prompt=prompt)) == code


@each
def test_a_listing_says_the_same_as_the_model(cls, saved):
    folder = saved(cls)
    model, outline = genart_hub.from_pretrained(folder), cls.outline(folder)
    assert outline["num_parameters"] == model.num_parameters
    assert (outline["image_size"], outline["channels"]) == (model.image_size, model.channels)
    assert outline["inputs"] == ["n", "seed", *model.inputs]
    assert outline["classes"] == []


@each
def test_a_picture_is_made_again_by_its_recipe(cls, saved, tmp_path):
    model = genart_hub.from_pretrained(saved(cls))
    recipe = model.recipe(4, 2, prompt=["apple", "red fox"], truncation=0.5)
    picture = images.grid(model.sample(2, 4, prompt=["apple", "red fox"], truncation=0.5))
    again, *_ = remake.remake(images.save_png(picture, tmp_path / "a.png", recipe), lambda place: model)
    assert again.tobytes() == picture.tobytes()


@each
def test_the_embedding_of_a_prompt_gives_its_picture(cls, tiny):
    model = tiny(cls)
    x = model.sample_embedded(model.embed(["apple", "red fox"]), 3, truncation=0.5)
    torch.testing.assert_close(x[:1], model.sample(1, 3, prompt="apple", truncation=0.5))
    torch.testing.assert_close(x[1:], model.sample(1, 3, prompt="red fox", truncation=0.5))


@each
def test_wild_sizes_in_a_config_are_refused(cls, saved):
    folder = saved(cls)
    config = json.loads((folder / CONFIG).read_text())
    config["text"]["num_hidden_layers"] = 10**9
    (folder / CONFIG).write_text(json.dumps(config))
    assert code_of(lambda: genart_hub.from_pretrained(folder)) == "config_refused"


@pytest.mark.parametrize("widths", [[], [8] * 9, [2048], [6], [0]])
def test_a_decoder_of_wild_widths_is_refused(tiny, widths):
    assert code_of(lambda: tiny(TextGAN, decoder_widths=widths)) in ("bad_decoder_widths", "not_sizes")


def test_a_gan_without_what_only_training_needs_draws_the_same(tiny, tmp_path):
    model = tiny(TextGAN)
    small = genart_hub.from_pretrained(model.drawing_only().save_pretrained(tmp_path / "small"))
    assert torch.equal(small.sample(2, 1, prompt="apple"), model.sample(2, 1, prompt="apple"))
    assert small.num_parameters < model.num_parameters
    assert not hasattr(small, "discriminator")


def test_a_vae_s_reconstruction_is_always_the_same_and_needs_no_words(tiny):
    model = tiny(TextVAE)
    x = torch.rand(2, 1, 8, 8) * 2 - 1
    assert torch.equal(model.reconstruct(x), model.reconstruct(x))
    assert model.reconstruct(x).shape == x.shape


def test_a_vae_s_kl_is_zero_where_the_prior_is_the_posterior():
    from genart_hub.losses import kl_of_gaussians, kl_to_standard_normal

    mu, logvar = torch.randn(4, 3), torch.randn(4, 3)
    torch.testing.assert_close(kl_of_gaussians(mu, logvar, mu, logvar), torch.zeros(4))
    zeros = torch.zeros(4, 3)
    torch.testing.assert_close(kl_of_gaussians(mu, logvar, zeros, zeros), kl_to_standard_normal(mu, logvar))
    ours = kl_of_gaussians(mu, logvar, zeros + 0.5, zeros - 1)
    p, q = (torch.distributions.Normal(m, (0.5 * v).exp()) for m, v in ((mu, logvar), (zeros + 0.5, zeros - 1)))
    torch.testing.assert_close(ours, torch.distributions.kl_divergence(p, q).sum(dim=1))
