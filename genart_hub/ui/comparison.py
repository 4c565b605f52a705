"""Comparison: one request, answered by every model of a ladder, with what each answer cost."""

import html
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd
from torch import Tensor

import genart_hub
from genart_hub import images, stable_diffusion
from genart_hub.costs import Costs
from genart_hub.errors import GenartError, choice, first_line, shorten, whole
from genart_hub.hub import bundled_folder, pick_device
from genart_hub.models.base import index_of_class
from genart_hub.ui import gpu, texts
from genart_hub.ui.parts import (
    LADDERS,
    TRUSTED_BYTES,
    Agreements,
    Running,
    Shelf,
    caption,
    class_choices,
    class_dropdown,
    class_of,
    classes_of,
    guarded,
    host_s_pipeline,
    how,
    in_turn,
    is_pipeline,
    ladder_of,
    new_folder,
    num_parameters,
    on_ladder,
    parsed,
    prompt_box,
    seed_of,
    steps_of,
    unchecked,
    unread_note,
)
from genart_hub.ui.texts import t
from genart_hub.ui.turns import HUB, MODEL

MOST = 16
DIFFUSION_MOST = 4  # a big pipeline on a laptop's CPU takes minutes a picture
MOMENTS = 8  # pictures of a strip from noise to picture
BAR = 20  # characters of the status line's bar
SHOWN_SIDE = 256  # px; a strip's pictures are enlarged, so that they stay sharp
METRICS = ("precision", "recall", "coverage")
COLOURS = ("#6366f1", "#f43f5e", "#f59e0b", "#10b981", "#0ea5e9", "#a855f7")
COLUMNS = (
    "column_model", "column_seconds", "column_rate", "column_parameters", "column_size", "column_megabytes",
    "column_multiply_adds", "column_memory", "column_told", "column_frechet",
)  # fmt: skip


