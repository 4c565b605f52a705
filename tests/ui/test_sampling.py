"""The Sampling tab's endpoints, called over HTTP."""

import json
import re
import zipfile
from pathlib import Path

import pytest
import torch
from gradio_client import handle_file
from over_http import GAN, VAE, picture_with, refused, same_picture
from PIL import Image
from running import PIPELINE

import genart_hub
from genart_hub import images, latents
from genart_hub.ui import texts


def test_picture_k_of_sample_carries_seed_plus_k(client):
    gallery, one, *_ = client.predict(GAN, 3, 41, 0.7, api_name="/sample")
    recipes = [images.read_recipe(shown["image"]) for shown in gallery]
    assert [recipe["seed"] for recipe in recipes] == [41, 42, 43]
    assert {(recipe["model"], recipe["n"], recipe["truncation"]) for recipe in recipes} == {(GAN, 1, 0.7)}
    assert images.read_recipe(one)["seed"] == 41


@pytest.mark.parametrize(("lang", "seed"), [("en", "seed"), ("zh", "种子")])
def test_a_gan_s_captions_tell_where_its_judge_puts_a_picture_among_real_ones(clients, lang, seed):
    gallery, *_, note = clients[lang].predict(GAN, 8, 5, 1, api_name="/sample")
    model = genart_hub.from_pretrained(GAN)
    real = json.loads(model.source.companion("evaluation.json").read_text("utf-8"))["scores"][GAN]
    for k, (shown, logit) in enumerate(zip(gallery, model.discriminate(model.sample(8, seed=5)).tolist(), strict=True)):
        match = re.fullmatch(rf"{seed} (\d+) · (▰*)(▱*) (\d+)%", shown["caption"])
        assert int(match[1]) == 5 + k
        assert int(match[4]) == pytest.approx(100 * sum(value < logit for value in real) / len(real), abs=1)
        assert len(match[2]) == round(int(match[4]) / 20)
        assert len(match[2] + match[3]) == 5
    assert "D " not in "".join(shown["caption"] for shown in gallery)
    assert "50" in note


def test_a_vae_s_captions_carry_the_seed_alone(client):
    gallery, *_, note = client.predict(VAE, 2, 5, 1, api_name="/sample")
    assert [shown["caption"] for shown in gallery] == ["seed 5", "seed 6"]
    assert not note


def test_the_grid_holds_the_pictures_in_rows_of_eight(client):
    gallery, _, grid, *_ = client.predict(GAN, 10, 0, 1, api_name="/sample")
    grid, ninth = Image.open(grid), Image.open(gallery[8]["image"])
    side = ninth.width
    assert grid.size == (8 * (side + 2) + 2, 2 * (side + 2) + 2)
    assert same_picture(grid.crop((2, side + 4, side + 2, 2 * side + 4)), ninth)


def test_the_zip_holds_every_picture_and_the_grid(client, tmp_path):
    gallery, _, grid, archive, *_ = client.predict(VAE, 3, 7, 1, api_name="/sample")
    with zipfile.ZipFile(archive) as packed:
        assert packed.namelist() == [f"{VAE}-7.png", f"{VAE}-8.png", f"{VAE}-9.png", f"{VAE}-7-grid.png"]
        assert packed.read(f"{VAE}-8.png") == Path(gallery[1]["image"]).read_bytes()
        assert packed.read(f"{VAE}-7-grid.png") == Path(grid).read_bytes()


@pytest.mark.parametrize(("name", "truncation"), [(GAN, 1), (VAE, 0.5)])
def test_the_python_line_makes_the_same_pictures(client, name, truncation):
    gallery, _, _, _, code, _ = client.predict(name, 3, 11, truncation, api_name="/sample")
    made = {}
    exec(code, made)
    assert len(made["x"]) == 3
    for picture, shown in zip(images.to_pil(made["x"]), gallery, strict=True):
        assert same_picture(picture, Image.open(shown["image"]))


def test_the_dice_rolls_another_seed(client):
    seeds = [client.predict(api_name="/dice") for _ in range(3)]
    assert len(set(seeds)) == 3
    assert all(isinstance(seed, int) and 0 <= seed < 2**53 for seed in seeds)


@pytest.mark.parametrize("endpoint", ["/sample_after_dice", "/sample_after_restore"])
def test_what_follows_a_roll_or_a_drop_is_a_sample(client, endpoint):
    gallery, *_ = client.predict(GAN, 2, 3, 1, api_name=endpoint)
    assert [images.read_recipe(shown["image"])["seed"] for shown in gallery] == [3, 4]


