"""The doors between pixels and tensors, grids, recipes in PNGs, and animations."""

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, PngImagePlugin
from postscript import EPS

import genart_hub
from genart_hub import images
from genart_hub.errors import GenartError


def grey(levels):
    """A picture of mode L from rows of grey levels."""
    return Image.fromarray(np.array(levels, dtype=np.uint8))


def test_minus_one_is_black_one_is_white_and_zero_is_the_middle():
    x = torch.tensor([[-1.0, 0.0, 1.0], [-5.0, 5.0, float("nan")]])[None]
    assert np.asarray(images.to_pil(x)).tolist() == [[0, 128, 255], [0, 255, 128]]


def test_channels_heights_and_widths_are_not_mixed_up():
    x = -torch.ones(3, 2, 4)
    x[0, 1, 3] = 1
    picture = images.to_pil(x)
    assert (picture.mode, picture.size) == ("RGB", (4, 2))
    assert picture.getpixel((3, 1)) == (255, 0, 0)


def test_a_batch_becomes_a_list_of_pictures():
    assert [picture.mode for picture in images.to_pil(torch.zeros(3, 1, 4, 4))] == ["L"] * 3


@pytest.mark.parametrize("channels", [1, 3])
def test_every_level_survives_both_doors(channels):
    levels = torch.arange(256, dtype=torch.float32).view(1, 1, 16, 16).repeat(1, channels, 1, 1)
    x = levels / 127.5 - 1
    torch.testing.assert_close(images.from_pil(images.to_pil(x), 16, channels), x)


@pytest.mark.parametrize("shape", [(4, 4), (2, 4, 4), (1, 1, 1, 4, 4), (5, 4, 4)])
def test_tensors_that_are_no_pictures_are_refused(shape):
    with pytest.raises(GenartError) as error:
        images.to_pil(torch.zeros(shape))
    assert error.value.code == "bad_images"


def test_a_picture_is_cropped_to_its_centre_square():
    picture = grey([[0, 0, 255, 255, 0, 0]] * 2)
    assert images.from_pil(picture, 2, 1).tolist() == [[[[1.0, 1.0], [1.0, 1.0]]]]


def test_transparency_becomes_white():
    picture = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    picture.putpixel((0, 0), (255, 0, 0, 255))
    x = images.from_pil(picture, 4, 3)
    assert x[0, :, 0, 0].tolist() == [1, -1, -1]
    assert x[0, :, 1, 1].tolist() == [1, 1, 1]


def test_sixteen_bits_become_eight_and_not_white():
    picture = Image.fromarray(np.full((4, 4), 65535 // 2, dtype=np.uint16))
    assert images.from_pil(picture, 4, 1).mean().item() == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize(("level", "expected"), [(0.5, 0), (1.0, 1), (127.5, 0), (255.0, 1)])
def test_floats_are_grey_levels_or_where_none_is_above_one_their_fractions(level, expected):
    picture = Image.fromarray(np.full((4, 4), level, dtype=np.float32))
    assert images.from_pil(picture, 4, 1).mean().item() == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LAB", "I", "I;16", "F"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_mode_of_pillow_goes_through_the_door(mode, channels):
    x = images.from_pil(Image.new(mode, (6, 5)), 4, channels)
    assert (x.shape, x.dtype) == ((1, channels, 4, 4), torch.float32)
    assert x.abs().max() <= 1


def test_a_photo_that_lies_on_its_side_is_turned_upright(tmp_path):
    picture = grey([[0, 0, 255, 255]] * 4)
    exif = picture.getexif()
    exif[0x0112] = 6  # turned by 90 degrees
    picture.save(tmp_path / "photo.png", exif=exif)
    x = images.from_pil(images.open_picture(tmp_path / "photo.png"), 4, 1)
    assert x[0, 0, 0].tolist() == [-1.0] * 4
    assert x[0, 0, 3].tolist() == [1.0] * 4


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"<svg/>"])
def test_a_file_that_is_no_picture_is_named(tmp_path, content):
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(GenartError, match=r"bad\.png") as error:
        images.open_picture(tmp_path / "bad.png")
    assert error.value.code == "bad_picture"


def test_a_truncated_picture_is_refused(tmp_path):
    grey(np.random.default_rng(0).integers(0, 255, (64, 64))).save(tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:-2000])
    with pytest.raises(GenartError) as error:
        images.open_picture(tmp_path / "cut.png")
    assert error.value.code == "bad_picture"


def test_a_picture_that_is_far_too_large_is_refused_before_it_is_decoded():
    Image.new("1", (50_000, 1_000)).save(content := io.BytesIO(), format="PNG")
    with pytest.raises(GenartError, match="50000x1000") as error:
        images.open_picture(content, "large.png")
    assert error.value.code == "picture_too_large"


