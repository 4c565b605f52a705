"""Training models that read words: captions in, the parts of a pipeline taken over, and a run that was cut goes on to the bit."""

import io
import json
from functools import partial

import pytest
import torch
from PIL import Image
from pyarrow import Table, parquet
from refusals import code_of
from safetensors.torch import load_file
from torch import Tensor

import genart_hub
from genart_hub import losses
from genart_hub.errors import GenartError
from genart_hub.train import train
from genart_hub.train.noise import Noise
from genart_hub.train.text_gan import TextGANSettings, shifted, text_gan_step
from genart_hub.train.text_vae import TextVAESettings, text_vae_step

NAMES = (("red apple", "红苹果"), ("rocket", "火箭"), ("cat", "猫"))
ARGUMENTS = {
    "TextVAE": {"latent_dim": 3, "width": 2, "told_dim": 4, "hidden_dim": 8},
    "TextGAN": {"latent_dim": 3, "widths": [8, 8], "hidden_dim": 8, "num_blocks": 1},
}
COMMON = {"epochs": 3, "batch_size": 4, "lr": 1e-3, "ema": 0.9, "captions": ("text", "text_zh"), "style": "style"}
each = pytest.mark.parametrize("name", ARGUMENTS)


@pytest.fixture(scope="session")
def captioned(tmp_path_factory):
    """Twelve pictures of 16 px with names in two languages, a style and a concept."""
    levels = torch.randint(0, 256, (12, 16, 16, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    contents = [io.BytesIO() for _ in levels]
    for one, content in zip(levels, contents, strict=True):
        Image.fromarray(one.numpy()).save(content, format="PNG")
    table = {
        "image": [{"bytes": content.getvalue(), "path": None} for content in contents],
        "text": [NAMES[k % 3][0] for k in range(12)],
        "text_zh": [NAMES[k % 3][1] for k in range(12)],
        "style": ["noto" if k % 2 else "blob" for k in range(12)],
        "label": [NAMES[k % 3][0] for k in range(12)],
    }
    parquet.write_table(Table.from_pydict(table), file := tmp_path_factory.mktemp("captioned") / "train.parquet")
    return file


@pytest.fixture
def settings(pipeline_folder):
    kinds = {"TextVAE": TextVAESettings, "TextGAN": partial(TextGANSettings, alone=2, r1_every=2)}
    return lambda name, **changes: kinds[name](**COMMON | {"words_from": str(pipeline_folder)} | changes)


def states(folder):
    return {file.name: load_file(file) for file in sorted(folder.glob("*.safetensors"))}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[file][key], b[file][key]) for file in a for key in a[file])


@each
@pytest.mark.slow
def test_a_run_that_was_cut_goes_on_to_the_bit(name, captioned, tmp_path, settings):
    options = {"size": 16, "seed": 5, "progress": False, "arguments": ARGUMENTS[name]}
    train(name, captioned, tmp_path / "whole", settings(name), **options)
    for step, _ in genart_hub.train.train_steps(name, captioned, tmp_path / "cut", settings(name), **options):
        if step == 4:
            break
    train(name, captioned, tmp_path / "cut", settings(name), resume=True, **options)
    assert same(states(tmp_path / "whole"), states(tmp_path / "cut"))


@each
@pytest.mark.slow
def test_the_folder_of_a_run_loads_alone_and_knows_its_words(name, captioned, tmp_path, settings, pipeline_folder):
    train(name, captioned, tmp_path / "run", settings(name), size=16, progress=False, arguments=ARGUMENTS[name])
    model, pipeline = genart_hub.from_pretrained(tmp_path / "run"), genart_hub.from_pretrained(pipeline_folder).pipeline
    assert model.sample(2, prompt=["red apple", "红苹果, noto style"]).shape == (2, 3, 16, 16)
    assert model.knows("red rocket, blob style")
    assert model.knows("dog").unknown == ("dog",)
    for key, value in pipeline.text_encoder.state_dict().items():
        assert torch.equal(model.words.encoder.state_dict()[key], value)
    tokens = pipeline.tokenizer(["red cat"], padding="max_length", max_length=16, return_tensors="pt").input_ids
    assert torch.equal(model.words.tokens(["red cat"]), tokens)
    assert json.loads((tmp_path / "run" / "training.json").read_text())["recipe"]["captions"] == ["text", "text_zh"]


def test_the_features_of_the_captions_are_normalised(captioned, tmp_path, settings):
    train("TextVAE", captioned, tmp_path / "run", settings("TextVAE"), size=16, progress=False, arguments=ARGUMENTS["TextVAE"])
    model = genart_hub.from_pretrained(tmp_path / "run")
    texts = [
        f"{name}{end}" for names in NAMES for name in names for style in ("noto", "blob")
        for end in ("", f"，{style} 风格" if ord(name[0]) > 0x3400 else f", {style} style")
    ]  # fmt: skip
    words = model.words(texts)
    torch.testing.assert_close(words.mean(dim=0), torch.zeros(8), rtol=0, atol=1e-4)
    torch.testing.assert_close(words.std(dim=0), torch.ones(8), rtol=0, atol=0.03)


