"""What stands before the app on a shared server: names, sizes, rates and headers, checked before Gradio sees a request."""

import ipaddress
import json
import os
import re
import time
from collections import Counter, OrderedDict
from collections.abc import Collection
from contextlib import nullcontext
from typing import Any
from urllib.parse import parse_qs, urlsplit

from genart_hub.ui import turns

ADDRESS = "genart_hub.address"  # in a request's scope
JSON_BYTES, UPLOAD_BYTES, BLOB_BYTES = 1_000_000, 21_000_000, 4_000_000  # of a request's body
MOST_PARTS = 12  # of an upload: its files, and the fields beside them
MOST_OPEN = 256  # requests of one address at a time, a page's event streams among them
SESSIONS = 256  # pages whose state is kept, of about 300 kB each
NAME = 64  # characters of a page's name

API = re.compile(r"/gradio_api/(.*)")
CALLS = re.compile(r"(queue/join|call/.+|run/.+|api/.+|component_server)/?")  # each can begin a page's state
CALLED = re.compile(r"(?:call(?:/v2)?|run|api)/([^/]+)/?")
OF_PAGE = "predict"  # what the page calls its own events by, with their numbers
STREAM = re.compile(r"call/(?:v2/)?[^/]+/([^/]+)")
CLOSED = re.compile(r"(deep_link|process_recording|dev/reload|(undo-)?vibe-|proxy=|file[=/]https?:|profiling|runs|run-history)")
FREE = re.compile(
    r"/(assets|static|sprites|svelte|theme\.css|favicon\.ico|manifest\.json|pwa_icon|gradio_api/(file|theme|heartbeat|queue/data))"
)


class Allowance:
    """So much at once, and so much more each second, for each of many."""

    def __init__(self, at_once: float, a_second: float):
        self.at_once, self.a_second = at_once, a_second
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, who: str, amount: float = 1) -> bool:
        """Whether `who` may have this much now; then it is taken."""
        now = time.monotonic()
        left, since = self._left.pop(who, (self.at_once, now))
        left = min(self.at_once, left + (now - since) * self.a_second)
        enough = left >= amount
        self._left[who] = (left - amount if enough else left), now
        if len(self._left) > turns.REMEMBERED:
            self._left.popitem(last=False)
        return enough


class Refused(Exception):
    """A request that goes no further."""

    def __init__(self, status: int, reason: str):
        super().__init__(reason)
        self.status, self.reason = status, reason


