"""The app as a person meets it: a real browser, both languages, light and dark, a desk and a phone."""

import re

import pytest
from browsing import (
    DESK,
    PHONE,
    TABS,
    answer,
    answered,
    block,
    box,
    choose,
    downloaded,
    example,
    expect,
    is_drawn,
    lang_of,
    open_numbers,
    open_tab,
    pictures,
    press,
)
from PIL import Image
from running import DIGITS, EMOJI, PIPELINE

import genart_hub
from genart_hub import images
from genart_hub.ui import answers, comparison, texts
from genart_hub.ui.opened_texts import WORDS
from genart_hub.ui.sentences import ALTS, HUB

pytestmark = pytest.mark.browser

# ---- the page ----


@pytest.mark.parametrize("locale", ["fr-FR", "zh-Hant"])
def test_the_page_speaks_its_reader_s_language(visit, locale):
    page, lang = visit(locale), lang_of(locale)
    expect(page.get_by_role("tab")).to_have_text([texts.say(lang, name) for name in TABS])
    expect(page.get_by_role("heading", level=1)).to_have_text(texts.say(lang, "heading").lstrip("# "))
    expect(page.get_by_role("button", name=texts.say(lang, "generate"), exact=True)).to_be_visible()
    expect(page.get_by_label(texts.say(lang, "truncation")).locator("visible=true").first).to_be_visible()
    assert "__i18n__" not in page.inner_text("body")


@pytest.mark.parametrize(
    ("locale", "scheme", "viewport"), [("en-US", "light", DESK), ("zh-CN", "dark", PHONE)], ids=["en-light-desk", "zh-dark-phone"]
)
def test_no_tab_scrolls_sideways_or_shows_a_key_instead_of_a_text_in_light_and_in_dark(visit, locale, scheme, viewport):
    page, lang = visit(locale, scheme, viewport), lang_of(locale)
    luma = "getComputedStyle(document.querySelector('h1')).color.match(/[\\d.]+/g).slice(0, 3).reduce((a, v) => a + Number(v) / 3, 0)"
    assert page.evaluate("document.body.classList.contains('dark')") == (page.evaluate(luma) > 150) == (scheme == "dark")
    for name in TABS:
        open_tab(page, lang, name)
        expect(page.get_by_role("tabpanel").locator("visible=true").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), name
        shown = page.inner_text("body")
        assert "__i18n__" not in shown
        assert "[object Object]" not in shown
        assert not re.search(r"\bga_\w+", shown)


# ---- one walk through the four tabs ----


