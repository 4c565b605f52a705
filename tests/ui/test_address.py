"""What an address may say: a stranger wrote it, so that every value is bounded and checked before anything is done with it."""

import asyncio

import gradio as gr
import pytest

from genart_hub.errors import MAX_SEED
from genart_hub.models import auto
from genart_hub.ui import TABS, address, texts
from genart_hub.ui.model_cache import ModelCache


async def built_tabs() -> dict[str, address.Built]:
    """The tabs, made inside an event loop: Gradio makes one and leaves it open where none runs."""
    with gr.Blocks(), gr.Tabs():
        tabs = {}
        for name, tab in TABS.items():
            with gr.Tab(name):
                tabs[name] = tab.build(ModelCache())
    return tabs


@pytest.fixture(scope="module")
def built():
    return asyncio.run(built_tabs())


@pytest.fixture(autouse=True)
def _nothing_is_loaded(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("an address has loaded a model")

    monkeypatch.setattr(auto, "from_pretrained", refuse)


def test_nothing_said_is_the_first_tab_as_usual(built):
    state = address.read({}, built)
    assert (state.tab, state.values, state.refused, state.draws) == ("comparison", {}, [], False)


def test_a_link_to_pictures_says_all_of_them(built):
    query = {"tab": "sampling", "model": "dcgan-mnist", "seed": "7", "label": "3", "n": "4", "truncation": "0.5", "lang": "zh"}
    state = address.read(query, built)
    assert state.values == {"model": "dcgan-mnist", "seed": 7, "label": "3", "n": 4, "truncation": 0.5}
    assert state.draws
    assert not state.refused


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ({"tab": "path", "step": "gan"}, ("step", 3)),
        ({"tab": "interpolation", "seeds": "3,4"}, ("seeds", "3, 4")),
        ({"tab": "interpolation", "loop": "0"}, ("loop", False)),
        ({"tab": "reconstruction", "model": "vae-mnist"}, ("model", "vae-mnist")),
        ({"prompt": "<b>红苹果</b>"}, ("prompt", "<b>红苹果</b>")),
        ({"dataset": "digits", "label": "3"}, ("label", "3")),
        ({"tab": "sampling", "seed": str(MAX_SEED)}, ("seed", MAX_SEED)),
    ],
)
def test_each_tab_takes_what_it_holds(built, query, value):
    state = address.read(query, built)
    assert not state.refused
    assert value in state.values.items()


@pytest.mark.parametrize(
    ("query", "refused"),
    [
        ({"tab": "nope"}, ["tab"]),
        ({"tab": "interpolation", "place": "../x;seeds;0|1|2|3;50;50"}, ["place"]),
        ({"tab": "interpolation", "place": "gan-mnist;seeds;0|1|2|3;50;101"}, ["place"]),
        ({"tab": "interpolation", "place": "gan-mnist"}, ["place"]),
        ({"tab": "interpolation", "place": "gan-mnist;plane;0|1|2|3;0;100;7;0;"}, []),
        ({"tab": "training", "plane": "gan;<b>;1"}, ["plane"]),
        ({"tab": "training", "plane": "toString;ring;1"}, ["plane"]),
        ({"tab": "training", "plane": "vae;moons;4;0;0;2.00"}, []),
        ({"tab": "sampling", "moment": "0"}, ["moment"]),
        ({"tab": "__class__"}, ["tab"]),
        ({"tab": "sampling", "seed": "abc"}, ["seed"]),
        ({"tab": "sampling", "seed": "-1"}, ["seed"]),
        ({"tab": "sampling", "seed": "1e3"}, ["seed"]),
        ({"tab": "sampling", "seed": "9" * 10_000}, ["seed"]),
        ({"tab": "sampling", "n": "65"}, ["n"]),
        ({"tab": "sampling", "truncation": "nan"}, ["truncation"]),
        ({"tab": "sampling", "guidance": "inf"}, ["guidance"]),
        ({"tab": "sampling", "model": "../x"}, ["model"]),
        ({"tab": "sampling", "model": "/etc/passwd"}, ["model"]),
        ({"tab": "sampling", "model": "a" * 10_000}, ["model"]),
        ({"tab": "sampling", "model": "genart_hub/ui"}, ["model"]),  # a folder beside the app
        ({"tab": "sampling", "model": "no-such-model"}, ["model"]),
        ({"tab": "sampling", "model": "features-mnist"}, ["model"]),
        ({"tab": "interpolation", "model": "tiny-sd-emoji"}, ["model"]),  # bundled, and of no use there
        ({"tab": "reconstruction", "model": "gan-mnist"}, ["model"]),
        ({"tab": "sampling", "model": "dcgan-mnist", "label": "<b>"}, ["label"]),
        ({"tab": "sampling", "model": "gan-mnist", "label": "3"}, ["label"]),
        ({"dataset": "emoji", "label": "3"}, ["label"]),
        ({"dataset": "letters"}, ["dataset"]),
        ({"prompt": "x" * 2_001}, ["prompt"]),
        ({"prompt": "a\0b"}, ["prompt"]),
        ({"prompt": "\udcff"}, ["prompt"]),
        ({"tab": "interpolation", "seeds": "3"}, []),  # one key: the walk says what it lacks
        ({"tab": "interpolation", "seeds": "3,x"}, ["seeds"]),
        ({"tab": "interpolation", "seeds": "1," * 20}, ["seeds"]),
        ({"tab": "path", "step": "99"}, ["step"]),
        ({"tab": "path", "step": "<b>"}, ["step"]),
        ({"seed": "abc", "model": "../x", "tab": "nope", "prompt": "<b>" * 1000}, ["tab", "prompt", "seed", "model"]),
        ({"tab": "path", "seed": "abc", "label": "x"}, ["seed"]),  # no tab would take that
    ],
)
def test_what_cannot_be_used_is_left_out_and_named(built, query, refused):
    state = address.read(query, built)
    assert list(state.refused) == refused
    assert not set(state.values) & set(refused)
    assert not (refused and state.draws)
    for k, lang in enumerate(texts.LANGUAGES):
        note = address.note_of(lang, state)
        assert bool(note) == bool(refused)
        assert not any(value in note for value in query.values() if len(value) > 1)
        assert "\n" not in note
        assert note == "" or note.startswith(texts.TEXTS["address_refused"][k].partition("{")[0])


def test_a_name_on_the_hub_is_filled_in_and_not_fetched(built):
    state = address.read({"tab": "sampling", "model": "owner/name", "seed": "3", "label": "cat"}, built)
    assert state.values == {"model": "owner/name", "seed": 3, "label": "cat"}
    assert not state.draws
    assert "owner/name" in address.note_of("zh", state)


@pytest.mark.parametrize(
    ("query", "draws"),
    [
        ({"prompt": "rocket"}, True), ({"dataset": "digits"}, False), ({"dataset": "digits", "label": "3"}, True),
        ({"tab": "sampling"}, True), ({"tab": "interpolation", "seeds": "1, 2"}, True), ({"tab": "comparison"}, False),
    ],
)  # fmt: skip
def test_a_link_draws_what_it_asks_for(built, query, draws):
    assert address.read(query, built).draws == draws
