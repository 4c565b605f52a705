"""A reader's drawing as the start of a diffusion model's pictures, all of it or a part, below the opened diffusion of Sampling."""

import html
import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import gradio as gr
import torch
from gradio.components.image_editor import EditorData
from PIL import Image, ImageChops, ImageOps
from torch import Tensor

from genart_hub import images
from genart_hub.errors import GenartError, shorten
from genart_hub.hub.described import device_of, name_of
from genart_hub.hub.locate import bundled_folder
from genart_hub.models import auto
from genart_hub.models.base import ImageModel
from genart_hub.models.stable_diffusion.inside import begun, latents_of
from genart_hub.streams import steps_of
from genart_hub.ui import inside, noise, texts
from genart_hub.ui.fields import bounded, parsed, prompt_note, seed_of, unchecked, unopened, when_chosen
from genart_hub.ui.figures import bar
from genart_hub.ui.handlers import Running, guarded, in_turn, new_folder, show_png
from genart_hub.ui.inside import QUIET
from genart_hub.ui.model_cache import ModelCache
from genart_hub.ui.texts import t
from genart_hub.ui.turns import MODEL

PAPER = 256  # px
FEW, LARGE = 4, 128  # pictures of a click; of a model of more px than that, which takes minutes a picture, one
MOST_SIDE = 256  # px of a tile
MOST_LAYERS = 4
STRENGTH = 0.6
NOTHING: dict[str, list] = {"values": []}  # of a row
COLOURS = ["#d62828", "#f4a300", "#ffe14d", "#3a9d3a", "#2f6fd6", "#8e44ad", "#7b4a21", "#1b1b1b", "#ffffff"]
MARK = "#ff2fa8"
OF_A_PAD = ("no_picture", "bad_picture", "picture_too_large", "nothing_marked", "four_channels")  # errors
KINDS = {"latents": "network", "noised": "noise", "mask": "words"}  # the frames of tiles that are no pictures

Tile = tuple[str | int, Image.Image]  # what a caption is about (a part of the way, or a seed), and the picture


@dataclass(frozen=True)
class Panel:
    """It on a page."""

    accordion: gr.Accordion
    model: gr.Dropdown

    def follow_after(self, event: Any) -> None:
        """Show it, or not, for a model that an event has chosen: a box on a tab that was never open tells no change."""
        event.success(follow, self.model, self.accordion, queue=False, **QUIET)


