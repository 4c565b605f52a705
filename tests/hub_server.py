"""A Hugging Face Hub on loopback, for the unmodified huggingface_hub client: nothing leaves 127.0.0.1.

    with HubServer(tokens={"write-token": "me", "read-token": User("me", role="read")}) as hub:
        api = HfApi(endpoint=hub.url, token="write-token")

What the client asks, and what it needs in the answer, was read in huggingface_hub 2.4.0. Xet is not served: the client has to
run with HF_HUB_DISABLE_XET=1, which `HubServer.environment` (another process) and `patched_client` (this one) set.
"""

import base64
import hashlib
import json
import os
import re
import socket
import socketserver
import sys
import tempfile
import threading
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

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
SDKS = ("gradio", "streamlit", "docker", "static")
APP_FILES = {"gradio": "app.py", "streamlit": "app.py", "docker": "Dockerfile", "static": "index.html"}
COLORS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")
CARD_KINDS = {"tags": "list", "license": "str or list", "pipeline_tag": "str", "library_name": "str", "model-index": "list"}
FRONT_MATTER = re.compile(r"\A\s*---[\r\n]+(.*?)[\r\n]+---\s*(?:[\r\n]|\Z)", re.DOTALL)


# ---- what the Hub holds ----


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
    secrets: dict[str, dict] = field(default_factory=dict)
    variables: dict[str, dict] = field(default_factory=dict)
    volumes: list[dict] = field(default_factory=list)
    hardware: str = "cpu-basic"
    sleep_time: int | None = None
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

    def history(self, commit: Commit) -> Iterator[Commit]:
        """`commit` and those before it."""
        while True:
            yield commit
            if commit.parent is None:
                return
            commit = self.commits[commit.parent]


class Refused(Exception):
    """An answer that is an error: its status, its sentence, and the X-Error-Code by which the client picks its exception."""

    def __init__(self, status: int, message: str, code: str | None = None, headers: dict[str, str] | None = None):
        super().__init__(message)
        self.answer = Answer({"error": message}, status, {"X-Error-Message": message, **(headers or {})})
        if code:
            self.answer.headers["X-Error-Code"] = code


class Request(NamedTuple):
    """What was asked. path: with its query, still quoted. token: None where no authorization header came."""

    method: str
    path: str
    token: str | None


@dataclass
class Answer:
    """body: bytes, something to be written as JSON, or the path of a file, of which `size` bytes from `offset` are sent."""

    body: Any = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    offset: int = 0
    size: int = 0


