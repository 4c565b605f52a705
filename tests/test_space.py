"""The app as a Space: what is uploaded, and that it starts when it stands alone."""

import ast
import os
import subprocess
import sys
import urllib.request
import venv
from pathlib import Path

import pytest
import yaml
from hub_server import HubServer, User, patched_client
from pipelines import save_tiny_pipeline

import genart_hub
from genart_hub import cards, hub, space
from genart_hub.cli import main
from genart_hub.errors import GenartError

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def client(monkeypatch, tmp_path):
    with HubServer({"write": User("me")}) as hub:
        patched_client(hub, monkeypatch, tmp_path / "cache", token="write")
        yield hub


def test_the_tree_holds_what_the_app_needs_and_nothing_else(tmp_path):
    files = {file.as_posix() for file in space.build(tmp_path)}
    assert {"app.py", "README.md", "requirements.txt", "genart_hub/ui/texts.py", "weights/gan-mnist/model.safetensors"} <= files
    assert {file.split("/")[0] for file in files} == {"app.py", "README.md", "requirements.txt", "genart_hub", "weights"}
    assert not [file for file in files if "__pycache__" in file or "golden" in file or file.endswith(".pyi")]


def test_a_bundled_pipeline_stands_in_the_tree_with_its_components_and_loads_from_there(tmp_path, monkeypatch):
    folder = save_tiny_pipeline(tmp_path / "weights" / "tiny-sd")
    (folder / "golden.safetensors").write_bytes(b"for tests alone")
    monkeypatch.setattr(hub, "WEIGHTS_FOLDERS", (tmp_path / "weights",))
    files = {file.as_posix() for file in space.build(tmp_path / "tree")}
    parts = {"model_index.json", "unet/diffusion_pytorch_model.safetensors", "vae/config.json", "tokenizer/tokenizer.json"}
    assert {f"weights/tiny-sd/{part}" for part in parts} <= files
    assert "weights/tiny-sd/golden.safetensors" not in files
    again = genart_hub.from_pretrained(tmp_path / "tree" / "weights" / "tiny-sd")
    assert again.sample(1, prompt="cat", num_steps=1).shape == (1, 3, 16, 16)


@pytest.mark.parametrize(("hardware", "torch", "line"), [("cpu-basic", "2.13.0", "whl/cpu"), ("zero-a10g", "2.11.0", "spaces")])
def test_requirements_fit_the_hardware(tmp_path, hardware, torch, line):
    space.build(tmp_path, hardware)
    text = (tmp_path / "requirements.txt").read_text()
    assert f"torch=={torch}\n" in text
    assert line in text
    assert "gradio" not in text
    pinned = (ROOT / "requirements.txt").read_text()
    assert all(pin in pinned for pin in text.splitlines() if "==" in pin and not pin.startswith("torch"))


def test_the_readme_configures_a_space_and_preloads_the_models(tmp_path):
    space.build(tmp_path, models=["me/gan", "me/vae@v1"])
    front, _ = cards.split((tmp_path / "README.md").read_text(encoding="utf-8"))
    own, _ = cards.split((ROOT / "README.md").read_text(encoding="utf-8"))
    assert front["preload_from_hub"] == ["me/gan config.json,model.safetensors", "me/vae config.json,model.safetensors"]
    assert {key: front[key] for key in own} == own


def test_deploy_creates_a_space_and_a_second_time_updates_it(client):
    url = space.deploy("me/demo", models=["me/gan"])
    assert url.endswith("/spaces/me/demo")
    demo = client.repos["spaces/me/demo"]
    assert demo.variables["GENART_MODELS"]
    assert yaml.safe_load(client.read("spaces/me/demo", "README.md").decode().split("---")[1])["sdk"] == "gradio"
    before = len(demo.commits)
    client.add("me/demo", {"genart_hub/old.py": b"stale"}, type="space")
    space.deploy("me/demo")
    assert "genart_hub/old.py" not in demo.at("main").files
    assert len(demo.commits) == before + 2


def test_weights_go_through_the_large_file_path(client):
    space.deploy("me/demo")
    assert client.repos["spaces/me/demo"].at("main").files["weights/gan-mnist/model.safetensors"].lfs


def test_another_app_is_not_deleted(client):
    client.add("me/chat", {"chat.py": b"hello", "app.py": b"x"}, type="space", sdk="gradio")
    with pytest.raises(GenartError) as caught:
        space.deploy("me/chat")
    assert caught.value.code == "other_space"
    assert "chat.py" in client.repos["spaces/me/chat"].at("main").files


def test_zero_gpu_is_asked_for(client):
    space.deploy("me/zero", hardware="zero-a10g", private=True)
    demo = client.repos["spaces/me/zero"]
    assert demo.hardware == "zero-a10g"
    assert demo.private


def test_a_dry_run_lists_files_and_contacts_nobody(client, capsys):
    assert main(["deploy-space", "me/demo", "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "paid plan" in told
    assert "weights/gan-mnist/model.safetensors" in told
    assert not client.requests


def test_gpu_decorator_is_applied_only_where_spaces_is_there(tmp_path):
    (tmp_path / "spaces.py").write_text("calls = []\n\n\ndef GPU(handler):\n    calls.append(handler.__name__)\n    return handler\n")
    code = "import genart_hub.ui as ui; ui.build(); import spaces; print(sorted(spaces.calls))"
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    told = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True).stdout
    handlers = {"compare", "follow", "invert", "reconstruct", "sample", "show_ladder", "walk"}  # all that load or call a model
    assert set(ast.literal_eval(told.strip().splitlines()[-1])) == handlers


@pytest.mark.skipif(
    "CI" not in os.environ and "GENART_TEST_SPACE" not in os.environ, reason="installs for minutes; set GENART_TEST_SPACE=1"
)
def test_the_deployed_tree_starts_alone_in_a_fresh_environment(client, tmp_path, free_port):
    from gradio_client import Client
    from huggingface_hub import snapshot_download

    space.deploy("me/demo")
    tree = Path(snapshot_download("me/demo", repo_type="space", local_dir=tmp_path / "tree"))
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    front, _ = cards.split((tree / "README.md").read_text(encoding="utf-8"))
    install = [python, "-m", "pip", "install", "-q", "--no-compile", "-r", tree / "requirements.txt", f"gradio=={front['sdk_version']}"]
    subprocess.run(install, check=True, env=os.environ | {"PIP_RETRIES": "0"}, cwd=tmp_path)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment |= {"GRADIO_SERVER_PORT": str(free_port), "GRADIO_TEMP_DIR": str(tmp_path / "temp"), "OMP_NUM_THREADS": "1"}
    app = subprocess.Popen([python, "app.py"], cwd=tree, env=environment)
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{free_port}", timeout=1).read()
                break
            except OSError:
                assert app.poll() is None
                import time

                time.sleep(0.5)
        driver = Client(f"http://127.0.0.1:{free_port}", verbose=False, download_files=str(tmp_path / "files"))
        gallery, *_ = driver.predict("gan-mnist", 4, 0, 1, api_name="/sample")
        assert len(gallery) == 4
        assert driver.predict("gan-mnist", "0, 1", "slerp", 8, 24, True, 1, api_name="/walk")[0]
        answered = []
        for ladder in ("emoji", "digits"):
            *_, figures, _ = driver.predict(2, 0, 1, "red apple", ladder, api_name="/compare")
            answered += [row[0] for row in figures["data"]]
        assert sorted(answered) == sorted(genart_hub.bundled())
    finally:
        app.terminate()
        app.wait()
