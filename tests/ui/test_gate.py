"""What the app's gate lets in, and what it says of it."""

import json

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from genart_hub.ui import gate
from genart_hub.ui.gate import ADDRESS, Allowance, Gate
from genart_hub.ui.turns import Streams

JOIN = "/gradio_api/queue/join"


class Page:
    """Where the app behind the gate listens."""

    def __init__(self, server_name="127.0.0.1", share=False, root_path=""):
        self.server_name, self.share, self.root_path = server_name, share, root_path


async def echo(request: Request) -> JSONResponse:
    """What the app saw of a request."""
    body = await request.body()
    return JSONResponse({"address": request.scope.get(ADDRESS), "size": len(body), "body": body.decode("latin-1")[:300]})


@pytest.fixture
def standing(monkeypatch):
    """standing(page, **environment): a client of an app that has the gate before it."""
    for name in ("GENART_HOSTS", "SPACE_ID", "SYSTEM"):
        monkeypatch.delenv(name, raising=False)

    def stand(page: Page | None = None, client=("127.0.0.1", 5000), **environment) -> TestClient:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        made = []
        between = Middleware(lambda app: made.append(Gate(app, page or Page(), Streams())) or made[0])
        app = Starlette(routes=[Route("/{path:path}", echo, methods=["GET", "POST"])], middleware=[between])
        client = TestClient(app, base_url="http://127.0.0.1:7860", client=client)
        client.get("/assets/first.js")  # the gate is made then
        client.gate = made[0]
        return client

    return stand


def joins(client: TestClient, session: object = "page", **headers: str) -> int:
    return client.post(JOIN, json={"data": [], "session_hash": session}, headers=headers).status_code


# ---- names ----


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost:7860", "LocalHost", "localhost.", "[::1]:7860", "127.0.0.2"])
def test_an_app_on_loopback_goes_by_the_names_of_this_machine(standing, host):
    assert standing().get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:7860", "127.0.0.1.evil.example", "localhost.evil.example", "0.0.0.0:7860", "", "[::1"]
)
def test_an_app_on_loopback_goes_by_no_other_name(standing, host):
    for answer in (standing().get("/config", headers={"host": host}), standing().post(JOIN, headers={"host": host}, json={})):
        assert answer.status_code == 403
        assert "GENART_HOSTS" in answer.json()["detail"]


def test_an_app_behind_a_proxy_goes_by_the_name_that_gradio_was_told(standing):
    client = standing(Page(root_path="https://demo.example/app"))
    assert [client.get("/", headers={"host": host}).status_code for host in ("demo.example", "evil.example")] == [200, 403]


@pytest.mark.parametrize("page", [Page("0.0.0.0"), Page("192.168.1.5"), Page(share=True)])
def test_an_app_that_is_open_to_others_goes_by_any_name(standing, page):
    assert standing(page).get("/", headers={"host": "demo.example"}).status_code == 200


def test_a_space_goes_by_any_name(standing):
    assert standing(SPACE_ID="me/demo").get("/", headers={"host": "me-demo.hf.space"}).status_code == 200


def test_the_host_names_the_app(standing):
    client = standing(Page("0.0.0.0"), GENART_HOSTS="demo.example, Other.example")
    status = {host: client.get("/", headers={"host": host}).status_code for host in ("demo.example:80", "other.example", "evil.example")}
    assert status == {"demo.example:80": 200, "other.example": 200, "evil.example": 403}
    assert client.get("/", headers={"host": "localhost"}).status_code == 200
    assert standing(GENART_HOSTS="*").get("/", headers={"host": "any.example"}).status_code == 200


@pytest.mark.parametrize(
    ("origin", "status"), [("http://evil.example", 403), ("null", 403), ("http://localhost:7860", 200), ("http://127.0.0.1", 200)]
)
def test_pages_of_other_sites_have_nothing_done_on_this_machine(standing, origin, status):
    assert joins(standing(), origin=origin) == status
    assert joins(standing(Page("0.0.0.0")), origin=origin) == 200


# ---- headers ----


def test_every_answer_carries_the_headers_of_a_careful_server(standing):
    client = standing(Page("0.0.0.0"), GENART_HOSTS="demo.example")
    for answer in (client.get("/"), client.get("/", headers={"host": "evil.example"})):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        policy = answer.headers["content-security-policy"]
        assert "frame-ancestors 'self' https://huggingface.co https://*.hf.space;" in policy


