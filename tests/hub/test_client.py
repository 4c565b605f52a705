"""Loading and searching through the unmodified client: the right bytes, whatever the server, the disk or the network makes of them."""

import copy
import hashlib
import os
import pickle

import pytest
import torch
from hub_server import HubServer, User, files_of, patched_client
from on_loopback import GOOD, blob_of, flip, push
from refusals import code_of

import genart_hub
from genart_hub.errors import GenartError
from genart_hub.hub.client import Repository
from genart_hub.models.gan import GAN
from genart_hub.models.stable_diffusion.estimate import estimate
from genart_hub.models.vae import VAE


def test_a_commit_a_tag_and_a_branch_give_their_own_weights(client, gan):
    push(gan)
    first = client.repos["me/gan"].at("main").sha
    client.repos["me/gan"].tags["v1"] = first
    old = gan.sample(1)
    with torch.no_grad():
        gan.generator[0].weight.mul_(2)
    push(gan)
    push(gan, revision="fresh", commit_message="on a branch")
    for name in (f"me/gan@{first}", "me/gan@v1"):
        assert torch.equal(genart_hub.from_pretrained(name).sample(1), old)
    for name in ("me/gan", "me/gan@fresh"):
        assert torch.equal(genart_hub.from_pretrained(name).sample(1), gan.sample(1))
    assert genart_hub.from_pretrained("me/gan", revision="v1").source.revision == first


def test_every_file_comes_from_one_commit(client, gan):
    push(gan)
    model = genart_hub.from_pretrained("me/gan")
    fetched = [request for request in client.requests if request.method == "GET" and "/resolve/" in request.path]
    assert any(model.source.revision in request.path and "model.safetensors" in request.path for request in fetched)


def test_a_variant_and_a_subfolder_load(client, gan, tmp_path):
    gan.save_pretrained(tmp_path)
    config, weights = (tmp_path / "config.json").read_bytes(), (tmp_path / "model.safetensors").read_bytes()
    client.add("me/deep", {"a/config.json": config, "a/model.safetensors": b"x", "a/model.ema.safetensors": weights})
    model = genart_hub.from_pretrained("me/deep", subfolder="a", variant="ema")
    assert torch.equal(model.sample(1), gan.sample(1))


def test_search_finds_this_library_by_family_author_and_word(client, gan):
    push(gan, "me/digits-gan")
    push(VAE(image_size=8, latent_dim=3, hidden_dims=[8]), "team/digits-vae")
    client.add("me/bert", {"README.md": b"---\nlibrary_name: transformers\ntags: [bert]\n---\n"})
    ids = lambda **options: [model.id for model in genart_hub.search(**options)]  # noqa: E731
    assert set(ids()) == {"me/digits-gan", "team/digits-vae"}
    assert ids(family="vae") == ["team/digits-vae"]
    assert ids(author="me") == ["me/digits-gan"]
    assert ids(query="digits-v") == ["team/digits-vae"]
    assert len(ids(limit=1)) == 1
    assert genart_hub.search(family="gan")[0].family == "gan"


def test_a_search_without_a_network_is_told_at_once_and_not_tried_again(client, free_port, monkeypatch):
    from huggingface_hub import HfApi, constants

    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{free_port}")
    monkeypatch.setattr(HfApi, "list_models", lambda *_, **__: pytest.fail("the client asks again and again, for half a minute"))
    assert code_of(genart_hub.search) == "hub_no_search"


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"README.md": b"hello"}, "hub_no_file"),
        ({"config.json": b'{"_class_name": "Nobody"}'}, "unknown_class"),
        ({"config.json": b"[" * 100_000}, "too_many_bytes"),
        ({"config.json": b"{"}, "bad_config"),
        ({"config.json": GOOD}, "hub_no_file"),
        ({"config.json": GOOD, "pytorch_model.bin": b"\x80\x02"}, "pickle_only"),
        ({"config.json": GOOD, "model.safetensors": b""}, "weights_unreadable"),
        ({"config.json": GOOD, "model.safetensors": b"\x80\x02}q\x00."}, "weights_unreadable"),
    ],
)
def test_a_repository_that_is_no_model_of_ours_says_why(client, files, code):
    client.add("me/odd", files)
    assert code_of(lambda: genart_hub.from_pretrained("me/odd")) == code


