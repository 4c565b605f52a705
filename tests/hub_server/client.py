"""The unmodified client of this process, turned to the server."""

import os
import sys
from pathlib import Path

from .server import HubServer


def patched_client(hub: HubServer, monkeypatch, cache: str | os.PathLike, token: str | None = None) -> None:
    """Turn this process's huggingface_hub to `hub`, with all that it stores in `cache`, until the test's end.

    Its settings are read when it is imported, so everything that 2.4.0 binds then is set again. Not covered: `hffs`, and what diffusers
    and transformers keep of HF_HOME for modules with code of their own.
    """
    from huggingface_hub import constants, hf_api
    from huggingface_hub.utils import _cache_manager, _detect_agent, _git_credential, _http

    environment, cache = hub.environment(cache, token), Path(cache)
    for name in set(os.environ) - set(environment):
        monkeypatch.delenv(name)
    for name, value in environment.items():
        if os.environ.get(name) != value:
            monkeypatch.setenv(name, value)
    settings = {
        "ENDPOINT": hub.url,
        "HUGGINGFACE_CO_URL_TEMPLATE": hub.url + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_URL_HOSTS": constants.HF_URL_HOSTS | {"127.0.0.1"},
        "HF_HOME": str(cache),
        "HF_HUB_CACHE": str(cache / "hub"),
        "HUGGINGFACE_HUB_CACHE": str(cache / "hub"),
        "HF_ASSETS_CACHE": str(cache / "assets"),
        "HF_XET_CACHE": str(cache / "xet"),
        "HF_TOKEN_PATH": str(cache / "token"),
        "HF_STORED_TOKENS_PATH": str(cache / "stored_tokens"),
        "HF_HUB_DISABLE_XET": True,
        "HF_HUB_DISABLE_TELEMETRY": True,
        "HF_HUB_DISABLE_IMPLICIT_TOKEN": False,
        "HF_HUB_OFFLINE": False,
    }
    for name, value in settings.items():
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setattr(hf_api.api, "endpoint", hub.url)  # huggingface_hub.list_models and its like are methods of this one
    monkeypatch.setattr(_http, "_HUB_ORIGINS", _http._HUB_ORIGINS | {_http._url_origin(hub.url)})
    monkeypatch.setattr(_cache_manager, "HF_HUB_CACHE", str(cache / "hub"))
    monkeypatch.setattr(_git_credential, "ENDPOINT", hub.url)
    monkeypatch.setattr(_detect_agent, "_registry", _detect_agent._EMPTY_REGISTRY)
    _http.close_session()  # its connections' proxies were read from the old environment
    if "datasets" in sys.modules:  # else it reads the environment when it is imported
        _patched_datasets(hub, monkeypatch, cache)


def _patched_datasets(hub: HubServer, monkeypatch, cache: Path) -> None:
    """The same for the package `datasets`, as 5.2.0 reads its settings. Import it before `patched_client`, so that they come back."""
    from datasets import config

    settings = {
        "HF_ENDPOINT": hub.url,
        "HUB_DATASETS_URL": hub.url + "/datasets/{repo_id}/resolve/{revision}/{path}",
        "HF_CACHE_HOME": str(cache),
        "HF_DATASETS_CACHE": cache / "datasets",
        "DOWNLOADED_DATASETS_PATH": cache / "datasets" / "downloads",
        "EXTRACTED_DATASETS_PATH": cache / "datasets" / "downloads" / "extracted",
        "HF_MODULES_CACHE": cache / "modules",
        "HF_HUB_OFFLINE": False,
        "HF_DATASETS_OFFLINE": False,
    }
    for name, value in settings.items():
        monkeypatch.setattr(config, name, value)
