"""Digits that were drawn for this app as pen strokes, so that nobody needs a picture at hand."""

from pathlib import Path

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


def draw(strokes: list[list[tuple[int, int]]]) -> Image.Image:
    """Strokes as black ink on white paper."""
    paper = Image.new("L", (SIDE, SIDE), 255)
    pen = ImageDraw.Draw(paper)
    for stroke in strokes:
        points = [(x * SIDE / 100, y * SIDE / 100) for x, y in _smooth(stroke)]
        pen.line(points, fill=0, width=PEN, joint="curve")
        for x, y in (points[0], points[-1]):
            pen.ellipse((x - PEN / 2, y - PEN / 2, x + PEN / 2, y + PEN / 2), fill=0)
    return paper


def _smooth(points: list[tuple[float, float]], rounds: int = 3) -> list[tuple[float, float]]:
    """Chaikin's corner cutting, 1974: the ends stay."""
    for _ in range(rounds):
        cut = [points[0]]
        for (ax, ay), (bx, by) in zip(points, points[1:], strict=False):
            cut += [(0.75 * ax + 0.25 * bx, 0.75 * ay + 0.25 * by), (0.25 * ax + 0.75 * bx, 0.25 * ay + 0.75 * by)]
        points = [*cut, points[-1]]
    return points


def save_examples(folder: Path) -> list[str]:
    """Write the examples as PNGs. Returns their paths."""
    paths = []
    for name, strokes in STROKES.items():
        path = folder / f"digit-{name}.png"
        draw(strokes).save(path)
        paths.append(str(path))
    return paths
