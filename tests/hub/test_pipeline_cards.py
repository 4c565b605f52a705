"""A pipeline's card, the pictures beside it, and its way to the Hub and back."""

import json
import re
import shutil

import pytest
import torch
import yaml
from pipelines import save_tiny_pipeline
from safetensors import safe_open

import genart_hub
from genart_hub import cli, images
from genart_hub.errors import GenartError
from genart_hub.files import sha256_of
from genart_hub.hub.cards import markdown
from genart_hub.hub.cards.pipelines import SHOWN, _of_few
from genart_hub.hub.cards.tables import Evaluation, Measure

STAGE = {"recipe": {"epochs": 3, "lr": 0.1, "gp": 0.0}, "pictures": 1200, "file": "train.parquet", "file_sha256": "abc", "steps": 4321}
STAGE |= {"seconds": 600, "device": "cpu", "threads": 1, "processes": 1, "torch": "2.13.0"}
STAGES = {
    "autoencoder": STAGE | {"command": "genart-hub train-diffusion --out x", "settings": {"latent_channels": 16}},
    "decoder": STAGE | {"command": "genart-hub train-diffusion --out x", "settings": {}},
    "denoiser": STAGE | {"command": "genart-hub train-diffusion --stage denoiser", "settings": {"captions": ["text", "text_zh"]}},
}


def report(*columns):
    """What `evaluate --json` writes."""
    measures = [Measure("Fréchet distance", 4.5, 0.1, 1.5, 0.1, "8 made", "frechet")]
    return json.dumps(Evaluation(f"genart-hub evaluate {columns[0]}", dict.fromkeys(columns, measures)).as_dict())


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A pipeline's folder after `genart-hub card`."""
    folder = save_tiny_pipeline(tmp_path_factory.mktemp("pipelines") / "tiny-sd")
    (folder / "stages").mkdir()
    (folder / "stages" / "latents.safetensors").write_bytes(b"not for the Hub")
    (folder / "sampling.json").write_text('{"num_steps": 2, "guidance": 3.5}')
    (folder / "training.json").write_text(json.dumps({"class": "StableDiffusionPipeline", "stages": STAGES}))
    (folder / "evaluation.json").write_text(report("tiny-sd", "dcgan"))
    (folder / "steps.json").write_text(report("tiny-sd, 1 step", "tiny-sd, 2 steps"))
    assert cli.main(["card", str(folder), "--license", "apache-2.0", "--dataset", "emoji64"]) == 0
    return folder


@pytest.fixture
def folder(made, tmp_path):
    """The same, to be changed."""
    return shutil.copytree(made, tmp_path / "tiny-sd")


def card_of(folder):
    return markdown.split((folder / "README.md").read_text(encoding="utf-8"))


# ---- the card ----


def test_the_hub_reads_a_diffusers_pipeline_of_this_library_in_two_languages(made):
    data, _ = card_of(made)
    assert (data["library_name"], data["pipeline_tag"], data["license"]) == ("diffusers", "text-to-image", "apache-2.0")
    assert data["language"] == ["en", "zh"]
    assert {"genart-hub", "diffusion", "dataset:emoji64"} <= set(data["tags"])
    assert [entry["output"]["url"] for entry in data["widget"]] == ["samples.png", "unseen.png"]
    (metric,) = data["model-index"][0]["results"][0]["metrics"]
    assert (metric["type"], metric["value"]) == ("frechet", 4.5)


def test_the_code_on_the_card_has_the_pipelines_own_steps_and_guidance(made):
    blocks = re.findall(r"```python\n(.*?)```", card_of(made)[1], flags=re.S)
    assert 'from_pretrained("./tiny-sd").sample(16, seed=0, prompt="red apple")' in blocks[0]
    assert 'pipeline("red apple", num_inference_steps=2, guidance_scale=3.5)' in blocks[1]
    for block in blocks:
        compile(block, "README.md", "exec")