def test_a_dropped_picture_gives_its_fields_back(client):
    gallery, _, grid, *_ = client.predict(VAE, 10, 100, 0.6, api_name="/sample")
    assert client.predict(handle_file(gallery[2]["image"]), api_name="/restore")[:4] == (VAE, 1, 102, 0.6)
    assert client.predict(handle_file(grid), api_name="/restore")[:4] == (VAE, 10, 100, 0.6)


def test_sampling_a_pipeline_draws_the_prompt_and_writes_it_down(tiny_model, tiny_clients):
    gallery, _, grid, _, code, note = tiny_clients["en"].predict(PIPELINE, 3, 7, 1, "", "红苹果", api_name="/sample")
    for path in (*(shown["image"] for shown in gallery), grid):
        assert images.read_recipe(path)["prompt"] == "红苹果"
    for picture, shown in zip(images.to_pil(tiny_model(PIPELINE).sample(3, 7, prompt="红苹果")), gallery, strict=True):
        assert same_picture(picture, Image.open(shown["image"]))
    assert code.endswith(f".from_pretrained(\"{PIPELINE}\").sample(3, seed=7, prompt='红苹果')")
    assert not note


def test_the_pictures_of_a_model_of_steps_are_shown_on_their_way_and_end_as_those_of_sample(tiny_model, tiny_clients):
    tiny_clients["zh"].predict(api_name="/stop_sampling")  # nothing runs
    results = list(tiny_clients["zh"].submit(PIPELINE, 2, 7, 1, "", "火箭", api_name="/sample"))
    assert any(f"{PIPELINE} · 2 张图片 · 第 " in str(result[-1]) for result in results)
    ways = [result[0] for result in results if isinstance(result[0], list) and "step-" in str(result[0][0]["image"])]
    assert ways
    assert all(len(way) == 2 for way in ways)
    x = tiny_model(PIPELINE).sample(2, 7, prompt="火箭")
    for picture, shown in zip(images.to_pil(x), results[-1][0], strict=True):
        assert same_picture(picture, Image.open(shown["image"]))


def test_a_dropped_picture_brings_its_prompt_back(tiny_clients):
    _, one, grid, *_ = tiny_clients["zh"].predict(PIPELINE, 2, 5, 1, "", "蓝色的狗", api_name="/sample")
    for path, n in ((one, 1), (grid, 2)):
        name, count, seed, _, classes, prompt, *own, _, _ = tiny_clients["zh"].predict(handle_file(path), api_name="/restore")
        assert (name, count, seed, prompt, classes["visible"], own) == (PIPELINE, n, 5, "蓝色的狗", False, ["", ""])


def test_steps_and_guidance_are_asked_for_and_come_back(tiny_model, tiny_clients):
    gallery, one, *_, code, _ = tiny_clients["en"].predict(PIPELINE, 1, 5, 1, "", "cat", 3, 2.5, api_name="/sample")
    assert code.endswith("prompt='cat', num_steps=3, guidance=2.5)")
    picture = images.to_pil(tiny_model(PIPELINE).sample(1, 5, prompt="cat", num_steps=3, guidance=2.5))[0]
    assert same_picture(picture, Image.open(gallery[0]["image"]))
    assert tiny_clients["en"].predict(handle_file(one), api_name="/restore")[6:8] == ("3", "2.5")


def test_a_picture_with_settings_that_have_no_field_here_is_told(tiny_model, tiny_app, tiny_clients, tmp_path):
    recipe = tiny_model(PIPELINE).recipe(0, 2, prompt=["cat", "dog"], negative_prompt="red")
    file = handle_file(picture_with(recipe, tmp_path / "p.png"))
    told = "p.png was made with settings that this page has no field for (prompt, negative_prompt)."
    assert refused(tiny_app, tiny_clients["en"], file, api_name="/restore").startswith(told)
    assert refused(tiny_app, tiny_clients["zh"], file, api_name="/restore").startswith(
        "p.png 用到了本页没有的设置（prompt, negative_prompt）。"
    )


def test_a_grid_of_directions_is_no_picture_of_samples(tiny_app, tiny_clients, tmp_path):
    model = genart_hub.from_pretrained(GAN)
    recipe = latents.directions.recipe(model, latents.directions.sefa(model, 1), [-1.0, 0.0, 1.0], seed=0)
    file = handle_file(picture_with(recipe, tmp_path / "p.png"))
    told = "p.png shows directions of a latent space, and this tab draws samples. Make it again with genart-hub sample --from p.png."
    assert refused(tiny_app, tiny_clients["en"], file, api_name="/restore").startswith(told)
    assert "genart-hub sample --from p.png" in refused(tiny_app, tiny_clients["zh"], file, api_name="/restore")


