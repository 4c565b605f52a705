"""The curve of an inversion: its error over its steps, beside the VAE's error for the same picture. What draws it is curve.js."""

import json
from collections.abc import Sequence
from pathlib import Path

import gradio as gr

from genart_hub.ui.texts import t

SCRIPT, CSS = (Path(__file__).with_name(f"curve.{kind}").read_text(encoding="utf-8") for kind in ("js", "css"))
TEMPLATE = (
    '<figure class="curve" hidden><figcaption></figcaption><svg role="img"></svg><p class="curve-legend" aria-hidden="true"></p></figure>'
)
NO_VAE, NO_SEARCH = json.dumps({"vae": None}), json.dumps({"errors": []})  # the one of the two goes, the other stays; "": both go


def curve() -> gr.HTML:
    """The curve, of which nothing is seen before a search. Its values are `of_vae` and `of_search`, each beside what came before."""
    return gr.HTML(
        "", label=t("curve"), html_template=TEMPLATE, js_on_load=SCRIPT, elem_classes="curve-block", padding=False, apply_default_css=False
    )


def of_vae(error: float) -> str:
    """The line of the VAE's answer. error: mean squared, of pixels from 0 to 1."""
    return json.dumps({"vae": round(error, 6)})


def of_search(errors: Sequence[float], steps: int) -> str:
    """A search of so many steps as far as it has come. errors: the lowest so far after each step, mean squared, of pixels from 0 to 1."""
    return json.dumps({"steps": steps, "errors": [round(error, 6) for error in errors]}, separators=(",", ":"))
