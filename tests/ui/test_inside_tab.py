"""Diffusion opened: what a click computes, and that its slider moves through it without asking."""

import base64
import io
import json

import numpy as np
import pytest
import torch
from browsing import PHONE, expect, lang_of, press
from driving import run
from PIL import Image
from refusals import code_of

from genart_hub import images
from genart_hub.hub.locate import bundled_folder
from genart_hub.models.ddpm import DDPM
from genart_hub.ui import inside_texts, noise, texts

MODEL, DIGITS = "tiny-sd-emoji", "ddpm-mnist"


@pytest.fixture
def ddpm(tiny):
    return tiny(DDPM, num_classes=3, class_names=("cat", "dog", "7"))


def opened(sheet: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(sheet.partition(",")[2])))


def tile(sheet: Image.Image, side: int, k: int, j: int) -> np.ndarray:
    return np.asarray(sheet.crop((k * side, j * side, (k + 1) * side, (j + 1) * side)).convert("L"), float)


def test_a_film_is_every_step_on_one_sheet_and_ends_with_the_picture_of_sample(ddpm):
    told, film = run(noise.film(ddpm, 3, {"label": "cat", "num_steps": 4, "guidance": 2}))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    sheet = opened(film["sheet"])
    assert sheet.size == (4 * 8, len(noise.ROWS) * 8)
    wanted = images.to_pil(ddpm.sample(1, 3, label="cat", num_steps=4, guidance=2))[0]
    believed = tile(sheet, 8, 3, noise.ROWS.index("believes"))
    assert abs(believed - np.asarray(wanted, float)).mean() < 8  # the sheet is lossy
    assert film["sigma"] == [1, 0.75, 0.5, 0.25]
    assert film["alpha"] == [0, 0.25, 0.5, 0.75]
    assert film["tokens"] == []


def test_the_film_of_a_model_of_words_names_what_it_reads(pipeline):
    _, film = run(noise.film(pipeline, 3, {"prompt": "red", "num_steps": 2, "guidance": 3}))
    assert [film["tokens"][0][1], film["tokens"][-1][1]] == ["start", "end"]
    assert film["guidance"] == 3
    assert film["channels"] == pipeline.latent_channels


@pytest.mark.parametrize(("value", "grey"), [(0, 127.5), (noise.SPREAD, 255), (-noise.SPREAD, 0), (9, 255), (1.5, 191)])
def test_noise_is_shown_on_a_fixed_scale_about_grey(value, grey):
    assert np.asarray(noise.noise_of(torch.full((1, 2, 2), float(value)))) == pytest.approx(np.full((2, 2), grey), abs=1)


def test_four_fields_of_noise_stand_in_two_lines_and_three_are_colours():
    eps = torch.stack([torch.full((1, 1), float(value)) for value in (-3, 0, 3, -3)])
    assert np.asarray(noise.noise_of(eps)).tolist() == [[0, pytest.approx(127, abs=1)], [255, 0]]
    assert noise.noise_of(torch.zeros(3, 2, 2)).mode == "RGB"


def test_the_row_of_guidances_is_what_sample_gives_for_each(ddpm, monkeypatch):
    shown = []
    monkeypatch.setattr(noise, "picture", lambda x: shown.append(x) or images.to_pil(x[None])[0])
    asked = {"label": "cat", "num_steps": 2, "guidance": 5}
    told, row = run(noise.guidances(ddpm, 3, asked))
    assert told == [(k, 8) for k in range(1, 9)]
    assert row["values"] == (0, 1, 3, 7)
    for w, x in zip(noise.GUIDANCES, shown, strict=True):
        assert torch.equal(x, ddpm.sample(1, 3, label="cat", num_steps=2, guidance=w)[0])


def test_guidance_0_of_a_model_of_words_is_the_picture_without_them(pipeline):
    asked = {"num_steps": 2, "guidance": 0}
    one, other = (noise.drawn(pipeline, 3, {"prompt": prompt} | asked, None) for prompt in ("red", "blue"))
    assert torch.equal(one, other)
    assert not torch.equal(one, noise.drawn(pipeline, 3, {"prompt": "red", "num_steps": 2, "guidance": 1}, None))