@pytest.mark.parametrize(("locale", "scheme", "weights"), [("en-US", "light", "app"), ("zh-CN", "dark", "tiny_app")])
def test_a_walk_through_the_four_tabs(visit, locale, scheme, weights, request):
    page, lang = visit(locale, scheme, url=request.getfixturevalue(weights).url), lang_of(locale)

    choose(page, lang, "model", "gan-mnist")
    press(page, lang, "generate")
    expect(pictures(page)).to_have_count(16)
    assert is_drawn(pictures(page).last)
    expect(page.locator(".caption-label:visible").nth(15)).to_contain_text(texts.say(lang, "caption", seed=15))
    expect(page.locator(".cm-content:visible")).to_contain_text("sample(16, seed=0)")
    if weights == "app":  # whose judges have scored real pictures too
        expect(page.get_by_text(texts.say(lang, "score_note"))).to_be_visible()

    open_tab(page, lang, "interpolation")
    press(page, lang, "walk")
    animation = page.locator(".image-frame:visible img")
    expect(animation).to_have_attribute("src", re.compile(r"-walk\.webp$"))
    assert is_drawn(animation)
    assert downloaded(page, lang, "gif").endswith("-walk.gif")
    assert downloaded(page, lang, "webp").endswith("-walk.webp")

    open_tab(page, lang, "reconstruction")
    example(page, 1).click()
    expect(block(page, lang, "upload").locator('img[src*="digit-2"]')).to_be_visible()
    press(page, lang, "reconstruct")
    expect(page.locator(".figure:visible").get_by_text(re.compile(FIGURE[lang]))).to_have_count(1)
    page.get_by_label(texts.say(lang, "steps")).locator("visible=true").first.fill("20")
    press(page, lang, "invert")
    expect(page.get_by_text(re.compile(LAST_STEP[lang]))).to_be_visible()
    for key in ("seen", "vae_answer", "gan_answer"):
        assert is_drawn(answer(page, lang, key).locator("img").last)

    open_tab(page, lang, "comparison")
    press(page, lang, "compare")
    names = [name for name in genart_hub.bundled() if name.endswith("-emoji")] if weights == "app" else [*EMOJI, PIPELINE]
    expect(page.locator(".answer:visible .thumbnail-lg img")).to_have_count(comparison.FIRST * len(names))
    open_numbers(page, lang)
    expect(page.locator(".card:visible")).to_have_count(len(names))
    expect(page.locator(".plot:visible .point")).to_have_count(len(names) if weights == "app" else 2)  # those measured
    for header in HEADERS[lang]:
        expect(page.locator("th:visible").get_by_text(header, exact=True).first).to_be_visible()
    for name in names:
        expect(page.locator(".body-cell:visible").get_by_text(name, exact=True).first).to_be_visible()
    if weights == "app":  # the points have their models' colours for the other pictures too
        page.get_by_role("radio", name=texts.say(lang, "digits")).check()
        expect(page.locator(".plot:visible, .figures:visible")).to_have_count(0)
        press(page, lang, "compare")
        open_numbers(page, lang)
        expect(page.locator(".plot:visible .legend li")).to_have_text(
            [re.compile(f"^{name}: ") for name in sorted((n for n in genart_hub.bundled() if n.endswith("-mnist")), key=answers.history_of)]
        )
        assert {re.search(r"ms|s", tick)[0] for tick in page.locator(".plot:visible .x").all_inner_texts()} == {"ms", "s"}
        colours = page.locator(".plot:visible .point").evaluate_all("all => all.map((one) => one.style.background)")
        assert len(set(colours)) == len(colours) > 1


FIGURE = {"en": r"^Mean squared error \d\.\d{4} ", "zh": r"^均方误差 \d\.\d{4}"}
LAST_STEP = {"en": r"^Step 20 of 20 · mean squared error \d\.\d{4}", "zh": r"^第 20 / 20 步 · 均方误差 \d\.\d{4}"}
HEADERS = {
    "en": ["Model", "Seconds", "Pictures/s", "Parameters", "Pixels", "MB on disk", "Multiply-adds", "Accepts"],
    "zh": ["模型", "用时（秒）", "张/秒", "参数量", "像素", "磁盘（MB）", "乘加运算", "接受什么"],
}


# ---- single things ----


def told_at(page, lang: str, key: str):
    """The sentence at the field of that label, and the only one of its kind on the page; no message comes from elsewhere."""
    expect(page.locator("div.validation-error:visible")).to_have_count(1)
    expect(page.get_by_test_id("toast-text")).to_have_count(0)
    return page.locator(".block:visible").filter(has_text=texts.say(lang, key)).locator("div.validation-error")


@pytest.mark.parametrize(
    ("locale", "sentence"), [("en-US", "Seed must be at least 0, got -1."), ("zh-HK", "随机种子 至少为 0，得到的是 -1。")]
)
def test_a_bad_seed_is_told_at_its_field_and_the_next_one_works(visit, locale, sentence):
    page, lang = visit(locale), lang_of(locale)
    page.get_by_label(texts.say(lang, "seed")).locator("visible=true").first.fill("-1")
    press(page, lang, "generate")
    expect(told_at(page, lang, "seed")).to_have_text(sentence)
    page.get_by_label(texts.say(lang, "seed")).locator("visible=true").first.fill("5")
    press(page, lang, "generate")
    expect(pictures(page)).to_have_count(16)
    expect(page.locator("div.validation-error:visible, .error:visible")).to_have_count(0)


def test_a_picture_without_settings_is_told_in_one_sentence_at_its_field(visit, tmp_path):
    page = visit("zh-CN")
    Image.new("L", (28, 28)).save(tmp_path / "plain.png")
    page.locator('input[type="file"]').first.set_input_files(tmp_path / "plain.png")
    expect(told_at(page, "zh", "restore")).to_have_text("plain.png 里没有保存设置。请使用从这里保存的原图，而不是它的副本或截图。")
    expect(page.locator(".error:visible")).to_have_count(0)
    expect(box(page, "zh", "model")).to_be_enabled()