def test_an_app_on_loopback_may_be_framed_by_pages_of_this_machine_only(standing):
    policy = standing().get("/").headers["content-security-policy"]
    assert "frame-ancestors 'self' http://localhost:* http://127.0.0.1:*;" in policy


# ---- sizes ----


def test_a_large_request_is_refused_before_the_app_reads_it(standing):
    client = standing()
    assert client.post(JOIN, content=b"[" * (gate.JSON_BYTES + 1)).status_code == 413
    assert client.post("/gradio_api/cancel", content=iter([b"x" * 600_000] * 2)).status_code == 413
    assert client.post("/gradio_api/cancel", content=b"x" * gate.JSON_BYTES).json()["size"] == gate.JSON_BYTES


@pytest.mark.parametrize(
    "body", [b"", b"x", b"[" * 100_000, b'{"session_hash": ""}', b'{"session_hash": 3}', b'{"session_hash": "%s"}' % (b"x" * 65)]
)
def test_a_call_that_is_no_call_is_refused(standing, body):
    assert standing().post(JOIN, content=body).status_code == 400


def test_a_call_reaches_the_app_as_it_was_sent(standing):
    sent = '{"data": ["红苹果"], "session_hash": "page"}'
    assert standing().post(JOIN, content=sent.encode()).json()["body"].encode("latin-1").decode() == sent


def upload(client: TestClient, sizes: list[int], path: str = "/gradio_api/upload", **fields: str):
    files = [("files", (f"{k}.png", b"x" * size)) for k, size in enumerate(sizes)]
    return client.post(path, files=files, data=fields)


def test_an_upload_has_a_few_files_of_some_megabytes(standing):
    client = standing()
    assert upload(client, [20_000_000]).status_code == 200
    assert upload(client, [1] * gate.MOST_PARTS).status_code == 200
    assert upload(client, [1] * (gate.MOST_PARTS + 1)).status_code == 413
    assert upload(client, [11_000_000, 11_000_000]).status_code == 413


def test_an_upload_in_pieces_is_cut_off(standing):
    mark = b"--limit\r\n"
    headers = {"content-type": "multipart/form-data; boundary=limit"}
    pieces = [mark[:4], mark[4:]] * (gate.MOST_PARTS + 2)  # marks that come in two halves are seen
    assert standing().post("/gradio_api/upload", content=iter(pieces), headers=headers).status_code == 413
    assert standing().post("/gradio_api/upload", content=iter([b"x" * 1_000_000] * 22), headers=headers).status_code == 413
    assert standing().post("/gradio_api/upload", content=b"x", headers={"content-type": "multipart/form-data"}).status_code == 400


def test_an_address_uploads_so_much_and_no_more(standing, monkeypatch):
    client = standing()
    client.gate.bytes = Allowance(5_000_000, 0)
    assert upload(client, [3_000_000]).status_code == 200
    assert upload(client, [3_000_000]).status_code == 429


def test_a_drawing_names_its_page_once(standing):
    client, path = standing(), "/gradio_api/component_server"
    assert upload(client, [1000], path, session_hash="page").status_code == 200
    assert upload(client, [1000], path).status_code == 400
    assert upload(client, [1000], path, session_hash="x" * 65).status_code == 400
    assert upload(client, [gate.BLOB_BYTES], path, session_hash="page").status_code == 413


# ---- rates ----


