"""The app for readers who hear it, use no mouse, see little contrast, or want no motion."""

import os
import re
from pathlib import Path

import gradio as gr
import pytest
from browsing import DESK, PHONE, TABS, choose, example, expect, lang_of, open_numbers, open_tab, pictures, press

from genart_hub.ui import texts, theme

axe = pytest.importorskip("axe_playwright_python") if not os.environ.get("CI") else __import__("axe_playwright_python")
AXE = (Path(axe.__file__).with_name("axe.min.js")).read_text("utf-8")
WIDE = {"width": 1440, "height": 900}
LANGUAGES = pytest.mark.parametrize("locale", ["en-US", "zh-CN"])

# ---- axe-core ----


SETTLED = """() => Promise.all(document.getAnimations()
  .filter((one) => Number.isFinite(one.effect.getComputedTiming().endTime)).map((one) => one.finished.catch(() => null)))"""


def barriers(page, where: str) -> list[str]:
    """What axe-core calls critical or serious on the page as it stands, one line an element; it must not find a page without pictures."""
    if not page.evaluate("Boolean(window.axe)"):
        page.evaluate(AXE)
    page.evaluate(SETTLED)  # what is half faded in has no colour of its own
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    assert len(found["passes"]) > 15, where
    return [
        f"{where}: {rule['id']} ({rule['impact']}): {one['target'][0]}: {one['failureSummary']} {one['html'][:200]}"
        for rule in found["violations"]
        if rule["impact"] in ("critical", "serious")
        for one in rule["nodes"]
    ]


NAMES = """() => [...document.querySelectorAll('img, canvas, [aria-label]')].filter((one) =>
  one.checkVisibility({ visibilityProperty: true }) && !one.closest('footer, .pick, [aria-hidden=true]')
).map((one) => one.getAttribute('aria-label') ?? one.alt ?? '')"""
NO_WORDS = r"[\w./-]*(?:mnist|emoji|sd|Diffusion)[\w-]*|Stable|VAE|PNG|s?lerp|Language|English|\b[a-z-]+-[\d]+\b"  # of models, languages


def unnamed(page, lang: str, where: str) -> list[str]:
    """Pictures and controls without a name, and names that are not in the reader's language."""
    names = page.evaluate(NAMES)
    assert names, where
    foreign = re.compile(r"[A-Za-z]{4,}" if lang == "zh" else r"[\u4e00-\u9fff]")
    known = "|".join([NO_WORDS, "·.*"]) if lang == "zh" else "中文|语言|红苹果|雪人"
    return [f"{where}: {name!r}" for name in names if not name.strip() or foreign.search(re.sub(known, "", name))]


def unfold(page) -> None:
    """Open whatever is folded away on the open tab."""
    folded = page.locator("button.label-wrap:visible:not(.open)")
    while folded.count():
        folded.first.press("Enter")


@pytest.mark.parametrize(  # each language in both themes and at both widths, each theme at both widths
    ("locale", "scheme", "viewport"),
    [("en-US", "light", WIDE), ("en-US", "dark", PHONE), ("zh-CN", "light", PHONE), ("zh-CN", "dark", WIDE)],
    ids=["en-light-1440", "en-dark-390", "zh-light-390", "zh-dark-1440"],
)
def test_no_tab_has_a_barrier(visit, tiny_app, locale, viewport, scheme):
    page, lang, found = visit(locale, scheme, viewport, tab=None), lang_of(locale), []

    def look(where: str) -> None:
        found.extend(barriers(page, where) + unnamed(page, lang, where))

    page.wait_for_function("[...document.querySelectorAll('.answer .stage canvas')].some((one) => one.width > 100)")
    look("comparison")

    open_tab(page, lang, "path")
    page.get_by_role("radio").locator("visible=true").nth(2).check()  # the VAE's: a drawing, formulas, code
    expect(page.locator(".katex-html:visible").first).to_be_visible()
    expect(page.locator(".cm-content:visible")).to_be_visible()
    unfold(page)
    look("path")

    open_tab(page, lang, "sampling")
    look("sampling, nothing drawn")
    seed = page.get_by_label(texts.say(lang, "seed")).locator("visible=true").first
    seed.fill("-1")
    press(page, lang, "generate")
    expect(page.locator("div.validation-error:visible")).to_have_count(1)
    look("an error")
    seed.fill("0")
    press(page, lang, "generate")
    expect(pictures(page)).to_have_count(16)
    unfold(page)
    look("sampling")
    page.locator(".thumbnail-lg:visible").nth(2).click()
    expect(page.locator(".sheet .thumbnail-lg img")).to_have_count(4)
    page.locator(".sheet").evaluate("(sheet) => Promise.all(sheet.getAnimations({ subtree: true }).map((one) => one.finished))")
    look("sheet")
    page.keyboard.press("Escape")
    expect(page.locator(".sheet .sidebar-content")).to_be_hidden()

    open_tab(page, lang, "interpolation")
    unfold(page)
    page.locator("input[type=number]:visible").first.fill("8")
    press(page, lang, "walk")
    expect(page.locator(".image-frame:visible img")).to_have_attribute("src", re.compile("walk"))
    look("interpolation")

    open_tab(page, lang, "reconstruction")
    example(page, 1).click()
    expect(page.locator('.image-frame:visible img[src*="digit-2"]')).to_be_visible()
    press(page, lang, "reconstruct")
    expect(page.locator(".figure:visible p").first).to_have_text(re.compile(r"0\.\d{4}"))
    unfold(page)
    look("reconstruction")

    open_tab(page, lang, "training")
    expect(page.locator(".film canvas:visible").first).to_be_visible()
    unfold(page)
    look("training")

    page.goto(tiny_app.url)  # whose models answer at once
    press(page, lang, "compare")
    expect(page.locator(".answer:visible .thumbnail-lg img").last).to_be_visible()
    open_numbers(page, lang)
    unfold(page)
    expect(page.locator(".plot:visible .point")).to_have_count(2)
    look("numbers")
    assert not found, "\n".join(found)


