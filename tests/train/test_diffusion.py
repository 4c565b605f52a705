"""Text-to-image training in stages: each step is its formula, a cut stage goes on to the same bits, and diffusers loads the result."""

import io
import json
import math
import os
import shutil
import signal
import sys
from dataclasses import replace
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import genart_hub
from genart_hub import data
from genart_hub.cli import main
from genart_hub.errors import GenartError
from genart_hub.files import only_one
from genart_hub.train import Settings
from genart_hub.train.latent_diffusion import latents, networks, stages, steps
from genart_hub.train.latent_diffusion.latents import CaptionedLatents
from genart_hub.train.latent_diffusion.stages import train_diffusion
from genart_hub.train.latent_diffusion.steps import autoencoder_step, diffusion_step
from genart_hub.train.noise import Noise

NAMES = (("red apple", "红苹果"), ("rocket", "火箭"), ("cat", "猫"))
SHORT = Settings(epochs=3, batch_size=4, lr=1e-3, ema=0.9)
TINY = {"captions": ("text", "text_zh"), "style": "style", "balance": "text", "widths": (8, 8), "unet_widths": (32,), "latent_channels": 4}


@pytest.fixture(scope="module")
def captioned(tmp_path_factory):
    """Twelve noisy pictures of 8 x 8 with names in two languages and a style."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet as writer

    file = tmp_path_factory.mktemp("captioned") / "train.parquet"
    levels = torch.randint(0, 256, (12, 8, 8, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    contents = [io.BytesIO() for _ in levels]
    for one, content in zip(levels, contents, strict=True):
        Image.fromarray(one.numpy()).save(content, format="PNG")
    table = {"image": [{"bytes": content.getvalue(), "path": None} for content in contents]}
    table |= {"text": [NAMES[k % 3][0] for k in range(12)], "text_zh": [NAMES[k % 3][1] for k in range(12)]}
    table |= {"empty": [None, " "] * 6, "gaps": ["a", None] * 6}
    writer.write_table(pyarrow.table(table | {"style": [("noto", "blob")[k % 2] for k in range(12)]}), file)
    return file


def run(path, out, stages=stages.STAGES, **options):
    settings = dict.fromkeys(("autoencoder", "decoder", "denoiser"), SHORT)
    changes = {name: options.pop(name) for name in ("batch_size", "lr") if name in options}
    settings["denoiser"] = replace(SHORT, **changes)
    options = TINY | {"size": 8, "progress": False, "seed": 3} | options
    return train_diffusion(path, out, stages, settings, **options)


@pytest.fixture
def no_training(monkeypatch):
    """No stage may begin."""

    def begin(*arguments):
        raise AssertionError("a stage has begun")

    monkeypatch.setattr(stages, "_train_autoencoder", begin)


@pytest.fixture(scope="module")
def trained(captioned, tmp_path_factory):
    return run(captioned, tmp_path_factory.mktemp("run") / "tiny-sd")


@pytest.mark.slow
def test_the_stages_make_a_pipeline_that_diffusers_loads(trained, capfd):
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(trained)
    assert type(pipeline) is StableDiffusionPipeline
    assert "dtype" not in capfd.readouterr().err
    assert {pipeline.unet.dtype, pipeline.vae.dtype, pipeline.text_encoder.dtype} == {torch.float32}
    assert pipeline("红苹果", num_inference_steps=2, output_type="pt").images.shape == (1, 3, 8, 8)


def test_the_pipeline_is_a_model_like_any_other_and_takes_half_the_bytes_on_disk(trained):
    pipeline = genart_hub.from_pretrained(trained)
    assert (pipeline.family, pipeline.image_size) == ("diffusion", 8)
    for part in ("unet", "vae", "text_encoder"):
        (file,) = (trained / part).glob("*.safetensors")
        assert {tensor.dtype for tensor in load_file(file).values() if tensor.is_floating_point()} == {torch.float16}


@pytest.mark.slow
def test_a_stage_that_was_cut_goes_on_to_the_same_bits(captioned, trained, tmp_path, monkeypatch):
    step, calls = steps.diffusion_step, []

    def cut(*arguments, **options):
        calls.append(len(calls))
        if len(calls) == 5:
            os.kill(os.getpid(), signal.SIGINT)
        return step(*arguments, **options)

    monkeypatch.setattr(stages, "diffusion_step", cut)
    with pytest.raises(KeyboardInterrupt):
        run(captioned, tmp_path / "cut")
    assert len(calls) == 5
    monkeypatch.setattr(stages, "diffusion_step", step)
    run(captioned, tmp_path / "cut", resume=True)
    for part in ("unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model", "text_encoder/model"):
        whole, resumed = (load_file(folder / f"{part}.safetensors") for folder in (trained, tmp_path / "cut"))
        assert all(torch.equal(whole[key], resumed[key]) for key in whole)


def test_the_decoder_goes_on_and_the_encoder_stays(trained):
    first, second = (load_file(trained / "stages" / stage / "diffusion_pytorch_model.safetensors") for stage in ("vae", "decoder"))
    changed = {key.split(".")[0] for key in first if not torch.equal(first[key], second[key])}
    assert changed == {"decoder", "post_quant_conv"}


def test_latents_have_mean_0_and_variance_1_in_each_channel(trained):
    latents = load_file(trained / "stages" / "latents.safetensors")
    mean, std = latents["mean"], latents["std"]
    torch.testing.assert_close(mean.mean(dim=(0, 2, 3)), torch.zeros(4), atol=1e-4, rtol=0)
    torch.testing.assert_close(mean.var(dim=(0, 2, 3)) + std.square().mean(dim=(0, 2, 3)), torch.ones(4), atol=1e-3, rtol=0)


def test_normalising_shifts_and_scales_the_latents_and_changes_no_picture():
    torch.manual_seed(0)
    autoencoder, x = networks.Autoencoder(4, (8, 8), 8), torch.randn(2, 3, 8, 8)
    x_hat, mu, logvar = autoencoder(x)
    mean, std = torch.tensor([1.0, -2.0, 0.5, 0.0]), torch.tensor([2.0, 0.5, 1.0, 3.0])
    autoencoder.normalise(mean, std)
    x_hat_after, mu_after, logvar_after = autoencoder(x)
    torch.testing.assert_close(x_hat_after, x_hat, atol=1e-5, rtol=0)
    torch.testing.assert_close(mu_after, (mu - mean.view(-1, 1, 1)) / std.view(-1, 1, 1), atol=1e-5, rtol=0)
    torch.testing.assert_close((logvar_after / 2).exp(), (logvar / 2).exp() / std.view(-1, 1, 1), atol=1e-5, rtol=1e-5)


def test_no_channel_is_normalised_by_itself():  # a picture's colours are what its channels have in all, and would go
    norms = [module for module in networks.Autoencoder().modules() if isinstance(module, torch.nn.GroupNorm)]
    assert min(norm.num_channels // norm.num_groups for norm in norms) == 4


class Answers(torch.nn.Module):
    """A denoiser that keeps what it is asked and answers with one number everywhere."""

    def __init__(self, answer=0.0):
        super().__init__()
        self.answer, self.asked = torch.nn.Parameter(torch.tensor(answer)), None

    def forward(self, z_t, t, tokens):
        self.asked = z_t.detach(), t, tokens
        return self.answer.expand_as(z_t)


@pytest.mark.parametrize("alpha_squared", [0.0, 0.36, 1.0])
def test_the_diffusion_step_predicts_v_of_the_noised_latents(alpha_squared):
    model, z, tokens = Answers(0.5), torch.randn(8, 2, 4, 4), torch.zeros(8, 3, dtype=torch.long)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    logged = diffusion_step(model, optimizer, z, tokens, noise=Noise(1, 2), alphas_cumprod=torch.full((10,), alpha_squared))
    alpha, sigma = alpha_squared**0.5, (1 - alpha_squared) ** 0.5
    twin = Noise(1, 2)
    t, eps = twin.integers(0, 9, 8), twin.normal(8, 2, 4, 4)
    assert torch.equal(model.asked[1], t)
    torch.testing.assert_close(model.asked[0], alpha * z + sigma * eps)
    v = alpha * eps - sigma * z
    assert logged["loss"].item() == pytest.approx((0.5 - v).square().mean().item(), rel=1e-5)


@pytest.mark.parametrize("name", ["DPMSolverMultistepScheduler", "DDIMScheduler", "UniPCMultistepScheduler"])
def test_the_scheduler_and_those_made_of_its_config_find_the_latents_that_a_perfect_denoiser_knows(name):
    import diffusers

    scheduler = getattr(diffusers, name).from_config(networks.make_scheduler().config)
    z = 3 * torch.randn(1, 4, 8, 8)  # beyond 1, where DDIM cuts unless it is told
    assert scheduler.alphas_cumprod[-1] < 1e-4  # nothing is left of a picture at the end
    scheduler.set_timesteps(10)
    z_t = torch.randn(1, 4, 8, 8)
    for t in scheduler.timesteps:
        alpha, sigma = scheduler.alphas_cumprod[t].sqrt(), (1 - scheduler.alphas_cumprod[t]).sqrt()
        eps = (z_t - alpha * z) / sigma
        z_t = scheduler.step(alpha * eps - sigma * z, t, z_t).prev_sample
    torch.testing.assert_close(z_t, z, atol=1e-3, rtol=0)


@pytest.mark.parametrize(("colours", "hues"), [((1, 1, 1), 0.0), ((1, 0, 0), 2 / 45 + 2 / 450)])
def test_the_autoencoder_step_adds_errors_their_squares_the_edges_the_hues_and_the_kl(colours, hues):
    seen, x, share = {}, torch.zeros(1, 3, 2, 2), sum(colours) / 3
    x_hat = torch.tensor(colours).view(1, 3, 1, 1) * torch.tensor([[0.0, 0.2], [0.0, 0.2]]).expand(1, 3, 2, 2).clone().requires_grad_()
    mu, logvar = torch.full((1, 1, 1, 2), 3.0), torch.zeros(1, 1, 1, 2)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.0)
    step = {"noise": Noise(0, 0), "latent_shape": (1, 1, 2), "kl_weight": 0.1, "chroma_weight": 2.0}
    logged = autoencoder_step(lambda x, eps: (x_hat, mu, logvar), optimizer, x, **step, backward=lambda loss: seen.update(loss=loss.item()))
    # |e|: 0.1; e^2: 0.02; edges: none down, 0.2 across, 0.1 on average; KL: 9 / 2 for each of the latent's numbers.
    # red alone: a third of these; its hue is off by 0.2 (2/3, -1/3, -1/3) in half of the pixels: |c| 2/45 and c^2 1/225 on average
    assert seen["loss"] == pytest.approx(share * (0.1 + 0.02 + 0.1) + 2.0 * hues + 0.1 * 4.5)
    assert logged["psnr"].item() == pytest.approx(10 * math.log10(4 / (share * 0.02)), abs=1e-3)


def captioned_latents(pictures, batch_size=4, processes=1):
    mean, std, tokens = torch.zeros(12, 1, 2, 2), torch.ones(12, 1, 2, 2), torch.arange(48).view(12, 4, 1)
    accelerator = SimpleNamespace(device="cpu", num_processes=processes)
    return CaptionedLatents(pictures, mean, std, tokens, torch.tensor([-1]), batch_size, 0, accelerator)


def test_batches_vary_the_captions_and_drop_a_tenth(captioned):
    batches = captioned_latents(data.load(captioned), 12)
    drawn = torch.cat([batches[k][1] for k in range(400)]).flatten()
    assert (drawn == -1).float().mean().item() == pytest.approx(0.1, abs=0.02)
    assert torch.bincount(drawn[drawn >= 0] % 4).float().div(0.9 * len(drawn)).tolist() == pytest.approx([0.25] * 4, abs=0.03)


def test_the_processes_of_a_run_share_the_batch_of_one(captioned):
    pictures = data.load(captioned)
    whole, cut = captioned_latents(pictures)[7], captioned_latents(pictures, processes=2)
    for k in range(2):
        assert torch.equal(torch.cat([cut.part(7, 0)[k], cut.part(7, 1)[k]]), whole[k])


def test_the_tokenizer_can_write_any_text():
    tokenizer = networks.train_tokenizer(text for several in NAMES for text in several)
    for text in ("red apple", "红苹果", "🦊", "naïve ☂ x²", "яблоко"):
        ids = tokenizer(text).input_ids
        assert tokenizer.decode(ids, skip_special_tokens=True).replace(" ", "") == text.replace(" ", "")
        assert tokenizer.eos_token_id not in ids[:-1]
    assert len(tokenizer("red apple").input_ids) == 4  # both words were learnt, between start and end


@pytest.mark.parametrize(
    ("text", "style", "captions"),
    [
        ("red apple", "noto", ["red apple", "red apple, noto style"]),
        ("红苹果", "blob", ["红苹果", "红苹果，blob 风格"]),
        ("cat", None, ["cat", "cat"]),
    ],
)
def test_a_caption_may_name_its_style_in_its_language(text, style, captions):
    assert networks.captions_of(text, style) == captions


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"captions": ("name",)}, "no_column"),
        ({"captions": ("text", "empty")}, "missing_captions"),
        ({"captions": ()}, "too_small"),
        ({"style": "artist"}, "no_column"),
        ({"balance": "artist"}, "no_column"),
        ({"balance": "gaps"}, "missing_labels"),
        ({"kl_weight": "much"}, "not_number"),
        ({"widths": (6, 8)}, "config_refused"),
        ({"unet_widths": (48,)}, "config_refused"),
        ({"unet_widths": ()}, "not_sizes"),
        ({"batch_size": 13}, "few_pictures"),
        ({"stages": ("autoencoder", "pipeline")}, "no_stage"),
    ],
)
def test_what_a_later_stage_needs_is_missed_before_the_first_one_runs(captioned, tmp_path, no_training, options, code):
    with pytest.raises(GenartError) as error:
        run(captioned, tmp_path / "new", **options)
    assert error.value.code == code
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
def test_each_stage_tells_a_tracker_and_one_that_is_not_installed_is_missed_before_the_first(captioned, tmp_path, monkeypatch):
    tracker = Mock()
    run(captioned, tmp_path / "told", ["autoencoder"], trackers=[tracker])
    names = [name for name, *_ in tracker.method_calls]
    assert (names[0], names[-1]) == ("start", "finish")
    assert "log_images" in names
    assert "psnr" in tracker.log.call_args_list[0].args[0]
    monkeypatch.setitem(sys.modules, "wandb", None)
    words = ["train-diffusion", "--data", captioned, "--out", tmp_path / "refused", "--tracker", "wandb"]
    assert main([str(word) for word in words]) == 1
    assert not (tmp_path / "refused").exists()


def test_a_folder_that_takes_no_file_is_told_before_the_first_stage_runs(captioned, tmp_path, no_training):
    (tmp_path / "file").write_text("")
    with pytest.raises(GenartError, match="file could not be written"):
        run(captioned, tmp_path / "file")


def test_the_tokenizer_is_learnt_before_the_first_stage_runs(captioned, tmp_path, no_training, monkeypatch):
    with pytest.raises(AssertionError, match="a stage has begun"):
        run(captioned, tmp_path / "new")
    assert (tmp_path / "new" / "stages" / "tokenizer" / "tokenizer.json").is_file()
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(GenartError, match="needs the package tokenizers"):
        run(captioned, tmp_path / "other")


@pytest.mark.parametrize(
    ("options", "what"),
    [({"captions": ("text",)}, "captions"), ({"style": None}, "style"), ({"unet_widths": (64,)}, "widths"), ({"lr": 0.5}, "lr")],
)
def test_a_later_stage_of_another_run_is_told_before_an_earlier_one_goes_on(captioned, trained, no_training, options, what):
    with pytest.raises(GenartError) as error:
        run(captioned, trained, resume=True, **options)
    assert (error.value.code, error.value.values["what"]) == ("other_run", what)
    assert error.value.values["path"].endswith("denoiser")


def test_pictures_of_another_size_than_the_autoencoder_s_are_told(captioned, trained, tmp_path):
    shutil.copytree(trained / "stages" / "vae", tmp_path / "new" / "stages" / "vae")
    with pytest.raises(GenartError, match="another size .8, now 16."):
        run(captioned, tmp_path / "new", ("denoiser",), size=16)


def test_classes_of_a_table_are_captions_styles_and_balance_by_their_names(captioned, tmp_path):
    from pyarrow import parquet

    table = parquet.read_table(captioned).select(["image"]).append_column("shape", [[k % 2 for k in range(12)]])
    features = {"shape": {"names": ["disc", "box"], "_type": "ClassLabel"}}
    table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    parquet.write_table(table, tmp_path / "shapes.parquet")
    pictures = data.load(tmp_path / "shapes.parquet")
    assert latents._captions(pictures, ["shape"], "shape")[:2] == [["disc", "disc, disc style"], ["box", "box, box style"]]
    run(tmp_path / "shapes.parquet", tmp_path / "out", ("autoencoder",), captions=("shape",), style="shape", balance="shape")
    about = json.loads((tmp_path / "out" / "stages" / "autoencoder" / "training.json").read_text())
    assert about["settings"]["balance"] == "shape"


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"size": 9}, "not_multiple"),
        ({"stages": ("encoder",)}, "not_choice"),
        ({"stages": ("denoiser",)}, "no_stage"),
        ({"stages": ("decoder",)}, "no_stage"),
        ({"stages": ("pipeline",)}, "no_stage"),
    ],
)
def test_what_cannot_be_trained_is_refused(captioned, tmp_path, options, code):
    with pytest.raises(GenartError) as error:
        run(captioned, tmp_path / "new", **options)
    assert error.value.code == code


def test_a_stage_is_not_overwritten(captioned, trained):
    with pytest.raises(GenartError) as error:
        run(captioned, trained)
    assert error.value.code == "run_exists"


def test_a_second_training_into_the_same_folder_is_refused_and_writing_the_pipeline_is_not(captioned, trained):
    with only_one(trained):
        with pytest.raises(GenartError) as error:
            run(captioned, trained, ("decoder",), resume=True)
        run(captioned, trained, ("pipeline",))
    assert error.value.code == "run_in_use"


def test_what_was_measured_of_other_weights_is_set_aside_when_a_pipeline_is_written(captioned, trained, tmp_path, capsys):
    out = shutil.copytree(trained, tmp_path / "sd")
    (out / "evaluation.json").write_text("{}")
    stages.write_pipeline(out)
    assert (out / "evaluation.json").is_file()  # the same weights
    file = out / "stages" / "denoiser" / "unet" / "diffusion_pytorch_model.safetensors"
    save_file({key: value + 1 for key, value in load_file(file).items()}, file, metadata={"format": "pt"})
    stages.write_pipeline(out)
    assert not (out / "evaluation.json").exists()
    assert "evaluation.json measured the weights of before; it is evaluation.1.json now" in capsys.readouterr().err


def test_writing_a_pipeline_removes_what_a_killed_one_left(trained, tmp_path):
    out = shutil.copytree(trained, tmp_path / "sd")
    left = out / ".genart-saving-abcdefgh"
    (left / "unet").mkdir(parents=True)
    before = sorted(file.relative_to(out) for file in out.rglob("*") if left not in (file, *file.parents))
    stages.write_pipeline(out)
    assert sorted(file.relative_to(out) for file in out.rglob("*")) == before


def test_the_command_trains_and_says_what(captioned, tmp_path, monkeypatch, capsys):
    asked = {}
    monkeypatch.setattr(stages, "train_diffusion", lambda *a, **k: asked.update(k, given=a))
    words = f"train-diffusion --data {captioned} --out {tmp_path / 'sd'} --stage denoiser --caption text --caption text_zh --style style"
    assert main([*words.split(), "--epochs", "denoiser=7", "--batch-size", "denoiser=32", "--lr", "decoder=0.1"]) == 0
    _, out, chosen, settings = asked["given"]
    assert (out, chosen, asked["captions"], asked["style"]) == (str(tmp_path / "sd"), ["denoiser"], ["text", "text_zh"], "style")
    assert (settings["denoiser"].epochs, settings["denoiser"].batch_size, settings["decoder"].lr) == (7, 32, 0.1)
    assert str(tmp_path) not in asked["command"]
    assert main([*words.split(), "--epochs", "unet=7"]) == 1
    assert "autoencoder" in capsys.readouterr().err