def test_a_name_of_markup_is_told_as_text(visit):
    page = visit()
    with answered(page):  # what follows the name changes the fields, and with them what is told at one
        box(page, "en", "model").fill("<b>bold")
        page.keyboard.press("Enter")
    press(page, "en", "generate")
    expect(told_at(page, "en", "model_info")).to_have_text(f"There is no model '<b>bold'. {HUB[0]}")
    assert not page.locator(".validation-error b").count()


def test_a_prompt_and_a_class_of_markup_are_never_html(visit, tiny_app):
    markup = "<img id=stranger src=x onerror=alert(1)>"
    page = visit(url=tiny_app.url, tab="comparison")
    page.get_by_role("textbox", name=texts.say("en", "prompt")).locator("visible=true").fill(markup)
    press(page, "en", "compare")
    expect(page.locator(".answer:visible .thumbnail-lg img")).to_have_count(comparison.FIRST * (len(EMOJI) + 1))
    open_numbers(page, "en")
    assert page.locator("#stranger").count() == 0
    box(page, "en", "label").fill(markup)
    page.keyboard.press("Enter")
    press(page, "en", "compare")
    expect(page.locator(".validation-error:visible")).to_contain_text("<img id=stranger")
    assert page.locator("#stranger").count() == 0


FIFTY_A_SECOND = """async (button) => {
  for (let click = 0; click < 150; click++) {
    button.click();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}"""


def test_fifty_clicks_a_second_end_with_the_picture_of_the_last_and_an_empty_line(visit, tiny_app):
    page, before = visit(url=tiny_app.url), len(tiny_app.terminal)
    dice = page.get_by_role("button", name=texts.say("en", "dice"), exact=True)
    dice.evaluate(FIFTY_A_SECOND)
    page.wait_for_function(
        """() => {
          const seen = (selector) => [...document.querySelectorAll(selector)].filter((one) => one.offsetParent);
          const seed = seen("input[type=number]").map((one) => one.value), [first] = seen(".caption-label");
          return first && seed.some((one) => first.innerText.includes(`seed ${one} `)) && !seen(".progress-text, .eta-bar").length;
        }"""
    )
    with answered(page):  # nobody goes first any more
        press(page, "en", "generate")
    expect(pictures(page)).to_have_count(16)
    assert page.get_by_test_id("toast-body").count() == 0
    assert "Traceback" not in tiny_app.terminal[before:]


def test_a_model_s_whole_name_and_enter_choose_it_and_not_one_that_its_name_is_part_of(visit):
    page = visit()
    for name in ("gan-mnist", "dcgan-mnist", "vae-mnist"):
        box(page, "en", "model").fill(name)
        page.keyboard.press("Enter")
        expect(box(page, "en", "model")).to_have_value(name)


def test_the_dice_changes_the_seed_and_samples(visit):
    page = visit()
    press(page, "en", "dice")
    expect(pictures(page)).to_have_count(16)
    seed = page.get_by_label("Seed").locator("visible=true").first.input_value()
    assert seed != "0"
    expect(page.locator(".caption-label:visible").first).to_contain_text(f"seed {seed}")


def test_the_class_box_comes_with_the_classes_of_a_model_and_goes_with_one_that_has_none(visit, tiny_app):
    page, lang, name = visit("zh-CN", url=tiny_app.url), "zh", "食物与饮料"
    choose(page, lang, "label", name)
    press(page, lang, "generate")
    expect(page.locator(".caption-label:visible").last).to_contain_text(name)
    expect(page.locator(".cm-content:visible")).to_contain_text("label='food-drink'")
    choose(page, lang, "model", "gan-mnist")
    expect(page.get_by_role("combobox", name=texts.say(lang, "label")).locator("visible=true")).to_have_count(0)
    choose(page, lang, "model", "dcgan-mnist")
    expect(box(page, lang, "label")).to_have_value(texts.say(lang, "label_any"))
    choose(page, lang, "label", "7")
    press(page, lang, "generate")
    expect(page.locator(".cm-content:visible")).to_contain_text("label=7")


