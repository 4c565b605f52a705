"""The page on a phone: all of it is there, and nothing of it is cut off."""

import pytest
from browsing import SMALL, TABS, expect, lang_of, open_tab, press

from genart_hub.ui import texts

pytestmark = pytest.mark.browser

READERS = tuple(zip(("zh-CN", "en-US"), SMALL, strict=True))  # the longer words on the narrower phone
CUT = "(tab) => tab.scrollWidth > tab.clientWidth"  # its name is wider than it


@pytest.mark.parametrize(("locale", "width"), READERS)
def test_all_tabs_are_visible_on_a_phone_and_each_opens(tiny_app, visit, locale, width):
    page, lang = visit(locale, viewport={"width": width, "height": 844}, url=tiny_app.url, tab=None), lang_of(locale)
    tabs = page.get_by_role("tab")
    expect(tabs).to_have_text([texts.say(lang, name) for name in TABS])
    expect(page.locator(".overflow-menu")).to_have_count(0)
    for name in [*TABS[1:], TABS[0]]:
        tab = page.get_by_role("tab", name=texts.say(lang, name), exact=True)
        expect(tab).to_be_in_viewport(ratio=1)
        assert not tab.evaluate(CUT), name
        tab.click()
        expect(tab).to_have_attribute("aria-selected", "true")
        expect(page.get_by_role("tabpanel").locator("visible=true")).to_have_count(1)
        expect(tabs).to_have_count(len(TABS))


BEYOND = """() => [...document.querySelectorAll("[role=tabpanel] *")].filter((one) => {
  const { left, right, width } = one.getBoundingClientRect();
  return one.checkVisibility() && width > 1 && !one.closest(".katex, .visually-hidden, .cm-editor, .table-wrap")
    && (right > innerWidth + 1 || left < -1);
}).map((one) => one.outerHTML.slice(0, 80))"""
OVER = """() => {
  const bar = [...document.querySelectorAll(".acts")].find((one) => one.checkVisibility());
  const { top, bottom } = bar.getBoundingClientRect(), last = document.querySelector("footer").getBoundingClientRect();
  return { at: Math.round(innerHeight - bottom), free: Math.round(top - last.bottom) };
}"""
PICTURES = {  # what comes before what, on a tab
    "comparison": (".answers", ".wish"),
    "sampling": (".few-pixels", "input[role=combobox]"),
    "interpolation": (".few-pixels", "input[role=combobox]"),
    "reconstruction": (".rebuilt", "input[role=combobox]"),
}


@pytest.mark.parametrize(("locale", "width"), READERS)
def test_nothing_is_cut_off_pictures_come_first_and_the_button_stays_in_reach(app, visit, locale, width):
    page, lang = visit(locale, viewport={"width": width, "height": 700}, tab=None), lang_of(locale)
    for name in TABS:
        open_tab(page, lang, name)
        expect(page.get_by_role("tabpanel").locator("visible=true")).to_have_count(1)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), name
        assert page.evaluate(BEYOND) == [], name
        if name not in PICTURES:
            continue
        button = page.locator(".acts .primary").locator("visible=true").first
        page.evaluate("scrollTo(0, 0)")
        expect(button).to_be_in_viewport(ratio=1)
        assert page.evaluate(OVER)["at"] == 0, name
        page.wait_for_function(f"(scrollTo(0, document.documentElement.scrollHeight), ({OVER})().free >= 0)")
        expect(button).to_be_in_viewport(ratio=1)
        first, then = (page.locator(f"[role=tabpanel] {one}").locator("visible=true").first.bounding_box() for one in PICTURES[name])
        assert first["y"] < then["y"], name


def test_a_slow_phone_gets_its_page_and_its_wish(visit):
    page = visit(viewport={"width": SMALL[0], "height": 844}, tab=None, has_touch=True)
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setCPUThrottlingRate", {"rate": 4})
    page.reload()
    expect(page.locator("#opening")).to_have_count(0)
    wish = page.get_by_role("textbox", name=texts.say("en", "prompt")).locator("visible=true")
    wish.fill("rocket")
    press(page, "en", "compare")
    pictures = page.locator(".answer:visible .thumbnail-lg img")
    expect(pictures.first).to_be_visible()
    expect(page.locator(".prose.status:visible")).not_to_contain_text(texts.say("en", "working"))
