"""Training: recordings to move through, points of the plane that are learnt in the page, and a training on this machine, now."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import gradio as gr

from genart_hub.errors import GenartError, choice
from genart_hub.ui import live, recordings, texts, twin
from genart_hub.ui.address import Built
from genart_hub.ui.fields import how, parsed
from genart_hub.ui.film import film, live_film, value_of
from genart_hub.ui.handlers import Running, guarded, in_turn, new_folder
from genart_hub.ui.live import KINDS, OWNER, Knobs, Live
from genart_hub.ui.model_cache import ModelCache
from genart_hub.ui.texts import t
from genart_hub.ui.turns import MODEL

QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "queue": False}
R1 = 0.1  # of the GAN, where it is wanted


def build(models: ModelCache) -> Built:
    """The tab."""
    there = [name for name in recordings.NAMES if recordings.read(name)]
    gr.Markdown(t("training_intro"), elem_classes="note")
    chosen = gr.Radio([(t(f"recording_{name}"), name) for name in there], value=there[0], label=t("recording"))
    columns, films = [], []
    for k, name in enumerate(there):
        with gr.Column(visible=k == 0) as column:
            found = recordings.read(name)
            assert found is not None
            films.append(film(found))
            gr.Markdown(f"`{found.command}`", elem_classes="note")
        columns.append(column)
    chosen.change(lambda name: [gr.update(visible=name == one) for one in there], chosen, columns, **QUIET)
    points = twin.panel()
    trained, use = _live(models) if live.allowed() else (None, None)
    how("training_how")

    def open_by(button: gr.Button, tabs: gr.Tabs, name: str) -> None:
        """Let a button of another tab open this one with a recording, and play it."""
        found = recordings.read(name)
        if found is not None:
            button.click(lambda: (gr.Tabs(selected="training"), name), None, [tabs, chosen], **QUIET).success(
                lambda: value_of(found, plays=True), None, films[there.index(name)], **QUIET
            )

    def open_twin(button: gr.Button, tabs: gr.Tabs, name: str) -> None:
        """Let a button of another tab open the points of the plane with one of `twin.KINDS`."""
        button.click(lambda: (gr.Tabs(selected="training"), twin.value_of(name)), None, [tabs, points], **QUIET)

    def wire(tabs: gr.Tabs, built: Mapping[str, Built]) -> None:
        """Let the button under the training open Sampling with the model."""
        if use is not None:
            box = built["sampling"].fields["model"]
            use.click(lambda name: (gr.Tabs(selected="sampling"), name), trained, [tabs, box], **QUIET)

    return Built(open_by, {"recording": chosen}, open_inside=open_twin, wire=wire)


def _live(models: ModelCache) -> tuple[gr.State, gr.Button]:
    """The half of the tab that trains. Returns the name of the model that is ready to draw, and the button that opens it."""
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            gr.Markdown(t("live"), elem_classes="page-title")
            gr.Markdown(t("live_intro"), elem_classes="note")
            kind = gr.Radio([(t(f"live_kind_{one.lower()}"), one) for one in KINDS], value=KINDS[0], label=t("live_kind"))
            with gr.Row():
                go = gr.Button(t("live_go"), variant="primary", scale=2, min_width=110)
                pause = gr.Button(t("live_pause"), variant="stop", min_width=90)
            with gr.Row():
                one_d, one_g = gr.Button(t("live_d"), size="sm", min_width=100), gr.Button(t("live_g"), size="sm", min_width=100)
                anew = gr.Button(t("live_anew"), size="sm", min_width=100)
            with gr.Accordion(t("live_knobs"), open=False):
                d_rate = gr.Number(2e-4, label=t("d_rate"), step=1e-4)
                g_rate = gr.Number(2e-4, label=t("g_rate"), step=1e-4)
                r1 = gr.Checkbox(True, label=t("live_r1"))
                strong = gr.Checkbox(False, label=t("live_strong"))
                files = gr.File(label=t("live_files"), file_count="multiple", type="filepath", height=140)
        with gr.Column(scale=2, min_width=320):
            screen = live_film(Live(KINDS[0], live.digits()).look()[0])
            note = gr.Markdown(elem_classes=["note", "status"])
            with gr.Row():
                use = gr.Button(t("live_use"), size="sm", visible=False)
                folder = gr.DownloadButton(t("live_folder"), size="sm", visible=False)
    trained = gr.State(None)
    shown = [screen, note, trained, use, folder]

    @contextmanager
    def working(kind: str, files: Sequence[str] | None, knobs: Knobs, request: gr.Request) -> Iterator[Live]:
        """The page's training, while it is at work. A network that broke is not kept."""
        choice("", "kind", kind, KINDS)
        page = page_of(request)
        training = OWNER.begin(page, lambda: Live(kind, live.pictures_of(files) if files else live.digits()))
        try:
            training.knobs = knobs
            yield training
        except GenartError as error:
            if error.code == "live_diverged":
                OWNER.leave(page)
            raise
        finally:
            OWNER.end()

    def told(training: Live, lang: str) -> dict[Any, Any]:
        value, meaning = training.look()
        at = texts.say(lang, "live_at", done=training.done, seconds=training.spent)
        return {screen: value, note: at + texts.say(lang, meaning)}

    def kept(training: Live) -> dict[Any, Any]:
        """The model as it stands, for the other tabs and to take home."""
        name = models.keep(training.model, training.family)
        home = new_folder() / f"my-{training.family}"
        training.model.save_pretrained(home)
        packed = shutil.make_archive(str(home), "zip", home.parent, home.name)
        return {trained: name, use: gr.update(visible=True), folder: gr.update(value=packed, visible=True)}

    @in_turn(MODEL)
    @guarded
    def train(
        kind: str, d_rate: float, g_rate: float, r1: bool, strong: bool, files: list[str] | None, request: gr.Request
    ) -> Iterator[dict[Any, Any]]:
        lang = texts.language(request)
        knobs = Knobs(parsed(d_rate), parsed(g_rate), bool(strong), R1 * bool(r1)).checked()
        with working(kind, files, knobs, request) as training:
            yield told(training, lang)
            while True:
                training.advance()
                yield told(training, lang)

    def step(move: str) -> Callable[..., Any]:
        """A click that lets one of the two learn once."""

        @in_turn(MODEL)
        @guarded
        def once(
            kind: str, d_rate: float, g_rate: float, r1: bool, strong: bool, files: list[str] | None, request: gr.Request
        ) -> dict[Any, Any]:
            knobs = Knobs(parsed(d_rate), parsed(g_rate), False, R1 * bool(r1), move).checked()
            with working(kind, files, knobs, request) as training:
                training.advance(0)
                return told(training, texts.language(request))

        return once

    @in_turn(MODEL)
    @guarded
    def keep(request: gr.Request) -> dict[Any, Any]:
        training = OWNER.of(page_of(request))
        return kept(training) if training else {note: gr.skip()}  # it was begun anew meanwhile

    def turn(d_rate: float, g_rate: float, r1: bool, strong: bool, request: gr.Request) -> None:
        """A knob is turned while it learns."""
        if training := OWNER.of(page_of(request)):
            training.knobs = Knobs(parsed(d_rate), parsed(g_rate), bool(strong), R1 * bool(r1)).checked()

    def forget(request: gr.Request) -> dict[Any, Any]:
        running.stop(request)
        OWNER.leave(page_of(request))
        return {note: "", trained: None, use: gr.update(visible=False), folder: gr.update(visible=False)}

    running = Running()
    knobs = [d_rate, g_rate, r1, strong]
    asked = [kind, *knobs, files]
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    going = running.until_stopped(train, lambda request: {})
    run = go.click(going, asked, shown, api_visibility="private", show_progress_on=note)
    run.success(keep, None, shown, **quiet)
    pause.click(running.stop, queue=False, **quiet)
    one_d.click(step("discriminator"), asked, shown, **quiet)
    one_g.click(step("generator"), asked, shown, **quiet)
    anew.click(forget, None, shown, queue=False, **quiet)
    for box in (kind, files):
        box.change(forget, None, shown, queue=False, **quiet)
    for knob in knobs:
        knob.change(guarded(turn), knobs, None, queue=False, **quiet)
    return trained, use


def page_of(request: gr.Request) -> str:
    return request.session_hash or ""


def leave(request: gr.Request) -> None:
    """A page is closed: its training ends, and nothing of it is kept."""
    OWNER.leave(page_of(request))
