"""A recorded training on the page: pictures, curves and bars that follow a time slider. What moves them is film.js, without a server."""

import json
from pathlib import Path
from typing import Any

import gradio as gr

from genart_hub.ui.recordings import Recording
from genart_hub.ui.texts import t

SCRIPT, CSS, TEMPLATE = (Path(__file__).with_name(f"film.{kind}").read_text(encoding="utf-8") for kind in ("js", "css", "html"))
CURVES = {"gan": ("d_loss", "g_loss"), "vae": ("reconstruction", "kl"), "ddpm": ("loss",)}
MOUNT = """
let player = null;
const show = () => {
  player?.pause();
  player = film(element, JSON.parse(props.value), JSON.parse(props.label));
};
show();
watch(["value", "label"], show);
"""


def film(recording: Recording) -> gr.HTML:
    """A recording that a reader moves through."""
    words, options = t(f"film_{recording.name}"), {"html_template": TEMPLATE, "js_on_load": MOUNT, "apply_default_css": False}
    return gr.HTML(value_of(recording), label=words, **options)


def live_film(value: str) -> gr.HTML:
    """What a training that goes on looks like; later values come from `Live.look`."""
    return gr.HTML(value, label=t("film_live"), html_template=TEMPLATE, js_on_load=MOUNT, apply_default_css=False)


def value_of(recording: Recording, plays: bool = False) -> str:
    """What film.js is told: of the numbers, those that the family's loss is made of. plays: it begins to play by itself."""
    told: dict[str, Any] = {
        "sheet": f"recordings/{recording.file.name}?{recording.sha256[:8]}",
        "side": recording.side,
        "pictures": recording.pictures,
        "steps": recording.steps,
        "curves": {name: recording.numbers[name] for name in CURVES[recording.family]},
        "bars": recording.bars,
        "plays": plays,
    }
    return json.dumps(told, separators=(",", ":"))
