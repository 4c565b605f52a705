"""A leaderboard as a picture: quality against the time of a picture."""

import math
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from genart_hub.evaluate.standings import COVERED, named, order, value

WIDTH, HEIGHT, MARGIN, TOP, BOTTOM = 560, 420, 70, 46, 60  # px of a panel
INK, GREY, LIGHT = (30, 30, 30), (120, 120, 120), (225, 225, 225)
COLOURS = ((31, 119, 180), (214, 39, 40), (44, 160, 44), (148, 103, 189), (255, 127, 14), (23, 140, 150), (140, 86, 75), (200, 80, 160))
SCALE = 2  # drawn larger and made smaller, for smooth edges
DOT = 6

Box = tuple[float, float, float, float]  # left, top, right, bottom
Point = tuple[str, float, list[float]]  # a model, its ms a picture, its quality by each network


def plot(board: dict[str, Any]) -> Image.Image:
    """Two panels: is what was asked for (top 5) of models that read words, and coverage of all, over ms a picture alone.

    A full dot is the first feature network's figure, an empty one that of a network that checks it. A dashed line: real pictures.
    """
    rows, networks = order(board["rows"], board["networks"][0]), board["networks"]
    times = [row["costs"]["ms_1"] for row in rows]
    span = math.floor(math.log10(min(times))), math.ceil(math.log10(max(times)))
    colours = {row["model"]: COLOURS[k % len(COLOURS)] for k, row in enumerate(rows)}
    panels = []
    for title, of, real in (
        ("is what was asked for, top 5", named, None),
        ("coverage of real pictures", lambda row, network: value(row, network, COVERED), COVERED),
    ):
        points = [
            (row["model"], row["costs"]["ms_1"], [found for network in networks if (found := of(row, network)) is not None]) for row in rows
        ]
        points = [point for point in points if point[2]]
        floor = next((row["measures"][networks[0]][real].get("real") for row in rows if real in row["measures"][networks[0]]), None)
        panels += [_panel(title, points, colours, floor if real else None, span)] if points else []
    sheet = Image.new("RGB", (sum(panel.width for panel in panels), max((panel.height for panel in panels), default=1)), "white")
    for k, panel in enumerate(panels):
        sheet.paste(panel, (sum(other.width for other in panels[:k]), 0))
    return sheet.resize((sheet.width // SCALE, sheet.height // SCALE), Image.Resampling.LANCZOS) if panels else sheet


def _panel(
    title: str, points: list[Point], colours: dict[str, tuple[int, int, int]], real: float | None, span: tuple[int, int]
) -> Image.Image:
    """One panel, `SCALE` times as large. span: the powers of ten of the times from left to right."""
    image = Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE), "white")
    draw = ImageDraw.Draw(image)
    low, high = span

    def x(ms: float) -> float:
        return MARGIN + (WIDTH - 2 * MARGIN) * (math.log10(ms) - low) / max(1, high - low)

    def y(share: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share

    def line(a: tuple[float, float], b: tuple[float, float], fill: tuple[int, int, int], width: int = 1) -> None:
        draw.line([a[0] * SCALE, a[1] * SCALE, b[0] * SCALE, b[1] * SCALE], fill, width * SCALE)

    def write(at: tuple[float, float], text: str, fill: tuple[int, int, int], size: int, anchor: str) -> None:
        draw.text((at[0] * SCALE, at[1] * SCALE), text, fill, ImageFont.load_default(size * SCALE), anchor=anchor)

    for share in (0, 0.2, 0.4, 0.6, 0.8, 1):
        line((MARGIN, y(share)), (WIDTH - MARGIN, y(share)), LIGHT)
        write((MARGIN - 8, y(share)), f"{share:.1f}", GREY, 12, "rm")
    for power in range(low, max(high, low + 1) + 1):
        line((x(10**power), y(0)), (x(10**power), y(1)), LIGHT)
        write((x(10**power), y(0) + 8), f"{10**power:g}", GREY, 12, "mt")
    write((WIDTH / 2, 14), title, INK, 16, "mt")
    write((WIDTH / 2, HEIGHT - 14), "ms a picture (one at a time)", GREY, 13, "mb")
    if real is not None:
        for k in range(0, WIDTH - 2 * MARGIN, 10):
            line((MARGIN + k, y(real)), (MARGIN + k + 5, y(real)), GREY)
        write((WIDTH / 2, y(real) - 4), "real pictures", GREY, 11, "mb")
    dots = [[(x(ms), y(min(1.0, max(0.0, share)))) for share in shares] for _, ms, shares in points]
    taken = [(a - DOT, b - DOT, a + DOT, b + DOT) for at in dots for a, b in at]
    for (name, _, _), at in zip(points, dots, strict=True):
        colour = colours[name]
        line(at[0], at[-1], colour)
        for k, (a, b) in enumerate(reversed(at)):
            box = [(a - DOT) * SCALE, (b - DOT) * SCALE, (a + DOT) * SCALE, (b + DOT) * SCALE]
            draw.ellipse(box, fill=colour if k == len(at) - 1 else "white", outline=colour, width=2 * SCALE)
        place = _place_of(at[0], ImageFont.load_default(12 * SCALE).getlength(name) / SCALE, taken)
        taken.append(place)
        write((place[0], (place[1] + place[3]) / 2), name, colour, 12, "lm")
    return image


def _place_of(dot: tuple[float, float], length: float, taken: list[Box]) -> Box:
    """Where a name stands: beside its dot, the first of some places at which it covers nothing, or as little as can be."""
    places = []
    for side, rise in ((1, 0), (-1, 0), (1, -11), (-1, -11), (1, 11), (-1, 11), (0, -17), (0, 17), (1, -22), (-1, -22), (1, 22), (-1, 22)):
        left = dot[0] - length / 2 + side * (length / 2 + DOT + 5)
        places.append((left, dot[1] + rise - 7, left + length, dot[1] + rise + 7))
    inside = [place for place in places if place[0] > 4 and place[2] < WIDTH - 4] or places[:1]
    return min(inside, key=lambda place: sum(_shared(place, other) for other in taken))


def _shared(a: Box, b: Box) -> float:
    """The area that two boxes share."""
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