def test_the_row_of_steps_is_what_sample_gives_for_each(ddpm, monkeypatch):
    shown = []
    monkeypatch.setattr(noise, "picture", lambda x: shown.append(x) or images.to_pil(x[None])[0])
    _, row = run(noise.numbers_of_steps(ddpm, 3, {"label": "cat", "guidance": 2}))
    assert row["values"] == (1, 2, 5, 10, 20, 50)
    assert torch.equal(shown[2], ddpm.sample(1, 3, label="cat", num_steps=5, guidance=2)[0])


def test_the_measured_curves_are_those_of_the_file():
    measured = noise.measured(MODEL, "steps")
    content = json.loads((bundled_folder(MODEL) / "steps.json").read_text("utf-8"))
    assert measured["command"] == content["command"]
    eight = {one["name"]: one["value"] for one in content["results"][f"{MODEL}, 8 steps"]}
    assert [8, round(eight["Fréchet distance"], 3)] in measured["curves"]["frechet"]
    assert [8, eight["is what was asked for (text_zh)"]] in measured["curves"]["asked_zh"]
    assert [x for x, _ in noise.measured(MODEL, "guidance")["curves"]["asked_en"]] == [2, 3, 4, 6]
    assert noise.measured(DIGITS, "steps") is None


def test_what_can_be_opened_is_told_by_name():
    assert noise.opens(MODEL)
    assert noise.opens(DIGITS)
    assert not any(map(noise.opens, ("dcgan-mnist", "nobody/else", "", None)))


def test_a_model_without_steps_is_refused(gan):
    assert code_of(lambda: noise.check(gan)) == "not_opened"


def test_both_languages_have_the_same_words_and_gaps():
    for words in (inside_texts.FILM, inside_texts.ROW, inside_texts.GUIDANCE, inside_texts.NUMBERS):
        for english, chinese in words.values():
            gaps = [sorted(part.partition("}")[0] for part in text.split("{")[1:]) for text in (english, chinese)]
            assert gaps[0] == gaps[1]


PIXELS = """() => [...document.querySelectorAll('.inside-tiles canvas')].map((canvas) => canvas.toDataURL())"""


def word(words, lang: str, key: str) -> str:
    return words[key][texts.LANGUAGES.index(lang)]


def open_inside(page, lang: str):
    page.get_by_role("button", name=texts.say(lang, "inside")).click()
    return page.get_by_role("slider", name=word(inside_texts.FILM, lang, "time"))


@pytest.mark.parametrize(("locale", "viewport"), [("en-US", {"width": 1280, "height": 900}), ("zh-CN", PHONE)])
def test_the_slider_moves_through_a_run_by_keyboard_and_asks_for_nothing(visit, app, locale, viewport):
    lang = lang_of(locale)
    page = visit(locale, viewport=viewport, url=f"{app.url}/?tab=sampling&model={MODEL}&num_steps=6&n=1&lang={lang}", tab=None)
    slider = open_inside(page, lang)
    expect(slider).to_be_disabled()
    press(page, lang, "inside_go")
    expect(slider).to_be_enabled()
    step = word(inside_texts.FILM, lang, "step")
    expect(page.locator(".inside-way output")).to_have_text(step.format(k=6, n=6))
    last = word(inside_texts.NUMBERS, lang, "value").format(value=50)
    page.wait_for_function("document.querySelectorAll('.inside-row canvas').length === 10")
    expect(page.get_by_role("img", name=last, exact=True)).to_be_visible()
    page.wait_for_function(
        "[...document.querySelectorAll('.inside-row canvas')].every((one) => one.getContext('2d').getImageData(0, 0, 1, 1).data[3])"
    )
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    before = page.evaluate(PIXELS)
    slider.focus()
    page.keyboard.press("Home")
    expect(slider).to_have_attribute("aria-valuetext", step.format(k=1, n=6))
    after = page.evaluate(PIXELS)
    assert all(one != other for one, other in zip(before, after, strict=True))
    page.keyboard.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", step.format(k=2, n=6))
    assert page.evaluate(PIXELS)[0] != after[0]
    assert requests == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_path_opens_a_run_with_all_set(visit, app):
    page = visit(url=f"{app.url}/?tab=path&step=diffusion", tab=None)
    page.get_by_role("button", name=texts.say("en", "path_try"), exact=True).locator("visible=true").click()
    expect(page.locator(".inside-way output")).to_have_text("step 20 of 20")
    expect(page.get_by_role("slider", name=inside_texts.FILM["time"][0])).to_be_enabled()
    expect(page.locator(".inside-read")).to_be_hidden()  # it reads no words
