"""The Hub through huggingface_hub: downloads of one commit, publishing in one commit, search, and errors as sentences."""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from genart_hub import __version__, cards
from genart_hub.errors import GenartError, first_line, shorten, whole

CONFIG, WEIGHTS, PIPELINE = "config.json", "model.safetensors", "model_index.json"
CONFIG_LIMIT = 65_536
LIBRARY = "genart-hub"
CLIENT = {"library_name": LIBRARY, "library_version": __version__}


@dataclass(frozen=True)
class Found:
    """A model that a search found."""

    id: str
    family: str | None
    author: str | None
    downloads: int
    likes: int
    tags: tuple[str, ...]


def search(query: str | None = None, family: str | None = None, author: str | None = None, limit: int = 20) -> list[Found]:
    """The Hub's models of this library, best match first."""
    from huggingface_hub import HfApi, constants, get_session

    limit = whole("search", "limit", limit, 1, 1000)
    wanted = [LIBRARY] if family is None else [LIBRARY, family]
    try:
        with hub_errors(query or LIBRARY, publishing=True):
            get_session().head(f"{constants.ENDPOINT}/api/models", timeout=constants.HF_HUB_ETAG_TIMEOUT)  # else half a minute of trying
            api = HfApi(token=token_for_endpoint(None), **CLIENT)
            return [_found(model) for model in api.list_models(filter=wanted, search=query, author=author, limit=limit, full=True)]
    except GenartError as error:
        if error.code == "hub_unreachable_now":
            raise GenartError("hub_no_search", endpoint=constants.ENDPOINT) from error
        raise


def _found(model) -> Found:
    tags = tuple(model.tags or ())
    family = next((tag for tag in tags if tag in cards.FAMILIES), None)
    return Found(model.id, family, model.author, model.downloads or 0, model.likes or 0, tags)


def publish(
    folder: Path,
    repo_id: str,
    *,
    private: bool | None = None,
    token: str | None = None,
    revision: str | None = None,
    commit_message: str | None = None,
    overwrite_card: bool = False,
    files: Sequence[str] | None = None,
) -> str:
    """Push a folder in one commit, or in none where nothing changed. Returns the commit's address.

    files: patterns of what goes with it (None: those of a model); a pipeline's have its index among them. A card that somebody edited on
    the Hub keeps its text; only its metadata is brought up to date.
    """
    from huggingface_hub import HfApi

    check_repo_id(repo_id)
    api = HfApi(token=token_for_endpoint(token), **CLIENT)
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
            check = _check_pipeline if PIPELINE in (files or ()) else _check_library
            check(api, repo_id, existing, revision)
        card = folder / cards.CARD
        if existing and cards.CARD in existing and not overwrite_card and card.is_file():
            theirs = _read_text(api, repo_id, cards.CARD, revision)
            card.write_text(cards.merge(card.read_text(encoding="utf-8"), theirs), encoding="utf-8")
        commit = api.upload_folder(
            repo_id=repo_id,
            folder_path=folder,
            revision=revision,
            commit_message=commit_message or f"Upload with genart_hub {__version__}",
            allow_patterns=list(PUBLISHED if files is None else files),
        )
    return str(commit)


PUBLISHED = (CONFIG, WEIGHTS, "model.*.safetensors", cards.CARD, cards.SAMPLES, cards.TRAINING, cards.EVALUATION)


def check_repo_id(repo_id: object) -> None:
    """Refuse what is not "owner/name"."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        if not isinstance(repo_id, str) or repo_id.count("/") != 1:
            raise HFValidationError(repo_id)
        validate_repo_id(repo_id)
    except HFValidationError as error:
        raise GenartError("bad_repo_id", name=shorten(repo_id)) from error


def _files_on_hub(api, repo_id: str, revision: str | None = None) -> list[str] | None:
    """The repository's files, or None where there is no repository yet."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    try:
        return [sibling.rfilename for sibling in api.model_info(repo_id, revision=revision).siblings or ()]
    except GatedRepoError:
        raise
    except RepositoryNotFoundError:
        return None


def _check_library(api, repo_id: str, files: list[str], revision: str | None) -> None:
    """Refuse to write over a model of another library."""
    library = cards.split(_read_text(api, repo_id, cards.CARD, revision))[0].get("library_name") if cards.CARD in files else None
    others = [file for file in files if Path(file).suffix in (".safetensors", ".bin", ".pt", ".ckpt", ".onnx", ".gguf")]
    if not library and others and CONFIG in files and '"genart_hub_version"' in _read_text(api, repo_id, CONFIG, revision):
        return  # ours, under a card that somebody rewrote
    if (library and library != LIBRARY) or (not library and others):
        raise GenartError("other_library", name=repo_id, library=shorten(library or others[0]).strip("'"))


