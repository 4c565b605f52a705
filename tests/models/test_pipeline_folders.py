"""A stranger's pipeline folder: no code of it runs, no pickle is opened, no tensor is missing, and no small file takes much memory."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from pipelines import tiny_pipeline
from safetensors.torch import load_file, save_file

import genart_hub
from genart_hub.errors import GenartError
from genart_hub.hub import client, locate
from genart_hub.models.stable_diffusion import checks
from genart_hub.models.stable_diffusion.estimate import estimate

UNET, VAE, TEXT, SCHEDULER = "unet/config.json", "vae/config.json", "text_encoder/config.json", "scheduler/scheduler_config.json"
UNET_WEIGHTS, TEXT_WEIGHTS = "unet/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"
TOKENIZER = "tokenizer/tokenizer_config.json"


@pytest.fixture
def folder(pipeline_folder, tmp_path):
    """A copy of an honest folder, to be spoiled."""
    return shutil.copytree(pipeline_folder, tmp_path / "stranger")


@pytest.fixture
def ran(tmp_path, monkeypatch):
    """A file that `code` leaves behind where it is run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path / "ran"


def code(ran: Path) -> str:
    return f"open({str(ran)!r}, 'w').close()\nclass X: pass\n"


def change(folder: Path, file: str, **values) -> None:
    path = folder / file
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def refusal(folder: Path) -> GenartError:
    with pytest.raises(GenartError) as error:
        genart_hub.from_pretrained(folder)
    assert "\n" not in str(error.value)
    return error.value


# ---- code ----


@pytest.mark.parametrize(
    ("part", "value", "file"),
    [
        ("unet", ["evil", "X"], "unet/evil.py"),
        ("unet", None, "unet/diffusers.py"),
        ("text_encoder", None, "text_encoder/transformers.py"),
        ("scheduler", ["stranger.scheduler.evil", "X"], "scheduler/evil.py"),
        ("_class_name", ["pipeline", "X"], "pipeline.py"),
        ("unet", None, "deep/in/the/folder/NOTES.PY"),
        ("unet", None, "vae/__pycache__/x.cpython-311.pyc"),
    ],
)
def test_code_that_comes_with_a_pipeline_is_refused_and_never_run(folder, ran, part, value, file):
    if value:
        change(folder, "model_index.json", **{part: value})
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(code(ran))
    assert refusal(folder).code == "not_pipeline"
    assert not ran.exists()


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("unet", ["os", "path"]),
        ("unet", ["genart_hub", "X"]),
        ("unet", ["diffusers.models", "UNet2DConditionModel"]),
        ("unet", ["diffusers", "StableDiffusionPipeline"]),
        ("unet", ["diffusers", "models.UNet2DConditionModel"]),
        ("unet", ["diffusers", "__class__"]),
        ("unet", ["diffusers", 5]),
        ("unet", ["diffusers", ["UNet2DConditionModel"]]),
        ("unet", [["diffusers"], "UNet2DConditionModel"]),
        ("unet", ["diffusers", "UNet2DConditionModel", "x"]),
        ("vae", ["stable_diffusion", "StableDiffusionSafetyChecker"]),
        ("text_encoder", ["transformers", "AutoModel"]),
        ("text_encoder", ["transformers", "pipeline"]),
        ("text_encoder", ["transformers", "RagModel"]),
        ("tokenizer", ["transformers", "AutoTokenizer"]),
        ("tokenizer", ["transformers", "PreTrainedTokenizerFast"]),
        ("scheduler", ["diffusers", "UNet2DConditionModel"]),
        ("more", ["this", "X"]),
        ("../tiny-sd/unet", ["diffusers", "UNet2DConditionModel"]),
    ],
)
def test_a_part_is_of_its_kind_and_of_diffusers_or_transformers(folder, part, value):
    change(folder, "model_index.json", **{part: value})
    error = refusal(folder)
    assert (error.code, error.values["reason"].code) in [("not_pipeline", "reason_library"), ("not_pipeline", "reason_part")]