def build(shelf: Shelf) -> None:
    """The tab."""
    names = genart_hub.bundled()
    pipelines = genart_hub.bundled("diffusion")
    ladders = [ladder for ladder in LADDERS if on_ladder(names, ladder)]
    host_s_own, agreements = host_s_pipeline(), Agreements()

    @in_turn(MODEL)
    @guarded
    def compare(
        n: float,
        seed: float,
        truncation: float,
        prompt: str,
        ladder: str,
        label: str,
        big: str,
        request: gr.Request,
    ):
        lang = texts.language(request)
        where = texts.say(lang, "comparison")
        n = whole(where, texts.say(lang, "count"), parsed(n), 1, MOST)
        seed, truncation = seed_of(seed, lang), parsed(truncation)
        prompt = texts.typed(prompt, "prompt_default", lang)
        if ladders:
            choice(where, texts.say(lang, "ladder"), ladder, ladders)
            check_class(texts.say(lang, ladder), label, known_classes(shelf, ladder))
        big = host_s_own or (big or "").strip()
        if big and not host_s_own:
            choice(where, texts.say(lang, "big"), big, stable_diffusion.FALLBACKS)
            agreements.check(request, big)
        answering = [name for name in names if ladder_of(name) == ladder]
        colours = dict(zip(answering, COLOURS * len(names), strict=False))
        folder, rows, points, notes = new_folder(), [], [], []
        table = {"headers": [texts.say(lang, key) for key in COLUMNS], "data": rows}  # Gradio translates no headers
        shown: dict[Any, Any] = {galleries[k]: None for k in range(len(galleries)) if k == len(names) or names[k] in answering}
        shown |= {facts[k]: "" for k in range(len(facts))} | {table_box: table, plot_row: gr.update(visible=False)}
        shown |= dict.fromkeys(strips.values()) | {row: gr.update(visible=False) for row in strip_rows.values()}
        shown[status] = texts.say(lang, "working")
        yield dict(shown)

        def show(fresh: dict[Any, Any]) -> dict[Any, Any]:
            shown.update(fresh)
            return fresh

        def answer(k: int, name: str, model: Any, x: Tensor, seconds: float, captions: list[str], request_of_it: dict) -> dict[Any, Any]:
            """What the page shows of a model's pictures."""
            paths = [images.save_png(picture, folder / f"{k}-{j}.png") for j, picture in enumerate(images.to_pil(x))]
            told_costs, measured = gpu.costs_of(model, **request_of_it), evaluation(name) if k < len(names) else {}
            rows.append(figures(lang, name, model, len(x), seconds, told_costs, measured))
            fresh = {galleries[k]: [(str(path), text) for path, text in zip(paths, captions, strict=True)], table_box: table}
            fresh[facts[k]] = card(lang, model, len(x), seconds, told_costs, measured, big=k == len(names))
            if "frechet" in measured:
                points.append((math.log10(seconds / len(x)), measured["frechet"][0], name))
            return show(fresh)

        def unfold(k: int, name: str, model: Any, count: int) -> Iterator[dict[Any, Any]]:
            """The first picture from noise on, in a few moments of it; then all of them, at their own speed."""
            moments = []
            yield show({strip_rows[k]: gr.update(visible=True), strip_titles[k]: texts.say(lang, "strip", model=name)})
            for step, num_steps, x in model.denoise(1, seed, prompt=prompt):
                if step in moments_of(num_steps):
                    picture = images.save_png(images.enlarge(images.to_pil(x[0]), SHOWN_SIDE), folder / f"{k}-step-{step}.png")
                    moments.append((str(picture), texts.say(lang, "moment", step=step, steps=num_steps)))
                    yield show({strips[k]: list(moments), status: at_step(lang, name, step, num_steps)})
                else:
                    yield show({status: at_step(lang, name, step, num_steps)})
            steps = steps_of(lambda on_step: model.sample(count, seed, prompt=prompt, on_step=on_step))
            try:
                while True:
                    yield show({status: at_step(lang, name, *next(steps), n=count)})
            except StopIteration as done:
                x, seconds = done.value
            finally:
                steps.close()
            captions = [caption(lang, seed + j) for j in range(count)]
            for j in getattr(model, "blanked", ()):
                captions[j] += " · " + texts.say(lang, "blanked")
            yield answer(k, name, model, x, seconds, captions, {"prompt": prompt})
            notes.append(unread_note(lang, model, prompt))

        def attempt(k: int, name: str, load: Any, count: int) -> Iterator[dict[Any, Any]]:
            """A pipeline's answer; where it fails, a note, and the other models are not kept from theirs."""
            try:
                yield show({status: texts.say(lang, "loading", model=name)})
                yield from unfold(k, name, load(), count)
            except (GenartError, RuntimeError, MemoryError, OSError) as error:  # PyTorch's out of memory is a RuntimeError
                reason = error if isinstance(error, GenartError) else GenartError("unexpected", reason=first_line(error))
                notes.append(html.escape(texts.say(lang, "diffusion_failed", model=name, reason=texts.sentence(lang, reason)), quote=False))

        for k, name in enumerate(names):
            if name not in answering:
                continue
            if name in pipelines:
                yield from attempt(k, name, lambda name=name: shelf.painter(name), n)
                continue
            model = shelf.generative(name)
            chosen = class_of(label, model) if model.class_names else None
            classes = classes_of(model, chosen, n, seed)
            called = [None] * n if classes is None else [model.class_names[j] for j in classes.tolist()]
            model.sample(n)  # the first call at a batch size pays for what later ones have
            begun = time.perf_counter()
            x = model.sample(n, seed, truncation=truncation, label=chosen)
            seconds = time.perf_counter() - begun
            captions = [caption(lang, seed + j, name_of_class) for j, name_of_class in enumerate(called)]
            yield answer(k, name, model, x, seconds, captions, {})
        if points:
            yield show(
                {plot: plotted(lang, points, colours), plot_row: gr.update(visible=True)}
            )  # at once: the page draws a plot that grows one step behind
        if big:
            yield show({columns[-1]: gr.update(visible=True), titles[-1]: big_title(lang, big)})
            own = bool(host_s_own)
            load = lambda: gpu.borrowing(big, shelf.get(big, trusted=own, agreed=not own), TRUSTED_BYTES)  # noqa: E731
            yield from attempt(len(names), Path(big).name, load, min(n, DIFFUSION_MOST))
        shown[status] = "\n\n".join(dict.fromkeys(note for note in notes if note))
        if not (pipelines or big):
            shown[status] = texts.say(lang, "no_diffusion")
        yield shown

    running = Running()

    def stopped(request: gr.Request) -> dict[Any, Any]:
        return {status: texts.say(texts.language(request), "stopped")}

    def reads_a_prompt(ladder: str | None, big: object) -> bool:
        return bool(host_s_own or big or on_ladder(pipelines, ladder))

    @in_turn(MODEL)
    @guarded
    def show_ladder(ladder: str, offer: str, request: gr.Request):
        shown = [gr.update(visible=ladder_of(name) == ladder) for name in names]
        classes = gr.update(**class_choices(known_classes(shelf, ladder), texts.language(request)))
        hidden = [gr.update(visible=False)] * (len(strips) + 1)
        return *shown, classes, gr.update(visible=reads_a_prompt(ladder, offer)), *hidden

    @in_turn(HUB)
    @guarded
    def show_offer(offer: str, ladder: str, request: gr.Request):
        """What that pipeline would take, before anything is downloaded; it is not confirmed yet."""
        agreements.forget(request)
        lang = texts.language(request)
        sentence, offered = "", bool(offer)
        if offer:
            try:
                choice(texts.say(lang, "comparison"), texts.say(lang, "big"), offer, stable_diffusion.FALLBACKS)
                sentence = estimated(lang, stable_diffusion.estimate(offer, device=pick_device(), token=False))
                agreements.tell(request, offer)
            except GenartError as error:
                sentence, offered = html.escape(texts.sentence(lang, error), quote=False), False
        prompt_shown = gr.update(visible=reads_a_prompt(ladder, offer))
        agreed = gr.update(value=False, visible=offered)
        return sentence, agreed, "", gr.update(visible=False), prompt_shown

    @guarded
    def confirm(agreed: bool, offer: str, request: gr.Request):
        agreements.agree(request, offer) if agreed else agreements.withdraw(request)
        return (offer if agreed else ""), gr.update(visible=bool(agreed)), big_title(texts.language(request), offer)

    first = ladders[0] if ladders else None
    with gr.Row():
        ladder = unchecked(gr.Radio([(t(one), one) for one in ladders], value=first, label=t("ladder"), visible=len(ladders) > 1))
        label = class_dropdown(known_classes(shelf, first))
    prompt, prompt_column = prompt_box(reads_a_prompt(first, ""))
    with gr.Row():
        count = unchecked(gr.Slider(1, MOST, value=8, step=1, label=t("count")))
        seed = unchecked(gr.Number(value=0, precision=0, label=t("seed"), info=t("seed_info")))
        truncation = unchecked(gr.Slider(0.05, 1, value=1, step=0.05, label=t("truncation")))
    with gr.Accordion(t("big"), open=False, visible=not host_s_own):
        gr.Markdown(t("big_about"), elem_classes="note")
        offers = [(t("big_none"), ""), *((one, one) for one in stable_diffusion.FALLBACKS)]
        offer = unchecked(gr.Dropdown(offers, value="", show_label=False, label=t("big")))
        offer_note = gr.Markdown(elem_classes="note")
        agreed = gr.Checkbox(value=False, label=t("big_agree"), visible=False)
        confirmed = gr.Textbox(value="", label=t("big"), visible="hidden")
    with gr.Row(elem_classes="acts"):
        go = gr.Button(t("compare"), variant="primary", size="lg", scale=4)
        stop = gr.Button(t("stop"), variant="stop", size="lg", scale=1, min_width=100)
    note = t("big_waits") if host_s_own else t("compare_hint")
    status = gr.Markdown(note, elem_classes=["note", "status"])
    with gr.Row(elem_classes="answers"):
        options = {
            "columns": 4, "height": "auto", "format": "png", "object_fit": "contain", "interactive": False,
            "elem_classes": "few-pixels", "buttons": ["fullscreen"], "show_label": False,
        }  # fmt: skip
        galleries, columns, facts, titles = [], [], [], []
        for name in [*names, Path(host_s_own).name or "Stable Diffusion"]:
            is_big = name not in names
            visible = bool(host_s_own) if is_big else ladder_of(name) == first
            with gr.Column(min_width=250, visible=visible, elem_classes="answer") as column:
                columns.append(column)
                title = big_title(None, name) if is_big else f"### {name}\n{kind(name)}"
                titles.append(gr.Markdown(title, elem_classes="title"))
                galleries.append(gr.Gallery(label=name, **options))
                facts.append(gr.HTML(elem_classes="facts", padding=False))
    strips, strip_rows, strip_titles = {}, {}, {}
    for k in [*(names.index(name) for name in pipelines), len(names)]:
        with gr.Column(visible=False, elem_classes="strip") as strip_rows[k]:
            strip_titles[k] = gr.Markdown(elem_classes="title")
            strips[k] = gr.Gallery(label=t("strip_label"), **options | {"columns": MOMENTS})
    with gr.Column(visible=False) as plot_row:
        plot = gr.ScatterPlot(label=t("plot"), height=420, tooltip="all", buttons=["export"], elem_classes="plot")
        gr.Markdown(t("plot_note"), elem_classes="note")
    table_box = gr.Dataframe(headers=[""] * len(COLUMNS), label=t("figures"), interactive=False, wrap=True, elem_classes="figures")
    gr.Markdown(t("figures_note"), elem_classes="note")
    how("comparison_how")

    followers = [*columns[: len(names)], label, prompt_column, *strip_rows.values(), plot_row]
    quiet = {"api_visibility": "private", "show_progress": "hidden"}
    ladder.change(show_ladder, [ladder, offer], followers, **quiet)
    told = [offer_note, agreed, confirmed, columns[-1], prompt_column]
    offer.change(show_offer, [offer, ladder], told, api_name="tell_big", show_progress="hidden")
    agreed.input(confirm, [agreed, offer], [confirmed, columns[-1], titles[-1]], api_name="agree_to_big", show_progress="hidden")
    inputs = [count, seed, truncation, prompt, ladder, label, confirmed]
    of_strips = [*strips.values(), *strip_titles.values(), *strip_rows.values()]
    outputs = [*galleries, *facts, *of_strips, columns[-1], titles[-1], plot, plot_row, table_box, status]
    comparing = running.until_stopped(compare, stopped)
    go.click(comparing, inputs, outputs, api_name="compare", show_progress="hidden")  # the status line tells it
    stop.click(running.stop, queue=False, api_name="stop_comparison", show_progress="hidden")