def test_the_code_on_the_card_runs_beside_the_folder(made, monkeypatch, tmp_path):
    from PIL import Image

    (tmp_path / "tiny-sd").symlink_to(made)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Image.Image, "show", lambda picture: sizes.append(picture.size))
    sizes = []
    for block in re.findall(r"```python\n(.*?)```", card_of(made)[1], flags=re.S):
        exec(block, {})
    assert sizes == [(146, 38), (16, 16)]


def test_a_title_is_no_name_to_load_by(folder):
    assert cli.main(["card", str(folder), "--name", "me/My best"]) == 0
    data, body = card_of(folder)
    assert body.startswith("# me/My best\n")
    assert body.count("me/My best") == 1
    assert data["model-index"][0]["name"] == "me/My best"
    assert images.read_recipe(folder / "samples.png")["model"] == "tiny-sd"


def test_each_stage_is_told_with_its_settings_and_minutes_and_a_command_once(made):
    training = card_of(made)[1].split("## Training")[1].split("## Files")[0]
    assert re.findall(r"### (\w+)", training) == list(STAGES)
    assert training.count("--out x") == 1
    assert training.count("By the same command.") == 1
    assert training.count("4,321 steps in 10 minutes on cpu (1 thread, torch 2.13.0)") == 3
    assert "Settings: captions text and text_zh." in training
    assert "Recipe: epochs 3, lr 0.1." in training


def test_results_and_what_was_measured_at_several_values_have_a_table_each(made):
    body = card_of(made)[1]
    assert "| metric | tiny-sd | dcgan | real pictures | note |" in body
    assert "## More and fewer steps" in body
    assert "| metric | tiny-sd, 1 step | tiny-sd, 2 steps | real pictures | note |" in body
    assert "guidance.json" not in body
    assert "More and less guidance" not in body


def test_schedulers_that_do_not_work_are_named_with_the_figures_of_all(folder):
    def row(name, *figures):
        rmse, top_5 = ({n: pair[k] for n, pair in zip(("20", "50"), figures, strict=False)} for k in (0, 1))
        return {"scheduler": name, "rmse": rmse, "top_5": top_5}

    rows = [row("Own", (0.0, 0.8), (0.0, 0.8)), row("Near", (0.01, 0.8), (0.002, 0.7)), row("Late", (0.05, 0.3), (0.01, 0.8))]
    rows += [row("Bad", (0.1, 0.0), (0.1, 0.1)), row("WithSDE", (0.3, 0.8), (0.3, 0.8)), row("Ends") | {"error": "IndexError: 21"}]
    rows += [row("Else", (0.05, 0.8), (0.11, 0.8)), row("Lost") | {"error": "ImportError: no torchsde"}]
    (folder / "schedulers.json").write_text(json.dumps({"command": "python bench.py", "protocol": "40 prompts", "rows": rows}))
    assert cli.main(["card", str(folder)]) == 0
    text = card_of(folder)[1].split("## Other schedulers")[1].split("## Training")[0]
    assert "at 20 steps Late, Bad, Ends; at 50 steps Bad, Ends, Else:" in text
    assert "| Near | 0.0100 | 0.800 | 0.0020 | 0.700 |" in text
    assert "| Lost | – | – | – | – |" in text
    assert "`Ends`: IndexError: 21. `Lost`: ImportError: no torchsde." in text


def test_every_weight_file_of_the_pipeline_is_told_by_its_bytes_and_hash(made):
    rows = re.findall(r"^\| `(\S+\.safetensors)` \| ([\d,]+) \| `(\w+)` \|$", card_of(made)[1], flags=re.M)
    names = ["text_encoder/model.safetensors", "unet/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.safetensors"]
    assert [name for name, _, _ in rows] == names
    assert all(sha256 == sha256_of(made / name) for name, _, sha256 in rows)
    assert all(int(size.replace(",", "")) == (made / name).stat().st_size for name, size, _ in rows)