@dataclass
class Call:
    """A request as a handler sees it. body: the file that holds what came with it."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: Any
    user: User | None
    body: Path

    def json(self) -> dict:
        return json.loads(self.body.read_bytes() or b"{}")

    def flag(self, name: str) -> bool:
        return self.query.get(name, [""])[0].lower() in ("1", "true")


@dataclass
class Fault:
    """What is to go wrong, and how many more times."""

    match: str | Callable[[str, str], bool]
    how: int | str | tuple[str, str] | dict[str, str] | bytes
    left: int
    code: str | None
    seconds: float | None

    def hits(self, method: str, path: str) -> bool:
        if self.left < 1:
            return False
        return bool(self.match(method, path) if callable(self.match) else re.search(self.match, f"{method} {path}"))


# ---- the server ----


class HubServer:
    """A Hub on 127.0.0.1, from its construction until `close`.

    tokens: token -> user name, or User. repos: "me/gan", "datasets/me/faces", "spaces/me/demo" -> Repo. requests: all that was asked,
    in order. bytes_served: of file contents, so that a test can tell a download from a cached one, and a resumed one from a new one.
    page_size: of every list.
    """

    def __init__(self, tokens: dict[str, str | User] | None = None, page_size: int = 1000):
        self.tokens = {token: User(user) if isinstance(user, str) else user for token, user in (tokens or {}).items()}
        self.page_size = page_size
        self.repos: dict[str, Repo] = {}
        self.requests: list[Request] = []
        self.bytes_served = 0
        self.closing = threading.Event()
        self.lock = threading.RLock()
        self._faults: list[Fault] = []
        self._folder = tempfile.TemporaryDirectory(prefix="hub-server-")
        self.blobs = Path(self._folder.name)
        self._server = _Server(self)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def __enter__(self) -> "HubServer":
        return self

    def __exit__(self, *error) -> None:
        self.close()

    def close(self) -> None:
        """Stop: requests that hang are dropped, connections closed, files removed."""
        if self.closing.is_set():
            return
        self.closing.set()
        self._server.shutdown()
        self._server.disconnect()
        self._server.server_close()
        self._thread.join()
        self._folder.cleanup()

    def fail(self, match, how, times: int = 1, *, code: str | None = None, seconds: float | None = None) -> Fault:
        """Let the next `times` requests that match fail; after that they are answered as ever. `Fault.left` counts down.

        match: a regex searched in "METHOD /path?query", or a callable of (method, path).
        how: a status (`code` goes out as X-Error-Code); "hang" for `seconds`, or until the server closes, then answer; "cut": do
        what was asked, but close in the middle of the answer; ("redirect", url): 302 to the same path there, with the answer's headers;
        a dict: headers that take the place of the answer's own; bytes: the answer's body.
        """
        if not (isinstance(how, int | dict | bytes) or how in ("hang", "cut") or (isinstance(how, tuple) and how[0] == "redirect")):
            raise ValueError(f'how must be a status, "hang", "cut", ("redirect", url), headers or a body, got {how!r}.')
        fault = Fault(match, how, times, code, seconds)
        self._faults.append(fault)
        return fault

    def add(self, repo_id: str, files: dict[str, bytes], *, type: str = "model", branch: str = "main", **settings) -> str:
        """Commit `files` without a client, creating the repository if need be; `settings` are Repo's fields. Returns the commit's sha."""
        with self.lock:
            repo = self.repos.get(PREFIXES[type] + repo_id) or self._create(Repo(repo_id, type), repo_id.split("/")[0])
            for name, value in settings.items():
                setattr(repo, name, value)
            kept = {path: self._keep(content, is_lfs(path, len(content), content[:512])) for path, content in files.items()}
            return self._commit(repo, branch, repo.at(branch).files | kept, "Add files", author=repo_id.split("/")[0]).sha

    def read(self, key: str, path: str, revision: str = "main") -> bytes:
        """A file's content; `key` as in `repos`."""
        return (self.blobs / self.repos[key].at(revision).files[path].sha256).read_bytes()

    def environment(self, cache: str | os.PathLike, token: str | None = None) -> dict[str, str]:
        """This process's environment, for another one: its Hub is this server, and what it stores goes to `cache`."""
        ours = ("HF_", "HUGGING", "TRANSFORMERS_OFFLINE", "DIFFUSERS_OFFLINE")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        kept |= {"HF_ENDPOINT": self.url, "HF_HOME": str(cache), "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
        kept |= {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}
        return kept | ({"HF_TOKEN": token} if token else {})

    # ---- for the handlers, which hold the lock ----

    def answer(self, call: Call) -> Answer:
        """What the Hub says to `call`."""
        served = (
            (match, *rest) for methods, pattern, *rest in ROUTES if call.method in methods and (match := pattern.fullmatch(call.path))
        )
        match, access, handler = next(served, (None, None, None))
        if not match:
            return Refused(404, f"hub_server does not serve {call.method} {call.path}").answer
        found = {name: urllib.parse.unquote(value) for name, value in match.groupdict().items() if value is not None}
        try:
            with self.lock:
                if "repo" in found:
                    prefix = found.pop("prefix") if "prefix" in found else PREFIXES[found.pop("kind").removesuffix("s")]
                    found["repo"] = self._open(prefix + found["repo"], call.user, access)
                answer = handler(self, call, **found)
        except Refused as refused:
            return refused.answer
        except Exception as error:  # 501, for the client retries a 500
            return Refused(501, f"hub_server failed at {call.method} {call.path}: {error!r}").answer
        return answer if isinstance(answer, Answer) else Answer(answer)

    def _open(self, key: str, user: User | None, access: str) -> Repo:
        repo = self.repos.get(key)
        if repo is None or (repo.private and not (user and user.owns(repo.id))):
            raise Refused(404 if user else 401, "Repository not found", "RepoNotFound")
        if access == "write":
            check_writes(user, repo.id)
        if access == "files" and repo.gated and not (user and (user.owns(repo.id) or user.name in repo.approved)):
            raise Refused(403 if user else 401, f"Access to {repo.type} {repo.id} is restricted: ask for it on its page.", "GatedRepo")
        return repo

    def _create(self, repo: Repo, author: str) -> Repo:
        self.repos[repo.key] = repo
        attributes = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in sorted(LFS_SUFFIXES))
        self._commit(repo, "main", {".gitattributes": self._keep(attributes.encode(), lfs=False)}, "initial commit", author=author)
        return repo

    def _keep(self, content: bytes, lfs: bool) -> File:
        sha256 = hashlib.sha256(content).hexdigest()
        if not (self.blobs / sha256).exists():
            (self.blobs / sha256).write_bytes(content)
        return lfs_file(sha256, len(content)) if lfs else File(len(content), sha256, git_oid(content), lfs=False)

    def _commit(self, repo: Repo, branch: str, files: dict[str, File], title: str, message: str = "", author: str = "") -> Commit:
        parent, date = repo.branches.get(branch), datetime.now(UTC)
        tree = sorted((path, file.oid) for path, file in files.items())
        sha = hashlib.sha1(repr((parent, tree, title, message, author, date)).encode()).hexdigest()
        repo.commits[sha] = Commit(sha, parent, title, message, author, date, files)
        repo.branches[branch] = sha
        if repo.type == "space" and branch == "main":
            card = self._card(repo.commits[sha])
            app_file = card.get("app_file") or APP_FILES.get(card.get("sdk") or repo.sdk, "app.py")
            repo.stages = ["BUILDING", "RUNNING"] if app_file in files else ["NO_APP_FILE"]
        return repo.commits[sha]

    def _card(self, commit: Commit) -> dict:
        """README.md's metadata; empty where there is none, or it does not parse."""
        if "README.md" not in commit.files:
            return {}
        text = (self.blobs / commit.files["README.md"].sha256).read_text(encoding="utf-8", errors="replace")
        card, problem = parse_card(text)
        return {} if problem else card

    def _next_fault(self, method: str, path: str) -> Fault | None:
        with self.lock:
            fault = next((fault for fault in self._faults if fault.hits(method, path)), None)
            if fault:
                fault.left -= 1
            return fault


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


