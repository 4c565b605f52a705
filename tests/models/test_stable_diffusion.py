"""Stable Diffusion behind the same `sample`, on pipelines of random weights and tiny width."""

import copy
import gc
import hashlib
import json
import shutil
import threading

import pytest
import torch
from pipelines import save_tiny_pipeline, tiny_pipeline
from refusals import code_of
from safetensors.torch import load_file

import genart_hub
from genart_hub import devices
from genart_hub.devices import dtype_on
from genart_hub.errors import GenartError
from genart_hub.models.stable_diffusion.estimate import estimate
from genart_hub.models.stable_diffusion.loading import place
from genart_hub.models.stable_diffusion.pipeline import StableDiffusion


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The folder of a pipeline that makes pictures of 16x16 px."""
    return save_tiny_pipeline(tmp_path_factory.mktemp("diffusion") / "tiny-sd")


@pytest.fixture(scope="module")
def pipeline(saved):
    return genart_hub.from_pretrained(saved)


def sample(pipeline, n=1, seed=0, prompt="red fox", **options):
    return pipeline.sample(n, seed, prompt=prompt, **{"num_steps": 2} | options)


def threads() -> int:
    return sum(thread.name == "denoise" for thread in threading.enumerate())


def test_a_diffusers_folder_loads_as_a_model_of_the_diffusion_family(pipeline, saved):
    assert (pipeline.family, pipeline.channels, pipeline.image_size, pipeline.latent_channels) == ("diffusion", 3, 16, 4)
    assert (pipeline.class_names, pipeline.num_classes) == ((), 0)
    assert pipeline.source.name == "tiny-sd"
    on_disk = sum(tensor.numel() for file in saved.rglob("*.safetensors") for tensor in load_file(file).values())
    assert pipeline.num_parameters == on_disk


def test_the_weights_hash_is_that_of_all_weight_files_names_and_hashes(pipeline, saved):
    lines = [
        f"{hashlib.sha256((saved / name).read_bytes()).hexdigest()}  {name}\n"
        for name in (
            "text_encoder/model.safetensors",
            "unet/diffusion_pytorch_model.safetensors",
            "vae/diffusion_pytorch_model.safetensors",
        )
    ]
    assert pipeline.source.sha256 == hashlib.sha256("".join(lines).encode()).hexdigest()


def test_pictures_have_their_shape_and_range(pipeline):
    x = sample(pipeline, 2)
    assert (x.shape, x.dtype) == ((2, 3, 16, 16), torch.float32)
    assert x.abs().max() <= 1
    assert x.min() < 0 < x.max()


@pytest.mark.parametrize(("size", "shape"), [(24, (24, 24)), ((8, 32), (8, 32)), ([16, 8], (16, 8))])
def test_a_size_is_height_and_width(pipeline, size, shape):
    assert sample(pipeline, size=size).shape == (1, 3, *shape)


def test_picture_k_is_the_picture_of_seed_plus_k(pipeline):
    x = sample(pipeline, 3, seed=40)
    for k in range(3):
        torch.testing.assert_close(sample(pipeline, 1, seed=40 + k)[0], x[k], rtol=0, atol=1e-4)
    assert not torch.allclose(x[0], x[1], atol=1e-2)


def test_with_a_list_picture_k_has_prompt_k(pipeline):
    prompts = ["red fox", "blue", "苹果"]
    x = sample(pipeline, 3, seed=4, prompt=prompts, negative_prompt="grey")
    for k, prompt in enumerate(prompts):
        alone = sample(pipeline, 1, seed=4 + k, prompt=prompt, negative_prompt="grey")
        torch.testing.assert_close(alone[0], x[k], rtol=0, atol=1e-4)


def test_the_same_seed_gives_the_same_picture_whatever_the_global_generator_says(pipeline):
    torch.manual_seed(1)
    x = sample(pipeline, 1, 7)
    torch.manual_seed(2)
    assert torch.equal(sample(pipeline, 1, 7), x)


def test_prompt_negative_prompt_and_guidance_change_the_picture(pipeline):
    x = sample(pipeline)
    for other in (sample(pipeline, prompt="blue"), sample(pipeline, negative_prompt="blue"), sample(pipeline, guidance=1.0)):
        assert not torch.equal(other, x)


def test_each_step_is_told(pipeline):
    steps = []
    sample(pipeline, on_step=lambda step, num_steps: steps.append((step, num_steps)))
    assert steps == [(1, 2), (2, 2)]


def test_what_on_step_raises_ends_the_call_and_comes_out(pipeline):
    steps = []

    def stop(step, num_steps):
        steps.append(step)
        raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        sample(pipeline, num_steps=5, on_step=stop)
    assert steps == [1]


# ---- from noise to picture ----


def test_denoise_goes_from_pure_noise_to_the_picture_of_sample(pipeline):
    moments = list(pipeline.denoise(2, 3, prompt="red", num_steps=4))
    assert [(step, num_steps) for step, num_steps, _ in moments] == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
    assert all(x.shape == (2, 3, 16, 16) and x.dtype == torch.float32 and x.abs().max() <= 1 for *_, x in moments)
    assert torch.equal(moments[-1][2], pipeline.sample(2, 3, prompt="red", num_steps=4))
    noise = torch.cat([torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(3 + k)) for k in range(2)])
    vae = pipeline.pipeline.vae
    with torch.no_grad():
        expected = vae.decode(noise / vae.config.scaling_factor).sample.clamp(-1, 1)
    torch.testing.assert_close(moments[0][2], expected)
    assert not torch.equal(moments[1][2], moments[2][2])


@pytest.mark.parametrize("end", ["close", "drop", "exception"])
def test_a_generator_that_is_left_makes_no_further_step_and_leaves_no_thread(pipeline, monkeypatch, end):
    forwards, forward = [], pipeline.pipeline.unet.forward
    monkeypatch.setattr(pipeline.pipeline.unet, "forward", lambda *args, **options: (forwards.append(1), forward(*args, **options))[1])
    moments = pipeline.denoise(prompt="red", num_steps=50)
    for step, _, _ in moments:
        if step == 2:
            break
    if end == "close":
        moments.close()
    elif end == "exception":
        with pytest.raises(KeyError):
            moments.throw(KeyError("x"))
    del moments
    gc.collect()
    assert threads() == 0
    assert len(forwards) == 2


def test_a_generator_that_was_never_read_starts_nothing(pipeline):
    pipeline.denoise(prompt="red").close()
    assert threads() == 0


def test_an_exception_of_the_pipeline_comes_out_of_the_generator(pipeline, monkeypatch):
    def broken(*arguments, **options):
        raise RuntimeError("out of everything")

    monkeypatch.setattr(pipeline.pipeline.unet, "forward", broken)
    with pytest.raises(RuntimeError, match="out of everything"):
        list(pipeline.denoise(prompt="red", num_steps=3))
    assert threads() == 0


def test_a_request_that_makes_no_sense_is_refused_before_the_generator_is_read(pipeline):
    assert code_of(lambda: pipeline.denoise(prompt="")) == "empty_prompt"


def test_two_calls_that_overlap_do_not_disturb_each_other(pipeline):
    alone = [x for *_, x in pipeline.denoise(prompt="red", num_steps=3)]
    between = []
    for k, (*_, x) in enumerate(pipeline.denoise(prompt="red", num_steps=3)):
        sample(pipeline, num_steps=5)
        between.append(x)
        assert torch.equal(x, alone[k])
    assert len(between) == 4


def test_latents_of_a_scheduler_that_scales_its_noise_are_shown_at_their_own_scale():
    from diffusers import EulerDiscreteScheduler

    model = StableDiffusion(tiny_pipeline(scheduler=EulerDiscreteScheduler(prediction_type="v_prediction")))
    shown = []
    model._decode = lambda latents: shown.append(latents.std().item()) or latents
    list(model.denoise(4, prompt="red", num_steps=10))
    assert len(shown) == 10
    assert all(0.3 < std < 2 for std in shown)  # the scheduler's own begin at about 14


# ---- from a picture ----


def picture(n=1, height=16, width=16):
    return torch.rand(n, 3, height, width, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_img2img_picture_k_is_that_of_seed_plus_k(pipeline):
    x = picture()
    made = pipeline.img2img(x, 2, 5, prompt="red", num_steps=4)
    assert (made.shape, made.dtype) == ((2, 3, 16, 16), torch.float32)
    torch.testing.assert_close(pipeline.img2img(x[0], 1, 6, prompt="red", num_steps=4)[0], made[1], rtol=0, atol=1e-4)
    assert not torch.equal(pipeline.img2img(-x, 1, 5, prompt="red", num_steps=4)[0], made[0])


def test_the_strength_is_the_share_of_the_steps_and_one_is_always_made(pipeline):
    for strength, num_steps, expected in ((0.5, 4, [(1, 2), (2, 2)]), (0.6, 1, [(1, 1)]), (1, 2, [(1, 2), (2, 2)])):
        steps = []
        options = {"strength": strength, "num_steps": num_steps, "on_step": lambda *step: steps.append(step)}  # noqa: B023
        pipeline.img2img(picture(), prompt="red", **options)
        assert steps == expected


def test_a_picture_of_another_shape_keeps_it(pipeline):
    assert pipeline.img2img(picture(1, 8, 24), prompt="red", num_steps=2).shape == (1, 3, 8, 24)


def test_img2img_works_on_sixteen_latent_channels():
    model = StableDiffusion(tiny_pipeline(latent_channels=16))
    assert model.latent_channels == 16
    assert model.img2img(picture(), prompt="red", num_steps=2).shape == (1, 3, 16, 16)
    with pytest.raises(GenartError, match="4 latent channels, .* has 16.*img2img") as error:
        model.inpaint(picture(), torch.ones(16, 16), prompt="red")
    assert error.value.code == "four_channels"


def test_inpaint_keeps_every_pixel_outside_the_mask(pipeline):
    x, mask = picture(), torch.zeros(16, 16)
    mask[4:12, 2:9] = 1
    made = pipeline.inpaint(x, mask, 2, 5, prompt="red", num_steps=4)
    outside = (mask == 0).expand(2, 3, -1, -1)
    torch.testing.assert_close(made[outside], x.expand(2, -1, -1, -1)[outside], rtol=0, atol=1e-6)
    assert (made - x).abs()[~outside].max() > 0.1
    torch.testing.assert_close(pipeline.inpaint(x, mask[None, None].bool(), 1, 6, prompt="red", num_steps=4)[0], made[1], rtol=0, atol=1e-4)


def test_the_other_pipelines_hold_no_second_copy_of_any_tensor(pipeline):
    of_ours = {tensor.data_ptr() for tensor in tensors(pipeline.pipeline)}
    for kind in (None, "AutoPipelineForImage2Image", "AutoPipelineForInpainting"):
        assert {tensor.data_ptr() for tensor in tensors(pipeline._pipe(2, kind))} == of_ours


def tensors(pipe):
    return [p for part in pipe.components.values() if isinstance(part, torch.nn.Module) for p in part.state_dict().values()]


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda model: model.img2img(picture(3), 2, prompt="a"), "bad_images"),
        (lambda model: model.img2img(picture()[:, :1], prompt="a"), "bad_images"),
        (lambda model: model.img2img("x.png", prompt="a"), "no_images"),
        (lambda model: model.img2img(picture(1, 16, 12), prompt="a"), "bad_side"),
        (lambda model: model.img2img(picture(), prompt="a", strength=0), "out_of_range"),
        (lambda model: model.img2img(picture(), prompt="a", strength=1.1), "out_of_range"),
        (lambda model: model.inpaint(picture(), torch.ones(8, 8), prompt="a"), "bad_mask"),
        (lambda model: model.inpaint(picture(), torch.ones(2, 1, 16, 16), prompt="a"), "bad_mask"),
        (lambda model: model.inpaint(picture(), torch.ones(1, 1, 1, 16, 16), prompt="a"), "bad_mask"),
        (lambda model: model.inpaint(picture(), "left", prompt="a"), "bad_mask"),
    ],
)
def test_a_picture_or_a_mask_that_does_not_fit_is_refused(pipeline, call, code):
    assert code_of(lambda: call(pipeline)) == code


# ---- the request ----


def test_loading_and_sampling_print_nothing_and_leave_the_libraries_as_they_were(saved, capfd):
    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging as of_transformers

    def settings():
        return [(library.get_verbosity(), library.is_progress_bar_enabled()) for library in (of_diffusers, of_transformers)]

    before, long = settings(), "a prompt that is longer than sixteen letters are"
    model = genart_hub.from_pretrained(saved)
    x = sample(model, prompt=long)
    model.img2img(x, prompt=long, num_steps=2)
    model.inpaint(x, torch.ones(16, 16), prompt=long, num_steps=2)
    list(model.denoise(prompt=long, num_steps=2))
    model.unread(long)
    assert capfd.readouterr() == ("", "")
    assert settings() == before


@pytest.mark.parametrize("prompt", ["👍🏽👩‍👩‍👧", "一个 red 苹果", "a" * 2000, "half an emoji \ud83d", "\x00"])
def test_any_text_is_a_prompt(pipeline, prompt):
    assert sample(pipeline, prompt=prompt).isfinite().all()


def test_unread_is_the_end_that_does_not_fit_between_start_and_end(pipeline):
    assert pipeline.unread("abcdefghijklmn") == ""  # 14 tokens, and both ends make 16
    assert pipeline.unread("abcdefghijklmnop") == "op"
    assert pipeline.unread("苹果苹果苹果") == "苹果"  # three bytes each: of the fifth, two are read


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"prompt": ""}, "empty_prompt"),
        ({"prompt": "  \n"}, "empty_prompt"),
        ({"prompt": None}, "empty_prompt"),
        ({"prompt": ["a", ""], "n": 2}, "empty_prompt"),
        ({"prompt": ["a", "b"]}, "prompt_count"),
        ({"prompt": "a" * 2001}, "long_prompt"),
        ({"prompt": "a", "negative_prompt": "a" * 2001}, "long_prompt"),
        ({"prompt": "a", "num_steps": 0}, "out_of_range"),
        ({"prompt": "a", "num_steps": 1001}, "out_of_range"),
        ({"prompt": "a", "guidance": -1}, "out_of_range"),
        ({"prompt": "a", "guidance": 51}, "out_of_range"),
        ({"prompt": "a", "guidance": float("nan")}, "not_number"),
        ({"prompt": "a", "n": 0}, "too_small"),
        ({"prompt": "a", "n": 10**9}, "too_large"),
        ({"prompt": "a", "seed": -1}, "out_of_range"),
        ({"prompt": "a", "size": 0}, "out_of_range"),
        ({"prompt": "a", "size": (16, 16, 16)}, "not_whole"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(pipeline, options, code):
    assert code_of(lambda: pipeline.sample(**options)) == code


def test_a_side_that_is_no_multiple_of_eight_is_told_the_nearest_that_are(pipeline):
    with pytest.raises(GenartError, match="width .* got 20. Use 16 or 24"):
        pipeline.sample(prompt="a", size=(16, 20))


@pytest.mark.parametrize("guidance", [0, 50])
def test_the_ends_of_the_range_of_guidance_work(pipeline, guidance):
    assert sample(pipeline, guidance=guidance).isfinite().all()


def cosine():
    from diffusers import DPMSolverMultistepScheduler

    settings = {"prediction_type": "v_prediction", "timestep_spacing": "trailing", "steps_offset": 1}
    return DPMSolverMultistepScheduler(beta_schedule="squaredcos_cap_v2", **settings)


@pytest.mark.parametrize("scheduler", [None, cosine], ids=["DDIM with an offset", "DPM-Solver++ on the cosine schedule"])
def test_as_many_steps_as_the_schedule_has_work(scheduler, monkeypatch):
    model, steps = StableDiffusion(tiny_pipeline(scheduler=scheduler and scheduler())), []
    monkeypatch.setattr(model.pipeline.unet, "forward", lambda x, *arguments, **options: (x * 0.1,))
    x = model.sample(prompt="a", num_steps=1000, on_step=lambda *step: steps.append(step))
    assert x.isfinite().all()
    assert (len(steps), steps[-1]) == (1000, (1000, 1000))


def test_pictures_that_the_safety_checker_blanks_are_named(monkeypatch):
    model = StableDiffusion(tiny_pipeline())
    monkeypatch.setattr(model.pipeline, "run_safety_checker", lambda x, device, dtype: (x, [False, True, True]))
    sample(model, 3)
    assert model.blanked == (1, 2)
    monkeypatch.undo()
    sample(model)
    assert model.blanked == ()


def test_a_recipe_says_all_that_was_asked_and_whose_weights_they_are(pipeline):
    recipe = pipeline.recipe(7, 2, prompt="red", guidance=3.0, size=(16, 24), columns=2)
    asked = {"seed": 7, "n": 2, "prompt": "red", "num_steps": 20, "guidance": 3.0, "negative_prompt": None, "size": [16, 24]}
    assert asked.items() <= recipe.items()
    assert (recipe["model"], recipe["weights_sha256"], recipe["columns"]) == ("tiny-sd", pipeline.source.sha256, 2)
    assert json.loads(json.dumps(recipe)) == recipe


# ---- whose weights they are, and saving ----


def other_scheduler(pipe):
    from diffusers import DPMSolverMultistepScheduler

    pipe.scheduler = DPMSolverMultistepScheduler.from_config(pipe.scheduler.config)


def other_unet(pipe):
    pipe.unet = copy.deepcopy(pipe.unet)
    torch.nn.init.normal_(pipe.unet.conv_out.weight)


def put_lora_in(pipe):
    """As peft does it: layers beside a weight."""
    pipe.unet.conv_in.lora_A = torch.nn.Linear(2, 2)


def melt_lora_in(pipe):
    """As peft does it: past the counter of a tensor's changes."""
    pipe.unet.conv_in.weight.data += 0.1


