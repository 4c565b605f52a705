"""A picture becomes a square of uint8, and what cannot be read is left out and named."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from sources import encoded, reds, refused, save, write_parquet

from genart_hub import data
from genart_hub.data import decoded, folders
from genart_hub.data import parquet as parquet_files


def coded_red(mode: str) -> Image.Image:
    """Pure red in any mode that has colours."""
    return Image.new("RGBA" if mode == "RGBA" else "RGB", (4, 4), (255, 0, 0)).convert(mode)


@pytest.mark.parametrize(("mode", "suffix"), [("RGB", "png"), ("RGBA", "png"), ("P", "png"), ("CMYK", "tif"), ("P", "gif")])
def test_red_is_red_in_every_mode(tmp_path, mode, suffix):
    coded_red(mode).save(tmp_path / f"a.{suffix}")
    pictures = data.load(tmp_path)
    assert pictures.pictures.flatten(2)[0].unique(dim=1).tolist() == [[255], [0], [0]]


def test_sixteen_bits_become_eight_and_stay_grey(tmp_path):
    Image.fromarray(np.full((4, 4), 257 * 100, dtype=np.uint16)).save(tmp_path / "a.png")
    assert data.load(tmp_path).pictures.unique().tolist() == [100]


def test_one_coloured_picture_makes_all_of_them_coloured(tmp_path):
    for k in range(3):
        save(tmp_path / f"{k}.png", 50, mode="L")
    assert data.load(tmp_path).pictures.shape[1] == 1
    save(tmp_path / "3.png", (200, 100, 0))
    pictures = data.load(tmp_path)
    assert pictures.pictures[[0, 3], :, 0, 0].tolist() == [[50, 50, 50], [200, 100, 0]]
    assert data.load(tmp_path, channels=1).pictures.shape[1] == 1


def test_a_turned_photo_stands_upright_and_an_animation_gives_its_first_frame(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # its top is on the right
    photo = Image.new("L", (8, 8))
    photo.paste(255, (0, 0, 4, 8))
    photo.save(tmp_path / "a.png", exif=exif)
    frames = [Image.new("L", (8, 8), level) for level in (90, 200)]
    frames[0].save(tmp_path / "b.gif", save_all=True, append_images=frames[1:])
    pictures = data.load(tmp_path, channels=1).pictures[:, 0]
    assert (pictures[0, 0].unique().tolist(), pictures[0, 7].unique().tolist(), pictures[1].unique().tolist()) == ([255], [0], [90])


def test_the_size_is_what_was_asked_for_else_the_first_pictures_smaller_side(tmp_path):
    (tmp_path / "a.png").write_bytes(b"broken")
    save(tmp_path / "b.png", size=(12, 6))
    save(tmp_path / "c.png", size=(30, 40))
    assert [data.load(tmp_path, size, max_broken=0.5).pictures.shape[-1] for size in (None, 8)] == [6, 8]


def test_the_smallest_side_is_the_first_pictures_and_is_noted(tmp_path, opened):
    save(tmp_path / "a.png", size=(12, 6))
    save(tmp_path / "b.png", size=(3, 4))
    assert (data.smallest_side(tmp_path), data.smallest_side(tmp_path, fit="pad")) == (6, 12)
    assert opened == ["a.png"]
    (tmp_path / "a.png").unlink()
    assert data.smallest_side(tmp_path) == 3


def test_crop_keeps_the_centre_and_pad_the_whole_on_the_colour_of_the_corners(tmp_path):
    picture = Image.new("RGB", (8, 4), (10, 20, 30))
    picture.paste((200, 0, 0), (2, 0, 6, 4))
    picture.save(tmp_path / "a.png")
    crop = data.load(tmp_path, size=4).pictures[0]
    assert crop.flatten(1).unique(dim=1).tolist() == [[200], [0], [0]]
    pad = data.load(tmp_path, size=8, fit="pad").pictures[0]
    assert pad[:, [0, 1, 6, 7]].flatten(1).unique(dim=1).tolist() == [[10], [20], [30]]
    assert torch.equal(pad[:, 2:6], torch.from_numpy(np.array(picture)).movedim(-1, 0))


def test_one_odd_corner_does_not_decide_the_colour_of_the_padding():
    picture = Image.new("L", (8, 4), 40)
    picture.putpixel((7, 3), 255)
    square = decoded.padded(picture, 8, 1)
    assert [square.getpixel(at) for at in ((0, 0), (7, 0), (7, 7))] == [40, 40, 40]
    assert decoded.padded(Image.new("L", (4000, 1), 40), 8, 1).size == (8, 8)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"fit": "stretch"}, "not_choice"),
        ({"channels": 2}, "not_choice"),
        ({"size": 0}, "out_of_range"),
        ({"max_broken": 2}, "out_of_range"),
    ],
)
def test_settings_out_of_their_range_are_refused(picture_folder, options, code):
    refused(code, picture_folder, **options)


# ---- broken pictures ----


@pytest.fixture(scope="module")
def bomb() -> bytes:
    """A small file of 400 million pixels."""
    Image.new("1", (20_000, 20_000)).save(content := io.BytesIO(), format="PNG")
    return content.getvalue()


@pytest.fixture
def damaged(tmp_path, bomb):
    """A folder with four pictures that can be read, and four that cannot."""
    for k in range(4):
        save(tmp_path / "damaged" / f"{k}.png", (k, 0, 0))
    (tmp_path / "damaged" / "empty.png").touch()
    (tmp_path / "damaged" / "text.png").write_text("no picture")
    Image.effect_noise((64, 64), 90).save(content := io.BytesIO(), format="JPEG")
    (tmp_path / "damaged" / "cut.jpg").write_bytes(content.getvalue()[: len(content.getvalue()) // 2])
    (tmp_path / "damaged" / "bomb.png").write_bytes(bomb)
    return tmp_path / "damaged"


def test_broken_pictures_are_left_out_and_listed(damaged, capsys):
    pictures = data.load(damaged, max_broken=0.5)
    assert (reds(pictures), pictures.broken) == ([0, 1, 2, 3], ("bomb.png", "cut.jpg", "empty.png", "text.png"))
    printed = capsys.readouterr()
    assert "4 of 8 pictures cannot be read: 'bomb.png', 'cut.jpg', 'empty.png', 'text.png'." in printed.err
    assert printed.out == ""


def test_more_broken_pictures_than_are_allowed_stop_the_start_and_leave_nothing(damaged, picture_cache):
    error = refused("broken_pictures", damaged, max_broken=0.49)
    assert "4 of 8" in str(error)
    assert "49%" in str(error)
    assert list(picture_cache.iterdir()) == []


def test_the_limit_holds_for_what_is_in_the_cache_too(damaged):
    data.load(damaged, max_broken=0.5)
    refused("broken_pictures", damaged)


def test_nothing_but_broken_pictures_is_refused_whatever_is_allowed(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    refused("broken_pictures", tmp_path, max_broken=1)


def test_of_many_broken_pictures_ten_are_named(tmp_path, capsys):
    save(tmp_path / "a.png")
    for k in range(12):
        (tmp_path / f"b{k:02}.png").touch()
    data.load(tmp_path, max_broken=1)
    line = capsys.readouterr().err
    assert "'b09.png' and 2 more" in line
    assert "b10" not in line


def test_a_broken_row_takes_its_label_and_its_caption_with_it(tmp_path):
    rows = [encoded((k, 0, 0)) for k in range(3)]
    rows[1]["bytes"] = b"no picture"
    pictures = data.load(write_parquet(tmp_path / "a.parquet", {"image": rows, "label": [4, 5, 6], "text": list("abc")}), max_broken=0.5)
    assert (reds(pictures), pictures.labels.tolist(), pictures.columns, pictures.broken) == (
        [0, 2],
        [4, 6],
        {"text": ["a", "c"]},
        ("row 1",),
    )


def test_a_broken_row_is_named_by_its_number_in_its_file(tmp_path, monkeypatch):
    for module in (decoded, folders, parquet_files):
        monkeypatch.setattr(module, "ROWS", 2)
    for name, k in (("a", 3), ("b", 4)):
        rows = [encoded() for _ in range(5)]
        rows[k]["bytes"] = b"no picture"
        write_parquet(tmp_path / f"{name}.parquet", {"image": rows})
    assert data.load(tmp_path, max_broken=0.5).broken == ("a.parquet row 3", "b.parquet row 4")


def test_a_listed_picture_that_is_missing_counts_as_broken(tmp_path):
    save(tmp_path / "a.png")
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "a.png", "text": "a"}\n{"file_name": "b.png", "text": "b"}')
    pictures = data.load(tmp_path, max_broken=0.5)
    assert (pictures.broken, pictures.columns) == (("b.png",), {"text": ["a"]})
