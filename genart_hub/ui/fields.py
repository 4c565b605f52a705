"""Fields that leave checking to the package."""

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components.base import server
from gradio.components.image_editor import AcceptBlobs
from torch import Tensor

from genart_hub.errors import MAX_SEED, GenartError, whole
from genart_hub.hub.locate import bundled_folder
from genart_hub.models import auto
from genart_hub.models.base import ImageModel
from genart_hub.models.inputs import PRIORS
from genart_hub.ui import gate, texts, turns
from genart_hub.ui.completion import completion
from genart_hub.ui.handlers import guarded, in_turn
from genart_hub.ui.model_cache import ModelCache, offered

LADDERS = {"emoji": "-emoji", "digits": "-mnist"}
PROMPTS = ("smiling face with sunglasses", "rocket", "cat, blob style", "红苹果", "雪人", "blue apple")
BEYOND = ("长城", "Eiffel Tower", "蓝色的狗", "three apples", "cat on a bicycle", "not a cat")  # what the models of words fail at
UNREAD_SHOWN = 120  # characters
SCORE_BAR = 5  # characters of the bar of a picture's score
MOST_DRAWINGS = 64


def unchecked(component: gr.components.Component) -> gr.components.Component:
    """A field whose value comes as it is: Gradio's own check is in English and names no cure; the package checks."""
    component.preprocess = lambda payload: payload
    return component


def unopened(image: gr.Image) -> gr.Image:
    """An upload as a path that nothing has opened yet: what is wrong with it is then told in a sentence."""
    image.preprocess = lambda payload: payload.path if payload else None
    return image


def bounded(pad: gr.Sketchpad) -> gr.Sketchpad:
    """A pad that keeps no more than a few drawings that were sent and not used: Gradio keeps them all, with as many layers as is said."""
    accept = pad.accept_blobs

    def accept_blobs(data: AcceptBlobs) -> None:
        index = str(data.data.get("index") or 0)
        if not (len(data.files) == 1 and len(str(data.data.get("id"))) <= gate.NAME and index in ("null", "0", "1", "2", "3")):
            return
        accept(data)
        while len(pad.blob_storage) > MOST_DRAWINGS:
            pad.blob_storage.pop(next(iter(pad.blob_storage)), None)

    pad.accept_blobs = server(accept_blobs)
    return pad


def seed_of(value: object, lang: str) -> int:
    """A seed from a page, or an error that calls the field by its name there."""
    return whole(texts.say(lang, "sampling"), texts.say(lang, "seed"), parsed(value), 0, MAX_SEED)


def parsed(value: Any) -> Any:
    """A whole number that came as text, as a number; anything else as it is, for the package to refuse."""
    text = value.strip() if isinstance(value, str) else ""
    return int(text) if text.lstrip("+-").isdecimal() and len(text) < 40 else value


def model_box(names: list[str], label: str = "model", value: str | None = None) -> gr.Dropdown:
    """A list of bundled models that also takes any Hub id. value: the one that is chosen at first, else the first one."""
    value = value or (names[0] if names else None)
    return gr.Dropdown(whole_names_first(names), value=value, label=texts.t(label), info=texts.t("model_info"), allow_custom_value=True)


def whole_names_first(names: Sequence[str]) -> list[str]:
    """Names in their order, but each behind those that are part of it: a dropdown takes the first that fits what is typed, at Enter."""
    return sorted(names, key=lambda name: sum(other in name for other in names))


def known_of(models: ModelCache, model_name: str, load: bool = True) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The classes and the inputs of a model; nothing of one that cannot be had, which is told when it is asked for pictures.

    A bundled one is not loaded for that, and no other one without `load`.
    """
    try:
        if bundled_folder(models.check(model_name)):
            listed = auto.listing(model_name.strip())
            return tuple(listed["classes"]), tuple(listed["inputs"])
        if not load:
            return (), ()
        model = models.painter(model_name)
        return model.class_names, model.inputs
    except (GenartError, KeyError):
        return (), ()


def class_box(models: ModelCache, box: gr.Dropdown) -> gr.Dropdown:
    """The classes of the model that is chosen in `box`; hidden where it has none."""

    @in_turn(turns.MODEL)
    @guarded
    def follow(model_name: str, chosen: str, request: gr.Request) -> dict[str, Any]:
        return gr.update(**class_choices(known_of(models, model_name)[0], texts.language(request), chosen))

    label = class_dropdown(known_of(models, box.value)[0] if box.value else ())
    when_chosen(box, follow, [box, label], label)
    return label


@dataclass(frozen=True)
class InputFields:
    """A field for each input of models that the page offers, by the input's name; and what is shown where a model takes it."""

    fields: dict[str, gr.components.Component]
    shown: dict[str, gr.components.Component | gr.Column]
    chips: Any  # the event of an example of a prompt that was clicked

    def visible(self, inputs: Sequence[str]) -> list[dict[str, Any]]:
        """The updates of `shown` for a model that takes these."""
        return [gr.update(visible=name in inputs) for name in self.shown]