# ---- colours that axe-core cannot judge: gradients ----


def luminance(colour: str) -> float:
    """WCAG 2.2's relative luminance of #rrggbb."""
    levels = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    r, g, b = (level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4 for level in levels)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_that_of_the_standard():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)  # the standard's well-known grey that just fails


@pytest.mark.parametrize("name", [name for name in vars(theme.THEME) if name.startswith("button_primary_background_fill")])
def test_white_is_read_on_both_ends_of_a_button_s_gradient(name):
    ends = re.findall(r"\*(primary|secondary)_(\d+)", getattr(theme.THEME, name) or "")
    assert len(ends) == 2
    for hue, step in ends:
        colour = getattr({"primary": gr.themes.colors.indigo, "secondary": gr.themes.colors.rose}[hue], f"c{step}")
        assert contrast(colour, "#ffffff") >= 4.5, name


# ---- the keyboard ----


def reach(page, selector: str, key: str = "Tab", most: int = 120) -> None:
    """Press a key until what the selector names has the focus. Whatever has it in between must show it."""
    for _ in range(most):
        page.keyboard.press(key)
        stop = page.evaluate(
            """(selector) => {
              const one = document.activeElement, label = one.closest("label"), style = (of) => getComputedStyle(of);
              const ringed = [one, label].some((of) => of && style(of).outlineStyle !== "none" && parseFloat(style(of).outlineWidth) >= 2);
              return { there: one.matches(selector), ringed: ringed || one === document.body, what: one.outerHTML.slice(0, 200) };
            }""",
            selector,
        )
        assert stop["ringed"], stop["what"]
        if stop["there"]:
            return
    raise AssertionError(f"{selector} is not reached")


FOCUSED = "document.activeElement"


@pytest.mark.parametrize(("locale", "scheme"), [("en-US", "light"), ("zh-CN", "dark")])
def test_a_first_visit_by_the_keyboard_alone(visit, tiny_app, locale, scheme):
    page, lang = visit(locale, scheme, url=tiny_app.url, tab=None), lang_of(locale)
    reach(page, '[role="tab"][aria-selected="true"]')
    reach(page, "input[type=text]")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("blue apple")
    page.keyboard.press("Enter")
    expect(page.locator(".answer:visible .thumbnail-lg img")).to_have_count(12)
    expect(page.locator(".strip:visible .thumbnail-lg img")).to_have_count(8)

    reach(page, ".answer .thumbnail-lg")
    page.keyboard.press("Tab")  # the second
    chosen = page.evaluate(f"{FOCUSED}.querySelector('img').src")
    page.keyboard.press("Enter")
    sheet = page.locator(".sheet")
    expect(sheet.locator(".drawn-from dd").nth(1)).to_have_text("1")
    page.wait_for_function("document.querySelector('.sheet').contains(document.activeElement)")
    reach(page, ".sheet a[href*=seed]")
    page.keyboard.press("Escape")
    expect(sheet.locator(".sidebar-content")).to_be_hidden()
    page.wait_for_function(f"{FOCUSED}.matches('.thumbnail-item') && {FOCUSED}.querySelector('img').src === '{chosen}'")
    page.keyboard.press("Escape")  # the gallery's own view of it
    page.wait_for_function(f"{FOCUSED}.matches('.thumbnail-lg') && {FOCUSED}.querySelector('img').src === '{chosen}'")

    reach(page, '[role="tab"]', "Shift+Tab")
    names = [texts.say(lang, name) for name in TABS]
    for key, name in (("ArrowRight", names[1]), ("ArrowLeft", names[0]), ("End", names[-1]), ("ArrowRight", names[0]), ("Home", names[0])):
        page.keyboard.press(key)
        tab = page.get_by_role("tab", name=name, exact=True)
        expect(tab).to_have_attribute("aria-selected", "true")
        expect(tab).to_be_focused()


