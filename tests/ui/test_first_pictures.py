"""What a column of the Comparison shows before anything was asked."""

from PIL import Image

from genart_hub import images
from genart_hub.hub.cards.shown import WISHES
from genart_hub.ui import comparison


def test_pictures_of_the_first_wish(monkeypatch, tmp_path):
    recipe = {"model": "m", "n": 8, "columns": 4, "seed": 0}
    sheet = Image.new("RGB", (4 * 66 + 2, 2 * 66 + 2))
    images.save_png(sheet, tmp_path / WISHES, recipe)
    monkeypatch.setattr(comparison, "bundled_folder", lambda name: tmp_path)
    assert [tile.size for tile in comparison.first_pictures("m")] == [(64, 64)] * 2


def test_none_where_a_card_s_picture_has_no_recipe(monkeypatch, tmp_path):
    Image.new("RGB", (64, 64)).save(tmp_path / WISHES)
    monkeypatch.setattr(comparison, "bundled_folder", lambda name: tmp_path)
    assert comparison.first_pictures("m") == []