def panel(
    models: ModelCache, model: gr.Dropdown, seed: gr.components.Component, fields: Mapping[str, gr.components.Component], stop: gr.Button
) -> Panel:  # fmt: skip
    """It, folded away, and only there where the model of that box can begin with a picture."""
    running = Running()

    def telling_below(steps: Iterator[dict[Any, Any]], lang: str) -> Iterator[dict[Any, Any]]:
        """What is wrong with a pad, told below it: on it, the tools would cover the sentence."""
        try:
            yield from steps
        except GenartError as error:
            if error.code not in OF_A_PAD:
                raise
            yield {note: told(lang, error)}

    def drawing_over(
        read: Callable[[], tuple[Image.Image, Image.Image | None]], model_name: str, lang: str, seed: float, prompt: str,
        given: Mapping[str, Any],
    ) -> Iterator[dict[Any, Any]]:  # fmt: skip
        picture, marks = read()
        painter = check(models.painter(model_name))
        part = None if marks is None else mask_of(marks, painter.image_size)
        x = images.from_pil(picture, painter.image_size, painter.channels).to(device_of(painter))
        first = seed_of(seed, lang)
        asked = {name: parsed(value) for name, value in given.items() if value is not None and str(value).strip()}
        asked["prompt"] = texts.typed(prompt, "prompt_default", lang)
        yield {note: texts.say(lang, "redraw_begins"), row: json.dumps(NOTHING)}
        yield {way: json.dumps(shown(painter, beginning(painter, x, part, first, asked)))}
        with closing(drawn(painter, x, part, first, asked)) as steps:
            try:
                while True:
                    step, total = next(steps)
                    yield {note: texts.say(lang, "redraw_step", bar=bar(step, total), step=step, total=total)}
            except StopIteration as done:
                made = [(first + k, one) for k, one in enumerate(images.to_pil(done.value))]
        yield {row: json.dumps(shown(painter, made)), note: prompt_note(lang, painter, asked["prompt"])}

    @in_turn(MODEL)
    @guarded
    def redraw(
        drawing: str | None, model_name: str, seed: float, prompt: str, num_steps: str, guidance: str, strength: float, request: gr.Request
    ) -> Iterator[dict[Any, Any]]:
        given = {"num_steps": num_steps, "guidance": guidance, "strength": strength}
        lang = texts.language(request)
        yield from telling_below(drawing_over(lambda: (drawing_of(drawing), None), model_name, lang, seed, prompt, given), lang)

    @in_turn(MODEL)
    @guarded
    def repaint(
        marked: tuple[str | None, list[str]], model_name: str, seed: float, prompt: str, num_steps: str, guidance: str, strength: float,
        request: gr.Request,
    ) -> Iterator[dict[Any, Any]]:  # fmt: skip
        given = {"num_steps": num_steps, "guidance": guidance, "strength": strength}
        (paper, layers), lang = marked, texts.language(request)
        steps = drawing_over(lambda: (drawing_of(paper), marks_of(layers)), model_name, lang, seed, prompt, given)
        yield from telling_below(steps, lang)

    @in_turn(MODEL)
    @guarded
    def bring(picture: str | None, request: gr.Request) -> tuple[Any, None]:
        """An upload on the pad, where it can be drawn upon; its box is free again."""
        return (laid(drawing_of(picture)) if picture else gr.skip()), None

    @in_turn(MODEL)
    @guarded
    def begin_part(drawing: str | None, request: gr.Request) -> tuple[Any, Any, str]:
        """The drawing on the second pad, to be marked."""
        try:
            return laid(drawing_of(drawing)), gr.update(visible=True), ""
        except GenartError as error:
            return gr.skip(), gr.skip(), told(texts.language(request), error)

    @in_turn(MODEL)
    @guarded
    def follow_hub(model_name: str, request: gr.Request) -> dict[str, Any]:
        """Whether a model on the Hub, which has to be loaded for that, can begin with a picture."""
        if bundled_folder(str(model_name).strip()):
            return gr.skip()
        try:
            return gr.update(visible=hasattr(models.painter(model_name), "img2img"))
        except GenartError:  # it is told when it is asked for pictures
            return gr.skip()

    def stopped(request: gr.Request) -> dict[Any, Any]:
        return {note: texts.say(texts.language(request), "inside_stopped")}

    with gr.Accordion(t("redraw"), open=False, visible=follows(model.value)) as accordion:
        gr.Markdown(t("redraw_intro"), elem_classes="note")
        with gr.Row():
            with gr.Column(min_width=280):
                gr.Markdown(t("redraw_pad"), elem_classes="title")
                pad = pad_of(COLOURS)
                part = gr.Button(t("redraw_part"), size="sm")
            with gr.Column(min_width=240):
                upload = gr.Image(label=t("redraw_upload"), type="filepath", format="png", sources=["upload", "clipboard"], height=150)
                picture = unopened(upload)
                strength = unchecked(
                    gr.Slider(0.05, 1, value=STRENGTH, step=0.05, label=t("redraw_strength"), info=t("redraw_strength_info"))
                )
                with gr.Row():
                    go = gr.Button(t("redraw_go"), variant="primary", scale=3, min_width=160)
                    halt = gr.Button(t("stop"), variant="stop", scale=1, min_width=80)
        with gr.Row(visible=False) as second:
            with gr.Column(min_width=280):
                gr.Markdown(t("redraw_marks"), elem_classes="title")
                marks = pad_of([MARK])
            with gr.Column(min_width=240):
                gr.Markdown(t("redraw_marks_about"), elem_classes="note")
                over = gr.Button(t("redraw_over"), variant="primary")
        note = gr.Markdown(elem_classes=["note", "status"], min_height=28)
        look: dict[str, Any] = {
            "html_template": inside.ROW,
            "js_on_load": inside.ROW_SCRIPT,
            "apply_default_css": False,
            "elem_classes": "redraw",
        }
        way, row = (gr.HTML(json.dumps(NOTHING), label=t(key), **look) for key in ("redraw_way", "redraw_row"))
    pad.preprocess = lambda drawn: drawn.composite.path if drawn and drawn.composite else None
    marks.preprocess = marked_of

    given = [model, seed, *(fields[key] for key in ("prompt", "num_steps", "guidance")), strength]
    telling: dict[str, Any] = {"api_visibility": "private", "show_progress_on": note}
    go.click(running.until_stopped(redraw, stopped), [pad, *given], [way, row, note], **telling)
    over.click(running.until_stopped(repaint, stopped), [marks, *given], [way, row, note], **telling)
    picture.change(bring, picture, [pad, picture], **QUIET)
    part.click(begin_part, pad, [marks, second, note], **QUIET)
    for button in (stop, halt):
        button.click(running.stop, queue=False, **QUIET)
    model.change(follow, model, accordion, queue=False, **QUIET)
    when_chosen(model, follow_hub, model, accordion)
    return Panel(accordion, model)


def told(lang: str, error: GenartError) -> str:
    return html.escape(texts.sentence(lang, error), quote=False)


def pad_of(colours: list[str]) -> gr.Sketchpad:
    """A sheet of white paper with these colours."""
    white = sheet(Image.new("RGB", (PAPER, PAPER), "white"))  # else no brush is chosen
    pad = gr.Sketchpad(
        value=white, type="filepath", canvas_size=(PAPER, PAPER), height=360, show_label=False, layers=False, format="png",
        brush=gr.Brush(default_size=22, colors=colours, color_mode="fixed"), sources=(), transforms=(),
    )  # fmt: skip
    return bounded(pad)