def input_fields(models: ModelCache, box: gr.Dropdown) -> InputFields:
    """The fields that follow the model chosen in `box`."""
    classes, inputs = known_of(models, box.value) if box.value else ((), ())
    prompt, of_prompt, chips = prompt_box("prompt" in inputs)
    with gr.Column(visible="truncation" in inputs) as of_truncation:
        truncation = gr.Slider(0.05, 1, value=1, step=0.05, label=texts.t("truncation"), info=texts.t("truncation_info"))
    label = class_dropdown(classes)
    with gr.Row(visible="num_steps" in inputs) as of_steps:
        num_steps = gr.Textbox(value="", max_lines=1, label=texts.t("num_steps"), info=texts.t("own_value"), min_width=120)
    with gr.Row(visible="guidance" in inputs) as of_guidance:
        guidance = gr.Textbox(value="", max_lines=1, label=texts.t("guidance"), info=texts.t("own_value"), min_width=120)
    with gr.Row(visible="temperature" in inputs) as of_temperature:
        temperature = gr.Textbox(value="", max_lines=1, label=texts.t("temperature"), info=texts.t("own_value"), min_width=120)
    with gr.Row(visible="prior" in inputs) as of_prior:
        choices = [(texts.t(f"prior_{name}"), name) for name in PRIORS[::-1]]
        prior = gr.Radio(choices, value=PRIORS[-1], label=texts.t("prior"))
    fields = {
        "truncation": truncation, "label": label, "prompt": prompt, "num_steps": num_steps, "guidance": guidance, "prior": prior,
        "temperature": temperature,
    }  # fmt: skip
    for name in ("truncation", "num_steps", "guidance", "prior", "temperature"):
        unchecked(fields[name])
    shown: dict[str, Any] = {
        "truncation": of_truncation, "prompt": of_prompt, "num_steps": of_steps, "guidance": of_guidance, "prior": of_prior,
        "temperature": of_temperature,
    }  # fmt: skip
    followers = InputFields(fields, shown, chips)

    @in_turn(turns.MODEL)
    @guarded
    def follow(model_name: str, chosen: str, request: gr.Request) -> list[dict[str, Any]]:
        classes, inputs = known_of(models, model_name)
        return [gr.update(**class_choices(classes, texts.language(request), chosen)), *followers.visible(inputs)]

    when_chosen(box, follow, [box, label], [label, *shown.values()])
    return followers


def when_chosen(
    box: gr.Dropdown, handler: Callable, inputs: list, output: gr.components.Component | list[gr.components.Component], **options: Any
) -> None:
    """Run `handler` when a person has chosen or typed a model: unlike `change`, not when a handler has filled the box."""
    gr.on([box.input, box.blur], handler, inputs, output, api_visibility="private", show_progress="hidden", **options)


def class_dropdown(names: Sequence[str]) -> gr.Dropdown:
    """These classes in the page's language, and "any", which is the empty text.

    What is typed is taken, and the package checks it: Gradio makes a box anew when its choices change, which `unchecked` does not outlive.
    """
    return gr.Dropdown(label=texts.t("label"), info=texts.t("label_info"), allow_custom_value=True, **class_choices(names))


def class_choices(names: Sequence[str], lang: str | None = None, chosen: str = "") -> dict[str, Any]:
    """What a class box offers. lang: of the classes' names (None: the page chooses). chosen: kept where it is among them."""
    any_class = texts.say(lang, "label_any") if lang else texts.t("label_any")
    called = [texts.class_name(lang, name) if lang else texts.t_class(name) for name in names]
    value = chosen if chosen in names else ""
    return {"choices": [(any_class, ""), *zip(called, names, strict=True)], "value": value, "visible": bool(names)}


