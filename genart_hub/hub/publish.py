"""Publishing a folder in one commit, or in none where nothing changed."""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from genart_hub import __version__
from genart_hub.errors import GenartError, shorten
from genart_hub.hub.answers import hub_errors
from genart_hub.hub.cards import ablation, markdown, notebook, pipelines, shown, tables
from genart_hub.hub.cards.pipelines import components
from genart_hub.hub.names import (
    CONFIG,
    LIBRARY,
    NAMES,
    PIPELINE,
    SAMPLING,
    WEIGHTS,
    check_publishing,
    check_repo_id,
    check_token,
    hub_api,
)

if TYPE_CHECKING:
    from huggingface_hub import HfApi


class Publishable:
    """What can be published: a class writes its folder, and the rest is the same for all."""

    family: ClassVar[str] = "custom"  # a label for people and the Hub: nothing is decided by it but which task trains it

    _write_card: ClassVar[Callable[..., Path]]

    def _write_published(self, folder: Path, repo_id: str, license: str | None, dataset: str | None) -> Sequence[str]:
        """Write what is published, a card among it. Returns the patterns of its files' names."""
        raise NotImplementedError

    def write_card(
        self, folder: Path, name: str, license: str | None = None, dataset: str | None = None, *, title: str | None = None
    ) -> Path:  # fmt: skip
        """Write the card of the model's folder, and the pictures in it, from what its training and its evaluation left there.

        name: what the model is loaded by. license, dataset: those of the card that is there, unless given. Returns the card's file.
        """
        return self._write_card(folder, self, name, license, dataset, title=title)

    def push_to_hub(
        self,
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
        """Publish as "owner/name", with a card and a notebook, in one commit, or in none where nothing changed. Returns its address.

        license: such as "apache-2.0"; the model's own card may have it. private: None leaves an existing repository as it is.
        revision: the branch, made where there is none. dataset: one that the package can attribute (see cards.DATASETS).
        A card that somebody edited on the Hub keeps its text unless overwrite_card; only its metadata is brought up to date. So does a
        notebook that is there.
        """
        check_repo_id(repo_id)
        check_publishing(private, revision, commit_message)
        check_token(token)
        with tempfile.TemporaryDirectory(prefix="genart-hub-") as temporary:
            folder = Path(temporary)
            files = self._write_published(folder, repo_id, license, dataset)
            notebook.write_notebook(folder, self, repo_id)
            api = hub_api(token)
            with hub_errors(repo_id, revision=revision, publishing=True):
                existing = _made_ready(api, repo_id, private, revision, _check_pipeline if PIPELINE in files else _check_library)
                card = folder / markdown.CARD
                if markdown.CARD in existing and not overwrite_card and card.is_file():
                    theirs = _read_text(api, repo_id, markdown.CARD, revision)
                    card.write_text(markdown.merge(card.read_text(encoding="utf-8"), theirs), encoding="utf-8")
                if notebook.NOTEBOOK in existing and not overwrite_card:  # it may be somebody's by now
                    (folder / notebook.NOTEBOOK).unlink()
                commit = api.upload_folder(
                    repo_id=repo_id,
                    folder_path=folder,
                    revision=revision,
                    commit_message=commit_message or f"Upload with genart_hub {__version__}",
                    allow_patterns=[*files, notebook.NOTEBOOK],
                )
        return str(commit)


def _made_ready(api: "HfApi", repo_id: str, private: bool | None, revision: str | None, check: Callable[..., None]) -> list[str]:
    """The files of a repository, which is made where there is none, and its branch too. check: refuses to write over them."""
    existing = _files_on_hub(api, repo_id)
    if existing is None:
        api.create_repo(repo_id, private=private, exist_ok=True)
    elif private is not None:
        _check_visibility(api, repo_id, private)
    if revision is not None:
        api.create_branch(repo_id, branch=revision, exist_ok=True)
    if existing is None:
        return []
    existing = _files_on_hub(api, repo_id, revision) or []
    check(api, repo_id, existing, revision)
    return existing


PUBLISHED = (
    CONFIG, WEIGHTS, "model.*.safetensors", markdown.CARD, markdown.SAMPLES, shown.UNSEEN, shown.WISHES, markdown.NEAREST, tables.TRAINING,
    tables.EVALUATION, ablation.ABLATION, ablation.CURVES,
)  # fmt: skip


def _files_on_hub(api: "HfApi", repo_id: str, revision: str | None = None) -> list[str] | None:
    """The repository's files, or None where there is no repository yet."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    try:
        return [sibling.rfilename for sibling in api.model_info(repo_id, revision=revision).siblings or ()]
    except GatedRepoError:
        raise
    except RepositoryNotFoundError:
        return None


def _check_library(api: "HfApi", repo_id: str, files: list[str], revision: str | None) -> None:
    """Refuse to write over a model of another library."""
    library = markdown.split(_read_text(api, repo_id, markdown.CARD, revision))[0].get("library_name") if markdown.CARD in files else None
    others = [file for file in files if Path(file).suffix in (".safetensors", ".bin", ".pt", ".ckpt", ".onnx", ".gguf")]
    if not library and others and CONFIG in files and '"genart_hub_version"' in _read_text(api, repo_id, CONFIG, revision):
        return  # ours, under a card that somebody rewrote
    if (library and library != LIBRARY) or (not library and others):
        raise GenartError("other_library", name=repo_id, library=shorten(library or others[0]).strip("'"))


def _check_pipeline(api: "HfApi", repo_id: str, existing: list[str], revision: str | None) -> None:
    """Refuse to write over what is not a pipeline of ours: another library's weights, or a model that is no pipeline."""
    weights = [file for file in existing if Path(file).suffix in (".safetensors", ".bin", ".pt", ".ckpt", ".onnx", ".gguf")]
    theirs = _read_text(api, repo_id, markdown.CARD, revision) if markdown.CARD in existing else ""
    if weights and (CONFIG in existing or LIBRARY not in (markdown.split(theirs)[0].get("tags") or [])):
        raise GenartError("other_library", name=repo_id, library=weights[0])


def _check_visibility(api: "HfApi", repo_id: str, private: bool) -> None:
    if api.model_info(repo_id).private != private:
        api.update_repo_settings(repo_id, private=private)


def _read_text(api: "HfApi", repo_id: str, file: str, revision: str | None) -> str:
    from huggingface_hub.errors import EntryNotFoundError, RevisionNotFoundError

    try:
        return Path(api.hf_hub_download(repo_id, file, revision=revision)).read_text(encoding="utf-8")
    except (EntryNotFoundError, RevisionNotFoundError):
        return ""


BESIDE = (
    PIPELINE,
    SAMPLING,
    NAMES,
    markdown.CARD,
    markdown.SAMPLES,
    markdown.NEAREST,
    shown.UNSEEN,
    shown.WISHES,
    pipelines.SCHEDULERS,
    tables.TRAINING,
    tables.EVALUATION,
    *pipelines.SWEEPS,
)


OF_COMPONENTS = (".safetensors", ".json", ".txt", ".model")


def write_pipeline(model: Any, copy: Path, repo_id: str, license: str | None, dataset: str | None) -> list[str]:
    """What is published of a pipeline: its components and a card. Returns the patterns of the files' names.

    Of a pipeline that was changed since it was loaded (other weights, another scheduler) the present state is published, with a card that
    names no figures and pictures of the old one. Neither the stages of its training nor the golden pictures go with it.
    """
    if model.is_current():
        _copy(model.source.folder, copy)
    else:
        model.save_pretrained(copy)
        if model.source and (card := model.source.companion(markdown.CARD)):
            shutil.copy(card, copy / markdown.CARD)
    known = markdown.known_of(copy, repo_id, license, dataset)
    if not (copy / markdown.SAMPLES).is_file():
        model.write_pictures(copy, repo_id, known[2])
    pipelines.write_text(copy, model, repo_id, *known)
    return [*BESIDE, *(f"{part}/*" for part in components(copy))]


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