# ---- routes ----

ROUTES: list[tuple[tuple[str, ...], re.Pattern, str, Callable]] = []
PLACEHOLDERS = {
    "kind": "(?P<kind>models|datasets|spaces)",
    "prefix": "(?P<prefix>datasets/|spaces/|)",
    "repo": "(?P<repo>[^/]+(?:/[^/]+)?)",
    "path": "(?P<path>.+)",
}


def route(methods: str, path: str, access: str = "read"):
    """A handler of (hub, call, and what stands in braces): {repo} is opened for `access`, which is "read", "files" or "write"."""
    pattern = re.sub(r"{(\w+)}", lambda name: PLACEHOLDERS.get(name[1], f"(?P<{name[1]}>[^/]+)"), path.replace(".", r"\."))

    def register(handler: Callable) -> Callable:
        ROUTES.append((tuple(methods.split()), re.compile(pattern), access, handler))
        return handler

    return register


def paged(hub: HubServer, call: Call, items: list) -> Answer:
    """One page of `items`, with a Link header to the next."""
    start = int(call.query.get("cursor", ["0"])[0])
    end = start + min(hub.page_size, int(call.query.get("limit", [hub.page_size])[0]))
    if end >= len(items):
        return Answer(items[start:])
    query = urllib.parse.urlencode({**call.query, "cursor": end}, doseq=True)
    return Answer(items[start:end], headers={"Link": f'<{hub.url}{call.path}?{query}>; rel="next"'})


@route("GET", "/api/whoami-v2")
def whoami(hub: HubServer, call: Call) -> dict:
    if not call.user:
        raise Refused(401, "Invalid username or password.")
    orgs = [{"type": "org", "name": name, "fullname": name} for name in call.user.orgs]
    auth = {"type": "access_token", "accessToken": {"displayName": "test", "role": call.user.role}}
    return {"type": "user", "name": call.user.name, "fullname": call.user.name, "orgs": orgs, "auth": auth}


@route("GET", "/api/agent-harnesses")
def agent_harnesses(hub: HubServer, call: Call) -> dict:
    return {"standardEnvVars": [], "harnesses": {}}


@route("POST", "/api/validate-yaml")
def validate_yaml(hub: HubServer, call: Call) -> Answer:
    asked = call.json()
    card, problem = parse_card(asked["content"])
    problems = [problem] if problem else []
    for name, kinds in CARD_KINDS.items():
        if name in card and type(card[name]).__name__ not in kinds.split(" or "):
            problems.append(f'"{name}" must be a {kinds}')
    if asked.get("repoType") == "space":
        if card.get("sdk", "gradio") not in SDKS:
            problems.append(f'"sdk" must be one of {SDKS}')
        problems += [f'"{name}" must be one of {COLORS}' for name in ("colorFrom", "colorTo") if card.get(name, "red") not in COLORS]
        if len(str(card.get("short_description", ""))) > 60:
            problems.append('"short_description" must be at most 60 characters')
    warnings = [] if card or problems else [{"message": "empty or missing yaml metadata in repo card"}]
    errors = [{"message": problem} for problem in problems]
    return Answer({"errors": errors, "warnings": warnings}, 400 if errors else 200)