class Gate:
    """ASGI middleware. page: the gradio.Blocks behind it, which knows where it listens. endpoints: the names that programs may call; None:
    any.
    """  # fmt: skip

    def __init__(self, app: Any, page: Any = None, streams: turns.Streams | None = None, endpoints: Collection[str] | None = None):
        self.endpoints = endpoints
        self.app, self.page, self.streams = app, page, turns.STREAMS if streams is None else streams
        self.hosts = {name.strip().lower() for name in os.environ.get("GENART_HOSTS", "").split(",") if name.strip()}
        self.requests = Allowance(300, 20)
        self.bytes = Allowance(200_000_000, 100_000)
        self.sessions = Allowance(40, 1)
        self._open: Counter[str] = Counter()
        self._known: OrderedDict[str, None] = OrderedDict()

    async def __call__(self, scope: dict, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun, address = False, address_of(scope)
        headers = self._headers()

        async def sending(message: dict) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                kept = [(name, value) for name, value in message.get("headers", ()) if name.lower() not in headers]
                message = message | {"headers": [*kept, *headers.items()]}
            await send(message)

        self._open[address] += 1
        try:
            receive = await self._admit(scope, receive, address)
            name = stream_of(scope)
            with self.streams.open(name) if name else nullcontext():
                await self.app(scope | {ADDRESS: address}, receive, sending)
        except Refused as refusal:
            if begun:
                raise
            body = json.dumps({"detail": refusal.reason}).encode()
            about = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
            await sending({"type": "http.response.start", "status": refusal.status, "headers": about})
            await sending({"type": "http.response.body", "body": body})
        finally:
            self._open[address] -= 1
            if not self._open[address]:
                del self._open[address]

    async def _admit(self, scope: dict, receive: Any, address: str) -> Any:
        """Refuse what must not come in. Returns the request's body, as ASGI gives it."""
        path, method = scope["path"], scope["method"]
        self._check_host(header(scope, b"host"))
        if method not in ("GET", "HEAD", "OPTIONS"):
            self._check_origin(header(scope, b"origin"))
        found = API.search(path)
        api = found[1] if found else ""
        if CLOSED.match(api) or re.search(r"/monitoring(/|$)", path):
            raise Refused(404, "Not found.")
        if self._open[address] > MOST_OPEN:
            raise Refused(429, "Too many open connections from this address.")
        if not FREE.match(path.removeprefix(scope.get("root_path", "").rstrip("/"))) and not self.requests.take(address):
            raise Refused(429, "Too many requests from this address. Wait a moment.")
        if method in ("GET", "HEAD", "OPTIONS"):
            return receive
        called = CALLED.fullmatch(api)
        if self.endpoints is not None and called and called[1] not in {*self.endpoints, OF_PAGE}:
            raise Refused(404, "There is no endpoint of that name.")  # Gradio would run any event of the page by its name
        kind, _, about = header(scope, b"content-type").partition(";")
        if kind.strip().lower() != "multipart/form-data":
            return await self._whole(scope, receive, address, api)
        boundary = re.search(r'boundary="?([^";,\s]{1,200})', about)
        if not boundary:
            raise Refused(400, "The upload names no boundary.")
        if CALLS.fullmatch(api):
            return await self._blob(scope, receive, address)
        return self._counted(scope, receive, address, boundary[1].encode())

    # ---- from where ----

    def _check_host(self, host: str) -> None:
        """Refuse a name that this server does not go by: a page elsewhere whose name was turned to this machine would be let in."""
        name = host_name(host)
        if not self.hosts and not self._is_local():
            return
        public = urlsplit(getattr(self.page, "root_path", None) or "").netloc  # of a proxy that Gradio was told of
        if not (is_loopback(name) or name in self.hosts or "*" in self.hosts or (public and name == host_name(public))):
            raise Refused(403, f"This app does not go by the name {name[:100]!r}. Its host can add it to GENART_HOSTS.")

    def _check_origin(self, origin: str) -> None:
        """On this machine only its own pages may ask for something to be done."""
        if origin and self._is_local() and not is_loopback(name := host_name(urlsplit(origin).netloc)) and name not in self.hosts:
            raise Refused(403, "Pages of other sites may not use this app.")

    def _is_local(self) -> bool:
        """Whether the app is for this machine alone."""
        where = getattr(self.page, "server_name", None) or "127.0.0.1"
        return is_loopback(where) and not getattr(self.page, "share", False) and not on_space()

    def _headers(self) -> dict[bytes, bytes]:
        framed = "http://localhost:* http://127.0.0.1:*" if self._is_local() else "https://huggingface.co https://*.hf.space"
        return {
            b"x-content-type-options": b"nosniff",
            b"referrer-policy": b"same-origin",
            b"permissions-policy": b"camera=(), geolocation=(), microphone=()",
            b"content-security-policy": f"frame-ancestors 'self' {framed}; base-uri 'self'; object-src 'none'".encode(),
        }

    # ---- how much ----

    async def _whole(self, scope: dict, receive: Any, address: str, api: str) -> Any:
        """A body that is read before it goes on: small, and of a page that is known or may be begun."""
        body = await read(scope, receive, JSON_BYTES)
        if CALLS.fullmatch(api):
            try:
                asked = json.loads(body)
            except (ValueError, RecursionError):
                raise Refused(400, "The request is no JSON object.") from None
            self._check_session(address, asked.get("session_hash") if isinstance(asked, dict) else None)
        return again(body, receive)

    async def _blob(self, scope: dict, receive: Any, address: str) -> Any:
        """A picture on its way from a drawing pad: its page's name stands in it once."""
        body = await read(scope, receive, BLOB_BYTES)
        if not self.bytes.take(address, len(body)):
            raise Refused(429, "Too much was uploaded from this address. Try again later.")
        names = re.findall(rb'name="session_hash"\r\n\r\n([^\r\n]*)\r\n', body)
        if len(names) != 1 or body.count(b"session_hash") != 1:
            raise Refused(400, "The upload names no page.")
        self._check_session(address, names[0].decode("latin-1"))
        return again(body, receive)

    def _check_session(self, address: str, name: object) -> None:
        """A page costs the server memory and a moment of its time, so only so many are begun from an address."""
        if name is not None and not (isinstance(name, str) and 0 < len(name) <= NAME):
            raise Refused(400, "The page's name is none.")
        if name is not None and name in self._known:
            self._known.move_to_end(name)
            return
        if not self.sessions.take(address):
            raise Refused(429, "Too many new pages from this address. Wait a moment.")
        if name is not None:
            self._known[name] = None
            if len(self._known) > SESSIONS:
                self._known.popitem(last=False)

    def _counted(self, scope: dict, receive: Any, address: str, boundary: bytes) -> Any:
        """An upload as it comes, cut off when there is too much of it."""
        check_length(scope, UPLOAD_BYTES)
        mark, size, parts, rest = b"--" + boundary, 0, 0, b""

        async def receiving() -> dict:
            nonlocal size, parts, rest
            message = await receive()
            body = message.get("body", b"")
            size += len(body)
            seen = rest + body
            parts, rest = parts + seen.count(mark), seen[max(0, len(seen) - len(mark) + 1) :]
            if size > UPLOAD_BYTES or parts > MOST_PARTS + 1:  # the last mark ends the body
                raise Refused(413, "The upload is too large, or has too many files.")
            if not self.bytes.take(address, len(body)):
                raise Refused(429, "Too much was uploaded from this address. Try again later.")
            return message

        return receiving


def on_space() -> bool:
    """Whether this is a Space of the Hub."""
    return bool(os.environ.get("SPACE_ID")) or os.environ.get("SYSTEM") == "spaces"


def address_of(scope: dict) -> str:
    """From where a request comes: an address of IPv4, or a network of IPv6, of which a client has all addresses.

    A Space is reached through a proxy, which adds its client's address to a header; what stands before that may be made up. (Elsewhere
    uvicorn reads that header, from the proxies that it trusts.)
    """
    name = (scope.get("client") or ("",))[0]
    if on_space():
        named = [part.strip() for part in header(scope, b"x-forwarded-for").split(",")]
        name = next((part for part in reversed(named) if (ip := ip_of(part)) and ip.is_global), name)
    ip = ip_of(name)
    if ip is None or ip.version == 4:
        return str(ip or name)
    return str(ip.ipv4_mapped or ipaddress.ip_network((ip.packed, 64), strict=False))


def ip_of(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name.strip("[]").partition("%")[0])
    except ValueError:
        return None


def is_loopback(name: str) -> bool:
    """Whether a name stands for this machine alone, and for no other's say."""
    ip = ip_of(name)
    return name.lower() == "localhost" or bool(ip and ip.is_loopback)


def host_name(host: str) -> str:
    """A Host header without its port, in lower case."""
    name = host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]
    return name.strip("[]").rstrip(".").lower()


