"""The app in a process of its own, as a reader starts it, with no network beyond loopback."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gradio_client import Client
from pipelines import save_tiny_pipeline
from postscript import fake_ghostscript

ROOT = Path(__file__).resolve().parents[1]
LANGUAGES = {"en": "en-US,en;q=0.9", "zh": "zh-CN,zh;q=0.9"}
WITH_WEIGHTS = """
import pathlib, sys
from genart_hub import ui
from genart_hub.hub import locate

locate.WEIGHTS_FOLDERS = (pathlib.Path(sys.argv[1]),)
ui.launch()
"""
DIGITS = ["vae-mnist", "cvae-mnist", "gan-mnist", "dcgan-mnist"]  # what `tiny_weights` holds of each ladder, as they came
EMOJI = ["conv-vae-emoji", "dcgan-emoji"]
PIPELINE = "tiny-sd-emoji"


@dataclass
class App:
    """A running app: its address, what it has written to its terminal, and a file that is there once it has started Ghostscript."""

    url: str
    hub: str
    log: Path
    ghostscript: Path
    process: subprocess.Popen | None = None

    @property
    def terminal(self) -> str:
        return self.log.read_text("utf-8", errors="replace")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running_app(
    folder: Path, weights: Path | None = None, command: Sequence = (sys.executable, "app.py"), cwd: Path = ROOT, **settings: str
):
    """Start app.py, or the same page over another folder of weights; wait until it answers, stop it at the end."""
    for name in ("uploads", "hf", "tmp"):
        (folder / name).mkdir()
    programs, mark = fake_ghostscript(folder)
    port, hub = free_port(), f"http://127.0.0.1:{free_port()}"  # nobody listens at the second
    kept = {
        key: value for key, value in os.environ.items() if not key.startswith(("GENART_", "GRADIO_", "HF_")) and "PROXY" not in key.upper()
    }
    environment = kept | {
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(folder / "uploads"),
        "TMPDIR": str(folder / "tmp"),
        "HF_HOME": str(folder / "hf"),
        "HF_ENDPOINT": hub,
        "OMP_NUM_THREADS": "1",
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONUNBUFFERED": "1",
        "NO_PROXY": "127.0.0.1",
        **settings,
    }
    app = App(f"http://127.0.0.1:{port}", hub, folder / "terminal.txt", mark)
    command = command if weights is None else (sys.executable, "-c", WITH_WEIGHTS, str(weights))
    with app.log.open("wb") as log:
        process = subprocess.Popen(command, cwd=cwd, env=environment, stdout=log, stderr=subprocess.STDOUT)
        app.process = process
        try:
            deadline = time.monotonic() + 120
            while not answers(app.url):
                assert process.poll() is None, f"app.py stopped:\n{app.terminal}"
                assert time.monotonic() < deadline, f"app.py did not answer within two minutes:\n{app.terminal}"
                time.sleep(0.1)
            yield app
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def answers(url: str) -> bool:
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as page:
            return page.status == 200
    except OSError:
        return False


def connect(app: App, lang: str, folder: Path) -> Client:
    """A client with a browser's language; its downloads must not lie where the server keeps its files."""
    client = Client(app.url, download_files=folder, headers={"accept-language": LANGUAGES[lang]}, verbose=False)
    holds = {one["id"]: one["props"].get("value") for one in client.config["components"]}
    for endpoint in client.endpoints.values():  # what the page calls for itself, tests call by its name, with what its fields hold
        if endpoint.is_valid or not endpoint.dependency["backend_fn"]:
            continue
        endpoint.dependency["api_visibility"], endpoint.is_valid = "undocumented", True
        fields = [one for one, kind in zip(endpoint.dependency["inputs"], endpoint.input_component_types, strict=True) if not kind.skip]
        endpoint.parameters_info = [{"parameter_has_default": True, "parameter_default": holds[one]} for one in fields]
    return client


def save_tiny_weights(folder: Path) -> Path:
    """Models of 8 px in grey and 16 px in colour, whose classes differ from each other, and a pipeline; two have been measured."""
    import torch

    from genart_hub.models import MODELS
    from genart_hub.ui.texts import CLASSES_ZH

    grey, colour = {"image_size": 8, "channels": 1, "latent_dim": 4}, {"image_size": 16, "channels": 3, "latent_dim": 4, "width": 2}
    made = {
        "gan-mnist": ("GAN", grey),
        "vae-mnist": ("VAE", grey | {"hidden_dims": [16]}),
        "dcgan-mnist": ("DCGAN", grey | {"width": 2, "num_classes": 10}),
        "cvae-mnist": ("ConvVAE", grey | {"width": 2, "num_classes": 10}),
        "dcgan-emoji": ("DCGAN", colour | {"class_names": list(CLASSES_ZH)}),
        "conv-vae-emoji": ("ConvVAE", colour),
    }
    assert sorted(made) == sorted(DIGITS + EMOJI)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for name, (class_name, arguments) in made.items():
            model = MODELS[class_name](**arguments)
            for module in model.modules():
                if isinstance(module, torch.nn.Embedding):
                    torch.nn.init.normal_(module.weight)
            model.save_pretrained(folder / name)
    save_tiny_pipeline(folder / PIPELINE, latent_channels=16)
    (folder / PIPELINE / "sampling.json").write_text('{"num_steps": 10, "guidance": 3}')
    figures = [{"metric": "frechet", "value": 7.25, "real": 1.5}, {"metric": "recall", "value": 0.614, "real": 0.93}]
    for name in (PIPELINE, "dcgan-emoji"):
        scores = {name: [k / 100 - 0.5 for k in range(101)]} if name == "dcgan-emoji" else {}
        (folder / name / "evaluation.json").write_text(json.dumps({"results": {name: figures}, "scores": scores}))
    return folder