def test_the_class_box_follows_a_model_whose_name_was_typed(visit, tiny_app):
    page = visit(url=tiny_app.url)
    expect(box(page, "en", "label")).to_have_value("any")
    box(page, "en", "model").fill("vae-mnist")
    page.get_by_role("heading", level=1).click()
    expect(page.get_by_role("combobox", name="Class").locator("visible=true")).to_have_count(0)


def test_a_dropped_picture_of_another_model_brings_its_class_back(visit, tiny_app, tiny_weights, tmp_path):
    model = genart_hub.from_pretrained(tiny_weights / "dcgan-mnist")
    path = images.save_png(images.grid(model.sample(3, 5, label=7), 3), tmp_path / "grid.png", model.recipe(5, 3, label=7, columns=3))
    page = visit(url=tiny_app.url)
    with page.expect_request(lambda asked: '"data":["dcgan-mnist"]' in (asked.post_data or "")):  # the class box follows the model box
        page.locator('input[type="file"]').first.set_input_files(path)
    expect(page.locator(".caption-label:visible").last).to_contain_text("7 · seed 7")
    expect(box(page, "en", "model")).to_have_value("dcgan-mnist")
    with answered(page):
        press(page, "en", "generate")
    expect(box(page, "en", "label")).to_have_value("7")


def test_the_other_ladder_shows_its_models_and_its_classes(visit, tiny_app):
    page, lang = visit(url=tiny_app.url), "en"
    open_tab(page, lang, "comparison")
    press(page, lang, "compare")
    open_numbers(page, lang)
    expect(page.locator(".plot:visible")).to_have_count(1)
    titles, prompt = page.locator(".answer:visible .prose.title"), page.get_by_role("textbox", name=texts.say(lang, "prompt"))
    expect(titles).to_contain_text([*EMOJI, PIPELINE])
    expect(prompt.locator("visible=true")).to_have_value(texts.say(lang, "prompt_default"))
    page.get_by_label(texts.say(lang, "digits")).locator("visible=true").check()
    expect(titles).to_contain_text(["vae-mnist", "cvae-mnist", "gan-mnist", "dcgan-mnist"])  # as they came
    expect(page.locator(".plot:visible, .figures:visible")).to_have_count(0)
    expect(prompt.locator("visible=true")).to_have_count(0)
    choose(page, lang, "label", "7")
    press(page, lang, "compare")
    expect(pictures(page)).to_have_count(comparison.FIRST * len(DIGITS))
    expect(page.locator(".caption-label:visible", has_text="7 · ")).to_have_count(2 * comparison.FIRST)


@pytest.mark.parametrize(("locale", "viewport"), [("en-US", DESK), ("zh-CN", PHONE)], ids=["desk", "phone"])
def test_an_example_prompt_unfolds_in_one_row_of_pictures(visit, tiny_app, locale, viewport):
    page, lang = visit(locale, viewport=viewport, url=tiny_app.url), lang_of(locale)
    open_tab(page, lang, "comparison")
    page.get_by_role("button", name="雪人", exact=True).locator("visible=true").click()  # which draws
    expect(page.get_by_role("textbox", name=texts.say(lang, "prompt")).locator("visible=true")).to_have_value("雪人")
    strip = page.locator(".strip:visible .thumbnail-lg img")
    expect(strip).to_have_count(8)
    open_numbers(page, lang)
    expect(page.locator(".plot:visible .point")).to_have_count(2)
    places = [strip.nth(k).bounding_box() for k in range(8)]
    assert len({round(place["y"]) for place in places}) == 1
    assert [place["x"] for place in places] == sorted(place["x"] for place in places)
    sides = {round(page.locator(".answer:visible .thumbnail-lg img").nth(k).bounding_box()["width"]) for k in (0, 4, 8)}
    assert len(sides) == 1  # all models' pictures at one scale
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert "[object Object]" not in page.inner_text("body")


