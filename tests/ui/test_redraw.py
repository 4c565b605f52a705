"""A drawing as the start of pictures: what its tiles show, what the model makes of it, and of a part of it."""

import numpy as np
import pytest
import torch
from browsing import expect, press
from driving import run
from PIL import Image, ImageDraw
from refusals import code_of
from running import PIPELINE

from genart_hub import images
from genart_hub.ui import noise, redraw, redraw_texts, texts
from genart_hub.ui.sentences import ALTS

SIDE = 16  # px, of the tiny pipeline
ASKED = {"prompt": "red", "num_steps": 4, "strength": 0.6, "guidance": 3}


@pytest.fixture
def x():
    drawing = Image.new("RGB", (256, 256), "white")
    ImageDraw.Draw(drawing).ellipse((40, 60, 200, 220), "red")
    return images.from_pil(drawing, SIDE, 3)


@pytest.fixture
def mask():
    mask = torch.zeros(1, 1, SIDE, SIDE)
    mask[..., :6] = 1
    return mask


def first_input(model, call) -> torch.Tensor:
    """What the denoising network is asked about at first."""
    seen = []
    hook = model.pipeline.unet.register_forward_pre_hook(lambda unet, args: seen.append(args[0].clone()))
    try:
        call()
    finally:
        hook.remove()
    return seen[0][:1]


def test_the_pictures_of_a_drawing_are_those_of_img2img_of_four_seeds(pipeline, x):
    told, made = run(redraw.drawn(pipeline, x, None, 5, ASKED))
    assert told == [(1, 2), (2, 2)]
    assert torch.equal(made, pipeline.img2img(x, 4, 5, **ASKED))


def test_the_pictures_of_a_marked_drawing_are_those_of_inpaint_and_keep_the_rest(pipeline, x, mask):
    _, made = run(redraw.drawn(pipeline, x, mask, 5, ASKED))
    assert torch.equal(made, pipeline.inpaint(x, mask, 4, 5, **ASKED))
    kept = (mask == 0).expand(4, 3, -1, -1)
    assert torch.allclose(made[kept], x.expand(4, -1, -1, -1)[kept], atol=1e-6)
    assert not torch.allclose(made[~kept], x.expand(4, -1, -1, -1)[~kept], atol=0.1)


@pytest.mark.parametrize("strength", [0.3, 1])
@pytest.mark.parametrize("masked", [False, True])
def test_the_noised_latents_are_what_the_network_sees_first(pipeline, x, mask, strength, masked):
    asked = ASKED | {"strength": strength}
    part = mask if masked else None
    seen = first_input(pipeline, lambda: run(redraw.drawn(pipeline, x, part, 5, asked)))
    assert torch.equal(redraw.begun(pipeline, x, 5, strength=strength, num_steps=4, masked=masked), seen)


