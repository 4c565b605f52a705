"""What tests in a real browser do: find the fields of the open tab, press, choose, and wait for answers."""

import os
from contextlib import contextmanager

import pytest

from genart_hub.ui import texts

playwright = pytest.importorskip("playwright.sync_api") if not os.environ.get("CI") else __import__("playwright.sync_api").sync_api
expect = playwright.expect

FLAGS = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync"
TABS = ("comparison", "path", "sampling", "interpolation", "reconstruction", "training")
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
SMALL = (390, 320)  # px, of phones
WAIT = 120_000  # ms, for a machine that has other things to do
HEARD = "performance.getEntriesByType('resource').filter(one => one.name.includes('/queue/data')).length"  # streams that have ended
expect.set_options(timeout=WAIT)


def lang_of(locale: str) -> str:
    return "zh" if locale.startswith("zh") else "en"


def open_tab(page, lang: str, name: str) -> None:
    page.get_by_role("tab", name=texts.say(lang, name), exact=True).click()


def press(page, lang: str, key: str) -> None:
    page.get_by_role("button", name=texts.say(lang, key), exact=True).click()


def pictures(page):
    """The thumbnails on the open tab."""
    return page.locator(".thumbnail-lg:visible img")


def block(page, lang: str, key: str):
    """The picture block of that label."""
    return page.locator(".block:visible").filter(has=page.locator(f'label:has-text("{texts.say(lang, key)}")'))


def answer(page, lang: str, key: str):
    """The column of that title: its picture and its figure."""
    return page.locator(".column:visible").filter(has=page.locator(f'.title:has-text("{texts.say(lang, key)}")')).last


def downloaded(page, lang: str, key: str) -> str:
    """The name of the file that this button hands out."""
    with page.expect_download() as download:
        press(page, lang, key)
    assert download.value.path().stat().st_size > 0
    return download.value.suggested_filename


def box(page, lang: str, key: str):
    """The open tab's field of that label, where the list of a dropdown is its own."""
    return page.get_by_role("combobox", name=texts.say(lang, key)).locator("visible=true").first


def choose(page, lang: str, key: str, option: str) -> None:
    """Choose an option of a dropdown on the open tab."""
    box(page, lang, key).click()
    page.get_by_role("option", name=option, exact=True).click()


@contextmanager
def answered(page):
    """Wait until all is answered that the page asks for by what is done within: it has stopped listening."""
    before = page.evaluate(HEARD)
    yield
    page.wait_for_function(f"{HEARD} > {before}")


def example(page, k: int):
    """The k-th picture to try, of the digits first."""
    return page.locator("button.pick:visible").nth(k)


def is_drawn(image) -> bool:
    """An <img> that the browser has decoded."""
    return image.evaluate("async (image) => { await image.decode(); return image.naturalWidth > 0 }")


def open_numbers(page, lang: str) -> None:
    """Unfold the figures of the Comparison."""
    folded = page.get_by_role("button", name=texts.say(lang, "numbers")).locator("visible=true")
    expect(folded).to_have_count(1)
    if not page.locator(".figures:visible").count():
        folded.click()
