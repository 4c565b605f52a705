"""The address of the page: it names the open tab, what the tab's fields hold, and the language; a link opens them again.

`address.js` writes it as a reader goes on. What an address brings is a stranger's: every value is bounded and checked here, and only a
bundled model is run without a click.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import gradio as gr

from genart_hub import latents
from genart_hub.errors import MAX_SEED, GenartError, choice, number, text, whole
from genart_hub.hub.locate import bundled_folder
from genart_hub.models import auto
from genart_hub.models.inputs import INPUTS, MAX_GUIDANCE, MAX_STEPS, MAX_TEMPERATURE, PRIORS, PROMPT_LIMIT
from genart_hub.ui import pages, recordings, texts, twin
from genart_hub.ui.fields import LADDERS, class_choices, on_ladder, parsed
from genart_hub.ui.handlers import Opener, guarded
from genart_hub.ui.map_points import KINDS
from genart_hub.ui.model_cache import ModelCache, host_s_pipeline

CLASS_LIMIT, SEEDS_LIMIT, PLACE_LIMIT = 100, 300, 1000  # characters
PANELS = {"sampling": ("moment",), "interpolation": ("place",), "training": ("plane",)}  # names in the address that panels in the page keep
MOST_COUNT, MOST_FRAMES, MOST_INVERSION = 64, 240, 1000
STEPS = [page.name for page in pages.read("en")]
QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "queue": False}


@dataclass(frozen=True)
class Built:
    """A tab as it was built.

    open_by: lets a button of another tab open it. fields: by their names in the address. go: the button that draws. asked: other events
    that draw, such as Enter or a chip. classes: those that there are to choose from, for what the fields hold. follow: further updates
    for that. take: lets a button of another place bring the picture of a file, and answers it. open_inside: as open_by, with what the
    tab opens: a model, the map of a latent space, points of the plane. wire: called when all tabs are there.
    """

    open_by: Opener | None = None
    fields: Mapping[str, gr.components.Component] = field(default_factory=dict)
    go: gr.Button | None = None
    asked: Sequence[Any] = ()
    classes: Callable[[Mapping[str, Any]], Sequence[str]] = lambda values: ()
    follow: Callable[[Mapping[str, Any]], dict[Any, Any]] = lambda values: {}
    take: Callable[[gr.Button, gr.Tabs, gr.State], None] | None = None
    open_inside: Opener | None = None
    wire: Callable[[gr.Tabs, Mapping[str, "Built"]], None] | None = None


def _whole(low: int, high: int) -> Callable[[str], int]:
    return lambda value: whole("", "", parsed(value), low, high)


def _number(low: float, high: float) -> Callable[[str], float]:
    return lambda value: number("", "", value, low, high)


def _one_of(*choices: str) -> Callable[[str], str]:
    return lambda value: choice("", "", value, choices)


def _text(high: int) -> Callable[[str], str]:
    def checked(value: str) -> str:
        if any(ord(mark) < 32 and mark not in "\t\n\r" for mark in value):
            raise GenartError("not_text", where="", name="", high=high, value="")
        return text("", "", value, high)

    return checked


def _seeds(value: str) -> str:
    return ", ".join(map(str, latents.parse_seeds(_text(SEEDS_LIMIT)(value))))


def _place(value: str) -> str:
    """A place on the map of a bundled model's latent space, as map.js writes it. What stands at its corners is checked when it is drawn."""
    model, kind, _, right, down, *_ = (*_text(PLACE_LIMIT)(value).split(";"), *[""] * 4)
    choice("", "", model, auto.with_latents())
    choice("", "", kind, ("plane", *KINDS))
    for hundredths in (right, down):
        _whole(0, 100)(hundredths)
    return value


def _plane(value: str) -> str:
    """A kind of network on points of the plane, the points, and a seed, as twin.js writes them."""
    kind, shape, seed, *_ = (*_text(PLACE_LIMIT)(value).split(";"), "", "")
    choice("", "", kind, twin.MODELS)
    choice("", "", shape, twin.SHAPES)
    _whole(0, twin.MOST_SEED)(seed)
    return value


