"""Reconstruction: a picture through a VAE, and into a GAN's latent space by inversion."""

import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import gradio as gr
import torch
from PIL import Image

from genart_hub import images, latents
from genart_hub.errors import GenartError, whole
from genart_hub.evaluate.features import logits_of, network_of
from genart_hub.files import parse_json
from genart_hub.hub.described import device_of
from genart_hub.hub.locate import bundled_folder
from genart_hub.hub.names import CONFIG
from genart_hub.metrics import reconstruction_mse
from genart_hub.models import auto
from genart_hub.models.base import FeatureNetwork, ImageModel
from genart_hub.ui import bottlenecks, opened, programs, texts
from genart_hub.ui.address import Built
from genart_hub.ui.curve import NO_SEARCH, NO_VAE, curve, of_search, of_vae
from genart_hub.ui.examples import picks, save_digits, save_emoji
from genart_hub.ui.fields import bounded, how, ladder_of, model_box, on_ladder, parsed, unchecked, unopened, when_chosen
from genart_hub.ui.folders import own_folder
from genart_hub.ui.handlers import guarded, in_turn, new_folder, show_png, stem
from genart_hub.ui.model_cache import ModelCache
from genart_hub.ui.texts import t
from genart_hub.ui.turns import MODEL

FEW_CLASSES = 100  # of a classifier whose word is told
SHOW_EVERY = 5  # steps between two pictures of an inversion
MOST_STEPS = 1000
FIRST = {"digits": 2, "emoji": 0}  # the example that a page of the Path opens: a 3, a face
NO_ANSWERS = (None, None, "", "", "", None, "", "")
"""What is seen; the VAE's answer, its figure, the VAE opened; the curve; the GAN's answer, its figure; the row of bottlenecks."""