@pytest.mark.parametrize(
    ("file", "values"),
    [
        ("model_index.json", {"auto_map": {"AutoModel": "x.X"}}),
        ("model_index.json", {"custom_pipeline": "someone/pipeline"}),
        (TOKENIZER, {"auto_map": {"AutoTokenizer": ["tok.X", None]}}),
        (TOKENIZER, {"tokenizer_file": "/etc/passwd"}),
        (TOKENIZER, {"fast_tokenizer_files": ["../x.json"]}),
        (TEXT, {"auto_map": {"AutoModel": "x.X"}}),
        (TEXT, {"configuration_files": ["config.4.0.0.json"]}),
        (TEXT, {"transformers_weights": "other.safetensors"}),
        (TEXT, {"attn_implementation": "someone/kernel"}),
        (TEXT, {"text_config": {"auto_map": {"AutoModel": "x.X"}}}),
        (UNET, {"quantization_config": {"quant_method": "bitsandbytes"}}),
    ],
)
def test_a_config_that_leads_to_code_or_files_from_elsewhere_is_refused(folder, file, values):
    change(folder, file, **values)
    assert refusal(folder).values["reason"].code == "reason_elsewhere"


def test_an_adapter_that_would_bring_weights_of_another_model_is_refused(folder):
    (folder / "text_encoder" / "adapter_config.json").write_text('{"base_model_name_or_path": "someone/else"}')
    assert refusal(folder).values["reason"].code == "reason_elsewhere"


@pytest.mark.parametrize("name", ["unet/config.json", UNET_WEIGHTS, "vae"])
def test_a_link_out_of_the_folder_is_refused(folder, pipeline_folder, name):
    target = folder / name
    shutil.rmtree(target) if target.is_dir() else target.unlink()
    target.symlink_to(pipeline_folder / name)
    assert refusal(folder).values["reason"].code == "reason_link"


def test_code_on_the_hub_is_refused_before_anything_is_downloaded(pipeline_folder, monkeypatch):
    names = [*(file.relative_to(pipeline_folder).as_posix() for file in pipeline_folder.rglob("*") if file.is_file()), "unet/diffusers.py"]
    repository = client.Repository("owner/name", None, None, None, False, None, "0" * 40)
    monkeypatch.setattr(repository, "pipeline_files", lambda folder: dict.fromkeys(names, 1))
    monkeypatch.setattr(repository, "download", lambda *arguments: pytest.fail("something was downloaded"))
    monkeypatch.setattr(
        "genart_hub.models.auto.locate", lambda *arguments, **options: locate.Location("owner/name", pipeline_folder, repository)
    )
    with pytest.raises(GenartError, match=r"unet/diffusers\.py") as error:
        genart_hub.from_pretrained("owner/name")
    assert error.value.values["reason"].code == "reason_code"


def test_an_estimate_refuses_code_too(folder):
    (folder / "unet" / "diffusers.py").write_text("")
    with pytest.raises(GenartError, match="code that comes with a model is never run"):
        estimate(folder)


# ---- pickles ----


@pytest.mark.parametrize("weights", ["x.bin", "../x.safetensors", "/x.safetensors", "x.safetensors.pt", 5, None])
def test_a_shard_index_names_safetensors_files_beside_it_only(folder, monkeypatch, weights):
    monkeypatch.setattr(torch, "load", lambda *arguments, **options: pytest.fail("a pickle was opened"))
    names = load_file(folder / UNET_WEIGHTS)
    torch.save(names, folder / "unet" / "x.bin")
    index = {"metadata": {"total_size": 1}, "weight_map": dict.fromkeys(names, weights)}
    (folder / "unet" / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(index))
    error = refusal(folder)
    assert error.values["reason"].code == "reason_weights"
    assert "unet/diffusion_pytorch_model.safetensors.index.json" in str(error)


