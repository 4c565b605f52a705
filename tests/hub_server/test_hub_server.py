"""The loopback Hub, proved with the unmodified huggingface_hub client."""

import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, constants, errors
from huggingface_hub.utils import get_session

from hub_server import HubServer, User, patched_client

WRITER = {"Authorization": "Bearer write-token"}
TOKENS = {"write-token": User("me", orgs=("lab",)), "read-token": User("me", role="read"), "other-token": "you"}
CARD = "---\nlicense: mit\nlibrary_name: genart-hub\npipeline_tag: unconditional-image-generation\ntags: [gan]\n---\n# A GAN\n"


@pytest.fixture
def hub():
    with HubServer(tokens=TOKENS, page_size=2) as hub:
        yield hub


@pytest.fixture
def api(hub, monkeypatch, tmp_path):
    patched_client(hub, monkeypatch, tmp_path / "cache")
    return HfApi(endpoint=hub.url, token="write-token")


@pytest.fixture
def folder(tmp_path):
    return write(
        tmp_path / "gan",
        {"config.json": b'{"a": 1}', "README.md": CARD.encode(), "model.safetensors": bytes(5000), "samples/1.png": b"\x89PNG"},
    )


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def contents(folder: str | Path) -> dict[str, bytes]:
    files = (file for file in Path(folder).rglob("*") if file.is_file() and file.name != ".gitattributes")
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def paths(hub: HubServer) -> list[str]:
    return [f"{method} {path}" for method, path, _ in hub.requests]


# ---- push and pull ----


def test_a_pushed_folder_comes_back_byte_for_byte(hub, api, folder):
    assert api.create_repo("me/gan") == f"{hub.url}/me/gan"
    api.upload_folder(repo_id="me/gan", folder_path=folder)
    assert contents(api.snapshot_download("me/gan")) == contents(folder)


def test_a_push_is_one_commit_on_top_of_the_first(hub, api, folder):
    api.create_repo("me/gan")
    info = api.upload_folder(repo_id="me/gan", folder_path=folder, commit_message="Add a GAN")
    first, second = hub.repos["me/gan"].commits.values()
    assert (second.sha, second.parent, second.title, second.author) == (info.oid, first.sha, "Add a GAN", "me")
    assert api.model_info("me/gan").sha == info.oid


def test_pushing_the_same_files_again_makes_no_commit(hub, api, folder):
    api.create_repo("me/gan")
    first = api.upload_folder(repo_id="me/gan", folder_path=folder)
    assert api.upload_folder(repo_id="me/gan", folder_path=folder).oid == first.oid
    assert len(hub.repos["me/gan"].commits) == 2
    assert sum("/commit/" in path for path in paths(hub)) == 1


def test_content_that_the_hub_has_is_not_uploaded_twice(hub, api, folder):
    for name in ("me/gan", "me/copy"):
        api.create_repo(name)
        api.upload_folder(repo_id=name, folder_path=folder)
    assert sum(path.startswith("PUT /lfs/") for path in paths(hub)) == 2  # the weights and the picture, once each


@pytest.mark.parametrize(
    ("name", "content", "lfs"),
    [
        ("config.json", b"{}", False),
        ("model.safetensors", b"text", True),
        ("a.PNG", b"text", True),
        ("notes", b"a\0b", True),
        ("long.txt", b"a" * 10_000_001, True),
        ("short.txt", b"a" * 10_000_000, False),
    ],
)
def test_large_and_binary_files_go_to_lfs(hub, api, name, content, lfs):
    api.create_repo("me/gan")
    api.upload_file(path_or_fileobj=content, path_in_repo=name, repo_id="me/gan")
    sibling = next(s for s in api.model_info("me/gan", files_metadata=True).siblings if s.rfilename == name)
    assert (sibling.size, sibling.lfs and sibling.lfs.sha256) == (len(content), hashlib.sha256(content).hexdigest() if lfs else None)
    assert hub.read("me/gan", name) == content


