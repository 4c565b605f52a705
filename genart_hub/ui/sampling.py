"""Sampling: pictures from seeds, each with its recipe."""

import secrets
import zipfile
from functools import partial
from pathlib import Path

import gradio as gr

from genart_hub import images, remake
from genart_hub.errors import GenartError, whole
from genart_hub.models.base import Generative
from genart_hub.ui import texts
from genart_hub.ui.parts import (
    MODEL_CALL,
    Shelf,
    caption,
    class_box,
    class_choices,
    class_of,
    classes_of,
    first_shown,
    guarded,
    how,
    hub_search,
    model_box,
    new_folder,
    offered,
    on_gpu,
    parsed,
    seed_of,
    stem,
    unchecked,
)
from genart_hub.ui.texts import t

MOST = 64
COLUMNS = 8


def build(shelf: Shelf) -> None:
    """The tab."""

    @on_gpu
    @guarded
    def sample(model_name: str, n: float, seed: float, truncation: float, label: str, request: gr.Request):
        model = shelf.generative(model_name)
        lang = texts.language(request)
        n = whole(texts.say(lang, "sampling"), texts.say(lang, "count"), parsed(n), 1, MOST)
        seed, truncation = seed_of(seed, lang), parsed(truncation)
        label = class_of(label, model)
        x = model.sample(n, seed, truncation=truncation, label=label)
        truncation = float(truncation)
        classes = classes_of(model, label, n, seed)
        names = [None] * n if classes is None else [model.class_names[k] for k in classes.tolist()]
        scores = None
        if hasattr(model, "score"):
            scores = (model.score(x) if classes is None else model.score(x, classes)).tolist()
        folder, gallery = new_folder(), []
        recipe_of = partial(model.recipe, truncation=truncation, label=label)
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
        note = texts.say(lang, "score_note") if scores is not None else ""
        return gallery, gallery[0][0], str(grid), str(archive), _code(model, n, seed, truncation, label), note

    def dice() -> int:
        return secrets.randbelow(2**31)

    @guarded
    def restore(png: str | None, request: gr.Request):
        if png is None:
            return (gr.skip(),) * 5
        recipe = remake.read(png)
        name = shelf.check(remake.name_of(recipe))
        model = shelf.generative(name)
        remake.check_weights(model, recipe)
        lang = texts.language(request)
        whole(texts.say(lang, "sampling"), texts.say(lang, "count"), recipe["n"], 1, MOST)
        labels = set() if recipe["label"] is None else set(model.check_label(recipe["label"], recipe["n"]).tolist())
        if len(labels) > 1:
            raise GenartError("several_labels", file=Path(png).name)
        chosen = model.class_names[labels.pop()] if labels else ""
        return name, recipe["n"], recipe["seed"], recipe["truncation"], gr.update(**class_choices(model.class_names, lang, chosen))

    def choose(gallery: list, event: gr.SelectData) -> str | None:
        return gallery[event.index][0] if gallery else None

    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            model = model_box(offered(), value=first_shown())
            label = class_box(shelf, model)
            hub_search(model)
            count = unchecked(gr.Slider(1, MOST, value=16, step=1, label=t("count")))
            seed = unchecked(gr.Number(value=0, precision=0, label=t("seed"), info=t("seed_info")))
            roll = gr.Button(t("dice"), size="sm")
            truncation = unchecked(gr.Slider(0.05, 1, value=1, step=0.05, label=t("truncation"), info=t("truncation_info")))
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

    inputs, outputs = [model, count, seed, truncation, label], [gallery, one, grid, archive, code, note]
    go.click(sample, inputs, outputs, api_name="sample", **MODEL_CALL)
    roll.click(dice, None, seed, api_name="dice").then(sample, inputs, outputs, api_name="sample_after_dice", **MODEL_CALL)
    restored = dropped.upload(restore, dropped, inputs, api_name="restore", **MODEL_CALL)
    restored.success(sample, inputs, outputs, api_name="sample_after_restore", **MODEL_CALL)
    gallery.select(choose, gallery, one, api_visibility="private", show_progress="hidden")  # a click cannot come by API


def _code(model: Generative, n: int, seed: int, truncation: float, label: int | str | None) -> str:
    name = remake.name_of(model.recipe(seed))
    more = ("" if truncation == 1 else f", truncation={truncation:g}") + ("" if label is None else f", label={label!r}")
    return f'import genart_hub\n\nx = genart_hub.from_pretrained("{name}").sample({n}, seed={seed}{more})'