def test_a_class_by_its_name_is_the_one_that_is_drawn_and_written_down(tiny_model, tiny_clients):
    gallery, _, grid, *_ = tiny_clients["en"].predict("dcgan-emoji", 3, 7, 1, "food-drink", api_name="/sample")
    for path in (*(shown["image"] for shown in gallery), grid):
        assert images.read_recipe(path)["label"] == "food-drink"
    for picture, shown in zip(images.to_pil(tiny_model("dcgan-emoji").sample(3, 7, label=3)), gallery, strict=True):
        assert same_picture(picture, Image.open(shown["image"]))


def test_any_class_is_drawn_from_each_picture_s_seed(tiny_model, tiny_clients):
    gallery, *_ = tiny_clients["en"].predict("dcgan-mnist", 6, 3, 1, "", api_name="/sample")
    model = tiny_model("dcgan-mnist")
    for picture, label, shown in zip(images.to_pil(model.sample(6, 3)), model.labels(6, 3).tolist(), gallery, strict=True):
        assert same_picture(picture, Image.open(shown["image"]))
        assert images.read_recipe(shown["image"])["label"] is None
        assert shown["caption"].startswith(f"{label} · seed ")


@pytest.mark.parametrize(("lang", "caption"), [("en", "animals-nature · seed 4 · "), ("zh", "动物与自然 · 种子 4 · ")])
def test_a_caption_tells_the_class_and_the_discriminator_is_told_it_too(tiny_model, tiny_clients, lang, caption):
    gallery, *_ = tiny_clients[lang].predict("dcgan-emoji", 1, 4, 1, "animals-nature", api_name="/sample")
    model = tiny_model("dcgan-emoji")
    logit = model.discriminate(model.sample(1, 4, label="animals-nature"), torch.tensor([2])).item()
    assert gallery[0]["caption"].startswith(caption)
    assert int(gallery[0]["caption"].split()[-1].rstrip("%")) == pytest.approx(100 * min(max(logit + 0.5, 0), 1), abs=1)


def test_a_model_whose_real_pictures_nobody_scored_shows_no_score(tiny_clients):
    gallery, *_, note = tiny_clients["en"].predict("dcgan-mnist", 1, 4, 1, "3", api_name="/sample")
    assert (gallery[0]["caption"], note) == ("3 · seed 4", "")


@pytest.mark.parametrize(
    ("name", "label", "more"),
    [("dcgan-emoji", "objects", ", label='objects'"), ("dcgan-mnist", "7", ", label=7"), ("dcgan-mnist", "", ""), ("gan-mnist", "", "")],
)
def test_the_python_line_names_the_class_and_makes_the_same_pictures(tiny_model, tiny_clients, name, label, more):
    gallery, _, _, _, code, _ = tiny_clients["en"].predict(name, 2, 5, 1, label, api_name="/sample")
    assert code.endswith(f'.from_pretrained("{name}").sample(2, seed=5{more})')
    exec(code, made := {})
    for picture, shown in zip(images.to_pil(made["x"]), gallery, strict=True):
        assert same_picture(picture, Image.open(shown["image"]))


@pytest.mark.parametrize(("name", "label"), [("dcgan-emoji", "objects"), ("dcgan-mnist", "7"), ("dcgan-mnist", ""), ("gan-mnist", "")])
def test_a_dropped_picture_brings_its_class_back(tiny_model, tiny_clients, name, label):
    _, one, grid, *_ = tiny_clients["zh"].predict(name, 2, 5, 1, label, api_name="/sample")
    known = tiny_model(name).class_names
    for path, n in ((one, 1), (grid, 2)):
        *fields, classes, _, _, _, _, _ = tiny_clients["zh"].predict(handle_file(path), api_name="/restore")
        assert fields == [name, n, 5, 1]
        assert (classes["value"], classes["visible"]) == (label, bool(known))
        assert [tuple(choice) for choice in classes["choices"]] == [
            ("任意", ""),
            *((texts.CLASSES_ZH.get(one, one), one) for one in known),
        ]


def test_a_picture_of_several_classes_is_told_and_one_of_the_same_class_comes_back(tiny_model, tiny_app, tiny_clients, tmp_path):
    model = tiny_model("dcgan-mnist")
    file = handle_file(picture_with(model.recipe(0, 2, label=["3", "4"]), tmp_path / "p.png"))
    assert refused(tiny_app, tiny_clients["en"], file, api_name="/restore").startswith("The pictures in p.png are of several classes; ")
    assert refused(tiny_app, tiny_clients["zh"], file, api_name="/restore").startswith("p.png 中的图片分属几个类别，")
    file = handle_file(picture_with(model.recipe(0, 2, label=["3", "3"]), tmp_path / "q.png"))
    assert tiny_clients["en"].predict(file, api_name="/restore")[4]["value"] == "3"
