"""Runs of tiny models, each in less than a second."""

import importlib
import io
import math

import pytest
import torch
from PIL import Image

from genart_hub.train import ClassifierSettings, GANSettings, VAESettings, train
from genart_hub.train.ddpm import DDPMSettings

GAN_SETTINGS = GANSettings(epochs=3, batch_size=4, lr=1e-3, betas=(0.5, 0.999), ema=0.9, schedule="linear", r1=0.1)
DCGAN_SETTINGS = GANSettings(
    epochs=3, batch_size=4, lr=1e-3, betas=(0.5, 0.99), ema=0.9, schedule="linear", objective="relativistic", r1=0.1, r1_every=2, flip=True,
    augment=("translation", "brightness"),
)  # fmt: skip
FEATURES_SETTINGS = ClassifierSettings(epochs=3, batch_size=4, lr=1e-3, schedule="linear", dropout=0.25, augment=("translation",))
RESNET_SETTINGS = ClassifierSettings(
    epochs=3, batch_size=4, lr=1e-3, schedule="cosine", warmup=0.1, smoothing=0.1, dropout=0.1, flip=True, balance=True
)

RUNS = {  # class: settings, arguments, options of `train`
    "GAN": (GAN_SETTINGS, {"latent_dim": 4}, {}),
    "VAE": (VAESettings(epochs=3, batch_size=4, lr=1e-3, ema=0.9, schedule="linear"), {"latent_dim": 3, "hidden_dims": [16]}, {}),
    "DCGAN": (DCGAN_SETTINGS, {"latent_dim": 4, "width": 4}, {"size": 8, "conditional": True}),
    "ConvVAE": (VAESettings(epochs=3, batch_size=4, lr=1e-3, ema=0.9, schedule="cosine"), {"latent_dim": 3, "width": 2}, {"size": 8}),
    "DDPM": (DDPMSettings(epochs=3, batch_size=4, lr=1e-3, ema=0.9), {"widths": [8, 8]}, {"size": 8, "conditional": True}),
    "Classifier": (FEATURES_SETTINGS, {"width": 2, "feature_dim": 5}, {}),
    "ResNet": (RESNET_SETTINGS, {"width": 2}, {"size": 32}),  # below, oneDNN's bf16 gradient of a 3 x 3 layer on one pixel is uninitialised
}


@pytest.fixture(autouse=True)
def every_look(request, monkeypatch):
    """Every look is taken, and any state may be the best, whatever time it takes; with the marker `budget`, as in a real run."""
    if "budget" in request.keywords:
        return
    loop, training = (importlib.import_module(f"genart_hub.train.{name}") for name in ("loop", "launch"))
    monkeypatch.setattr(loop, "LOOK_SHARE", math.inf)
    for module in (loop, training):
        monkeypatch.setattr(module, "FIRST_BEST", 1)


@pytest.fixture(scope="session")
def runs():
    return RUNS


@pytest.fixture(scope="session")
def tiny_parquet(tmp_path_factory):
    """Twelve noisy 8 x 8 pictures of three classes."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet as writer

    file = tmp_path_factory.mktemp("data") / "tiny.parquet"
    levels = torch.randint(0, 256, (12, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    contents = [io.BytesIO() for _ in levels]
    for one, content in zip(levels, contents, strict=True):
        Image.frombytes("L", (8, 8), one.numpy().tobytes()).save(content, format="PNG")
    rows = [{"bytes": content.getvalue(), "path": None} for content in contents]
    writer.write_table(pyarrow.table({"image": rows, "label": [k % 3 for k in range(12)]}), file)
    return file


@pytest.fixture
def train_tiny():
    """train_tiny(class name, data, out, **changes): the run of RUNS, with changes to its settings, its arguments and its options."""

    def run(name, path, out, settings=None, arguments=None, seed=5, progress=False, **options):
        known = RUNS[name]
        return train(name, path, out, settings or known[0], arguments or known[1], seed=seed, progress=progress, **(known[2] | options))

    return run


@pytest.fixture
def styles(tmp_path):
    """A parquet file with six pictures in each of three styles, each style with the names a to f."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet as writer

    rows = []
    for k in range(18):
        content = io.BytesIO()
        Image.effect_noise((8, 8), 90).save(content, format="PNG")
        rows.append({"image": {"bytes": content.getvalue(), "path": None}, "name": "abcdef"[k % 6], "style": "xyz"[k // 6]})
    writer.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "styles.parquet")
    return tmp_path / "styles.parquet"
