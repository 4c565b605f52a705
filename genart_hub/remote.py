"""The Hub through huggingface_hub: downloads of one commit, publishing in one commit, search, and errors as sentences."""

import errno
import hashlib
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

from genart_hub import __version__, cards
from genart_hub.errors import GenartError, first_line, shorten, text, whole
from genart_hub.files import digest, sha256_of

CONFIG, WEIGHTS, PIPELINE = "config.json", "model.safetensors", "model_index.json"
CONFIG_LIMIT = 65_536
LIBRARY = "genart-hub"
CLIENT = {"library_name": LIBRARY, "library_version": __version__}
QUERY_LIMIT, MESSAGE_LIMIT, TOKEN_LIMIT, NAME_LIMIT = 200, 500, 1_000, 250
# What huggingface_hub makes paths of is refused unless it is as the Hub sends it: git's or SHA-256 commits, and hashes as ETags.
COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
ETAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+=-]{0,127}")
# What git takes for a branch or tag, but for spaces of other kinds.
REVISION = re.compile(rf"(?!/)(?!.*(\.\.|//|@{{))[^\s~^:?*\[\\\x00-\x1f\x7f]{{1,{NAME_LIMIT}}}(?<![/.])")
VARIANT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,60}")


@dataclass(frozen=True)
class Found:
    """A model that a search found."""

    id: str
    family: str | None
    author: str | None
    downloads: int
    likes: int
    tags: tuple[str, ...]


def search(
    query: str | None = None, family: str | None = None, author: str | None = None, limit: int = 20, token: str | bool | None = None
) -> list[Found]:
    """The Hub's models of this library, best match first."""
    from huggingface_hub import HfApi, constants, get_session

    limit = whole("search", "limit", limit, 1, 1000)
    query = text("search", "query", query, QUERY_LIMIT) if query is not None else None
    author = text("search", "author", author, QUERY_LIMIT) if author is not None else None
    wanted = [LIBRARY] if family is None else [LIBRARY, family]
    try:
        with hub_errors(query or LIBRARY, publishing=True):
            get_session().head(f"{constants.ENDPOINT}/api/models", timeout=constants.HF_HUB_ETAG_TIMEOUT)  # else half a minute of trying
            api = HfApi(token=token_for_endpoint(token), **CLIENT)
            models = api.list_models(filter=wanted, search=query or None, author=author or None, limit=limit, full=True)
            return [_found(model) for model in models if isinstance(model.id, str) and _is_repo_id(model.id)]
    except GenartError as error:
        if error.code == "hub_unreachable_now":
            raise GenartError("hub_no_search", endpoint=endpoint()) from error
        raise


def _found(model) -> Found:
    """What a server says of a model, of the kinds that the Hub sends."""
    tags = tuple(tag for tag in model.tags or () if isinstance(tag, str))
    family = next((tag for tag in tags if tag in cards.FAMILIES), None)
    author = model.author if isinstance(model.author, str) else None
    downloads, likes = (count if isinstance(count, int) else 0 for count in (model.downloads, model.likes))
    return Found(model.id, family, author, downloads, likes, tags)


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
    check_publishing(private, revision, commit_message)
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


PUBLISHED = (CONFIG, WEIGHTS, "model.*.safetensors", cards.CARD, cards.SAMPLES, cards.NEAREST, cards.TRAINING, cards.EVALUATION)


def check_repo_id(repo_id: object) -> None:
    """Refuse what is not "owner/name"."""
    if not isinstance(repo_id, str) or repo_id.count("/") != 1 or not _is_repo_id(repo_id):
        raise GenartError("bad_repo_id", name=shorten(repo_id))


def _is_repo_id(name: str) -> bool:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return True


def check_publishing(private: object, revision: object, commit_message: object) -> None:
    """Refuse what cannot be said of a commit, before anything is sent."""
    check_revision(revision)
    if private not in (True, False, None):
        raise GenartError("not_choice", where="push_to_hub", name="private", choices="True, False, None", value=shorten(private))
    if commit_message is not None:
        text("push_to_hub", "commit_message", commit_message, MESSAGE_LIMIT)


