"""A stranger's first minutes, without a word from outside: a wish, the path, a picture, and its link sent to a friend."""

import io
import re

import pytest
from browsing import expect, open_tab, pictures, press
from PIL import Image

from genart_hub.ui import pages, texts

pytestmark = pytest.mark.browser


def test_a_first_visit_leads_from_a_wish_to_a_link_that_a_friend_opens(visit, app):
    page = visit(tab=None)
    page.wait_for_function("[...document.querySelectorAll('.answer .stage canvas')].some((one) => one.width > 100)")  # it moves by itself
    page.get_by_role("textbox", name=texts.say("en", "prompt")).locator("visible=true").fill("blue apple")
    page.keyboard.press("Enter")
    expect(page.locator(".answer:visible .thumbnail-lg img").first).to_be_visible()
    expect(page).to_have_url(re.compile("prompt=blue"))

    open_tab(page, "en", "path")
    for read in pages.read("en")[:3]:
        expect(page.locator(".prose.page-title:visible")).to_have_text(read.title)
        press(page, "en", "path_after")

    open_tab(page, "en", "sampling")
    press(page, "en", "generate")
    expect(pictures(page)).to_have_count(16)
    page.locator(".thumbnail-lg:visible").nth(3).click()
    link = page.locator(".sheet a[href*=seed]").first
    expect(link).to_be_visible()
    friend = visit("zh-CN", url=app.url + "/" + link.get_attribute("href"), tab=None)
    expect(pictures(friend)).to_have_count(1)
    theirs, ours = (one.request.get(pictures(one).nth(k).get_attribute("src")).body() for one, k in ((friend, 0), (page, 3)))
    assert theirs == ours


def test_a_file_name_of_markup_is_told_as_text(visit):
    page = visit()
    Image.new("L", (28, 28)).save(content := io.BytesIO(), format="PNG")
    name = "<img id=stranger src=x onerror=alert(1)>.png"
    page.locator('input[type="file"]').first.set_input_files({"name": name, "mimeType": "image/png", "buffer": content.getvalue()})
    told = page.locator("div.validation-error:visible")
    expect(told).to_have_count(1)
    assert not told.locator("img, b").count()
    assert page.locator("#stranger").count() == 0