CHANGES = {
    "a LoRA": put_lora_in,
    "a LoRA that is melted in": melt_lora_in,
    "a LoRA in the text encoder": lambda pipe: torch.nn.init.normal_(pipe.text_encoder.get_input_embeddings().weight),
    "the autoencoder's weights": lambda pipe: torch.nn.init.zeros_(pipe.vae.decoder.conv_out.bias),
    "another network": other_unet,
    "another scheduler": other_scheduler,
    "the scheduler's settings": lambda pipe: pipe.scheduler.register_to_config(prediction_type="v_prediction"),
    "the autoencoder's scale": lambda pipe: pipe.vae.register_to_config(scaling_factor=1.0),
    "a new word": lambda pipe: pipe.tokenizer.add_tokens(["newword"]),
    "FreeU": lambda pipe: pipe.enable_freeu(s1=0.9, s2=0.2, b1=1.5, b2=1.6),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_recipe_names_no_weights_once_the_pipeline_was_changed(saved, change):
    model = genart_hub.from_pretrained(saved)
    assert model.is_current()
    change(model.pipeline)
    assert not model.is_current()
    recipe = model.recipe(0, prompt="red")
    assert (recipe["model"], recipe["weights_sha256"], recipe["revision"]) == ("StableDiffusionPipeline", None, None)


def test_what_makes_no_other_picture_leaves_the_recipe_as_it_is(saved):
    model = genart_hub.from_pretrained(saved)
    x = sample(model)
    model.img2img(x, prompt="red", num_steps=2)
    list(model.denoise(prompt="red", num_steps=2))
    pipe = model.pipeline
    pipe.enable_attention_slicing()
    pipe.vae.enable_tiling()
    pipe.unet.requires_grad_(False).train().eval()
    pipe.unet = torch.compile(pipe.unet)
    assert model.recipe(0, prompt="red")["weights_sha256"] == model.source.sha256


def test_a_changed_pipeline_is_saved_as_it_is_and_comes_back(saved, tmp_path):
    model = genart_hub.from_pretrained(shutil.copytree(saved, tmp_path / "sd"))
    melt_lora_in(model.pipeline)
    other_scheduler(model.pipeline)
    model.defaults = {"num_steps": 3, "guidance": 2.0}
    model.save_pretrained(tmp_path / "sd")  # over what it was loaded from
    again = genart_hub.from_pretrained(tmp_path / "sd")
    assert again.is_current()
    assert again.defaults == model.defaults
    assert torch.equal(sample(again), sample(model))


def test_adapters_are_not_saved_under_names_that_nobody_can_load(saved, tmp_path):
    model = genart_hub.from_pretrained(saved)
    put_lora_in(model.pipeline)
    with pytest.raises(GenartError, match=r"conv_in\.lora_A.*fuse_lora") as error:
        model.save_pretrained(tmp_path / "sd")
    assert error.value.code == "has_adapters"
    assert not (tmp_path / "sd").exists()


def test_a_save_that_fails_midway_leaves_the_old_pipeline(saved, tmp_path, monkeypatch):
    folder = shutil.copytree(saved, tmp_path / "sd")
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    model = genart_hub.from_pretrained(folder)
    torch.nn.init.zeros_(model.pipeline.vae.decoder.conv_out.bias)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(model.pipeline.unet, "save_pretrained", full)  # the autoencoder is written before it
    with pytest.raises(GenartError, match=r"sd could not be written \(No space left on device\)"):
        model.save_pretrained(folder)
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before


def test_a_place_that_is_a_file_cannot_hold_a_pipeline(pipeline, tmp_path):
    (tmp_path / "taken").write_text("a file")
    assert code_of(lambda: pipeline.save_pretrained(tmp_path / "taken")) == "cannot_write"


def test_the_pieces_of_a_save_before_do_not_stay_beside_the_new_one(saved, tmp_path):
    folder = shutil.copytree(saved, tmp_path / "sd")
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    model = genart_hub.from_pretrained(saved)
    model.pipeline.unet.save_pretrained(folder / "unet", max_shard_size="10KB")
    (folder / "unet" / "notes.txt").write_text("mine")
    melt_lora_in(model.pipeline)
    model.save_pretrained(folder)
    assert sorted(file.name for file in (folder / "unet").iterdir()) == ["config.json", "diffusion_pytorch_model.safetensors", "notes.txt"]
    assert torch.equal(sample(genart_hub.from_pretrained(folder)), sample(model))


# ---- loading ----


def test_the_defaults_come_from_sampling_json_or_from_the_name(saved, tmp_path):
    assert genart_hub.from_pretrained(saved).defaults == {"num_steps": 20, "guidance": 7.5}
    turbo = shutil.copytree(saved, tmp_path / "my-Turbo")
    assert genart_hub.from_pretrained(turbo).defaults == {"num_steps": 1, "guidance": 0.0}
    (turbo / "sampling.json").write_text('{"num_steps": 3, "guidance": 4}')
    model, steps = genart_hub.from_pretrained(turbo), []
    assert model.defaults == {"num_steps": 3, "guidance": 4.0}
    x = model.sample(prompt="red", on_step=lambda *step: steps.append(step))
    assert steps[-1] == (3, 3)
    assert torch.equal(x, model.sample(prompt="red", num_steps=3, guidance=4))


@pytest.mark.parametrize("text", ["{", "[]", '{"num_steps": 0}', '{"guidance": "much"}'])
def test_a_broken_sampling_json_is_refused(saved, tmp_path, text):
    folder = shutil.copytree(saved, tmp_path / "broken")
    (folder / "sampling.json").write_text(text)
    with pytest.raises(GenartError, match=r"sampling\.json"):
        genart_hub.from_pretrained(folder)


def leave_out_unet(folder):
    shutil.rmtree(folder / "unet")


def leave_out_the_tokenizer(folder):
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | {"tokenizer": [None, None]}))


