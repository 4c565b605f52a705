"""Publishing: one commit, a card that says what the Hub reads, and nothing that a failure leaves half done."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hub_server import patched_client
from huggingface_hub import HfApi
from on_loopback import push
from PIL import Image
from refusals import code_of

import genart_hub
from genart_hub import files, images
from genart_hub.errors import GenartError
from genart_hub.hub.cards import markdown
from genart_hub.hub.cards.models import stored
from genart_hub.models.base import Generative
from genart_hub.models.gan import GAN
from genart_hub.remake import remake

ROOT = Path(__file__).resolve().parents[2]


def commits(hub, name="me/gan"):
    return len(hub.repos[name].commits)


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
        "notebook.ipynb",
        "samples.png",
    }


def cells_of(client, name: str) -> list[str]:
    found = json.loads(client.read(name, "notebook.ipynb"))
    assert (found["nbformat"], found["cells"][0]["cell_type"]) == (4, "markdown")
    return ["".join(cell["source"]) for cell in found["cells"] if cell["cell_type"] == "code"]


def run_cells(cells: list[str]) -> object:
    """The value of the last expression, as a notebook shows it; the first cell must find the package installed."""
    installing, *others = cells
    command = [sys.executable, "-m", *installing.removeprefix("%").split(), "--no-index", "--no-deps"]
    assert subprocess.run(command, capture_output=True, timeout=300).returncode == 0
    names: dict = {}
    *statements, last = "\n\n".join(others).split("\n")
    exec("\n".join(statements), names)
    return eval(last, names)


def test_the_notebook_installs_loads_and_samples(client, gan):
    push(gan)
    cells = cells_of(client, "me/gan")
    assert len(cells) == 3
    shown = run_cells(cells)
    assert shown.tobytes() == images.grid(gan.sample(16, seed=0)).tobytes()


def test_the_notebook_of_a_model_of_words_asks_in_words_and_that_of_a_classifier_tells_what_it_is(client, pipeline, classifier):
    push(pipeline, "me/sd", license="mit")
    assert 'model.sample(16, seed=0, prompt="' in cells_of(client, "me/sd")[-1]
    push(classifier, "me/classifier")
    assert "Classifier" in run_cells(cells_of(client, "me/classifier"))


def test_a_notebook_that_is_there_stays(client, gan):
    push(gan)
    HfApi(token="write").upload_file(path_or_fileobj=b"mine", path_in_repo="notebook.ipynb", repo_id="me/gan")
    push(gan)
    assert client.read("me/gan", "notebook.ipynb") == b"mine"
    push(gan, overwrite_card=True)
    assert client.read("me/gan", "notebook.ipynb") != b"mine"


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
    data, body = markdown.split(client.read("me/gan", "README.md").decode())
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


def test_measured_results_and_their_picture_travel_with_unchanged_weights_only(client, gan, tmp_path):
    gan.save_pretrained(tmp_path / "run")
    about = {"value": 12.5, "error": 0.01, "real": 1.0, "protocol": "2 made against 2 real"}
    named = {"frechet": "Fréchet distance", "near_copies_rmse": "near-copies (rmse)", "near_copies_features": "near-copies (features)"}
    measures = [{"name": name, "metric": metric} | about for metric, name in named.items()]
    (tmp_path / "run" / "evaluation.json").write_text(json.dumps({"command": "genart-hub evaluate run", "results": {"run": measures}}))
    (tmp_path / "run" / "nearest.png").write_bytes(b"a picture")
    model = GAN.from_pretrained(tmp_path / "run")
    push(model)
    data, body = markdown.split(client.read("me/gan", "README.md").decode())
    assert data["model-index"][0]["results"][0]["metrics"][0]["value"] == 12.5
    assert "genart-hub evaluate run" in body
    assert "](nearest.png)" in body
    assert client.read("me/gan", "nearest.png") == b"a picture"
    with torch.no_grad():
        model.generator[0].weight.add_(1)
    for name in ("me/other", "me/gan"):  # new weights in a new place, and in that of the old ones
        push(model, name)
        data, body = markdown.split(client.read(name, "README.md").decode())
        assert "12.5" not in body
        assert "model-index" not in data
    assert "nearest.png" not in client.repos["me/other"].at("main").files


def test_a_measured_file_of_an_older_version_is_published_as_it_is(client, gan, tmp_path):
    folder = gan.save_pretrained(tmp_path / "run")
    files.save_tensors(gan.state_dict(), folder / "model.safetensors", {"format": "pt", "genart_hub_version": "0.1.0"})
    sha256 = files.sha256_of(folder / "model.safetensors")
    (folder / "evaluation.json").write_text(json.dumps({"command": "", "results": {"run": []}, "weights_sha256": {"run": sha256}}))
    push(GAN.from_pretrained(folder))
    assert genart_hub.from_pretrained("me/gan").source.sha256 == sha256
    assert "evaluation.json" in client.repos["me/gan"].at("main").files


@pytest.mark.parametrize("results", [[], {"run": [5]}, {"run": 5}, None])
def test_an_evaluation_that_holds_no_measures_is_told_in_a_sentence(gan, tmp_path, results):
    (tmp_path / "evaluation.json").write_text(json.dumps({"command": "", "results": results}))
    gan.save_pretrained(tmp_path)
    assert code_of(lambda: gan.write_card(tmp_path, "me/gan", "mit")) == "bad_config"


@pytest.mark.parametrize(("on_disk", "loaded", "figures"), [("float32", "float16", False), ("float16", "float32", True)])
def test_a_measured_model_in_another_precision_is_published_with_the_figures_of_its_own_file_only(
    client, gan, tmp_path, on_disk, loaded, figures
):
    folder = gan.save_pretrained(tmp_path / "run", dtype=getattr(torch, on_disk))
    sha256 = files.sha256_of(folder / "model.safetensors")
    (folder / "evaluation.json").write_text(json.dumps({"command": "", "results": {"run": []}, "weights_sha256": {"run": sha256}}))
    model = GAN.from_pretrained(folder, dtype=getattr(torch, loaded))
    push(model)
    again = GAN.from_pretrained("me/gan", dtype=getattr(torch, loaded))
    assert torch.equal(again.generator[0].weight, model.generator[0].weight)
    assert stored(again.source.file) == ["float16"]  # of the half that was asked for, or of the file that was measured
    assert ("evaluation.json" in client.repos["me/gan"].at("main").files) is figures
    assert (again.source.sha256 == sha256) is figures


def test_unchanged_weights_make_no_commit_and_changed_ones_make_one(client, gan):
    push(gan)
    before = commits(client)
    model = genart_hub.from_pretrained("me/gan")
    push(model, license=None)  # the card that came with it knows the licence
    assert commits(client) == before
    with torch.no_grad():
        model.generator[0].weight.add_(1)
    push(model)
    assert commits(client) == before + 1


def test_a_model_that_was_trained_on_keeps_its_licence(client, gan):
    push(gan, license="cc-by-4.0")
    model = genart_hub.from_pretrained("me/gan")
    with torch.no_grad():
        model.generator[0].weight.add_(1)
    push(model, "me/tuned", license=None)
    assert markdown.split(client.read("me/tuned", "README.md").decode())[0]["license"] == "cc-by-4.0"


def test_a_card_edited_in_the_folder_keeps_its_text(client, gan, tmp_path):
    gan.save_pretrained(tmp_path / "mine")
    (tmp_path / "mine" / "README.md").write_text("---\nlicense: mit\ntags: [cats]\n---\n\n# My own words\n")
    push(genart_hub.from_pretrained(tmp_path / "mine"), license=None)
    data, body = markdown.split(client.read("me/gan", "README.md").decode())
    assert body.strip() == "# My own words"
    assert (data["license"], data["library_name"]) == ("mit", "genart-hub")
    assert {"cats", "gan"} <= set(data["tags"])


def edit_card(hub, change):
    text = hub.read("me/gan", "README.md").decode()
    hub.add("me/gan", {"README.md": change(text).encode()})


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        (lambda text: text.replace("## Use", "## How I use it").replace("- gan\n", "- gan\n- mine\n"), "## How I use it"),
        (lambda text: text + "\nThanks to my cat.\n", "Thanks to my cat."),
        (lambda text: "# All mine now\n", "# All mine now"),
    ],
    ids=["within", "below the seal", "without metadata"],
)
def test_a_card_edited_by_hand_keeps_its_text_and_gets_new_metadata_until_it_is_overwritten(client, gan, change, kept):
    push(gan)
    edit_card(client, change)
    push(gan, license="mit")
    data, body = markdown.split(client.read("me/gan", "README.md").decode())
    assert kept in body
    assert (data["license"], data["library_name"]) == ("mit", "genart-hub")
    assert ("gan" in data["tags"], "mine" in data["tags"]) == (True, "How I use it" in kept)
    push(gan, overwrite_card=True)
    assert kept not in client.read("me/gan", "README.md").decode()


def test_a_push_that_dies_midway_leaves_the_repository_as_it_was(client, gan):
    push(gan)
    before = client.repos["me/gan"].at("main").sha
    with torch.no_grad():
        gan.generator[0].weight.add_(1)
    client.fail(r"POST .*/commit/", 403, times=9)
    assert code_of(lambda: push(gan)) == "not_writable"
    assert client.repos["me/gan"].at("main").sha == before


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
    body, shown = markdown.split(client.read("me/mine", "README.md").decode())[1], []
    assert "```bash\npip install genart-hub  # or, in a clone" in body
    assert ('OwnGAN.from_pretrained("me/mine")' in body) == ("from test_publish import OwnGAN" in body) == (name == "OwnGAN")
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_whole_life_of_a_model_each_step_in_a_fresh_process(hub, parquet, tmp_path):
    environment = hub.environment(tmp_path / "cache", token="write") | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}

    def run(*command, **more):
        environ = environment | more
        done = subprocess.run(
            [sys.executable, "-m", "genart_hub", *command], env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("train", "gan", "--data", parquet.name, "--out", "run", "--epochs", "2", "--batch-size", "4")
    assert "/me/digits/commit/" in run("push", "run", "me/digits", "--license", "apache-2.0", "--dataset", "mnist")
    assert "me/digits" in run("search", "digits")
    sha = hub.repos["me/digits"].at("main").sha
    text = hub.read("me/digits", "README.md").decode()
    assert "genart-hub train gan" in text
    assert str(tmp_path) not in text
    hub.add("me/digits", {"README.md": text.replace("## Use", "## By hand").encode()})
    run("push", "run", "me/digits", "--license", "apache-2.0", "--dataset", "mnist")
    assert "## By hand" in hub.read("me/digits", "README.md").decode()
    assert sha in run("info", f"me/digits@{sha}")
    hub.close()
    assert "parameters of generator" in run("info", f"me/digits@{sha}", HF_HUB_OFFLINE="1")