def test_a_missing_picture_is_refused(tmp_path):
    with pytest.raises(GenartError, match=r"gone\.png"):
        images.open_picture(tmp_path / "gone.png")


@pytest.mark.parametrize("door", [images.open_picture, images.read_recipe])
def test_an_eps_under_another_name_is_no_picture_and_starts_no_program(tmp_path, ghostscript, door):
    (tmp_path / "eps.png").write_bytes(EPS)
    with pytest.raises(GenartError, match="no known picture format"):
        door(tmp_path / "eps.png")
    assert not ghostscript.exists()
    with Image.open(tmp_path / "eps.png") as picture, pytest.raises(OSError, match="cannot identify|empty|No such|decoder"):
        picture.load()  # what Pillow does by itself
    assert ghostscript.exists()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "MPO", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM"])
def test_photos_of_every_usual_format_are_opened(tmp_path, kind):
    Image.init()
    if kind not in Image.SAVE:
        pytest.skip(f"this Pillow has no {kind}")
    frames = {"save_all": True, "append_images": [Image.new("RGB", (16, 16), "blue")]} if kind == "MPO" else {}
    Image.new("RGB", (16, 16), (200, 30, 40)).save(tmp_path / "photo", format=kind, **frames)
    with images.open_picture(tmp_path / "photo") as picture:
        assert picture.convert("RGB").getpixel((8, 8)) == pytest.approx((200, 30, 40), abs=12)


def test_every_picture_is_opened_by_one_door():
    sources = Path(genart_hub.__file__).parent.rglob("*.py")
    assert [file.name for file in sources for line in file.read_text("utf-8").splitlines() if "Image.open(" in line] == ["images.py"]


def test_formats_that_are_forgotten_are_opened_by_nobody_in_the_process(tmp_path, monkeypatch):
    Image.init()
    monkeypatch.setattr(Image, "OPEN", dict(Image.OPEN))
    monkeypatch.setattr(Image, "ID", list(Image.ID))
    images.forget_other_formats()
    (tmp_path / "a.eps").write_bytes(EPS)
    with pytest.raises(Image.UnidentifiedImageError):
        Image.open(tmp_path / "a.eps")
    Image.new("L", (4, 4), 7).save(tmp_path / "a.webp", lossless=True)
    with Image.open(tmp_path / "a.webp") as picture:
        assert picture.convert("L").getpixel((0, 0)) == 7


def test_a_grid_places_picture_k_in_row_k_over_columns():
    x = torch.linspace(-1, 1, 5).view(5, 1, 1, 1).expand(5, 1, 4, 4)
    made = np.asarray(images.grid(x, columns=3, padding=2))
    assert made.shape == (2 * 6 + 2, 3 * 6 + 2)
    levels = [made[2 + row * 6, 2 + column * 6] for row in range(2) for column in range(3)]
    assert levels == [0, 64, 128, 191, 255, made[0, 0]]


def test_a_grid_takes_no_more_columns_than_pictures():
    assert images.grid(torch.zeros(2, 3, 4, 4), columns=8, padding=1).size == (11, 6)


def test_enlarging_repeats_pixels_a_whole_number_of_times():
    made = images.enlarge(grey([[0, 255], [255, 0]]), side=5)
    assert made.size == (6, 6)
    assert set(np.unique(np.asarray(made))) == {0, 255}


def test_a_png_carries_its_recipe(tmp_path):
    recipe = {"model": "me/mine", "weights_sha256": "ab", "revision": None, "seed": 7, "label": "苹果"}
    path = images.save_png(grey([[1, 2]]), tmp_path / "new" / "a.png", recipe)
    assert images.read_recipe(path) == recipe
    assert np.asarray(Image.open(path)).tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (None, "no_recipe"),
        ("{", "bad_recipe"),
        ("[1]", "bad_recipe"),
        ("[" * 10_000, "bad_recipe"),
        ("{}", "bad_recipe"),
        (json.dumps({"model": 3}), "bad_recipe"),
        (json.dumps({"model": ""}), "bad_recipe"),
        (json.dumps({"model": "a\nb"}), "bad_recipe"),
        (json.dumps({"model": "gan-mnist", "weights_sha256": 3}), "bad_recipe"),
        (json.dumps({"model": "gan-mnist", "revision": ["x"]}), "bad_recipe"),
        (json.dumps({"model": "gan-mnist", "note": "x" * 20_000}), "bad_recipe"),
    ],
)
def test_a_damaged_recipe_is_refused(tmp_path, text, code):
    info = PngImagePlugin.PngInfo()
    if text is not None:
        info.add_itxt("genart_hub", text)
    grey([[0]]).save(tmp_path / "a.png", pnginfo=info)
    with pytest.raises(GenartError, match=r"a\.png") as error:
        images.read_recipe(tmp_path / "a.png")
    assert error.value.code == code