def test_the_etag_is_gits_for_text_and_the_sha256_for_lfs(hub, api):
    hub.add("me/gan", {"hello.txt": b"hello\n", "hello.bin": b"hello\n"})
    etags = [huggingface_hub.get_hf_file_metadata(f"{hub.url}/me/gan/resolve/main/hello.{kind}").etag for kind in ("txt", "bin")]
    assert etags[0] == "ce013625030ba8dba906f756967f9e9ca394464a"  # git hash-object
    assert etags[1] == "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"  # sha256sum


def test_gitignore_leaves_files_out_of_a_push(hub, api, tmp_path):
    folder = write(
        tmp_path / "app", {".gitignore": b"*.log\n/runs/\n!keep.log\n", "a.log": b"", "keep.log": b"k", "runs/1.txt": b"", "app.py": b""}
    )
    api.create_repo("me/gan")
    api.upload_folder(repo_id="me/gan", folder_path=folder)
    assert set(hub.repos["me/gan"].at().files) == {".gitattributes", ".gitignore", "keep.log", "app.py"}


def test_an_upload_may_delete_files_and_folders(hub, api, folder):
    hub.add("me/gan", {"old.txt": b"1", "runs/a.txt": b"1", "runs/b/c.txt": b"1", "kept.txt": b"1"})
    api.delete_folder("runs", "me/gan")
    api.upload_folder(repo_id="me/gan", folder_path=folder, delete_patterns="old*")
    assert set(hub.repos["me/gan"].at().files) == {".gitattributes", "kept.txt", *contents(folder)}


def test_a_large_file_goes_up_and_comes_down(hub, api, tmp_path):
    content = bytes(range(256)) * 100_000
    api.create_repo("me/big")
    api.upload_file(path_or_fileobj=write(tmp_path, {"big.bin": content}) / "big.bin", path_in_repo="big.bin", repo_id="me/big")
    assert Path(api.hf_hub_download("me/big", "big.bin")).read_bytes() == content
    assert hub.bytes_served == len(content)


def test_a_cached_file_is_not_served_again(hub, api):
    hub.add("me/gan", {"model.safetensors": bytes(1000)})
    first, second = (api.hf_hub_download("me/gan", "model.safetensors") for _ in range(2))
    assert first == second
    assert hub.bytes_served == 1000


# ---- revisions ----


def test_a_commit_a_tag_and_a_branch_each_have_their_files(hub, api):
    first = hub.add("me/gan", {"a.txt": b"1"})
    hub.repos["me/gan"].tags["v1.0"] = first
    api.create_branch("me/gan", branch="feature/x", revision="v1.0")
    api.upload_file(path_or_fileobj=b"2", path_in_repo="a.txt", repo_id="me/gan")
    api.upload_file(path_or_fileobj=b"3", path_in_repo="a.txt", repo_id="me/gan", revision="feature/x")
    revisions = {"main": b"2", "v1.0": b"1", "feature/x": b"3", first: b"1", first[:7]: b"1"}
    assert {name: Path(api.hf_hub_download("me/gan", "a.txt", revision=name)).read_bytes() for name in revisions} == revisions


def test_a_commit_on_a_stale_parent_changes_nothing(hub, api):
    first = hub.add("me/gan", {"a.txt": b"1"})
    second = hub.add("me/gan", {"a.txt": b"2"})
    with pytest.raises(errors.HfHubHTTPError) as refused:
        api.upload_file(path_or_fileobj=b"3", path_in_repo="a.txt", repo_id="me/gan", parent_commit=first)
    assert refused.value.response.status_code == 412
    assert hub.repos["me/gan"].branches["main"] == second
    api.upload_file(path_or_fileobj=b"3", path_in_repo="a.txt", repo_id="me/gan", parent_commit=second)
    assert hub.read("me/gan", "a.txt") == b"3"