def test_a_file_above_the_limit_is_not_downloaded(client, gan):
    push(gan)
    served = client.bytes_served
    assert code_of(lambda: genart_hub.from_pretrained("me/gan", max_bytes=10_000)) == "too_many_bytes"
    assert client.bytes_served - served < 10_000


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("me/none", "hub_no_repo"),
        ("me/gan@nope", "hub_no_revision"),
        ("runs/missing", "hub_no_repo"),
        ("./runs/missing", "model_not_found"),
        ("one two", "model_not_found"),
        ("", "model_not_found"),
    ],
)
def test_a_name_that_leads_nowhere_says_what_was_tried(client, gan, name, code):
    push(gan)
    assert code_of(lambda: genart_hub.from_pretrained(name)) == code


def test_a_gated_model_names_its_terms(client, gan):
    push(gan, "team/gan")
    client.repos["team/gan"].gated = "manual"
    client.tokens["guest"] = User("guest")
    assert code_of(lambda: genart_hub.from_pretrained("team/gan", token="guest")) == "hub_gated"


def test_a_plain_403_is_not_told_as_a_lost_connection(client, gan):
    push(gan)
    client.fail(r"HEAD .*/resolve/", 403, times=9)
    assert code_of(lambda: genart_hub.from_pretrained("me/gan")) == "hub_refused"


def test_a_server_that_is_ill_for_a_moment_is_asked_again(client, gan):
    push(gan)
    client.fail(r"HEAD .*config\.json", 500, times=1)
    assert torch.equal(genart_hub.from_pretrained("me/gan").sample(1), gan.sample(1))


@pytest.mark.slow
def test_a_connection_cut_at_half_a_file_is_taken_up_again(client, gan):
    push(gan)
    client.fail(r"GET .*model\.safetensors", "cut", times=1)
    assert torch.equal(genart_hub.from_pretrained("me/gan").sample(1), gan.sample(1))


@pytest.mark.slow
def test_a_connection_that_is_always_cut_leaves_the_cache_whole(client, gan):
    push(gan)
    fault = client.fail(r"GET .*model\.safetensors", "cut", times=99)
    assert code_of(lambda: genart_hub.from_pretrained("me/gan")) == "hub_unreachable"
    fault.left = 0
    assert torch.equal(genart_hub.from_pretrained("me/gan").sample(1), gan.sample(1))


@pytest.mark.slow
def test_a_server_that_hangs_is_given_up(client, gan, monkeypatch):
    from huggingface_hub import constants

    push(gan)
    monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", 1)
    client.fail(r"HEAD .*config\.json", "hang", times=1, seconds=5)
    assert code_of(lambda: genart_hub.from_pretrained("me/gan")) == "hub_unreachable"


def test_a_hub_that_is_away_serves_what_is_in_the_cache(client, gan):
    push(gan)
    genart_hub.from_pretrained("me/gan")
    client.close()
    assert torch.equal(genart_hub.from_pretrained("me/gan").sample(1), gan.sample(1))
    assert torch.equal(genart_hub.from_pretrained("me/gan", local_files_only=True).sample(1), gan.sample(1))
    assert code_of(lambda: genart_hub.from_pretrained("me/other")) == "hub_unreachable"
    assert code_of(lambda: genart_hub.from_pretrained("me/other", local_files_only=True)) == "hub_not_cached"


def test_the_token_does_not_follow_a_redirect_to_another_host(client, gan):
    push(gan)
    with HubServer() as other:
        elsewhere = other.url.replace("127.0.0.1", "localhost")
        client.fail(r"GET .*model\.safetensors", ("redirect", elsewhere), times=1)
        with pytest.raises(GenartError):
            genart_hub.from_pretrained("me/gan")
        assert other.requests
        assert all(request.token is None for request in other.requests)


def test_what_shows_a_model_s_source_shows_no_token(gan, monkeypatch, tmp_path):
    with HubServer({"hf_sesame": User("me")}) as hub:
        patched_client(hub, monkeypatch, tmp_path / "cache")
        push(gan, token="hf_sesame", private=True)
        source = genart_hub.from_pretrained("me/gan", token="hf_sesame").source
        assert source.companion("README.md") is not None  # it is there, and works
        assert {request.token for request in hub.requests if "/resolve/" in request.path} == {"hf_sesame"}
    for shown in (repr(source), str(source), f"{source.repository}", repr(vars(source.repository)), repr(copy.deepcopy(source))):
        assert "me/gan" in shown
        assert "sesame" not in shown
    assert b"sesame" not in pickle.dumps(source)
    assert pickle.loads(pickle.dumps(source)).repository.token is None
    assert copy.deepcopy(source).repository.token == "hf_sesame"


