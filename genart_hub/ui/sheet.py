"""The side sheet: one picture, large, with what it was drawn from, the pictures around it, and files to take away."""

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from torch import Tensor

from genart_hub import images, latents, remake
from genart_hub.errors import MAX_SEED
from genart_hub.models import auto
from genart_hub.ui import texts
from genart_hub.ui.address import Built, link
from genart_hub.ui.handlers import guarded, in_turn, new_folder, show_png
from genart_hub.ui.model_cache import ModelCache
from genart_hub.ui.texts import t
from genart_hub.ui.turns import MODEL

SHOWN, LARGE = 384, 512  # px
AROUND = 4  # pictures
SCRIPT = """
// Esc closes the sheet, and the picture that it came from has the focus again. By the keyboard, the sheet has it while it is open.
const sheet = element.closest(".sheet");
let gallery = null, place = 0, byKeyboard = false;
const opened = () => sheet.classList.contains("open");
const thumbnails = (kind) => [...(gallery?.querySelectorAll(`.thumbnail-${kind}`) ?? [])];
sheet.setAttribute("role", "dialog");
sheet.setAttribute("aria-label", props.label);
watch("label", () => sheet.setAttribute("aria-label", props.label));
document.addEventListener("click", (event) => {
  const picture = event.target.closest?.(".thumbnail-item");
  if (!picture || sheet.contains(picture)) return;
  [gallery, byKeyboard] = [picture.closest(".block"), event.detail === 0];
  place = thumbnails(picture.classList.contains("thumbnail-lg") ? "lg" : "small").indexOf(picture);
}, true);
const drawnAnew = (then) => requestAnimationFrame(() => requestAnimationFrame(then)); // the gallery may close its own view by the same key
function giveBack() {
  (thumbnails("small").find((one) => one.classList.contains("selected")) ?? thumbnails("lg")[place])?.focus();
}
let was = opened();
new MutationObserver(() => {
  if (opened() === was) return;
  was = opened();
  if (!was) drawnAnew(giveBack);
  else if (byKeyboard) sheet.querySelector(".toggle-button").focus();
}).observe(sheet, { attributes: true, attributeFilter: ["class"] });
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const chosen = thumbnails("small").findIndex((one) => one.classList.contains("selected"));
  if (chosen >= 0) place = chosen;
  if (opened()) sheet.querySelector(".toggle-button").click();
  else if (gallery?.contains(event.target)) drawnAnew(giveBack);
}, true);
"""
TALLEST = 3.0  # a bar of that many standard deviations fills half of the height


def build(models: ModelCache, tabs: gr.Tabs, built: Mapping[str, Built], galleries: Sequence[gr.Gallery]) -> gr.Sidebar:
    """The sheet, which a click on a picture of the galleries opens. built: the tabs, by name."""

    @in_turn(MODEL)
    @guarded
    def open_sheet(gallery: list, request: gr.Request, event: gr.SelectData) -> tuple[Any, ...]:
        file = gallery[event.index][0] if gallery else None
        if file is None or not images.has_recipe(file):
            return (gr.skip(),) * len(outputs)
        lang, folder = texts.language(request), new_folder()
        recipe = remake.read(file)
        model = models.painter(models.check(remake.name_of(recipe)))
        asked = remake.request_of(recipe, model, Path(file).name)
        if (label := asked.get("label")) is not None and (classes := model.check_label(label, 1)) is not None:
            asked["label"] = model.class_names[int(classes[0])]
        picture = images.open_picture(file)
        shown, large = (show_png(images.enlarge(picture, side), folder / f"{side}px.png") for side in (SHOWN, LARGE))
        z = latents.of_seed(model, recipe["seed"], **asked)
        near = [] if z is None else images.to_pil(latents.around(model, recipe["seed"], AROUND, **asked))
        facts = told(lang, recipe, asked) + ("" if z is None else bars(lang, z)) + links(lang, recipe, asked)
        return gr.Sidebar(open=True), shown, facts, gr.update(visible=bool(near)), near, large, file, file

    with gr.Sidebar(position="right", open=False, width=440, elem_classes="sheet") as sheet:
        one = {"interactive": False, "show_label": False, "elem_classes": "few-pixels", "buttons": []}
        picture = gr.Image(height=SHOWN, label=t("sheet"), **one)
        facts = gr.HTML(label=t("sheet"), padding=False, js_on_load=SCRIPT)
        with gr.Column(visible=False, elem_classes="strip") as row:
            gr.Markdown(t("sheet_around"), elem_classes="note")
            near = gr.Gallery(label=t("sheet_around"), columns=AROUND, height="auto", allow_preview=False, **one)
        with gr.Row():
            large = gr.DownloadButton(t("sheet_large"), size="sm")
            with_recipe = gr.DownloadButton(t("sheet_recipe"), size="sm")
        rebuild, held = gr.Button(t("sheet_rebuild"), size="sm"), gr.State()
    outputs = [sheet, picture, facts, row, near, large, with_recipe, held]
    take = built["reconstruction"].take
    assert take is not None
    take(rebuild, tabs, held)
    rebuild.click(lambda: gr.Sidebar(open=False), None, sheet, queue=False, api_visibility="private", show_progress="hidden")
    for gallery in galleries:
        gallery.select(open_sheet, gallery, outputs, api_visibility="private", show_progress="hidden")
    return sheet


def told(lang: str, recipe: dict[str, Any], asked: dict[str, Any]) -> str:
    """What a picture was drawn from, as a list in HTML."""
    facts = {texts.say(lang, "model"): recipe["model"], texts.say(lang, "seed"): recipe["seed"]}
    facts |= {texts.say(lang, name): texts.class_name(lang, str(value)) for name, value in asked.items() if name in texts.TEXTS}
    lines = (f"<dt>{html.escape(str(name))}</dt><dd>{html.escape(str(value))}</dd>" for name, value in facts.items())
    return f'<dl class="drawn-from">{"".join(lines)}</dl>'


def links(lang: str, recipe: dict[str, Any], asked: dict[str, Any]) -> str:
    """The address of the picture and, where the model has a latent space, of a walk from it, in HTML."""
    name, seed = remake.name_of(recipe), recipe["seed"]
    fields = {key: asked[key] for key in ("label", "prompt", "truncation", "num_steps", "guidance", "temperature", "prior") if key in asked}
    places = {"sheet_link": link("sampling", lang, model=name, n=1, seed=seed, **fields)}
    if name in auto.from_latents():
        seeds = ", ".join(str(min(seed + k, MAX_SEED - 3 + k)) for k in range(4))
        places["sheet_walk"] = link("interpolation", lang, model=name, seeds=seeds, label=asked.get("label"))
    lines = (f'<a href="{html.escape(address)}">{html.escape(texts.say(lang, key))}</a>' for key, address in places.items())
    return f'<nav class="sheet-links">{"".join(lines)}</nav>'


def bars(lang: str, z: Tensor) -> str:
    """A latent as bars up and down from the middle, in HTML. z: (Z,)."""
    values = (z / TALLEST).clamp(-1, 1).mul(50).round().int().tolist()
    drawn = "".join(f'<rect x="{k}" y="{50 - max(v, 0)}" width="0.8" height="{max(abs(v), 1)}"/>' for k, v in enumerate(values))
    sentence = html.escape(texts.say(lang, "sheet_bars", count=len(values)))
    shape = f'viewBox="0 0 {len(values)} 100" preserveAspectRatio="none"'
    return f'<figure class="bars"><svg {shape} role="img" aria-label="{sentence}">{drawn}</svg><figcaption>{sentence}</figcaption></figure>'
