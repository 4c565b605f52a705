"""Digits and small colour pictures that were drawn for this app, so that nobody needs a picture at hand."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image, ImageDraw

SIDE, PEN = 280, 24
STROKES: dict[str, list[list[tuple[int, int]]]] = {  # the pen's way, in a box of 100 x 100
    "0": [[(50, 15), (33, 24), (26, 48), (32, 74), (50, 85), (67, 75), (74, 50), (68, 25), (50, 15)]],
    "2": [[(28, 32), (38, 18), (56, 15), (68, 26), (66, 42), (50, 60), (28, 84), (50, 82), (75, 84)]],
    "3": [[(30, 22), (48, 14), (65, 22), (64, 38), (46, 48), (66, 56), (70, 72), (55, 85), (28, 80)]],
    "4": [[(58, 14), (40, 38), (26, 60), (50, 59), (78, 56)], [(62, 34), (60, 60), (57, 88)]],
    "7": [[(26, 20), (50, 19), (74, 18), (62, 42), (50, 64), (44, 88)]],
    "9": [[(68, 30), (52, 18), (36, 28), (36, 44), (52, 52), (68, 38), (70, 22), (68, 50), (60, 88)]],
}

EDGE, FINE = 256, 4  # px; every pixel is the mean of FINE x FINE
SHAPES: dict[str, list[tuple]] = {  # from back to front, in a box of 100 x 100: a kind, a colour, points; a line's width too
    "face": [
        ("disc", "#f2a51e", [(6, 6), (94, 94)]),
        ("disc", "#ffcd38", [(6, 5), (94, 91)]),
        ("disc", "#ffb03b", [(14, 52), (31, 66)]),
        ("disc", "#ffb03b", [(69, 52), (86, 66)]),
        ("disc", "#553311", [(30, 29), (41, 48)]),
        ("disc", "#553311", [(59, 29), (70, 48)]),
        ("curve", "#553311", [(24, 56), (50, 62), (76, 56), (74, 72), (62, 85), (50, 87), (38, 85), (26, 72)]),
        ("curve", "#f26d6d", [(36, 78), (50, 70), (64, 78), (60, 84), (50, 86), (40, 84)]),
    ],
    "heart": [
        ("curve", "#c81e3a", [(50, 95), (22, 70), (0, 40), (8, 10), (36, 6), (50, 32), (64, 6), (92, 10), (100, 40), (78, 70)]),
        ("curve", "#ee3550", [(50, 90), (22, 66), (3, 38), (10, 11), (36, 8), (50, 34), (64, 8), (90, 11), (97, 38), (78, 66)]),
        ("curve", "#ff8a9b", [(18, 36), (20, 18), (36, 14), (32, 22), (24, 26)]),
    ],
    "apple": [
        ("curve", "#b81f2b", [(50, 33), (28, 20), (6, 36), (8, 66), (28, 99), (50, 92), (72, 99), (92, 66), (94, 36), (72, 20)]),
        ("curve", "#e63946", [(50, 33), (28, 20), (7, 35), (9, 63), (28, 94), (50, 88), (70, 94), (88, 63), (90, 36), (72, 20)]),
        ("curve", "#ff8f94", [(18, 52), (20, 36), (34, 32), (30, 40), (24, 46)]),
        ("line", "#6b4226", [(50, 34), (50, 22), (55, 9)], 5),
        ("curve", "#5fb548", [(54, 22), (60, 6), (88, 2), (82, 20), (66, 26)]),
        ("line", "#3f8a30", [(58, 20), (70, 14), (80, 8)], 1.5),
    ],
    "tree": [
        ("curve", "#7a4b2a", [(42, 98), (46, 80), (44, 50), (56, 50), (54, 80), (58, 98)]),
        ("disc", "#2f8f46", [(8, 30), (56, 78)]),
        ("disc", "#2f8f46", [(44, 30), (92, 78)]),
        ("disc", "#3aa655", [(22, 4), (78, 60)]),
        ("disc", "#3aa655", [(12, 30), (50, 66)]),
        ("disc", "#3aa655", [(50, 30), (88, 66)]),
        ("disc", "#5cc274", [(32, 12), (54, 30)]),
    ],
    "house": [
        ("form", "#8a3b32", [(70, 12), (80, 12), (80, 40), (70, 40)]),
        ("form", "#4a90d9", [(16, 46), (84, 46), (84, 94), (16, 94)]),
        ("form", "#3578bd", [(16, 46), (84, 46), (84, 53), (16, 53)]),
        ("form", "#d9483b", [(50, 8), (97, 48), (3, 48)]),
        ("form", "#6b4226", [(56, 62), (72, 62), (72, 94), (56, 94)]),
        ("disc", "#ffd24d", [(66, 77), (70, 81)]),
        ("form", "#ffffff", [(25, 60), (46, 60), (46, 80), (25, 80)]),
        ("form", "#bfe3ff", [(27, 62), (44, 62), (44, 78), (27, 78)]),
        ("line", "#ffffff", [(35.5, 62), (35.5, 78)], 2),
        ("line", "#ffffff", [(27, 70), (44, 70)], 2),
    ],
    "boat": [
        ("line", "#6b4226", [(49, 8), (49, 72)], 3.5),
        ("form", "#ff9f1c", [(53, 10), (90, 62), (53, 62)]),
        ("form", "#ffd166", [(45, 18), (45, 62), (16, 62)]),
        ("form", "#c8453a", [(6, 67), (94, 67), (80, 88), (22, 88)]),
        ("form", "#ffdcb0", [(9, 71), (91.5, 71), (89.5, 74), (11, 74)]),
        ("line", "#3a86d8", [(2, 90), (14, 84), (26, 90), (38, 84), (50, 90), (62, 84), (74, 90), (86, 84), (98, 90)], 6),
    ],
}  # fmt: skip


def draw(strokes: Sequence[Sequence[tuple[float, float]]]) -> Image.Image:
    """Strokes as black ink on white paper."""
    paper = Image.new("L", (SIDE, SIDE), 255)
    pen = ImageDraw.Draw(paper)
    for stroke in strokes:
        points = [(x * SIDE / 100, y * SIDE / 100) for x, y in _smooth(stroke)]
        pen.line(points, fill=0, width=PEN, joint="curve")
        for x, y in (points[0], points[-1]):
            pen.ellipse((x - PEN / 2, y - PEN / 2, x + PEN / 2, y + PEN / 2), fill=0)
    return paper


def paint(shapes: list[tuple]) -> Image.Image:
    """Shapes in colour on white paper, without jagged edges."""
    scale = EDGE * FINE / 100
    paper = Image.new("RGB", (EDGE * FINE, EDGE * FINE), "white")
    brush = ImageDraw.Draw(paper)
    for kind, colour, points, *width in shapes:
        if kind == "line":
            points, pen = [(x * scale, y * scale) for x, y in _smooth(points)], width[0] * scale
            brush.line(points, fill=colour, width=round(pen), joint="curve")
            for x, y in (points[0], points[-1]):
                brush.ellipse((x - pen / 2, y - pen / 2, x + pen / 2, y + pen / 2), fill=colour)
            continue
        points = _smooth_ring(points) if kind == "curve" else points
        points = [(x * scale, y * scale) for x, y in points]
        brush.ellipse(points, fill=colour) if kind == "disc" else brush.polygon(points, fill=colour)
    return paper.reduce(FINE)


def _smooth(points: Sequence[tuple[float, float]], rounds: int = 3) -> Sequence[tuple[float, float]]:
    """Chaikin's corner cutting, 1974: the ends stay."""
    for _ in range(rounds):
        cut = [points[0]]
        for (ax, ay), (bx, by) in zip(points, points[1:], strict=False):
            cut += [(0.75 * ax + 0.25 * bx, 0.75 * ay + 0.25 * by), (0.25 * ax + 0.75 * bx, 0.25 * ay + 0.75 * by)]
        points = [*cut, points[-1]]
    return points