def test_a_card_that_somebody_edited_keeps_its_text_and_its_licence(folder):
    file = folder / "README.md"
    file.write_text(file.read_text(encoding="utf-8").replace("## Use", "## How I use it"), encoding="utf-8")
    assert cli.main(["card", str(folder)]) == 0
    data, body = card_of(folder)
    assert "## How I use it" in body
    assert data["license"] == "apache-2.0"


def test_a_pipeline_of_unknown_pictures_has_a_card_without_a_gallery(tmp_path, capsys):
    folder = save_tiny_pipeline(tmp_path / "mine")
    assert cli.main(["card", str(folder)]) == 1
    assert "has no licence" in capsys.readouterr().err
    assert not (folder / "golden.safetensors").exists()
    assert cli.main(["card", str(folder), "--license", "mit"]) == 0
    data, body = card_of(folder)
    assert "<Gallery />" not in body
    assert "widget" not in data
    assert not (folder / "samples.png").exists()
    assert "Nothing is known of it." in body


# ---- its pictures ----


@pytest.mark.parametrize(("name", "columns", "prompts"), [("samples.png", 8, 64), ("unseen.png", 4, 48)])
def test_the_pictures_on_the_card_can_be_made_again_from_what_they_carry(made, name, columns, prompts):
    recipe = images.read_recipe(made / name)
    model = genart_hub.from_pretrained(made)
    assert (recipe["model"], recipe["n"], recipe["columns"], recipe["num_steps"]) == ("tiny-sd", prompts, columns, 2)
    k = 19
    again = images.to_pil(model.sample(1, seed=recipe["seed"] + k, prompt=recipe["prompt"][k], num_steps=2, guidance=recipe["guidance"]))[0]
    left, top = 2 + k % columns * 18, 2 + k // columns * 18
    shown = images.open_picture(made / name).crop((left, top, left + 16, top + 16))
    assert max(high for _, high in difference(again, shown)) <= 1


def difference(one, other):
    from PIL import ImageChops

    return ImageChops.difference(one.convert("RGB"), other.convert("RGB")).getextrema()


def test_a_row_of_what_was_never_seen_is_one_prompt_and_the_card_lists_them(made):
    prompts = images.read_recipe(made / "unseen.png")["prompt"]
    rows = [prompts[k : k + 4] for k in range(0, len(prompts), 4)]
    assert [row[0] for row in rows] == list(SHOWN["emoji64"].unseen)
    assert all(len(set(row)) == 1 for row in rows)
    listed = re.findall(r"^\d+\. (.*)$", card_of(made)[1].split("## Never seen together")[1].split("## Use")[0], flags=re.M)
    assert listed == list(SHOWN["emoji64"].unseen)


def test_half_of_the_known_names_is_english_and_half_chinese_and_none_comes_twice():
    known = SHOWN["emoji64"].known
    assert len(set(known)) == 64
    assert sum(name.isascii() for name in known) == 32
    assert not set(known) & set(SHOWN["emoji64"].unseen)


def test_the_golden_pictures_are_those_of_the_first_prompts_at_few_steps(made):
    with safe_open(made / "golden.safetensors", framework="pt") as saved:
        x, asked = saved.get_tensor("x"), saved.metadata()
    assert json.loads(asked["prompt"]) == ["red apple", "strawberry"]
    model = genart_hub.from_pretrained(made)
    second = model.sample(1, seed=1, prompt="strawberry", num_steps=int(asked["num_steps"]), guidance=float(asked["guidance"]))
    torch.testing.assert_close(x[1:], second, rtol=0, atol=1e-4)


# ---- to the Hub and back ----


