"""Publishing, finding and loading through the unmodified client against a Hub on loopback."""

import copy
import hashlib
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hub_server import HubServer, User, patched_client
from PIL import Image
from pipelines import save_tiny_pipeline

import genart_hub
from genart_hub import cards, images
from genart_hub.errors import GenartError
from genart_hub.models.base import Generative
from genart_hub.models.gan import GAN
from genart_hub.models.vae import VAE
from genart_hub.remake import remake
from genart_hub.remote import Repository, check_subfolder, weight_files
from genart_hub.stable_diffusion import estimate

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def hub():
    with HubServer({"write": User("me", orgs=("team",)), "read": User("me", role="read")}) as server:
        yield server


@pytest.fixture
def client(hub, monkeypatch, tmp_path):
    patched_client(hub, monkeypatch, tmp_path / "cache", token="write")
    return hub


@pytest.fixture
def gan():
    torch.manual_seed(0)
    return GAN(image_size=8, latent_dim=4).eval()


def push(model, name="me/gan", **options):
    return model.push_to_hub(name, **{"license": "apache-2.0"} | options)


def commits(hub, name="me/gan"):
    return len(hub.repos[name].commits)


def code_of(call) -> str:
    with pytest.raises(GenartError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return caught.value.code


def test_a_pushed_model_comes_back_bitwise_and_in_one_commit(client, gan):
    push(gan)
    again = genart_hub.from_pretrained("me/gan")
    assert torch.equal(again.sample(3, seed=5), gan.sample(3, seed=5))
    assert commits(client) == 2  # the Hub's own first one, and ours
    assert set(client.repos["me/gan"].at("main").files) == {
        ".gitattributes",
        "README.md",
        "config.json",
        "model.safetensors",
        "samples.png",
    }


def test_the_organisation_keeps_its_name(client, gan):
    assert "/team/gan/commit/" in push(gan, "team/gan")
    assert "team/gan" in client.repos


def test_a_private_model_is_private(client, gan):
    push(gan, private=True)
    assert client.repos["me/gan"].private
    assert code_of(lambda: genart_hub.from_pretrained("me/gan", token="nobody")) in ("hub_refused", "hub_no_repo")
    assert genart_hub.from_pretrained("me/gan", token="write").source.name == "me/gan"


def test_the_card_says_what_the_hub_reads(client, gan):
    push(gan, dataset="mnist")
    data, body = cards.split(client.read("me/gan", "README.md").decode())
    assert data["license"] == "apache-2.0"
    assert data["library_name"] == "genart-hub"
    assert data["pipeline_tag"] == "unconditional-image-generation"
    assert {"genart-hub", "gan", "arxiv:1406.2661"} <= set(data["tags"])
    assert data["datasets"] == ["ylecun/mnist"]
    assert data["widget"][0]["output"]["url"] == "samples.png"
    assert "<Gallery />" in body
    assert "生成对抗网络" in body
    assert 'from_pretrained("me/gan")' in body
    assert "\n## Data\n" in body
    assert "\n## Limits\n" in body


def test_measured_results_travel_with_unchanged_weights_only(client, gan, tmp_path):
    gan.save_pretrained(tmp_path / "run")
    measure = {"name": "Fréchet distance", "value": 12.5, "real": 1.0, "protocol": "2 made against 2 real", "metric": "frechet"}
    (tmp_path / "run" / "evaluation.json").write_text(json.dumps({"command": "genart-hub evaluate run", "results": {"run": [measure]}}))
    model = GAN.from_pretrained(tmp_path / "run")
    push(model)
    data, body = cards.split(client.read("me/gan", "README.md").decode())
    assert data["model-index"][0]["results"][0]["metrics"][0]["value"] == 12.5
    assert "genart-hub evaluate run" in body
    with torch.no_grad():
        model.generator[0].weight.add_(1)
    push(model, "me/other")
    assert "model-index" not in cards.split(client.read("me/other", "README.md").decode())[0]


def test_the_picture_of_the_nearest_training_pictures_travels_with_the_results_that_it_belongs_to(client, gan, tmp_path):
    gan.save_pretrained(tmp_path / "run")
    near = {"error": 0.01, "real": 0.1, "protocol": "8 made", "value": 0.25}
    measures = [{"name": f"near-copies ({kind})", "metric": f"near_copies_{kind}"} | near for kind in ("rmse", "features")]
    (tmp_path / "run" / "evaluation.json").write_text(json.dumps({"command": "genart-hub evaluate run", "results": {"run": measures}}))
    (tmp_path / "run" / "nearest.png").write_bytes(b"a picture")
    model = GAN.from_pretrained(tmp_path / "run")
    push(model)
    assert client.read("me/gan", "nearest.png") == b"a picture"
    assert "](nearest.png)" in client.read("me/gan", "README.md").decode()
    with torch.no_grad():
        model.generator[0].weight.add_(1)
    push(model, "me/other")
    assert "nearest.png" not in client.repos["me/other"].at("main").files


def test_the_results_of_the_weights_before_do_not_stay_with_new_ones(client, gan, tmp_path):
    measure = {"name": "Fréchet distance", "value": 12.5, "real": 1.0, "protocol": "2 made against 2 real", "metric": "frechet"}
    gan.save_pretrained(tmp_path / "run")
    (tmp_path / "run" / "evaluation.json").write_text(json.dumps({"command": "genart-hub evaluate run", "results": {"run": [measure]}}))
    model = GAN.from_pretrained(tmp_path / "run")
    push(model)
    with torch.no_grad():
        model.generator[0].weight.add_(1)
    push(model)
    text = client.read("me/gan", "README.md").decode()
    assert "12.5" not in text
    assert "model-index" not in cards.split(text)[0]


def test_unchanged_weights_make_no_commit(client, gan):
    push(gan)
    before = commits(client)
    push(genart_hub.from_pretrained("me/gan"), license=None)  # the card that came with it knows the licence
    assert commits(client) == before


def test_a_model_that_was_trained_on_keeps_its_licence(client, gan):
    push(gan, license="cc-by-4.0")
    model = genart_hub.from_pretrained("me/gan")
    with torch.no_grad():
        model.generator[0].weight.add_(1)
    push(model, "me/tuned", license=None)
    assert cards.split(client.read("me/tuned", "README.md").decode())[0]["license"] == "cc-by-4.0"


def test_a_card_edited_in_the_folder_keeps_its_text(client, gan, tmp_path):
    gan.save_pretrained(tmp_path / "mine")
    (tmp_path / "mine" / "README.md").write_text("---\nlicense: mit\ntags: [cats]\n---\n\n# My own words\n")
    push(genart_hub.from_pretrained(tmp_path / "mine"), license=None)
    data, body = cards.split(client.read("me/gan", "README.md").decode())
    assert body.strip() == "# My own words"
    assert (data["license"], data["library_name"]) == ("mit", "genart-hub")
    assert {"cats", "gan"} <= set(data["tags"])


def test_changed_weights_make_one_commit(client, gan):
    push(gan)
    with torch.no_grad():
        gan.generator[0].weight.add_(1)
    before = commits(client)
    push(gan)
    assert commits(client) == before + 1


def edit_card(hub, change):
    text = hub.read("me/gan", "README.md").decode()
    hub.add("me/gan", {"README.md": change(text).encode()})


def test_a_card_edited_by_hand_keeps_its_text_and_gets_new_metadata(client, gan):
    push(gan)
    edit_card(client, lambda text: text.replace("## Use", "## How I use it").replace("- gan\n", "- gan\n- mine\n"))
    push(gan, license="mit")
    data, body = cards.split(client.read("me/gan", "README.md").decode())
    assert "## How I use it" in body
    assert data["license"] == "mit"
    assert {"mine", "gan"} <= set(data["tags"])


def test_a_card_rewritten_without_metadata_is_still_ours(client, gan):
    push(gan)
    edit_card(client, lambda text: "# All mine now\n")
    push(gan)
    data, body = cards.split(client.read("me/gan", "README.md").decode())
    assert body.strip() == "# All mine now"
    assert data["library_name"] == "genart-hub"


def test_overwrite_card_replaces_a_card_edited_by_hand(client, gan):
    push(gan)
    edit_card(client, lambda text: text.replace("## Use", "## How I use it"))
    push(gan, overwrite_card=True)
    assert "## How I use it" not in client.read("me/gan", "README.md").decode()


def test_text_below_the_seal_counts_as_an_edit(client, gan):
    push(gan)
    edit_card(client, lambda text: text + "\nThanks to my cat.\n")
    push(gan)
    assert "Thanks to my cat." in client.read("me/gan", "README.md").decode()


def test_a_push_that_dies_midway_leaves_the_repository_as_it_was(client, gan):
    push(gan)
    before = client.repos["me/gan"].at("main").sha
    with torch.no_grad():
        gan.generator[0].weight.add_(1)
    client.fail(r"POST .*/commit/", 403, times=9)
    assert code_of(lambda: push(gan)) == "not_writable"
    assert client.repos["me/gan"].at("main").sha == before


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


class Scale(torch.nn.Module, genart_hub.hub.HubModel):
    """A class of somebody's own."""

    def __init__(self, factor: float = 2.0):
        super().__init__()
        self.factor = factor
        self.weight = torch.nn.Parameter(torch.full((3,), factor))


class OwnGAN(Generative):
    """A model of somebody's own that makes pictures."""

    family = "gan"

    def __init__(self, image_size: int = 8, channels: int = 1, latent_dim: int = 3):
        super().__init__()
        self.image_size, self.channels, self.latent_dim = image_size, channels, latent_dim
        self.generator = torch.nn.Linear(latent_dim, channels * image_size**2)

    def generate(self, z, label=None):
        return self.generator(z).tanh().unflatten(1, (self.channels, self.image_size, self.image_size))


@pytest.mark.parametrize(("model", "name"), [(GAN(8, 1, 4), "GAN"), (OwnGAN(), "OwnGAN")])
def test_the_code_on_a_published_card_runs_and_says_what_to_install(client, model, name, monkeypatch):
    push(model.eval(), "me/mine")
    body, shown = cards.split(client.read("me/mine", "README.md").decode())[1], []
    assert "```bash\npip install genart-hub\n```" in body
    assert ('OwnGAN.from_pretrained("me/mine")' in body) == ("from test_remote import OwnGAN" in body) == (name == "OwnGAN")
    assert ('genart_hub.from_pretrained("me/mine")' in body) == (name == "GAN")
    monkeypatch.setattr(Image.Image, "show", lambda picture: shown.append(picture.size))
    exec(re.search(r"```python\n(.*?)```", body, flags=re.S)[1], {})
    assert len(shown) == 1


def test_the_picture_of_a_class_of_ones_own_says_how_it_is_loaded(client, tmp_path):
    push(OwnGAN().eval(), "me/mine")
    model = OwnGAN.from_pretrained("me/mine")
    path = images.save_png(images.grid(model.sample(4)), tmp_path / "a.png", model.recipe(0, 4))
    with pytest.raises(GenartError, match=r"A class of your own loads by OwnGAN\.from_pretrained\('me/mine@\w{40}'\)"):
        remake(path)


def test_a_class_of_ones_own_is_pushed_and_loads_by_its_class(client):
    Scale(3.0).push_to_hub("me/scale", license="mit")
    again = Scale.from_pretrained("me/scale")
    assert again.factor == 3.0
    assert torch.equal(again.weight, torch.full((3,), 3.0))
    assert code_of(lambda: genart_hub.from_pretrained("me/scale")) == "unknown_class"
    assert code_of(lambda: GAN.from_pretrained("me/scale")) == "wrong_class"


def test_a_plain_state_dict_is_imported_strictly(client, gan, tmp_path):
    from safetensors.torch import save_file

    from genart_hub.cli import main

    save_file(gan.state_dict(), tmp_path / "plain.safetensors")
    command = ["push", str(tmp_path / "plain.safetensors"), "me/plain", "--from-state-dict", "GAN", "--license", "mit"]
    assert main([*command, "--set", "image_size=8", "--set", "latent_dim=4"]) == 0
    assert torch.equal(genart_hub.from_pretrained("me/plain").sample(2), gan.sample(2))
    assert main([*command, "--set", "image_size=8", "--set", "latent_dim=5"]) == 1


# ---- what can go wrong ----


@pytest.mark.parametrize(
    ("name", "options", "code"),
    [
        ("me/gan", {"license": None}, "no_license"),
        ("me/gan 2", {}, "bad_repo_id"),
        ("gan", {}, "bad_repo_id"),
        ("a/b/c", {}, "bad_repo_id"),
        ("you/gan", {}, "not_writable"),
        ("me/gan", {"token": "read"}, "not_writable"),
        ("me/gan", {"token": "wrong"}, "no_token"),
        ("me/bert", {}, "other_library"),
        ("me/weights", {}, "other_library"),
        ("me/gan", {"dataset": "imagenet"}, "not_choice"),
    ],
)
def test_a_push_that_cannot_be_says_why(client, gan, name, options, code):
    client.add("me/bert", {"README.md": b"---\nlibrary_name: transformers\n---\n", "config.json": b"{}"})
    client.add("me/weights", {"model.safetensors": b"0"})
    before = {repo: content.at("main").sha for repo, content in client.repos.items()}
    assert code_of(lambda: push(gan, name, **options)) == code
    assert {repo: client.repos[repo].at("main").sha for repo in before} == before


def test_a_push_without_a_token_says_how_to_get_one(hub, gan, monkeypatch, tmp_path):
    patched_client(hub, monkeypatch, tmp_path / "cache")
    assert code_of(lambda: push(gan)) == "no_token"


GOOD = json.dumps({"_class_name": "GAN", "image_size": 8, "latent_dim": 4}).encode()


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


def test_a_connection_cut_at_half_a_file_is_taken_up_again(client, gan):
    push(gan)
    client.fail(r"GET .*model\.safetensors", "cut", times=1)
    assert torch.equal(genart_hub.from_pretrained("me/gan").sample(1), gan.sample(1))


def test_a_connection_that_is_always_cut_leaves_the_cache_whole(client, gan):
    push(gan)
    fault = client.fail(r"GET .*model\.safetensors", "cut", times=99)
    assert code_of(lambda: genart_hub.from_pretrained("me/gan")) == "hub_unreachable"
    fault.left = 0
    assert torch.equal(genart_hub.from_pretrained("me/gan").sample(1), gan.sample(1))


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
    for shown in (repr(source), str(source), f"{source.repository}", repr(vars(source.repository)), repr(copy.deepcopy(source))):
        assert "me/gan" in shown
        assert "sesame" not in shown
    assert b"sesame" not in pickle.dumps(source)
    assert pickle.loads(pickle.dumps(source)).repository.token is None


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


# ---- what a server, or a disk, makes of the bytes ----


def flip(file):
    """Another bit in the middle of a file."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.chmod(0o644)
    file.write_bytes(content)


def blob_of(hub, name, repo="me/gan"):
    return hub.blobs / hub.repos[repo].at("main").files[name].sha256


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

    from genart_hub.remote import refuse_paths

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


@pytest.fixture
def hurried(monkeypatch):
    """The client tries again without waiting."""
    from huggingface_hub.utils import _http

    monkeypatch.setattr(_http, "time", SimpleNamespace(sleep=lambda seconds: None))


@pytest.mark.parametrize(
    ("how", "code"), [(403, "not_writable"), (500, "hub_refused"), (400, "hub_refused"), ("cut", "hub_unreachable_now")]
)
@pytest.mark.parametrize("request_", ["PUT /lfs/", "POST .*/objects/batch", "POST .*/objects/verify"])
def test_an_upload_that_dies_midway_is_told_and_changes_nothing(client, gan, hurried, how, code, request_):
    push(gan)
    before = client.repos["me/gan"].at("main").sha
    with torch.no_grad():
        gan.generator[0].weight.add_(1)
    client.fail(request_, how, times=99)
    assert code_of(lambda: push(gan)) == code
    assert client.repos["me/gan"].at("main").sha == before


# ---- what is passed ----


@pytest.mark.parametrize(
    "subfolder", ["../gan", "a/../../b", "..", "/etc", "C:\\a", "a\\..\\b", "a\0b", "a\nb", "a" * 300, "/", 5, b"a", ["a"]]
)
def test_a_subfolder_lies_inside_the_model(client, subfolder):
    for name in ("me/gan", "gan-mnist", "./models"):
        assert code_of(lambda name=name: genart_hub.from_pretrained(name, subfolder=subfolder)) == "bad_subfolder"
    assert not client.requests


def test_a_subfolder_may_be_written_in_other_ways():
    assert {check_subfolder(name) for name in ("a/b", "./a//b/", Path("a/b"))} == {"a/b"}
    assert {check_subfolder(name) for name in (None, "", ".", "./")} == {None}


@pytest.mark.parametrize("token", ["ключ", "a b", "a\n", "a" * 2000, 5, b"write", ["write"]])
def test_a_token_that_no_header_can_carry_is_refused_without_being_shown(client, gan, token):
    calls = [
        lambda: genart_hub.from_pretrained("me/gan", token=token),
        lambda: push(gan, token=token),
        lambda: estimate("me/gan", token=token),
    ]
    for call in calls:
        with pytest.raises(GenartError) as error:
            call()
        assert error.value.code == "bad_token"
        assert str(token) not in str(error.value)
    assert not client.requests


def test_a_token_of_the_environment_is_looked_at_too(client, gan, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "ключ")
    assert code_of(lambda: genart_hub.from_pretrained("me/gan")) == "bad_token"
    assert code_of(lambda: push(gan)) == "bad_token"
    monkeypatch.setenv("HF_TOKEN", " write\n")
    push(gan)


def test_no_token_at_all_is_sent_where_none_is_wanted(client, gan):
    push(gan)
    client.requests.clear()
    genart_hub.from_pretrained("me/gan", token=False)
    assert {request.token for request in client.requests} == {None}


@pytest.mark.parametrize(
    "revision", ["../../x", "a..b", "a b", "/a", "a/", "a~1", "a^", "a:b", "a?", "a\n", "a\0", "x" * 300, 5, b"main", ["main"]]
)
def test_a_revision_that_git_would_not_take_is_refused(client, gan, revision):
    assert code_of(lambda: genart_hub.from_pretrained("me/gan", revision=revision)) == "bad_revision"
    assert code_of(lambda: push(gan, revision=revision)) == "bad_revision"
    assert not client.requests


@pytest.mark.parametrize("revision", ["main", "v1.0", "feature/x", "中文", None, ""])
def test_a_revision_of_any_writing_is_asked_for(client, gan, revision):
    push(gan)
    sha = client.repos["me/gan"].tags[revision or "main"] = client.repos["me/gan"].at("main").sha
    assert genart_hub.from_pretrained("me/gan", revision=revision).source.revision == sha


@pytest.mark.parametrize("variant", ["../x", "a/b", "", "..", "a b", "fp16\n", 5, b"fp16", "x" * 100])
def test_a_variant_is_a_word(client, pipeline_folder, variant):
    for name in ("me/gan", "gan-mnist", pipeline_folder):
        assert code_of(lambda name=name: genart_hub.from_pretrained(name, variant=variant)) == "bad_variant"


@pytest.mark.parametrize("cache_dir", [5, "", "a\0b", b"cache", ["cache"]])
def test_a_cache_is_a_folder(client, cache_dir):
    assert code_of(lambda: genart_hub.from_pretrained("me/gan", cache_dir=cache_dir)) == "bad_cache_dir"


def test_a_cache_that_cannot_be_written_is_named(client, gan, tmp_path):
    push(gan)
    (tmp_path / "taken").write_text("a file")
    for place in (tmp_path / "taken", tmp_path / "taken" / "cache"):
        with pytest.raises(GenartError, match="taken.* could not be written"):
            genart_hub.from_pretrained("me/gan", cache_dir=place)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"private": "yes"}, "not_choice"),
        ({"private": 2}, "not_choice"),
        ({"commit_message": 5}, "not_text"),
        ({"commit_message": "a" * 501}, "not_text"),
        ({"commit_message": "half \ud83d"}, "not_text"),
    ],
)
def test_what_cannot_be_said_of_a_commit_is_refused_before_anything_is_sent(client, gan, options, code):
    assert code_of(lambda: push(gan, **options)) == code
    assert not client.requests


@pytest.mark.parametrize("query", [5, ["a"], "a" * 201, "half \ud83d"])
def test_a_search_for_what_is_no_text_is_refused(client, query):
    assert code_of(lambda: genart_hub.search(query)) == "not_text"
    assert code_of(lambda: genart_hub.search(author=query)) == "not_text"
    assert not client.requests


# ---- what is kept to oneself ----


def test_a_token_shows_nowhere_and_travels_nowhere(client, gan, monkeypatch):
    client.tokens["secret-of-mine"] = User("me")
    push(gan, token="secret-of-mine")
    model = genart_hub.from_pretrained("me/gan", token="secret-of-mine")
    shown = (repr(model.source), str(vars(model.source.repository)), pickle.dumps(model).decode("latin-1"))
    assert not any("secret-of-mine" in text for text in shown)
    assert pickle.loads(pickle.dumps(model)).source.repository.token is None
    assert copy.deepcopy(model).source.repository.token == "secret-of-mine"
    assert {request.token for request in client.requests if "/resolve/" in request.path} == {"secret-of-mine"}


def test_a_password_in_the_endpoint_is_not_told(client, free_port, monkeypatch):
    from huggingface_hub import constants

    endpoint = f"http://me:secret@127.0.0.1:{free_port}"
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + "/{repo_id}/resolve/{revision}/{filename}")
    for call in (lambda: genart_hub.from_pretrained("me/gan"), genart_hub.search):
        with pytest.raises(GenartError, match=f"http://127.0.0.1:{free_port}") as error:
            call()
        assert "secret" not in str(error.value)


# ---- text-to-image pipelines ----


@pytest.fixture(scope="module")
def pipeline_folder(tmp_path_factory):
    return save_tiny_pipeline(tmp_path_factory.mktemp("diffusion") / "tiny-sd")


def files_of(folder):
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


@pytest.fixture
def pipeline_on_hub(client, pipeline_folder):
    """me/sd, with files beside those that a pipeline needs."""
    others = {
        "unet/diffusion_pytorch_model.bin": b"\x80",
        "sd-v1.safetensors": b"x" * 999_999,
        "unet/notes.md": b"#",
        "README.md": b"#",
    }
    client.add("me/sd", files_of(pipeline_folder) | others | {"sampling.json": b'{"num_steps": 3, "guidance": 2}'})
    return client


def test_a_pipeline_comes_from_the_hub_with_its_defaults_and_without_what_it_does_not_need(pipeline_on_hub, pipeline_folder):
    model, here = genart_hub.from_pretrained("me/sd"), genart_hub.from_pretrained(pipeline_folder)
    assert model.defaults == {"num_steps": 3, "guidance": 2.0}
    assert torch.equal(model.sample(prompt="red"), here.sample(prompt="red", num_steps=3, guidance=2))
    assert (model.source.sha256, model.source.revision) == (here.source.sha256, pipeline_on_hub.repos["me/sd"].at("main").sha)
    asked = {request.path.split("/main/")[-1].split("?")[0] for request in pipeline_on_hub.requests if request.method == "GET"}
    assert not any(name.endswith((".bin", ".py", "sd-v1.safetensors")) for name in asked)


def test_an_estimate_downloads_no_weights_and_counts_what_is_missing(pipeline_on_hub, pipeline_folder, tmp_path):
    before, here = estimate("me/sd"), estimate(pipeline_folder)
    weights = sum(file.stat().st_size for file in pipeline_folder.rglob("*.safetensors"))
    assert (before.name, before.download_bytes, before.memory_bytes) == ("me/sd", weights, here.memory_bytes)
    assert not list((tmp_path / "cache").rglob("*.safetensors"))
    genart_hub.from_pretrained("me/sd")
    assert estimate("me/sd").download_bytes == 0
    assert estimate("me/sd").memory_bytes == here.memory_bytes


def test_half_precision_on_the_hub_is_estimated_at_what_it_will_take_in_memory(client, tmp_path):
    from pipelines import tiny_pipeline

    tiny_pipeline().to(dtype=torch.float16).save_pretrained(tmp_path / "half")
    client.add("me/half", files_of(tmp_path / "half"))
    found, here = estimate("me/half"), estimate(tmp_path / "half")
    assert found.memory_bytes == here.memory_bytes
    assert found.download_bytes < 0.6 * here.memory_bytes


def test_a_variant_is_downloaded_alone_and_a_part_without_one_comes_as_it_is(client, pipeline_folder):
    files = files_of(pipeline_folder)
    name = "unet/diffusion_pytorch_model.safetensors"
    fp16 = {name.replace(".safetensors", ".fp16.safetensors"): files[name]}
    chosen = weight_files(files | fp16, ["vae", "unet"], "fp16")
    assert chosen == ["vae/diffusion_pytorch_model.safetensors", "unet/diffusion_pytorch_model.fp16.safetensors"]
    assert weight_files(files | fp16, ["unet"]) == [name]
    shards = [f"unet/diffusion_pytorch_model-0000{k}-of-00002.safetensors" for k in (2, 1)]
    assert weight_files([*shards, "unet/diffusion_pytorch_model.non_ema.safetensors"], ["unet"]) == sorted(shards)
    client.add("me/fp16", files | fp16)
    assert genart_hub.from_pretrained("me/fp16", variant="fp16").source.files[-1].name.endswith(".safetensors")
    asked = [request.path for request in client.requests if request.method == "GET"]
    assert not any(path.endswith(name) for path in asked)


def test_a_pipeline_that_is_too_large_is_refused_before_its_weights_are_downloaded(pipeline_on_hub, tmp_path, monkeypatch):
    assert code_of(lambda: genart_hub.from_pretrained("me/sd", max_bytes=10_000)) == "too_many_bytes"
    monkeypatch.setattr("genart_hub.stable_diffusion.free_memory", lambda device: 10_000)
    assert code_of(lambda: genart_hub.from_pretrained("me/sd")) == "too_little_memory"
    assert not list((tmp_path / "cache").rglob("*.safetensors"))


def test_a_pipeline_whose_download_is_cut_midway_loads_the_next_time(pipeline_on_hub):
    fault = pipeline_on_hub.fail(r"GET .*unet/diffusion_pytorch_model\.safetensors", "cut", times=99)
    assert code_of(lambda: genart_hub.from_pretrained("me/sd")) == "hub_unreachable"
    fault.left = 0
    assert genart_hub.from_pretrained("me/sd").sample(prompt="red").isfinite().all()


def test_a_pipeline_in_the_cache_needs_no_hub(pipeline_on_hub):
    x = genart_hub.from_pretrained("me/sd").sample(prompt="red")
    pipeline_on_hub.close()
    assert torch.equal(genart_hub.from_pretrained("me/sd").sample(prompt="red"), x)
    assert torch.equal(genart_hub.from_pretrained("me/sd", local_files_only=True).sample(prompt="red"), x)
    assert estimate("me/sd").download_bytes == 0


def test_a_pipeline_that_was_only_begun_says_so_where_there_is_no_hub(pipeline_on_hub):
    estimate("me/sd")
    assert code_of(lambda: genart_hub.from_pretrained("me/sd", local_files_only=True)) == "hub_not_cached"
    pipeline_on_hub.close()
    assert code_of(lambda: genart_hub.from_pretrained("me/sd")) == "hub_unreachable"
    assert code_of(lambda: estimate("me/other")) == "hub_unreachable"


def test_a_pipeline_on_the_hub_that_lacks_a_part_is_told_which(client, pipeline_folder):
    client.add("me/part", {name: content for name, content in files_of(pipeline_folder).items() if not name.startswith("vae/")})
    with pytest.raises(GenartError, match="its part vae is missing") as error:
        genart_hub.from_pretrained("me/part")
    assert error.value.code == "not_pipeline"
    client.add("me/nothing", {"README.md": b"#"})
    assert code_of(lambda: estimate("me/nothing")) == "hub_no_file"


@pytest.mark.parametrize(
    "name", ["unet/diffusion_pytorch_model.safetensors", "tokenizer/tokenizer_config.json", "sampling.json", "unet/config.json"]
)
def test_a_flipped_byte_in_a_pipeline_of_the_cache_is_refused_and_fetched_anew(pipeline_on_hub, tmp_path, name):
    x = genart_hub.from_pretrained("me/sd").sample(prompt="red")
    (cached,) = (file for file in (tmp_path / "cache").rglob(Path(name).name) if file.as_posix().endswith(name))
    flip(cached.resolve())
    assert code_of(lambda: genart_hub.from_pretrained("me/sd", local_files_only=True)) == "damaged_file"
    assert torch.equal(genart_hub.from_pretrained("me/sd").sample(prompt="red"), x)


def test_a_flipped_byte_in_the_settings_of_a_pipeline_does_not_pass_for_their_absence(pipeline_on_hub):
    flip(blob_of(pipeline_on_hub, "sampling.json", "me/sd"))
    assert code_of(lambda: genart_hub.from_pretrained("me/sd")) == "damaged_file"


def test_a_pipeline_that_was_changed_is_published_as_it_is_and_without_figures_of_what_it_was(client, pipeline_folder, tmp_path):
    folder = shutil.copytree(pipeline_folder, tmp_path / "sd")
    (folder / "evaluation.json").write_text(json.dumps({"command": "genart-hub evaluate", "results": {"sd": []}}))
    model = genart_hub.from_pretrained(folder)
    push(model, "me/same")
    model.pipeline.unet.conv_out.bias.data += 0.1
    push(model, "me/changed")
    found = {name: set(client.repos[name].at("main").files) for name in ("me/same", "me/changed")}
    assert "evaluation.json" in found["me/same"] - found["me/changed"]
    asked = {"prompt": "red", "num_steps": 2}
    assert torch.equal(genart_hub.from_pretrained("me/changed").sample(**asked), model.sample(**asked))
    assert not torch.equal(genart_hub.from_pretrained("me/same").sample(**asked), model.sample(**asked))


def test_a_pipeline_in_a_subfolder_loads(client, pipeline_folder):
    client.add("me/both", {f"sd/{name}": content for name, content in files_of(pipeline_folder).items()})
    assert genart_hub.from_pretrained("me/both", subfolder="sd").image_size == 16


# ---- the whole life of a model, each step in a fresh process ----


def test_the_whole_life_of_a_model(hub, tmp_path):
    from pyarrow import Table, parquet

    x = GAN().eval().sample(64)
    rows = []
    for k, picture in enumerate(genart_hub.images.to_pil(x)):
        picture.save(tmp_path / "x.png")
        rows.append({"image": {"bytes": (tmp_path / "x.png").read_bytes(), "path": None}, "label": k % 10})
    parquet.write_table(Table.from_pylist(rows), tmp_path / "train.parquet")
    environment = hub.environment(tmp_path / "cache", token="write") | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}

    def run(*command, **more):
        environ = environment | more
        done = subprocess.run([sys.executable, *command], env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return done.stdout

    cli = ("-m", "genart_hub")
    run(*cli, "train", "gan", "--data", "train.parquet", "--out", "run", "--epochs", "2", "--batch-size", "16")
    assert "/me/digits/commit/" in run(*cli, "push", "run", "me/digits", "--license", "apache-2.0", "--dataset", "mnist")
    assert "me/digits" in run(*cli, "search", "digits")
    sha = hub.repos["me/digits"].at("main").sha
    hub.repos["me/digits"].tags["v1"] = sha
    assert sha in run(*cli, "info", "me/digits@v1")
    assert sha in run(*cli, "info", f"me/digits@{sha}")
    text = hub.read("me/digits", "README.md").decode()
    assert "genart-hub train gan" in text
    assert str(tmp_path) not in text
    hub.add("me/digits", {"README.md": text.replace("## Use", "## By hand").encode()})
    run(*cli, "push", "run", "me/digits", "--license", "apache-2.0", "--dataset", "mnist")
    assert "## By hand" in hub.read("me/digits", "README.md").decode()
    run(*cli, "info", "me/digits")
    hub.close()
    assert "parameters of generator" in run(*cli, "info", "me/digits", HF_HUB_OFFLINE="1")
    assert os.listdir(tmp_path / "cache")
