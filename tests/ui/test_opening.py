"""The first second: what the page shows before the app is there, and that the app comes into its place without a jump."""

import re

import pytest
from browsing import SMALL, TABS, expect, lang_of

from genart_hub.ui import answers, opening, sprites, texts

HEAD = b'<!doctype html><head><x></x><script>window.gradio_config = {"a": 1};</script><link></head>'
PAGE = HEAD + b'\n<body\nstyle="a">\n<gradio-app></gradio-app></body>'
LOCALES = ("en-US", "zh-CN")
WIDE = 1440
NEAR = 12  # px between a picture's place before the app is there and its place in the app: less than a line
MOST_SHIFT = 0.1
WATCH = """
window.shifts = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifts += entry.value;
}).observe({ type: "layout-shift", buffered: true });
window.places = {};
const place = (canvas) => {
  const { x, y, width } = canvas.getBoundingClientRect();
  return [x, y + scrollY, width];
};
(function look() {
  const first = [...document.querySelectorAll("#opening canvas")];
  const own = [...document.querySelectorAll("gradio-app .answer .stage canvas")].filter((canvas) => canvas.offsetParent);
  if (first.length) {
    window.places.before = first.map(place);
    window.hidden ??= document.querySelector("#opening").getAttribute("aria-hidden");
  } else {
    if (own.length) window.places.after ??= own.map(place);
    const now = [...document.querySelectorAll("gradio-app .block, gradio-app button")].map(place).join();
    window.still = now === window.last ? (window.still ?? 0) + 1 : 0; // frames in which nothing moved
    window.last = now;
  }
  requestAnimationFrame(look);
})();
"""

FOLLOW = """
const shown = (canvas) => canvas.offsetParent;
(function look() {
  const player = window.stage?.of(document.querySelector("#opening canvas"));
  if (player) window.last = player.seconds;
  else if (window.last && !document.querySelector("#opening"))
    window.went ??= window.stage.of([...document.querySelectorAll("gradio-app .answer .stage canvas")].find(shown)).seconds - window.last;
  requestAnimationFrame(look);
})();
"""


@pytest.mark.parametrize("lang", texts.LANGUAGES)
def test_the_opening_shows_the_first_screen_s_columns_in_the_order_of_history(lang):
    links, body = opening.markup(lang, TABS, "comparison", True)
    names = [name for name in answers.in_history() if name.endswith("-emoji")]
    assert re.findall(r"<h3>.*?</h3><p>(.*?)</p>", body) == names
    assert re.findall(r"<h3>(.*?)</h3>", body) == [answers.headed(name, lambda key: texts.say(lang, key)) for name in names]
    assert [link.split("?")[0] for link in re.findall(r'href="sprites/(.*?)"', links)] == [f"{name}.webp" for name in names]
    assert [body.count(texts.say(lang, f"stage_{kind}")) for kind in sprites.KINDS] == [2, 2, 2]
    assert 'aria-hidden="true"' in body
    assert f"<li class=open>{texts.say(lang, 'comparison')}</li>" in body


def test_another_tab_s_opening_shows_no_pictures():
    links, body = opening.markup("en", TABS, "sampling", False)
    assert not links
    assert "<canvas" not in body
    assert "<li class=open>Sampling</li>" in body


def test_where_nothing_moves_there_are_no_columns(monkeypatch):
    monkeypatch.setattr(sprites, "sprite_of", lambda name: None)
    assert "<canvas" not in opening.markup.__wrapped__("en", TABS, "comparison", True)[1]


@pytest.mark.parametrize(
    ("query", "tab", "plays"),
    [
        ({}, "comparison", True), ({"tab": "comparison", "prompt": "x"}, "comparison", True), ({"tab": "../x"}, "comparison", True),
        ({"dataset": "digits"}, "comparison", False), ({"tab": "path"}, "path", False),
    ],
)  # fmt: skip
def test_the_opening_stands_before_all_that_is_long_and_nothing_is_lost(query, tab, plays):
    page = opening.opened(PAGE, "en", TABS, query)
    assert f'data-tab="{tab}"'.encode() in page
    assert (b"<canvas" in page) == plays
    parts = [b"<x></x>", b'</head>\n<body\nstyle="a">', b'<div id="opening"', b"window.gradio_config = ", b"<link>\n<gradio-app>"]
    places = [page.index(part) for part in parts]
    assert places == sorted(places)
    assert [page.count(part) for part in parts] == [1] * len(parts)


