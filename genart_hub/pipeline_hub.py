"""Publishing a text-to-image pipeline: its diffusers folder with a card, in one commit."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from genart_hub import __version__, cards, pipeline_cards
from genart_hub.errors import GenartError
from genart_hub.pipeline_cards import components
from genart_hub.remote import (
    CLIENT,
    CONFIG,
    LIBRARY,
    PIPELINE,
    _check_visibility,
    _files_on_hub,
    _read_text,
    check_repo_id,
    hub_errors,
    token_for_endpoint,
)
from genart_hub.stable_diffusion import SAMPLING, StableDiffusion

BESIDE = (
    PIPELINE,
    SAMPLING,
    cards.CARD,
    cards.SAMPLES,
    pipeline_cards.UNSEEN,
    cards.TRAINING,
    cards.EVALUATION,
    *pipeline_cards.SWEEPS,
)


def push_pipeline(
    model: StableDiffusion,
    repo_id: str,
    *,
    license: str | None = None,
    private: bool | None = None,
    token: str | None = None,
    revision: str | None = None,
    commit_message: str | None = None,
    dataset: str | None = None,
    overwrite_card: bool = False,
) -> str:
    """Publish the folder that `model` was loaded from as "owner/name": its components and a card. Returns the commit's address.

    Neither the stages of its training nor the golden pictures go with it. The rest as in `HubModel.push_to_hub`.
    """
    check_repo_id(repo_id)
    folder = model.source.folder
    with tempfile.TemporaryDirectory(prefix="genart-hub-") as temporary:
        copy = Path(temporary)
        for part in components(folder):
            shutil.copytree(folder / part, copy / part)
        for name in BESIDE:
            if (folder / name).is_file():
                shutil.copy(folder / name, copy / name)
        known = cards.known_of(copy, repo_id, license, dataset)
        if not (copy / cards.SAMPLES).is_file():
            pipeline_cards.write_pictures(copy, model, repo_id, known[2])
        pipeline_cards.write_text(copy, model, repo_id, *known)
        return _publish(copy, repo_id, private, token, revision, commit_message, overwrite_card)


def _publish(
    folder: Path, repo_id: str, private: bool | None, token: str | None, revision: str | None, message: str | None, overwrite_card: bool
) -> str:
    """One commit of the folder, as `remote.publish` makes it of a model's. A card that was edited on the Hub keeps its text."""
    from huggingface_hub import HfApi

    api: Any = HfApi(token=token_for_endpoint(token), **CLIENT)
    with hub_errors(repo_id, revision=revision, publishing=True):
        existing = _files_on_hub(api, repo_id)
        if existing is None:
            api.create_repo(repo_id, private=private, exist_ok=True)
        elif private is not None:
            _check_visibility(api, repo_id, private)
        if revision is not None:
            api.create_branch(repo_id, branch=revision, exist_ok=True)
        if existing is not None:
            existing = _files_on_hub(api, repo_id, revision) or []
            theirs = _read_text(api, repo_id, cards.CARD, revision) if cards.CARD in existing else ""
            _refuse_others(repo_id, existing, theirs)
            if theirs and not overwrite_card:
                card = folder / cards.CARD
                card.write_text(cards.merge(card.read_text(encoding="utf-8"), theirs), encoding="utf-8")
        names = [*BESIDE, *(f"{part}/*" for part in components(folder))]
        commit = api.upload_folder(
            repo_id=repo_id,
            folder_path=folder,
            revision=revision,
            commit_message=message or f"Upload with genart_hub {__version__}",
            allow_patterns=names,
        )
    return str(commit)


def _refuse_others(repo_id: str, existing: list[str], card: str) -> None:
    """Refuse to write over what is not a pipeline of ours: another library's weights, or a model that is no pipeline."""
    weights = [file for file in existing if Path(file).suffix in (".safetensors", ".bin", ".pt", ".ckpt", ".onnx", ".gguf")]
    if weights and (CONFIG in existing or LIBRARY not in (cards.split(card)[0].get("tags") or [])):
        raise GenartError("other_library", name=repo_id, library=weights[0])
