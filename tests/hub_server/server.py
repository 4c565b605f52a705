"""The server: requests come in over HTTP, and go wrong where a test wants them to."""

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
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from .repos import (
    LFS_SUFFIXES,
    PREFIXES,
    Answer,
    Commit,
    File,
    Refused,
    Repo,
    User,
    check_writes,
    git_oid,
    is_lfs,
    lfs_file,
    parse_card,
)

APP_FILES = {"gradio": "app.py", "streamlit": "app.py", "docker": "Dockerfile", "static": "index.html"}


class Request(NamedTuple):
    """What was asked. path: with its query, still quoted. token: None where no authorization header came."""

    method: str
    path: str
    token: str | None


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