def build(models: ModelCache) -> Built:
    """The tab."""
    vaes = auto.reconstructing()
    gans = [name for name in auto.from_latents() if name not in vaes]
    with_bars = [name for name in auto.bundled("vae") if name in vaes]

    def rebuilt(picture: str | None, model_name: str, tidy: bool, request: gr.Request) -> tuple[Any, ...]:
        model = models.painter(model_name)
        if not model.reconstructs:
            raise GenartError("not_vae", model=model_name, choices=", ".join(vaes))
        x = prepare(picture, model, tidy)
        lang = texts.language(request)
        x_hat, label = latents.reconstruct(model, x, label=seen_class(model, x) if model.reconstructs_classes else None)
        error = reconstruction_mse(x, x_hat)
        figure = texts.say(lang, "error_figure", error=error) + as_class(lang, model, label) + as_seen(lang, x_hat)
        folder = new_folder()
        bars = opened.opened(model, x, label) if opened.opens(model) else opened.closed(lang, model, with_bars)
        return show(x, folder / "seen.png"), show(x_hat, folder / f"{stem(model)}.png"), figure, json.dumps(bars), of_vae(error)

    @in_turn(MODEL)
    @guarded
    def reconstruct(picture: str | None, model_name: str, tidy: bool, request: gr.Request) -> tuple[Any, ...]:
        return rebuilt(picture, model_name, tidy, request)[:3]

    @in_turn(MODEL)
    @guarded
    def open_vae(picture: str | None, model_name: str, tidy: bool, request: gr.Request) -> tuple[Any, ...]:
        return rebuilt(picture, model_name, tidy, request)

    @in_turn(MODEL)
    @guarded
    def at_once(picture: str | None, model_name: str, tidy: bool, request: gr.Request) -> tuple[Any, ...]:
        return rebuilt(picture, model_name, tidy, request) if picture else NO_ANSWERS[:5]

    @in_turn(MODEL)
    @guarded
    def squeeze(picture: str | None, model_name: str, tidy: bool, figure: str | None, request: gr.Request) -> Iterator[str]:
        """The row of bottlenecks, where the VAE has answered."""
        names = bottlenecks.names_beside(model_name) if picture and figure else []
        if not names:
            yield ""
            return

        def passed(name: str) -> bottlenecks.Passed | GenartError:
            try:
                model = models.painter(name)
                x = prepare(picture, model, tidy)
                return bottlenecks.through(model, x, seen_class(model, x) if model.reconstructs_classes else None)
            except GenartError as error:
                return error

        x = prepare(picture, models.painter(model_name), tidy)
        yield from bottlenecks.rows(texts.language(request), x, names, map(passed, names))

    def example() -> dict[str, Any]:
        """The first example in colour, opened by the VAE that stands in the box at first."""
        model = models.painter(vae.value)
        if not opened.opens(model):
            raise GenartError("not_vae", model=vae.value, choices=", ".join(with_bars))
        x = prepare(examples[ladder_of(vae.value) or "emoji"][0], model, True)
        return opened.opened(model, x, seen_class(model, x) if model.reconstructs_classes else None)

    def searched(picture: str | None, model_name: str, tidy: bool, steps: float, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        model, lang = models.generative(model_name), texts.language(request)
        steps = whole(texts.say(lang, "reconstruction"), texts.say(lang, "steps"), parsed(steps), 1, MOST_STEPS)
        x = prepare(picture, model, tidy)
        folder = new_folder()
        seen = show(x, folder / "seen.png")
        label = seen_class(model, x)
        label = latents.nearest_class(model, x) if label is None else label
        errors: list[float] = []
        for step, z, error in latents.invert(model, x, steps, label=label):
            errors.append(error / 4)  # of pixels from 0 to 1
            if step == 1 or step % SHOW_EVERY == 0 or step == steps:
                x_hat = latents.frames(model, z, label=label)
                figure = texts.say(lang, "error_step", step=step, steps=steps, error=reconstruction_mse(x.cpu(), x_hat.cpu()))
                figure += as_class(lang, model, label) + (as_seen(lang, x_hat) if step == steps else "")
                yield seen, show(x_hat, folder / f"{stem(model)}-{step}.png"), figure, of_search(errors, steps)

    @in_turn(MODEL)
    @guarded
    def invert(picture: str | None, model_name: str, tidy: bool, steps: float, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        for answer in searched(picture, model_name, tidy, steps, request):
            yield answer[:3]

    @in_turn(MODEL)
    @guarded
    def invert_on_page(picture: str | None, model_name: str, tidy: bool, steps: float, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        yield from searched(picture, model_name, tidy, steps, request)

    def ink(drawing: str | None) -> str:
        """A drawing on white, as a file."""
        drawn = images.flatten(images.open_picture(drawing)) if drawing else None
        if drawn is None or len(set(drawn.convert("L").getextrema())) == 1:
            raise GenartError("no_picture")
        return show_png(drawn, new_folder() / "drawing.png")

    @in_turn(MODEL)
    @guarded
    def use_drawing(drawing: str | None, request: gr.Request) -> str:
        return ink(drawing)

    @in_turn(MODEL)
    @guarded
    def bring_drawing(drawing: str | None, chosen: str, other: str, request: gr.Request) -> tuple[Any, ...]:
        """The drawing, and models of digits."""
        return ink(drawing), *to_ladder("digits", chosen, other)

    def follow(names: list[str]) -> Callable[[str, str], Any]:
        """The other box moves to the first of its models on the ladder of the one that was chosen; one that is there stays.

        The answers of the models that were there go, and so does the answer of the one that was there before.
        """

        def move(chosen: str, other: str) -> Any:
            ladder = ladder_of(chosen)
            found = None if ladder == ladder_of(other) else on_ladder(names, ladder)
            if found:
                return found, *NO_ANSWERS
            kept = gr.skip()
            return kept, kept, *((None, "", "", NO_VAE, kept, kept, "") if names is gans else (kept, kept, kept, NO_SEARCH, None, "", kept))

        return move

    def pick(event: gr.EventData, chosen: str, other: str) -> tuple[str, Any, Any]:
        """An example, and models of its ladder."""
        ladder, k = ("digits", "emoji")[int(event._data["row"]) % 2], int(event._data["place"])
        return examples[ladder][k % len(examples[ladder])], *to_ladder(ladder, chosen, other)

    def to_ladder(ladder: str, chosen: str, other: str) -> list[Any]:
        """The two boxes on that ladder: a model that stands there stays."""
        stays = [gr.skip() if ladder_of(name) == ladder else on_ladder(names, ladder) for name, names in ((chosen, vaes), (other, gans))]
        return [gr.skip() if name is None else name for name in stays]

    folder = own_folder()
    examples = {"digits": save_digits(folder), "emoji": save_emoji(folder)}
    with gr.Row():
        with gr.Column(scale=1, min_width=300):
            picture = unopened(gr.Image(label=t("upload"), type="filepath", format="png", sources=["upload", "clipboard"], height=240))
            rows = [picks(t(f"example_{ladder}"), paths, row) for row, (ladder, paths) in enumerate(examples.items())]
            with gr.Accordion(t("draw"), open=False):
                paper = {"background": Image.new("L", (280, 280), "white"), "layers": [], "composite": None}  # else no brush is chosen
                pad = gr.Sketchpad(
                    value=paper, type="filepath", canvas_size=(280, 280), height=420, show_label=False, layers=False, format="png",
                    brush=gr.Brush(default_size=22, colors=["#000000"], color_mode="fixed"), sources=(), transforms=(),
                )  # fmt: skip
                bounded(pad)
                pad.preprocess = lambda drawn: drawn.composite.path if drawn and drawn.composite else None  # opened by use_drawing
                use = gr.Button(t("use_drawing"), size="sm")
            tidy = gr.Checkbox(value=True, label=t("tidy"))
        with gr.Column(scale=2, min_width=360):
            with gr.Row(equal_height=True):
                vae = model_box(vaes, "vae")
                gan = model_box(gans, "gan", on_ladder(gans, ladder_of(vae.value)))
            with gr.Row(elem_classes="acts"):
                go = gr.Button(t("reconstruct"), variant="primary")
                search = gr.Button(t("invert"), variant="primary")
                stop = gr.Button(t("stop"), variant="stop")
            steps = unchecked(gr.Slider(1, MOST_STEPS, value=300, step=1, label=t("steps")))
            with gr.Row(elem_classes="rebuilt"):
                seen, _ = answer("seen")
                vae_answer, vae_figure = answer("vae_answer")
                gan_answer, gan_figure = answer("gan_answer")
            search_curve = curve()
    row_of_tiles = bottlenecks.panel()
    bars = opened.panel(opened.Answers(models, classifier, example))
    how("reconstruction_how")

    boxes, quiet = [vae, gan], {"api_visibility": "private", "show_progress": "hidden"}
    vae_answers = [seen, vae_answer, vae_figure, bars, search_curve]
    go.click(open_vae, [picture, vae, tidy], vae_answers, api_visibility="private", show_progress_on=vae_answer)
    inverting = search.click(
        invert_on_page,
        [picture, gan, tidy, steps],
        [seen, gan_answer, gan_figure, search_curve],
        api_visibility="private",
        show_progress_on=gan_answer,
    )
    vae_figure.change(squeeze, [picture, vae, tidy, vae_figure], row_of_tiles, trigger_mode="multiple", **quiet)
    sent = programs.file_or(examples["digits"][3], format="png")
    programs.offer(reconstruct, [sent, vae, tidy], [seen, vae_answer, vae_figure], "reconstruct")
    programs.offer(invert, [sent, gan, tidy, steps], [seen, gan_answer, gan_figure], "invert")
    stop.click(None, None, None, cancels=[inverting], queue=False, api_name="stop")
    answers = [*vae_answers, gan_answer, gan_figure, row_of_tiles]  # they go with the picture that they are of
    gone = {"js": f"() => {json.dumps(NO_ANSWERS)}", "cancels": [inverting], "queue": False, "api_visibility": "private"}
    picture.change(None, None, answers, **gone)
    picture.change(at_once, [picture, vae, tidy], vae_answers, **quiet)
    for box, other, names in ((vae, gan, gans), (gan, vae, vaes)):
        when_chosen(box, follow(names), [box, other], [other, *answers])
    for row in rows:
        row.pick(pick, boxes, [picture, *boxes], **quiet)
    use.click(bring_drawing, [pad, *boxes], [picture, *boxes], **quiet)
    programs.offer(use_drawing, [pad], [picture], "use_drawing")
    tidy.input(None, None, answers, **gone)

    def open_by(button: gr.Button, tabs: gr.Tabs, name: str) -> None:
        """Let a button of another tab open this one with a VAE, and an example in it."""

        def opening(chosen: str, other: str) -> tuple[Any, ...]:
            ladder = ladder_of(name) or "emoji"
            return gr.Tabs(selected="reconstruction"), examples[ladder][FIRST[ladder]], name, to_ladder(ladder, chosen, other)[1]

        brought = button.click(opening, boxes, [tabs, picture, *boxes], **quiet)
        brought.success(at_once, [picture, vae, tidy], vae_answers, **quiet)

    def take(button: gr.Button, tabs: gr.Tabs, file: gr.State) -> None:
        """Let a button bring a picture of this app, whose recipe says which set of pictures it belongs to, and rebuild it."""

        @guarded
        def bring(path: str, *chosen: str) -> tuple[Any, ...]:
            ladder = ladder_of(images.read_recipe(path)["model"])
            return gr.Tabs(selected="reconstruction"), path, *to_ladder(ladder or "emoji", *chosen)

        brought = button.click(bring, [file, *boxes], [tabs, picture, *boxes], **quiet)
        asked = brought.success(lambda: None, None, None, queue=False, **quiet)
        asked.success(at_once, [picture, vae, tidy], vae_answers, **quiet)

    return Built(open_by, {"model": vae, "gan": gan, "steps": steps}, take=take)


def answer(key: str) -> tuple[gr.Image, gr.Markdown]:
    """A column of the answers: a title, a picture that nothing covers, and a line for its figure."""
    with gr.Column(min_width=160):
        gr.Markdown(t(key), elem_classes="title")
        options = {"format": "png", "interactive": False, "height": 240, "elem_classes": "few-pixels", "buttons": ["download"]}
        return gr.Image(label=t(key), show_label=False, **options), gr.Markdown(elem_classes="figure")


@cache
def classifier(channels: int) -> FeatureNetwork | None:
    """The bundled classifier of pictures with so many channels and few classes, which can be named."""
    for name in auto.bundled("features"):
        config = parse_json(((bundled_folder(name) or Path()) / CONFIG).read_text("utf-8"))
        if config.get("channels") == channels and max(len(config.get("class_names", ())), config.get("num_classes", 0)) <= FEW_CLASSES:
            return network_of(name)
    return None


def seen_class(model: ImageModel, x: torch.Tensor) -> torch.Tensor | None:
    """The classes that a classifier sees, where the model has the same ones; else None. x: (B, C, H, W). Returns (B,)."""
    network = classifier(model.channels) if model.class_names else None
    if network is None or list(network.class_names) != list(model.class_names):
        return None
    return logits_of(network, x).argmax(dim=1).to(x.device)


def as_seen(lang: str, x_hat: torch.Tensor) -> str:
    """What a classifier sees in an answer."""
    network = classifier(x_hat.shape[1])
    if network is None:
        return ""
    return texts.say(lang, "error_seen", label=texts.class_name(lang, network.class_names[int(logits_of(network, x_hat)[0].argmax())]))


def as_class(lang: str, model: ImageModel, label: torch.Tensor | None) -> str:
    """As which class a conditional model saw the picture."""
    if label is None:
        return ""
    return texts.say(lang, "error_class", label=texts.class_name(lang, model.class_names[int(label[0])]))


def prepare(path: str | None, model: ImageModel, tidy: bool) -> torch.Tensor:
    """An upload as the model takes it. Returns (1, C, H, W) in [-1, 1] on the model's device."""
    if not path:
        raise GenartError("no_picture")
    picture = images.open_picture(path)
    if tidy and model.channels == 1 and picture.size != (model.image_size, model.image_size):
        picture = images.center_digit(picture, model.image_size)
    return images.from_pil(picture, model.image_size, model.channels).to(device_of(model))


def show(x: torch.Tensor, path: Path) -> str:
    """One picture, large enough to look at and still sharp, as a file: Gradio writes a picture that it is handed anew each time,
    under the name of its contents, even while a browser reads it. x: (1, C, H, W)."""
    return show_png(images.enlarge(images.to_pil(x[0])), path)