def test_the_decoder_is_that_of_the_pipeline_and_is_not_trained(captioned, tmp_path, settings, pipeline_folder):
    train("TextGAN", captioned, tmp_path / "run", settings("TextGAN"), size=16, progress=False, arguments=ARGUMENTS["TextGAN"])
    vae = genart_hub.from_pretrained(pipeline_folder).pipeline.vae
    z = torch.randn(2, 4, 8, 8)
    torch.testing.assert_close(genart_hub.from_pretrained(tmp_path / "run").picture(z), vae.decode(z).sample)


@each
def test_a_model_without_a_text_encoder_has_no_words_to_give(name, captioned, tmp_path, settings, tiny):
    folder = tiny(genart_hub.MODELS["GAN"]).save_pretrained(tmp_path / "gan")
    call = partial(train, name, captioned, tmp_path / "run", settings(name, words_from=str(folder)), size=16, progress=False)
    assert code_of(call) == "no_words_from"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("changes", "code"), [({"captions": ("name",)}, "no_column"), ({"style": "name"}, "no_column")])
def test_a_column_that_there_is_not_is_refused(changes, code, captioned, tmp_path, settings):
    call = partial(train, "TextVAE", captioned, tmp_path / "run", settings("TextVAE", **changes), size=16, progress=False)
    assert code_of(call) == code


def test_a_run_with_other_captions_is_another_run(captioned, tmp_path, settings):
    options = {"size": 16, "progress": False, "arguments": ARGUMENTS["TextVAE"]}
    train("TextVAE", captioned, tmp_path / "run", settings("TextVAE"), **options)
    with pytest.raises(GenartError, match="captions"):
        train("TextVAE", captioned, tmp_path / "run", settings("TextVAE", captions=("text",), epochs=4), resume=True, **options)


# ---- the steps ----


@pytest.mark.parametrize("by", [(0, 0), (1, 0), (-1, 1)])
def test_latents_are_shifted_by_whole_cells_with_their_border(by):
    x = torch.arange(16.0).view(1, 1, 4, 4)
    moved = shifted(x, torch.tensor([by]))
    rows, columns = ((torch.arange(4) - step).clamp(0, 3) for step in by)
    assert torch.equal(moved, x[:, :, rows][:, :, :, columns])


def test_before_the_game_the_discriminator_is_left_alone(tiny):
    gan = tiny(genart_hub.MODELS["TextGAN"]).train()
    before = {key: value.clone() for key, value in gan.state_dict().items()}
    adam = [
        torch.optim.Adam(module.parameters(), lr=0.01) for module in (torch.nn.ModuleList([gan.generator, gan.encoder]), gan.discriminator)
    ]
    x, words = torch.randn(4, *gan.latent_shape), torch.randn(4, 8)
    numbers = text_gan_step(gan, *adam, x, words, noise=Noise(0, 3), alone=4)
    changed = {key.partition(".")[0] for key, value in gan.state_dict().items() if not torch.equal(value, before[key])}
    assert (set(numbers), changed) == ({"error", "kl"}, {"generator", "encoder"})
    text_gan_step(gan, *adam, x, words, noise=Noise(0, 4), alone=4)
    changed = {key.partition(".")[0] for key, value in gan.state_dict().items() if not torch.equal(value, before[key])}
    assert changed == {"generator", "encoder", "discriminator"}


def test_a_reconstruction_is_learnt(tiny):
    gan = tiny(genart_hub.MODELS["TextGAN"]).train()
    made = torch.nn.ModuleList([gan.generator, gan.encoder])
    adam = [torch.optim.Adam(module.parameters(), lr=0.01) for module in (made, gan.discriminator)]
    x, words = torch.randn(4, *gan.latent_shape), torch.randn(4, 8)
    errors = [text_gan_step(gan, *adam, x, words, noise=Noise(0, k), alone=200, kl=0.0, words_noise=0.0)["error"] for k in range(150)]
    assert errors[-1] < errors[0] / 2


def test_a_vae_s_step_minimises_minus_its_elbo(tiny):
    vae, x, words = tiny(genart_hub.MODELS["TextVAE"]).train(), torch.rand(4, 1, 8, 8) * 2 - 1, torch.randn(4, 8)
    seen: list[Tensor] = []
    optimizer = torch.optim.SGD(vae.parameters(), lr=0.0)
    numbers = text_vae_step(
        vae, optimizer, x, words, noise=Noise(0, 1), beta=2.0, backward=lambda loss: (seen.append(loss), loss.backward())
    )
    eps = Noise(0, 1).normal(4, 4)
    mu, logvar = vae.encode(x)
    z = mu + (0.5 * logvar).exp() * eps
    kl = losses.kl_of_gaussians(mu, logvar, *vae.prior_of(words)).mean()
    reconstruction = vae.nll(vae.decode(z, words), x).mean()
    torch.testing.assert_close(numbers, {"reconstruction": reconstruction, "kl": kl})
    torch.testing.assert_close(seen[0], reconstruction + 2 * kl)


def test_hidden_words_are_those_of_no_caption(tiny):
    vae, x = tiny(genart_hub.MODELS["TextVAE"]).train(), torch.rand(4, 1, 8, 8) * 2 - 1
    step = partial(text_vae_step, vae, torch.optim.SGD(vae.parameters(), lr=0.0), x, words_dropout=1.0)
    assert step(torch.randn(4, 8), noise=Noise(0, 1)) == step(torch.zeros(4, 8), noise=Noise(0, 1))
