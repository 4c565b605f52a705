"""Sampling: pictures from seeds, each with its recipe."""

import secrets
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from genart_hub import images, remake
from genart_hub.errors import GenartError, whole
from genart_hub.hub.described import name_of
from genart_hub.models import auto
from genart_hub.models.base import ImageModel
from genart_hub.models.inputs import INPUTS, PRIORS
from genart_hub.ui import texts
from genart_hub.ui.fields import (
    caption,
    class_choices,
    class_of,
    classes_of,
    how,
    hub_search,
    input_fields,
    model_box,
    parsed,
    prompt_note,
    seed_of,
    unchecked,
)
from genart_hub.ui.handlers import Opener, guarded, in_turn, new_folder, stem
from genart_hub.ui.model_cache import ModelCache, first_shown, offered
from genart_hub.ui.texts import t
from genart_hub.ui.turns import MODEL, between_steps

MOST = 64
COLUMNS = 8
BY_DEFAULT = (("truncation", 1), ("prior", PRIORS[-1]))
LARGE, DIFFUSION_MOST = 128, 4  # a pipeline of more px than that takes minutes a picture on a CPU


def build(models: ModelCache) -> Opener:
    """The tab."""

    @in_turn(MODEL)
    @guarded
    def sample(
        model_name: str,
        n: float,
        seed: float,
        truncation: float,
        label: str,
        prompt: str,
        num_steps: str = "",
        guidance: str = "",
        prior: str = "",
        temperature: str = "",
        request: gr.Request | None = None,
        progress: gr.Progress = gr.Progress(),
    ) -> tuple[Any, ...]:
        model = models.painter(model_name)
        lang = texts.language(request)
        most = MOST if model.image_size <= LARGE or not model.tells_steps else DIFFUSION_MOST
        n = whole(texts.say(lang, "sampling"), texts.say(lang, "count"), parsed(n), 1, most)
        seed, chosen = seed_of(seed, lang), class_of(label, model)
        prompt = texts.typed(prompt, "prompt_default", lang)
        given = {"truncation": parsed(truncation), "label": chosen, "prompt": prompt}
        given |= {
            name: parsed(value)
            for name, value in (("num_steps", num_steps), ("guidance", guidance), ("prior", prior), ("temperature", temperature))
            if str(value or "").strip()
        }
        asked = {name: given[name] for name in model.inputs if given.get(name) is not None}

        def on_step(step: int, num_steps: int) -> None:
            progress((step, num_steps), desc=name_of(model))
            between_steps()

        x = model.sample(n, seed, **asked, **({"on_step": on_step} if model.tells_steps else {}))
        asked = {name: INPUTS[name].check(name, value) for name, value in asked.items()}  # as a recipe carries them
        note = prompt_note(lang, model, prompt) if "prompt" in asked else ""
        classes = classes_of(model, chosen, n, seed)
        names = [None] * n if classes is None else [model.class_names[k] for k in classes.tolist()]
        scores: list[float] | None = None
        if model.scores:
            scores = (model.score(x) if classes is None else model.score(x, classes)).tolist()
            note = texts.say(lang, "score_note")
        folder, gallery = new_folder(), []
        recipe_of = partial(model.recipe, **asked)
        for k, picture in enumerate(images.to_pil(x)):
            path = images.save_png(picture, folder / f"{stem(model)}-{seed + k}.png", recipe_of(seed=seed + k))
            gallery.append((str(path), caption(lang, seed + k, names[k], scores[k] if scores else None)))
        columns = min(COLUMNS, n)
        recipe = recipe_of(seed=seed, n=n, columns=columns)
        grid = images.save_png(images.grid(x, columns), folder / f"{stem(model)}-{seed}-grid.png", recipe)
        archive = folder / f"{stem(model)}-{seed}.zip"
        with zipfile.ZipFile(archive, "w") as packed:
            for path in [Path(path) for path, _ in gallery] + [grid]:
                packed.write(path, path.name)
        return gallery, gallery[0][0], str(grid), str(archive), _code(model, n, seed, asked), note

    def dice() -> int:
        return secrets.randbelow(2**31)

    @in_turn(MODEL)
    @guarded
    def restore(png: str | None, request: gr.Request) -> tuple[Any, ...]:
        if png is None:
            return (gr.skip(),) * (3 + len(inputs.fields))
        recipe, file = remake.read(png), Path(png).name
        name = models.check(remake.name_of(recipe))
        model = models.painter(name)
        recipe |= remake.check_weights(model, recipe)
        lang = texts.language(request)
        whole(texts.say(lang, "sampling"), texts.say(lang, "count"), recipe["n"], 1, MOST)
        asked = fields_of(recipe, model, file)
        classes = gr.update(**class_choices(model.class_names, lang, asked.pop("label", "")))
        values = {name: asked.get(name, "") if name in model.inputs else gr.skip() for name in inputs.fields} | {"label": classes}
        return name, recipe["n"], recipe["seed"], *values.values()

    @in_turn(MODEL)
    def show_fields(model_name: str) -> list[dict[str, Any]]:
        """The fields of what the model takes: the one that a recipe has just named is in memory."""
        return inputs.visible(models.painter(model_name).inputs)

    def choose(gallery: list, event: gr.SelectData) -> str | None:
        return gallery[event.index][0] if gallery else None

    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            model = model_box(offered(), value=first_shown())
            inputs = input_fields(models, model)
            hub_search(model)
            count = unchecked(gr.Slider(1, MOST, value=16, step=1, label=t("count")))
            seed = unchecked(gr.Number(value=0, precision=0, label=t("seed"), info=t("seed_info")))
            roll = gr.Button(t("dice"), size="sm")
            go = gr.Button(t("generate"), variant="primary", size="lg")
            dropped = gr.File(label=t("restore"), type="filepath", height=170)
        with gr.Column(scale=2, min_width=320):
            gallery = gr.Gallery(
                show_label=False, columns=8, height="auto", format="png", object_fit="contain",
                interactive=False, elem_classes="few-pixels", buttons=["download", "fullscreen"],
            )  # fmt: skip
            note = gr.Markdown(elem_classes="note")
            with gr.Row():
                one = gr.DownloadButton(t("one"), size="sm")
                grid = gr.DownloadButton(t("grid"), size="sm")
                archive = gr.DownloadButton(t("zip"), size="sm")
            code = gr.Code(label=t("code"), language="python", lines=3, interactive=False)
    how("sampling_how")

    asked, outputs = [model, count, seed, *inputs.fields.values()], [gallery, one, grid, archive, code, note]
    go.click(sample, asked, outputs, api_name="sample")
    inputs.fields["prompt"].submit(sample, asked, outputs, api_visibility="private")
    inputs.chips.success(sample, asked, outputs, api_visibility="private")
    roll.click(dice, None, seed, api_name="dice").then(sample, asked, outputs, api_name="sample_after_dice")
    restored = dropped.upload(restore, dropped, asked, api_name="restore")
    shown = restored.success(show_fields, model, list(inputs.shown.values()), api_visibility="private", show_progress="hidden")
    shown.success(sample, asked, outputs, api_name="sample_after_restore")
    gallery.select(choose, gallery, one, api_visibility="private", show_progress="hidden")  # a click cannot come by API

    def open_by(button: gr.Button, tabs: gr.Tabs, name: str) -> None:
        """Let a button of another tab open this one with a model, and draw."""

        @guarded
        def chosen(request: gr.Request) -> tuple[Any, ...]:
            classes = class_choices(auto.listing(name).get("classes", ()), texts.language(request))
            return gr.Tabs(selected="sampling"), name, gr.update(**classes)

        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        opened = button.click(chosen, None, [tabs, model, inputs.fields["label"]], **quiet)
        fields = opened.success(show_fields, model, list(inputs.shown.values()), **quiet)
        fields.success(sample, asked, outputs, api_visibility="private")

    return open_by


