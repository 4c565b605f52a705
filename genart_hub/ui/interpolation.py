"""Interpolation: a walk through the latent space, as an animation, and a map of it."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from genart_hub import images, latents
from genart_hub.errors import choice, number, whole
from genart_hub.models import auto
from genart_hub.ui import map, programs, texts
from genart_hub.ui.address import Built, classes_of_model
from genart_hub.ui.fields import class_box, class_of, classes_of, how, model_box, parsed, unchecked, when_chosen
from genart_hub.ui.handlers import guarded, in_turn, new_folder, stem
from genart_hub.ui.model_cache import ModelCache, first_shown, offered_from_latents
from genart_hub.ui.texts import t
from genart_hub.ui.turns import MODEL, between_steps

MOST_FRAMES = 240


def build(models: ModelCache) -> Built:
    """The tab."""

    def written(
        kinds: Sequence[str], model_name: str, seeds: str, method: str, frames: float, fps: float, loop: bool, truncation: float,
        label: str, request: gr.Request,
    ) -> list[str]:  # fmt: skip
        """The files of a walk, of these kinds."""
        model, lang = models.generative(model_name), texts.language(request)
        where = texts.say(lang, "interpolation")
        frames = whole(where, texts.say(lang, "frames"), parsed(frames), 2, MOST_FRAMES)
        fps = number(where, texts.say(lang, "fps"), parsed(fps), 1, 50)
        method = choice(where, texts.say(lang, "method"), method, latents.METHODS)
        numbers, truncation = latents.parse_seeds(seeds), parsed(truncation)
        classes = classes_of(model, class_of(label, model), 1, numbers[0])  # one class all the way
        drawn = None if classes is None else int(classes[0])
        z = latents.seed_walk(model, numbers, frames, method, bool(loop), truncation)
        x = latents.frames(model, z, label=drawn)
        between_steps()
        pictures = [images.enlarge(picture) for picture in images.to_pil(x)]
        way = {"seeds": numbers, "method": method, "frames": frames, "fps": fps, "loop": bool(loop)}
        recipe = model.recipe(numbers[0], len(numbers), label=drawn, truncation=truncation) | {"walk": way}
        folder, files = new_folder(), []
        for suffix in kinds:
            between_steps()
            files.append(str(images.save_animation(pictures, folder / f"{stem(model)}-walk.{suffix}", fps, recipe)))
        return files

    @in_turn(MODEL)
    @guarded
    def walk(
        model_name: str, seeds: str, method: str, frames: float, fps: float, loop: bool, truncation: float, label: str, request: gr.Request
    ) -> tuple[str, str, str]:
        webp, gif = written(("webp", "gif"), model_name, seeds, method, frames, fps, loop, truncation, label, request)
        return webp, gif, webp

    @in_turn(MODEL)
    @guarded
    def walk_on_page(
        model_name: str, seeds: str, method: str, frames: float, fps: float, loop: bool, truncation: float, label: str, request: gr.Request
    ) -> tuple[Any, ...]:
        kinds = ("webp", "gif", *("mp4",) * images.writes_film())
        webp, gif, *film = written(kinds, model_name, seeds, method, frames, fps, loop, truncation, label, request)
        return webp, gif, webp, (film[0] if film else None)

    with gr.Row(elem_classes="pictures-last"):
        with gr.Column(scale=1, min_width=280):
            model = model_box(offered_from_latents(), value=first_shown())
            label = class_box(models, model)
            seeds = gr.Textbox(value="0, 1, 2, 3", label=t("seeds"), info=t("seeds_info"), max_lines=1)
            method = unchecked(gr.Radio([(t("slerp"), "slerp"), (t("lerp"), "lerp")], value="slerp", label=t("method")))
            frames = unchecked(gr.Slider(2, MOST_FRAMES, value=72, step=1, label=t("frames")))
            fps = unchecked(gr.Slider(1, 50, value=24, step=1, label=t("fps")))
            truncation = unchecked(gr.Slider(0.05, 1, value=1, step=0.05, label=t("truncation"), info=t("truncation_info")))
            loop = gr.Checkbox(value=True, label=t("loop"))
            with gr.Row(elem_classes="acts"):
                go = gr.Button(t("walk"), variant="primary", size="lg")
        with gr.Column(scale=2, min_width=320):
            animation = gr.Image(
                label=t("animation"), type="filepath", format="webp", interactive=False, height=420,
                elem_classes="few-pixels", buttons=["fullscreen"],
            )  # fmt: skip
            with gr.Row():
                gif = gr.DownloadButton(t("gif"), size="sm")
                webp = gr.DownloadButton(t("webp"), size="sm")
                mp4 = gr.DownloadButton(t("mp4"), size="sm", visible=images.writes_film())
    land = map.panel(models)
    how("interpolation_how")

    asked, outputs = [model, seeds, method, frames, fps, loop, truncation, label], [animation, gif, webp, mp4]
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "queue": False}
    walked = go.click(walk_on_page, asked, outputs, api_visibility="private", show_progress_on=animation)
    programs.offer(walk, asked, outputs[:3], "walk")
    when_chosen(model, map.shown, model, land, queue=False)
    walked.success(lambda name: gr.skip() if name in auto.bundled() else map.shown(name), model, land, **quiet)

    def open_by(button: gr.Button, tabs: gr.Tabs, name: str) -> None:
        """Let a button of another tab open this one with a model, and walk."""
        opened = button.click(lambda: (gr.Tabs(selected="interpolation"), name), None, [tabs, model], api_visibility="private")
        opened.success(walk_on_page, asked, outputs, api_visibility="private")

    def open_map(button: gr.Button, tabs: gr.Tabs, name: str) -> None:
        """Let a button of another tab open this one with a model's map in sight."""
        button.click(lambda: (gr.Tabs(selected="interpolation"), name, map.shown(name, scroll=True)), None, [tabs, model, land], **quiet)

    addressed = {
        "model": model, "seeds": seeds, "label": label, "method": method, "frames": frames, "fps": fps, "loop": loop,
        "truncation": truncation,
    }  # fmt: skip
    return Built(open_by, addressed, go, classes=classes_of_model, open_inside=open_map)
