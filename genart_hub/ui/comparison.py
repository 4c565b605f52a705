"""Comparison: one request, answered by every model."""

import os
import time
from pathlib import Path
from typing import Any

import gradio as gr

import genart_hub
from genart_hub import images
from genart_hub.errors import GenartError, choice, shorten, whole
from genart_hub.models.base import index_of_class
from genart_hub.ui import texts
from genart_hub.ui.parts import (
    LADDERS,
    MODEL_CALL,
    Shelf,
    caption,
    class_choices,
    class_dropdown,
    class_of,
    classes_of,
    guarded,
    how,
    ladder_of,
    new_folder,
    on_gpu,
    on_ladder,
    parsed,
    seed_of,
    unchecked,
)
from genart_hub.ui.texts import t

MOST = 16
DIFFUSION_MOST = 4  # a big pipeline on a laptop's CPU takes minutes a picture
COLUMNS = ("column_model", "column_seconds", "column_rate", "column_parameters", "column_size", "column_megabytes")


def build(shelf: Shelf) -> None:
    """The tab."""
    names = genart_hub.bundled()
    ladders = [ladder for ladder in LADDERS if on_ladder(names, ladder)]
    pipeline_name = os.environ.get("GENART_SD_MODEL", "").strip()

    @on_gpu
    @guarded
    def compare(
        n: float, seed: float, truncation: float, prompt: str, ladder: str, label: str, request: gr.Request, progress=gr.Progress()
    ):
        lang = texts.language(request)
        n = whole(texts.say(lang, "comparison"), texts.say(lang, "count"), parsed(n), 1, MOST)
        seed, truncation = seed_of(seed, lang), parsed(truncation)
        prompt = texts.typed(prompt, "prompt_default", lang)
        if ladders:
            choice(texts.say(lang, "comparison"), texts.say(lang, "ladder"), ladder, ladders)
            check_class(texts.say(lang, ladder), label, known_classes(shelf, ladder))
        galleries: list[Any] = [gr.skip()] * (len(names) + 1)
        rows, status = [], texts.say(lang, "working")
        table = {"headers": [texts.say(lang, key) for key in COLUMNS], "data": rows}  # Gradio translates no headers
        folder = new_folder()

        def answer(k: int, name: str, model: Any, classes: list[str | None], **request_of_it) -> None:
            begun = time.perf_counter()
            x = model.sample(seed=seed, **request_of_it)
            seconds = time.perf_counter() - begun
            paths = [images.save_png(picture, folder / f"{k}-{j}.png") for j, picture in enumerate(images.to_pil(x))]
            galleries[k] = [(str(path), caption(lang, seed + j, classes[j])) for j, path in enumerate(paths)]
            rows.append(figures(name, model, len(x), seconds))

        for k, name in enumerate(names):
            if ladder_of(name) != ladder:
                continue
            model = shelf.generative(name)
            chosen = class_of(label, model) if model.class_names else None
            classes = classes_of(model, chosen, n, seed)
            called = [None] * n if classes is None else [model.class_names[j] for j in classes.tolist()]
            model.sample(n)  # the first call at a batch size pays for what later ones have
            answer(k, name, model, called, n=n, truncation=truncation, label=chosen)
            yield *galleries, table, status
        status = texts.say(lang, "no_diffusion")
        if pipeline_name:
            try:
                progress(0, desc=pipeline_name)
                model = shelf.get(pipeline_name, trusted=True)
                shown = Path(pipeline_name).name
                on_step = lambda step, steps: progress((step, steps), desc=shown)  # noqa: E731
                answer(len(names), shown, model, [None] * n, n=min(n, DIFFUSION_MOST), prompt=prompt, on_step=on_step)
                status = ""
            except GenartError as error:
                status = texts.say(lang, "diffusion_failed", reason=texts.sentence(lang, error))
        yield *galleries, table, status

    @on_gpu
    @guarded
    def show_ladder(ladder: str, request: gr.Request):
        columns = (gr.update(visible=ladder_of(name) == ladder) for name in names)
        return *columns, gr.update(**class_choices(known_classes(shelf, ladder), texts.language(request)))

    first = ladders[0] if ladders else None
    with gr.Row():
        ladder = unchecked(gr.Radio([(t(one), one) for one in ladders], value=first, label=t("ladder"), visible=len(ladders) > 1))
        label = class_dropdown(known_classes(shelf, first))
    with gr.Row():
        count = unchecked(gr.Slider(1, MOST, value=8, step=1, label=t("count")))
        seed = unchecked(gr.Number(value=0, precision=0, label=t("seed"), info=t("seed_info")))
        truncation = unchecked(gr.Slider(0.05, 1, value=1, step=0.05, label=t("truncation")))
    prompt = gr.Textbox(value=t("prompt_default"), label=t("prompt"), visible=bool(pipeline_name))
    go = gr.Button(t("compare"), variant="primary", size="lg")
    note = t("diffusion_waits") if pipeline_name else t("no_diffusion")
    status = gr.Markdown(note, elem_classes="note")
    with gr.Row():
        options = {
            "columns": 4, "height": "auto", "format": "png", "object_fit": "contain", "interactive": False,
            "elem_classes": "few-pixels", "buttons": ["fullscreen"], "show_label": False,
        }  # fmt: skip
        galleries, columns = [], []
        for name in [*names, Path(pipeline_name).name or "Stable Diffusion"]:
            visible = ladder_of(name) == first if name in names else bool(pipeline_name)
            with gr.Column(min_width=280, visible=visible) as column:
                columns.append(column)
                gr.Markdown(name, elem_classes="title")
                galleries.append(gr.Gallery(label=name, **options))
    table = gr.Dataframe(headers=[""] * len(COLUMNS), label=t("figures"), interactive=False, wrap=True)
    how("comparison_how")

    shown = [*columns[: len(names)], label]
    ladder.change(show_ladder, ladder, shown, api_visibility="private", show_progress="hidden", **MODEL_CALL)
    go.click(compare, [count, seed, truncation, prompt, ladder, label], [*galleries, table, status], api_name="compare", **MODEL_CALL)


def known_classes(shelf: Shelf, ladder: str | None) -> tuple[str, ...]:
    """The classes that the conditional models of a ladder know."""
    models = (shelf.generative(name) for name in genart_hub.bundled() if ladder and ladder_of(name) == ladder)
    return next((model.class_names for model in models if model.class_names), ())


def check_class(where: str, label: object, names: tuple[str, ...]) -> None:
    """Refuse a class that no model of the ladder knows, before the first one answers."""
    if label is None or not str(label).strip():
        return
    if not names:
        raise GenartError("no_classes", where=where, value=shorten(label))
    index_of_class(where, label, names)


def figures(name: str, model: Any, n: int, seconds: float) -> list[Any]:
    """A row of the table: what an answer cost, and how big the model is."""
    count = model.num_parameters if hasattr(model, "num_parameters") else sum(p.numel() for p in model.parameters())
    files = [model.source.file] if model.source.file else list(model.source.folder.rglob("*.safetensors"))
    size = f"{model.image_size}×{model.image_size}×{model.channels}"
    megabytes = sum(file.stat().st_size for file in files) / 1e6
    return [name, float(f"{seconds:.3g}"), float(f"{n / seconds:.3g}"), f"{count:,}", size, round(megabytes, 2)]
