"""The page's head: its language, its title, what a link to it shows elsewhere, and that it lets everything else pass."""

import asyncio
import re
from io import BytesIO
from types import SimpleNamespace

import pytest
from PIL import Image

from genart_hub.ui import TABS, head, texts

PIECES = [
    b'<!doctype html><html\nlang="en"><head><meta property="og:title" content="Gradio" /><meta\nname="twitter:image"\ncontent="https://raw.example/x.jpg"\n/>',
    b'<script>window.gradio_config = {"a": "<meta property="};</script><title>x</title></head></html>',
]


def asked(path: str = "/", query: str = "", accepted: str = "", method: str = "GET", root_path: str = "", kind: str = "http", **headers):
    """What Head sends on for an app whose every answer is one page in two pieces."""

    async def app(scope, receive, send):
        length = str(sum(map(len, PIECES))).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length), (b"x-kept", b"yes")]})
        for k, piece in enumerate(PIECES):
            await send({"type": "http.response.body", "body": piece, "more_body": k == 0})

    sent = []

    async def collect(message):
        sent.append(message)

    given = {"host": "demo.example", "accept-language": accepted} | headers
    scope = {
        "type": kind, "method": method, "path": path, "root_path": root_path, "query_string": query.encode(), "scheme": "http",
        "headers": [(name.encode(), value.encode()) for name, value in given.items()], "server": ("127.0.0.1", 7860),
    }  # fmt: skip
    middleware = head.Head(app, SimpleNamespace(root_path=""), tuple(TABS))
    asyncio.run(middleware(scope, None, collect))
    return sent


def page(query: str = "", accepted: str = "", **others) -> str:
    return asked(query=query, accepted=accepted, **others)[1]["body"].decode()


def fact(html: str, name: str) -> str:
    found = re.findall(rf'<meta (?:property|name)="{name}" content="([^"]*)">', html)
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(
    ("query", "accepted", "lang", "told"),
    [
        ("", "en-GB,en", "en", "en"), ("", "fr", "en", "en"), ("", "", "en", "en"), ("", "zh,en", "zh-CN", "zh-CN"),
        ("", "zh-HK", "zh-CN", "zh-TW"), ("", "zh-Hant", "zh-CN", "zh-TW"), ("lang=zh", "en-US", "zh-CN", "zh-CN"),
        ("lang=zh", "zh-TW", "zh-CN", "zh-TW"), ("lang=en", "zh-CN", "en", "en"), ("lang=python", "zh-CN", "zh-CN", "zh-CN"),
        ("lang=zh", "fr,en;q=0.5,zh-TW;q=0.1", "zh-CN", "zh-CN"),
    ],
)  # fmt: skip
def test_the_page_has_the_language_of_its_address_else_of_its_browser(query, accepted, lang, told):
    html = page(query, accepted)
    assert f'<html\nlang="{lang}">' in html
    assert f"<head>{head.LANGUAGE_SCRIPT % (told, told)}" in html
    titles = texts.TEXTS["title"]
    assert fact(html, "og:title") == titles[lang == "zh-CN"]


def test_what_gradio_says_of_itself_goes_and_its_settings_stay():
    html = page()
    assert "Gradio" not in html
    assert "raw.example" not in html
    assert '{"a": "<meta property="}' in html


@pytest.mark.parametrize(
    ("query", "title", "picture"),
    [
        ("tab=sampling&model=gan-mnist&seed=3", "Sampling · gan-mnist · genart_hub", "gan-mnist"),
        ("tab=path&step=gan&lang=zh", "发展路径 · genart_hub", "all"),
        ("tab=nope&model=gan-mnist", texts.TEXTS["title"][0], "all"),
        ("tab=sampling&model=../x", "Sampling · genart_hub", "all"),
        ("tab=sampling&model=owner/name&prompt=%3Cb%3Eyours%3C/b%3E", "Sampling · genart_hub", "all"),
        ("tab=%22%3E%3Cscript%3E&model=%22%3E%3Cb%3E", texts.TEXTS["title"][0], "all"),
        ("%ff%fe=%ff&&&=&tab", texts.TEXTS["title"][0], "all"),
    ],
)
def test_a_link_says_which_tab_and_bundled_model_it_opens_and_no_word_of_a_stranger(query, title, picture):
    html = page(query)
    assert re.search("<title>(.*?)</title>", html)[1] == fact(html, "og:title") == title
    assert fact(html, "og:image") == f"http://demo.example/link/{picture}.png"
    assert fact(html, "og:description") == fact(html, "description")
    assert "yours" not in html
    assert html.count("<script>") == 4  # the language, the stage, the names, and what the page held


def test_behind_a_proxy_the_picture_has_the_address_that_readers_know():
    html = page(**{"x-forwarded-host": "me-demo.hf.space", "x-forwarded-proto": "https"})
    assert fact(html, "og:image") == "https://me-demo.hf.space/link/all.png"


@pytest.mark.parametrize(("path", "root_path"), [("/", ""), ("/space", "/space"), ("/space/", "/space")])
def test_the_page_is_told_its_language_before_anything_else(path, root_path):
    start, body = asked(path, root_path=root_path)
    assert b"<head><script>\nfor" in body["body"]
    assert body["body"].endswith(b"</head></html>")
    told = dict(start["headers"])
    assert (told[b"x-kept"], told[b"vary"], told[b"content-length"]) == (b"yes", b"accept-language", str(len(body["body"])).encode())


@pytest.mark.parametrize(
    ("path", "method", "kind"),
    [
        ("/config", "GET", "http"), ("/", "POST", "http"), ("/", "GET", "websocket"), ("/link/no-such-model.png", "GET", "http"),
        ("/link/..%2Fx.png", "GET", "http"), ("/link/gan-mnist.png/", "GET", "http"), ("/link/gan-mnist.png", "POST", "http"),
    ],
)  # fmt: skip
def test_everything_but_the_page_and_its_pictures_goes_through_untouched(path, method, kind):
    start, first, last = asked(path, method=method, kind=kind)
    assert [first["body"], last["body"]] == PIECES
    assert start["headers"][0] == (b"content-length", str(sum(map(len, PIECES))).encode())


@pytest.mark.parametrize("name", ["all", "gan-mnist", "dcgan-emoji"])
def test_the_picture_of_a_link_is_small_and_shows_what_the_models_draw(name):
    start, body = asked(f"/link/{name}.png")
    assert dict(start["headers"])[b"content-type"] == b"image/png"
    assert len(body["body"]) < 200_000
    picture = Image.open(BytesIO(body["body"])).convert("RGB")
    assert picture.size == (1200, 630)
    ground = picture.getpixel((0, 0))
    drawn = sum(count for count, colour in picture.getcolors(10**6) if colour != ground) / (1200 * 630)
    assert 0.2 < drawn < 0.8