def _smooth_ring(points: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    """The same for a closed line, which has no ends."""
    middle = ((points[0][0] + points[-1][0]) / 2, (points[0][1] + points[-1][1]) / 2)
    return _smooth([middle, *points, middle], rounds=5)


def save_digits(folder: Path) -> list[str]:
    """Write the digits as PNGs. Returns their paths."""
    return _save({f"digit-{name}": draw(strokes) for name, strokes in STROKES.items()}, folder)


def save_emoji(folder: Path) -> list[str]:
    """Write the colour pictures as PNGs. Returns their paths."""
    return _save({f"emoji-{name}": paint(shapes) for name, shapes in SHAPES.items()}, folder)


def _save(pictures: dict[str, Image.Image], folder: Path) -> list[str]:
    for name, picture in pictures.items():
        picture.save(folder / f"{name}.png")
    return [str(folder / f"{name}.png") for name in pictures]


PICKS_HTML = """<p class="picks-title">${label.split("|")[0]}</p>
<div class="picks">${pictures.map((picture, k) => `<button type="button" class="pick" data-place="${k}"
  aria-label="${label.split("|")[k + 1] || k + 1}" title="${label.split("|")[k + 1] || ""}"
  ><img alt="" src="${picture}"></button>`).join("")}</div>"""
PICKS_CSS = """
.picks-title { margin: 4px 0 6px; font-size: 14px; color: var(--block-label-text-color); }
.picks { display: flex; flex-wrap: wrap; gap: 8px; }
.pick { width: 46px; height: 46px; padding: 2px; border: 1px solid var(--border-color-primary); border-radius: 8px; background: white; }
.pick:hover, .pick:focus-visible { border-color: var(--color-accent); outline: 2px solid var(--color-accent); }
.pick img { width: 100%; height: 100%; border-radius: 6px; }
"""
PICKS_JS = """element.addEventListener("click", (event) => {
  const button = event.target.closest(".pick");
  if (button) trigger("pick", {row: props.row, place: Number(button.dataset.place)});
});"""


def picks(names: Any, paths: Sequence[str], row: int) -> gr.HTML:
    """Pictures to choose from, each a button with a name. Its event `pick` tells the row and the place.

    names: a text of the page, the row's title and the pictures' names with bars between them. paths: of the pictures.
    """
    pictures = [f"data:image/png;base64,{base64.b64encode(Path(path).read_bytes()).decode()}" for path in paths]
    return gr.HTML(
        "", label=names, html_template=PICKS_HTML, css_template=PICKS_CSS, js_on_load=PICKS_JS, pictures=pictures, row=row,
        apply_default_css=False, elem_classes="picks-of-examples",
    )  # fmt: skip
