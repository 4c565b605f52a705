"""Sampling: pictures from seeds, each with its recipe."""

import secrets
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from genart_hub import images, remake
from genart_hub.errors import GenartError, whole
from genart_hub.ui import texts
from genart_hub.ui.fields import (
    caption,
    class_box,
    class_choices,
    class_of,
    classes_of,
    how,
    hub_search,
    model_box,
    parsed,
    prompt_box,
    seed_of,
    unchecked,
    unread_note,
)
from genart_hub.ui.handlers import guarded, in_turn, new_folder, stem
from genart_hub.ui.model_cache import Shelf, first_shown, is_pipeline, offered
from genart_hub.ui.texts import t
from genart_hub.ui.turns import MODEL, between_steps

MOST = 64
COLUMNS = 8
LARGE, DIFFUSION_MOST = 128, 4  # a pipeline of more px than that takes minutes a picture on a CPU


def build(shelf: Shelf) -> None:
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
        request: gr.Request,
        progress=gr.Progress(),
    ):
        model = shelf.painter(model_name)
        lang = texts.language(request)
        most = MOST if model.image_size <= LARGE or not is_pipeline(model) else DIFFUSION_MOST
        n = whole(texts.say(lang, "sampling"), texts.say(lang, "count"), parsed(n), 1, most)
        seed, label = seed_of(seed, lang), class_of(label, model)
        prompt, note = texts.typed(prompt, "prompt_default", lang), ""
        if is_pipeline(model):
            asked = {"prompt": prompt}

            def on_step(step: int, num_steps: int) -> None:
                progress((step, num_steps), desc=model.source.name)
                between_steps()

            x = model.sample(n, seed, prompt=prompt, on_step=on_step)
            note = unread_note(lang, model, prompt)
        else:
            asked = {"truncation": parsed(truncation), "label": label}
            x = model.sample(n, seed, **asked)
            asked["truncation"] = float(asked["truncation"])
        classes = classes_of(model, label, n, seed)
        names = [None] * n if classes is None else [model.class_names[k] for k in classes.tolist()]
        scores = None
        if hasattr(model, "score"):
            scores = (model.score(x) if classes is None else model.score(x, classes)).tolist()
            note = texts.say(lang, "score_note")
        folder, gallery = new_folder(), []
        recipe_of = partial(model.recipe, **asked)
        for k, picture in enumerate(images.to_pil(x)):
            path = images.save_png(picture, folder / f"{stem(model)}-{seed + k}.png", recipe_of(seed + k))
            gallery.append((str(path), caption(lang, seed + k, names[k], scores and scores[k])))
        columns = min(COLUMNS, n)
        recipe = recipe_of(seed, n, columns=columns)
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
    def restore(png: str | None, request: gr.Request):
        if png is None:
            return (gr.skip(),) * 6
        recipe, file = remake.read(png), Path(png).name
        name = shelf.check(remake.name_of(recipe))
        model = shelf.painter(name)
        remake.check_weights(model, recipe)
        lang = texts.language(request)
        whole(texts.say(lang, "sampling"), texts.say(lang, "count"), recipe["n"], 1, MOST)
        if is_pipeline(model):
            fields = prompt_of(recipe, model, file)
            return name, recipe["n"], recipe["seed"], gr.skip(), gr.update(**class_choices((), lang)), fields
        labels = set() if recipe["label"] is None else set(model.check_label(recipe["label"], recipe["n"]).tolist())
        if len(labels) > 1:
            raise GenartError("several_labels", file=file)
        chosen = model.class_names[labels.pop()] if labels else ""
        classes = gr.update(**class_choices(model.class_names, lang, chosen))
        return name, recipe["n"], recipe["seed"], recipe["truncation"], classes, gr.skip()

    @in_turn(MODEL)
    def show_fields(model_name: str, request: gr.Request):
        """The prompt for a pipeline, truncation for any other model: the one that a recipe has just named is in memory."""
        reads = is_pipeline(shelf.get(model_name))
        return gr.update(visible=reads), gr.update(visible=not reads)

    def choose(gallery: list, event: gr.SelectData) -> str | None:
        return gallery[event.index][0] if gallery else None

    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            model = model_box(offered(), value=first_shown())
            prompt, of_text = prompt_box(False)
            with gr.Column() as of_latents:
                truncation = unchecked(gr.Slider(0.05, 1, value=1, step=0.05, label=t("truncation"), info=t("truncation_info")))
            label = class_box(shelf, model, of_text, of_latents)
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

    inputs, outputs = [model, count, seed, truncation, label, prompt], [gallery, one, grid, archive, code, note]
    go.click(sample, inputs, outputs, api_name="sample")
    roll.click(dice, None, seed, api_name="dice").then(sample, inputs, outputs, api_name="sample_after_dice")
    restored = dropped.upload(restore, dropped, inputs, api_name="restore")
    shown = restored.success(show_fields, model, [of_text, of_latents], api_visibility="private", show_progress="hidden")
    shown.success(sample, inputs, outputs, api_name="sample_after_restore")
    gallery.select(choose, gallery, one, api_visibility="private", show_progress="hidden")  # a click cannot come by API


def prompt_of(recipe: dict[str, Any], model: Any, file: str) -> str:
    """The prompt of a pipeline's recipe, where the fields here can give the same picture again."""
    prompt = recipe.get("prompt")
    prompts = set(prompt) if isinstance(prompt, list) else {prompt}
    plain = model.recipe(recipe["seed"], recipe["n"], prompt="", columns=recipe["columns"], scale=recipe["scale"])
    others = [key for key in ("num_steps", "guidance", "negative_prompt", "size") if recipe.get(key) not in (None, plain.get(key))]
    if len(prompts) > 1:
        others.insert(0, "prompt")
    if others:
        raise GenartError("no_field", file=file, names=", ".join(others))
    return prompts.pop()


def _code(model: Any, n: int, seed: int, asked: dict[str, Any]) -> str:
    """asked: the request beside count and seed; what is as by default is left out."""
    more = "".join(f", {key}={value!r}" for key, value in asked.items() if value is not None and (key, value) != ("truncation", 1))
    return f'import genart_hub\n\nx = genart_hub.from_pretrained("{_name(model, asked)}").sample({n}, seed={seed}{more})'


def _name(model: Any, asked: dict[str, Any]) -> str:
    return remake.name_of(model.recipe(0, **asked))