def test_an_allowance_comes_back_with_time(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(gate.time, "monotonic", lambda: now[0])
    allowance = Allowance(3, 2)
    assert [allowance.take("a") for _ in range(4)] == [True, True, True, False]
    assert allowance.take("b")
    now[0] = 1.0
    assert [allowance.take("a") for _ in range(3)] == [True, True, False]


def test_an_address_begins_so_many_pages_and_those_that_it_has_go_on(standing):
    client = standing()
    client.gate.sessions = Allowance(3, 0)
    assert [joins(client, f"page {k}") for k in range(4)] == [200, 200, 200, 429]
    assert joins(client, "page 1") == 200
    assert client.post("/gradio_api/call/sample", json={"data": []}).status_code == 429
    assert client.post("/gradio_api/cancel", json={"session_hash": "page 9"}).status_code == 200


def test_a_flood_of_requests_is_cut_off_and_files_are_no_flood(standing):
    client = standing()
    client.gate.requests = Allowance(5, 0)
    assert [client.get("/config").status_code for _ in range(6)] == [200] * 5 + [429]
    assert {client.get(path).status_code for path in ("/assets/x.js", "/gradio_api/file=/tmp/x.png", "/theme.css")} == {200}


def test_an_address_has_so_many_requests_open_and_no_more(standing):
    client = standing()
    client.gate._open["127.0.0.1"] = gate.MOST_OPEN
    assert client.get("/gradio_api/heartbeat/page").status_code == 429
    client.gate._open["127.0.0.1"] = 0
    assert client.get("/gradio_api/heartbeat/page").status_code == 200
    assert not client.gate._open


# ---- places that are shut ----


@pytest.mark.parametrize(
    "path",
    [
        "deep_link?session_hash=page", "process_recording", "dev/reload", "vibe-edit", "undo-vibe-edit", "vibe-code/", "proxy=https://x",
        "file=http://example.org/x.png", "file=https://example.org/x.png", "file/https://example.org", "runs", "run-history/records",
    ],
)  # fmt: skip
def test_what_this_app_has_no_use_for_is_shut(standing, path):
    client = standing()
    assert client.get(f"/gradio_api/{path}").status_code == 404
    assert client.post(f"/gradio_api/{path}").status_code == 404


@pytest.mark.parametrize("door", ["call", "call/v2", "run", "api"])
def test_only_the_endpoints_for_programs_are_called_by_their_names(standing, door):
    client = standing()
    assert client.post(f"/gradio_api/{door}/restore", json={"data": []}).status_code == 200
    client.gate.endpoints = {"sample"}
    assert client.post(f"/gradio_api/{door}/sample", json={"data": []}).status_code == 200
    assert client.post(f"/gradio_api/{door}/restore", json={"data": []}).status_code == 404
    assert client.post(f"/gradio_api/{door}/sample/", json={"data": []}).status_code == 200
    assert joins(client) == 200


# ---- addresses and streams ----


@pytest.mark.parametrize(
    ("client", "address"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("testclient", "testclient"),
    ],
)
def test_a_client_is_known_by_its_address_and_one_of_ipv6_by_its_network(standing, client, address):
    assert standing(client=(client, 1)).get("/").json()["address"] == address


@pytest.mark.parametrize(
    ("named", "address"),
    [
        ("8.8.8.8", "8.8.8.8"), ("1.1.1.1, 8.8.8.8", "8.8.8.8"), ("1.1.1.1, 8.8.8.8, 10.1.2.3", "8.8.8.8"),
        ("", "10.0.0.1"), ("nonsense", "10.0.0.1"),
    ],
)  # fmt: skip
def test_on_a_space_the_proxy_names_the_client_and_the_client_does_not_name_itself(standing, named, address):
    client = standing(client=("10.0.0.1", 1), SPACE_ID="me/demo")
    assert client.get("/", headers={"x-forwarded-for": named}).json()["address"] == address


def test_elsewhere_nobody_names_himself(standing):
    assert standing(client=("203.0.113.7", 1)).get("/", headers={"x-forwarded-for": "8.8.8.8"}).json()["address"] == "203.0.113.7"


@pytest.mark.parametrize("path", ["queue/data?session_hash=name", "call/sample/name", "call/v2/sample/name"])
def test_a_stream_is_known_while_it_is_open(monkeypatch, path):
    streams, seen = Streams(), []
    app = Starlette(routes=[Route("/{path:path}", lambda request: JSONResponse(seen.append("name" in streams)))])
    TestClient(Gate(app, Page(), streams), base_url="http://127.0.0.1").get(f"/gradio_api/{path}")
    assert seen == [True]
    assert "name" not in streams


def test_what_is_refused_is_told_as_gradio_s_pages_read_it(standing):
    answer = standing().post(JOIN, content=b"x")
    assert json.loads(answer.content) == {"detail": "The request is no JSON object."}
    assert answer.headers["content-type"] == "application/json"
