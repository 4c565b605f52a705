"""Addresses and the switch of the language, as readers meet them."""

import re
from urllib.parse import urlencode

import pytest
from browsing import DESK, PHONE, answered, box, choose, expect, open_tab, pictures, press
from running import EMOJI

from genart_hub.ui import address, pages, texts

pytestmark = pytest.mark.browser

SAMPLING = "/?tab=sampling&model=gan-mnist&seed=7"
REFUSAL = {"en": "must be at least 0", "zh": "至少为 0"}
LINK = {"en": "English", "zh": "中文"}


def field(page, lang: str, key: str):
    return page.get_by_label(texts.say(lang, key)).locator("visible=true").first


def sources(page) -> list[str]:
    """What the pictures on the open tab are, by their bytes."""
    return [page.request.get(one.get_attribute("src")).body() for one in pictures(page).all()]


def drawn(page, lang: str, seed: int) -> None:
    """Wait for sixteen pictures whose first one has this seed."""
    expect(page.locator(".caption-label:visible").first).to_contain_text(texts.say(lang, "caption", seed=seed))
    expect(pictures(page)).to_have_count(16)


def turn(page, lang: str) -> None:
    """Turn the switch."""
    page.get_by_role("link", name=LINK[lang], exact=True).click()
    expect(page.locator("html")).to_have_attribute("lang", {"en": "en", "zh": "zh-CN"}[lang])
    page.get_by_role("tab").first.wait_for()


@pytest.mark.parametrize(
    ("locale", "before", "after", "viewport"), [("en-US", "en", "zh", DESK), ("zh-HK", "zh", "en", PHONE)], ids=["desk", "phone"]
)
def test_the_switch_reaches_labels_captions_notes_and_errors_at_once(visit, app, locale, before, after, viewport):
    page = visit(locale, viewport=viewport, url=app.url + SAMPLING, tab=None)
    drawn(page, before, 7)
    switch = page.get_by_role("link", name=LINK[before], exact=True)
    expect(switch).to_have_attribute("aria-current", "true")
    with answered(page):
        field(page, before, "seed").fill("8")
        press(page, before, "generate")
    drawn(page, before, 8)
    turn(page, after)
    drawn(page, after, 8)  # the state came along, and is drawn again
    expect(page).to_have_url(re.compile(rf"seed=8.*lang={after}"))
    expect(page).to_have_title(address.title_of(after, "sampling"))
    expect(page.get_by_role("heading", level=1)).to_have_text(texts.say(after, "heading").lstrip("# "))
    expect(page.get_by_text(texts.say(after, "score_note"))).to_be_visible()
    expect(field(page, after, "truncation")).to_be_visible()
    field(page, after, "seed").fill("-1")
    press(page, after, "generate")
    expect(page.locator("div.validation-error:visible")).to_contain_text(REFUSAL[after])
    page.reload()
    expect(page.get_by_role("button", name=texts.say(after, "generate"), exact=True)).to_be_visible()


def test_two_readers_with_two_languages_at_once_each_get_their_own(visit, app):
    english = visit("zh-CN", url=app.url + "/?tab=sampling&lang=en", tab=None)
    chinese = visit("en-US", url=app.url + "/?tab=sampling&lang=zh", tab=None)
    readers = {"en": english, "zh": chinese}
    for lang, page in readers.items():
        drawn(page, lang, 0)
        field(page, lang, "seed").fill("3")
    for lang, page in readers.items():
        press(page, lang, "generate")
    for lang, page in readers.items():
        drawn(page, lang, 3)
        field(page, lang, "seed").fill("-1")
        press(page, lang, "generate")
    for lang, page in readers.items():
        expect(page.locator("div.validation-error:visible")).to_contain_text(REFUSAL[lang])


