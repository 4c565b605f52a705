"""The drawings of machines on the pages of the path."""

import re

import pytest

from genart_hub import images
from genart_hub.ui import machine, pages
from genart_hub.ui.pages import draw

PAGES = [page for lang in pages.LANGUAGES for page in pages.read(lang)]
TWINS = list(zip(*map(pages.read, pages.LANGUAGES), strict=True))


@pytest.mark.parametrize(("en", "zh"), TWINS, ids=[page.name for page, _ in TWINS])
def test_twins_draw_the_same_boxes_and_pictures(en, zh):
    assert [page.machine.count("->") for page in (en, zh)] == [en.machine.count("->")] * 2
    kinds = [re.findall(r"\[(\w+)", page.machine) for page in (en, zh)]
    assert kinds[0] == kinds[1]
    pictures = [re.findall(r"([\w-]+)\]", page.machine + page.beside) for page in (en, zh)]
    kept = [[name for name in names if machine.file_of(name).is_file()] for names in pictures]
    assert kept[0] == kept[1]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.name}-{page.title[:4]}")
def test_every_picture_that_a_page_names_is_there(page):
    named = [box["picture"] for box in machine.BOX.finditer(page.machine.replace("->", "\n").replace(" \n ", "\n")) if box["picture"]]
    named += re.findall(r"^\[([\w-]+)\] ", page.beside, re.MULTILINE)
    assert all(machine.file_of(name).is_file() for name in named)
    drawn = machine.drawn(page.machine) + machine.beside(page.beside)
    assert drawn.count("<img") == len(named)
    assert drawn.count('alt=""') == 0


def test_every_stored_picture_is_on_a_page():
    text = "".join(page.machine + page.beside for page in PAGES)
    assert [file.stem for file in machine.PICTURES.glob("*.webp") if f"{file.stem}]" not in text] == []


@pytest.mark.parametrize("line", ["noise", "[noise z]", "[cat z] a cat", "[noise z] a -> b"])
def test_a_line_that_is_no_lane_is_refused(line):
    with pytest.raises(ValueError, match="a box is"):
        machine.drawn(line)


def test_what_a_page_says_is_never_markup():
    drawn = machine.drawn("[words <b>] <script>alert(1)</script>")
    assert "<script" not in drawn
    assert "&lt;script&gt;" in drawn
    assert "&lt;b&gt;" in drawn


def test_an_index_stands_below():
    assert "<b>x<sub>t</sub></b>" in machine.drawn("[picture x_t] nearly")
    assert "<strong>decoder</strong>" in machine.drawn("[network decoder] draws")


def test_a_picture_that_was_not_made_yet_leaves_its_caption():
    assert machine.drawn("[picture x no-such-picture] a copy").count("<img") == 0
    assert "a copy" in machine.drawn("[picture x no-such-picture] a copy")


def test_the_command_makes_the_same_pictures_again(monkeypatch, tmp_path):
    monkeypatch.setattr(draw, "PICTURES", tmp_path)
    made = dict(draw.of_autoencoders())
    assert made.keys() >= {"face", "three-again", "holes"}
    for name, picture in made.items():
        draw.save(name, picture)
        fresh, stored = (images.open_picture(file).convert("RGB") for file in (tmp_path / f"{name}.webp", machine.file_of(name)))
        assert fresh.size == stored.size
        difference = max(abs(a - b) for a, b in zip(fresh.tobytes(), stored.tobytes(), strict=True))
        assert difference <= 8, name  # another machine may round otherwise