def test_space_opens_a_picture_too_and_a_mouse_leaves_the_focus_at_the_picture(visit, tiny_app):
    page = visit(url=tiny_app.url)
    press(page, "en", "generate")
    expect(pictures(page)).to_have_count(16)
    page.locator(".thumbnail-lg:visible").nth(5).focus()
    page.keyboard.press("Space")
    sheet = page.locator(".sheet")
    expect(sheet.locator(".drawn-from dd").nth(1)).to_have_text("5")
    expect(sheet.locator(".toggle-button")).to_be_focused()
    page.keyboard.press("Enter")
    expect(sheet.locator(".sidebar-content")).to_be_hidden()
    expect(page.locator(".thumbnail-small.selected:visible")).to_be_focused()
    page.locator(".thumbnail-small:visible").nth(6).click()
    expect(sheet.locator(".drawn-from dd").nth(1)).to_have_text("6")
    expect(sheet.locator(".toggle-button")).not_to_be_focused()


@LANGUAGES
def test_a_chip_draws_by_the_keyboard(visit, tiny_app, locale):
    page, lang = visit(locale, url=tiny_app.url, tab=None), lang_of(locale)
    reach(page, "button.gallery-item")
    wish = page.evaluate(f"{FOCUSED}.innerText")
    page.keyboard.press("Enter")
    expect(page.get_by_label(texts.say(lang, "prompt")).locator("visible=true").first).to_have_value(wish)
    expect(page.locator(".answer:visible .thumbnail-lg img")).to_have_count(12)


# ---- names ----


@LANGUAGES
def test_a_picture_is_called_by_what_drew_it_and_by_what_it_shows(visit, tiny_app, locale):
    page, lang = visit(locale, url=tiny_app.url), lang_of(locale)
    choose(page, lang, "model", "dcgan-mnist")
    press(page, lang, "generate")
    expect(pictures(page)).to_have_count(16)
    shown = re.sub(r"[▰▱]+ ", "", page.locator(".caption-label:visible").nth(3).inner_text())
    expect(page.get_by_role("button", name=shown, exact=True)).to_be_visible()
    assert texts.say(lang, "caption", seed=3) in shown
    page.get_by_role("button", name=shown, exact=True).click()
    facts = f"{texts.say(lang, 'sheet')}: {texts.say(lang, 'model')} dcgan-mnist, {texts.say(lang, 'seed')} 3"
    expect(page.locator(".sheet .image-frame img")).to_have_attribute("alt", re.compile("^" + re.escape(facts)))
    dialog = page.get_by_role("dialog", name=texts.say(lang, "sheet"), exact=True)
    expect(dialog).to_be_visible()
    near = texts.say(lang, "sheet_around")
    expect(dialog.locator(".thumbnail-lg img").nth(1)).to_have_attribute("alt", re.compile("^" + re.escape(near) + ".*2"))
    open_tab(page, lang, "comparison")
    press(page, lang, "compare")
    drawn = page.locator(".answer:visible .thumbnail-lg img")
    head = page.locator(".answer:visible h3").first.inner_text()
    expect(drawn.first).to_have_attribute("alt", re.compile(re.escape(head) + ": .*" + re.escape(texts.say(lang, "caption", seed=0))))


# ---- less motion ----


@pytest.mark.parametrize(("wanted", "moves"), [("no-preference", True), ("reduce", False)])
def test_nothing_slides_or_turns_for_a_reader_who_wants_less_motion(visit, tiny_app, wanted, moves):
    page = visit(url=tiny_app.url, reduced_motion=wanted, viewport=DESK)
    seconds = page.evaluate(
        """() => Math.max(...[...document.querySelectorAll("*")].flatMap((one) => {
          const { transitionDuration, animationDuration, animationName } = getComputedStyle(one);
          return [...transitionDuration.split(","), ...(animationName === "none" ? [] : animationDuration.split(","))].map(parseFloat);
        }))"""
    )
    assert (seconds > 0.001) == moves