def test_the_recipe_of_a_missing_file_is_refused(tmp_path):
    with pytest.raises(GenartError, match="there is no such file"):
        images.read_recipe(tmp_path / "gone.png")
    for path in (tmp_path, tmp_path / "gone.png"):
        with pytest.raises(GenartError, match="there is no such file"):
            images.open_picture(path)


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
@pytest.mark.parametrize("fps", [24, 30, 7.5])
def test_an_animation_has_every_frame_and_lasts_as_long_as_it_should(tmp_path, suffix, fps):
    x = torch.linspace(-1, 1, 12).view(12, 1, 1, 1).expand(12, 1, 8, 8)
    with Image.open(images.save_animation(x, tmp_path / f"walk{suffix}", fps)) as animation:
        durations = []
        for k in range(animation.n_frames):
            animation.seek(k)
            animation.load()
            durations.append(animation.info["duration"])
            assert np.asarray(animation.convert("L")).mean() == pytest.approx(255 * k / 11, abs=2)
        assert animation.info["loop"] == 0
    assert len(durations) == 12
    assert sum(durations) == pytest.approx(12_000 / fps, abs=5)


@pytest.mark.parametrize("name", ["walk.avi", "walk", "walk.png"])
def test_an_animation_of_another_kind_says_what_is_missing(tmp_path, name):
    with pytest.raises(GenartError, match="ffmpeg") as error:
        images.save_animation(torch.zeros(2, 1, 4, 4), tmp_path / name)
    assert error.value.code == "bad_animation"
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize(("side", "even"), [(16, 16), (17, 18)])
def test_a_film_has_every_frame_lasts_as_long_as_it_should_and_carries_its_recipe(tmp_path, side, even):
    av = pytest.importorskip("av")
    x = torch.linspace(-1, 1, 12).view(12, 1, 1, 1).expand(12, 3, side, side)
    recipe = {"model": "gan-mnist", "walk": {"seeds": [0, 7], "note": "漫步"}}
    path = images.save_animation(x, tmp_path / "walk.mp4", 12, recipe)
    with av.open(str(path)) as film:
        shown = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
        assert json.loads(film.metadata["comment"]) == recipe
        assert film.duration / av.time_base == pytest.approx(1, abs=0.01)
    assert [one.shape for one in shown] == [(even, even, 3)] * 12
    assert [one.mean() for one in shown] == pytest.approx([255 * k / 11 for k in range(12)], abs=4)
    assert [file.name for file in tmp_path.iterdir()] == ["walk.mp4"]


def test_a_film_without_the_package_that_writes_it_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(GenartError, match=r"pip install \"genart-hub\[video\]\""):
        images.save_animation(torch.zeros(2, 1, 4, 4), tmp_path / "walk.mp4")
    assert not list(tmp_path.iterdir())


def test_an_animation_of_nothing_or_at_no_speed_is_refused(tmp_path):
    with pytest.raises(GenartError, match="at least one frame"):
        images.save_animation([], tmp_path / "walk.gif")
    for fps in (0, 51, "fast", float("nan")):
        with pytest.raises(GenartError, match="fps"):
            images.save_animation(torch.zeros(2, 1, 4, 4), tmp_path / "walk.gif", fps)


@pytest.mark.parametrize("ink", [0, 255])
def test_a_digit_is_white_on_black_in_a_box_of_twenty_and_centred_by_its_mass(ink):
    canvas = np.full((100, 80), 255 - ink, dtype=np.uint8)
    canvas[10:50, 5:15] = ink  # 40 high, 10 wide, in a corner
    made = np.asarray(images.center_digit(Image.fromarray(canvas))).astype(float)
    rows, columns = np.nonzero(made.max(axis=1) > 64)[0], np.nonzero(made.max(axis=0) > 64)[0]
    assert (made.shape, made[0, 0], made.max()) == ((28, 28), 0, 255)
    assert (len(rows), len(columns)) == (20, 5)
    assert abs((made.sum(axis=1) * np.arange(28)).sum() / made.sum() - 13.5) <= 0.5
    assert abs((made.sum(axis=0) * np.arange(28)).sum() / made.sum() - 13.5) <= 0.5


def test_an_empty_sheet_stays_empty():
    assert np.asarray(images.center_digit(Image.new("L", (50, 50), 255))).max() == 0
