"""A Hub on loopback, this process's client turned to it, and what is put there."""

from types import SimpleNamespace

import pytest
from hub_server import HubServer, User, files_of, patched_client


@pytest.fixture
def hub():
    with HubServer({"write": User("me", orgs=("team",)), "read": User("me", role="read")}) as server:
        yield server


@pytest.fixture
def client(hub, monkeypatch, tmp_path):
    patched_client(hub, monkeypatch, tmp_path / "cache", token="write")
    return hub


@pytest.fixture
def hurried(monkeypatch):
    """The client tries again without waiting."""
    from huggingface_hub.utils import _http

    monkeypatch.setattr(_http, "time", SimpleNamespace(sleep=lambda seconds: None))


@pytest.fixture
def pipeline_on_hub(client, pipeline_folder):
    """me/sd, with files beside those that a pipeline needs."""
    others = {
        "unet/diffusion_pytorch_model.bin": b"\x80",
        "sd-v1.safetensors": b"x" * 999_999,
        "unet/notes.md": b"#",
        "README.md": b"#",
    }
    client.add("me/sd", files_of(pipeline_folder) | others | {"sampling.json": b'{"num_steps": 3, "guidance": 2}'})
    return client


@pytest.fixture
def folder(gan, tmp_path):
    return gan.save_pretrained(tmp_path / "model")