def class_of(value: object, model: Any) -> int | str | None:
    """What a class box holds, as a recipe carries it: a class's name, or its number where that is its name; any class is None."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    index = int(model.check_label(value)[0])
    return index if model.class_names[index] == str(index) else model.class_names[index]


def classes_of(model: ImageModel, label: object, n: int, seed: int) -> Tensor | None:
    """The classes of the pictures that `sample` gives for this request. Returns (n,), or None where the model has no classes."""
    return model.labels(n, seed) if label is None else model.check_label(label, n)


def caption(lang: str, seed: int, class_name: str | None = None, percent: int | None = None) -> str:
    """What stands below a picture: its class, its seed, and how many of 100 real pictures its judge takes for less real, as a bar."""
    text = texts.say(lang, "caption", seed=seed)
    if percent is not None:
        full = round(percent * SCORE_BAR / 100)
        text += f" · {'▰' * full}{'▱' * (SCORE_BAR - full)} {percent}%"
    return text if class_name is None else f"{texts.class_name(lang, class_name)} · {text}"


def prompt_box(visible: bool) -> tuple[gr.Textbox, gr.Column, Any]:
    """A line for what a text-to-image model shall draw, with examples below it, the column that holds both, and the event of an example
    that was clicked."""  # fmt: skip
    with gr.Column(visible=visible, min_width=240) as column:
        prompt = gr.Textbox(value=texts.t("prompt_default"), label=texts.t("prompt"), info=texts.t("prompt_info"), max_lines=1)
        completion()
        examples = gr.Examples([[one] for one in PROMPTS], prompt, label=texts.t("example_prompts"), api_visibility="private")
    return prompt, column, examples.load_input_event


def cannot_box(prompt: gr.Textbox) -> Any:
    """What the models of words cannot do, folded away, with prompts that show it. Returns the event of one that was clicked."""
    with gr.Accordion(texts.t("cannot"), open=False):
        gr.Markdown(texts.t("cannot_about"))
        examples = gr.Examples([[one] for one in BEYOND], prompt, label=texts.t("cannot_try"), api_visibility="private")
    return examples.load_input_event


def prompt_note(lang: str, model: ImageModel, prompt: str) -> str:
    """What the model does not take of a prompt: the end that it does not see, and the words that it was not trained with."""
    return " ".join(filter(None, (unread_note(lang, model, prompt), words_note(lang, model, prompt))))


def unread_note(lang: str, model: ImageModel, prompt: str) -> str:
    """A sentence that names the end of a prompt where the model does not see it, else nothing."""
    end = model.unread(prompt).strip()
    if not end:
        return ""
    shown = end if len(end) <= UNREAD_SHOWN else end[:UNREAD_SHOWN] + "…"
    return texts.say(lang, "unread", end=html.escape(shown, quote=False))


def words_note(lang: str, model: ImageModel, prompt: str) -> str:
    """A sentence that names a prompt's words that the model was not trained with, and names that come near; else nothing."""
    known = model.knows(prompt)
    if known is None or not known.unknown:
        return ""
    unknown, near = (html.escape(", ".join(some)[: 2 * UNREAD_SHOWN], quote=False) for some in (known.unknown, known.near))
    return texts.say(lang, "unknown_words" if near else "unknown_words_alone", words=unknown, near=near)


def ladder_of(name: object) -> str | None:
    """The ladder that a model stands on, by the pictures that its name ends with."""
    return next((ladder for ladder, pictures in LADDERS.items() if isinstance(name, str) and name.strip().endswith(pictures)), None)


def on_ladder(names: Sequence[str], ladder: str | None) -> str | None:
    """The first of these models that stands on that ladder, or None."""
    return next((name for name in names if ladder and ladder_of(name) == ladder), None)


def hub_search(*boxes: gr.Dropdown) -> None:
    """A line that finds models on the Hub and puts them into the model boxes."""

    @in_turn(turns.HUB)
    @guarded
    def search(query: str | None, request: gr.Request) -> tuple[dict[str, Any], ...]:
        models = auto.search(query, limit=50, token=False)
        found = [model.id for model in models if model.family not in ("diffusion", "features")]
        note = texts.say(texts.language(request), "found", count=len(found))
        return *(gr.update(choices=whole_names_first([*offered(), *found])) for _ in boxes), gr.update(info=note)

    line = gr.Textbox(label=texts.t("search"), placeholder=texts.t("search_hint"), max_lines=1)
    line.submit(search, line, [*boxes, line], api_name="search")


def how(key: str) -> None:
    """The principle of a tab, folded away."""
    delimiters = [{"left": "$", "right": "$", "display": False}]
    with gr.Accordion(texts.t("how"), open=False):
        gr.Markdown(texts.t(key), latex_delimiters=delimiters)