# ---- repositories ----


def asked_repo(call: Call) -> Repo:
    asked = call.json()
    if not call.user:
        raise Refused(401, "Invalid username or password.")
    private = asked.get("private", False) or asked.get("visibility") == "private"
    return Repo(f"{asked.get('organization') or call.user.name}/{asked['name']}", asked.get("type") or "model", private)


@route("POST", "/api/repos/create")
def create_repo(hub: HubServer, call: Call) -> Answer:
    repo, asked = asked_repo(call), call.json()
    name = asked["name"]
    if not re.fullmatch(r"[\w.-]{1,96}", name) or "--" in name or ".." in name:
        raise Refused(400, f"Invalid repo name: {name}")
    check_writes(call.user, repo.id)
    answer = {"url": f"{hub.url}/{repo.key}", "name": repo.id}
    if repo.key in hub.repos:
        return Answer(answer | {"error": f"You already created this {repo.type} repo: {repo.id}"}, 409)
    if repo.type == "space":
        if asked.get("sdk") not in SDKS:
            raise Refused(400, f"sdk must be one of {SDKS}")
        repo.sdk, repo.hardware = asked["sdk"], asked.get("hardware") or "cpu-basic"
        repo.sleep_time, repo.volumes = asked.get("sleepTimeSeconds"), asked.get("volumes") or []
        repo.secrets = {secret["key"]: secret for secret in asked.get("secrets") or []}
        repo.variables = {variable["key"]: variable for variable in asked.get("variables") or []}
    hub._create(repo, call.user.name)
    return Answer(answer)


@route("DELETE", "/api/repos/delete")
def delete_repo(hub: HubServer, call: Call) -> dict:
    repo = hub._open(asked_repo(call).key, call.user, "write")
    del hub.repos[repo.key]
    return {}


@route("PUT", "/api/{kind}/{repo}/settings", "write")
def update_settings(hub: HubServer, call: Call, repo: Repo) -> dict:
    asked = call.json()
    repo.gated = asked.get("gated", repo.gated)
    if "private" in asked or "visibility" in asked:
        repo.private = asked.get("private", False) or asked.get("visibility") == "private"
    return {}


@route("GET", "/api/{kind}/{repo}/auth-check", "files")
@route("GET", "/api/{kind}/{repo}/auth-check/write", "write")
def auth_check(hub: HubServer, call: Call, repo: Repo) -> dict:
    return {}


@route("GET", "/api/{kind}/{repo}/refs")
def list_refs(hub: HubServer, call: Call, repo: Repo) -> dict:
    def refs(names: dict[str, str], folder: str) -> list[dict]:
        return [{"name": name, "ref": f"refs/{folder}/{name}", "targetCommit": sha} for name, sha in names.items()]

    return {"branches": refs(repo.branches, "heads"), "tags": refs(repo.tags, "tags"), "converts": [], "pullRequests": []}


@route("POST", "/api/{kind}/{repo}/branch/{branch}", "write")
def create_branch(hub: HubServer, call: Call, repo: Repo, branch: str) -> dict:
    return add_ref(repo, repo.branches, branch, call.json().get("startingPoint", "main"))


@route("POST", "/api/{kind}/{repo}/tag/{revision}", "write")
def create_tag(hub: HubServer, call: Call, repo: Repo, revision: str) -> dict:
    return add_ref(repo, repo.tags, call.json()["tag"], revision)


@route("DELETE", "/api/{kind}/{repo}/branch/{branch}", "write")
def delete_branch(hub: HubServer, call: Call, repo: Repo, branch: str) -> dict:
    if branch == "main":
        raise Refused(403, "Cannot delete the main branch")
    return drop_ref(repo.branches, branch)


@route("DELETE", "/api/{kind}/{repo}/tag/{tag}", "write")
def delete_tag(hub: HubServer, call: Call, repo: Repo, tag: str) -> dict:
    return drop_ref(repo.tags, tag)


def add_ref(repo: Repo, refs: dict[str, str], name: str, revision: str) -> dict:
    sha = repo.at(revision).sha
    if name in refs:
        raise Refused(409, f"Reference already exists: {name}")
    refs[name] = sha
    return {}


def drop_ref(refs: dict[str, str], name: str) -> dict:
    if name not in refs:
        raise Refused(404, f"Reference does not exist: {name}", "RevisionNotFound")
    del refs[name]
    return {}


# ---- uploads ----


