"""Whose weights a pipeline's pictures carry, how it is saved, and what its folder says of it."""

import copy
import json
import shutil

import pytest
import torch
from pipelines import sample, tiny_pipeline
from refusals import code_of

import genart_hub
from genart_hub import devices
from genart_hub.devices import dtype_on
from genart_hub.errors import GenartError
from genart_hub.models.stable_diffusion.estimate import estimate
from genart_hub.models.stable_diffusion.loading import place

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


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_recipe_names_no_weights_once_the_pipeline_was_changed(pipeline_folder, change):
    model = genart_hub.from_pretrained(pipeline_folder)
    assert model.is_current()
    change(model.pipeline)
    assert not model.is_current()
    recipe = model.recipe(0, prompt="red")
    assert (recipe["model"], recipe["weights_sha256"], recipe["revision"]) == ("StableDiffusionPipeline", None, None)


@pytest.mark.slow
def test_what_makes_no_other_picture_leaves_the_recipe_as_it_is(pipeline_folder):
    model = genart_hub.from_pretrained(pipeline_folder)
    x = sample(model)
    model.img2img(x, prompt="red", num_steps=2)
    list(model.denoise(prompt="red", num_steps=2))
    pipe = model.pipeline
    pipe.enable_attention_slicing()
    pipe.vae.enable_tiling()
    pipe.unet.requires_grad_(False).train().eval()
    pipe.unet = torch.compile(pipe.unet)
    assert model.recipe(0, prompt="red")["weights_sha256"] == model.source.sha256


def test_a_changed_pipeline_is_saved_as_it_is_and_comes_back(pipeline_folder, tmp_path):
    model = genart_hub.from_pretrained(shutil.copytree(pipeline_folder, tmp_path / "sd"))
    melt_lora_in(model.pipeline)
    other_scheduler(model.pipeline)
    model.defaults = {"num_steps": 3, "guidance": 2.0}
    model.save_pretrained(tmp_path / "sd")  # over what it was loaded from
    again = genart_hub.from_pretrained(tmp_path / "sd")
    assert again.is_current()
    assert again.defaults == model.defaults
    assert torch.equal(sample(again), sample(model))


def test_adapters_are_not_saved_under_names_that_nobody_can_load(pipeline_folder, tmp_path):
    model = genart_hub.from_pretrained(pipeline_folder)
    put_lora_in(model.pipeline)
    with pytest.raises(GenartError, match=r"conv_in\.lora_A.*fuse_lora") as error:
        model.save_pretrained(tmp_path / "sd")
    assert error.value.code == "has_adapters"
    assert not (tmp_path / "sd").exists()


def test_a_save_that_fails_midway_leaves_the_old_pipeline(pipeline_folder, tmp_path, monkeypatch):
    folder = shutil.copytree(pipeline_folder, tmp_path / "sd")
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


def test_the_pieces_of_a_save_before_do_not_stay_beside_the_new_one(pipeline_folder, tmp_path):
    folder = shutil.copytree(pipeline_folder, tmp_path / "sd")
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    model = genart_hub.from_pretrained(pipeline_folder)
    model.pipeline.unet.save_pretrained(folder / "unet", max_shard_size="10KB")
    (folder / "unet" / "notes.txt").write_text("mine")
    melt_lora_in(model.pipeline)
    model.save_pretrained(folder)
    assert sorted(file.name for file in (folder / "unet").iterdir()) == ["config.json", "diffusion_pytorch_model.safetensors", "notes.txt"]
    assert torch.equal(sample(genart_hub.from_pretrained(folder)), sample(model))


# ---- loading ----


