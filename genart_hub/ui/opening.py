"""What the page shows before it is drawn: the first screen's pictures, played in the place where the app will stand; and their sheets."""

import html
import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

from starlette.responses import FileResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from genart_hub.models import auto
from genart_hub.ui import answers, recordings, sprites, stage, texts
from genart_hub.ui.fields import LADDERS, ladder_of
from genart_hub.ui.figures import told_key
from genart_hub.ui.sprites import Sprite

SHEET = re.compile(r"/(sprites|recordings)/([\w.-]{1,100})\.webp")
FOLDERS = {"sprites": sprites.FOLDER, "recordings": recordings.FOLDER}
KEPT = {"cache-control": "public, max-age=31536000, immutable"}  # its address changes with the weights that drew it
STYLE, SCRIPT = (Path(__file__).with_name(f"opening.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
BODY = re.compile(rb"</head>\s*<body[^>]*>")
STYLESHEET = re.compile(rb'<link rel="stylesheet"([^>]*)>')
AT_REST = rb'<link rel="stylesheet" media="print" onload="this.media=`all`"\1>'  # nothing is kept from being drawn by it
HELD = b"<script>window.gradio_config"  # what the page holds stands from there to the end of its head, and is long


class Sheets:
    """ASGI middleware: /sprites/NAME.webp and /recordings/NAME.webp are the sheets of that name."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = SHEET.fullmatch(scope.get("path", "").removeprefix(scope.get("root_path", "").rstrip("/")))
        reads = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
        file = FOLDERS[asked[1]] / f"{asked[2]}.webp" if asked and reads else None
        await (FileResponse(file, headers=KEPT) if file and file.is_file() else self.app)(scope, receive, send)


@lru_cache(maxsize=32)
def markup(lang: str, tabs: tuple[str, ...], tab: str, plays: bool) -> tuple[str, str]:
    """The opening in a language: lines for the page's head, and what the body begins with.

    tab: the one that the app will open, of tabs. plays: whether that is the first screen, as it stands before anything was asked.
    """
    names = [name for name in answers.in_history() if sprites.sprite_of(name)] if plays else []
    ladder = next((ladder for ladder in LADDERS if any(ladder_of(name) == ladder for name in names)), None)
    found = [sprite for name in names if ladder_of(name) == ladder and (sprite := sprites.sprite_of(name))]
    sheets = [json.loads(stage.playing(sprite))["sheet"] for sprite in found]
    links = "\n".join(f'<link rel="preload" as="image" fetchpriority="high" href="{html.escape(sheet)}">' for sheet in sheets)

    def say(key: str) -> str:
        return html.escape(texts.say(lang, key).lstrip("# "))

    items = "".join(f"<li{' class=open' if name == tab else ''}>{say(name)}</li>" for name in tabs)
    screen = ""
    if found:
        columns = "".join(_column(say, sprite) for sprite in found)
        screen = (
            f'<div class="asked"><i></i><i></i><i></i></div><div class="act">{say("compare")}</div>'
            f'<p class="hint">{say("compare_hint")}</p><div class="shown">{columns}</div>'
        )
    body = f'<div id="opening" data-tab="{html.escape(tab)}" aria-hidden="true"><h1>{say("heading")}</h1><p>{say("intro")}</p>'
    return links, f"{body}<ul>{items}</ul>{screen}</div><script>{SCRIPT}</script>"


def _column(say: Callable[[str], str], sprite: Sprite) -> str:
    listed = auto.listing(sprite.name)
    headed = answers.headed(sprite.name, say)
    return (
        f'<div class="one"><div><h3>{headed}</h3><p>{html.escape(sprite.name)}</p></div>'
        f"<p>{say(told_key(listed['inputs'], listed['classes']))}</p>"
        f'<canvas data-plays="{html.escape(stage.playing(sprite))}"></canvas><p class="caption">{say(f"stage_{sprite.kind}")}</p></div>'
    )


def opened(page: bytes, lang: str, tabs: tuple[str, ...], query: Mapping[str, str]) -> bytes:
    """The page, with the opening before all that its head holds for the app. query: of its address."""
    asked = query.get("tab")
    tab = asked if asked in tabs else next(iter(tabs), "")
    before, held, after = page.partition(HELD)
    found = BODY.search(after)
    if not (held and found):
        return page
    links, body = markup(lang, tabs, tab, tab == tabs[0] and "dataset" not in query)
    rest = after[: found.start()]
    first = b"".join(sheet.expand(AT_REST) for sheet in STYLESHEET.finditer(rest))  # or it would undo the parts' own
    return before + links.encode() + first + found[0] + body.encode() + held + STYLESHEET.sub(b"", rest) + after[found.end() :]