def check_revision(revision: object) -> str | None:
    """A branch, a tag or a commit, or None for the newest; anything else is refused, for it becomes part of a path."""
    if revision is None or revision == "":
        return None
    if not isinstance(revision, str) or not REVISION.fullmatch(revision) or not revision.isprintable():
        raise GenartError("bad_revision", value=shorten(revision))
    return revision


def check_variant(variant: object) -> str | None:
    """The word in a weight file's name, such as fp16, or None for the plain one."""
    if variant is not None and not (isinstance(variant, str) and VARIANT.fullmatch(variant) and ".." not in variant):
        raise GenartError("bad_variant", value=shorten(variant))
    return variant


def check_subfolder(subfolder: object) -> str | None:
    """A folder inside a model's, in its plain form, or None: never one outside it."""
    if subfolder is None or subfolder == "":
        return None
    name = os.fspath(subfolder) if isinstance(subfolder, str | os.PathLike) else None
    if not isinstance(name, str) or len(name) > NAME_LIMIT or not _is_inside(name.rstrip("/")):
        raise GenartError("bad_subfolder", value=shorten(subfolder))
    return "/".join(part for part in name.split("/") if part not in ("", ".")) or None


def _is_inside(name: object) -> bool:
    """Whether a file's name leads to a place inside its folder, on every system."""
    if not isinstance(name, str) or not name or re.search("[\x00-\x1f\x7f\ud800-\udfff]", name):
        return False
    return ".." not in re.split(r"[/\\]", name) and not re.match(r"[/\\]|[A-Za-z]:", name)


class Secret(str):
    """A token. What shows an object's fields shows three asterisks, and a pickle does not hold it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    def __reduce_ex__(self, protocol: int) -> tuple:
        return _nothing, ()

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict) -> Self:
        return self


def _nothing() -> None:
    """What a pickled token comes back as."""


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
    """A model's repository on the Hub, at one commit. Its token is not shown and not pickled."""

    repo_id: str
    revision: str | None
    subfolder: str | None
    token: str | bool | None
    local_files_only: bool
    cache_dir: str | os.PathLike | None
    commit: str | None = None

    def __post_init__(self):
        self.token = check_token(self.token)
        self.revision, self.subfolder = check_revision(self.revision), check_subfolder(self.subfolder)
        folder = os.fspath(self.cache_dir) if isinstance(self.cache_dir, str | os.PathLike) else self.cache_dir
        if folder is not None and not (isinstance(folder, str) and folder.isprintable() and folder):
            raise GenartError("bad_cache_dir", value=shorten(self.cache_dir))

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
        about, cache = None, self.cache_dir or constants.HF_HUB_CACHE
        with hub_errors(self.repo_id, revision=self.revision, file=path_in_repo, cache=cache):
            try:
                about = None if offline else self._about(path_in_repo)
            except GenartError:
                raise
            except Exception as error:
                path = None if _status(error) else self._cached(filename)  # the Hub cannot be reached, and need not be
                if path is None:
                    raise
            else:
                if about and (about.size or 0) > max_bytes:
                    raise GenartError("too_many_bytes", name=f"{self.repo_id}/{path_in_repo}", size=about.size, limit=max_bytes)
                path = Path(hf_hub_download(**place, **CLIENT, token=token_for_endpoint(self.token), local_files_only=offline))
        commit = path.parts[path.parts.index("snapshots", -len(Path(path_in_repo).parts) - 2) + 1]
        self.commit = self.commit or commit
        self.check(path, about.etag if about and about.commit_hash == commit else None)
        return path

    def check(self, path: Path, etag: str | None = None) -> None:
        """Refuse a file of the cache whose bytes are not those that the Hub named, and remove it, so that it is downloaded anew.

        The Hub's ETag is the sha256 of a file in LFS and git's hash of any other; the cache names the target of its link by it.
        etag: of a cache without links.
        """
        with suppress(OSError):
            etag = Path(os.readlink(path)).name
        if not COMMIT.fullmatch(etag or ""):
            return  # another kind of server, whose ETag says nothing of the bytes
        try:
            found = sha256_of(path) if len(etag) == 64 else git_hash(path)
            if found == etag or (len(etag) == 40 and digest(path, hashlib.sha1) == etag):  # as some mirrors name it
                return
        except OSError as error:
            raise GenartError("weights_unreadable", file=str(path), reason=first_line(error)) from error
        self._discard(path)
        place = path.as_posix().rpartition("/snapshots/")[2].partition("/")[2]  # after the commit
        raise GenartError("damaged_file", file=place, name=self.repo_id, found=found[:12], wanted=etag[:12])

    def _discard(self, path: Path) -> None:
        """Take a damaged file out of the cache: its name, and what the name leads to within the cache."""
        from huggingface_hub import constants

        cache = Path(self.cache_dir or constants.HF_HUB_CACHE).expanduser().resolve()
        places = [path, path.parent / os.readlink(path) if path.is_symlink() else path, path.resolve()]
        for place in places:
            if Path(os.path.realpath(place.parent), place.name).is_relative_to(cache):
                with suppress(OSError):
                    place.unlink()

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
            names = HfApi(token=token_for_endpoint(self.token)).list_repo_files(self.repo_id, revision=self.commit)
            return [_check_listed(self.repo_id, name) for name in names]

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
            siblings = info.siblings or ()
            files = {_check_listed(self.repo_id, file.rfilename): whole("Hub", "size", file.size or 0, 0) for file in siblings}
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
        return GenartError("hub_unreachable", endpoint=endpoint(), name=self.repo_id)

    def _about(self, path_in_repo: str) -> Any:
        """A file's bytes, commit and ETag. A failing server is asked again; a network that is not there is told at once."""
        from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url

        url = hf_hub_url(self.repo_id, path_in_repo, revision=self.commit or self.revision)
        token = token_for_endpoint(self.token)
        try:
            return get_hf_file_metadata(url, token=token, timeout=constants.HF_HUB_ETAG_TIMEOUT)
        except Exception as error:
            if (_status(error) or 0) < 500 and _status(error) != 429:
                raise
        return get_hf_file_metadata(url, token=token, retry_on_errors=True)