@route("POST", "/api/{kind}/{repo}/preupload/{revision}", "write")
def preupload(hub: HubServer, call: Call, repo: Repo, revision: str) -> dict:
    asked, files = call.json(), repo.at(revision).files
    gitignore = asked.get("gitIgnore")
    if gitignore is None and ".gitignore" in files:
        gitignore = (hub.blobs / files[".gitignore"].sha256).read_text(encoding="utf-8")
    answers = []
    for file in asked["files"]:
        lfs = is_lfs(file["path"], file["size"], base64.b64decode(file.get("sample", "")))
        answer = {"path": file["path"], "uploadMode": "lfs" if lfs else "regular", "shouldIgnore": ignored(file["path"], gitignore or "")}
        if file["path"] in files:
            answer["oid"] = files[file["path"]].etag
        answers.append(answer)
    return {"files": answers}


@route("POST", "/{prefix}{repo}.git/info/lfs/objects/batch", "write")
def lfs_batch(hub: HubServer, call: Call, repo: Repo) -> dict:
    objects = []
    for asked in call.json()["objects"]:
        answer = {"oid": asked["oid"], "size": asked["size"]}
        if not (hub.blobs / asked["oid"]).exists():
            upload, verify = f"{hub.url}/lfs/{asked['oid']}", f"{hub.url}/{repo.key}.git/info/lfs/objects/verify"
            answer["actions"] = {"upload": {"href": upload, "header": {}}, "verify": {"href": verify, "header": {}}}
        objects.append(answer)
    return {"transfer": "basic", "objects": objects}


