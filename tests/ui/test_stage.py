"""The stage: on a page without a server, and in the Comparison, whose pictures move before anything is asked."""

import base64
import io
import re

import pytest
from browsing import PHONE, expect, lang_of, press
from PIL import Image
from running import DIGITS, EMOJI, PIPELINE

from genart_hub import ui
from genart_hub.models import auto
from genart_hub.ui import answers, comparison, sprites, stage, texts

SIDE = 8
COLOURS = ("red", "lime", "blue")  # a frame each


@pytest.fixture
def sheet() -> str:
    """A sheet of three frames and two pictures, each frame of one colour."""
    picture = Image.new("RGB", (3 * SIDE, 2 * SIDE))
    for k, colour in enumerate(COLOURS):
        picture.paste(colour, (k * SIDE, 0, (k + 1) * SIDE, 2 * SIDE))
    file = io.BytesIO()
    picture.save(file, format="PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


@pytest.fixture
def plain(browser, sheet):
    """plain(**options of the context): a page of one canvas and one button, which no server knows."""
    contexts, wrong = [], []

    def plain(**options):
        contexts.append(browser.new_context(viewport={"width": 400, "height": 400}, **options))
        page = contexts[-1].new_page()
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.set_content(
            f"<style>{stage.CSS}</style><div class=stage style='width: 200px'><canvas></canvas></div><button></button>"
            f"<div style='height: 3000px'></div><script>{stage.SCRIPT}</script>"
        )
        page.evaluate(
            """(sheet) => {
              const asked = window.requestAnimationFrame;
              window.drawn = 0;
              window.requestAnimationFrame = (draw) => asked((now) => { window.drawn++; draw(now); });
              const options = { sheet, frames: 3, pictures: 2, side: 8, gap: 2, fps: 20, alt: "two squares" };
              window.player = stage(document.querySelector("canvas"), options);
              window.size = [player.canvas.width, player.canvas.height, player.canvas.clientHeight];
              stage.control(document.querySelector("button"), { play: "Play", pause: "Pause" });
            }""",
            sheet,
        )
        return page

    yield plain
    for context in contexts:
        context.close()
    assert not wrong


COLOUR = "[...player.pen.getImageData(4, 4, 1, 1).data].slice(0, 3).join()"


def test_a_page_without_a_server_plays_a_sheet(plain):
    page = plain()
    for colour in ("255,0,0", "0,255,0", "0,0,255", "255,0,0"):  # round and round
        page.wait_for_function(f"{COLOUR} === '{colour}'")
    assert page.evaluate("player.pen.getImageData(8, 4, 2, 1).data.every((level) => level === 0)")  # between the pictures
    canvas = page.locator("canvas")
    assert canvas.get_attribute("role") == "img"
    assert canvas.get_attribute("aria-label") == "two squares"
    assert canvas.evaluate("(canvas) => getComputedStyle(canvas).imageRendering") == "pixelated"


def test_the_canvas_has_its_size_before_its_sheet_is_there(plain):
    page = plain()
    page.wait_for_function("player.sheet")
    assert page.evaluate("window.size") == [18, 8, page.evaluate("player.canvas.clientHeight")]
    assert page.evaluate("player.canvas.clientWidth") == 200


def test_the_button_pauses_and_plays(plain):
    page, button = plain(), None
    page.wait_for_function("player.frame === 1")
    button = page.locator("button")
    expect(button).to_have_attribute("aria-label", "Pause")
    button.click()
    expect(button).to_have_attribute("aria-label", "Play")
    assert stands(page)
    button.click()
    page.wait_for_function("player.frame !== 1")
    page.wait_for_function("player.frame === 1")


def test_a_reader_who_wants_less_motion_sees_the_first_frame_until_he_plays_it(plain):
    page = plain(reduced_motion="reduce")
    page.wait_for_function(f"{COLOUR} === '255,0,0'")
    assert stands(page)
    assert page.evaluate("player.frame") == 0
    expect(page.locator("button")).to_have_attribute("aria-label", "Play")
    page.locator("button").click()
    page.wait_for_function("player.frame === 2")


@pytest.mark.parametrize(
    ("leave", "come"),
    [
        ("scrollTo(0, 2000)", "scrollTo(0, 0)"),
        ("document.querySelector('.stage').style.display = 'none'", "document.querySelector('.stage').style.display = ''"),
        (
            "Object.defineProperty(document, 'hidden', { value: true, configurable: true })",
            "(delete document.hidden, document.dispatchEvent(new Event('visibilitychange')))",
        ),
    ],
    ids=["scrolled away", "not displayed", "a hidden page"],
)
def test_what_nobody_sees_draws_nothing(plain, leave, come):
    page = plain()
    page.wait_for_function("player.frame === 2")
    page.evaluate(leave)
    assert stands(page)
    page.evaluate(come)
    before = page.evaluate("window.drawn")
    page.wait_for_function(f"window.drawn > {before} + 5")


def stands(page) -> bool:
    """Whether no frame is asked for any more: as many were drawn after a third of a second as before it, once the last has come."""
    return page.evaluate(
        """async () => {
          const pass = (time) => new Promise((done) => setTimeout(done, time));
          await pass(100);
          const before = window.drawn;
          await pass(350);
          return window.drawn === before;
        }"""
    )


def test_another_sheet_fades_in_and_a_late_one_does_not_come_back(plain, sheet):
    page = plain()
    page.wait_for_function("player.sheet")
    green = Image.new("RGB", (SIDE, SIDE), "lime")
    file = io.BytesIO()
    green.save(file, format="PNG")
    address = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
    page.evaluate(
        f"""async ([late, last]) => {{
          while ({COLOUR} === '0,255,0') await new Promise(requestAnimationFrame);  // from lime to lime there is nothing to see
          player.show({{ sheet: late, frames: 3, pictures: 2 }});
          player.show({{ sheet: last, fade: 1 }});
        }}""",
        [sheet, address],
    )
    page.wait_for_function(f"player.past && {COLOUR} !== '0,255,0'")
    page.wait_for_function(f"!player.past && {COLOUR} === '0,255,0'")
    assert page.evaluate("[player.canvas.width, player.canvas.height]") == [SIDE, SIDE]


# ---- in the app ----

browsing = pytest.mark.browser
PICTURE = "(canvas) => canvas.toDataURL()"
DRAWN = """() => {  // the sheet of the first canvas has come, and is on it
  const canvas = [...document.querySelectorAll(".answer .stage canvas")].find((one) => one.checkVisibility());
  return canvas && canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some((level) => level > 0);
}"""
STANDS = """(canvas) => new Promise((done) => {  // whether a canvas looks the same for a dozen frames in which others could have come
  const before = canvas.toDataURL(), begun = performance.now();
  let frames = 0;
  requestAnimationFrame(function look() {
    if (canvas.toDataURL() !== before) done(false);
    else if (++frames > 12 && performance.now() - begun > 600) done(true);
    else requestAnimationFrame(look);
  });
})"""


def canvases(page):
    return page.locator(".answer:visible .stage canvas")


def frames_change(page, k: int) -> bool:
    """Whether canvas k comes to look unlike now."""
    canvas = canvases(page).nth(k)
    before = canvas.evaluate(PICTURE)
    page.wait_for_function(
        "([k, before]) => [...document.querySelectorAll('.answer .stage canvas')]"
        ".filter((one) => one.checkVisibility())[k].toDataURL() !== before",
        arg=[k, before],
    )
    return True


@browsing
@pytest.mark.parametrize(("locale", "options"), [("en-US", {}), ("zh-CN", {"viewport": PHONE})], ids=["desk", "phone"])
def test_every_column_moves_before_a_click_and_the_answers_take_its_place(visit, locale, options):
    page, lang = visit(locale, tab=None, **options), lang_of(locale)
    names = sorted((name for name in auto.bundled() if name.endswith("-emoji")), key=answers.history_of)
    expect(canvases(page)).to_have_count(len(names))
    page.wait_for_function("[...document.querySelectorAll('.answer .stage canvas')].every((one) => one.width > 100)")
    for k, name in enumerate(names):
        canvases(page).nth(k).scroll_into_view_if_needed()
        assert frames_change(page, k), name
        told = texts.say(lang, f"stage_{sprites.sprite_of(name).kind}")
        expect(canvases(page).nth(k)).to_have_attribute("aria-label", f"{name}: {told}")
        expect(canvases(page).nth(k)).to_have_attribute("role", "img")
        expect(page.locator(".answer:visible .stage-caption").nth(k)).to_have_text(told)
    press(page, lang, "compare")
    expect(page.locator(".answer:visible .thumbnail-lg img")).to_have_count(comparison.FIRST * len(names))
    expect(canvases(page)).to_have_count(0)


@browsing
def test_the_other_set_of_pictures_moves_too_and_what_is_left_behind_stands_still(visit):
    page = visit(tab=None)
    page.get_by_label(texts.say("en", "digits")).locator("visible=true").check()
    names = [name for name in auto.bundled() if name.endswith("-mnist")]
    expect(canvases(page)).to_have_count(len(names))
    for k in range(len(names)):
        assert frames_change(page, k)


@browsing
def test_the_app_moves_nothing_for_a_reader_who_wants_less_motion_until_he_plays_it(visit):
    page = visit("zh-CN", tab=None, reduced_motion="reduce")
    pause, play = texts.say("zh", "stage_control").split("|")
    button = page.get_by_role("button", name=play, exact=True)
    expect(button).to_be_visible()
    page.wait_for_function(DRAWN)
    watched = canvases(page).first.element_handle()
    assert watched.evaluate(STANDS)
    button.click()
    expect(page.get_by_role("button", name=pause, exact=True)).to_be_visible()
    assert frames_change(page, 0)


@browsing
def test_a_model_that_takes_steps_fades_in_its_own_place(slow_app, visit):
    page = visit(url=slow_app.url, tab=None)
    expect(page.locator(".answer:visible")).to_have_count(len(EMOJI) + 1)
    press(page, "en", "compare")
    expect(page.locator(".prose.status:visible")).to_contain_text("step")
    canvas = page.locator(".answer:visible").last.locator(".stage canvas")
    expect(canvas).to_be_visible()
    assert frames_change(page, 0)
    expect(page.locator(".answer:visible").last.locator(".prose.title")).to_contain_text(PIPELINE)
    press(page, "en", "stop")
    expect(page.locator(".prose.status:visible")).to_have_text(re.compile(texts.say("en", "stopped_within", step=r"\d+", steps=60)))


@browsing
@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_a_column_says_what_it_can_be_told(visit, tiny_app, locale):
    page, lang = visit(locale, url=tiny_app.url, tab=None), lang_of(locale)
    told = [texts.say(lang, f"told_{what}") for what in ("nothing", "class", "text")]
    expect(page.locator(".answer .told-note p:visible")).to_have_text(told)  # conv-vae-emoji, dcgan-emoji, the pipeline
    page.get_by_label(texts.say(lang, "digits")).locator("visible=true").check()
    expect(page.locator(".answer .told-note p:visible")).to_have_count(len(DIGITS))


def test_a_column_without_a_sheet_shows_pictures_that_stand(monkeypatch):
    monkeypatch.setattr(sprites, "sprite_of", lambda name: None if name == "gan-mnist" else SPRITE_OF(name))
    components = ui.build().get_config_file()["components"]
    galleries = {of["props"].get("label"): of["props"]["value"] for of in components if of["type"] == "gallery"}
    assert len(galleries["gan-mnist"]) == comparison.FIRST
    assert not galleries["vae-mnist"]


SPRITE_OF = sprites.sprite_of


@browsing
def test_sheets_come_from_the_app_itself_and_stay_in_the_browser(app, visit):
    page = visit(tab=None)
    page.wait_for_function("performance.getEntriesByType('resource').some((one) => one.name.includes('/sprites/'))")
    addresses = page.evaluate("performance.getEntriesByType('resource').map((one) => one.name).filter((one) => one.includes('/sprites/'))")
    for address in addresses:
        assert re.fullmatch(re.escape(app.url) + r"/sprites/[\w-]+\.webp\?[0-9a-f]{8}", address)
        assert "immutable" in page.request.get(address).headers["cache-control"]
    assert page.request.get(f"{app.url}/sprites/no-such.webp").status == 404
    assert page.request.get(f"{app.url}/sprites/..%2f..%2ftexts.webp").status == 404