@pytest.mark.slow
def test_a_pushed_pipeline_comes_back_with_its_card_and_without_its_stages(folder, client, tmp_path):
    (folder / "nearest.png").write_bytes(b"a picture")
    for stray in ("notes.env", "diffusion_pytorch_model.bin"):
        (folder / "unet" / stray).write_bytes(b"of nobody's business")
    assert cli.main(["push", str(folder), "me/sd"]) == 0
    files = set(client.repos["me/sd"].at("main").files)
    assert not [file for file in files if file.endswith((".env", ".bin"))]
    beside = {"README.md", "samples.png", "unseen.png", "nearest.png", "sampling.json", "training.json", "evaluation.json", "steps.json"}
    assert {"model_index.json", "unet/diffusion_pytorch_model.safetensors", "scheduler/scheduler_config.json"} | beside <= files
    assert not [file for file in files if file.startswith("stages") or "golden" in file]
    again, before = genart_hub.from_pretrained("me/sd"), genart_hub.from_pretrained(folder)
    assert torch.equal(again.sample(2, seed=3, prompt="cat"), before.sample(2, seed=3, prompt="cat"))
    text = client.read("me/sd", "README.md").decode()
    assert yaml.safe_load(text.split("---")[1])["library_name"] == "diffusers"
    assert 'from_pretrained("me/sd")\npipeline(' in text


@pytest.mark.slow
def test_a_pipeline_is_pushed_again_over_itself_and_an_edited_card_stays(folder, client):
    assert cli.main(["push", str(folder), "me/sd"]) == 0
    text = client.read("me/sd", "README.md").decode()
    client.add("me/sd", {"README.md": text.replace("## Use", "## How I use it").encode()})
    assert cli.main(["push", str(folder), "me/sd"]) == 0
    assert "## How I use it" in client.read("me/sd", "README.md").decode()
    assert cli.main(["push", str(folder), "me/sd", "--overwrite-card"]) == 0
    assert "## How I use it" not in client.read("me/sd", "README.md").decode()
    assert [found.id for found in genart_hub.search(family="diffusion")] == ["me/sd"]


@pytest.mark.slow
def test_a_pipeline_is_not_written_over_a_strangers_weights_or_another_kind_of_model(folder, client, gan, capsys):
    client.add("me/other", {"unet/model.safetensors": b"x", "README.md": b"---\nlibrary_name: diffusers\n---\n"})
    assert cli.main(["push", str(folder), "me/other"]) == 1
    gan.push_to_hub("me/gan", license="mit")
    assert cli.main(["push", str(folder), "me/gan"]) == 1
    told = capsys.readouterr().err
    assert told.count("already holds a model of another library") == 2
    assert "model_index.json" not in client.repos["me/gan"].at("main").files


@pytest.mark.slow
def test_without_pictures_beside_it_a_pipeline_gets_them_when_it_is_pushed(tmp_path, client):
    folder = save_tiny_pipeline(tmp_path / "bare")
    (folder / "sampling.json").write_text('{"num_steps": 1, "guidance": 1.0}')
    assert cli.main(["push", str(folder), "me/bare", "--license", "mit", "--dataset", "emoji64", "--private"]) == 0
    assert client.repos["me/bare"].private
    assert {"samples.png", "unseen.png"} <= set(client.repos["me/bare"].at("main").files)
    assert not (folder / "samples.png").exists()


def test_a_name_that_the_hub_cannot_have_is_refused_before_anything_is_made(made):
    with pytest.raises(GenartError) as error:
        genart_hub.from_pretrained(made).push_to_hub("nobody", license="mit")
    assert error.value.code == "bad_repo_id"


def test_a_card_attributes_the_data_that_is_known(made):
    assert "EmojiTwo (CC BY 4.0)" in card_of(made)[1].split("## Data")[1]


def test_a_sweep_of_few_pictures_says_what_its_frechet_distances_are_worth():
    def report(protocol):
        return Evaluation("", {"sd, 1 step": [Measure("", None, None, 24.06, None, protocol, "frechet")]})

    assert "of 200 pictures is far too large, as real pictures' 24.1 shows" in _of_few(report("200 made (seeds from 0)"))
    assert _of_few(report("3,070 made (seeds from 0)")) == ""
    assert _of_few(report("200 made; of so few a Fréchet distance is far too large")) == ""