def test_a_commit_applies_whole_or_not_at_all(hub, api):
    before = hub.add("me/gan", {"a.txt": b"1"})
    add, delete = CommitOperationAdd("b.txt", b"2"), CommitOperationDelete("missing.txt")
    with pytest.raises(errors.RemoteEntryNotFoundError):
        api.create_commit("me/gan", [add, delete], commit_message="half")
    assert hub.repos["me/gan"].branches["main"] == before
    assert set(hub.repos["me/gan"].at().files) == {".gitattributes", "a.txt"}


def test_an_lfs_pointer_without_its_content_is_refused(hub, api):
    before = hub.add("me/gan", {})
    lines = [{"key": "header", "value": {"summary": "s"}}, {"key": "lfsFile", "value": {"path": "w.bin", "oid": "0" * 64, "size": 1}}]
    answer = get_session().post(f"{hub.url}/api/models/me/gan/commit/main", headers=WRITER, content="\n".join(map(json.dumps, lines)))
    assert (answer.status_code, hub.repos["me/gan"].branches["main"]) == (400, before)


def test_content_that_is_not_what_was_announced_is_refused(hub, api):
    assert get_session().put(f"{hub.url}/lfs/{'0' * 64}", content=b"1").status_code == 400


# ---- what is where ----


@pytest.fixture
def models(hub, api):
    for name, tag in (("me/gan", "gan"), ("me/vae", "vae"), ("me/wgan", "gan"), ("you/dcgan", "gan"), ("lab/vaegan", "vae")):
        hub.add(name, {"README.md": CARD.replace("gan]", f"{tag}, art]").encode()})
    return api


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({}, ["me/gan", "me/vae", "me/wgan", "you/dcgan", "lab/vaegan"]),
        ({"filter": "gan"}, ["me/gan", "me/wgan", "you/dcgan"]),
        ({"filter": ["genart-hub", "vae", "license:mit"]}, ["me/vae", "lab/vaegan"]),
        ({"author": "me"}, ["me/gan", "me/vae", "me/wgan"]),
        ({"search": "GAN", "author": "me"}, ["me/gan", "me/wgan"]),
        ({"filter": "art", "limit": 3}, ["me/gan", "me/vae", "me/wgan"]),
    ],
)
def test_models_are_listed(models, options, found):
    assert [model.id for model in models.list_models(**options)] == found


def test_a_list_comes_in_pages(hub, models):
    list(models.list_models(filter="gan"))
    asked = [path for path in paths(hub) if path.startswith("GET /api/models?")]
    assert len(asked) == 2
    assert "filter=gan" in asked[1]


def test_a_model_without_metadata_is_listed_too(hub, api):
    hub.add("me/bare", {"README.md": b"---\na: [\n---\n"})
    assert [(m.id, m.tags, m.pipeline_tag) for m in api.list_models()] == [("me/bare", [], None)]


def test_other_types_are_listed_apart(hub, api):
    hub.add("me/gan", {})
    hub.add("me/faces", {"a.txt": b"1"}, type="dataset")
    assert [d.id for d in api.list_datasets()] == ["me/faces"]
    assert api.list_repo_files("me/faces", repo_type="dataset") == [".gitattributes", "a.txt"]


def test_the_modules_functions_reach_the_server_too(hub, api):
    hub.add("me/gan", {"README.md": CARD.encode()})
    assert [model.id for model in huggingface_hub.list_models()] == ["me/gan"]
    assert huggingface_hub.ModelCard.load("me/gan").data.tags == ["gan"]


def test_info_can_be_asked_at_a_revision(hub, api):
    first = hub.add("me/gan", {"a.txt": b"1"})
    hub.add("me/gan", {"b.txt": b"1"})
    assert [s.rfilename for s in api.model_info("me/gan", revision=first).siblings] == [".gitattributes", "a.txt"]
    assert api.file_exists("me/gan", "b.txt")
    assert not api.file_exists("me/gan", "c.txt")


# ---- who may do what ----


@pytest.fixture
def download(hub, api):
    hub.add("me/gan", {"config.json": b"{}"})
    hub.add("me/private", {"config.json": b"{}"}, private=True)
    hub.add("me/gated", {"config.json": b"{}"}, gated="manual", approved={"friend"})
    hub.tokens["friend-token"] = User("friend")
    return lambda repo, token, file="config.json", revision=None: api.hf_hub_download(repo, file, token=token, revision=revision)