def known_classes(shelf: Shelf, ladder: str | None) -> tuple[str, ...]:
    """The classes that the conditional models of a ladder know. No pipeline is loaded for that."""
    pipelines = genart_hub.bundled("diffusion")
    names = [name for name in genart_hub.bundled() if ladder and ladder_of(name) == ladder and name not in pipelines]
    return next((classes for classes in (shelf.generative(name).class_names for name in names) if classes), ())


def check_class(where: str, label: object, names: tuple[str, ...]) -> None:
    """Refuse a class that no model of the ladder knows, before the first one answers."""
    if label is None or not str(label).strip():
        return
    if not names:
        raise GenartError("no_classes", where=where, value=shorten(label))
    index_of_class(where, label, names)


def estimated(lang: str, estimate: "stable_diffusion.Estimate") -> str:
    """What a big pipeline would take of this machine, in a sentence or two."""
    size = texts.say(lang, "big_download", size=f"{estimate.download_bytes / 1e9:.1f}") if estimate.download_bytes else ""
    size = size or texts.say(lang, "big_here")
    memory = {"need": f"{estimate.memory_bytes / 1e9:.1f}", "free": f"{estimate.free_bytes / 1e9:.1f}"}
    seconds = estimate.seconds_per_picture
    took = "" if seconds is None else texts.say(lang, "big_seconds", time=duration(lang, seconds))
    warning = texts.say(lang, "big_tight") if estimate.memory_bytes > estimate.free_bytes else ""
    parts = (f"**{estimate.name}**", size, texts.say(lang, "big_memory", **memory), took, warning)
    return (" " if lang == "en" else "").join(part for part in parts if part)


