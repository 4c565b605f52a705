"""Apps that run while the tests call them, over the bundled weights and over tiny ones, and their clients."""

import os
import shutil
from pathlib import Path
from urllib.parse import urlsplit

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
    (weights / PIPELINE / "sampling.json").write_text('{"num_steps": 60, "guidance": 3}')
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


@pytest.fixture(scope="module")
def browser():
    from browsing import FLAGS, playwright

    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not found:
        assert not os.environ.get("CI"), "no chromium, chromium-browser or google-chrome on the PATH"
        pytest.skip("no chromium, chromium-browser or google-chrome on the PATH")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=found, args=FLAGS.split())
        yield chromium
        chromium.close()


@pytest.fixture
def visit(app, browser):
    """visit(locale, scheme, viewport, url, tab, script, **options of the context): a fresh page. What goes wrong behind it fails
    the test at its end. tab: the one that is opened, None for the one that comes first. script: runs before the page's."""  # fmt: skip
    from browsing import DESK, WAIT, lang_of, open_tab

    contexts, wrong = [], []

    def complain(request):
        if urlsplit(request.url).scheme in ("http", "https", "ws", "wss") and urlsplit(request.url).hostname != "127.0.0.1":
            wrong.append(f"request to {request.url}")

    def visit(
        locale: str = "en-US",
        scheme: str = "light",
        viewport: dict = DESK,
        url: str = app.url,
        tab: str | None = "sampling",
        script: str = "",
        **options,
    ):
        context = browser.new_context(locale=locale, color_scheme=scheme, viewport=viewport, **options)
        context.set_default_timeout(WAIT)
        context.add_init_script("performance.setResourceTimingBufferSize(10_000)\n" + script)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: wrong.append(f"console: {message.text}") if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(f"page error: {error}"))
        page.on("request", complain)
        page.goto(url)
        page.get_by_role("tab").first.wait_for()
        if tab:
            open_tab(page, lang_of(locale), tab)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert not wrong