def keep_only_a_pickle(folder):
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    torch.save({}, folder / "unet" / "diffusion_pytorch_model.bin")


def write_index(text):
    return lambda folder: (folder / "model_index.json").write_text(text)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (write_index("{"), "Expecting property name"),
        (write_index("[]"), "it is a list"),
        (write_index('{"_class_name": "NoSuchPipeline"}'), "it is a NoSuchPipeline"),
        (write_index('{"_class_name": "DDPMPipeline", "_diffusers_version": "0.30"}'), "it is a DDPMPipeline"),
        (lambda folder: rename_class(folder, "StableDiffusionInpaintPipeline"), "it is a StableDiffusionInpaintPipeline"),
        (lambda folder: rename_class(folder, ["my_code", "MyPipeline"]), "it is a .*my_code"),
        (leave_out_unet, "its part unet is missing"),
        (leave_out_the_tokenizer, "its part tokenizer is missing"),
        (lambda folder: (folder / "vae" / "diffusion_pytorch_model.safetensors").unlink(), "its part vae is missing or incomplete"),
        (lambda folder: (folder / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(b"cut"), "."),
        (lambda folder: (folder / "unet" / "config.json").write_text("{}"), "sample_size"),
        (keep_only_a_pickle, r"only unet/diffusion_pytorch_model\.bin, a pickle"),
    ],
)
def test_a_broken_pipeline_is_refused_in_one_line_that_says_why(saved, tmp_path, spoil, reason):
    spoil(shutil.copytree(saved, tmp_path / "broken"))
    with pytest.raises(GenartError, match=rf"broken is no Stable Diffusion pipeline .*{reason}") as error:
        genart_hub.from_pretrained(tmp_path / "broken")
    assert error.value.code == "not_pipeline"
    assert "\n" not in str(error.value)