@pytest.mark.parametrize(("file", "key"), [(UNET, "weights_name"), (TEXT, "checkpoint"), (VAE, "weights")])
def test_a_config_that_names_a_pickle_is_refused(folder, file, key):
    change(folder, file, **{key: "weights.bin"})
    assert refusal(folder).values["reason"].code == "reason_weights"


# ---- weights ----


def spoil(folder: Path, file: str, change_state) -> str:
    """Change a weight file's tensors by change_state(tensors, name), of a name among them. Returns that name."""
    state = load_file(folder / file)
    name = sorted(name for name in state if name.endswith("weight") and state[name].ndim > 1)[1]
    change_state(state, name)
    save_file(state, folder / file, {"format": "pt"})
    return name


def leave_out(state, name):
    del state[name]


def rename(state, name):
    state[f"{name}.old"] = state.pop(name)


def cut(state, name):
    state[name] = state[name][:-1].clone()


def make_whole(state, name):
    state[name] = state[name].to(torch.int32)


def add(state, name):
    state["a.stranger"] = torch.zeros(3)


def put_in_a_nan(state, name):
    state[name].view(-1)[0] = float("nan")


def put_in_infinity(state, name):
    state[name].view(-1)[0] = float("inf")


@pytest.mark.slow
@pytest.mark.parametrize("change_state", [leave_out, rename, cut, make_whole, add])
@pytest.mark.parametrize("file", [UNET_WEIGHTS, "vae/diffusion_pytorch_model.safetensors", TEXT_WEIGHTS])
def test_every_tensor_of_every_part_is_there_under_its_name_and_in_its_shape(folder, file, change_state):
    name = spoil(folder, file, change_state)
    error = refusal(folder)
    assert error.code == "weights_mismatch"
    assert ("a.stranger" if change_state is add else name) in str(error)
    assert file in str(error)


@pytest.mark.parametrize("change_state", [put_in_a_nan, put_in_infinity])
@pytest.mark.parametrize("file", [UNET_WEIGHTS, TEXT_WEIGHTS])
def test_weights_that_are_no_numbers_are_refused(folder, file, change_state):
    name = spoil(folder, file, change_state)
    error = refusal(folder)
    assert (error.code, error.values) == ("weights_not_finite", {"tensor": name, "file": f"stranger/{file}"})


def test_a_text_encoder_of_fewer_layers_than_its_file_has_is_refused(folder):
    change(folder, TEXT, num_hidden_layers=0)
    assert refusal(folder).code == "weights_mismatch"


# ---- small files that ask for much ----

DEEP = "[" * 1_000_000 + "]" * 1_000_000
NESTED = '{"a": ' * 900 + "1" + "}" * 900  # what Python's parser takes, and a copy of it does not


