"""What a Hub holds: repositories, their commits and files, and who may read and write them."""

import hashlib
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml

PREFIXES = {"model": "", "dataset": "datasets/", "space": "spaces/"}
LFS_SIZE = 10_000_000
LFS_SUFFIXES = tuple(
    "." + suffix
    for suffix in re.findall(
        r"\w+",
        "7z arrow bin bmp bz2 ckpt ftz gif gz h5 ico jpeg jpg joblib mlmodel model mp3 mp4 msgpack npy npz onnx ot parquet"
        " pb pdf pickle pkl png pt pth rar safetensors tar tflite tgz tiff ttf wasm wav webm webp woff2 xz zip zst",
    )
)
FRONT_MATTER = re.compile(r"\A\s*---[\r\n]+(.*?)[\r\n]+---\s*(?:[\r\n]|\Z)", re.DOTALL)


@dataclass(frozen=True)
class User:
    """Whom a token stands for. role: "write" or "read"; orgs: the other namespaces that are theirs."""

    name: str
    role: str = "write"
    orgs: tuple[str, ...] = ()

    def owns(self, repo_id: str) -> bool:
        return repo_id.split("/")[0] in (self.name, *self.orgs)


@dataclass(frozen=True)
class File:
    """A file of a commit. oid is git's: of the content, or of the pointer when the content is in LFS."""

    size: int
    sha256: str
    oid: str
    lfs: bool

    @property
    def etag(self) -> str:
        return self.sha256 if self.lfs else self.oid


@dataclass(frozen=True)
class Commit:
    sha: str
    parent: str | None
    title: str
    message: str
    author: str
    date: datetime
    files: dict[str, File]


@dataclass
class Repo:
    """A repository. `approved` names who may read a gated one; `stages` is what a Space's runtime answers next, the last one stays."""

    id: str
    type: str = "model"
    private: bool = False
    gated: str | bool = False
    sdk: str | None = None
    downloads: int = 0
    likes: int = 0
    approved: set[str] = field(default_factory=set)
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    variables: dict[str, dict] = field(default_factory=dict)
    hardware: str = "cpu-basic"
    stages: list[str] = field(default_factory=lambda: ["NO_APP_FILE"])

    @property
    def key(self) -> str:
        return PREFIXES[self.type] + self.id

    def at(self, revision: str = "main") -> Commit:
        """The commit that a branch, a tag, a sha or a sha's first 7 characters stand for."""
        name = re.sub(r"^refs/(heads|tags)/", "", revision)
        sha = self.branches.get(name) or self.tags.get(name)
        if not sha and re.fullmatch(r"[0-9a-f]{7,40}", revision):
            sha = next((sha for sha in self.commits if sha.startswith(revision)), None)
        if not sha:
            raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return self.commits[sha]


class Refused(Exception):
    """An answer that is an error: its status, its sentence, and the X-Error-Code by which the client picks its exception."""

    def __init__(self, status: int, message: str, code: str | None = None, headers: dict[str, str] | None = None):
        super().__init__(message)
        self.answer = Answer({"error": message}, status, {"X-Error-Message": message, **(headers or {})})
        if code:
            self.answer.headers["X-Error-Code"] = code


@dataclass
class Answer:
    """body: bytes, something to be written as JSON, or the path of a file, of which `size` bytes from `offset` are sent."""

    body: Any = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    offset: int = 0
    size: int = 0


def check_writes(user: User | None, repo_id: str) -> None:
    """Refuse who may not write to `repo_id`."""
    if user is None:
        raise Refused(401, "Invalid username or password.")
    if user.role != "write" or not user.owns(repo_id):
        raise Refused(403, f"You don't have the rights to write to {repo_id} with this token")


def is_lfs(path: str, size: int, sample: bytes) -> bool:
    """Whether the Hub takes a file as LFS: it is large, of a binary kind, or not text."""
    return size > LFS_SIZE or Path(path).suffix.lower() in LFS_SUFFIXES or b"\0" in sample


def git_oid(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def lfs_pointer(sha256: str, size: int) -> bytes:
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()


def lfs_file(sha256: str, size: int) -> File:
    return File(size, sha256, git_oid(lfs_pointer(sha256, size)), lfs=True)


def stamp(date: datetime) -> str:
    return date.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_card(text: str) -> tuple[dict, str | None]:
    """README.md's metadata, and what is wrong with it."""
    match = FRONT_MATTER.match(text)
    if not match:
        return {}, None
    try:
        card = yaml.safe_load(match[1])
    except yaml.YAMLError as error:
        return {}, f"YAML does not parse: {' '.join(str(error).split())}"
    if not isinstance(card, dict | None):
        return {}, f"the metadata must be a mapping, not a {type(card).__name__}"
    return card or {}, None


def ignored(path: str, gitignore: str) -> bool:
    """Whether .gitignore's text leaves `path` out. Names, folders, globs and negation; the last match decides."""
    parts = path.split("/")
    names = [*parts, *("/".join(parts[:depth]) for depth in range(2, len(parts) + 1))]
    patterns = [line.strip() for line in gitignore.splitlines() if line.strip() and not line.startswith("#")]
    hits = [pattern for pattern in patterns if any(fnmatch(name, pattern.lstrip("!").strip("/")) for name in names)]
    return bool(hits) and not hits[-1].startswith("!")


def files_of(folder: Path) -> dict[str, bytes]:
    """A folder's files, as `HubServer.add` takes them."""
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}
