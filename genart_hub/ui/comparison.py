"""Comparison: one request, answered by every model of a ladder, with what each answer cost."""

import html
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from genart_hub import images
from genart_hub.devices import pick_device
from genart_hub.errors import GenartError, choice, first_line
from genart_hub.hub.cards.markdown import SAMPLES
from genart_hub.hub.cards.shown import WISHES
from genart_hub.hub.locate import bundled_folder
from genart_hub.models import auto, stable_diffusion
from genart_hub.ui import gpu, sprites, stage, texts
from genart_hub.ui.address import Built
from genart_hub.ui.answers import MOST, Answer, answer, headed, in_history, known_classes, wished
from genart_hub.ui.fields import (
    LADDERS,
    cannot_box,
    class_choices,
    class_dropdown,
    how,
    ladder_of,
    on_ladder,
    prompt_box,
    prompt_note,
    unchecked,
)
from genart_hub.ui.figures import MOMENTS, at_step, card, estimated, evaluation, figures, moments_of, told_key
from genart_hub.ui.handlers import Agreements, Running, guarded, in_turn, new_folder, show_png
from genart_hub.ui.model_cache import TRUSTED_BYTES, ModelCache, host_s_pipeline
from genart_hub.ui.scatter import CSS, scatter
from genart_hub.ui.texts import t
from genart_hub.ui.turns import HUB, MODEL

DIFFUSION_MOST = 4  # a big pipeline on a laptop's CPU takes minutes a picture
FIRST = 4  # pictures of a column before anything was asked, and of an answer where nobody chooses another count
SHOWN_SIDE = 256  # px; a strip's pictures are enlarged, so that they stay sharp
COLOURS = ("#6366f1", "#f43f5e", "#f59e0b", "#10b981", "#0ea5e9", "#a855f7")


COLUMNS = (
    "column_model", "column_seconds", "column_rate", "column_parameters", "column_size", "column_megabytes",
    "column_multiply_adds", "column_memory", "column_told", "column_frechet",
)  # fmt: skip


