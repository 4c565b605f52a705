"""The app on a server that many share: whose models are loaded, who agreed to what, who waits, and what is left behind."""

import json
import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import httpx
import pytest
import torch
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from hub_server import HubServer, User, files_of, patched_client
from pipelines import save_tiny_pipeline
from refusals import code_of
from running import PIPELINE, connect, running_app
from starlette.requests import Request

import genart_hub
from genart_hub import ui
from genart_hub.models.gan import GAN
from genart_hub.ui import fields, folders, gate, handlers, model_cache, turns

BIG = "nota-ai/bk-sdm-tiny"
CARD = b"---\nlibrary_name: genart-hub\ntags: [gan]\n---\n"


@pytest.fixture(scope="module")
def gan_files(tmp_path_factory) -> dict[str, bytes]:
    torch.manual_seed(0)
    return files_of(GAN(image_size=8, latent_dim=4).save_pretrained(tmp_path_factory.mktemp("gan"))) | {"README.md": CARD}


# ---- whose models ----


@pytest.fixture
def hub(gan_files, monkeypatch, tmp_path):
    """A Hub with a public model and one that only the host's token may see; the host is logged in."""
    monkeypatch.delenv("GENART_MODELS", raising=False)
    monkeypatch.delenv("GENART_SD_MODEL", raising=False)
    with HubServer({"write": User("me")}) as server:
        patched_client(server, monkeypatch, tmp_path / "cache", token="write")
        server.add("me/open", gan_files)
        server.add("me/secret", gan_files, private=True)
        yield server


def test_what_a_reader_names_is_loaded_without_the_host_s_token(hub):
    assert model_cache.ModelCache().get("me/open").latent_dim == 4
    assert code_of(lambda: model_cache.ModelCache().get("me/secret")) == "hub_not_public"
    assert hub.requests
    assert {request.token for request in hub.requests} == {None}


def test_what_the_host_names_is_loaded_with_it(hub, monkeypatch):
    monkeypatch.setenv("GENART_MODELS", "me/other, me/secret")
    assert model_cache.ModelCache().get("me/secret").latent_dim == 4
    assert (
        code_of(lambda: model_cache.ModelCache().get("me/secret@main")) == "hub_not_public"
    )  # named as the host names it, and no other way


def test_the_host_s_private_model_does_not_come_out_of_his_cache(hub, monkeypatch):
    from huggingface_hub import constants

    assert genart_hub.from_pretrained("me/secret").latent_dim == 4
    assert code_of(lambda: model_cache.ModelCache().get("me/secret")) == "hub_not_public"
    hub.close()
    assert code_of(lambda: model_cache.ModelCache().get("me/secret")) == "hub_unreachable"
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert code_of(lambda: model_cache.ModelCache().get("me/secret")) == "hub_not_cached"
    assert genart_hub.from_pretrained("me/secret").latent_dim == 4


def test_what_a_reader_has_loaded_is_there_without_a_network(hub):
    model_cache.ModelCache().get("me/open")
    hub.close()
    assert model_cache.ModelCache().get("me/open").latent_dim == 4


def test_a_picture_of_the_host_s_model_names_its_commit_and_finds_it(hub, monkeypatch):
    monkeypatch.setenv("GENART_MODELS", "me/secret")
    models = model_cache.ModelCache()
    model = models.get("me/secret")
    assert models.get(f"me/secret@{model.source.revision}") is model
    assert code_of(lambda: models.get(f"me/secret@{'0' * 40}")) == "hub_not_public"


def test_the_search_sends_no_token_and_shows_no_private_model(hub):
    found = genart_hub.search(token=False)
    assert [model.id for model in found] == ["me/open"]
    assert {request.token for request in hub.requests} == {None}
    assert {model.id for model in genart_hub.search()} == {"me/open", "me/secret"}


def test_an_estimate_sends_no_token_where_none_is_wanted(hub, tmp_path):
    from genart_hub.models.stable_diffusion.estimate import estimate

    hub.add(BIG, files_of(save_tiny_pipeline(tmp_path / "tiny")))
    assert estimate(BIG, token=False).download_bytes > 0
    assert {request.token for request in hub.requests} == {None}


def test_the_cache_of_what_readers_name_is_bounded(tmp_path, monkeypatch):
    for k, name in enumerate(("old", "middle", "new")):
        file = tmp_path / f"models--me--{name}" / "blobs" / "x"
        file.parent.mkdir(parents=True)
        file.write_bytes(b"x" * 1000)
        os.utime(file.parents[1], (k, k))
    model_cache.keep_within(tmp_path, 2000, "me/old")  # it was just loaded again
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["models--me--new", "models--me--old"]