def test_gradio_s_own_style_stays_in_the_head_before_those_of_its_parts():
    sheet = b'<link rel="stylesheet" crossorigin href="./a.css">'
    page = opening.opened(PAGE.replace(b"<link>", b"<link>" + sheet), "en", TABS, {})
    assert page.count(b"a.css") == 1
    assert b'crossorigin href="./a.css">' in page[: page.index(b"</head>")]


@pytest.mark.browser
def test_the_parts_of_the_page_keep_their_own_styles(visit):
    page = visit(tab=None)
    tab, field = page.get_by_role("tab").first, page.locator("input[type=text]:visible").first
    expect(tab).not_to_have_css("padding-left", "0px")
    expect(field).not_to_have_css("padding-left", "0px")


@pytest.mark.parametrize("page", [b"", b"<head><body>", PAGE.replace(b"gradio_config", b"other"), PAGE.replace(b"<body", b"<main")])
def test_a_page_of_another_form_stays_as_it_is(page):
    assert opening.opened(page, "en", TABS, {}) == page


# ---- in a browser ----


def still(page):
    """The page, once the app is there and nothing moves any more."""
    expect(page.locator("#opening")).to_have_count(0)
    page.wait_for_function("window.still > 30")
    return page


@pytest.mark.browser
@pytest.mark.parametrize(("locale", "width"), [("en-US", WIDE), ("zh-CN", SMALL[0])])
def test_pictures_stand_where_the_app_will_have_them_and_nothing_jumps(visit, locale, width):
    page = still(visit(locale, viewport={"width": width, "height": 900}, tab=None, script=WATCH))
    assert page.evaluate("window.hidden") == "true"
    before, after = page.evaluate("[places.before, places.after]")
    assert len(before) == len(after) > 3
    assert max(abs(a - b) for one, other in zip(before, after, strict=True) for a, b in zip(one, other, strict=True)) < NEAR
    assert page.evaluate("window.shifts") < MOST_SHIFT
    expect(page.locator("h1")).to_have_text(texts.say(lang_of(locale), "heading").lstrip("# "))


@pytest.mark.browser
@pytest.mark.parametrize(("tab", "width"), list(zip(TABS[1:], (WIDE, SMALL[0]) * 3, strict=False)))
def test_a_link_to_a_tab_opens_it_without_a_jump(app, visit, tab, width):
    page = still(visit(viewport={"width": width, "height": 900}, url=f"{app.url}/?tab={tab}", tab=None, script=WATCH))
    expect(page.get_by_role("tab", selected=True)).to_have_text(texts.say("en", tab))
    assert page.evaluate("window.shifts") < MOST_SHIFT


@pytest.mark.browser
def test_a_reader_who_wants_less_motion_sees_an_opening_that_stands(app, browser):
    with browser.new_context(reduced_motion="reduce") as context:
        page = context.new_page()
        page.route("**/assets/index-*.js", lambda route: route.abort())  # so that the app does not come
        page.goto(app.url)
        page.wait_for_function("[...document.querySelectorAll('#opening canvas')].every((one) => stage.of(one)?.sheet)")
        frames = "[...document.querySelectorAll('#opening canvas')].map((one) => [stage.of(one).frame, stage.of(one).seconds])"
        page.evaluate("new Promise((done) => { let left = 40; (function on() { left-- ? requestAnimationFrame(on) : done(); })(); })")
        assert page.evaluate(frames) == [[0, 0]] * page.locator("#opening canvas").count()


@pytest.mark.browser
def test_the_app_goes_on_where_the_opening_was(visit):
    page = visit(tab=None, script=FOLLOW)
    page.wait_for_function("window.went !== undefined")
    assert 0 <= page.evaluate("window.went") < 1
    assert page.evaluate("window.last") > 0.2