@pytest.mark.parametrize(
    ("file", "values"),
    [
        (UNET, {"layers_per_block": 10_000}),
        (UNET, {"layers_per_block": 10**9}),
        (UNET, {"transformer_layers_per_block": 10**9}),
        (UNET, {"block_out_channels": [8] * 10_000}),
        (UNET, {"block_out_channels": [10**9, 10**9]}),
        (UNET, {"cross_attention_dim": 10**9}),
        (UNET, {"attention_head_dim": 0}),
        (UNET, {"norm_num_groups": 0}),
        (UNET, {"in_channels": 5}),
        (UNET, {"out_channels": 5}),
        (UNET, {"sample_size": 10**6}),
        (UNET, {"sample_size": 0}),
        (UNET, {"sample_size": "8"}),
        (UNET, {"sample_size": [8, 10**5000 % 10**30]}),
        (UNET, {"conv_in_kernel": 10**9}),
        (VAE, {"layers_per_block": 10_000}),
        (VAE, {"block_out_channels": [8] * 10_000}),
        (VAE, {"block_out_channels": []}),
        (VAE, {"block_out_channels": "8, 8"}),
        (VAE, {"block_out_channels": [8] * 8}),
        (VAE, {"scaling_factor": "x"}),
        (VAE, {"scaling_factor": 0}),
        (VAE, {"scaling_factor": float("nan")}),
        (VAE, {"shift_factor": "x"}),
        (VAE, {"latent_channels": 10**9}),
        (VAE, {"latent_channels": "4"}),
        (TEXT, {"num_hidden_layers": 10**6}),
        (TEXT, {"num_hidden_layers": "x"}),
        (TEXT, {"vocab_size": 10**9}),
        (TEXT, {"vocab_size": 10**30}),
        (TEXT, {"hidden_size": 10**9}),
        (TEXT, {"max_position_embeddings": 10**9}),
        (TEXT, {"num_attention_heads": 0}),
        (TOKENIZER, {"model_max_length": 10**9}),
        (TOKENIZER, {"model_max_length": "x"}),
        (SCHEDULER, {"num_train_timesteps": 30_000_000}),
        (SCHEDULER, {"num_train_timesteps": 1e10}),
        (SCHEDULER, {"num_train_timesteps": 0}),
        (SCHEDULER, {"num_train_timesteps": "1000"}),
        (SCHEDULER, {"num_train_timesteps": None}),
        (SCHEDULER, {"steps_offset": 10**9}),
        (SCHEDULER, {"steps_offset": "x"}),
        (SCHEDULER, {"beta_start": "x"}),
        (SCHEDULER, {"beta_end": 10**9}),
        (SCHEDULER, {"beta_schedule": "x"}),
        (SCHEDULER, {"trained_betas": [0.1] * 10_001}),
        (SCHEDULER, {"trained_betas": "x"}),
        (SCHEDULER, {"trained_betas": [float("nan")] * 1000}),
        (SCHEDULER, {"timestep_spacing": 3}),
    ],
)
def test_a_config_of_wild_or_wrong_values_is_a_sentence_before_any_weight_is_read(folder, monkeypatch, file, values):
    if file != TOKENIZER:
        monkeypatch.setattr(checks, "load_part", lambda *arguments: pytest.fail("weights were read"))
    change(folder, file, **values)
    error = refusal(folder)
    assert next(iter(values)) in str(error) or error.code in ("not_pipeline", "weights_mismatch")


@pytest.mark.parametrize(
    ("name", "values"),
    [("DPMSolverMultistepScheduler", {"solver_order": 2_000_000_000}), ("SASolverScheduler", {"predictor_order": 10**9})],
)
def test_a_solver_keeps_a_few_predictions_only(folder, name, values):
    change(folder, "model_index.json", scheduler=["diffusers", name])
    change(folder, SCHEDULER, **values)
    assert refusal(folder).code == "out_of_range"


@pytest.mark.parametrize("text", [DEEP, NESTED, "[]", "{", "", "\ud800".encode("utf-8", "surrogatepass").decode("latin-1")])
@pytest.mark.parametrize("file", ["model_index.json", UNET, TEXT, SCHEDULER, "tokenizer/tokenizer.json", TOKENIZER])
def test_a_file_that_is_no_json_object_or_too_deep_is_a_sentence(folder, file, text):
    (folder / file).write_text(text)
    assert refusal(folder).code == "not_pipeline"


def test_a_deep_sampling_json_is_a_sentence(folder):
    (folder / "sampling.json").write_text(NESTED)
    assert refusal(folder).code == "bad_config"


def test_a_deep_config_of_a_model_is_a_sentence(gan, tmp_path):
    folder = gan.save_pretrained(tmp_path / "gan")
    change(folder, "config.json", hidden_dims=json.loads("[" * 100 + "]" * 100))
    with pytest.raises(GenartError, match="nested deeper than 32 levels") as error:
        genart_hub.from_pretrained(folder)
    assert error.value.code == "bad_config"


def test_a_config_of_megabytes_is_not_read(folder):
    (folder / UNET).write_text(json.dumps({"sample_size": 8, "x": "x" * 100_000}))
    assert refusal(folder).values["reason"].code == "reason_large"


