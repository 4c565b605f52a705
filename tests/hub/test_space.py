"""The app as a Space: what is uploaded, and that it starts when it stands alone."""

import os
import shutil
import subprocess
import sys
import venv
from importlib.metadata import distribution
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from pipelines import save_tiny_pipeline
from running import connect, running_app

import genart_hub
from genart_hub.cli import main
from genart_hub.errors import GenartError
from genart_hub.hub import locate, space
from genart_hub.hub.cards import markdown
from genart_hub.ui import gpu

ROOT = Path(__file__).resolve().parents[2]


def test_the_tree_holds_what_the_app_needs_and_nothing_else(tmp_path):
    files = {file.as_posix() for file in space.build(tmp_path)}
    assert {"app.py", "README.md", "requirements.txt", "genart_hub/ui/texts.py", "weights/gan-mnist/model.safetensors"} <= files
    assert {file.split("/")[0] for file in files} == {"app.py", "README.md", "requirements.txt", "genart_hub", "weights"}
    assert not [file for file in files if "__pycache__" in file or "golden" in file or file.endswith(".pyi")]
    assert not [file for file in files if "README" in file and file != "README.md" and not file.startswith("weights/")]


def test_a_bundled_pipeline_stands_in_the_tree_with_its_components_and_loads_from_there(tmp_path, monkeypatch):
    folder = save_tiny_pipeline(tmp_path / "weights" / "tiny-sd")
    (folder / "golden.safetensors").write_bytes(b"for tests alone")
    monkeypatch.setattr(locate, "WEIGHTS_FOLDERS", (tmp_path / "weights",))
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
    front, _ = markdown.split((tmp_path / "README.md").read_text(encoding="utf-8"))
    assert front["models"] == ["me/gan", "me/vae"]
    own, _ = markdown.split((ROOT / "README.md").read_text(encoding="utf-8"))
    assert front["preload_from_hub"] == ["me/gan config.json,model.safetensors", "me/vae config.json,model.safetensors"]
    assert {key: front[key] for key in own} == own


MODEL = {"config.json": b"{}", "model.safetensors": b"x"}


def test_a_space_is_named_by_its_title(client):
    space.deploy("me/demo", title="My digits: 手写数字")
    front, _ = markdown.split(client.read("spaces/me/demo", "README.md").decode())
    assert front["title"] == "My digits: 手写数字"


@pytest.mark.parametrize(
    ("files", "settings", "code"),
    [
        (None, {}, "not_public"),
        (MODEL, {"private": True}, "not_public"),
        (MODEL, {"gated": "auto"}, "not_public"),
        ({"config.json": b"{}", "pytorch_model.bin": b"x"}, {}, "hub_no_file"),
        ({"readme.txt": b"x"}, {}, "hub_no_file"),
    ],
)
def test_a_model_that_a_visitor_could_not_load_is_refused_before_there_is_a_space(client, files, settings, code):
    if files:
        client.add("me/gan", files, **settings)
    with pytest.raises(GenartError) as error:
        space.deploy("me/demo", models=["me/gan"])
    assert error.value.code == code
    assert "spaces/me/demo" not in client.repos


def test_a_revision_that_a_model_does_not_have_is_refused(client):
    client.add("me/gan", MODEL)
    with pytest.raises(GenartError) as error:
        space.deploy("me/demo", models=["me/gan@v9"])
    assert error.value.code == "hub_no_revision"


def test_a_pipeline_is_preloaded_whole(client):
    client.add("me/gan", MODEL)
    client.add("me/sd", {"model_index.json": b"{}"})
    space.deploy("me/demo", models=["me/gan", "me/sd"])
    front, _ = markdown.split(client.read("spaces/me/demo", "README.md").decode())
    assert front["preload_from_hub"] == ["me/gan config.json,model.safetensors", "me/sd"]


def test_deploy_creates_a_space_that_a_free_account_can_have_and_a_second_time_updates_it(client):
    client.add("me/gan", MODEL)
    url = space.deploy("me/demo", models=["me/gan"])
    assert client.repos["spaces/me/demo"].hardware == "zero-a10g"
    assert client.repos["spaces/me/demo"].variables["GENART_DEVICE"]["value"] == "cpu"  # a GPU is the big pipeline's alone
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
    assert "free account" in told
    assert "weights/gan-mnist/model.safetensors" in told
    assert not client.requests


LENDER = """
import os, pickle, gradio

calls = []


def GPU(function):
    calls.append(function.__name__)

    def called(*arguments):
        if os.environ.get("NO_QUOTA"):
            raise gradio.Error("You have exceeded your GPU quota")
        there, here = os.pipe()
        if not os.fork():  # plain data go to a process of its own and come back
            os.close(there)
            given = function(*pickle.loads(pickle.dumps(arguments)))
            with os.fdopen(here, "wb") as out:
                pickle.dump([os.getpid(), list(given) if hasattr(given, "__next__") else given], out)
            os._exit(0)
        os.close(here)
        with os.fdopen(there, "rb") as back:
            called.process, given = pickle.load(back)
        os.wait()
        return given

    return (lambda *arguments: (one for one in called(*arguments))) if function.__name__ == "_unfold" else called
"""