@pytest.mark.parametrize(
    ("asked", "error", "status"),
    [
        (("me/none", "write-token"), errors.RepositoryNotFoundError, 404),
        (("me/none", False), errors.RepositoryNotFoundError, 401),
        (("me/private", "other-token"), errors.RepositoryNotFoundError, 404),
        (("me/private", False), errors.RepositoryNotFoundError, 401),
        (("me/gated", "other-token"), errors.GatedRepoError, 403),
        (("me/gated", False), errors.GatedRepoError, 401),
        (("me/gan", False, "none.json"), errors.RemoteEntryNotFoundError, 404),
        (("me/gan", False, "config.json", "v9"), errors.RevisionNotFoundError, 404),
        (("me/gan", "expired-token"), errors.HfHubHTTPError, 401),
    ],
)
def test_a_download_fails_as_on_the_hub(download, asked, error, status):
    with pytest.raises(error) as refused:
        download(*asked)
    assert type(refused.value) is error
    assert refused.value.response.status_code == status


@pytest.mark.parametrize(
    ("repo", "token"), [("me/private", "write-token"), ("me/private", "read-token"), ("me/gated", "friend-token"), ("me/gan", False)]
)
def test_who_may_read_does(download, repo, token):
    assert Path(download(repo, token)).read_bytes() == b"{}"


@pytest.mark.parametrize(
    ("repo", "token", "status"),
    [("me/gan", False, 401), ("me/gan", "read-token", 403), ("me/gan", "other-token", 403), ("you/gan", "write-token", 403)],
)
def test_who_may_not_write_is_refused(hub, api, repo, token, status):
    hub.add(repo, {"a.txt": b"1"})
    attempts = [
        lambda: api.create_repo(repo + "2", token=token),
        lambda: api.upload_file(path_or_fileobj=b"2", path_in_repo="a.txt", repo_id=repo, token=token),
        lambda: api.create_branch(repo, branch="dev", token=token),
    ]
    for attempt in attempts:
        with pytest.raises(errors.HfHubHTTPError) as refused:
            attempt()
        assert type(refused.value) is errors.HfHubHTTPError
        assert refused.value.response.status_code == status
    assert hub.read(repo, "a.txt") == b"1"


def test_an_organisations_member_writes_there(hub, api):
    api.create_repo("lab/gan", private=True)
    api.upload_file(path_or_fileobj=b"1", path_in_repo="a.txt", repo_id="lab/gan")
    assert hub.read("lab/gan", "a.txt") == b"1"
    assert [m.id for m in api.list_models(author="lab", token=False)] == []


def test_a_name_is_taken_once(hub, api):
    api.create_repo("gan")
    assert api.create_repo("me/gan", exist_ok=True).repo_id == "me/gan"
    with pytest.raises(errors.HfHubHTTPError) as refused:
        api.create_repo("me/gan")
    assert refused.value.response.status_code == 409


def test_a_push_to_a_missing_branch_or_repository_fails(hub, api):
    hub.add("me/gan", {})
    with pytest.raises(errors.RevisionNotFoundError):
        api.upload_file(path_or_fileobj=b"1", path_in_repo="a.txt", repo_id="me/gan", revision="dev")
    with pytest.raises(errors.RepositoryNotFoundError):
        api.upload_file(path_or_fileobj=b"1", path_in_repo="a.txt", repo_id="me/none")


@pytest.mark.parametrize("metadata", ["a: [", "- a list", "tags: gan", "license: {}"])
def test_a_card_with_broken_metadata_stops_a_push_before_it_starts(hub, api, tmp_path, metadata):
    folder = write(tmp_path / "gan", {"README.md": f"---\n{metadata}\n---\n".encode(), "model.safetensors": bytes(9)})
    hub.add("me/gan", {})
    with pytest.raises(ValueError, match=r"Invalid metadata in README\.md"):
        api.upload_folder(repo_id="me/gan", folder_path=folder)
    assert paths(hub) == ["POST /api/validate-yaml"]