def test_a_weight_file_with_a_deep_header_is_a_sentence(folder):
    header = ('{"a": ' + DEEP + "}").encode()
    (folder / UNET_WEIGHTS).write_bytes(len(header).to_bytes(8, "little") + header)
    assert refusal(folder).code == "not_pipeline"


def test_pictures_are_not_made_large_for_the_safety_checker(tmp_path):
    folder = save_honest(tmp_path / "checked", safety_checker=True)
    change(folder, "feature_extractor/preprocessor_config.json", crop_size={"height": 10**6, "width": 10**6})
    assert refusal(folder).code == "out_of_range"


# ---- honest folders ----


def save_honest(folder: Path, safety_checker: bool = False) -> Path:
    """A folder as Stable Diffusion 1.5 has it."""
    from diffusers.pipelines.stable_diffusion import StableDiffusionSafetyChecker
    from transformers import CLIPConfig, CLIPImageProcessor

    small = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "projection_dim": 8}
    vision = small | {"image_size": 16, "patch_size": 8}
    pipe = tiny_pipeline()
    if safety_checker:
        checker = StableDiffusionSafetyChecker(CLIPConfig(text_config=small, vision_config=vision, projection_dim=8))
        processor = CLIPImageProcessor(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})
        pipe.register_modules(safety_checker=checker, feature_extractor=processor)
    pipe.save_pretrained(folder)
    return folder


def test_a_pipeline_with_a_safety_checker_loads(tmp_path):
    folder = save_honest(tmp_path / "checked", safety_checker=True)
    change(folder, "model_index.json", feature_extractor=["transformers", "CLIPFeatureExtractor"])  # its older name
    model = genart_hub.from_pretrained(folder)
    assert model.sample(1, prompt="red", num_steps=1).shape == (1, 3, 16, 16)


def test_weights_under_the_names_of_older_versions_load_as_the_same(folder, pipeline_folder):
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}

    def attention(name: str) -> str:
        return next((name.replace(new, before) for new, before in old.items() if new in name), name)

    vae, text = folder / "vae" / "diffusion_pytorch_model.safetensors", folder / TEXT_WEIGHTS
    save_file({attention(name): tensor for name, tensor in load_file(vae).items()}, vae, {"format": "pt"})
    state = {f"text_model.{name}": tensor for name, tensor in load_file(text).items()}
    save_file(state | {"text_model.embeddings.position_ids": torch.arange(16)[None]}, text, {"format": "pt"})
    x, x_hat = (genart_hub.from_pretrained(one).sample(1, prompt="red", num_steps=2) for one in (pipeline_folder, folder))
    assert torch.equal(x, x_hat)


def test_weights_in_shards_load_as_the_same(folder, pipeline_folder):
    model = tiny_pipeline()
    (folder / UNET_WEIGHTS).unlink()
    model.unet.save_pretrained(folder / "unet", max_shard_size="10KB")
    assert len(list((folder / "unet").glob("*-of-*.safetensors"))) > 1
    x, x_hat = (genart_hub.from_pretrained(one).sample(1, prompt="red", num_steps=2) for one in (pipeline_folder, folder))
    assert torch.equal(x, x_hat)


def test_a_snapshot_of_the_hubs_cache_loads_with_its_links(pipeline_folder, tmp_path):
    root = tmp_path / "models--owner--name"
    for k, file in enumerate(sorted(file for file in pipeline_folder.rglob("*") if file.is_file())):
        link = root / "snapshots" / "0123" / file.relative_to(pipeline_folder)
        blob = root / "blobs" / str(k)
        for place in (link, blob):
            place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, blob)
        link.symlink_to(os.path.relpath(blob, link.parent))
    assert genart_hub.from_pretrained(root / "snapshots" / "0123").image_size == 16


@pytest.mark.parametrize("name", genart_hub.bundled("diffusion"))
def test_the_bundled_pipelines_load(name):
    assert genart_hub.from_pretrained(name).image_size == 64