def test_a_sent_link_opens_the_same_pictures_and_so_does_a_reload(visit, app):
    page = visit(tab="sampling")
    choose(page, "en", "model", "dcgan-mnist")
    choose(page, "en", "label", "7")
    field(page, "en", "seed").fill("41")
    with answered(page):
        press(page, "en", "generate")
    drawn(page, "en", 41)
    expect(page).to_have_url(re.compile(r"\?tab=sampling&model=dcgan-mnist&seed=41&label=7$"))
    seen = sources(page)
    friend = visit("zh-CN", url=page.url, tab=None)
    drawn(friend, "zh", 41)
    assert sources(friend) == seen
    expect(box(friend, "zh", "label")).to_have_value("7")
    page.reload()
    drawn(page, "en", 41)
    assert sources(page) == seen


def test_back_and_forward_go_through_the_tabs_with_what_they_held(visit, app):
    page = visit(url=app.url + SAMPLING, tab=None)
    drawn(page, "en", 7)
    open_tab(page, "en", "path")
    expect(page).to_have_url(re.compile(r"\?tab=path$"))
    press(page, "en", "path_after")
    second = pages.read("en")[1]
    expect(page).to_have_url(re.compile(rf"\?tab=path&step={second.name}$"))
    open_tab(page, "en", "sampling")
    field(page, "en", "seed").fill("9")
    expect(page).to_have_url(re.compile(r"seed=9$"))
    page.go_back()
    expect(page.locator(".block.page-title:visible")).to_have_text(second.title)
    page.go_back()
    expect(page.get_by_role("tab", name="Sampling")).to_have_attribute("aria-selected", "true")
    expect(field(page, "en", "seed")).to_have_value("7")
    drawn(page, "en", 7)
    page.go_forward()
    expect(page.locator(".block.page-title:visible")).to_have_text(second.title)
    expect(page).to_have_url(re.compile(rf"step={second.name}$"))


def test_a_link_to_a_page_of_the_path_opens_it(visit, app):
    third = pages.read("zh")[2]
    page = visit(url=f"{app.url}/?tab=path&step={third.name}&lang=zh", tab=None)
    expect(page.locator(".block.page-title:visible")).to_have_text(third.title)


def test_a_link_with_a_wish_fills_it_in_and_draws(visit, tiny_app):
    page = visit(url=f"{tiny_app.url}/?prompt=%3Cb%3Eblue+apple%3C/b%3E&n=2", tab=None)
    expect(page.locator(".answer:visible .thumbnail-lg img").first).to_be_visible()
    expect(field(page, "en", "prompt")).to_have_value("<b>blue apple</b>")
    expect(page).to_have_url(re.compile(r"\?tab=comparison&prompt="))


@pytest.mark.parametrize("how", ["enter", "chip"])
def test_a_comparison_says_in_its_address_what_it_was_asked_for_and_a_reload_draws_it_again(visit, tiny_app, how):
    page = visit(url=tiny_app.url, tab=None)
    wish = {"chip": "雪人"}.get(how, texts.say("en", "prompt_default"))
    if how == "enter":
        field(page, "en", "prompt").press("Enter")
    else:
        page.get_by_role("button", name=wish, exact=True).locator("visible=true").click()
    shown = page.locator(".answer:visible .thumbnail-lg img")
    expect(shown).to_have_count(4 * (len(EMOJI) + 1))
    told = re.compile(r"\?" + re.escape(urlencode({"tab": "comparison", "prompt": wish, "seed": 0})) + "$")
    expect(page).to_have_url(told)
    seen = sources(page)
    open_tab(page, "en", "path")
    page.go_back()
    expect(page).to_have_url(told)
    expect(shown).to_have_count(4 * (len(EMOJI) + 1))
    page.reload()
    expect(shown).to_have_count(4 * (len(EMOJI) + 1))
    expect(field(page, "en", "prompt")).to_have_value(wish)
    expect(page).to_have_url(told)
    assert sources(page) == seen