def test_a_card_without_metadata_is_warned_about(hub, api):
    hub.add("me/gan", {})
    with pytest.warns(UserWarning, match="empty or missing yaml metadata"):
        api.upload_file(path_or_fileobj=b"# A GAN", path_in_repo="README.md", repo_id="me/gan")


def test_what_is_not_served_says_so(hub, api):
    with pytest.raises(errors.HfHubHTTPError, match="hub_server does not serve GET /api/collections"):
        list(api.list_collections())
    with pytest.raises(errors.BadRequestError, match="hub_server does not list by inference"):
        list(api.list_models(inference="warm"))


def test_a_push_over_xet_finds_no_xet(hub, api, monkeypatch):
    pytest.importorskip("hf_xet")
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
    hub.add("me/gan", {})
    with pytest.raises(ConnectionError, match="xet-write-token"):
        api.upload_file(path_or_fileobj=bytes(9), path_in_repo="w.bin", repo_id="me/gan")


# ---- faults ----


@pytest.mark.slow
def test_a_500_while_listing_is_asked_again(hub, api):
    hub.add("me/gan", {})
    fault = hub.fail("^GET /api/models", 500)
    assert [model.id for model in api.list_models()] == ["me/gan"]
    assert (fault.left, len(hub.requests)) == (0, 2)


@pytest.mark.slow
def test_a_500_while_uploading_is_sent_again(hub, api):
    hub.add("me/gan", {})
    hub.fail("^PUT /lfs/", 500)
    api.upload_file(path_or_fileobj=bytes(9), path_in_repo="w.bin", repo_id="me/gan")
    assert hub.read("me/gan", "w.bin") == bytes(9)


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [(403, None, errors.LocalEntryNotFoundError), (409, None, errors.LocalEntryNotFoundError), (403, "GatedRepo", errors.GatedRepoError)],
)
def test_a_file_that_cannot_be_asked_for_is_looked_up_in_the_cache(hub, api, status, code, error):
    hub.add("me/gan", {"config.json": b"{}"})
    hub.fail(lambda method, path: method == "HEAD", status, code=code)
    with pytest.raises(error):
        api.hf_hub_download("me/gan", "config.json")
    cached = api.hf_hub_download("me/gan", "config.json")
    hub.fail("^HEAD", status, code=code)
    assert api.hf_hub_download("me/gan", "config.json") == cached


@pytest.mark.slow
def test_a_download_that_is_cut_goes_on_where_it_stopped(hub, api, monkeypatch):
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1000)
    content = bytes(range(200)) * 1000
    hub.add("me/gan", {"w.bin": content})
    hub.fail("^GET .*w.bin", "cut")
    assert Path(api.hf_hub_download("me/gan", "w.bin")).read_bytes() == content
    assert sum(path.startswith("GET") for path in paths(hub)) == 2
    assert len(content) <= hub.bytes_served < 1.1 * len(content)


def test_a_commit_whose_answer_is_cut_has_happened(hub, api):
    before = hub.add("me/gan", {})
    hub.fail("/commit/", "cut")
    with pytest.raises(Exception, match="peer closed connection"):
        api.upload_file(path_or_fileobj=b"1", path_in_repo="a.txt", repo_id="me/gan")
    assert hub.repos["me/gan"].at().parent == before


def test_a_redirect_to_another_host_takes_no_token_along(hub, api):
    files = {"w.bin": bytes(9)}
    hub.add("me/private", files, private=True)
    with HubServer() as elsewhere:
        elsewhere.add("me/private", files)
        hub.fail("/resolve/", ("redirect", elsewhere.url.replace("127.0.0.1", "localhost")), times=2)
        assert Path(api.hf_hub_download("me/private", "w.bin")).read_bytes() == bytes(9)
    assert hub.requests[0].token == "write-token"
    assert [(method, token) for method, _, token in elsewhere.requests] == [("GET", None)]


