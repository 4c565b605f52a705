"""What may stand in a request to the Hub: repository ids, revisions, folders and tokens."""

import os
import re
from typing import TYPE_CHECKING, Self, SupportsIndex, TypeGuard
from urllib.parse import urlsplit, urlunsplit

from genart_hub import __version__
from genart_hub.errors import GenartError, shorten, text

if TYPE_CHECKING:
    from huggingface_hub import HfApi

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
PIPELINE = "model_index.json"
SAMPLING = "sampling.json"
NAMES = "names.json"  # of the pictures that a model of words was trained with
CONFIG_LIMIT = 65_536
LIBRARY = "genart-hub"
QUERY_LIMIT, MESSAGE_LIMIT, TOKEN_LIMIT, NAME_LIMIT = 200, 500, 1_000, 250


# What git takes for a branch or tag, but for spaces of other kinds.
REVISION = re.compile(rf"(?!/)(?!.*(\.\.|//|@{{))[^\s~^:?*\[\\\x00-\x1f\x7f]{{1,{NAME_LIMIT}}}(?<![/.])")


HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(@[\w./-]+)?")
VARIANT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,60}")


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


def _is_inside(name: object) -> TypeGuard[str]:
    """Whether a file's name leads to a place inside its folder, on every system."""
    if not isinstance(name, str) or not name or re.search("[\x00-\x1f\x7f\ud800-\udfff]", name):
        return False
    return ".." not in re.split(r"[/\\]", name) and not re.match(r"[/\\]|[A-Za-z]:", name)


class Secret(str):
    """A token. What shows an object's fields shows three asterisks, and a pickle does not hold it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple:
        return _nothing, ()

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict) -> Self:
        return self


def _nothing() -> None:
    """What a pickled token comes back as."""


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


def hub_api(token: str | bool | None) -> "HfApi":
    """The Hub's API, to which this package says its name."""
    from huggingface_hub import HfApi

    return HfApi(token=token_for_endpoint(token), library_name=LIBRARY, library_version=__version__)


def endpoint() -> str:
    """The Hub's address as a sentence names it: without the name and the password that it may hold."""
    from huggingface_hub import constants

    try:
        parts = urlsplit(constants.ENDPOINT)
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    except ValueError:
        return shorten(constants.ENDPOINT)