CHECKS: dict[str, Callable[[str], Any]] = {  # what may stand in an address: a value from its text, or a GenartError
    "model": ModelCache.check,
    "gan": ModelCache.check,
    "n": _whole(1, MOST_COUNT),
    "seed": _whole(0, MAX_SEED),
    "seeds": _seeds,
    "dataset": _one_of(*LADDERS),
    "label": _text(CLASS_LIMIT),
    "prompt": _text(PROMPT_LIMIT),
    "truncation": lambda value: INPUTS["truncation"].check("", value),
    "num_steps": _whole(1, MAX_STEPS),
    "guidance": _number(0, MAX_GUIDANCE),
    "temperature": _number(0, MAX_TEMPERATURE),
    "prior": _one_of(*PRIORS),
    "method": _one_of(*latents.METHODS),
    "frames": _whole(2, MOST_FRAMES),
    "fps": _number(1, 50),
    "loop": lambda value: _one_of("0", "1")(value) == "1",
    "steps": _whole(1, MOST_INVERSION),
    "recording": _one_of(*recordings.NAMES),
    "moment": _whole(1, MAX_STEPS),
    "place": _place,
    "plane": _plane,
    "step": lambda value: STEPS.index(_one_of(*STEPS)(value)),
}
CALLED = {  # the texts of names that have others on the page
    "n": "count", "dataset": "ladder", "step": "path_pages", "moment": "inside_moment", "place": "map_place", "plane": "twin_place",
}  # fmt: skip


@dataclass(frozen=True)
class State:
    """What an address says. values: of the tab's fields, where it gives them. refused: the names of what it gives and nobody can use."""

    tab: str
    values: Mapping[str, Any] = field(default_factory=dict)
    refused: Sequence[str] = ()

    @property
    def fetched(self) -> str:
        """The model that would have to be fetched from the Hub, or nothing."""
        names = (str(self.values.get(name) or "") for name in ("model", "gan"))
        return next((name for name in names if name and not bundled_folder(name)), "")

    @property
    def draws(self) -> bool:
        """Whether the tab begins to draw: all is as it was sent, on this machine, and the Comparison was asked for something."""
        asked = set(self.values) - {"dataset"} if self.tab == "comparison" else {"any"}
        return bool(asked) and not self.refused and not self.fetched


def read(query: Mapping[str, str], built: Mapping[str, Built]) -> State:
    """The state that an address names. query: by name, as a stranger may have written it. built: the tabs; the first is the usual one."""
    first = next(iter(built))
    tab = query.get("tab", first)
    refused = [] if tab in built else ["tab"]
    tab = tab if tab in built else first
    values: dict[str, Any] = {}
    fields = built[tab].fields
    for name in fields:
        if not query.get(name):
            continue
        try:
            values[name] = CHECKS[name](query[name])
            if name in ("model", "gan") and bundled_folder(values[name]):
                choice("", "", values[name], [value for _, value in fields[name].choices])
        except GenartError:
            values.pop(name, None)
            refused.append(name)
    refused += [name for name in CHECKS if query.get(name) and name not in fields and _unusable(name, query[name])]
    whole_values = {name: values.get(name, getattr(one, "value", None)) for name, one in fields.items()}
    if values.get("label") and not State(tab, values).fetched and values["label"] not in built[tab].classes(whole_values):
        del values["label"]
        refused.append("label")
    return State(tab, values, refused)


def _unusable(name: str, value: str) -> bool:
    """Whether a value is none for any tab: one that another tab would take is no fault of an address."""
    try:
        CHECKS[name](value)
    except GenartError:
        return True
    return False


def link(tab: str, lang: str, **values: Any) -> str:
    """The address of a tab with these values in its fields, to stand behind the page's own."""
    return "?" + urlencode({"tab": tab} | {name: value for name, value in values.items() if value is not None} | {"lang": lang})


def note_of(lang: str, state: State) -> str:
    """The sentence for a reader whose address could not be used as it is, or nothing. Of the address only a checked name stands in it."""
    if state.refused:
        names = (texts.say(lang, CALLED.get(name, name)) for name in dict.fromkeys(state.refused))
        return texts.say(lang, "address_refused", names=("、" if lang == "zh" else ", ").join(names))
    return texts.say(lang, "address_fetched", model=state.fetched) if state.fetched else ""