# ---- the app, with a Hub ----


@pytest.fixture(scope="module")
def hub_of_app(gan_files, tmp_path_factory):
    with HubServer({"write": User("me")}) as server:
        server.add("me/open", gan_files)
        server.add("me/secret", gan_files, private=True)
        server.add(BIG, files_of(save_tiny_pipeline(tmp_path_factory.mktemp("big") / "tiny")))
        yield server


@pytest.fixture(scope="module")
def app(hub_of_app, tiny_weights, tmp_path_factory):
    """The app of a host who is logged in to the Hub."""
    settings = {"HF_ENDPOINT": hub_of_app.url, "HF_TOKEN": "write", "HF_HUB_DISABLE_XET": "1"}
    with running_app(tmp_path_factory.mktemp("app"), tiny_weights, **settings) as app:
        yield app


@pytest.fixture
def page(app, tmp_path):
    """page(): a page of its own, as a client of the app."""
    return lambda: connect(app, "en", tmp_path)


def test_a_reader_gets_the_public_model_and_finds_it_and_no_other(app, hub_of_app, page):
    client, before = page(), len(hub_of_app.requests)
    assert len(client.predict("me/open", 2, 0, 1, api_name="/sample")[0]) == 2
    with pytest.raises(AppError, match="no model me/secret that everybody may load"):
        client.predict("me/secret", 2, 0, 1, api_name="/sample")
    choices = [value for value, _ in client.predict("", api_name="/search")[0]["choices"]]
    assert "me/open" in choices
    assert "me/secret" not in choices
    assert {request.token for request in hub_of_app.requests[before:]} == {None}
    assert "Traceback" not in app.terminal


COMPARISON = (1, 0, 1, "rocket", "emoji", "", BIG)


def test_a_big_pipeline_is_downloaded_for_a_page_that_was_told_its_size_and_agreed(app, hub_of_app, page):
    reader, other = page(), page()
    for early in (
        lambda: reader.predict(*COMPARISON, api_name="/compare_on_page"),
        lambda: reader.predict(True, BIG, api_name="/agree_to_big"),
    ):
        with pytest.raises(AppError, match="only for a page that has read what it takes and agreed"):
            early()
    assert "would be downloaded" in reader.predict(BIG, "emoji", api_name="/tell_big")[0]
    assert not list(app.log.parent.glob("hf/hub/**/*.safetensors"))
    with pytest.raises(AppError, match="read what it takes"):
        reader.predict(*COMPARISON, api_name="/compare_on_page")
    reader.predict(True, BIG, api_name="/agree_to_big")
    assert reader.predict(*COMPARISON, api_name="/compare_on_page")[-2]["data"][-1][0] == "bk-sdm-tiny"
    with pytest.raises(AppError, match="read what it takes"):
        other.predict(*COMPARISON, api_name="/compare_on_page")
    reader.predict(False, BIG, api_name="/agree_to_big")
    with pytest.raises(AppError, match="read what it takes"):
        reader.predict(*COMPARISON, api_name="/compare_on_page")
    assert {request.token for request in hub_of_app.requests} <= {None}


# ---- who waits ----


def post(app, call: str, data: list, address: str, session: str | None = None) -> httpx.Response:
    """A job that is asked for from an address, by a client that does not open its stream."""
    body = {"data": data} | ({"session_hash": session} if session else {})
    return httpx.post(f"{app.url}/gradio_api/call/{call}", json=body, headers={"x-forwarded-for": address}, timeout=60)


WALK = [PIPELINE.replace("tiny-sd", "dcgan"), "0, 1", "slerp", 240, 24, True, 1, ""]


def test_a_client_that_asks_and_never_listens_keeps_nobody_waiting(app, page):
    reader, before = page(), app.terminal
    reader.predict("gan-mnist", 1, 0, 1, api_name="/sample")
    for k in range(33):
        assert post(app, "walk", WALK, "203.0.113.1", f"page {k}").status_code == 200
    begun = time.monotonic()
    assert len(reader.predict("gan-mnist", 4, 0, 1, api_name="/sample")[0]) == 4
    assert time.monotonic() - begun < 10
    assert "Traceback" not in app.terminal[len(before) :]


def test_a_call_by_its_own_name_is_listened_for_whether_it_names_a_page_or_not(app):
    for session in (None, "a page"):
        event = post(app, "sample", ["gan-mnist", 1, 0, 1, "", "", "", "", "", ""], "203.0.113.2", session).json()["event_id"]
        assert "event: complete" in httpx.get(f"{app.url}/gradio_api/call/sample/{event}", timeout=60).text


