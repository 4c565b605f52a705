"""Diffusion opened, below Sampling's pictures: a run step by step, guidance, numbers of steps. What a click computes is noise.py."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from genart_hub.errors import whole
from genart_hub.ui import noise, texts
from genart_hub.ui.fields import class_of, parsed, seed_of
from genart_hub.ui.figures import bar
from genart_hub.ui.handlers import Running, guarded, in_turn
from genart_hub.ui.model_cache import ModelCache
from genart_hub.ui.texts import t
from genart_hub.ui.turns import MODEL

FILM, ROW, SCRIPT, ROW_SCRIPT, CSS = (
    Path(__file__).with_name(name).read_text(encoding="utf-8")
    for name in ("inside.html", "inside_row.html", "inside.js", "inside_row.js", "inside.css")
)
PARTS = {"film": noise.film, "guidance": noise.guidances, "steps": noise.numbers_of_steps}
QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}


@dataclass(frozen=True)
class Panel:
    """The opened diffusion on a page."""

    accordion: gr.Accordion
    outputs: Mapping[str, gr.HTML]
    note: gr.Markdown
    look: Any
    follow: Any
    inputs: list[gr.components.Component]

    def follow_after(self, event: Any) -> None:
        """Show what there is of a model that an event has chosen: a box on a tab that was never open tells no change."""
        event.success(self.follow, self.inputs[0], [self.accordion, *self.outputs.values(), self.note], queue=False, **QUIET)

    def after(self, event: Any) -> None:
        """Unfold it and run it when an event has gone well."""
        unfolded = event.success(lambda: gr.Accordion(open=True), None, self.accordion, queue=False, **QUIET)
        unfolded.success(self.look, self.inputs, [*self.outputs.values(), self.note], **QUIET)


def panel(models: ModelCache, model: gr.Dropdown, seed: gr.components.Component, fields: Mapping[str, gr.components.Component]) -> Panel:
    """It, folded away, and only there where the model of that box can be opened."""
    running = Running()

    @in_turn(MODEL)
    @guarded
    def look(
        model_name: str, seed: float, label: str, prompt: str, num_steps: str, guidance: str, request: gr.Request
    ) -> Iterator[dict[Any, Any]]:
        lang = texts.language(request)
        if not models.is_loaded(model_name):
            yield {note: texts.say(lang, "working")}
        opened = noise.check(models.painter(model_name))
        asked: dict[str, Any] = {"prompt": texts.typed(prompt, "prompt_default", lang), "label": class_of(label, opened)}
        for name, value in (("num_steps", num_steps), ("guidance", guidance)):
            given = value is not None and str(value).strip()
            asked[name] = parsed(value) if given else opened.defaults.get(name)
        asked["num_steps"] = whole(texts.say(lang, "sampling"), texts.say(lang, "num_steps"), asked["num_steps"], 1, noise.MOST_STEPS)
        asked = {name: asked[name] for name in opened.inputs if asked.get(name) is not None}
        first = seed_of(seed, lang)
        for part, compute in PARTS.items():
            run = compute(opened, first, asked)
            try:
                while True:
                    step, total = next(run)
                    yield {note: _at(lang, part, step, total)}
            except StopIteration as done:
                yield {outputs[part]: json.dumps(done.value), note: ""}
            finally:
                run.close()

    def follow(model_name: str) -> dict[Any, Any]:
        """Another model: whether it can be opened, and what was measured of it; the run of the one before goes."""
        shown = noise.opens(model_name)
        name = model_name.strip() if shown else ""
        blank = {outputs[kind]: json.dumps(noise.blank(name, kind)) for kind in PARTS}
        return {accordion: gr.update(visible=shown), note: ""} | blank

    def stopped(request: gr.Request) -> dict[Any, Any]:
        return {note: texts.say(texts.language(request), "inside_stopped")}

    name = model.value if noise.opens(model.value) else ""
    with gr.Accordion(t("inside"), open=False, visible=bool(name), elem_id="inside") as accordion:
        gr.Markdown(t("inside_intro"), elem_classes="note")
        with gr.Row():
            go = gr.Button(t("inside_go"), variant="primary", size="sm", scale=3, elem_id="go-inside")
            stop = gr.Button(t("stop"), variant="stop", size="sm", scale=1, min_width=80)
        note = gr.Markdown(elem_classes=["note", "status"], min_height=28)
        outputs = {
            kind: _html(json.dumps(noise.blank(name, kind)), f"inside_{kind}", *((FILM, SCRIPT) if kind == "film" else (ROW, ROW_SCRIPT)))
            for kind in PARTS
        }

    inputs = [model, seed, *(fields[key] for key in ("label", "prompt", "num_steps", "guidance"))]
    looking = running.until_stopped(look, stopped)
    go.click(looking, inputs, [*outputs.values(), note], api_visibility="private", show_progress_on=note)
    stop.click(running.stop, queue=False, **QUIET)
    model.change(follow, model, [accordion, *outputs.values(), note], queue=False, **QUIET)
    return Panel(accordion, outputs, note, looking, follow, inputs)


def _at(lang: str, part: str, step: int, total: int) -> str:
    named = texts.say(lang, f"inside_part_{part}")
    return texts.say(lang, "inside_step", bar=bar(step, total), part=named, step=step, total=total)


def _html(value: str, label: str, template: str, script: str) -> gr.HTML:
    return gr.HTML(value, label=t(label), html_template=template, js_on_load=script, apply_default_css=False)
