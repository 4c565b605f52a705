"""What the Comparison and programs share: wishes, the order of history, and what stands above a column."""

import json
import re
import sys
from pathlib import Path

import pytest
from refusals import code_of

from genart_hub.hub.described import begun_in
from genart_hub.models import MODELS, auto
from genart_hub.ui import answers, comparison, texts

YEARS = {"vae-mnist": 2013, "gan-mnist": 2014, "dcgan-emoji": 2015, "text-gan-emoji": 2016, "tokens-emoji": 2017, "tiny-sd-emoji": 2021}


def test_models_stand_in_the_order_of_their_papers():
    assert [name for name in answers.in_history() if name in YEARS] == list(YEARS)
    assert {name: begun_in(auto.class_of(name)) for name in YEARS} == YEARS


@pytest.mark.parametrize("cls", [*MODELS.values(), auto.class_of("tiny-sd-emoji")], ids=lambda cls: cls.__name__)
def test_a_model_s_year_is_that_of_the_paper_in_its_file_s_first_line(cls):
    module = sys.modules[cls.__module__]
    said = module.__doc__ or ""
    if cls.arxiv and "arxiv.org" in said:
        assert re.search(r"arxiv\.org/abs/([\d.]*\d)", said)[1] == cls.arxiv


def spoken(heading: str, lang: str) -> str:
    """A text of the page with its keys in place of the texts, as the browser shows it in a language."""
    return re.sub(r"__i18n__(\{.*?\})", lambda key: texts.say(lang, json.loads(key[1])["key"].removeprefix(texts.PREFIX)), heading)


@pytest.mark.parametrize(
    ("name", "english", "chinese"),
    [
        ("vae-mnist", "VAE · 2013", "变分自编码器 · 2013"),
        ("gan-mnist", "GAN · 2014", "生成对抗网络 · 2014"),
        ("ddpm-mnist", "Diffusion · 2020", "扩散模型 · 2020"),
        ("tiny-sd-emoji", "Latent diffusion · 2021", "潜在扩散模型 · 2021"),
    ],
)
def test_a_column_is_headed_by_kind_and_year_and_its_model_s_name_stands_below(name, english, chinese):
    assert spoken(comparison.heading(name), "en") == f"### {english}\n{name}"
    assert spoken(comparison.heading(name), "zh") == f"### {chinese}\n{name}"


@pytest.mark.parametrize(("arxiv", "heading"), [("1706.03762", "### own-kind · 2017\nown"), (None, "### own-kind\nown")])
def test_a_new_station_brings_its_own_heading(monkeypatch, arxiv, heading):
    monkeypatch.setattr(auto, "class_of", lambda name: type("Own", (), {"family": "own-kind", "arxiv": arxiv}))
    assert comparison.heading("own") == heading


@pytest.mark.parametrize(
    ("field", "code"),
    [({"n": 0}, "out_of_range"), ({"seed": "x"}, "not_whole"), ({"ladder": "cats"}, "not_choice"), ({"label": "<b>"}, "bad_label")],
)
def test_a_wish_is_checked_before_a_model_answers(monkeypatch, field, code):
    asked = {"n": 2, "seed": 5, "truncation": 1, "prompt": "rocket", "ladder": "digits", "label": ""}
    names = answers.in_history()
    assert answers.wished("en", names, **asked) == answers.Wish(**asked)
    assert code_of(lambda: answers.wished("en", names, **asked | field)) == code


def test_a_model_is_asked_for_what_it_takes_of_a_wish_and_its_pictures_carry_that(tiny_model, tmp_path):
    from genart_hub import images

    wish = answers.Wish(2, 5, 0.5, "rocket", "digits", "3")
    model = tiny_model("dcgan-mnist")
    given = answers.answer(model, wish)
    assert given.asked == {"truncation": 0.5, "label": 3}
    assert given.captions("en", 5) == ["3 · seed 5", "3 · seed 6"]
    assert given.seconds > 0
    assert given.x.equal(model.sample(2, 5, truncation=0.5, label=3))
    first, second = map(Path, given.save(model, 5, tmp_path / "dcgan-mnist"))
    assert second.name == "dcgan-mnist-6.png"
    recipe = images.read_recipe(second)
    assert (recipe["seed"], recipe["label"], recipe["truncation"]) == (6, 3, 0.5)
    assert "prompt" not in recipe