def header(scope: dict, name: bytes) -> str:
    """A request's header, or nothing; several of a name as one."""
    return ", ".join(value.decode("latin-1") for key, value in scope["headers"] if key == name)


def stream_of(scope: dict) -> str | None:
    """The name of the event stream that a request opens: a page's, or a job's."""
    found = API.search(scope["path"])
    if scope["method"] != "GET" or not found:
        return None
    if found[1].rstrip("/") == "queue/data":
        names = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("session_hash", ())
        return names[0] if names else None
    job = STREAM.fullmatch(found[1].rstrip("/"))
    return job[1] if job else None


def check_length(scope: dict, limit: int) -> None:
    length = header(scope, b"content-length")
    if length and not (length.isdecimal() and len(length) < 20 and int(length) <= limit):
        raise Refused(413, f"The request is too large: at most {limit:,} bytes are taken.")


async def read(scope: dict, receive: Any, limit: int) -> bytes:
    """A request's whole body."""
    check_length(scope, limit)
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(400, "The request broke off.")
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > limit:
            raise Refused(413, f"The request is too large: at most {limit:,} bytes are taken.")
    return bytes(body)


def again(body: bytes, receive: Any) -> Any:
    """A body that was read, as ASGI gives it; then what comes after it."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receiving() -> dict:
        return messages.pop() if messages else await receive()

    return receiving