def test_a_page_with_many_jobs_is_told_so_and_its_first_ones_are_answered(app, page):
    jobs = [page().submit("gan-mnist", 1, 0, 1, api_name="/sample")]  # another page: not of those below
    greedy = page()
    jobs += [greedy.submit(*WALK, api_name="/walk") for _ in range(turns.OF_PAGE + 4)]
    told = []
    for job in jobs:
        try:
            job.result(timeout=120)
        except AppError as error:
            told.append(str(error))
    assert 1 <= len(told) <= 4
    assert all("requests from here are waiting already" in sentence for sentence in told)


def test_who_waits_is_told_how_many_go_first(app, tmp_path):
    from genart_hub.ui.examples import save_emoji

    picture = handle_file(save_emoji(tmp_path)[0])
    others = [Client(app.url, headers={"x-forwarded-for": f"203.0.113.{k}"}, download_files=tmp_path, verbose=False) for k in (3, 4, 5)]
    jobs = [other.submit(picture, "dcgan-emoji", False, 1000, api_name="/invert") for other in others]
    next(iter(jobs[0]))  # it is at work
    number = next(fn["id"] for fn in httpx.get(f"{app.url}/config", timeout=60).json()["dependencies"] if fn["api_name"] == "walk")
    told = []
    with httpx.Client(headers={"x-forwarded-for": "203.0.113.6", "accept-language": "zh"}, timeout=120) as reader:
        body = {"fn_index": number, "data": [*WALK[:3], 8, *WALK[4:]], "session_hash": "waiting"}
        reader.post(f"{app.url}/gradio_api/queue/join", json=body).raise_for_status()
        with reader.stream("GET", f"{app.url}/gradio_api/queue/data?session_hash=waiting") as lines:
            for line in lines.iter_lines():
                message = json.loads(line[6:]) if line.startswith("data: ") else {}
                told += [unit["desc"] for unit in message.get("progress_data") or ()]
    assert told[0].startswith("排队中：前面还有 ")
    for job in jobs:
        job.cancel()


def test_the_line_is_the_only_way_to_the_model(app):
    for path in ("run/sample", "api/sample"):
        answer = httpx.post(f"{app.url}/gradio_api/{path}", json={"data": ["gan-mnist", 1, 0, 1, "", ""]}, timeout=60)
        assert answer.status_code == 404


def test_without_gradio_s_name_for_a_job_only_the_check_of_streams_is_lost(monkeypatch):
    scope = {"type": "http", "path": "/gradio_api/call/sample", "headers": [], gate.ADDRESS: "203.0.113.7"}
    request = gr.Request(request=Request(scope), session_hash="page")
    monkeypatch.setattr(handlers, "event_id", lambda: "job")
    assert handlers.reader_of(("x", request)).streams == ("page", "job")
    monkeypatch.setattr(handlers, "event_id", lambda: None)
    assert handlers.reader_of(("x", request)) == turns.Reader("203.0.113.7", "page")
    assert handlers.reader_of(("x", request)).streams == ()


def test_another_gradio_may_lack_the_name_of_a_job(monkeypatch):
    from gradio import context

    monkeypatch.delattr(context, "LocalContext")
    assert handlers.event_id() is None


# ---- doors ----


def test_the_app_has_its_gate(app):
    def ask(path: str, **headers: str) -> httpx.Response:
        return httpx.get(f"{app.url}{path}", headers=headers, timeout=60)

    assert ask("/", host="evil.example").status_code == 403
    answer = ask("/")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]
    for path in ("/monitoring", "/gradio_api/runs", "/gradio_api/deep_link?session_hash=x", "/gradio_api/file=http://127.0.0.1:1/"):
        assert ask(path).status_code in (403, 404)
    assert ask("/config").json()["run_history"] is False
    upload = [("files", (f"{k}.png", b"x")) for k in range(gate.MOST_PARTS + 1)]
    assert httpx.post(f"{app.url}/gradio_api/upload", files=upload, timeout=60).status_code == 413


def test_the_server_keeps_the_state_of_a_few_hundred_pages_and_no_history(monkeypatch):
    class Page:
        asked: dict = {}

        def queue(self, **options):
            self.asked.update(options)
            return self

        launch = queue

    monkeypatch.setattr(ui, "build", Page)
    monkeypatch.setattr(ui, "leave_nothing", lambda: None)
    monkeypatch.setattr(ui, "keep_clear", lambda folder: None)
    ui.launch(quiet=True)
    assert Page.asked["state_session_capacity"] <= 300
    assert [Page.asked[name] for name in ("run_history", "enable_monitoring", "api_open", "quiet")] == [False, False, False, True]