def build(models: ModelCache) -> Built:
    """The tab."""
    names = in_history()
    listed = {name: auto.listing(name) for name in names}
    readers = [name for name in names if "prompt" in listed[name]["inputs"]]
    unfolding = [name for name in names if auto.class_of(name).unfolds]
    ladders = [ladder for ladder in LADDERS if on_ladder(names, ladder)]
    host_s_own, agreements = host_s_pipeline(), Agreements()
    halfway: dict[str | None, tuple[int, int, int, str]] = {}  # of each page: column, step, steps and canvas of what is being drawn

    def on_stage(k: int, playing: bool) -> dict[Any, Any]:
        """Column k with its canvas, or with its gallery in that place."""
        return {stands[k]: gr.update(visible=playing), benches[k]: gr.update(visible=not playing)}

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
    ) -> Iterator[dict[Any, Any]]:
        lang = texts.language(request)
        wish = wished(lang, names, n, seed, truncation, texts.typed(prompt, "prompt_default", lang), ladder, label)
        big = host_s_own or (big or "").strip()
        if big and not host_s_own:
            choice(texts.say(lang, "comparison"), texts.say(lang, "big"), big, stable_diffusion.FALLBACKS)
            agreements.check(request, big)
        answering = [name for name in names if ladder_of(name) == ladder]
        colours = dict(zip(answering, COLOURS * len(names), strict=False))
        folder = new_folder()
        rows: list[list[Any]] = []
        points: list[tuple[float, float, str]] = []
        notes: list[str] = []
        table = {"headers": [texts.say(lang, key) for key in COLUMNS], "data": rows}  # Gradio translates no headers
        shown: dict[Any, Any] = {galleries[k]: None for k in range(len(galleries)) if k == len(names) or names[k] in answering}
        shown |= {facts[k]: "" for k in range(len(facts))} | {plot_row: gr.update(visible=False)}
        shown |= {table_box: table, numbers: gr.update(visible=True)}
        for k in range(len(galleries)):
            shown |= on_stage(k, k in unfolded)
        shown |= {stages[k]: gr.update(label=texts.say(lang, "stage_noise")) for k in unfolded}
        shown |= dict.fromkeys(strips.values()) | {row: gr.update(visible=False) for row in strip_rows.values()}
        shown[status] = texts.say(lang, "working")
        yield dict(shown)

        def show(fresh: dict[Any, Any]) -> dict[Any, Any]:
            shown.update(fresh)
            return fresh

        def told(k: int, name: str, model: Any, given: Answer, captions: list[str]) -> dict[Any, Any]:
            """A model's pictures and what they cost, and what there is to say of the prompt if it reads one."""
            prompted = {"prompt": wish.prompt} if "prompt" in given.asked else {}
            if prompted:
                notes.append(prompt_note(lang, model, wish.prompt or ""))
            paths, count, is_big = given.save(model, wish.seed, folder / f"{k}-{name}"), len(captions), k == len(names)
            costs, measured = gpu.costs_of(model, **prompted), {} if is_big else evaluation(name)
            rows.append(figures(lang, name, model, count, given.seconds, costs, measured))
            if "frechet" in measured:
                points.append((given.seconds / count, measured["frechet"][0], name))
            return show(
                {galleries[k]: [(str(path), text) for path, text in zip(paths, captions, strict=True)], table_box: table}
                | on_stage(k, False)
                | {facts[k]: card(lang, name, model, count, given.seconds, costs, measured, big=is_big)}
            )

        def unfold(k: int, name: str, model: Any, count: int) -> Iterator[dict[Any, Any]]:
            """All pictures at once; of the first, a few moments from noise on."""
            moments, (asked, classes) = [], wish.of(model, count)
            yield show({strip_rows[k]: gr.update(visible=True), strip_titles[k]: texts.say(lang, "strip", model=name)})
            seconds, drawing = 0.0, iter(model.denoise(count, wish.seed, **asked))
            while True:
                begun = time.perf_counter()
                try:
                    step, num_steps, x = next(drawing)
                except StopIteration as done:  # one that draws its moments from latents tells what it took without them
                    seconds = done.value or seconds
                    break
                seconds += time.perf_counter() - begun
                pictures = images.to_pil(x[:FIRST])
                halfway[request.session_hash] = k, step, num_steps, (drawn := stage.still(pictures))
                told_step = texts.say(lang, "moment", step=step, steps=num_steps)
                fresh: dict[Any, Any] = {stages[k]: gr.update(value=drawn, label=told_step)}
                fresh[status] = at_step(lang, name, step, num_steps, count)
                if step in moments_of(num_steps):
                    moments.append((show_png(images.enlarge(pictures[0], SHOWN_SIDE), folder / f"{k}-step-{step}.png"), told_step))
                    fresh[strips[k]] = list(moments)
                yield show(fresh)
            given = Answer(x, seconds, asked, classes)
            captions = given.captions(lang, wish.seed)
            for j in model.blanked:
                captions[j] += " · " + texts.say(lang, "blanked")
            yield told(k, name, model, given, captions)

        def attempt(k: int, name: str, load: Any, count: int) -> Iterator[dict[Any, Any]]:
            """A pipeline's answer; where it fails, a note, and the other models are not kept from theirs."""
            try:
                yield show({status: texts.say(lang, "loading", model=name)})
                yield from unfold(k, name, load(), count)
            except (GenartError, RuntimeError, MemoryError, OSError) as error:  # PyTorch's out of memory is a RuntimeError
                reason = error if isinstance(error, GenartError) else GenartError("unexpected", reason=first_line(error))
                notes.append(html.escape(texts.say(lang, "diffusion_failed", model=name, reason=texts.sentence(lang, reason)), quote=False))
                yield show(on_stage(k, False))
            finally:
                halfway.pop(request.session_hash, None)

        for k, name in enumerate(names):
            if name not in answering:
                continue
            if name in unfolding:
                yield from attempt(k, name, lambda name=name: models.painter(name), wish.n)
                continue
            model = models.painter(name)
            given = answer(model, wish)
            yield told(k, name, model, given, given.captions(lang, wish.seed))
        if points:
            yield show({plot: scatter(lang, points, colours), plot_row: gr.update(visible=True)})
        if big:
            yield show({columns[-1]: gr.update(visible=True), titles[-1]: big_title(lang, big)})
            own = bool(host_s_own)
            load = lambda: gpu.borrowing(big, models.get(big, trusted=own, agreed=not own), TRUSTED_BYTES)  # noqa: E731
            yield from attempt(len(names), Path(big).name, load, min(wish.n, DIFFUSION_MOST))
        shown[status] = "\n\n".join(dict.fromkeys(note for note in notes if note))
        if not (readers or big):
            shown[status] = texts.say(lang, "no_diffusion")
        yield shown

    running = Running()

    def stopped(request: gr.Request) -> dict[Any, Any]:
        lang = texts.language(request)
        if (unfinished := halfway.pop(request.session_hash, None)) is None:
            return {status: texts.say(lang, "stopped")}
        k, step, steps, drawn = unfinished
        return {
            stages[k]: gr.update(value=drawn, label=texts.say(lang, "stopped_at", step=step, steps=steps)),
            status: texts.say(lang, "stopped_within", step=step, steps=steps),
        }

    def reads_a_prompt(ladder: str | None, big: object) -> bool:
        return bool(host_s_own or big or on_ladder(readers, ladder))

    @in_turn(MODEL)
    @guarded
    def show_ladder(ladder: str, offer: str, chosen: str, request: gr.Request) -> tuple[Any, ...]:
        shown = [gr.update(visible=ladder_of(name) == ladder) for name in names]
        classes = class_choices(known_classes(names, ladder), texts.language(request), chosen)
        if not chosen:  # an address may have given one since
            del classes["value"]
        hidden = [gr.update(visible=False)] * (len(strips) + 1)
        return *shown, gr.update(**classes), gr.update(visible=reads_a_prompt(ladder, offer)), *hidden

    @in_turn(HUB)
    @guarded
    def show_offer(offer: str, ladder: str, request: gr.Request) -> tuple[Any, ...]:
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
    def confirm(agreed: bool, offer: str, request: gr.Request) -> tuple[Any, ...]:
        agreements.agree(request, offer) if agreed else agreements.withdraw(request)
        return (offer if agreed else ""), gr.update(visible=bool(agreed)), big_title(texts.language(request), offer)

    first = ladders[0] if ladders else None
    with gr.Row(elem_classes="wish"):
        ladder = unchecked(gr.Radio([(t(one), one) for one in ladders], value=first, label=t("ladder"), visible=len(ladders) > 1))
        prompt, prompt_column, chips = prompt_box(reads_a_prompt(first, ""))
        label = class_dropdown(known_classes(names, first))
    with gr.Row(elem_classes="acts"):
        go = gr.Button(t("compare"), variant="primary", size="lg", scale=4)
        stop = gr.Button(t("stop"), variant="stop", size="lg", scale=1, min_width=100)
        stage.control()
    note = t("big_waits") if host_s_own else t("compare_hint")
    status = gr.Markdown(note, elem_classes=["note", "status"])
    with gr.Row(elem_classes="answers"):
        options = {
            "columns": 4, "height": "auto", "format": "png", "object_fit": "contain", "interactive": False,
            "elem_classes": "few-pixels", "buttons": ["fullscreen"], "show_label": False,
        }  # fmt: skip
        galleries, columns, titles, stages, stands, benches = [], [], [], {}, [], []
        for k, name in enumerate([*names, Path(host_s_own).name or "Stable Diffusion"]):
            is_big = k == len(names)
            visible = bool(host_s_own) if is_big else ladder_of(name) == first
            sprite = None if is_big else sprites.sprite_of(name)
            with gr.Column(min_width=160, visible=visible, elem_classes="answer") as column:
                columns.append(column)
                titles.append(gr.Markdown(big_title(None, name) if is_big else heading(name), elem_classes="title"))
                gr.Markdown(
                    t("told_text" if is_big else told_key(listed[name]["inputs"], listed[name]["classes"])), elem_classes="told-note"
                )
                with gr.Column(visible=sprite is not None) as stand:
                    stands.append(stand)
                    stages[k] = stage.canvas(name, sprite)
                with gr.Column(visible=sprite is None) as bench:
                    benches.append(bench)
                    galleries.append(gr.Gallery([] if is_big or sprite else first_pictures(name), label=name, **options))
    unfolded = [*(names.index(name) for name in unfolding), len(names)]
    strips, strip_rows, strip_titles = {}, {}, {}
    for k in unfolded:
        with gr.Column(visible=False, elem_classes="strip") as strip_rows[k]:
            strip_titles[k] = gr.Markdown(elem_classes="title")
            strips[k] = gr.Gallery(label=t("strip_label"), **options | {"columns": MOMENTS})
    with gr.Row():
        count = unchecked(gr.Slider(1, MOST, value=FIRST, step=1, label=t("count")))
        seed = unchecked(gr.Number(value=0, precision=0, label=t("seed"), info=t("seed_info")))
        truncation = unchecked(gr.Slider(0.05, 1, value=1, step=0.05, label=t("truncation")))
    with gr.Accordion(t("big"), open=False, visible=not host_s_own):
        gr.Markdown(t("big_about"), elem_classes="note")
        offers = [(t("big_none"), ""), *((one, one) for one in stable_diffusion.FALLBACKS)]
        offer = unchecked(gr.Dropdown(offers, value="", show_label=False, label=t("big")))
        offer_note = gr.Markdown(elem_classes="note")
        agreed = gr.Checkbox(value=False, label=t("big_agree"), visible=False)
        confirmed = gr.Textbox(value="", label=t("big"), visible="hidden")
    with gr.Accordion(t("numbers"), open=False, visible=False) as numbers:
        with gr.Row(elem_classes="cards"):
            facts = [gr.HTML(elem_classes="facts", padding=False) for _ in columns]
        with gr.Column(visible=False) as plot_row:
            plot = gr.HTML(css_template=CSS, apply_default_css=False)
            gr.Markdown(t("plot_note"), elem_classes="note")
        table_box = gr.Dataframe(headers=[""] * len(COLUMNS), label=t("figures"), interactive=False, wrap=True, elem_classes="figures")
        gr.Markdown(t("figures_note"), elem_classes="note")
    cannot = cannot_box(prompt)
    how("comparison_how")

    followers = [*columns[: len(names)], label, prompt_column, *strip_rows.values(), numbers]
    quiet = {"api_visibility": "private", "show_progress": "hidden"}
    ladder.change(show_ladder, [ladder, offer, label], followers, **quiet)
    told = [offer_note, agreed, confirmed, columns[-1], prompt_column]
    offer.change(show_offer, [offer, ladder], told, api_name="tell_big", show_progress="hidden")
    agreed.input(confirm, [agreed, offer], [confirmed, columns[-1], titles[-1]], api_name="agree_to_big", show_progress="hidden")
    inputs = [count, seed, truncation, prompt, ladder, label, confirmed]
    of_strips = [*strips.values(), *strip_titles.values(), *strip_rows.values(), *(stages[k] for k in unfolded), *stands, *benches]
    outputs = [*galleries, *facts, *of_strips, columns[-1], titles[-1], plot, plot_row, numbers, table_box, status]
    comparing = running.until_stopped(compare, stopped)
    telling: dict[str, Any] = {"show_progress_on": status}  # which also says who goes first
    go.click(comparing, inputs, outputs, api_name="compare_on_page", **telling)
    asked = [prompt.submit, chips.success, cannot.success]
    for event in asked:
        event(comparing, inputs, outputs, api_visibility="private", **telling)
    stop.click(running.stop, queue=False, api_name="stop_comparison", show_progress="hidden")

    def open_by(button: gr.Button, tabs: gr.Tabs, name: str) -> None:
        """Let a button of another tab open this one with a model's pictures, and compare."""
        opened = button.click(lambda: (gr.Tabs(selected="comparison"), ladder_of(name)), None, [tabs, ladder], **quiet)
        opened.success(comparing, inputs, outputs, **quiet)
        asked.append(opened.success)

    def classes(values: Mapping[str, Any]) -> tuple[str, ...]:
        return known_classes(names, values["dataset"])

    addressed = {"dataset": ladder, "prompt": prompt, "label": label, "n": count, "seed": seed, "truncation": truncation}
    return Built(open_by, addressed, go, asked, classes)


def first_pictures(name: str) -> list[Image.Image]:
    """What a bundled model's column shows before anything was asked: pictures of its card, for a model of words those of the first wish."""
    folder = bundled_folder(name) or Path()
    file = next((file for file in (folder / WISHES, folder / SAMPLES) if file.is_file()), None)
    if file is None:
        return []
    try:
        recipe = images.read_recipe(file)
    except GenartError:  # a picture from elsewhere
        return []
    picture = images.open_picture(file).convert("RGB")
    tiles = images.tiles(picture, recipe["n"], recipe["columns"], recipe.get("scale", 1))
    return (tiles[:: recipe["columns"]] if file.name == WISHES else tiles)[:FIRST]


def heading(name: str) -> str:
    """The title of a bundled model's column."""
    return f"### {headed(name, t)}\n{name}"


def big_title(lang: str | None, name: str) -> Any:
    """The title of the big pipeline's column, which warns of judging it beside the others. lang: None for the page's own."""
    warning = texts.say(lang, "big_unlike") if lang else t("big_unlike")
    return f"### {Path(name).name}\n{warning}"