def rename_class(folder, name):
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | {"_class_name": name}))


def test_too_little_memory_is_told_before_anything_is_loaded(saved, monkeypatch):
    monkeypatch.setattr(devices, "free_memory", lambda device: 1_000)
    monkeypatch.setattr("diffusers.DiffusionPipeline.from_pretrained", lambda *arguments, **options: pytest.fail("it was loaded"))
    with pytest.raises(GenartError, match="needs about .* GB of memory, and 0.00 GB are free") as error:
        genart_hub.from_pretrained(saved)
    assert error.value.code == "too_little_memory"


def test_the_precision_follows_the_device():
    assert dtype_on("cpu", False) == torch.float32
    assert dtype_on("cuda", True) == torch.bfloat16
    assert dtype_on("cuda", False) == torch.float16
    assert dtype_on("mps", False) == torch.float16


@pytest.mark.parametrize("dtype", ["float16", torch.int8])
def test_a_precision_that_is_none_is_refused(saved, dtype):
    assert code_of(lambda: genart_hub.from_pretrained(saved, dtype=dtype)) == "not_choice"


def test_a_pipeline_is_spread_out_only_where_a_gpu_is_too_small():
    assert place(needed=6, weights=4, free=6) == "whole"
    assert place(needed=6, weights=4, free=5) == "slices"
    assert place(needed=6, weights=4, free=4) == "offload"


