"""What the Hub answers, and what keeps it from answering, as sentences."""

import errno
import os
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

from genart_hub.errors import GenartError, first_line, shorten
from genart_hub.hub.names import CONFIG, endpoint

# What huggingface_hub makes paths of is refused unless it is as the Hub sends it: git's or SHA-256 commits, and hashes as ETags.
COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


ETAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+=-]{0,127}")


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

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is None or isinstance(error, GenartError) or not isinstance(error, Exception):
            return
        raise self.translate(error) from error

    def translate(self, error: BaseException) -> GenartError:
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
