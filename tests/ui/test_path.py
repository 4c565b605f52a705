"""The path: every page in both languages, with the code that runs, and buttons that open what they say."""

import inspect
import re

import pytest

from genart_hub.models import auto
from genart_hub.ui import TABS, pages, path, texts

EN, ZH = (pages.read(lang) for lang in pages.LANGUAGES)
each_page = pytest.mark.parametrize("name", [page.name for page in EN])


def test_every_page_has_its_twin_and_its_station():
    assert [page.name for page in EN] == [page.name for page in ZH] == list(path.STATIONS)


@pytest.mark.parametrize(("en", "zh"), list(zip(EN, ZH, strict=True)), ids=[page.name for page in EN])
def test_twins_have_the_same_formulas_code_and_links(en, zh):
    for pattern in (r"\$[^$]*\$", r"`[^`]*`", r"\]\((https://[^)]*)\)"):
        assert re.findall(pattern, en.text) == re.findall(pattern, zh.text)
    assert re.search(r"[\u4e00-\u9fff]", zh.title + zh.question + zh.answer)
    assert not re.search(r"[\u4e00-\u9fff]", en.title + en.text + en.question + en.answer)


def test_every_tab_s_essay_has_its_twin_with_the_same_formulas():
    english, chinese = ({file.name: file.read_text("utf-8") for file in (texts.ESSAYS / lang).glob("*.md")} for lang in texts.LANGUAGES)
    assert english.keys() == chinese.keys() == {f"{tab}.md" for tab in TABS if tab != "path"}
    for name, text in english.items():
        assert sorted(re.findall(r"\$[^$]*\$", text)) == sorted(re.findall(r"\$[^$]*\$", chinese[name])), name
        assert not re.search(r"[\u4e00-\u9fff]", text)


def test_a_file_that_is_no_page_is_refused(tmp_path):
    question, answer = "## Question\nwhy?\n\n", "## Answer\nso\n\n"
    for sections in (question, question + answer + answer, question + answer + "## Odd\n"):
        (tmp_path / "01-broken.md").write_text(f"# Title\n\ntext\n\n{sections}")
        with pytest.raises(ValueError, match="must have one heading"):
            pages.parsed(tmp_path / "01-broken.md")


@each_page
def test_the_code_is_that_which_runs_and_is_short(name):
    function = path.STATIONS[name].code
    if function is None:
        return
    code = path.code_of(function)
    assert len(code.splitlines()) <= 20
    assert '"""' not in code
    compile(code, name, "exec")
    body = inspect.getsource(inspect.unwrap(function)).rstrip().splitlines()[-1].strip()
    assert body in code


@each_page
def test_a_button_opens_a_model_that_its_tab_takes(name):
    station = path.STATIONS[name]
    if station.model is None or station.model not in auto.list_models():
        return
    offered = {"interpolation": auto.from_latents(), "reconstruction": auto.reconstructing()}.get(station.tab, auto.bundled())
    assert station.model in offered
    assert path.samples_of(station.model) is not None


@each_page
def test_a_button_opens_the_map_of_a_model_that_has_one(name):
    named = path.STATIONS[name].map
    assert named is None or named in auto.with_latents()


def test_a_page_without_a_model_shows_no_samples():
    assert path.samples_of(None) is None
    assert path.samples_of("no-such-model") is None