def fields_of(recipe: dict[str, Any], model: ImageModel, file: str) -> dict[str, Any]:
    """What the fields hold for a recipe, by input, where they can give the same pictures again; the model's own values are left out."""
    asked = remake.request_of(recipe, model, file)
    own = {name for name in ("num_steps", "guidance", "temperature") if asked.get(name) == model.defaults.get(name)}
    asked = {"truncation": 1.0} | {"prior": PRIORS[-1]} | {name: value for name, value in asked.items() if name not in own}
    if "label" in asked:
        labels = model.check_label(asked["label"], recipe["n"])
        if labels is not None and len(set(labels.tolist())) > 1:
            raise GenartError("several_labels", file=file)
        asked["label"] = None if labels is None else model.class_names[int(labels[0])]
    if isinstance(asked.get("prompt"), list) and len(set(asked["prompt"])) == 1:
        asked["prompt"] = asked["prompt"][0]
    others = [name for name, value in asked.items() if name in ("negative_prompt", "size") or isinstance(value, list)]
    if others:
        raise GenartError("no_field", file=file, names=", ".join(others))
    return asked


def _code(model: ImageModel, n: int, seed: int, asked: dict[str, Any]) -> str:
    """asked: the request beside count and seed; what is as by default is left out."""
    more = "".join(f", {key}={value!r}" for key, value in asked.items() if value is not None and (key, value) not in BY_DEFAULT)
    return f'import genart_hub\n\nx = genart_hub.from_pretrained("{_name(model, asked)}").sample({n}, seed={seed}{more})'


def _name(model: ImageModel, asked: dict[str, Any]) -> str:
    return remake.name_of(model.recipe(0, **asked))
