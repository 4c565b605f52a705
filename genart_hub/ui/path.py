"""The path: a guided thread through the stations, each page with the code of its idea, pictures, a question, and a way to try it."""

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from genart_hub import images, losses
from genart_hub.hub.cards.markdown import SAMPLES
from genart_hub.hub.locate import bundled_folder
from genart_hub.models.ddpm import DDPM
from genart_hub.models.prompted import Prompted
from genart_hub.models.vae import VAE
from genart_hub.models.vqvae import VQVAE
from genart_hub.train.vae import vae_step
from genart_hub.ui import machine, pages
from genart_hub.ui.address import Built
from genart_hub.ui.model_cache import ModelCache
from genart_hub.ui.texts import PAGES, t

WIDTH = 90  # characters of a line of code
LATEX = [{"left": "$", "right": "$", "display": False}]


@dataclass(frozen=True)
class Station:
    """What stands beside a page's text. code: what its idea is in the running package. model: whose samples it shows. The button opens
    the tab `tab` with it, or with `recording`, a recorded training. inside: it opens the model itself too. map, twin: what further
    buttons open, a model's latent space and one of `twin.KINDS`.
    """  # fmt: skip

    code: Callable[..., Any] | None = None
    model: str | None = None
    tab: str = "sampling"
    inside: bool = False
    recording: str | None = None
    map: str | None = None
    twin: str | None = None

    @property
    def opened(self) -> str | None:
        return self.recording or (self.model if self.model and bundled_folder(self.model) else None)


STATIONS = {
    "start": Station(model="vae-mnist"),
    "autoencoder": Station(VAE.reconstruct, "conv-vae-emoji", "reconstruction"),
    "vae": Station(losses.kl_to_standard_normal, "vae-mnist", "reconstruction", map="vae-mnist", twin="vae"),
    "gan": Station(losses.discriminator_loss, "gan-mnist", "training", recording="gan-article", map="gan-mnist", twin="gan"),
    "collapse": Station(losses.r1_penalty, "gan-mnist", "training", recording="gan-collapse", twin="gan-strong"),
    "dcgan": Station(losses.relativistic_discriminator_loss, "dcgan-emoji"),
    "tokens": Station(VQVAE.quantise, "tokens-emoji"),
    "diffusion": Station(DDPM._moments, "ddpm-mnist", inside=True, twin="diffusion"),
    "latent-diffusion": Station(DDPM._guided, "tiny-sd-emoji", inside=True),
    "one-wish": Station(Prompted.sample, "text-gan-emoji", "comparison"),
    "today": Station(model="tiny-sd-emoji", tab="comparison"),
    "algorithm": Station(vae_step, "vae-mnist", "training", recording="vae"),
    "applications": Station(model="conv-vae-emoji", tab="interpolation"),
    "limits": Station(model="tiny-sd-emoji"),
    "outlook": Station(),
}


def code_of(function: Callable[..., Any]) -> str:
    """The source of a function of the package as it runs, without its documentation and without the types of what it takes."""
    source = textwrap.dedent(inspect.getsource(inspect.unwrap(function)))
    node = ast.parse(source).body[0]
    assert isinstance(node, ast.FunctionDef)
    told = ast.get_docstring(node) is not None
    arguments = node.args
    for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
        argument.annotation = None
    signature = f"def {node.name}({ast.unparse(arguments)}):"
    return "\n".join([*textwrap.wrap(signature, WIDTH, subsequent_indent=" " * 8), *source.splitlines()[node.body[told].lineno - 1 :]])


def samples_of(model: str | None) -> Image.Image | None:
    """The samples on a bundled model's card."""
    folder = bundled_folder(model) if model else None
    file = folder / SAMPLES if folder else None
    return images.open_picture(file).convert("RGB") if file and file.is_file() else None