def at_step(lang: str, name: str, step: int, num_steps: int, n: int = 1) -> str:
    """The status line while a pipeline draws n pictures, with a bar."""
    full = round(BAR * step / num_steps)
    return "▰" * full + "▱" * (BAR - full) + " " + texts.say(lang, "at_step", model=name, n=n, step=step, steps=num_steps)


def moments_of(num_steps: int) -> set[int]:
    """The steps that a strip shows: pure noise, the finished picture, and others evenly between."""
    count = min(MOMENTS, num_steps + 1)
    return {round(k * num_steps / (count - 1)) for k in range(count)}


def kind(name: str) -> Any:
    """What kind of model stands above its pictures."""
    family = next(one for one in ("gan", "vae", "diffusion") if name in genart_hub.bundled(one))
    return t(f"kind_{family}")


def big_title(lang: str | None, name: str) -> Any:
    """The title of the big pipeline's column, which warns of judging it beside the others. lang: None for the page's own."""
    warning = texts.say(lang, "big_unlike") if lang else t("big_unlike")
    return f"### {Path(name).name}\n{warning}"


def evaluation(name: str) -> dict[str, tuple[float, float | None]]:
    """A bundled model's measured figures, by metric: its value, and that of real pictures."""
    file = bundled_folder(name) / "evaluation.json"
    rows = json.loads(file.read_text("utf-8"))["results"].get(name, []) if file.is_file() else []
    return {row["metric"]: (row["value"], row["real"]) for row in rows}


