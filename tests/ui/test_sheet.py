"""The side sheet of a picture."""

import html
import re
from urllib.parse import parse_qs

import pytest
import torch
from PIL import Image

from genart_hub import images
from genart_hub.errors import MAX_SEED
from genart_hub.ui import sheet


def test_bars_go_up_and_down_from_the_middle_and_are_told():
    drawn = sheet.bars("en", torch.tensor([3.0, -1.5, 0.0, 9.0]))
    heights = [tuple(map(int, pair)) for pair in re.findall(r'y="(\d+)" width="0.8" height="(\d+)"', drawn)]
    assert heights == [(0, 50), (50, 25), (50, 1), (0, 50)]
    assert "4 numbers" in drawn
    assert "4 个数" in sheet.bars("zh", torch.zeros(4))


@pytest.mark.parametrize(
    ("lang", "wanted"),
    [("en", ["Model", "m", "Seed", "7", "Class", "food-drink"]), ("zh", ["模型", "m", "随机种子", "7", "类别", "食物与饮料"])],
)
def test_what_a_picture_was_drawn_from_is_told_in_the_readers_language(lang, wanted):
    told = sheet.told(lang, {"model": "m", "seed": 7}, {"label": "food-drink"})
    assert re.findall(r"<d[td]>(.*?)</d[td]>", told) == wanted


def test_a_prompt_is_never_markup():
    assert "<img" not in sheet.told("en", {"model": "m", "seed": 7}, {"prompt": "<img src=x>"})


def test_a_picture_with_a_recipe_is_told_from_one_without(tmp_path):
    picture = Image.new("RGB", (8, 8))
    assert images.has_recipe(images.save_png(picture, tmp_path / "a.png", {"model": "m", "seed": 0}))
    assert not images.has_recipe(images.save_png(picture, tmp_path / "b.png"))


def test_links_lead_to_the_picture_and_to_a_walk_from_it_where_there_is_a_latent_space():
    found = sheet.links("en", {"model": "gan-mnist", "seed": 7}, {"truncation": 0.5})
    hrefs = [html.unescape(href) for href in re.findall(r'href="([^"]*)"', found)]
    assert [parse_qs(href[1:]) for href in hrefs] == [
        {"tab": ["sampling"], "model": ["gan-mnist"], "n": ["1"], "seed": ["7"], "truncation": ["0.5"], "lang": ["en"]},
        {"tab": ["interpolation"], "model": ["gan-mnist"], "seeds": ["7, 8, 9, 10"], "lang": ["en"]},
    ]
    assert sheet.links("en", {"model": "tiny-sd-emoji", "seed": 7}, {"prompt": "<b>"}).count("href=") == 1


def test_a_walk_from_the_last_seed_stays_among_the_seeds():
    found = html.unescape(sheet.links("en", {"model": "gan-mnist", "seed": MAX_SEED}, {}))
    seeds = parse_qs(re.findall(r'href="\?([^"]*)"', found)[1])["seeds"][0]
    assert [int(seed) for seed in seeds.split(", ")] == [MAX_SEED - 3 + k for k in range(4)]