def _check_pipeline(api, repo_id: str, existing: list[str], revision: str | None) -> None:
    """Refuse to write over what is not a pipeline of ours: another library's weights, or a model that is no pipeline."""
    weights = [file for file in existing if Path(file).suffix in (".safetensors", ".bin", ".pt", ".ckpt", ".onnx", ".gguf")]
    theirs = _read_text(api, repo_id, cards.CARD, revision) if cards.CARD in existing else ""
    if weights and (CONFIG in existing or LIBRARY not in (cards.split(theirs)[0].get("tags") or [])):
        raise GenartError("other_library", name=repo_id, library=weights[0])


def _check_visibility(api, repo_id: str, private: bool) -> None:
    if api.model_info(repo_id).private != private:
        api.update_repo_settings(repo_id, private=private)


def _read_text(api, repo_id: str, file: str, revision: str | None) -> str:
    from huggingface_hub.errors import EntryNotFoundError, RevisionNotFoundError

    try:
        return Path(api.hf_hub_download(repo_id, file, revision=revision)).read_text(encoding="utf-8")
    except (EntryNotFoundError, RevisionNotFoundError):
        return ""


@dataclass
class Repository:
    """A model's repository on the Hub, at one commit."""

    repo_id: str
    revision: str | None
    subfolder: str | None
    token: str | None
    local_files_only: bool
    cache_dir: str | os.PathLike | None
    commit: str | None = None

    def open(self) -> Path:
        """Download what says of which kind the model is. Returns the folder of the cache that holds it."""
        try:
            return self.download(CONFIG, CONFIG_LIMIT).parent
        except GenartError as error:
            away = error.code in ("hub_unreachable", "hub_not_cached")
            if error.code != "hub_no_file" and not (away and self._cached(PIPELINE)):
                raise
            try:
                return self.download(PIPELINE, CONFIG_LIMIT).parent
            except GenartError as second:
                raise (error if second.code == "hub_no_file" else second) from None

    def download(self, filename: str, max_bytes: int) -> Path:
        """One file of the commit, in the cache. Its size is asked before anything is downloaded."""
        from huggingface_hub import constants, hf_hub_download

        place = self._place(filename)
        path_in_repo = place["filename"]
        offline = self.local_files_only or constants.HF_HUB_OFFLINE
        with hub_errors(self.repo_id, revision=self.revision, file=path_in_repo):
            try:
                size = 0 if offline else self._size_on_hub(path_in_repo)
            except Exception as error:
                path = None if _status(error) else self._cached(filename)  # the Hub cannot be reached, and need not be
                if path is None:
                    raise
            else:
                if size > max_bytes:
                    raise GenartError("too_many_bytes", name=f"{self.repo_id}/{path_in_repo}", size=size, limit=max_bytes)
                path = Path(hf_hub_download(**place, **CLIENT, token=token_for_endpoint(self.token), local_files_only=offline))
        if self.commit is None:
            self.commit = path.parts[path.parts.index("snapshots", -len(Path(path_in_repo).parts) - 2) + 1]
        return path

    def _place(self, filename: str) -> dict:
        """Where huggingface_hub finds a file, in the cache and on the Hub."""
        path_in_repo = f"{self.subfolder}/{filename}" if self.subfolder else filename
        return {"repo_id": self.repo_id, "filename": path_in_repo, "revision": self.commit or self.revision, "cache_dir": self.cache_dir}

    def _cached(self, filename: str) -> Path | None:
        from huggingface_hub import try_to_load_from_cache

        path = try_to_load_from_cache(**self._place(filename))
        return Path(path) if isinstance(path, str) else None

    def files(self) -> list[str]:
        """The names of all files of the commit."""
        from huggingface_hub import HfApi

        with hub_errors(self.repo_id, revision=self.revision):
            return HfApi(token=token_for_endpoint(self.token)).list_repo_files(self.repo_id, revision=self.commit)

    def pipeline_files(self, folder: Path) -> dict[str, int] | None:
        """All files of a pipeline's commit with their bytes, in the names that they have in `folder`; None where the Hub is not asked,
        or cannot be reached and there is a copy of some of them.
        """
        from huggingface_hub import HfApi, constants

        if self.local_files_only or constants.HF_HUB_OFFLINE:
            return None
        with hub_errors(self.repo_id, revision=self.revision, file=PIPELINE):
            try:
                info = HfApi(token=token_for_endpoint(self.token)).model_info(self.repo_id, revision=self.commit, files_metadata=True)
            except Exception as error:
                if _status(error) or not any(folder.glob("*/*.safetensors")):
                    raise
                return None
        prefix = f"{self.subfolder}/" if self.subfolder else ""
        files = {file.rfilename: file.size or 0 for file in info.siblings or ()}
        return {name.removeprefix(prefix): size for name, size in files.items() if name.startswith(prefix)}

    def count_numbers(self, filename: str) -> int | None:
        """The numbers in a safetensors file, read from its first bytes; None where they cannot be had."""
        from huggingface_hub import HfApi

        path_in_repo = self._place(filename)["filename"]
        try:
            with hub_errors(self.repo_id, file=path_in_repo):
                api = HfApi(token=token_for_endpoint(self.token))
                header = api.parse_safetensors_file_metadata(self.repo_id, path_in_repo, revision=self.commit)
        except Exception:  # an estimate does without
            return None
        return sum(header.parameter_count.values())

    def not_cached(self) -> GenartError:
        """What to say where a file is not in the cache and the Hub was not asked, or did not answer."""
        from huggingface_hub import constants

        if self.local_files_only or constants.HF_HUB_OFFLINE:
            return GenartError("hub_not_cached", name=self.repo_id)
        return GenartError("hub_unreachable", endpoint=constants.ENDPOINT, name=self.repo_id)

    def _size_on_hub(self, path_in_repo: str) -> int:
        """Bytes. A server that is ill for a moment is asked again; a network that is not there is told at once."""
        from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url

        url = hf_hub_url(self.repo_id, path_in_repo, revision=self.commit or self.revision)
        token = token_for_endpoint(self.token)
        try:
            return get_hf_file_metadata(url, token=token, timeout=constants.HF_HUB_ETAG_TIMEOUT).size or 0
        except Exception as error:
            if (_status(error) or 0) < 500 and _status(error) != 429:
                raise
        return get_hf_file_metadata(url, token=token, retry_on_errors=True).size or 0


