"""What the tests share: one thread, nothing that leaves the machine, and tiny models and pictures."""

import os
import socket

os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}

import inspect
import io
import itertools
from pathlib import Path

import pytest
import torch
from PIL import EpsImagePlugin, Image
from pipelines import TEXT, byte_tokenizer, save_tiny_pipeline
from postscript import fake_ghostscript

import genart_hub
from genart_hub.models.classifier import Classifier
from genart_hub.models.gan import GAN
from genart_hub.models.vae import VAE
from genart_hub.models.vocabulary import Vocabulary

torch.set_num_threads(1)

NUMBERS = itertools.count()
TINY = {"image_size": 8, "channels": 1, "latent_dim": 4, "hidden_dims": [16], "num_classes": 3, "width": 2, "feature_dim": 5}
TINY |= {"text": TEXT, "decoder_widths": [8, 8], "widths": [8, 8], "hidden_dim": 8, "told_dim": 4, "num_blocks": 1}
TINY |= {"levels": [3, 2], "model_dim": 8, "num_layers": 1, "num_heads": 2}


@pytest.fixture(scope="session")
def picture_caches(tmp_path_factory):
    return tmp_path_factory.mktemp("picture-caches")


@pytest.fixture(autouse=True)
def picture_cache(picture_caches, monkeypatch):
    """Where decoded pictures are kept: never the home's cache."""
    folder = picture_caches / str(next(NUMBERS))  # `mktemp` would look through the folders of all tests before
    folder.mkdir()
    monkeypatch.setenv("GENART_CACHE", str(folder))
    return folder


@pytest.fixture
def tiny():
    """tiny(cls, **changes): a small model of any class, in eval mode, always with the same weights."""

    def make(cls: type, **changes) -> torch.nn.Module:
        known = inspect.signature(cls).parameters
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = cls(**{key: value for key, value in (TINY | changes).items() if key in known}).eval()
        if "text" in known:
            model.words.tokenizer, model.words.vocabulary = byte_tokenizer().backend_tokenizer, Vocabulary({"text": ("red fox", "apple")})
        return model

    return make


@pytest.fixture
def gan(tiny) -> GAN:
    return tiny(GAN)


@pytest.fixture
def vae(tiny) -> VAE:
    return tiny(VAE, latent_dim=3)


@pytest.fixture
def classifier(tiny) -> Classifier:
    return tiny(Classifier)


@pytest.fixture(scope="session")
def pipeline_folder(tmp_path_factory) -> Path:
    """The folder of a tiny Stable Diffusion that makes pictures of 16 px. Tests that change it copy it first."""
    return save_tiny_pipeline(tmp_path_factory.mktemp("diffusion") / "tiny-sd")


@pytest.fixture(scope="module")
def pipeline(pipeline_folder):
    return genart_hub.from_pretrained(pipeline_folder)


def grey_pictures(n: int, size: int = 8, seed: int = 0) -> list[Image.Image]:
    """n different grey pictures."""
    levels = torch.randint(0, 256, (n, size, size), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    return [Image.frombytes("L", (size, size), one.numpy().tobytes()) for one in levels]


@pytest.fixture
def picture_folder(tmp_path):
    """Six grey PNGs of 8x8 in two class folders."""
    for k, picture in enumerate(grey_pictures(6)):
        file = tmp_path / "pictures" / ("cat", "dog")[k % 2] / f"{k}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        picture.save(file)
    return tmp_path / "pictures"


@pytest.fixture
def noisy(tmp_path) -> Path:
    """A folder of twenty noisy pictures of 8 x 8, grey."""
    (tmp_path / "noisy").mkdir()
    for k in range(20):
        Image.effect_noise((8, 8), 90).save(tmp_path / "noisy" / f"{k:02}.png")
    return tmp_path / "noisy"


@pytest.fixture
def parquet(tmp_path):
    """A parquet file with 12 grey pictures of 8x8 in an `image` column and their classes, 0 to 2, in a `label` one."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet as writer

    rows = []
    for picture in grey_pictures(12):
        picture.save(content := io.BytesIO(), format="PNG")
        rows.append({"bytes": content.getvalue(), "path": None})
    file = tmp_path / "tiny.parquet"
    writer.write_table(pyarrow.table({"image": rows, "label": [k % 3 for k in range(12)]}), file)
    return file


@pytest.fixture
def ghostscript(tmp_path, monkeypatch):
    """A file that is there once Pillow has started Ghostscript."""
    programs, mark = fake_ghostscript(tmp_path)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)  # it is looked for once a process
    return mark


@pytest.fixture
def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