def told(lang: str, model: Any) -> str:
    """What the model can be told of the picture that is wanted."""
    return texts.say(lang, "told_text" if is_pipeline(model) else "told_class" if model.class_names else "told_nothing")


def megabytes_of(model: Any) -> float:
    """The model's weights on disk."""
    files = [model.source.file] if model.source.file and not is_pipeline(model) else list(model.source.folder.rglob("*.safetensors"))
    return sum(file.stat().st_size for file in files) / 1e6


def figures(lang: str, name: str, model: Any, n: int, seconds: float, cost: Costs, measured: dict) -> list[Any]:
    """A row of the table: what an answer cost, how big the model is, and how good."""
    size = f"{model.image_size}×{model.image_size}×{model.channels}"
    return [
        name,
        float(f"{seconds:.3g}"),
        float(f"{n / seconds:.3g}"),
        f"{num_parameters(model):,}",
        size,
        round(megabytes_of(model), 2),
        short(cost.multiply_adds),
        round(cost.peak_memory / 1e6, 1),
        told(lang, model),
        round(measured["frechet"][0], 2) if "frechet" in measured else None,
    ]


def card(lang: str, model: Any, n: int, seconds: float, cost: Costs, measured: dict, big: bool = False) -> str:
    """The same for a person: a few lines of HTML below the pictures."""
    rows = [
        ("card_time", duration(lang, seconds / n), texts.say(lang, "card_rate", rate=f"{float(f'{n / seconds:.3g}'):,g}")),
        ("card_size", short(num_parameters(model)), texts.say(lang, "card_disk", megabytes=f"{megabytes_of(model):,.1f}")),
        ("card_work", short(cost.multiply_adds), texts.say(lang, "card_a_picture")),
        ("card_memory", f"{cost.peak_memory / 1e6:,.0f} MB", texts.say(lang, "card_at_most")),
    ]
    if "frechet" in measured:
        value, floor = measured["frechet"]
        beside = "" if floor is None else texts.say(lang, "card_floor", floor=f"{floor:.3g}")
        rows.append(("card_frechet", f"{value:.3g}", beside))
    rows += [(f"card_{name}", f"{measured[name][0]:.0%}", texts.say(lang, f"card_{name}_is")) for name in METRICS if name in measured]
    if big:
        rows.append(("card_frechet", "–", texts.say(lang, "card_not_measured")))
    lines = "".join(f"<tr><th>{texts.say(lang, key)}</th><td><b>{value}</b> <span>{beside}</span></td></tr>" for key, value, beside in rows)
    return f'<div class="card"><p class="told">{told(lang, model)}</p><table>{lines}</table></div>'


def plotted(lang: str, points: list[tuple[float, float, str]], colours: dict[str, str]) -> Any:
    """Quality against time, a point a model."""
    x, y, model = (texts.say(lang, key) for key in ("axis_time", "axis_frechet", "column_model"))
    value = pd.DataFrame(points, columns=[x, y, model])
    low, high = math.floor(min(point[0] for point in points)) - 0.5, math.ceil(max(point[0] for point in points)) + 0.5
    axes = {"x": x, "y": y, "color": model, "x_title": x, "y_title": y, "color_title": model}
    limits = {"x_lim": [low, high], "y_lim": [0, 1.15 * max(point[1] for point in points)]}
    return gr.ScatterPlot(value, **axes, **limits, color_map=colours)


def short(count: int) -> str:
    """A large number, such as 12.3 M."""
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return str(count)


def duration(lang: str, seconds: float) -> str:
    """A time as a person reads it."""
    if seconds < 0.1:
        return texts.say(lang, "milliseconds", value=f"{1000 * seconds:.2g}")
    if seconds < 100:
        return texts.say(lang, "seconds", value=f"{seconds:.2g}")
    return texts.say(lang, "minutes", value=f"{seconds / 60:.2g}")