# ---- drawings ----


def sent(kind: str, index: str | None, name: str, files: int = 1) -> SimpleNamespace:
    """A picture on its way from a drawing pad, as Gradio hands it on."""
    return SimpleNamespace(data={"type": kind, "index": index, "id": name}, files=[("blob", b"x")] * files)


def test_a_pad_keeps_a_few_drawings_of_a_few_layers():
    pad = gr.Sketchpad()
    fields.bounded(pad)
    for k in range(fields.MOST_DRAWINGS + 10):
        pad.accept_blobs(sent("composite", None, f"drawing {k}"))
    assert list(pad.blob_storage) == [f"drawing {k}" for k in range(10, fields.MOST_DRAWINGS + 10)]
    newest = pad.blob_storage[f"drawing {fields.MOST_DRAWINGS + 9}"]
    assert newest.composite == b"x"
    for index in ("1000000000", "-1", "x"):
        pad.accept_blobs(sent("layer", index, "many layers"))
    pad.accept_blobs(sent("layer", "0", "x" * 65))
    pad.accept_blobs(sent("layer", "0", "no file", files=0))
    assert not {"many layers", "x" * 65, "no file"} & set(pad.blob_storage)
    pad.accept_blobs(sent("layer", "0", "one layer"))
    assert pad.blob_storage["one layer"].layers == [b"x"]


# ---- what is left behind ----


def below(*folders: Path) -> list[Path]:
    return [place for folder in folders for place in folder.rglob("*")]


@pytest.mark.slow
def test_an_app_that_is_ended_leaves_nothing_behind_and_clears_up_after_one_that_was_killed(tiny_weights, tmp_path):
    places = []

    def used(number: int, name: str) -> None:
        (tmp_path / name).mkdir()
        with running_app(tmp_path / name, tiny_weights, GRADIO_TEMP_DIR=str(uploads), TMPDIR=str(temporary)) as app:
            httpx.post(f"{app.url}/gradio_api/upload", files={"files": ("x.png", b"x")}, timeout=60).raise_for_status()
            connect(app, "en", tmp_path / name).predict("gan-mnist", 2, 0, 1, api_name="/sample")
            places.append(below(uploads, temporary))
            app.process.send_signal(number)
            app.process.wait(30)

    uploads, temporary = tmp_path / "uploads", tmp_path / "temporary"
    uploads.mkdir()
    temporary.mkdir()
    used(signal.SIGKILL, "killed")
    left = set(below(uploads, temporary))
    assert any(place.name == "x.png" for place in left)
    used(signal.SIGTERM, "ended")
    assert not left & set(places[-1])
    assert not below(uploads, temporary)


def test_the_folder_of_a_living_process_stays_and_those_of_dead_ones_go(tmp_path):
    mine = folders.own_folder(tmp_path)
    dead, other = tmp_path / f"{folders.PREFIX}dead", tmp_path / "somebody-else-s"
    for folder in (dead, other):
        (folder / "deep").mkdir(parents=True)
    (tmp_path / f"{folders.PREFIX}link").symlink_to(other)
    second = folders.own_folder(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([mine, second, other, tmp_path / f"{folders.PREFIX}link"])
    assert (other / "deep").is_dir()


def test_old_uploads_and_empty_folders_go_and_what_the_page_needs_stays(tmp_path):
    long_ago = time.time() - folders.KEEP_SECONDS - 60
    for name in ("needed/x.png", "old/x.png", "young/x.png", "empty/y"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "empty" / "y").unlink()
    stays = {tmp_path / "needed", tmp_path / "needed" / "x.png"}
    for place in (*tmp_path.rglob("*"),):
        if "young" not in str(place):
            os.utime(place, (long_ago, long_ago))
    folders.clear(tmp_path, stays)
    os.utime(tmp_path / "old", (long_ago, long_ago))  # it changed when its file went
    folders.clear(tmp_path, stays)
    assert sorted(place.name for place in tmp_path.iterdir()) == ["needed", "young"]
    assert (tmp_path / "needed" / "x.png").is_file()


def test_signals_that_the_program_around_has_plans_with_are_left_to_it(monkeypatch):
    set_to = {}
    monkeypatch.setattr(signal, "getsignal", lambda number: signal.SIG_DFL if number == signal.SIGTERM else signal.SIG_IGN)
    monkeypatch.setattr(signal, "signal", set_to.__setitem__)
    folders.leave_nothing()
    assert list(set_to) == [signal.SIGTERM]
