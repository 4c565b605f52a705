"""The drawing of a machine: lanes of boxes, always in the same colours, with pictures of our own models inside.

A lane is a line of a page: `[noise z noise] random numbers -> [network G] the generator -> [picture x digit-by-gan] a forgery`. A box has
a kind, the symbol of the formulas that it stands for (x_t with an index) or a name, and perhaps the name of a picture in `pages/pictures`;
its caption follows.
"""

import base64
import html
import re
from functools import cache
from pathlib import Path

from genart_hub import images
from genart_hub.ui import pages

PICTURES = pages.FOLDER / "pictures"
KINDS = ("noise", "network", "picture", "judge", "words")
LETTERS = 4  # of a symbol; a longer one is a name
BOX = re.compile(r"\[(?P<kind>[a-z]+)(?: (?P<symbol>[^\s\]]+))?(?: (?P<picture>[\w-]+))?\] (?P<caption>[^\n]+)")
SCRIPT, STYLE = ((Path(__file__).parent / f"machine.{kind}").read_text(encoding="utf-8") for kind in ("js", "css"))


def drawn(text: str) -> str:
    """The lanes of a page's section Machine as HTML. Raises ValueError for a line that is none."""
    lanes = [lane_of(line) for line in text.splitlines() if line.strip()]
    return f'<div class="machine">{"".join(lanes)}</div>' if lanes else ""


def lane_of(line: str) -> str:
    arrow = '<span class="arrow" aria-hidden="true">→</span>'
    return f'<div class="lane">{arrow.join(box_of(part.strip()) for part in line.split("->"))}</div>'


def box_of(part: str) -> str:
    """A box. Its caption is told to those who do not see its picture."""
    box = BOX.fullmatch(part)
    if box is None or box["kind"] not in KINDS:
        raise ValueError(f"a box is [kind symbol picture] and a caption, of a kind of {', '.join(KINDS)}, not: {part}")
    symbol, caption = html.escape(box["symbol"] or ""), html.escape(box["caption"])
    inside = shown(box["picture"], box["caption"]) if box["picture"] else ""
    inside += written(symbol) if symbol else ""
    return f'<div class="box {box["kind"]}" tabindex="0" data-symbol="{symbol}">{inside}<span>{caption}</span></div>'


def written(symbol: str) -> str:
    """A symbol as formulas have it; a name as it is."""
    letter, _, index = symbol.partition("_")
    if len(letter) > LETTERS or (letter.isalpha() and len(letter) > 1):
        return f"<strong>{symbol}</strong>"
    return f"<b>{letter}<sub>{index}</sub></b>" if index else f"<b>{letter}</b>"


def beside(text: str) -> str:
    """The pictures of a page's section Side by side, each with its caption: `[name] caption` a line. Returns HTML."""
    figures = []
    for line in filter(str.strip, text.splitlines()):
        name, _, caption = line.removeprefix("[").partition("] ")
        figures.append(f"<figure>{shown(name, caption)}<figcaption>{html.escape(caption)}</figcaption></figure>")
    return f'<div class="beside">{"".join(figures)}</div>' if figures else ""


def shown(name: str, caption: str) -> str:
    """A picture of `pages/pictures`, inside the page itself; "" where it was not made yet."""
    if not file_of(name).is_file():
        return ""
    width, height, data = content(name)
    return f'<img src="data:image/webp;base64,{data}" alt="{html.escape(caption)}" width="{width}" height="{height}">'


def file_of(name: str) -> Path:
    return PICTURES / f"{name}.webp"


@cache
def content(name: str) -> tuple[int, int, str]:
    """(width, height, the file in base64)."""
    width, height = images.open_picture(file_of(name)).size
    return width, height, base64.b64encode(file_of(name).read_bytes()).decode()