def test_stop_ends_a_comparison_between_steps_and_keeps_its_pictures(slow_app, visit):
    page = visit(url=slow_app.url)
    open_tab(page, "en", "comparison")
    page.get_by_label("How many pictures").locator("visible=true").first.fill("16")
    status = page.locator(".prose.status:visible")
    with answered(page):
        press(page, "en", "compare")
        expect(status).to_contain_text("step")
        press(page, "en", "stop")
    expect(status).to_have_text(re.compile(texts.say("en", "stopped_within", step=r"\d+", steps=60)))
    step = re.search(r"at step (\d+)", status.inner_text())[1]
    unfinished = page.get_by_text(texts.say("en", "stopped_at", step=step, steps=60), exact=True)
    expect(unfinished).to_be_visible()  # what stands there is no result
    expect(page.locator(".answer:visible .thumbnail-lg img").nth(16 * len(EMOJI) - 1)).to_be_visible()
    page.get_by_label("How many pictures").locator("visible=true").first.fill("1")
    press(page, "en", "compare")
    expect(page.locator(".answer:visible .thumbnail-lg img")).to_have_count(len(EMOJI) + 1)
    expect(unfinished).to_have_count(0)


def test_a_big_pipeline_asks_first_and_says_so_where_there_is_no_network(visit, tiny_app):
    page, lang = visit("zh-CN", url=tiny_app.url), "zh"
    open_tab(page, lang, "comparison")
    page.get_by_role("button", name=texts.say(lang, "big")).click()
    choose(page, lang, "big", "nota-ai/bk-sdm-tiny")
    expect(page.get_by_text("nota-ai/bk-sdm-tiny 不在这里的模型之中")).to_be_visible()
    expect(page.get_by_label(texts.say(lang, "big_agree"))).to_have_count(0)
    expect(page.locator(".answer:visible .prose.title")).to_contain_text([*EMOJI, PIPELINE])


def test_a_pipeline_in_the_sampling_tab_shows_a_prompt_in_place_of_truncation(visit, tiny_app):
    page = visit(url=tiny_app.url)
    prompt = page.get_by_role("textbox", name="Prompt").locator("visible=true")
    truncation = page.get_by_label("How close to the average").locator("visible=true")
    expect(truncation.first).to_be_visible()
    expect(prompt).to_have_count(0)
    choose(page, "en", "model", PIPELINE)
    expect(prompt.first).to_have_value("red apple")
    expect(truncation).to_have_count(0)
    prompt.first.fill("rocket")
    press(page, "en", "generate")
    expect(pictures(page)).to_have_count(16)
    expect(page.locator(".cm-content:visible")).to_contain_text("prompt='rocket'")
    choose(page, "en", "model", "gan-mnist")
    expect(prompt).to_have_count(0)
    expect(truncation.first).to_be_visible()


def test_the_vae_and_the_gan_move_to_the_same_ladder(visit, tiny_app):
    page = visit(url=tiny_app.url)
    open_tab(page, "en", "reconstruction")
    expect(box(page, "en", "vae")).to_have_value("conv-vae-emoji")
    expect(box(page, "en", "gan")).to_have_value("dcgan-emoji")
    choose(page, "en", "gan", "gan-mnist")
    expect(box(page, "en", "vae")).to_have_value("cvae-mnist")
    with answered(page):
        choose(page, "en", "vae", "vae-mnist")
    expect(box(page, "en", "gan")).to_have_value("gan-mnist")
    choose(page, "en", "vae", "conv-vae-emoji")
    expect(box(page, "en", "gan")).to_have_value("dcgan-emoji")


def test_the_chosen_picture_is_the_one_to_download(visit):
    page = visit()
    press(page, "en", "generate")
    expect(pictures(page)).to_have_count(16)
    assert downloaded(page, "en", "one").endswith("-0.png")
    with answered(page):
        pictures(page).nth(3).click()
    assert downloaded(page, "en", "one").endswith("-3.png")
    page.keyboard.press("Escape")  # out of the large view
    assert downloaded(page, "en", "grid").endswith("-0-grid.png")
    assert downloaded(page, "en", "zip").endswith("-0.zip")