def git_hash(path: Path) -> str:
    """Git's hash of a file."""
    return digest(path, lambda: hashlib.sha1(b"blob %d\0" % path.stat().st_size))


def _check_listed(repo_id: str, name: object) -> str:
    """A name of a server's list of files, which must stay inside the repository."""
    if not _is_inside(name):
        raise GenartError("hub_answer", endpoint=endpoint(), name=repo_id, reason=GenartError("reason_listed", file=shorten(name)))
    return name


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


def check_token(token: object) -> str | bool | None:
    """A token that a header can carry, wrapped so that nothing shows it; False for none at all; None for the stored one."""
    if token is None or token is True or token == "":
        return None
    if token is False:
        return False
    if not isinstance(token, str) or not re.fullmatch(rf"[!-~]{{1,{TOKEN_LIMIT}}}", token):
        raise GenartError("bad_token")  # without its value
    return Secret(token)


def token_for_endpoint(token: str | bool | None) -> str | bool | None:
    """The token to send: a stored one goes to the Hub's own host only; elsewhere only one that was passed or is in HF_TOKEN.

    token: False for none, whatever is stored.
    """
    from huggingface_hub import constants, get_token

    token = check_token(token)
    if token is not None:
        return token
    own_host = constants.ENDPOINT.rstrip("/") in ("https://huggingface.co", "https://hf.co")
    if own_host:
        if not constants.HF_HUB_DISABLE_IMPLICIT_TOKEN:
            check_token(get_token())
        return None
    return check_token(os.environ.get("HF_TOKEN", "").strip()) or False


def endpoint() -> str:
    """The Hub's address as a sentence names it: without the name and the password that it may hold."""
    from huggingface_hub import constants

    try:
        parts = urlsplit(constants.ENDPOINT)
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    except ValueError:
        return shorten(constants.ENDPOINT)


