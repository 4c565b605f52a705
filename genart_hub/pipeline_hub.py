"""Publishing a text-to-image pipeline: its diffusers folder with a card, in one commit."""

import shutil
import tempfile
from pathlib import Path

from genart_hub import cards, pipeline_cards
from genart_hub.pipeline_cards import components
from genart_hub.remote import PIPELINE, check_publishing, check_repo_id, check_token, publish
from genart_hub.stable_diffusion import SAMPLING, StableDiffusion

BESIDE = (
    PIPELINE,
    SAMPLING,
    cards.CARD,
    cards.SAMPLES,
    cards.NEAREST,
    pipeline_cards.UNSEEN,
    pipeline_cards.SCHEDULERS,
    cards.TRAINING,
    cards.EVALUATION,
    *pipeline_cards.SWEEPS,
)
OF_COMPONENTS = (".safetensors", ".json", ".txt", ".model")


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

    Of a pipeline that was changed since (other weights, another scheduler) the present state is published, with a card that names no
    figures and pictures of the old one. Neither the stages of its training nor the golden pictures go with it. The rest as in
    `HubModel.push_to_hub`.
    """
    check_repo_id(repo_id)
    check_publishing(private, revision, commit_message)
    check_token(token)
    with tempfile.TemporaryDirectory(prefix="genart-hub-") as temporary:
        copy = Path(temporary)
        if model.is_current():
            _copy(model.source.folder, copy)
        else:
            model.save_pretrained(copy)
            if model.source and (card := model.source.companion(cards.CARD)):
                shutil.copy(card, copy / cards.CARD)
        known = cards.known_of(copy, repo_id, license, dataset)
        if not (copy / cards.SAMPLES).is_file():
            pipeline_cards.write_pictures(copy, model, repo_id, known[2])
        pipeline_cards.write_text(copy, model, repo_id, *known)
        options = {"private": private, "token": token, "revision": revision, "commit_message": commit_message}
        files = [*BESIDE, *(f"{part}/*" for part in components(copy))]
        return publish(copy, repo_id, overwrite_card=overwrite_card, files=files, **options)


def _copy(folder: Path, copy: Path) -> None:
    """The components of a pipeline's folder and what is published beside them."""
    for part in components(folder):
        shutil.copytree(folder / part, copy / part, ignore=_others)
    for name in BESIDE:
        if (folder / name).is_file():
            shutil.copy(folder / name, copy / name)


def _others(folder: str, names: list[str]) -> list[str]:
    """What lies beside a component's own files and is not published: pickles, notes, whatever else."""
    return [name for name in names if not name.endswith(OF_COMPONENTS)]