@pytest.mark.parametrize(("locale", "viewport"), [("en-US", DESK), ("zh-CN", PHONE)])
def test_a_click_on_a_picture_opens_its_sheet(visit, locale, viewport):
    page, lang = visit(locale, viewport=viewport), lang_of(locale)
    press(page, lang, "generate")
    expect(pictures(page)).to_have_count(16)
    page.locator(".thumbnail-lg:visible").nth(2).click()
    sheet = page.locator(".sheet")
    expect(sheet.locator(".drawn-from dd").nth(1)).to_have_text("2")
    expect(sheet.locator(".bars svg")).to_have_attribute("aria-label", re.compile("128"))
    expect(sheet.locator(".thumbnail-lg img")).to_have_count(4)
    with page.expect_download() as download:
        sheet.get_by_role("link", name=texts.say(lang, "sheet_recipe")).or_(
            sheet.get_by_text(texts.say(lang, "sheet_recipe"))
        ).first.click()
    assert images.read_recipe(download.value.path())["seed"] == 2
    with page.expect_download() as download:
        sheet.get_by_text(texts.say(lang, "sheet_large")).first.click()
    with Image.open(download.value.path()) as large:
        assert large.size == (512, 512)
    walk = sheet.get_by_role("link", name=texts.say(lang, "sheet_walk"))
    assert {"tab=interpolation", "seeds=2%2C+3%2C+4%2C+5", f"lang={lang}"} <= set(walk.get_attribute("href").removeprefix("?").split("&"))
    sheet.get_by_role("button", name=texts.say(lang, "sheet_rebuild")).click()
    expect(page.get_by_role("tab", name=texts.say(lang, "reconstruction"), exact=True)).to_have_attribute("aria-selected", "true")
    expect(page.locator(".figure:visible").filter(has_text=re.compile(r"0\.\d{4}")).first).to_be_visible()
    expect(sheet).not_to_have_class(re.compile(r"\bopen\b"))


def test_escape_closes_the_sheet_and_its_address_opens_the_same_picture(visit):
    page = visit()
    press(page, "en", "generate")
    expect(pictures(page)).to_have_count(16)
    page.locator(".thumbnail-lg:visible").nth(3).click()
    sheet = page.locator(".sheet")
    address = sheet.get_by_role("link", name=texts.say("en", "sheet_link"))
    expect(address).to_be_visible()
    href = address.get_attribute("href")
    assert "&n=1&seed=3&" in href
    page.keyboard.press("Escape")
    expect(sheet).not_to_have_class(re.compile(r"\bopen\b"))
    again = visit(url=page.url.partition("?")[0] + href, tab=None)
    expect(pictures(again)).to_have_count(1)
    expect(again.get_by_text(re.compile("seed 3")).first).to_be_visible()


def test_a_symbol_of_a_formula_lights_its_box_and_a_box_its_symbols(visit):
    page = visit(tab="path")
    page.get_by_role("radio").nth(2).check()
    drawing, formula = page.locator(".machine:visible"), page.locator(".katex-html:visible .mord")
    expect(drawing.locator("img")).to_have_count(4)
    sizes = drawing.locator("img").evaluate_all("all => Promise.all(all.map(async (one) => (await one.decode(), one.naturalWidth)))")
    assert all(sizes)
    for symbol in ("z", "μ"):
        formula.filter(has_text=re.compile(f"^{symbol}$")).first.hover()
        expect(drawing.locator(".box.lit").first).to_be_visible()
        assert {box.get_attribute("data-symbol") for box in drawing.locator(".box.lit").all()} == {symbol}
    drawing.locator('.box[data-symbol="z"]').focus()
    expect(page.locator(".katex-html:visible .mord.lit").first).to_have_text("z")


def test_after_another_draw_the_open_picture_is_the_one_to_download(visit, tiny_app):
    page = visit(url=tiny_app.url)
    press(page, "en", "generate")
    expect(pictures(page)).to_have_count(16)
    with answered(page):
        pictures(page).nth(3).click()
    page.get_by_label("Seed").locator("visible=true").first.fill("100")
    press(page, "en", "generate")
    expect(page.locator(".preview:visible img").first).to_have_attribute("src", re.compile(r"-103\.png$"))
    assert downloaded(page, "en", "one").endswith("-103.png")
    with answered(page):
        page.locator(".preview:visible").get_by_role("button", name="Close").click()
    page.get_by_label("Seed").locator("visible=true").first.fill("200")
    press(page, "en", "generate")
    expect(page.locator(".caption-label:visible").first).to_contain_text("seed 200")
    assert downloaded(page, "en", "one").endswith("-200.png")