def sheet(background: Any) -> dict[str, Any]:
    """A picture as a pad takes it, with nothing drawn on it."""
    return {"background": background, "layers": [], "composite": None}


def laid(picture: Image.Image) -> dict[str, Any]:
    """A picture as a pad takes it, cropped to the middle."""
    return sheet(show_png(ImageOps.fit(picture.convert("RGB"), (PAPER, PAPER)), new_folder() / "drawing.png"))


def marked_of(drawn: EditorData | None) -> tuple[str | None, list[str]]:
    """The files of what a pad holds, which nothing has opened yet: its background, and its layers."""
    if not drawn or not drawn.background:
        return None, []
    return drawn.background.path, [layer.path for layer in drawn.layers if layer][:MOST_LAYERS]


def follow(model_name: str) -> dict[str, Any]:
    return gr.update(visible=follows(model_name))


def follows(name: object) -> bool:
    """Whether a model of that name is bundled and can begin with a picture."""
    return isinstance(name, str) and bool(bundled_folder(name.strip())) and hasattr(auto.class_of(name.strip()), "img2img")


def check(model: ImageModel) -> Any:
    """The model. Raises GenartError for one that cannot begin with a picture."""
    if not hasattr(model, "img2img"):
        known = ", ".join(name for name in auto.bundled() if hasattr(auto.class_of(name), "img2img"))
        raise GenartError("not_choice", where="img2img", name="model", choices=known, value=shorten(name_of(model)))
    return model


def drawing_of(path: str | None) -> Image.Image:
    """A drawing on white. Raises GenartError for paper without one, and for what is no picture."""
    drawing = images.flatten(images.open_picture(path)) if path else None
    if drawing is None or drawing.convert("RGB").getcolors(1):
        raise GenartError("no_picture")
    return drawing


def marks_of(layers: Sequence[str]) -> Image.Image:
    """The layers of marks as one picture, 255 where there is any. Raises GenartError where there is none."""
    marks = None
    for layer in layers:
        alpha = images.open_picture(layer).convert("RGBA").getchannel("A").point(lambda level: 255 if level else 0)
        marks = alpha if marks is None else ImageChops.lighter(marks, alpha.resize(marks.size))
    if marks is None or marks.getextrema() == (0, 0):
        raise GenartError("nothing_marked")
    return marks


def mask_of(marks: Image.Image, side: int) -> Tensor:
    """1 for each pixel of which at least half is marked, cropped as pictures are. Returns (1, 1, side, side).

    Raises GenartError where there is no such pixel.
    """
    fitted = ImageOps.fit(marks, (side, side), Image.Resampling.BOX)
    mask = (torch.frombuffer(bytearray(fitted.tobytes()), dtype=torch.uint8).view(1, 1, side, side) >= 128).float()
    if not mask.any():
        raise GenartError("nothing_marked")
    return mask


def beginning(model: Any, x: Tensor, mask: Tensor | None, seed: int, asked: Mapping[str, Any]) -> list[Tile]:
    """What the model is given and begins from. x: (1, 3, H, W) in [-1, 1]; mask: (1, 1, H, W); asked: strength, and num_steps or none."""
    more = {name: asked[name] for name in ("strength", "num_steps") if name in asked}
    noised = begun(model, x, seed, masked=mask is not None, **more)
    tiles: list[Tile] = [("seen", noise.picture(x[0]))]
    if mask is not None:
        tiles.append(("mask", noise.picture(mask[0] * 2 - 1)))
    tiles.append(("latents", noise.noise_of(latents_of(model, x)[0])))
    return tiles if noised is None else [*tiles, ("noised", noise.noise_of(noised[0]))]


def drawn(
    model: Any, x: Tensor, mask: Tensor | None, seed: int, asked: Mapping[str, Any]
) -> Generator[tuple[int, int], None, Tensor]:  # fmt: skip
    """`img2img`, or `inpaint` where there is a mask, of a seed and those after it; (step, of how many) on the way."""
    n = FEW if model.image_size <= LARGE else 1

    def draw(on_step: Any) -> Tensor:
        if mask is None:
            return model.img2img(x, n, seed, on_step=on_step, **asked)
        return model.inpaint(x, mask, n, seed, on_step=on_step, **asked)

    return (yield from steps_of(draw))[0]


def shown(model: ImageModel, tiles: Sequence[Tile]) -> dict[str, Any]:
    """Tiles as the page's row takes them."""
    side = min(model.image_size, MOST_SIDE)
    return {
        "values": [value for value, _ in tiles],
        "kinds": [KINDS.get(str(value), "picture") for value, _ in tiles],
        "count": getattr(model, "latent_channels", None),
        "side": side,
        "sheet": noise.sheet_of([[one] for _, one in tiles], side),
    }