BORROWED = """
import os, spaces, torch, genart_hub
from genart_hub.evaluate.costs import costs
from genart_hub.errors import GenartError
from genart_hub import ui
from genart_hub.ui import gpu

ui.build()
print(sorted(spaces.calls))
torch.set_num_threads(1)
model = genart_hub.from_pretrained({folder!r})
borrowed = gpu.borrowing({folder!r}, model, 10**9)
x = borrowed.sample(2, 7, prompt="cat")
print(torch.equal(x, model.sample(2, 7, prompt="cat")), gpu._draw.process != os.getpid())
moments = list(borrowed.denoise(1, 7, prompt="cat"))
print([step for step, _, _ in moments], torch.equal(moments[-1][2], model.sample(1, 7, prompt="cat")))
print(gpu.costs_of(borrowed, prompt="cat").multiply_adds == costs(model, prompt="cat").multiply_adds, borrowed.image_size)
for prompt, name in ((" ", "QUOTA"), ("cat", "NO_QUOTA")):
    os.environ[name] = "1"
    try:
        borrowed.sample(1, 7, prompt=prompt)
    except GenartError as error:
        print(error)
"""


@pytest.mark.slow
def test_what_is_drawn_on_a_lent_gpu_crosses_from_its_process_as_it_is_and_a_visitor_without_quota_is_told(pipeline_folder, tmp_path):
    folder = shutil.copytree(pipeline_folder, tmp_path / "tiny-sd")
    (folder / "sampling.json").write_text('{"num_steps": 2}')
    (tmp_path / "spaces.py").write_text(LENDER)
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}", "SPACES_ZERO_GPU": "true", "OMP_NUM_THREADS": "1"}
    code = BORROWED.format(folder=str(folder))
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-6:] == [
        "['_count', '_draw', '_unfold']",
        "True True",
        "[0, 1, 2] True",
        "True 16",
        "The prompt is empty. Write what the picture should show.",
        "Something went wrong here (You have exceeded your GPU quota). Please try again.",
    ]


def test_without_a_lender_the_pipeline_is_called_as_it_is():
    model = object()
    assert gpu.borrowing("me/sd", model, 1) is model
    assert gpu.options(5) == {"max_bytes": 5}


def alone(pins: list[str], folder: Path) -> Path:
    """An environment of these packages and what they require, and of nothing else that is installed here. Returns its Python."""
    venv.create(folder)
    (packages,) = folder.glob("lib/python*/site-packages")
    wanted, seen = [Requirement(pin) for pin in pins], set()
    while wanted:
        asked = wanted.pop()
        if str(asked) in seen:
            continue
        seen.add(str(asked))
        found = distribution(asked.name)
        assert found.version in asked.specifier
        for top in {file.parts[0] for file in found.files} - {"..", "__pycache__"}:
            if not (packages / top).exists():
                (packages / top).symlink_to(found.locate_file(top))
        required = map(Requirement, found.requires or ())
        wanted += [one for one in required if not one.marker or any(one.marker.evaluate({"extra": extra}) for extra in ("", *asked.extras))]
    return folder / "bin" / "python"


@pytest.mark.slow
def test_the_deployed_tree_starts_alone_in_an_environment_of_what_it_requires(client, tmp_path):
    from huggingface_hub import snapshot_download

    space.deploy("me/demo", "cpu-basic")
    tree = Path(snapshot_download("me/demo", repo_type="space", local_dir=tmp_path / "tree"))
    front, _ = markdown.split((tree / "README.md").read_text(encoding="utf-8"))
    pins = [line for line in (tree / "requirements.txt").read_text().splitlines() if not line.startswith(("#", "--"))]
    python = alone([*pins, f"gradio=={front['sdk_version']}"], tmp_path / "venv")
    (tmp_path / "app").mkdir()
    with running_app(tmp_path / "app", command=[python, "app.py"], cwd=tree, PYTHONPATH="") as app:
        driver = connect(app, "en", tmp_path / "files")
        gallery, *_ = driver.predict("gan-mnist", 4, 0, 1, api_name="/sample")
        assert len(gallery) == 4
        assert driver.predict("gan-mnist", "0, 1", "slerp", 8, 24, True, 1, api_name="/walk")[0]
        answered = []
        for ladder in ("emoji", "digits"):
            *_, figures, _ = driver.predict(2, 0, 1, "red apple", ladder, api_name="/compare_on_page")
            answered += [row[0] for row in figures["data"]]
        assert sorted(answered) == sorted(genart_hub.bundled())
