"""The Hub through huggingface_hub: downloads of one commit, and search."""

import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genart_hub import __version__
from genart_hub.errors import GenartError, first_line, shorten, text, whole
from genart_hub.files import digest, sha256_of
from genart_hub.hub.answers import COMMIT, _status, hub_errors
from genart_hub.hub.names import (
    CONFIG,
    CONFIG_LIMIT,
    LIBRARY,
    PIPELINE,
    QUERY_LIMIT,
    _is_inside,
    _is_repo_id,
    check_revision,
    check_subfolder,
    check_token,
    endpoint,
    hub_api,
    token_for_endpoint,
)


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
    query: str | None, family: str | None, author: str | None, limit: int, token: str | bool | None, families: Sequence[str]
) -> list[Found]:
    """The Hub's models of this library, best match first. families: of which a model's tags name its own."""
    from huggingface_hub import constants, get_session

    limit = whole("search", "limit", limit, 1, 1000)
    query = text("search", "query", query, QUERY_LIMIT) if query is not None else None
    author = text("search", "author", author, QUERY_LIMIT) if author is not None else None
    wanted = [LIBRARY] if family is None else [LIBRARY, family]
    try:
        with hub_errors(query or LIBRARY, publishing=True):
            get_session().head(f"{constants.ENDPOINT}/api/models", timeout=constants.HF_HUB_ETAG_TIMEOUT)  # else half a minute of trying
            models = hub_api(token).list_models(filter=wanted, search=query or None, author=author or None, limit=limit, full=True)
            return [_found(model, families) for model in models if isinstance(model.id, str) and _is_repo_id(model.id)]
    except GenartError as error:
        if error.code == "hub_unreachable_now":
            raise GenartError("hub_no_search", endpoint=endpoint()) from error
        raise


def _found(model: Any, families: Sequence[str]) -> Found:
    """What a server says of a model, of the kinds that the Hub sends."""
    tags = tuple(tag for tag in model.tags or () if isinstance(tag, str))
    family = next((tag for tag in tags if tag in families), None)
    author = model.author if isinstance(model.author, str) else None
    downloads, likes = (count if isinstance(count, int) else 0 for count in (model.downloads, model.likes))
    return Found(model.id, family, author, downloads, likes, tags)


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

    def __post_init__(self) -> None:
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

        path_in_repo = self._in_repo(filename)
        offline = self.local_files_only or constants.HF_HUB_OFFLINE
        about = None
        with hub_errors(self.repo_id, revision=self.revision, file=path_in_repo, cache=self.cache):
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
                found = hf_hub_download(
                    self.repo_id,
                    path_in_repo,
                    revision=self.commit or self.revision,
                    cache_dir=self.cache,
                    library_name=LIBRARY,
                    library_version=__version__,
                    token=token_for_endpoint(self.token),
                    local_files_only=offline,
                )
                path = Path(found)
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
        if etag is None or not COMMIT.fullmatch(etag):
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
        cache = self.cache.expanduser().resolve()
        places = [path, path.parent / os.readlink(path) if path.is_symlink() else path, path.resolve()]
        for place in places:
            if Path(os.path.realpath(place.parent), place.name).is_relative_to(cache):
                with suppress(OSError):
                    place.unlink()

    @property
    def cache(self) -> Path:
        from huggingface_hub import constants

        return Path(self.cache_dir or constants.HF_HUB_CACHE)

    def _in_repo(self, filename: str) -> str:
        return f"{self.subfolder}/{filename}" if self.subfolder else filename

    def _cached(self, filename: str) -> Path | None:
        from huggingface_hub import try_to_load_from_cache

        path = try_to_load_from_cache(self.repo_id, self._in_repo(filename), self.cache, self.commit or self.revision)
        return Path(path) if isinstance(path, str) else None

    def files(self) -> list[str]:
        """The names of all files of the commit."""
        with hub_errors(self.repo_id, revision=self.revision):
            names = hub_api(self.token).list_repo_files(self.repo_id, revision=self.commit)
            return [_check_listed(self.repo_id, name) for name in names]

    def pipeline_files(self, folder: Path) -> dict[str, int] | None:
        """All files of a pipeline's commit with their bytes, in the names that they have in `folder`; None where the Hub is not asked,
        or cannot be reached and there is a copy of some of them.
        """
        from huggingface_hub import constants

        if self.local_files_only or constants.HF_HUB_OFFLINE:
            return None
        with hub_errors(self.repo_id, revision=self.revision, file=PIPELINE):
            try:
                info = hub_api(self.token).model_info(self.repo_id, revision=self.commit, files_metadata=True)
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
        path_in_repo = self._in_repo(filename)
        try:
            with hub_errors(self.repo_id, file=path_in_repo):
                header = hub_api(self.token).parse_safetensors_file_metadata(self.repo_id, path_in_repo, revision=self.commit)
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
