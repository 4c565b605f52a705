"""The stage: a canvas on which pictures move. What draws is stage.js beside this file, for any page, with or without a server."""

import base64
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from genart_hub.ui.sprites import Sprite
from genart_hub.ui.texts import t

SCRIPT, CSS = (Path(__file__).with_name(f"stage.{kind}").read_text(encoding="utf-8") for kind in ("js", "css"))
COLUMNS = 2  # of pictures on a canvas
REST = 1.6  # seconds that a finished picture stands
FADE = 0.25  # seconds, from a live picture to the next

TEMPLATE = '<div class="stage"><canvas></canvas><p class="stage-caption"></p></div>'
MOUNT = """
const canvas = element.querySelector("canvas"), caption = element.querySelector("p");
const show = () => {
  caption.textContent = props.label;
  if (props.value) stage(canvas, { ...JSON.parse(props.value), alt: `${props.about}: ${props.label}` });
};
show();
watch(["value", "label"], show);
"""
CONTROL = """
const name = () => {
  const [pause, play] = props.label.split("|");
  stage.control(element.querySelector("button"), { pause, play });
};
name();
watch("label", name);
"""


def canvas(about: str, sprite: Sprite | None = None) -> gr.HTML:
    """A canvas that plays a model's sheet, and later what `still` gives; empty without a sheet. about: whose pictures they are."""
    value, label = (playing(sprite), t(f"stage_{sprite.kind}")) if sprite else ("", t("stage_noise"))
    return _html(value, label, TEMPLATE, MOUNT, about=about)


def control() -> gr.HTML:
    """A round button that pauses all canvases of the page, and lets them play again."""
    return _html("", t("stage_control"), '<button type="button" class="stage-control"></button>', CONTROL, scale=0, min_width=60)


def _html(value: str, label: Any, template: str, script: str, **options: Any) -> gr.HTML:
    return gr.HTML(value, label=label, html_template=template, js_on_load=script, apply_default_css=False, **options)


def playing(sprite: Sprite) -> str:
    """The value of a canvas that plays a sheet."""
    options = {
        "frames": sprite.frames,
        "pictures": sprite.pictures,
        "columns": COLUMNS,
        "side": sprite.side,
        "gap": gap_of(sprite.side),
    }
    rest = {"rest": REST} if sprite.kind == "noise" else {}
    return json.dumps({"sheet": f"sprites/{sprite.file.name}?{sprite.weights[:8]}", **options, **rest})


def still(pictures: Sequence[Image.Image]) -> str:
    """The value of a canvas that shows these pictures, of one size, into which those before them fade."""
    side, file = pictures[0].width, io.BytesIO()
    column = Image.new(pictures[0].mode, (side, side * len(pictures)))
    for k, picture in enumerate(pictures):
        column.paste(picture, (0, k * side))
    column.save(file, format="PNG")
    sheet = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    return json.dumps(
        {"sheet": sheet, "pictures": len(pictures), "columns": min(COLUMNS, len(pictures)), "side": side, "gap": gap_of(side), "fade": FADE}
    )


def gap_of(side: int) -> int:
    """Pixels between pictures of so many."""
    return max(2, side // 16)