def test_the_defaults_come_from_sampling_json_or_from_the_name(pipeline_folder, tmp_path):
    assert genart_hub.from_pretrained(pipeline_folder).defaults == {"num_steps": 20, "guidance": 7.5}
    turbo = shutil.copytree(pipeline_folder, tmp_path / "my-Turbo")
    assert genart_hub.from_pretrained(turbo).defaults == {"num_steps": 1, "guidance": 0.0}
    (turbo / "sampling.json").write_text('{"num_steps": 3, "guidance": 4}')
    model, steps = genart_hub.from_pretrained(turbo), []
    assert model.defaults == {"num_steps": 3, "guidance": 4.0}
    x = model.sample(prompt="red", on_step=lambda *step: steps.append(step))
    assert steps[-1] == (3, 3)
    assert torch.equal(x, model.sample(prompt="red", num_steps=3, guidance=4))


@pytest.mark.parametrize("text", ["{", "[]", '{"num_steps": 0}', '{"guidance": "much"}'])
def test_a_broken_sampling_json_is_refused(pipeline_folder, tmp_path, text):
    folder = shutil.copytree(pipeline_folder, tmp_path / "broken")
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
def test_a_broken_pipeline_is_refused_in_one_line_that_says_why(pipeline_folder, tmp_path, spoil, reason):
    spoil(shutil.copytree(pipeline_folder, tmp_path / "broken"))
    with pytest.raises(GenartError, match=rf"broken is no Stable Diffusion pipeline .*{reason}") as error:
        genart_hub.from_pretrained(tmp_path / "broken")
    assert error.value.code == "not_pipeline"
    assert "\n" not in str(error.value)


def rename_class(folder, name):
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | {"_class_name": name}))


def test_too_little_memory_is_told_before_anything_is_loaded(pipeline_folder, monkeypatch):
    monkeypatch.setattr(devices, "free_memory", lambda device: 1_000)
    monkeypatch.setattr("diffusers.DiffusionPipeline.from_pretrained", lambda *arguments, **options: pytest.fail("it was loaded"))
    with pytest.raises(GenartError, match="needs about .* GB of memory, and 0.00 GB are free") as error:
        genart_hub.from_pretrained(pipeline_folder)
    assert error.value.code == "too_little_memory"


def test_the_precision_follows_the_device():
    assert dtype_on("cpu", False) == torch.float32
    assert dtype_on("cuda", True) == torch.bfloat16
    assert dtype_on("cuda", False) == torch.float16
    assert dtype_on("mps", False) == torch.float16


@pytest.mark.parametrize("dtype", ["float16", torch.int8])
def test_a_precision_that_is_none_is_refused(pipeline_folder, dtype):
    assert code_of(lambda: genart_hub.from_pretrained(pipeline_folder, dtype=dtype)) == "not_choice"


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


def test_a_folders_estimate_is_its_weights_in_the_devices_precision_and_room_to_work(pipeline_folder, pipeline, monkeypatch):
    monkeypatch.setattr(devices, "operations_a_second", lambda: 1e6)
    found = estimate(pipeline_folder)
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


def test_a_text_encoder_cut_midway_is_a_sentence(pipeline_folder, tmp_path):
    folder = shutil.copytree(pipeline_folder, tmp_path / "cut")
    file = folder / "text_encoder" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])
    assert code_of(lambda: genart_hub.from_pretrained(folder)) == "not_pipeline"


def test_a_tokenizer_without_its_words_is_refused(pipeline_folder, tmp_path):
    folder = shutil.copytree(pipeline_folder, tmp_path / "wordless")
    for file in (folder / "tokenizer").iterdir():
        if file.name != "tokenizer_config.json":
            file.unlink()
    with pytest.raises(GenartError, match="its part tokenizer is missing or incomplete"):
        genart_hub.from_pretrained(folder)


def test_a_configuration_that_is_a_list_is_refused(pipeline_folder, tmp_path):
    folder = shutil.copytree(pipeline_folder, tmp_path / "listed")
    (folder / "vae" / "config.json").write_text("[]")
    assert code_of(lambda: genart_hub.from_pretrained(folder)) == "not_pipeline"