def test_a_language_that_is_none_and_other_nonsense_give_the_page_in_the_browser_s_language(visit, tiny_app):
    page = visit("zh-CN", url=f"{tiny_app.url}/?seed=abc&model=../x&lang=xx&tab=%3Cb%20id=stranger%3E", tab=None)
    sentence = texts.TEXTS["address_refused"][1].partition("{")[0]
    expect(page.get_by_role("status").filter(has_text=sentence)).to_have_count(1)
    expect(page.get_by_role("tab", name="对比")).to_have_attribute("aria-selected", "true")
    assert page.locator("#stranger").count() == 0


def test_the_switch_takes_an_error_of_the_other_language_away_and_says_what_was_wrong_in_its_own(visit, tiny_app):
    page = visit(url=f"{tiny_app.url}/?tab=sampling&model=gan-mnist", tab=None)
    drawn(page, "en", 0)
    field(page, "en", "seed").fill("-1")
    press(page, "en", "generate")
    expect(page.locator("div.validation-error:visible")).to_contain_text(REFUSAL["en"])
    expect(page).to_have_url(re.compile("seed=-1"))
    turn(page, "zh")
    told = texts.say("zh", "address_refused", names=texts.say("zh", "seed"))
    expect(page.get_by_role("status").filter(has_text=told)).to_have_count(1)
    expect(page.get_by_text(REFUSAL["en"])).to_have_count(0)


def test_two_readers_with_two_models_and_languages_at_once_each_get_their_own_pictures(visit, tiny_app):
    asked = {"en": ("gan-mnist", 5), "zh": ("vae-mnist", 9)}
    readers = {
        lang: visit("en-US", url=f"{tiny_app.url}/?tab=sampling&model={model}&seed={seed}&lang={lang}", tab=None)
        for lang, (model, seed) in asked.items()
    }
    for lang, (_, seed) in asked.items():
        drawn(readers[lang], lang, seed)
    assert sources(readers["en"]) != sources(readers["zh"])
    for lang, (model, seed) in asked.items():
        expect(box(readers[lang], lang, "model")).to_have_value(model)
        alone = visit("en-US", url=f"{tiny_app.url}/?tab=sampling&model={model}&seed={seed}&lang={lang}", tab=None)
        drawn(alone, lang, seed)
        assert sources(alone) == sources(readers[lang])


def test_a_link_to_digits_of_a_class_keeps_the_class(visit, tiny_app):
    page = visit(url=f"{tiny_app.url}/?dataset=digits&label=3&n=2", tab=None)
    expect(page.locator(".caption-label:visible").filter(has_text=re.compile("^3 · "))).to_have_count(4)  # two models know classes
    expect(box(page, "en", "label")).to_have_value("3")
    expect(page).to_have_url(re.compile("dataset=digits.*label=3"))


@pytest.mark.parametrize(
    ("query", "lang"),
    [
        ("seed=abc&model=../x&tab=nope&prompt=%3Cb%20id=stranger%3E" + "x" * 9_900, "en"),
        ("tab=sampling&model=%3Cimg%20id=stranger%20src=x%3E&seed=-1", "zh"),
        ("tab=path&step=99", "en"),
        ("tab=__proto__&label=constructor", "zh"),
    ],
)
def test_a_mangled_address_opens_the_page_as_usual_with_one_sentence(visit, app, query, lang):
    before = len(app.terminal)
    page = visit(url=f"{app.url}/?{query}&lang={lang}", tab=None)
    sentence = dict(zip(texts.LANGUAGES, texts.TEXTS["address_refused"], strict=True))[lang]
    expect(page.get_by_role("status").filter(has_text=sentence.partition("{")[0])).to_have_count(1)
    expect(page).to_have_url(re.compile(rf"\?tab=(comparison|sampling&model=[\w-]+&seed=0|path)&lang={lang}$"))
    assert page.locator("#stranger").count() == 0
    assert page.get_by_test_id("toast-body").count() == 0
    assert "Traceback" not in app.terminal[before:]