@route("PUT", "/lfs/{oid}")
def lfs_upload(hub: HubServer, call: Call, oid: str) -> dict:
    with open(call.body, "rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != oid:
            raise Refused(400, "The content is not of the sha256 it was announced with")
    if not (hub.blobs / oid).exists():
        os.link(call.body, hub.blobs / oid)
    return {}


@route("POST", "/{prefix}{repo}.git/info/lfs/objects/verify", "write")
def lfs_verify(hub: HubServer, call: Call, repo: Repo) -> dict:
    blob = hub.blobs / call.json()["oid"]
    if not blob.exists() or blob.stat().st_size != call.json()["size"]:
        raise Refused(404, "The object was not uploaded")
    return {}


@route("POST", "/api/{kind}/{repo}/commit/{revision}", "write")
def commit(hub: HubServer, call: Call, repo: Repo, revision: str) -> dict:
    if call.flag("create_pr"):
        raise Refused(501, "hub_server has no pull requests")
    parent = repo.at(revision)
    if revision not in repo.branches:
        raise Refused(404, f"{revision} is not a branch", "RevisionNotFound")
    header, files = {}, dict(parent.files)
    with open(call.body, "rb") as lines:
        for line in lines:
            operation = json.loads(line)
            if operation["key"] == "header":
                header = operation["value"]
            else:
                apply_operation(hub, files, operation["key"], operation["value"])
    if header.get("parentCommit") and not parent.sha.startswith(header["parentCommit"]):
        raise Refused(412, "A commit has happened since. Please refresh and try again.")
    made = hub._commit(repo, revision, files, header["summary"], header.get("description", ""), call.user.name)
    return {"success": True, "commitOid": made.sha, "commitUrl": f"{hub.url}/{repo.key}/commit/{made.sha}", "hookOutput": ""}


def apply_operation(hub: HubServer, files: dict[str, File], key: str, value: dict) -> None:
    """Change `files`, path -> File, as one line of a commit says."""
    path = value["path"].rstrip("/")
    inside = [name for name in files if name.startswith(path + "/")]
    if key in ("file", "lfsFile") and (inside or any(str(folder) in files for folder in Path(path).parents)):
        raise Refused(400, f"{path} cannot be a file and a folder")
    if key == "file":
        files[path] = hub._keep(base64.b64decode(value["content"]), lfs=False)
    elif key == "lfsFile":
        if not re.fullmatch("[0-9a-f]{64}", value["oid"]) or not (hub.blobs / value["oid"]).exists():
            raise Refused(400, f"LFS pointer of {path} points to content that was not uploaded")
        files[path] = lfs_file(value["oid"], (hub.blobs / value["oid"]).stat().st_size)
    elif key in ("deletedFile", "deletedFolder"):
        doomed = inside if key == "deletedFolder" else [path] if path in files else []
        if not doomed:
            raise Refused(404, f"A file with this name doesn't exist: {path}", "EntryNotFound")
        for name in doomed:
            del files[name]
    else:
        raise Refused(400, f"hub_server does not know the operation {key}")


# ---- downloads ----


@route("GET HEAD", "/{prefix}{repo}/resolve/{revision}/{path}", "files")
def resolve(hub: HubServer, call: Call, repo: Repo, revision: str, path: str) -> Answer:
    found = repo.at(revision)
    headers = {"X-Repo-Commit": found.sha}
    if path not in found.files:
        raise Refused(404, "Entry not found", "EntryNotFound", headers)
    file = found.files[path]
    headers |= {"ETag": f'"{file.etag}"', "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}
    if file.lfs:
        headers |= {"X-Linked-Etag": f'"{file.etag}"', "X-Linked-Size": str(file.size)}
    blob, span = hub.blobs / file.sha256, re.fullmatch(r"bytes=(\d+)-(\d*)", call.headers.get("Range", ""))
    if not span:
        return Answer(blob, 200, headers, 0, file.size)
    start, end = int(span[1]), min(int(span[2] or file.size), file.size - 1)
    if start > end:
        raise Refused(416, "Range not satisfiable", headers={"Content-Range": f"bytes */{file.size}"})
    headers["Content-Range"] = f"bytes {start}-{end}/{file.size}"
    return Answer(blob, 206, headers, start, end - start + 1)


# ---- what is where ----

LISTED = ("_id", "id", "modelId", "likes", "downloads", "private", "tags", "pipeline_tag", "library_name", "sdk", "createdAt")
FULL = ("author", "sha", "lastModified", "gated", "disabled", "siblings")
LIST_OPTIONS = {"filter", "author", "search", "pipeline_tag", "sort", "limit", "full", "cardData", "config", "expand", "cursor"}


def as_list(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else [str(value)] if value else []


def describe(hub: HubServer, repo: Repo, at: Commit, blobs: bool = False) -> dict:
    """What /api/models/ID and its like say of a repository at a commit."""
    card, siblings = hub._card(at), []
    for path, file in sorted(at.files.items()):
        sibling = {"rfilename": path}
        if blobs:
            sibling |= {"size": file.size, "blobId": file.oid}
        if blobs and file.lfs:
            sibling["lfs"] = {"size": file.size, "sha256": file.sha256, "pointerSize": len(lfs_pointer(file.sha256, file.size))}
        siblings.append(sibling)
    tags = as_list(card.get("library_name")) + ["safetensors"] * any(path.endswith(".safetensors") for path in at.files)
    tags += as_list(card.get("pipeline_tag")) + as_list(card.get("tags")) + as_list(card.get("language"))
    tags += [f"{name}:{value}" for name, key in (("license", "license"), ("dataset", "datasets")) for value in as_list(card.get(key))]
    info = {
        "_id": hashlib.sha1(repo.key.encode()).hexdigest()[:24],
        "id": repo.id,
        "author": repo.id.split("/")[0],
        "sha": at.sha,
        "lastModified": stamp(at.date),
        "createdAt": stamp(repo.created),
        "private": repo.private,
        "gated": repo.gated,
        "disabled": False,
        "downloads": repo.downloads,
        "likes": repo.likes,
        "tags": list(dict.fromkeys([repo.sdk] * bool(repo.sdk) + tags)),
        "cardData": card,
        "siblings": siblings,
        "usedStorage": sum(file.size for file in at.files.values()),
    }
    if repo.type == "model":
        info |= {"modelId": repo.id} | {key: card[key] for key in ("pipeline_tag", "library_name", "model-index") if key in card}
    if repo.type == "space":
        info |= {"sdk": card.get("sdk") or repo.sdk, "runtime": runtime_of(repo)}
    return info


@route("GET", "/api/{kind}")
def list_repos(hub: HubServer, call: Call, kind: str) -> Answer:
    asked = call.query
    if unknown := set(asked) - LIST_OPTIONS:
        raise Refused(400, f"hub_server does not list by {', '.join(sorted(unknown))}")
    found = []
    for repo in hub.repos.values():
        if repo.type != kind.removesuffix("s") or (repo.private and not (call.user and call.user.owns(repo.id))):
            continue
        info = describe(hub, repo, repo.at())
        wanted = [
            set(asked.get("filter", [])) <= set(info["tags"]),
            info["author"] in asked.get("author", [info["author"]]),
            all(word.lower() in repo.id.lower() for word in asked.get("search", [])),
            info.get("pipeline_tag") in asked.get("pipeline_tag", [info.get("pipeline_tag")]),
        ]
        if all(wanted):
            found.append(info)
    if "sort" in asked:
        found.sort(key=lambda info: info.get(asked["sort"][0]) or 0, reverse=True)
    keys = {"_id", "id", *asked["expand"]} if "expand" in asked else set(LISTED)
    keys |= set(FULL) if call.flag("full") else set()
    keys |= {"cardData"} if call.flag("cardData") else set()
    return paged(hub, call, [{key: value for key, value in info.items() if key in keys} for info in found])


@route("GET", "/api/{kind}/{repo}")
@route("GET", "/api/{kind}/{repo}/revision/{revision}")
def repo_info(hub: HubServer, call: Call, repo: Repo, revision: str = "main") -> dict:
    info = describe(hub, repo, repo.at(revision), call.flag("blobs"))
    keys = {"_id", "id", *call.query["expand"]} if "expand" in call.query else set(info) - {"usedStorage"}
    return {key: value for key, value in info.items() if key in keys}


@route("GET", "/api/{kind}/{repo}/commits/{revision}")
def list_commits(hub: HubServer, call: Call, repo: Repo, revision: str) -> Answer:
    commits = [
        {"id": c.sha, "title": c.title, "message": c.message, "date": stamp(c.date), "authors": [{"user": c.author}]}
        for c in repo.history(repo.at(revision))
    ]
    return paged(hub, call, commits)


@route("GET", "/api/{kind}/{repo}/tree/{revision}")
@route("GET", "/api/{kind}/{repo}/tree/{revision}/{path}")
def list_tree(hub: HubServer, call: Call, repo: Repo, revision: str, path: str = "") -> Answer:
    at = repo.at(revision)
    found = [name for name in with_folders(at.files) if name.startswith(path + "/" if path else "")]
    if path and not found:
        raise Refused(404, f"{path} does not exist on {revision}", "EntryNotFound", {"X-Repo-Commit": at.sha})
    if not call.flag("recursive"):
        found = [name for name in found if "/" not in name[len(path) :].lstrip("/")]
    return paged(hub, call, [tree_entry(repo, at, name, call.flag("expand")) for name in found])


@route("POST", "/api/{kind}/{repo}/paths-info/{revision}")
def paths_info(hub: HubServer, call: Call, repo: Repo, revision: str) -> list[dict]:
    at, asked = repo.at(revision), urllib.parse.parse_qs(call.body.read_text())
    known, expand = with_folders(at.files), asked.get("expand") == ["true"]
    return [tree_entry(repo, at, path.strip("/"), expand) for path in asked.get("paths", []) if path.strip("/") in known]


def with_folders(paths: Iterable[str]) -> list[str]:
    """The paths and the folders they lie in, sorted."""
    return sorted({str(path) for name in paths for path in (name, *Path(name).parents)} - {"."})


def tree_entry(repo: Repo, at: Commit, path: str, expand: bool) -> dict:
    def content(commit: Commit) -> list:
        return sorted((name, file.oid) for name, file in commit.files.items() if name == path or name.startswith(path + "/"))

    file = at.files.get(path)
    if file is None:
        entry = {"type": "directory", "path": path, "size": 0, "oid": hashlib.sha1(repr(content(at)).encode()).hexdigest()}
    else:
        entry = {"type": "file", "path": path, "size": file.size, "oid": file.oid}
        if file.lfs:
            entry["lfs"] = {"oid": file.sha256, "size": file.size, "pointerSize": len(lfs_pointer(file.sha256, file.size))}
    if expand:
        changed = at
        for changed in repo.history(at):
            if changed.parent is None or content(repo.commits[changed.parent]) != content(at):
                break
        entry["lastCommit"] = {"id": changed.sha, "title": changed.title, "date": stamp(changed.date)}
    return entry


# ---- Spaces ----


def runtime_of(repo: Repo) -> dict:
    return {
        "stage": repo.stages[0],
        "hardware": {"current": repo.hardware if repo.stages[0] == "RUNNING" else None, "requested": repo.hardware},
        "gcTimeout": repo.sleep_time,
        "storage": None,
        "volumes": repo.volumes,
    }


@route("GET", "/api/{kind}/{repo}/runtime")
def space_runtime(hub: HubServer, call: Call, repo: Repo) -> dict:
    answer = runtime_of(repo)
    repo.stages = repo.stages[1:] or repo.stages
    return answer


@route("POST", "/api/{kind}/{repo}/(?P<setting>hardware|sleeptime|pause|restart)", "write")
def set_runtime(hub: HubServer, call: Call, repo: Repo, setting: str) -> dict:
    asked = call.json()
    if setting == "hardware":
        repo.hardware, repo.sleep_time = asked["flavor"], asked.get("sleepTimeSeconds", repo.sleep_time)
    elif setting == "sleeptime":
        repo.sleep_time = asked["seconds"]
    else:
        repo.stages = ["PAUSED"] if setting == "pause" else ["BUILDING", "RUNNING"]
    return runtime_of(repo)


@route("GET POST DELETE", "/api/{kind}/{repo}/(?P<name>secrets|variables)", "write")
def space_settings(hub: HubServer, call: Call, repo: Repo, name: str) -> dict:
    values = getattr(repo, name)
    if call.method == "POST":
        values[call.json()["key"]] = call.json() | {"updatedAt": stamp(datetime.now(UTC))}
    elif call.method == "DELETE":
        values.pop(call.json()["key"], None)
    hidden = "value" if name == "secrets" else None
    return {key: {field: item for field, item in value.items() if field != hidden} for key, value in values.items()}


@route("PUT DELETE", "/api/{kind}/{repo}/volumes", "write")
def space_volumes(hub: HubServer, call: Call, repo: Repo) -> dict:
    repo.volumes = call.json().get("volumes", []) if call.method == "PUT" else []
    return {}


# ---- HTTP ----


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, hub: HubServer):
        self.hub = hub
        self.connections: set[socket.socket] = set()
        self.changed = threading.Condition()
        super().__init__(("127.0.0.1", 0), _Handler)

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # HTTPServer's looks the host's name up
        self.server_name, self.server_port = self.server_address

    def process_request(self, request, client_address) -> None:
        with self.changed:
            self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request) -> None:
        super().shutdown_request(request)
        with self.changed:
            self.connections.discard(request)
            self.changed.notify_all()

    def disconnect(self) -> None:
        """Close what is still open, and wait for its threads."""
        with self.changed:
            for connection in self.connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self.changed.wait_for(lambda: not self.connections, timeout=10)

    def handle_error(self, request, client_address) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):  # a client that goes away is no error
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *args) -> None:
        pass

    def serve(self) -> None:
        hub = self.server.hub
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
        hub.requests.append(Request(self.command, self.path, token))
        fault = hub._next_fault(self.command, self.path)
        how = fault.how if fault else None
        if how == "hang" and hub.closing.wait(fault.seconds):
            self.close_connection = True
            return
        with tempfile.NamedTemporaryFile(dir=hub.blobs, prefix="incoming-") as body:
            for piece in self.pieces():
                body.write(piece)
            body.flush()
            if isinstance(how, tuple) and self.command not in ("GET", "HEAD"):
                answer = Answer()
            elif isinstance(how, int):
                answer = Refused(how, f"{how} as the test asked", fault.code).answer
            elif token and token not in hub.tokens:
                answer = Refused(401, "Invalid credentials in Authorization header").answer
            else:
                url = urllib.parse.urlsplit(self.path)
                query = urllib.parse.parse_qs(url.query, keep_blank_values=True)
                answer = hub.answer(Call(self.command, url.path, query, self.headers, hub.tokens.get(token), Path(body.name)))
        if isinstance(how, tuple):
            answer = Answer(b"", 302, answer.headers | {"Location": how[1] + self.path})
        elif isinstance(how, dict):
            answer.headers |= how
        elif isinstance(how, bytes):
            answer = Answer(how, 200, answer.headers)
        self.send(answer, cut=how == "cut")

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = serve

    def pieces(self) -> Iterator[bytes]:
        """The request's body, whether it came with a length or in chunks."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self.read(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
        left = int(self.headers.get("Content-Length", 0))
        while left:
            piece = self.read(min(left, 1 << 20))
            left -= len(piece)
            yield piece

    def read(self, size: int) -> bytes:
        piece = self.rfile.read(size)
        if len(piece) < size:
            raise ConnectionResetError("the client left in the middle of its request")
        return piece

    def send(self, answer: Answer, cut: bool = False) -> None:
        is_file = isinstance(answer.body, Path)
        if not isinstance(answer.body, bytes | Path):
            answer.headers.setdefault("Content-Type", "application/json")
            answer.body = json.dumps(answer.body, default=str).encode()
        size = answer.size if is_file else len(answer.body)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        sent = size // 2 if cut else size
        if self.command != "HEAD" and is_file and sent:
            with open(answer.body, "rb") as file:
                self.connection.sendfile(file, answer.offset, sent)
            with self.server.hub.lock:
                self.server.hub.bytes_served += sent
        elif self.command != "HEAD" and not is_file:
            self.wfile.write(answer.body[:sent])
        self.close_connection = self.close_connection or cut


# ---- the client in this process ----


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