def test_half_precision_weights_run_in_float32_on_the_cpu_and_take_twice_their_bytes(tmp_path):
    pipe = tiny_pipeline()
    pipe.to(dtype=torch.float16).save_pretrained(tmp_path / "half")
    model = genart_hub.from_pretrained(tmp_path / "half")
    assert {part.dtype for part in (model.pipeline.unet, model.pipeline.vae, model.pipeline.text_encoder)} == {torch.float32}
    assert genart_hub.from_pretrained(tmp_path / "half", dtype=torch.float16).pipeline.unet.dtype == torch.float16
    assert estimate(tmp_path / "half").memory_bytes == 4 * model.num_parameters + 8 * 8 * 16 * 16 * 4


# ---- what it will take ----


def test_a_folders_estimate_is_its_weights_in_the_devices_precision_and_room_to_work(saved, pipeline, monkeypatch):
    monkeypatch.setattr(devices, "operations_a_second", lambda: 1e6)
    found = estimate(saved)
    assert (found.name, found.download_bytes) == ("tiny-sd", 0)
    assert found.memory_bytes == 4 * pipeline.num_parameters + 8 * 8 * 16 * 16 * 4  # eight maps of 8 channels
    unet = sum(parameter.numel() for parameter in pipeline.pipeline.unet.parameters())
    assert found.seconds_per_picture == pytest.approx(0.3 * 2 * 20 * 2 * unet * 8 * 8 / 1e6, rel=0.05)
    assert 1e6 < found.free_bytes < 1e14