def classes_of_model(values: Mapping[str, Any]) -> tuple[str, ...]:
    """The classes of the bundled model that `values` name."""
    return tuple(auto.listing(values["model"])["classes"]) if bundled_folder(values.get("model") or "") else ()


def bar() -> gr.HTML:
    """The line at the top of the page: the switch of the language, and what there is to say of the address."""
    here = Path(__file__).parent
    template = (here / "address.html").read_text("utf-8")
    script, style = ((here / f"address.{kind}").read_text("utf-8") for kind in ("js", "css"))
    return gr.HTML(html_template=template, css_template=style, js_on_load=script, apply_default_css=False, elem_id="address")


def wire(bar: gr.HTML, tabs: gr.Tabs, items: Mapping[str, gr.Tab], built: Mapping[str, Built]) -> None:
    """Let the tabs be opened by the address, and keep it up to date. items: the tabs on the page, by name."""
    every = [one for of in built.values() for one in of.fields.values()]
    told = gr.JSON(visible=False)

    @guarded
    def arrive(request: gr.Request) -> dict[Any, Any]:
        lang, state = texts.language(request), read(request.query_params, built)
        of = built[state.tab]
        values = {name: state.values.get(name, one.value) for name, one in of.fields.items()}
        updates: dict[Any, Any] = {one: gr.update(value=values[name]) for name, one in of.fields.items()}
        if "label" in of.fields:
            label = values["label"] or ""
            known = of.classes(values) or ((label,) if label else ())
            updates[of.fields["label"]] = gr.update(**class_choices(known, lang, label))
        draws = state.draws and of.go is not None
        answer = {"tab": state.tab, "note": note_of(lang, state), "draws": draws, "refused": list(state.refused)}
        return updates | of.follow(values) | {tabs: gr.Tabs(selected=state.tab), told: answer}

    shown = [one for of in built.values() for one in of.follow({name: one.value for name, one in of.fields.items()})]
    arrived = bar.arrive(arrive, None, [told, tabs, *every, *shown], **QUIET)
    arrived.success(None, [told, *every], None, js="(told, ...values) => genart.arrived(told, values)", **QUIET)
    arrived.failure(None, None, None, js="() => genart.stayed()", **QUIET)
    for tab, of in built.items():
        fields = list(of.fields.values())
        say = "(...values) => {{ window.genart?.{0}({1}, values); return [] }}"
        items[tab].select(None, fields, None, js=say.format("turned", json.dumps(tab)), **QUIET)
        if fields:
            changed = [one.change for one in fields]
            gr.on(changed, None, fields, None, js=say.format("held", json.dumps(tab)), **QUIET)
        if of.go is not None:
            of.go.elem_id = f"go-{tab}"
            for event in (of.go.click, *of.asked):
                event(None, fields, None, js=say.format("asked", json.dumps(tab)), **QUIET)
    bar.props |= {
        "panels": PANELS,
        "tabs": {tab: {"names": list(of.fields), "usual": [usual(one) for one in of.fields.values()]} for tab, of in built.items()},
        "inputs": {name: list(auto.listing(name)["inputs"]) for name in auto.bundled()},
        "taken": list(INPUTS),
        "worded": worded(),
        "steps": STEPS,
        "prompts": dict(zip(texts.LANGUAGES, texts.TEXTS["prompt_default"], strict=True)),
        "titles": {lang: {tab: title_of(lang, tab) for tab in built} for lang in texts.LANGUAGES},
    }


def worded() -> list[str]:
    """The sets of pictures with a model that reads words, so that a Comparison of them is asked for some."""
    readers = [name for name in auto.bundled() if "prompt" in auto.listing(name)["inputs"]]
    return [ladder for ladder in LADDERS if host_s_pipeline() or on_ladder(readers, ladder)]


def usual(one: gr.components.Component) -> Any:
    """What a field holds before anything was done, as JSON."""
    value = one.value
    return str(value) if not isinstance(value, int | float | str | None) else value


def title_of(lang: str, tab: str, model: str = "") -> str:
    """The page's title with a tab open, and a model in it."""
    return " · ".join([texts.say(lang, tab), *([model] if model else []), texts.say(lang, "title").split(" · ")[0]])
