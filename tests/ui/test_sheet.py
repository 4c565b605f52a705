"""The side sheet of a picture."""

import re

import pytest
import torch
from PIL import Image

from genart_hub import images
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
