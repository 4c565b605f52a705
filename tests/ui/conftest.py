"""Apps that run while the tests call them, over the bundled weights and over tiny ones, and their clients."""

import shutil
from pathlib import Path

import pytest
from gradio_client import Client
from running import LANGUAGES, PIPELINE, connect, running_app, save_tiny_weights

import genart_hub
from genart_hub.hub import locate


def pytest_collection_modifyitems(items):
    """Tests of an app that runs are slow."""
    for item in items:
        if {"app", "app_with_pipeline", "slow_app", "tiny_app", "tiny_clients"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", autouse=True)
def _no_proxy_to_loopback():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1")
        patch.setenv("no_proxy", "127.0.0.1")
        yield


@pytest.fixture(scope="session")
def app(tmp_path_factory):
    """The app as it comes, without a diffusion pipeline."""
    with running_app(tmp_path_factory.mktemp("app")) as app:
        yield app


@pytest.fixture(scope="session")
def app_with_pipeline(tmp_path_factory, tiny_weights, pipeline_folder):
    """The app of a host who has set GENART_SD_MODEL, over `tiny_weights`."""
    with running_app(tmp_path_factory.mktemp("app"), tiny_weights, GENART_SD_MODEL=str(pipeline_folder)) as app:
        yield app


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory) -> Path:
    """A folder of tiny models at random weights: both ladders, with classes and without."""
    return save_tiny_weights(tmp_path_factory.mktemp("weights"))


@pytest.fixture
def tiny_model(tiny_weights, monkeypatch):
    """tiny_model(name): a model of the tiny app, which a recipe's name finds too."""
    monkeypatch.setattr(locate, "WEIGHTS_FOLDERS", (tiny_weights,))
    return genart_hub.from_pretrained


@pytest.fixture
def slow_app(tmp_path, tiny_weights):
    """The app over `tiny_weights` with a pipeline of so many steps that a person can stop it in between, be the browser ever so slow."""
    weights = shutil.copytree(tiny_weights, tmp_path / "weights")
    (weights / PIPELINE / "sampling.json").write_text('{"num_steps": 30, "guidance": 3}')
    (tmp_path / "app").mkdir()
    with running_app(tmp_path / "app", weights) as app:
        yield app


@pytest.fixture(scope="session")
def tiny_app(tmp_path_factory, tiny_weights):
    """The app over `tiny_weights`."""
    with running_app(tmp_path_factory.mktemp("app"), tiny_weights) as app:
        yield app


@pytest.fixture(scope="session")
def tiny_clients(tiny_app, tmp_path_factory) -> dict[str, Client]:
    """One client of `tiny_app` a language."""
    return {lang: connect(tiny_app, lang, tmp_path_factory.mktemp(f"downloads-{lang}")) for lang in LANGUAGES}


@pytest.fixture(scope="session")
def clients(app, tmp_path_factory) -> dict[str, Client]:
    """One client a language."""
    return {lang: connect(app, lang, tmp_path_factory.mktemp(f"downloads-{lang}")) for lang in LANGUAGES}


@pytest.fixture
def client(clients) -> Client:
    """The English one."""
    return clients["en"]