def test_a_name_on_the_hub_waits_for_a_click(visit, app):
    page = visit(url=f"{app.url}/?tab=sampling&model=owner/name&seed=5", tab=None)
    expect(page.get_by_role("status").filter(has_text=texts.say("en", "address_fetched", model="owner/name"))).to_have_count(1)
    expect(box(page, "en", "model")).to_have_value("owner/name")
    expect(pictures(page)).to_have_count(0)


def test_the_served_page_tells_what_a_link_shows(app, browser):
    context = browser.new_context(locale="en-US")
    served = context.request.get(f"{app.url}/?tab=sampling&model=gan-mnist&lang=zh").text()
    assert '<meta property="og:title" content="采样 · gan-mnist · genart_hub">' in served
    assert "Gradio" not in served.partition("<script>window.gradio_config")[0].partition("<style>")[0]
    picture = re.search(r'<meta property="og:image" content="([^"]+)">', served)[1]
    assert picture.startswith(app.url)
    answer = context.request.get(picture)
    assert answer.headers["content-type"] == "image/png"
    context.close()


def test_gradio_s_panel_of_the_api_does_not_take_the_language_away(visit, app):
    page = visit("en-US", url=f"{app.url}/?tab=path&lang=zh", tab=None)
    page.evaluate("history.replaceState(null, '', '?tab=path&view=api&lang=python')")
    expect(page).to_have_url(re.compile(r"view=api&lang=zh"))
    page.evaluate("history.replaceState(null, '')")
    expect(page).to_have_url(re.compile(r"view=api&lang=zh"))


# ---- panels that live in the page alone ----


def test_a_link_to_a_place_on_a_map_opens_it_and_the_address_follows_the_dot(visit, tiny_app):
    place = "gan-mnist;seeds;7|8|9|10;25;75;0;0;"
    page = visit("zh-CN", url=f"{tiny_app.url}/?{urlencode({'tab': 'interpolation', 'place': place})}", tab=None)
    dot = page.locator(".map-dot")
    expect(dot).to_be_in_viewport()
    expect(page.locator(".map-model")).to_have_value("gan-mnist")
    expect(page.locator(".map-ends input").nth(3)).to_have_value("10")
    expect(dot).to_have_attribute("aria-valuenow", "25")
    dot.press("ArrowRight")
    expect(page).to_have_url(re.compile("place=gan-mnist%3Bseeds%3B7%7C8%7C9%7C10%3B29%3B75%3B0%3B0%3B"))
    open_tab(page, "zh", "path")
    expect(page).not_to_have_url(re.compile("place="))
    page.go_back()
    expect(page).to_have_url(re.compile("place=gan-mnist"))
    expect(dot).to_have_attribute("aria-valuenow", "29")


def test_a_link_to_points_of_the_plane_opens_them_and_the_address_follows_what_is_chosen(visit, tiny_app):
    page = visit(url=f"{tiny_app.url}/?{urlencode({'tab': 'training', 'plane': 'vae;moons;4;0;0;2.00'})}", tab=None)
    expect(page.locator(".twin-shape select")).to_have_value("moons")
    expect(page.locator(".twin-seed input")).to_have_value("4")
    expect(page.locator(".twin-kinds [data-kind=vae]")).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".twin-kinds")).to_be_in_viewport()
    page.locator(".twin-kinds [data-kind=diffusion]").click()
    expect(page).to_have_url(re.compile("plane=diffusion%3Bmoons%3B4"))


def test_a_link_to_a_step_of_a_run_opens_the_run_at_it(visit, app):
    page = visit(url=f"{app.url}/?tab=sampling&model=ddpm-mnist&num_steps=4&n=1&moment=2", tab=None)
    slider = page.locator("#inside input[type=range]:visible").first
    expect(slider).to_have_value("2")
    slider.press("ArrowRight")
    expect(page).to_have_url(re.compile("moment=3"))