def test_a_hang_ends_after_its_seconds_or_with_the_server(api):
    with HubServer() as hub:
        hub.add("me/gan", {})
        hub.fail("/api/models", "hang", seconds=0.3)
        start = time.monotonic()
        assert [model.id for model in HfApi(endpoint=hub.url).list_models()] == ["me/gan"]
        assert 0.3 < time.monotonic() - start < 5
        hub.fail("/api/models/me", "hang")
        with pytest.raises(Exception, match="timed out"):
            HfApi(endpoint=hub.url).model_info("me/gan", timeout=0.2)
        start = time.monotonic()
    assert time.monotonic() - start < 2


# ---- Spaces, and the client's settings ----


def test_a_space_is_created_deployed_and_started(hub, api, tmp_path):
    folder = write(tmp_path / "space", {"app.py": b"print()", "README.md": b"---\ntitle: Art\nsdk: gradio\ncolorFrom: indigo\n---\n"})
    url = api.create_repo("me/art", repo_type="space", space_sdk="gradio", space_hardware="cpu-basic")
    assert url == f"{hub.url}/spaces/me/art"
    api.request_space_hardware("me/art", "zero-a10g")
    api.add_space_variable("me/art", "MODEL_ID", "me/gan")
    assert api.get_space_runtime("me/art").stage == "NO_APP_FILE"
    api.upload_folder(repo_id="me/art", repo_type="space", folder_path=folder, delete_patterns="*")
    runtimes = [api.get_space_runtime("me/art") for _ in range(3)]
    assert [(r.stage, r.hardware) for r in runtimes] == [("BUILDING", None), ("RUNNING", "zero-a10g"), ("RUNNING", "zero-a10g")]
    assert api.space_info("me/art").sdk == "gradio"
    assert hub.repos["spaces/me/art"].variables["MODEL_ID"]["value"] == "me/gan"


def test_a_spaces_card_is_checked(hub, api):
    api.create_repo("me/art", repo_type="space", space_sdk="gradio")
    with pytest.raises(ValueError, match="colorFrom"):
        api.upload_file(path_or_fileobj=b"---\ncolorFrom: black\n---\n", path_in_repo="README.md", repo_id="me/art", repo_type="space")


def test_the_package_datasets_loads_from_the_server_and_gets_its_settings_back(tmp_path):
    datasets = pytest.importorskip("datasets")
    before = {name: value for name, value in vars(datasets.config).items() if name.isupper()}
    with HubServer() as hub, pytest.MonkeyPatch.context() as monkeypatch:
        patched_client(hub, monkeypatch, tmp_path)
        hub.add("me/words", {"train.csv": b"text\na\nb\n", "test.csv": b"text\nc\n"}, type="dataset")
        assert datasets.load_dataset("me/words", split="train")["text"][:] == ["a", "b"]
        assert {file.parts[0] for file in (path.relative_to(tmp_path) for path in tmp_path.rglob("*.arrow"))} == {"datasets"}
    assert {name: value for name, value in vars(datasets.config).items() if name.isupper()} == before


def test_another_process_is_set_up_by_its_environment(hub, tmp_path):
    hub.add("me/private", {"config.json": b"{}"}, private=True)
    code = "import huggingface_hub as h; print(h.hf_hub_download('me/private', 'config.json'))"
    environment = hub.environment(tmp_path, token="write-token")
    out = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True).stdout
    assert Path(out.strip()).is_relative_to(tmp_path)
    assert {token for _, path, token in hub.requests if "resolve" in path} == {"write-token"}


def test_the_clients_settings_come_back_after_the_test(tmp_path):
    before = {name: value for name, value in vars(constants).items() if name.isupper()}
    with HubServer() as hub, pytest.MonkeyPatch.context() as monkeypatch:
        patched_client(hub, monkeypatch, tmp_path)
        assert hub.url == constants.ENDPOINT
    assert {name: value for name, value in vars(constants).items() if name.isupper()} == before