def progress(names: Sequence[str]) -> gr.HTML:
    """The line that says how many pages were read, which the browser remembers, and goes on where a reader stopped."""
    template, script, style = (Path(__file__).with_name(f"path.{kind}").read_text("utf-8") for kind in ("html", "js", "css"))
    options = {"html_template": template, "css_template": style, "js_on_load": script, "apply_default_css": False}
    return gr.HTML(label=t("path_progress"), elem_classes="path-progress", padding=False, pages=list(names), **options)


def build(models: ModelCache) -> Built:
    """The tab. Its buttons open other ones, and are wired when all tabs are there."""
    names = [page.name for page in pages.read("en")]
    last, columns = len(names) - 1, []
    opening: list[tuple[gr.Button, str, bool, str]] = []  # what it opens: a tab, with what is inside or not, and with what
    with gr.Row(elem_classes="path"):
        with gr.Column(scale=1, min_width=230):
            progress(names)
            chosen = gr.Radio([(t(f"page_{name}_title"), k) for k, name in enumerate(names)], value=0, label=t("path_pages"))
        with gr.Column(scale=3, min_width=320):
            for k, name in enumerate(names):
                station = STATIONS[name]
                with gr.Column(visible=k == 0, elem_classes="page") as column:
                    columns.append(column)
                    gr.Markdown(t(f"page_{name}_title"), elem_classes="page-title")
                    if f"page_{name}_machine" in PAGES:
                        gr.HTML(t(f"page_{name}_machine"), js_on_load=machine.SCRIPT)
                    gr.Markdown(t(f"page_{name}_text"), latex_delimiters=LATEX, elem_classes="essay")
                    if f"page_{name}_beside" in PAGES:
                        gr.HTML(t(f"page_{name}_beside"), js_on_load=None)
                    if (picture := samples_of(station.model)) is not None:
                        options = {"interactive": False, "height": 260, "buttons": ["fullscreen"], "elem_classes": "few-pixels"}
                        gr.Image(picture, label=station.model, **options)
                    if station.code:
                        gr.Code(code_of(station.code), language="python", label=t("path_code"), interactive=False)
                    if station.opened:
                        opening.append((gr.Button(t("path_try"), variant="primary"), station.tab, station.inside, station.opened))
                    if station.map and bundled_folder(station.map):
                        opening.append((gr.Button(t("map_try")), "interpolation", True, station.map))
                    if station.twin:
                        opening.append((gr.Button(t("path_twin")), "training", True, station.twin))
                    gr.Markdown(t(f"page_{name}_question"), latex_delimiters=LATEX, elem_classes="page-question")
                    with gr.Accordion(t("path_answer"), open=False):
                        gr.Markdown(t(f"page_{name}_answer"), latex_delimiters=LATEX)
            with gr.Row():
                before = gr.Button(t("path_before"), interactive=False)
                after = gr.Button(t("path_after"), variant="primary")

    def show(k: int) -> list[Any]:
        k = min(max(int(k), 0), last)
        return [*(gr.update(visible=j == k) for j in range(len(names))), gr.update(interactive=k > 0), gr.update(interactive=k < last)]

    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "queue": False}
    chosen.change(show, chosen, [*columns, before, after], **quiet)
    tell = "(k) => {{ window.genart?.walked?.(k, {}); return [] }}"
    chosen.change(None, chosen, None, js=tell.format("false"), **quiet)
    for button in (after, *(button for button, *_ in opening)):
        button.click(None, chosen, None, js=tell.format("true"), **quiet)
    before.click(lambda k: max(int(k) - 1, 0), chosen, chosen, **quiet)
    after.click(lambda k: min(int(k) + 1, last), chosen, chosen, **quiet)

    def wire(tabs: gr.Tabs, built: Mapping[str, Built]) -> None:
        for button, tab, is_inside, what in opening:
            opener = built[tab].open_inside if is_inside else built[tab].open_by
            assert opener is not None
            opener(button, tabs, what)

    return Built(fields={"step": chosen}, wire=wire)
