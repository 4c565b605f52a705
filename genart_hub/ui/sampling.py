"""Sampling: pictures from seeds, each with its recipe."""

import html
import inspect
import secrets
import zipfile
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

import gradio as gr
from torch import Tensor

from genart_hub import images, remake
from genart_hub.errors import GenartError, shorten, whole
from genart_hub.evaluate.scores import logits, percentile
from genart_hub.hub.described import name_of
from genart_hub.models import auto
from genart_hub.models.base import ImageModel
from genart_hub.models.inputs import INPUTS, PRIORS
from genart_hub.streams import steps_of
from genart_hub.ui import inside, redraw, texts
from genart_hub.ui.address import Built, classes_of_model
from genart_hub.ui.fields import (
    caption,
    class_choices,
    class_of,
    classes_of,
    how,
    hub_search,
    input_fields,
    known_of,
    model_box,
    parsed,
    prompt_note,
    seed_of,
    unchecked,
)
from genart_hub.ui.figures import at_step, moments_of, real_scores
from genart_hub.ui.handlers import Running, guarded, in_turn, new_folder, show_each, show_png, stem
from genart_hub.ui.model_cache import ModelCache, first_shown, offered
from genart_hub.ui.texts import t
from genart_hub.ui.turns import MODEL

MOST = 64
COLUMNS = 8
MOST_COMING = 16  # pictures that are shown on their way
BY_DEFAULT = (("truncation", 1), ("prior", PRIORS[-1]))
LARGE, DIFFUSION_MOST = 128, 4  # a pipeline of more px than that takes minutes a picture on a CPU