def weight_files(names: Iterable[str], parts: Iterable[str], variant: str | None = None) -> list[str]:
    """Those of `names` that hold a pipeline's weights: of each part those of the variant, or the plain ones where it has none."""
    names, found = sorted(names), []
    for part in parts:
        for ending in (f".{variant}", "") if variant else ("",):
            pattern = re.compile(rf"{re.escape(part + '/')}\w+{re.escape(ending)}(-\d+-of-\d+)?\.safetensors")
            if of_part := [name for name in names if pattern.fullmatch(name)]:
                found += of_part
                break
    return found


def token_for_endpoint(token: str | None) -> str | bool | None:
    """The token to send: a stored one goes to the Hub's own host only; elsewhere only one that was passed or is in HF_TOKEN."""
    from huggingface_hub import constants

    if isinstance(token, str):
        return token
    own_host = constants.ENDPOINT.rstrip("/") in ("https://huggingface.co", "https://hf.co")
    return None if own_host else (os.environ.get("HF_TOKEN") or False)


class hub_errors:
    """`with hub_errors(name):` what huggingface_hub raises becomes a GenartError with its cure."""

    def __init__(self, name: str, revision: str | None = None, file: str = CONFIG, publishing: bool = False):
        self.name, self.revision, self.file, self.publishing = name, revision, file, publishing

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind, error, traceback) -> None:
        if error is None or isinstance(error, GenartError) or not isinstance(error, Exception):
            return
        if (translated := self.translate(error)) is not None:
            raise translated from error

    def translate(self, error: Exception) -> GenartError | None:
        from huggingface_hub import constants, errors

        status = _status(error)
        if isinstance(error, errors.GatedRepoError):
            return GenartError("hub_gated", name=self.name)
        if self.publishing and (status == 401 or isinstance(error, errors.LocalTokenNotFoundError)):
            return GenartError("no_token")
        if self.publishing and status == 403:
            return GenartError("not_writable", name=self.name)
        if isinstance(error, errors.RepositoryNotFoundError):
            return GenartError("hub_no_repo", name=self.name)
        if isinstance(error, errors.RevisionNotFoundError):
            return GenartError("hub_no_revision", name=self.name, revision=self.revision)
        if isinstance(error, errors.RemoteEntryNotFoundError):
            return GenartError("hub_no_file", name=self.name, file=self.file)
        if isinstance(error, errors.HFValidationError):
            return GenartError("bad_repo_id", name=shorten(self.name))
        if self.publishing and isinstance(error, ValueError) and "metadata" in str(error):
            return GenartError("bad_metadata", reason=first_line(error))
        if status is not None:
            return GenartError("hub_refused", name=self.name, status=status)
        if isinstance(error, errors.LocalEntryNotFoundError) and (constants.HF_HUB_OFFLINE or error.__cause__ is None):
            return GenartError("hub_not_cached", name=self.name)
        if isinstance(error, OSError) or type(error).__module__.split(".")[0] in ("httpx", "httpx2", "httpcore", "huggingface_hub"):
            code = "hub_unreachable_now" if self.publishing else "hub_unreachable"
            return GenartError(code, endpoint=constants.ENDPOINT, name=self.name)
        return None


def _status(error: BaseException | None) -> int | None:
    """The HTTP status behind an error of the Hub's client, which may hide it in a cause."""
    while error is not None:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status is not None:
            return status
        error = error.__cause__
    return None
