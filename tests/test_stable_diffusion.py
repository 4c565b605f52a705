"""Stable Diffusion behind the same `sample`, on a pipeline of random weights and tiny width."""

import json
import shutil

import pytest
import torch

import genart_hub
from genart_hub.errors import GenartError


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The folder of a pipeline that makes pictures of 8x8 px."""
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    folder = tmp_path_factory.mktemp("diffusion")
    letters = [letter + end for end in ("", "</w>") for letter in "abcdefghijklmnopqrstuvwxyz"]
    (folder / "vocab.json").write_text(json.dumps({word: k for k, word in enumerate(["<|startoftext|>", "<|endoftext|>", *letters])}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    down, up = ("DownEncoderBlock2D",) * 2, ("UpDecoderBlock2D",) * 2
    torch.manual_seed(0)
    StableDiffusionPipeline(
        vae=AutoencoderKL(block_out_channels=(8, 8), norm_num_groups=4, down_block_types=down, up_block_types=up, sample_size=8),
        text_encoder=CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(letters) + 2,
                hidden_size=8,
                intermediate_size=8,
                num_hidden_layers=1,
                num_attention_heads=2,
                max_position_embeddings=8,
                bos_token_id=0,
                eos_token_id=1,
                pad_token_id=1,
            )
        ),
        tokenizer=CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=8),
        unet=UNet2DConditionModel(
            sample_size=4,
            block_out_channels=(8,),
            layers_per_block=1,
            down_block_types=("CrossAttnDownBlock2D",),
            up_block_types=("CrossAttnUpBlock2D",),
            cross_attention_dim=8,
            attention_head_dim=2,
            norm_num_groups=4,
        ),
        scheduler=DDIMScheduler(steps_offset=1, clip_sample=False),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder / "tiny-sd")
    return folder / "tiny-sd"


@pytest.fixture(scope="module")
def pipeline(saved):
    return genart_hub.from_pretrained(saved)


def sample(pipeline, n=1, seed=0, prompt="red fox", **options):
    return pipeline.sample(n, seed, prompt=prompt, num_steps=2, **options)


def test_a_diffusers_folder_loads_as_a_model_of_the_diffusion_family(pipeline, saved):
    assert (pipeline.family, pipeline.channels, pipeline.image_size) == ("diffusion", 3, 8)
    assert pipeline.source.name == "tiny-sd"
    from safetensors.torch import load_file

    on_disk = sum(tensor.numel() for file in saved.rglob("*.safetensors") for tensor in load_file(file).values())
    assert pipeline.num_parameters == on_disk


def test_pictures_have_their_shape_and_range(pipeline):
    x = sample(pipeline, 2)
    assert (x.shape, x.dtype) == ((2, 3, 8, 8), torch.float32)
    assert x.abs().max() <= 1
    assert x.min() < 0 < x.max()


def test_picture_k_is_the_picture_of_seed_plus_k(pipeline):
    x = sample(pipeline, 3, seed=40)
    for k in range(3):
        torch.testing.assert_close(sample(pipeline, 1, seed=40 + k)[0], x[k], rtol=0, atol=1e-4)
    assert not torch.allclose(x[0], x[1], atol=1e-2)


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


def test_loading_and_sampling_print_nothing_and_leave_the_libraries_as_they_were(saved, capfd):
    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging as of_transformers

    def settings():
        return [(library.get_verbosity(), library.is_progress_bar_enabled()) for library in (of_diffusers, of_transformers)]

    before = settings()
    sample(genart_hub.from_pretrained(saved))
    assert capfd.readouterr() == ("", "")
    assert settings() == before


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"prompt": ""}, "empty_prompt"),
        ({"prompt": "  \n"}, "empty_prompt"),
        ({"prompt": None}, "empty_prompt"),
        ({"prompt": "a" * 2001}, "long_prompt"),
        ({"prompt": "a", "num_steps": 0}, "out_of_range"),
        ({"prompt": "a", "guidance": -1}, "out_of_range"),
        ({"prompt": "a", "n": 0}, "too_small"),
        ({"prompt": "a", "seed": -1}, "out_of_range"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(pipeline, options, code):
    with pytest.raises(GenartError) as error:
        pipeline.sample(**options)
    assert error.value.code == code


def leave_out_unet(folder):
    shutil.rmtree(folder / "unet")


def keep_only_a_pickle(folder):
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    torch.save({}, folder / "unet" / "diffusion_pytorch_model.bin")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "model_index.json").write_text("{"),
        lambda folder: (folder / "model_index.json").write_text("[]"),
        lambda folder: (folder / "model_index.json").write_text('{"_class_name": "NoSuchPipeline"}'),
        lambda folder: (folder / "model_index.json").write_text('{"_class_name": "DDPMPipeline", "_diffusers_version": "0.30"}'),
        leave_out_unet,
        keep_only_a_pickle,
    ],
    ids=["broken JSON", "a list", "unknown class", "missing entries", "no unet", "only a pickle"],
)
def test_a_broken_pipeline_is_refused_in_one_line(saved, tmp_path, spoil):
    spoil(shutil.copytree(saved, tmp_path / "broken"))
    with pytest.raises(GenartError, match="broken") as error:
        genart_hub.from_pretrained(tmp_path / "broken")
    assert error.value.code == "not_pipeline"
    assert "\n" not in str(error.value)
