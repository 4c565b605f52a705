"""The twin: a GAN, a VAE and a diffusion model of points in the plane, small enough to learn in the page. What does it is twin*.js."""

import json
import time
from pathlib import Path

import gradio as gr

from genart_hub.ui.texts import t

CSS, TEMPLATE = (Path(__file__).with_name(f"twin.{kind}").read_text(encoding="utf-8") for kind in ("css", "html"))
SCRIPTS = {
    name: Path(__file__).with_name(f"{name}.js").read_text(encoding="utf-8") for name in ("twin_nets", "twin_models", "twin_draw", "twin")
}
MODELS, SHAPES, MOST_SEED = ("gan", "vae", "diffusion"), ("ring", "moons", "spiral"), 999_999  # as in twin.js and twin_models.js
KINDS = {"gan": ("gan", False), "gan-strong": ("gan", True), "vae": ("vae", False), "diffusion": ("diffusion", False)}


def panel() -> gr.HTML:
    """The panel. Its value is what `value_of` gives, or empty."""
    script = "\n".join(['"use strict";', *SCRIPTS.values()])
    return gr.HTML("", label=t("twin"), html_template=TEMPLATE, js_on_load=script, apply_default_css=False)


def value_of(name: str) -> str:
    """What opens the panel, one of KINDS, and shows it: another value each time."""
    kind, strong = KINDS[name]
    return json.dumps({"kind": kind, "strong": strong, "at": time.time()})
