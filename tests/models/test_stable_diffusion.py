"""Stable Diffusion behind the same `sample`, on pipelines of random weights and tiny width."""

import gc
import hashlib
import json
import threading

import pytest
import torch
from pipelines import sample, tiny_pipeline
from refusals import code_of
from safetensors.torch import load_file

import genart_hub
from genart_hub.errors import GenartError
from genart_hub.models.stable_diffusion.pipeline import StableDiffusion


def threads() -> int:
    return sum(thread.name == "denoise" for thread in threading.enumerate())


def test_a_diffusers_folder_loads_as_a_model_of_the_diffusion_family(pipeline, pipeline_folder):
    assert (pipeline.family, pipeline.channels, pipeline.image_size, pipeline.latent_channels) == ("diffusion", 3, 16, 4)
    assert (pipeline.class_names, pipeline.num_classes) == ((), 0)
    assert pipeline.source.name == "tiny-sd"
    on_disk = sum(tensor.numel() for file in pipeline_folder.rglob("*.safetensors") for tensor in load_file(file).values())
    assert pipeline.num_parameters == on_disk


def test_the_weights_hash_is_that_of_all_weight_files_names_and_hashes(pipeline, pipeline_folder):
    lines = [
        f"{hashlib.sha256((pipeline_folder / name).read_bytes()).hexdigest()}  {name}\n"
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


def test_denoise_draws_the_moments_that_are_asked_for_and_ends_as_sample(pipeline):
    film = list(pipeline.denoise(2, 3, prompt="red", num_steps=4, moments=lambda total: {0, 2, total}))
    assert [step for step, *_ in film] == [0, 2, 4]
    every = list(pipeline.denoise(2, 3, prompt="red", num_steps=4))
    assert torch.equal(film[1][2], every[2][2])
    assert torch.equal(film[2][2], pipeline.sample(2, 3, prompt="red", num_steps=4))


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

    model = StableDiffusion(tiny_pipeline(scheduler=EulerDiscreteScheduler(prediction_type="v_prediction", steps_offset=1)))
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


def test_loading_and_sampling_print_nothing_and_leave_the_libraries_as_they_were(pipeline_folder, capfd):
    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging as of_transformers

    def settings():
        return [(library.get_verbosity(), library.is_progress_bar_enabled()) for library in (of_diffusers, of_transformers)]

    before, long = settings(), "a prompt that is longer than sixteen letters are"
    model = genart_hub.from_pretrained(pipeline_folder)
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


@pytest.mark.parametrize("num_steps", [2, 999, 1000])
def test_no_step_of_a_linspace_schedule_comes_twice(num_steps):
    from diffusers import DPMSolverMultistepScheduler

    scheduler = StableDiffusion(tiny_pipeline(scheduler=DPMSolverMultistepScheduler(steps_offset=1)))._pipe(num_steps).scheduler
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
