"""What the served page says before it is drawn: its language, its title, and what a link to it shows elsewhere."""

import html
import re
from functools import lru_cache
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl

from gradio.route_utils import get_root_url
from PIL import Image
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from genart_hub import images
from genart_hub.errors import GenartError
from genart_hub.hub.cards.markdown import SAMPLES
from genart_hub.hub.locate import bundled_folder
from genart_hub.models import auto
from genart_hub.ui import accessible, film, opening, stage, texts
from genart_hub.ui.address import title_of

PICTURE = re.compile(r"/link/([\w-]{1,100})\.png")
WIDTH, HEIGHT, TILE, GAP = 1200, 630, 96, 12  # px, of the picture of a link
GROUND = "#1e1b3a"
OF_GRADIO = re.compile(rb'<meta\s+(?:property|name)="(?:og|twitter):[^>]*>')  # what it says of itself

# Gradio goes by `navigator.language`, and its own `head` comes too late to tell it otherwise.
LANGUAGE_SCRIPT = """<script>
for (const [key, value] of Object.entries({ language: "%s", languages: ["%s"] }))
  Object.defineProperty(navigator, key, { get: () => value });
</script>"""


class Head:
    """ASGI middleware: the page's head in the language of its address, and the pictures of links. page: the gradio.Blocks behind it."""

    def __init__(self, app: ASGIApp, page: Any = None, tabs: tuple[str, ...] = ()):
        self.app, self.page, self.tabs = app, page, tabs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(scope.get("root_path", "").rstrip("/")) if scope["type"] == "http" else ""
        reads = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
        if reads and (found := PICTURE.fullmatch(path)) and (found[1] == "all" or bundled_folder(found[1])):
            await self._give(send, [(b"content-type", b"image/png"), (b"cache-control", b"max-age=86400")], picture(found[1]))
        elif not reads or scope["method"] == "HEAD" or path.rstrip("/"):
            await self.app(scope, receive, send)
        else:
            await self.app(scope, receive, self._rewriting(scope, send))

    def _rewriting(self, scope: Scope, send: Send) -> Send:
        """Collects the page, and sends it with its own head."""
        start: Message = {}
        body = b""

        async def collect(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                start = message
            elif message["type"] == "http.response.body":
                body += message.get("body", b"")
                if not message.get("more_body"):
                    headers = [(key, value) for key, value in start["headers"] if key.lower() != b"content-length"]
                    headers.append((b"vary", b"accept-language"))
                    await self._give(send, headers, self.rewrite(scope, body), start["status"])

        return collect

    @staticmethod
    async def _give(send: Send, headers: list[tuple[bytes, bytes]], body: bytes, status: int = 200) -> None:
        length = (b"content-length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
        await send({"type": "http.response.body", "body": body})

    def rewrite(self, scope: Scope, page: bytes) -> bytes:
        """The page with a head for its address."""
        request = Request(scope)
        query = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1")))
        accepted = request.headers.get("accept-language")
        lang = texts.spoken(query.get("lang"), accepted)
        tab, model = query.get("tab"), query.get("model") or ""
        model = model if tab in self.tabs and bundled_folder(model) else ""
        title = title_of(lang, str(tab), model) if tab in self.tabs else texts.say(lang, "title")
        root = get_root_url(request, "/", getattr(self.page, "root_path", None))
        facts = {
            "og:type": "website", "og:site_name": "genart_hub", "og:title": title, "og:description": texts.say(lang, "link_description"),
            "og:image": f"{root}/link/{model or 'all'}.png", "og:image:width": str(WIDTH), "og:image:height": str(HEIGHT),
            "og:image:alt": title, "og:locale": {"en": "en_GB", "zh": "zh_CN"}[lang],
        }  # fmt: skip
        lines = [
            LANGUAGE_SCRIPT % ((locale_of(lang, accepted),) * 2),
            f"<script>{stage.SCRIPT}{film.SCRIPT}</script>",
            f"<script>{accessible.SCRIPT}</script>",
            f"<style>{accessible.CSS}</style>",  # Gradio would let the app's own hold for what lies within its tabs only
            f"<title>{html.escape(title)}</title>",
            f'<meta name="description" content="{html.escape(facts["og:description"])}">',
            *(f'<meta property="{name}" content="{html.escape(value)}">' for name, value in facts.items()),
            '<meta name="twitter:card" content="summary_large_image">',
            f"<style>{opening.STYLE}</style>",
            "<style>.banner-wrap:has([role=combobox]) { display: none }</style>",  # of Gradio's settings: it changes half of the page
        ]
        head, script, rest = page.partition(b"<script>window.gradio_config")
        head = OF_GRADIO.sub(b"", head).replace(b'lang="en"', f'lang="{"zh-CN" if lang == "zh" else "en"}"'.encode(), 1)
        page = head.replace(b"<head>", b"<head>" + "\n".join(lines).encode(), 1) + script + rest
        return opening.opened(page, lang, self.tabs, query)


def locale_of(lang: str, accepted: str | None) -> str:
    """What Gradio's own words are told: it has two scripts of Chinese, by zh-CN and zh-TW only."""
    first = (accepted or "").split(",")[0].lower()
    if lang != "zh":
        return lang
    return "zh-TW" if first.strip().startswith("zh") and re.search("hant|hk|mo|tw", first) else "zh-CN"


@lru_cache(maxsize=64)
def picture(name: str) -> bytes:
    """A PNG of what a bundled model draws, or of all of them, by the pictures on their cards. name: the model's, or "all"."""
    names = auto.bundled() if name == "all" else [name]
    drawn = [tiles_of(one) for one in names]
    columns, rows = (WIDTH - GAP) // (TILE + GAP), (HEIGHT - GAP) // (TILE + GAP)
    paper = Image.new("RGB", (WIDTH, HEIGHT), GROUND)
    left, top = (WIDTH - columns * (TILE + GAP) + GAP) // 2, (HEIGHT - rows * (TILE + GAP) + GAP) // 2
    mixed = [tiles[k] for k in range(columns * rows) for tiles in drawn if k < len(tiles)][: columns * rows]
    for k, tile in enumerate(mixed):
        corner = left + k % columns * (TILE + GAP), top + k // columns * (TILE + GAP)
        paper.paste(tile.resize((TILE, TILE), Image.Resampling.NEAREST), corner)
    file = BytesIO()
    paper.quantize(256).save(file, "png", optimize=True)
    return file.getvalue()


def tiles_of(name: str) -> list[Image.Image]:
    """The pictures on a bundled model's card, one by one; none where the card has none."""
    folder = bundled_folder(name)
    file = folder / SAMPLES if folder else None
    if file is None or not file.is_file():
        return []
    try:
        recipe = images.read_recipe(file)
    except GenartError:  # a picture from elsewhere
        return []
    return images.tiles(images.open_picture(file).convert("RGB"), recipe["n"], recipe["columns"], recipe.get("scale", 1))