def test_the_latents_shown_are_those_of_the_autoencoder(pipeline, x):
    z = redraw.latents_of(pipeline, x)
    assert z.shape == (1, 4, SIDE // 2, SIDE // 2)
    assert torch.allclose(pipeline._decode(z), pipeline.reconstruct(x), atol=1e-5)
    tiles = dict(redraw.beginning(pipeline, x, None, 5, ASKED))
    assert list(tiles) == ["seen", "latents", "noised"]
    assert tiles["seen"].tobytes() == images.to_pil(x)[0].tobytes()
    assert tiles["latents"].tobytes() == noise.noise_of(z[0]).tobytes()


def test_the_row_of_a_part_shows_the_mask_too(pipeline, x, mask):
    tiles = redraw.beginning(pipeline, x, mask, 5, ASKED)
    assert np.asarray(dict(tiles)["mask"]).tolist() == (mask[0, 0] * 255).int().tolist()
    row = redraw.shown(pipeline, [*tiles, (5, images.to_pil(x)[0])])
    assert row["values"] == ["seen", "mask", "latents", "noised", 5]
    assert row["kinds"] == ["picture", "words", "network", "noise", "picture"]
    assert row["count"] == 4


def test_the_mask_is_each_pixel_that_is_marked_by_half_or_more():
    marks = Image.new("L", (32, 32))
    marks.paste(255, (0, 0, 15, 32))  # the eighth column of two is half marked
    mask = redraw.mask_of(marks, 16)
    assert mask.shape == (1, 1, 16, 16)
    assert mask[0, 0, 3].tolist() == [1] * 8 + [0] * 8
    assert redraw.mask_of(marks, 8)[0, 0, 3].tolist() == [1] * 4 + [0] * 4


def test_marks_are_what_any_layer_has_however_faint(tmp_path):
    files = []
    for k in range(2):
        layer = Image.new("RGBA", (8, 8))
        layer.putpixel((k, 3), (255, 0, 255, 60))
        layer.save(tmp_path / f"{k}.png")
        files.append(str(tmp_path / f"{k}.png"))
    marks = np.asarray(redraw.marks_of(files))
    assert marks.sum() == 2 * 255
    assert marks[3].tolist() == [255, 255, 0, 0, 0, 0, 0, 0]


def test_nothing_marked_no_drawing_and_no_picture_are_told_by_name(tmp_path):
    Image.new("RGBA", (8, 8)).save(tmp_path / "blank.png")
    (tmp_path / "text.png").write_text("no picture")
    blank, text = str(tmp_path / "blank.png"), str(tmp_path / "text.png")
    assert code_of(lambda: redraw.marks_of([])) == "nothing_marked"
    assert code_of(lambda: redraw.marks_of([blank])) == "nothing_marked"
    assert code_of(lambda: redraw.mask_of(Image.new("L", (8, 8)), 4)) == "nothing_marked"
    assert code_of(lambda: redraw.drawing_of(None)) == "no_picture"
    assert code_of(lambda: redraw.drawing_of(blank)) == "no_picture"
    assert code_of(lambda: redraw.drawing_of(text)) == "bad_picture"


def test_a_model_that_cannot_begin_with_a_picture_is_refused_and_not_offered(gan):
    assert code_of(lambda: redraw.check(gan)) == "not_choice"
    assert redraw.follows(PIPELINE)
    assert not any(map(redraw.follows, ("ddpm-mnist", "nobody/else", "", None)))


@pytest.mark.parametrize("strength", ["", 0, 2, "much"])
def test_a_share_of_noise_that_is_none_is_refused(pipeline, x, strength):
    assert code_of(lambda: redraw.beginning(pipeline, x, None, 5, ASKED | {"strength": strength})) in ("out_of_range", "not_number")


def stroke(page, pad, *points) -> None:
    """Draw on a pad, whose canvas lies still by then."""
    for k, (x, y) in enumerate(points):
        pad.hover(position={"x": x, "y": y})
        if k == 0:
            page.mouse.down()
    page.mouse.up()


@pytest.mark.browser
def test_a_drawing_becomes_pictures_and_a_marked_part_of_it_others(visit, app):
    page = visit(url=f"{app.url}/?tab=sampling&model={PIPELINE}&num_steps=2&n=1&lang=en", tab=None)
    page.get_by_role("button", name=texts.say("en", "redraw")).click()
    press(page, "en", "redraw_go")
    sentence = "There is no picture yet."
    expect(page.get_by_text(sentence).locator("visible=true").first).to_be_visible()
    pads = page.get_by_role("img", name=ALTS["paper"][0], exact=True).locator("visible=true")
    pads.first.scroll_into_view_if_needed()
    middle = pads.first.bounding_box()["width"] / 2
    stroke(page, pads.first, (middle, 120), (middle, 160), (middle + 30, 180))
    press(page, "en", "redraw_go")
    tiles = page.locator(".inside-row:visible figure")
    expect(tiles).to_have_count(3 + 4)
    expect(page.get_by_role("img", name=redraw_texts.WAY["value_noised"][0])).to_be_visible()
    press(page, "en", "redraw_part")
    second = pads.nth(2)  # each stands on a sheet of that name
    second.wait_for()
    press(page, "en", "redraw_over")
    expect(page.get_by_text("Nothing is marked yet.").locator("visible=true").first).to_be_visible()
    stroke(page, second, (middle, 120), (middle, 160))
    press(page, "en", "redraw_over")
    expect(tiles).to_have_count(4 + 4)
    expect(page.get_by_role("img", name=redraw_texts.WAY["value_mask"][0])).to_be_visible()
