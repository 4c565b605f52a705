"""The Path remembers in the browser what was read and where a reader stopped."""

import re

import pytest
from browsing import expect, press
from running import LANGUAGES

from genart_hub.ui import pages, texts

pytestmark = pytest.mark.browser

FORBIDDEN = "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError') } })"
SPOILT = "localStorage.setItem('genart_hub.path', {!r})"


def words(lang: str) -> list[str]:
    return texts.say(lang, "path_progress", read="{read}", all="{all}", page="{page}").split("|")


def title(page):
    return page.locator(".block.page-title:visible")


def read_pages(page) -> list[str]:
    return page.locator(".path label[data-read]").all_inner_texts()


def counted(page, lang: str, count: int) -> None:
    told = words(lang)[0].format(read=count, all=len(pages.read(lang)))
    expect(page.locator(".path-progress p")).to_have_text(told)


def onward(page, lang: str, of: pages.Page):
    return page.get_by_role("button", name=words(lang)[1].format(page=of.title), exact=True)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_pages_that_were_read_are_marked_and_one_goes_on_where_one_stopped_and_starts_anew(visit, app, lang):
    first, second, third, fourth, *_ = pages.read(lang)
    page = visit(url=f"{app.url}/?lang={lang}", tab=None)
    page.get_by_role("tab", name=texts.say(lang, "path"), exact=True).click()
    expect(title(page)).to_have_text(first.title)
    anew = page.get_by_role("button", name=words(lang)[2], exact=True)
    expect(anew).to_have_count(0)
    press(page, lang, "path_after")
    expect(title(page)).to_have_text(second.title)
    counted(page, lang, 1)
    page.get_by_role("radio", name=fourth.title, exact=True).click()  # whoever knows the next ones leaves them out
    expect(title(page)).to_have_text(fourth.title)
    assert read_pages(page) == [first.title]

    page.goto(f"{app.url}/?tab=path&lang={lang}")
    counted(page, lang, 1)
    expect(title(page)).to_have_text(first.title)
    onward(page, lang, fourth).click()
    expect(title(page)).to_have_text(fourth.title)
    expect(onward(page, lang, fourth)).to_have_count(0)
    press(page, lang, "path_before")
    expect(title(page)).to_have_text(third.title)
    press(page, lang, "path_after")
    counted(page, lang, 2)
    expect(page).to_have_url(re.compile(f"step={fourth.name}"))

    page.reload()
    counted(page, lang, 2)
    expect(title(page)).to_have_text(fourth.title)
    assert read_pages(page) == [first.title, third.title]
    anew.click()
    expect(title(page)).to_have_text(first.title)
    expect(anew).to_have_count(0)
    assert read_pages(page) == []
    expect(page.locator(".path-progress p")).to_be_hidden()
    assert page.evaluate("localStorage.getItem('genart_hub.path')") is None


def test_the_last_page_is_read_when_it_is_reached(visit, app):
    *_, last = pages.read("en")
    page = visit(url=f"{app.url}/?tab=path&step={last.name}", tab=None)
    counted(page, "en", 1)
    assert read_pages(page) == [last.title]


@pytest.mark.parametrize("script", [FORBIDDEN, *(SPOILT.format(value) for value in ("no", "[1]", '{"read": 3, "at": "<b>"}', "null"))])
def test_without_storage_or_with_a_stranger_s_the_path_goes_on_and_forgets(visit, app, script):
    first, second, *_ = pages.read("en")
    page = visit(url=f"{app.url}/?tab=path", tab=None, script=script)
    expect(title(page)).to_have_text(first.title)
    expect(page.locator(".path-progress button:visible")).to_have_count(0)
    press(page, "en", "path_after")
    expect(title(page)).to_have_text(second.title)
    counted(page, "en", 1)