def refuse_paths(response: Any) -> None:
    """Refuse an answer of a Hub whose commit or ETag is no hash: huggingface_hub would make the cache's paths of them.

    It runs for each answer to huggingface_hub's client, before that sees it.
    """
    commit = response.headers.get("X-Repo-Commit")
    if commit is None:
        return
    etag = response.headers.get("X-Linked-Etag") or response.headers.get("ETag")
    etag = etag.lstrip("W/").strip('"') if etag else None  # as huggingface_hub does
    for header, value, pattern in (("X-Repo-Commit", commit, COMMIT), ("ETag", etag, ETAG)):
        if value is not None and not pattern.fullmatch(value):
            reason = GenartError("reason_header", header=header, value=shorten(value))
            raise GenartError("hub_answer", endpoint=endpoint(), name=shorten(response.url.path), reason=reason)


_watching = threading.Lock()


def _watch() -> None:
    """Have every answer to huggingface_hub's client seen by `refuse_paths`, also to one that it makes anew after an error."""
    from huggingface_hub import get_session, set_client_factory
    from huggingface_hub.utils import _http

    with _watching:
        make = _http._GLOBAL_CLIENT_FACTORY  # there is no public name for what was set
        if not isinstance(make, _Watched):
            set_client_factory(_Watched(make))
        _add_hook(get_session())


class _Watched:
    """A factory of clients that `refuse_paths` watches, over another one."""

    def __init__(self, make: Callable[[], Any]):
        self.make = make

    def __call__(self) -> Any:
        return _add_hook(self.make())


def _add_hook(client: Any) -> Any:
    hooks = client.event_hooks
    if refuse_paths not in hooks["response"]:
        client.event_hooks = hooks | {"response": [*hooks["response"], refuse_paths]}
    return client


NO_PLACE = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS}
NO_PLACE |= {errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENAMETOOLONG}


class hub_errors:
    """`with hub_errors(name):` what huggingface_hub raises becomes a GenartError with its cure.

    cache: the folder that is written to. Nothing that a server sends gets past it: what is foreseen nowhere is told as an answer that
    cannot be used.
    """

    def __init__(
        self,
        name: str,
        revision: str | None = None,
        file: str = CONFIG,
        publishing: bool = False,
        cache: str | os.PathLike | None = None,
    ):
        self.name, self.revision, self.file, self.publishing, self.cache = name, revision, file, publishing, cache

    def __enter__(self) -> None:
        _watch()

    def __exit__(self, kind, error, traceback) -> None:
        if error is None or isinstance(error, GenartError) or not isinstance(error, Exception):
            return
        raise self.translate(error) from error

    def translate(self, error: Exception) -> GenartError:
        from huggingface_hub import constants, errors

        status = _status(error)
        if ours := next((cause for cause in _causes(error) if isinstance(cause, GenartError)), None):
            return ours
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
        if isinstance(error, OSError) and error.errno in NO_PLACE and self.cache is not None:
            return GenartError("cannot_write", path=str(error.filename or self.cache), reason=error.strerror)
        if any(isinstance(cause, OSError) or _module(cause) in CLIENTS for cause in _causes(error)):
            code = "hub_unreachable_now" if self.publishing else "hub_unreachable"
            return GenartError(code, endpoint=endpoint(), name=self.name)
        return GenartError("hub_answer", endpoint=endpoint(), name=shorten(self.name).strip("'"), reason=_without_token(error))


CLIENTS = ("httpx", "httpx2", "httpcore", "httpcore2", "huggingface_hub")


def _module(error: BaseException) -> str:
    return type(error).__module__.split(".")[0]


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and those that it came from."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _without_token(error: BaseException) -> str:
    """An error's kind and first line, in which no token stands."""
    line = first_line(error)
    return f"{type(error).__name__}: " + re.sub(r"(?i)bearer\s+\S+|\bhf_\w+", "***", line) if line else type(error).__name__


def _status(error: BaseException | None) -> int | None:
    """The HTTP status behind an error of the Hub's client, which may hide it in a cause."""
    while error is not None:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status is not None:
            return status
        error = error.__cause__
    return None