def test_pictures_come_out_of_the_noise_until_stop_in_the_reader_s_language(slow_app, visit):
    page, lang = visit("zh-CN", url=slow_app.url), "zh"
    choose(page, lang, "model", PIPELINE)
    status = page.locator(".prose.status:visible")
    with answered(page):
        press(page, lang, "generate")
        expect(status).to_contain_text("/ 60 步")
        expect(pictures(page)).to_have_count(16)
        assert "step-" in pictures(page).first.get_attribute("src")
        assert not re.search(r"[a-z]{4,}", status.inner_text().replace(PIPELINE, ""))
        page.get_by_role("button", name=texts.say(lang, "stop"), exact=True).locator("visible=true").click()
    expect(status).to_have_text(texts.say(lang, "stopped"))
    expect(pictures(page)).to_have_count(16)


def test_a_dropped_picture_brings_its_recipe_and_its_pictures_back(visit, tmp_path):
    model = genart_hub.from_pretrained("vae-mnist")
    recipe = model.recipe(321, 5, truncation=0.5, columns=5)
    path = images.save_png(images.grid(model.sample(5, 321, truncation=0.5), 5), tmp_path / "grid.png", recipe)
    page = visit()
    page.locator('input[type="file"]').first.set_input_files(path)
    expect(pictures(page)).to_have_count(5)
    expect(page.locator(".caption-label:visible").last).to_have_text("seed 325")
    expect(page.get_by_label("Seed").locator("visible=true").first).to_have_value("321")
    expect(page.locator(".cm-content:visible")).to_contain_text("truncation=0.5")


def test_a_text_renamed_to_png_is_told_at_the_picture(visit, tmp_path):
    (tmp_path / "letter.png").write_text("no picture")
    page = visit("zh-CN")
    open_tab(page, "zh", "reconstruction")
    upload = block(page, "zh", "upload").locator('input[type="file"]')
    upload.set_input_files(tmp_path / "letter.png")
    block(page, "zh", "upload").locator('img[src*="letter.png"]').wait_for(state="attached")
    press(page, "zh", "reconstruct")
    expect(told_at(page, "zh", "upload")).to_have_text(
        "letter.png 不是可读的图片（不是已知的图片格式）。请使用 PNG、JPEG、GIF 或 WebP 文件。"
    )


@pytest.mark.parametrize(
    ("locale", "key", "sentence"),
    [
        ("en-US", "reconstruct", "There is no picture yet. Upload one, draw one, or pick an example."),
        ("zh-CN", "invert", "还没有图片。请上传、画一幅，或选择一个示例。"),
    ],
)
def test_no_picture_is_told(visit, locale, key, sentence):
    page, lang = visit(locale), lang_of(locale)
    open_tab(page, lang, "reconstruction")
    press(page, lang, key)
    expect(page.get_by_text(sentence).first).to_be_visible()


def test_a_drawing_becomes_the_picture_and_is_reconstructed(visit, tmp_path):
    page = visit()
    open_tab(page, "en", "reconstruction")
    page.get_by_role("button", name="Draw a digit").click()
    canvas = page.get_by_role("img", name=ALTS["paper"][0], exact=True).first
    for k in range(8):  # each once the canvas lies still
        canvas.hover(position={"x": 170, "y": 140 + 20 * k})
        if k == 0:
            page.mouse.down()
    page.mouse.up()
    press(page, "en", "use_drawing")
    used = page.locator('img[src*="drawing.png"]:visible')
    used.wait_for()
    assert is_drawn(used)
    (tmp_path / "drawing.png").write_bytes(page.request.get(used.get_attribute("src")).body())
    drawn = Image.open(tmp_path / "drawing.png").convert("L")
    assert drawn.getextrema() == (0, 255)
    assert 0.005 < drawn.point(lambda level: 255 * (level < 128)).histogram()[255] / drawn.width / drawn.height < 0.3
    expect(box(page, "en", "vae")).to_have_value("vae-mnist")
    expect(box(page, "en", "gan")).to_have_value("dcgan-mnist")
    press(page, "en", "reconstruct")
    expect(page.get_by_text(re.compile(FIGURE["en"]))).to_contain_text("a classifier sees 1 in it")