def test_the_estimate_of_what_is_no_pipeline_is_refused(gan, tmp_path):
    assert code_of(lambda: estimate(gan.save_pretrained(tmp_path / "gan"))) == "not_pipeline"


def test_a_container_has_what_its_limit_leaves(tmp_path):
    for name, text in (("max", "1000"), ("current", "700"), ("stat", "anon 400\nfile 250\n")):
        (tmp_path / f"memory.{name}").write_text(text)
    assert devices._left_in_container(tmp_path) == 1000 - 700 + 250
    (tmp_path / "memory.max").write_text("max")
    assert devices._left_in_container(tmp_path) > 2**60


# ---- what is damaged, and what comes near a limit ----


def test_a_text_encoder_cut_midway_is_a_sentence(saved, tmp_path):
    folder = shutil.copytree(saved, tmp_path / "cut")
    file = folder / "text_encoder" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])
    assert code_of(lambda: genart_hub.from_pretrained(folder)) == "not_pipeline"


def test_a_tokenizer_without_its_words_is_refused(saved, tmp_path):
    folder = shutil.copytree(saved, tmp_path / "wordless")
    for file in (folder / "tokenizer").iterdir():
        if file.name != "tokenizer_config.json":
            file.unlink()
    with pytest.raises(GenartError, match="its part tokenizer is missing or incomplete"):
        genart_hub.from_pretrained(folder)


