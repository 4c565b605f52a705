"""The page on a phone: all of it is there, and nothing of it is cut off."""

import pytest
from browsing import SMALL, TABS, expect, lang_of

from genart_hub.ui import texts

pytestmark = pytest.mark.browser

LOCALES = ("en-US", "zh-CN")
CUT = "(tab) => tab.scrollWidth > tab.clientWidth"  # its name is wider than it


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("width", SMALL)
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