def test_answers_come_and_go_with_their_picture_and_go_with_their_ladder(visit, tiny_app):
    page = visit(url=tiny_app.url)
    open_tab(page, "en", "reconstruction")
    figure = page.get_by_text(re.compile(FIGURE["en"]))
    example(page, 8).click()
    expect(figure).to_have_count(1)
    leaving = (
        lambda: choose(page, "en", "vae", "vae-mnist"),
        lambda: page.get_by_label(texts.say("en", "tidy")).click(),
    )
    for leave in leaving:
        before = page.locator(".figure:visible").first.inner_text()
        with answered(page):
            example(page, 7).click()
        expect(figure).not_to_have_text(before)  # of the other picture
        expect(figure).to_have_count(1)
        leave()
        expect(figure).to_have_count(0)
        expect(answer(page, "en", "seen").locator("img")).to_have_count(0)
        expect(page.locator(".opened-note")).to_have_text(WORDS["none"][0])
        example(page, 8).click()
        expect(figure).to_have_count(1)


def test_names_that_the_models_know_are_offered_while_one_types(visit):
    page = visit(tab="comparison")
    prompt = page.get_by_label(texts.say("en", "prompt")).locator("visible=true").first
    prompt.fill("")
    prompt.press_sequentially("rocke")
    offered = page.locator(".names datalist option")
    expect(offered.first).to_have_attribute("value", "rocket")
    assert prompt.evaluate("(input) => input.list && input.list.options.length > 0")
    prompt.fill("红苹")
    expect(offered.first).to_have_attribute("value", "红苹果")


def test_prompts_that_fail_on_purpose_are_folded_away_and_draw(visit, tiny_app):
    page, lang = visit("zh-CN", url=tiny_app.url, tab="comparison"), "zh"
    page.get_by_role("button", name=texts.say(lang, "cannot")).click()
    page.get_by_role("button", name="cat on a bicycle", exact=True).locator("visible=true").click()
    expect(page.get_by_label(texts.say(lang, "prompt")).locator("visible=true").first).to_have_value("cat on a bicycle")
    expect(page.locator(".strip:visible .thumbnail-lg img")).to_have_count(8)


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_every_picture_to_try_has_a_name_and_brings_the_models_of_its_ladder(visit, tiny_app, locale):
    page, lang = visit(locale, url=tiny_app.url, tab="reconstruction"), lang_of(locale)
    names = [name for ladder in ("digits", "emoji") for name in texts.say(lang, f"example_{ladder}").split("|")[1:]]
    expect(page.locator("button.pick:visible")).to_have_count(12)
    assert [example(page, k).get_attribute("aria-label") for k in range(12)] == names
    page.get_by_role("button", name=names[2], exact=True).click()
    expect(box(page, lang, "vae")).to_have_value("cvae-mnist")
    expect(box(page, lang, "gan")).to_have_value("dcgan-mnist")
    choose(page, lang, "gan", "gan-mnist")
    page.get_by_role("button", name=names[3], exact=True).click()
    expect(block(page, lang, "upload").locator('img[src*="digit-4"]')).to_be_visible()
    expect(box(page, lang, "gan")).to_have_value("gan-mnist")  # it stands on the ladder already
    page.get_by_role("button", name=names[8], exact=True).click()
    expect(box(page, lang, "vae")).to_have_value("conv-vae-emoji")
    expect(box(page, lang, "gan")).to_have_value("dcgan-emoji")


def test_stop_ends_an_inversion_early_and_keeps_its_best_picture(visit):
    page = visit()
    open_tab(page, "en", "reconstruction")
    example(page, 3).click()
    expect(block(page, "en", "upload").locator('img[src*="digit-4"]')).to_be_visible()
    page.get_by_label("Steps").locator("visible=true").first.fill("1000")
    figure = page.get_by_text(re.compile(r"^Step \d+ of 1000"))
    with answered(page):
        press(page, "en", "invert")
        figure.wait_for()
        press(page, "en", "stop")
    assert int(re.match(r"Step (\d+)", figure.inner_text())[1]) < 1000
    press(page, "en", "reconstruct")  # the queue is free again
    expect(page.get_by_text(re.compile(FIGURE["en"]))).to_be_visible()