def test_a_configuration_that_is_a_list_is_refused(saved, tmp_path):
    folder = shutil.copytree(saved, tmp_path / "listed")
    (folder / "vae" / "config.json").write_text("[]")
    assert code_of(lambda: genart_hub.from_pretrained(folder)) == "not_pipeline"


@pytest.mark.parametrize("num_steps", [2, 999, 1000])
def test_no_step_of_a_linspace_schedule_comes_twice(num_steps):
    from diffusers import DPMSolverMultistepScheduler

    scheduler = StableDiffusion(tiny_pipeline(scheduler=DPMSolverMultistepScheduler()))._pipe(num_steps).scheduler
    scheduler.set_timesteps(num_steps)
    assert len(set(scheduler.timesteps.tolist())) == num_steps


def test_a_latent_is_painted_anew_where_any_of_its_pixels_is(pipeline, monkeypatch):
    x, mask, told = picture(), torch.zeros(16, 16), []
    mask[1, 1] = 1  # diffusers looks at the first pixel of each latent
    run = pipeline._run
    monkeypatch.setattr(pipeline, "_run", lambda pipe, options, on_latents: told.append(options) or run(pipe, options, on_latents))
    pipeline.inpaint(x, mask, 1, 5, prompt="red", num_steps=2)
    scale = pipeline.pipeline.vae_scale_factor
    assert told[0]["mask_image"].nonzero()[:, 2:].tolist() == [[y, x] for y in range(scale) for x in range(scale)]


def test_a_blank_negative_prompt_is_none(pipeline):
    assert torch.equal(sample(pipeline, negative_prompt=" "), sample(pipeline))


def test_a_recipe_can_be_written_whatever_the_prompt(pipeline):
    recipe = pipeline.recipe(0, prompt="half \ud83d", negative_prompt="\ud83d")
    assert (recipe["prompt"], recipe["negative_prompt"]) == ("half ?", "?")