def test_no_token_is_sent_where_none_is_wanted(client, gan):
    push(gan)
    push(gan, "me/secret", private=True)
    before = len(client.requests)
    assert torch.equal(genart_hub.from_pretrained("me/gan", token=False).sample(1), gan.sample(1))
    assert torch.equal(GAN.from_pretrained("me/gan", token=False).sample(1), gan.sample(1))
    assert code_of(lambda: genart_hub.from_pretrained("me/secret", token=False)) == "hub_no_repo"
    assert [model.id for model in genart_hub.search(token=False)] == ["me/gan"]
    assert len(client.requests) > before
    assert {request.token for request in client.requests[before:]} == {None}


def test_a_stored_token_stays_off_another_endpoint(hub, gan, monkeypatch, tmp_path):
    patched_client(hub, monkeypatch, tmp_path / "cache")
    from huggingface_hub import constants

    (tmp_path / "token").write_text("write")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    hub.add("me/open", {"config.json": GOOD})
    code_of(lambda: genart_hub.from_pretrained("me/open"))
    assert hub.requests
    assert all(request.token is None for request in hub.requests)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_flipped_byte_in_a_download_is_refused_and_the_next_load_fetches_it_anew(client, gan, name):
    push(gan)
    flip(blob_of(client, name))
    with pytest.raises(GenartError, match=rf"^{name} of me/gan is damaged") as error:
        genart_hub.from_pretrained("me/gan")
    assert error.value.code == "damaged_file"
    flip(blob_of(client, name))
    assert torch.equal(genart_hub.from_pretrained("me/gan").sample(1), gan.sample(1))


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
@pytest.mark.parametrize("local", [True, False])
def test_a_flipped_byte_in_the_cache_is_refused_and_the_copy_removed(client, gan, tmp_path, name, local):
    push(gan)
    genart_hub.from_pretrained("me/gan")
    (cached,) = (tmp_path / "cache").rglob(name)
    flip(cached.resolve())
    assert code_of(lambda: genart_hub.from_pretrained("me/gan", local_files_only=local)) == "damaged_file"
    assert not os.path.lexists(cached)
    assert code_of(lambda: genart_hub.from_pretrained("me/gan", local_files_only=True)) == "hub_not_cached"
    assert torch.equal(genart_hub.from_pretrained("me/gan").sample(1), gan.sample(1))


def test_a_file_is_what_its_etag_says_also_in_a_cache_without_links(tmp_path):
    file, repository = tmp_path / "config.json", Repository("me/gan", None, None, None, False, tmp_path)
    file.write_bytes(b"{}")
    git = hashlib.sha1(b"blob 2\0{}").hexdigest()
    for etag in (git, hashlib.sha256(b"{}").hexdigest(), hashlib.sha1(b"{}").hexdigest(), "5d41402abc4b2a76b9719d911017c592-2", None):
        repository.check(file, etag)
    for length in (40, 64):
        file.write_bytes(b"{}")
        with pytest.raises(GenartError, match=f"the Hub names {'0' * 12}…"):
            repository.check(file, "0" * length)
        assert not file.exists()


def test_what_lies_outside_the_cache_is_never_removed(tmp_path):
    own = tmp_path / "mine.json"
    own.write_bytes(b"{}")
    link = tmp_path / "cache" / "models--me--gan" / "snapshots" / "x" / "config.json"
    link.parent.mkdir(parents=True)
    (tmp_path / ("0" * 40)).symlink_to(own)
    link.symlink_to(tmp_path / ("0" * 40))
    assert code_of(lambda: Repository("me/gan", None, None, None, False, tmp_path / "cache").check(link)) == "damaged_file"
    assert own.exists()
    assert not link.is_symlink()


@pytest.mark.parametrize("header", ["X-Linked-Etag", "ETag", "X-Repo-Commit"])
@pytest.mark.parametrize("value", ['"../../../evil"', 'W/"../../../evil"', '"/evil"', "..", "a/evil", "evil\\a", '"' + "0" * 200 + '"'])
def test_an_answer_that_names_a_path_is_refused_before_anything_is_written(client, gan, tmp_path, header, value):
    push(gan)
    value = value.replace('"', "") if header == "X-Repo-Commit" else value
    client.fail("/resolve/", {"X-Linked-Etag": ""} | {header: value}, times=99)
    assert code_of(lambda: genart_hub.from_pretrained("me/gan")) == "hub_answer"
    assert not list((tmp_path / "cache").rglob("*"))
    assert not list(tmp_path.rglob("*evil*"))


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_the_answer_to_every_request_is_looked_at(client, gan, tmp_path, method):
    push(gan)
    client.fail(f"^{method} .*model.safetensors", {"X-Linked-Etag": '"../../evil"'}, times=99)
    assert code_of(lambda: genart_hub.from_pretrained("me/gan")) == "hub_answer"
    assert not list(tmp_path.rglob("*evil*"))


