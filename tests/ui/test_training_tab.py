"""The tab Training in a browser: a recording is moved through without a word to the server, and a network learns until it is paused."""

import re

import pytest
from browsing import box, expect, open_tab, pictures, press

from genart_hub.ui import film_texts, recordings, texts

pytestmark = pytest.mark.browser

DRAWN = "[...document.querySelectorAll('.film canvas')].some((one) => one.offsetParent && one.width > 100)"
PICTURE = "(canvas) => canvas.toDataURL()"


def test_a_recording_is_moved_through_without_a_request(visit):
    page, lang = visit("zh-CN", tab="training"), "zh"
    page.wait_for_function(DRAWN)
    slider, count = page.locator(".film-time:visible").first, page.locator(".film-count:visible").first
    notes = [note[1 + texts.LANGUAGES.index(lang)] for note in film_texts.NOTES["gan-article"]]
    canvas, note = page.locator(".film canvas:visible").first, page.locator(".film-note:visible").first
    expect(note).to_have_text(notes[0])
    before, asked = canvas.evaluate(PICTURE), []
    page.on("request", lambda request: asked.append(request.url))
    slider.focus()
    page.keyboard.press("End")
    expect(count).to_contain_text(f"{recordings.read('gan-article').steps[-1]:,}")
    expect(note).to_have_text(notes[-1])
    assert canvas.evaluate(PICTURE) != before
    page.keyboard.press("Home")
    expect(note).to_have_text(notes[0])
    assert canvas.evaluate(PICTURE) == before
    assert not asked
    page.get_by_label(texts.say(lang, "recording_gan-collapse")).check()
    expect(page.locator(".film-note:visible").first).to_have_text(film_texts.NOTES["gan-collapse"][0][1 + texts.LANGUAGES.index(lang)])


def test_a_page_of_the_path_opens_a_recording_that_plays(app, visit):
    page = visit(url=f"{app.url.rstrip('/')}/?tab=path&step=collapse", tab=None)
    press(page, "en", "path_try")
    expect(page.get_by_role("tab", name=texts.say("en", "training"), exact=True)).to_have_attribute("aria-selected", "true")
    expect(page.locator(".film-note:visible").first).to_have_text(film_texts.NOTES["gan-collapse"][0][1])
    expect(page.locator(".film-note:visible").first).to_have_text(film_texts.NOTES["gan-collapse"][2][1])


def test_a_network_learns_until_it_is_paused_and_draws_in_sampling(visit):
    page = visit(tab="training")
    press(page, "en", "live_go")
    status = page.locator(".prose.status:visible")
    expect(status).to_contain_text("updates")
    canvas = page.locator(".film canvas:visible").last
    before = canvas.evaluate(PICTURE)
    page.wait_for_function("(before) => [...document.querySelectorAll('.film canvas')].pop().toDataURL() !== before", arg=before)
    press(page, "en", "live_pause")
    press(page, "en", "live_use")
    expect(page.get_by_role("tab", name=texts.say("en", "sampling"), exact=True)).to_have_attribute("aria-selected", "true")
    expect(box(page, "en", "model")).to_have_value(re.compile("here/gan-"))
    press(page, "en", "generate")
    expect(pictures(page)).to_have_count(16)
    open_tab(page, "en", "training")
    expect(status).to_contain_text("updates")