def build(models: ModelCache) -> Built:
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
        opened: int | None = None,
        request: gr.Request | None = None,
    ) -> Iterator[dict[Any, Any]]:
        lang = texts.language(request)
        if not models.is_loaded(model_name):
            yield {note: texts.say(lang, "loading", model=html.escape(shorten(models.check(model_name)).strip("'"), quote=False))}
        model = models.painter(model_name)
        where = texts.say(lang, "sampling")
        most = MOST if model.image_size <= LARGE or not model.tells_steps else DIFFUSION_MOST
        n = whole(where, texts.say(lang, "count"), parsed(n), 1, most)
        seed, chosen = seed_of(seed, lang), class_of(label, model)
        prompt = texts.typed(prompt, "prompt_default", lang)
        given = {"truncation": parsed(truncation), "label": chosen, "prompt": prompt}
        given |= {
            name: parsed(value)
            for name, value in (("num_steps", num_steps), ("guidance", guidance), ("prior", prior), ("temperature", temperature))
            if value is not None and str(value).strip()
        }
        if request is None or request.headers.get("x-gradio-user") != "app":  # a page may hold what another model took
            for name in ("truncation", "num_steps", "guidance", "temperature"):
                given |= {name: INPUTS[name].check(name, given[name])} if given.get(name) is not None else {}
        asked = {name: given[name] for name in model.inputs if given.get(name) is not None}
        classes = classes_of(model, chosen, n, seed)
        names = [None] * n if classes is None else [model.class_names[k] for k in classes.tolist()]
        folder = new_folder()
        moments = steps_of_sample(model, n, seed, asked)
        try:
            while True:
                step, total, x = next(moments)
                fresh: dict[Any, Any] = {note: at_step(lang, name_of(model), step, total, n)}
                if x is not None:
                    coming = images.to_pil(x[:MOST_COMING])
                    paths = [show_png(one, folder / f"step-{step}-{k}.png") for k, one in enumerate(coming)]
                    fresh[gallery] = [(path, caption(lang, seed + k, names[k])) for k, path in enumerate(paths)]
                yield fresh
        except StopIteration as done:
            x = done.value
        finally:
            moments.close()
        asked = {name: INPUTS[name].check(name, value) for name, value in asked.items()}  # as a recipe carries them
        told = prompt_note(lang, model, prompt) if "prompt" in asked else ""
        percents: list[int] | None = None
        if real := real_scores(model):
            percents = [percentile(value, real) for value in logits(model, x, classes).tolist()]
            told = texts.say(lang, "score_note")
        paths = show_each(model, x, seed, folder / stem(model), **asked)
        shown = [(path, caption(lang, seed + k, names[k], percents[k] if percents else None)) for k, path in enumerate(paths)]
        columns = min(COLUMNS, n)
        recipe = model.recipe(seed=seed, n=n, columns=columns, **asked)
        whole_grid = show_png(images.grid(x, columns), folder / f"{stem(model)}-{seed}-grid.png", recipe)
        packed_all = folder / f"{stem(model)}-{seed}.zip"
        with zipfile.ZipFile(packed_all, "w") as packed:
            for path in [*paths, whole_grid]:
                packed.write(path, Path(path).name)
        one_of = shown[min(opened or 0, n - 1)][0]
        yield {
            gallery: shown, one: one_of, grid: whole_grid, archive: str(packed_all), code: _code(model, n, seed, asked), note: told,
        }  # fmt: skip

    running = Running()

    def stopped(request: gr.Request) -> dict[Any, Any]:
        return {note: texts.say(texts.language(request), "stopped")}

    def dice() -> int:
        return secrets.randbelow(2**31)

    @in_turn(MODEL)
    @guarded
    def restore(png: str | None, request: gr.Request) -> tuple[Any, ...]:
        if png is None:
            return (gr.skip(),) * (3 + len(inputs.fields))
        recipe, file = remake.read(png), Path(png).name
        if "directions" in recipe:
            raise GenartError("directions_grid", file=file)
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

    def choose(gallery: list, event: gr.SelectData) -> tuple[str | None, int]:
        """The picture that is opened: it is the one to download, and so is the one in its place after the next draw."""
        return (gallery[event.index][0] if gallery else None), event.index

    with gr.Row(elem_classes="pictures-last"):
        with gr.Column(scale=1, min_width=280):
            model = model_box(offered(), value=first_shown())
            inputs = input_fields(models, model)
            hub_search(model)
            count = unchecked(gr.Slider(1, MOST, value=16, step=1, label=t("count")))
            seed = unchecked(gr.Number(value=0, precision=0, label=t("seed"), info=t("seed_info")))
            roll = gr.Button(t("dice"), size="sm")
            with gr.Row(elem_classes="acts"):
                go = gr.Button(t("generate"), variant="primary", size="lg", scale=3)
                stop = gr.Button(t("stop"), variant="stop", size="lg", scale=1, min_width=80)
            dropped = gr.File(label=t("restore"), type="filepath", height=170)
        with gr.Column(scale=2, min_width=320):
            gallery = gr.Gallery(
                show_label=False, columns=8, height="auto", format="png", object_fit="contain",
                interactive=False, elem_classes=["few-pixels", "many"], buttons=["download", "fullscreen"],
            )  # fmt: skip
            note = gr.Markdown(elem_classes=["note", "status"])
            opened = gr.State(None)
            with gr.Row():
                one = gr.DownloadButton(t("one"), size="sm")
                grid = gr.DownloadButton(t("grid"), size="sm")
                archive = gr.DownloadButton(t("zip"), size="sm")
            code = gr.Code(label=t("code"), language="python", lines=3, interactive=False)
            opened_model = inside.panel(models, model, seed, inputs.fields)
            redrawn = redraw.panel(models, model, seed, inputs.fields, stop)
    how("sampling_how")

    fields, outputs = [model, count, seed, *inputs.fields.values()], [gallery, one, grid, archive, code, note]
    asked, drawing = [*fields, opened], running.until_stopped(sample, stopped)
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    telling: dict[str, Any] = {"show_progress_on": note}  # the line below the pictures tells the steps, and who goes first
    go.click(drawing, asked, outputs, api_name="sample", **telling)
    inputs.fields["prompt"].submit(drawing, asked, outputs, api_visibility="private", **telling)
    inputs.chips.success(drawing, asked, outputs, api_visibility="private", **telling)
    rolled = roll.click(dice, None, seed, api_name="dice", show_progress="hidden")
    rolled.success(drawing, asked, outputs, api_name="sample_after_dice", trigger_mode="always_last", **telling)  # the last seed is drawn
    restored = dropped.upload(restore, dropped, fields, api_name="restore", show_progress="hidden")
    shown = restored.success(show_fields, model, list(inputs.shown.values()), **quiet)
    shown.success(drawing, asked, outputs, api_name="sample_after_restore", **telling)
    stop.click(running.stop, queue=False, api_name="stop_sampling", show_progress="hidden")
    gallery.select(choose, gallery, [one, opened], **quiet)  # a click cannot come by API
    gallery.preview_close(lambda: None, None, opened, **quiet)

    def open_by(button: gr.Button, tabs: gr.Tabs, name: str) -> Any:
        """Let a button of another tab open this one with a model, and draw. Returns the event of that."""

        @guarded
        def chosen(request: gr.Request) -> tuple[Any, ...]:
            classes = class_choices(auto.listing(name).get("classes", ()), texts.language(request))
            return gr.Tabs(selected="sampling"), name, gr.update(**classes)

        here = button.click(chosen, None, [tabs, model, inputs.fields["label"]], **quiet)
        opened_model.follow_after(here)
        redrawn.follow_after(here)
        shown = here.success(show_fields, model, list(inputs.shown.values()), **quiet)
        return shown.success(drawing, asked, outputs, api_visibility="private", **telling)

    def open_inside(button: gr.Button, tabs: gr.Tabs, name: str) -> None:
        opened_model.after(open_by(button, tabs, name))

    def follow(values: Mapping[str, Any]) -> dict[Any, Any]:
        return dict(zip(inputs.shown.values(), inputs.visible(known_of(models, values["model"], load=False)[1]), strict=True))

    addressed = {"model": model, "n": count, "seed": seed} | inputs.fields
    drawn_by = inputs.fields["prompt"].submit, inputs.chips.success
    return Built(open_by, addressed, go, drawn_by, classes_of_model, follow, open_inside=open_inside)


def steps_of_sample(model: ImageModel, n: int, seed: int, asked: dict[str, Any]) -> Generator[tuple[int, int, Tensor | None], None, Tensor]:
    """Draw, and yield (step, num_steps, x) on the way of a model that takes steps: x (n, C, H, W) as far as it has come.

    A large picture is not shown on its way, which would take long: x is None. Returns the pictures of `sample`.
    """
    if model.unfolds and model.image_size <= LARGE:
        fewer = {"moments": moments_of} if "moments" in inspect.signature(model.denoise).parameters else {}
        for step, total, x in model.denoise(n, seed, **asked, **fewer):
            if step < total:
                yield step, total, x
        return x
    if not model.tells_steps:
        return model.sample(n, seed, **asked)
    steps = steps_of(lambda on_step: model.sample(n, seed, **asked, on_step=on_step))
    try:
        while True:
            step, total = next(steps)
            yield step, total, None
    except StopIteration as done:
        return done.value[0]
    finally:
        steps.close()


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