def test_a_file_that_is_not_there_names_no_path_either(client, tmp_path):
    client.add("me/empty", {"README.md": b"#"})
    client.fail("/resolve/", {"X-Repo-Commit": "../../../evil"}, times=99)
    assert code_of(lambda: genart_hub.from_pretrained("me/empty")) == "hub_answer"
    assert not list(tmp_path.rglob("*evil*"))


def test_a_mirror_whose_etags_are_no_hashes_is_read_all_the_same(client, gan):
    push(gan)
    for k, name in enumerate(("config.json", "model.safetensors")):
        client.fail(f"/resolve/.*{name}", {"X-Linked-Etag": "", "ETag": f'"5d41402abc4b2a76b9719d911017c592-{k}"'}, times=99)
    assert torch.equal(genart_hub.from_pretrained("me/gan").sample(1), gan.sample(1))


@pytest.mark.parametrize("name", ["../../evil.bin", "/evil.bin", "C:\\evil.bin", "a/../../evil.bin"])
def test_a_list_that_names_a_path_is_refused(client, pipeline_folder, name):
    client.add("me/list", {"config.json": GOOD, name: b"x"})
    assert code_of(lambda: genart_hub.from_pretrained("me/list")) == "hub_answer"
    client.add("me/sd-list", files_of(pipeline_folder) | {name: b"x"})
    assert code_of(lambda: genart_hub.from_pretrained("me/sd-list")) == "hub_answer"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"id": 3}', b'{"siblings": [{"rfilename": 3}]}', b'{"siblings": 3}'])
def test_an_answer_that_is_no_answer_is_told_in_a_sentence(client, pipeline_folder, body):
    client.add("me/sd", files_of(pipeline_folder))
    client.fail("^GET /api/models/me/sd", body, times=99)
    assert code_of(lambda: estimate("me/sd")) in ("hub_answer", "not_pipeline")


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"{}", b'[{"id": 3}]', b'[{"id": "a/b", "tags": 3}]', b'[{"id": "a/b/c"}, {"id": "../x"}]']
)
def test_a_search_whose_answer_is_none_finds_nothing_or_says_so(client, body):
    client.fail("^GET /api/models", body, times=99)
    try:
        assert genart_hub.search() == []
    except GenartError as error:
        assert error.code == "hub_answer"  # noqa: PT017


def test_the_client_is_watched_again_after_it_was_made_anew(client, gan, tmp_path):
    from huggingface_hub import close_session, get_session

    from genart_hub.hub.answers import refuse_paths

    push(gan)
    for _ in range(2):
        assert get_session().event_hooks["response"].count(refuse_paths) == 1
        close_session()


def test_a_client_of_the_users_own_making_is_kept(client, gan):
    import httpx2
    from huggingface_hub import set_client_factory
    from huggingface_hub.utils import _http

    made, before = [], _http._GLOBAL_CLIENT_FACTORY
    set_client_factory(lambda: made.append(httpx2.Client(headers={"X-Mine": "1"})) or made[-1])
    try:
        push(gan)
        client.fail("/resolve/", {"X-Linked-Etag": "../evil"}, times=99)
        assert code_of(lambda: genart_hub.from_pretrained("me/gan")) == "hub_answer"
    finally:
        set_client_factory(before)
    assert made


def test_a_cache_that_cannot_be_written_is_named(client, gan, tmp_path):
    push(gan)
    (tmp_path / "taken").write_text("a file")
    for place in (tmp_path / "taken", tmp_path / "taken" / "cache"):
        with pytest.raises(GenartError, match="taken.* could not be written"):
            genart_hub.from_pretrained("me/gan", cache_dir=place)


def test_a_password_in_the_endpoint_is_not_told(client, free_port, monkeypatch):
    from huggingface_hub import constants

    endpoint = f"http://me:secret@127.0.0.1:{free_port}"
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + "/{repo_id}/resolve/{revision}/{filename}")
    for call in (lambda: genart_hub.from_pretrained("me/gan"), genart_hub.search):
        with pytest.raises(GenartError, match=f"http://127.0.0.1:{free_port}") as error:
            call()
        assert "secret" not in str(error.value)
