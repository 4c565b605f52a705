"""Text-to-image pipelines from the Hub and to it."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from hub_server import files_of
from on_loopback import blob_of, flip, push
from refusals import code_of

import genart_hub
from genart_hub.errors import GenartError
from genart_hub.hub.client import weight_files
from genart_hub.models.stable_diffusion.estimate import estimate

pytestmark = pytest.mark.slow


def test_a_pipeline_comes_from_the_hub_with_its_defaults_and_without_what_it_does_not_need(pipeline_on_hub, pipeline_folder):
    model, here = genart_hub.from_pretrained("me/sd"), genart_hub.from_pretrained(pipeline_folder)
    assert model.defaults == {"num_steps": 3, "guidance": 2.0}
    assert torch.equal(model.sample(prompt="red"), here.sample(prompt="red", num_steps=3, guidance=2))
    assert (model.source.sha256, model.source.revision) == (here.source.sha256, pipeline_on_hub.repos["me/sd"].at("main").sha)
    asked = {request.path.split("/main/")[-1].split("?")[0] for request in pipeline_on_hub.requests if request.method == "GET"}
    assert not any(name.endswith((".bin", ".py", "sd-v1.safetensors")) for name in asked)


def test_an_estimate_downloads_no_weights_and_counts_what_is_missing(pipeline_on_hub, pipeline_folder, tmp_path):
    before, here = estimate("me/sd"), estimate(pipeline_folder)
    weights = sum(file.stat().st_size for file in pipeline_folder.rglob("*.safetensors"))
    assert (before.name, before.download_bytes, before.memory_bytes) == ("me/sd", weights, here.memory_bytes)
    assert not list((tmp_path / "cache").rglob("*.safetensors"))
    genart_hub.from_pretrained("me/sd")
    assert estimate("me/sd").download_bytes == 0
    assert estimate("me/sd").memory_bytes == here.memory_bytes


def test_half_precision_on_the_hub_is_estimated_at_what_it_will_take_in_memory(client, tmp_path):
    from pipelines import tiny_pipeline

    tiny_pipeline().to(dtype=torch.float16).save_pretrained(tmp_path / "half")
    client.add("me/half", files_of(tmp_path / "half"))
    found, here = estimate("me/half"), estimate(tmp_path / "half")
    assert found.memory_bytes == here.memory_bytes
    assert found.download_bytes < 0.6 * here.memory_bytes


def test_a_variant_is_downloaded_alone_and_a_part_without_one_comes_as_it_is(client, pipeline_folder):
    files = files_of(pipeline_folder)
    name = "unet/diffusion_pytorch_model.safetensors"
    fp16 = {name.replace(".safetensors", ".fp16.safetensors"): files[name]}
    chosen = weight_files(files | fp16, ["vae", "unet"], "fp16")
    assert chosen == ["vae/diffusion_pytorch_model.safetensors", "unet/diffusion_pytorch_model.fp16.safetensors"]
    assert weight_files(files | fp16, ["unet"]) == [name]
    shards = [f"unet/diffusion_pytorch_model-0000{k}-of-00002.safetensors" for k in (2, 1)]
    assert weight_files([*shards, "unet/diffusion_pytorch_model.non_ema.safetensors"], ["unet"]) == sorted(shards)
    client.add("me/fp16", files | fp16)
    assert genart_hub.from_pretrained("me/fp16", variant="fp16").source.files[-1].name.endswith(".safetensors")
    asked = [request.path for request in client.requests if request.method == "GET"]
    assert not any(path.endswith(name) for path in asked)


def test_a_pipeline_that_is_too_large_is_refused_before_its_weights_are_downloaded(pipeline_on_hub, tmp_path, monkeypatch):
    assert code_of(lambda: genart_hub.from_pretrained("me/sd", max_bytes=10_000)) == "too_many_bytes"
    monkeypatch.setattr("genart_hub.devices.free_memory", lambda device: 10_000)
    assert code_of(lambda: genart_hub.from_pretrained("me/sd")) == "too_little_memory"
    assert not list((tmp_path / "cache").rglob("*.safetensors"))


def test_a_pipeline_whose_download_is_cut_midway_loads_the_next_time(pipeline_on_hub):
    fault = pipeline_on_hub.fail(r"GET .*unet/diffusion_pytorch_model\.safetensors", "cut", times=99)
    assert code_of(lambda: genart_hub.from_pretrained("me/sd")) == "hub_unreachable"
    fault.left = 0
    assert genart_hub.from_pretrained("me/sd").sample(prompt="red").isfinite().all()


def test_a_pipeline_in_the_cache_needs_no_hub(pipeline_on_hub):
    x = genart_hub.from_pretrained("me/sd").sample(prompt="red")
    pipeline_on_hub.close()
    assert torch.equal(genart_hub.from_pretrained("me/sd").sample(prompt="red"), x)
    assert torch.equal(genart_hub.from_pretrained("me/sd", local_files_only=True).sample(prompt="red"), x)
    assert estimate("me/sd").download_bytes == 0


def test_a_pipeline_that_was_only_begun_says_so_where_there_is_no_hub(pipeline_on_hub):
    estimate("me/sd")
    assert code_of(lambda: genart_hub.from_pretrained("me/sd", local_files_only=True)) == "hub_not_cached"
    pipeline_on_hub.close()
    assert code_of(lambda: genart_hub.from_pretrained("me/sd")) == "hub_unreachable"
    assert code_of(lambda: estimate("me/other")) == "hub_unreachable"


def test_a_pipeline_on_the_hub_that_lacks_a_part_is_told_which(client, pipeline_folder):
    client.add("me/part", {name: content for name, content in files_of(pipeline_folder).items() if not name.startswith("vae/")})
    with pytest.raises(GenartError, match="its part vae is missing") as error:
        genart_hub.from_pretrained("me/part")
    assert error.value.code == "not_pipeline"
    client.add("me/nothing", {"README.md": b"#"})
    assert code_of(lambda: estimate("me/nothing")) == "hub_no_file"


@pytest.mark.parametrize(
    "name", ["unet/diffusion_pytorch_model.safetensors", "tokenizer/tokenizer_config.json", "sampling.json", "unet/config.json"]
)
def test_a_flipped_byte_in_a_pipeline_of_the_cache_is_refused_and_fetched_anew(pipeline_on_hub, tmp_path, name):
    x = genart_hub.from_pretrained("me/sd").sample(prompt="red")
    (cached,) = (file for file in (tmp_path / "cache").rglob(Path(name).name) if file.as_posix().endswith(name))
    flip(cached.resolve())
    assert code_of(lambda: genart_hub.from_pretrained("me/sd", local_files_only=True)) == "damaged_file"
    assert torch.equal(genart_hub.from_pretrained("me/sd").sample(prompt="red"), x)


def test_a_flipped_byte_in_the_settings_of_a_pipeline_does_not_pass_for_their_absence(pipeline_on_hub):
    flip(blob_of(pipeline_on_hub, "sampling.json", "me/sd"))
    assert code_of(lambda: genart_hub.from_pretrained("me/sd")) == "damaged_file"


def test_a_pipeline_that_was_changed_is_published_as_it_is_and_without_figures_of_what_it_was(client, pipeline_folder, tmp_path):
    folder = shutil.copytree(pipeline_folder, tmp_path / "sd")
    (folder / "evaluation.json").write_text(json.dumps({"command": "genart-hub evaluate", "results": {"sd": []}}))
    model = genart_hub.from_pretrained(folder)
    push(model, "me/same")
    model.pipeline.unet.conv_out.bias.data += 0.1
    push(model, "me/changed")
    found = {name: set(client.repos[name].at("main").files) for name in ("me/same", "me/changed")}
    assert "evaluation.json" in found["me/same"] - found["me/changed"]
    asked = {"prompt": "red", "num_steps": 2}
    assert torch.equal(genart_hub.from_pretrained("me/changed").sample(**asked), model.sample(**asked))
    assert not torch.equal(genart_hub.from_pretrained("me/same").sample(**asked), model.sample(**asked))


def test_a_pipeline_in_a_subfolder_loads(client, pipeline_folder):
    client.add("me/both", {f"sd/{name}": content for name, content in files_of(pipeline_folder).items()})
    assert genart_hub.from_pretrained("me/both", subfolder="sd").image_size == 16
