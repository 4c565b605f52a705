"""Sprite sheets: drawn by the bundled models of today, the same each time, and small."""

import pytest
import torch
from PIL import Image, ImageChops

import genart_hub
from genart_hub.hub import locate
from genart_hub.models import auto
from genart_hub.ui import sprites, stage

MOST_BYTES = 1_500_000  # of all sheets together
AGAIN = "draw it again: python -m genart_hub.ui.sprites"


@pytest.mark.parametrize("name", auto.bundled())
def test_the_weights_of_today_have_drawn_each_sheet(name):
    sprite = sprites.sprite_of(name)
    assert sprite, f"{name} has no sheet, or one of other weights; {AGAIN} {name}"
    with Image.open(sprite.file) as sheet:
        assert sheet.size == (sprite.frames * sprite.side, sprite.pictures * sprite.side)


def test_the_index_lists_the_sheets_that_are_there_and_they_are_small():
    files = list(sprites.FOLDER.glob("*.webp"))
    assert {file.stem for file in files} == set(sprites._index()) == set(auto.bundled())
    assert sum(file.stat().st_size for file in files) < MOST_BYTES


def test_a_sheet_is_drawn_the_same_again():
    kind, x = sprites.frames_of(genart_hub.from_pretrained("gan-mnist"))
    assert kind == "walk"
    again, kept = sprites.sheet(x).convert("RGB"), Image.open(sprites.FOLDER / "gan-mnist.webp").convert("RGB")
    difference = ImageChops.difference(again, kept)
    assert again.size == kept.size
    assert all(high <= 1 for _, high in difference.getextrema())  # of 255: other processors round in another way


def test_each_row_of_a_walk_comes_round_to_where_it_began():
    _, x = sprites.frames_of(genart_hub.from_pretrained("vae-mnist"))
    steps = (x - x.roll(1, dims=0)).square().flatten(2).mean(dim=2)  # (F, P): from each frame to the next, from the last to the first
    assert steps[0].max() <= steps.max(dim=0).values.max()
    assert torch.isfinite(x).all()


def test_from_noise_to_picture_begins_with_the_picture(tiny_model):
    model = tiny_model("tiny-sd-emoji")
    kind, x = sprites.frames_of(model)
    moments = [moment for *_, moment in model.denoise(sprites.PICTURES, 0, prompt=list(sprites.WISHES))]
    assert kind == "noise"
    assert torch.equal(x[0], moments[-1])
    assert torch.equal(x[1], moments[0])
    assert len(x) == len(moments)  # 10 steps, and both ends


def test_a_sheet_has_a_class_for_each_picture(tiny_model):
    model = tiny_model("dcgan-mnist")
    _, x = sprites.frames_of(model)
    alone = torch.cat([model.generate(model.latents(1, k * sprites.KEYS), label) for k, label in enumerate((0, 2, 5, 7))])
    assert torch.allclose(x[0], alone, atol=1e-6)


def test_a_model_of_other_weights_has_no_sheet(tiny_weights, monkeypatch):
    monkeypatch.setattr(locate, "WEIGHTS_FOLDERS", (tiny_weights,))
    assert sprites.sprite_of("gan-mnist") is None
    assert sprites.sprite_of("no-such-model") is None


def test_a_sheet_that_is_gone_is_not_offered(monkeypatch, tmp_path):
    monkeypatch.setattr(sprites, "FOLDER", tmp_path)
    assert sprites.sprite_of("gan-mnist") is None


def test_the_command_writes_a_sheet_and_keeps_the_others(monkeypatch, tmp_path, tiny_model):
    (tmp_path / "sprites.json").write_text(sprites.INDEX.read_text())
    monkeypatch.setattr(sprites, "FOLDER", tmp_path)
    monkeypatch.setattr(sprites, "INDEX", tmp_path / "sprites.json")
    sprites._index.cache_clear()
    try:
        (drawn,) = sprites.write(["gan-mnist"])
        assert sprites.sprite_of("gan-mnist") == drawn
        assert drawn.side == 8
        assert set(sprites._index()) == {"gan-mnist", "vae-mnist", "dcgan-mnist", "dcgan-emoji", "conv-vae-emoji", "tiny-sd-emoji"}
    finally:
        sprites._index.cache_clear()


def test_a_canvas_is_told_the_size_of_its_sheet_before_it_comes():
    sprite = sprites.sprite_of("gan-mnist")
    assert '"side": 28' in stage.playing(sprite)
    assert sprite.weights[:8] in stage.playing(sprite)  # a new sheet has a new address
