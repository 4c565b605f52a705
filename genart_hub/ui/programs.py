"""The app for programs: a few endpoints, each with a sentence, English names, defaults and ranges; over HTTP, and as MCP tools."""

import os
import re
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gradio as gr
from gradio import routes
from gradio_client import utils as client_utils
from gradio_client.snippet import generate_code_snippets as client_snippets
from PIL import Image

from genart_hub import images, remake
from genart_hub.errors import MAX_SEED, GenartError, number, shorten, whole
from genart_hub.evaluate.costs import costs
from genart_hub.hub.cards.markdown import SAMPLES
from genart_hub.hub.described import device_of, num_parameters
from genart_hub.hub.locate import bundled_folder
from genart_hub.models import auto
from genart_hub.models.base import ImageModel
from genart_hub.models.inputs import MAX_GUIDANCE, MAX_STEPS, MAX_TEMPERATURE, PRIORS
from genart_hub.ui import examples, redraw, texts
from genart_hub.ui.answers import answer, in_history, wished
from genart_hub.ui.fields import LADDERS, caption, class_of, ladder_of, parsed, seed_of, unchecked
from genart_hub.ui.figures import evaluation, megabytes_of, moments_of
from genart_hub.ui.folders import own_folder
from genart_hub.ui.handlers import guarded, in_turn, new_folder, show_png, stem
from genart_hub.ui.model_cache import ModelCache, first_shown
from genart_hub.ui.turns import MODEL, between_steps

ABOUT = {  # every public endpoint; what the page calls beside them is its own
    "models": "List the models that come with the app: what each draws, what it takes, and its classes.",
    "sample": "Draw pictures from a seed, with a class or a prompt where the model takes one. Each PNG carries its recipe.",
    "img2img": "Draw a prompt over a picture: noise is added to the picture and taken out again by a model of words.",
    "denoise": "Show how a diffusion model draws one picture: the moments from pure noise to the end.",
    "walk": "Walk through a model's latent space from seed to seed. Gives an animation, as WebP and as GIF.",
    "reconstruct": "Send a picture through a VAE's bottleneck. Gives what the model sees, its answer, and the error.",
    "invert": "Search the point of a GAN's latent space whose picture comes closest to yours.",
    "compare": "Give one request to all models of the same pictures. Gives a dictionary: for each model its pictures, time and figures.",
    "recipe": "Read the recipe that a PNG of this app carries: model, weights, seed and request.",
}
TAKES: dict[str, tuple[str, dict[str, Any]]] = {  # a parameter's name on the page of the API, and its JSON type
    "model_name": ("Model", {"type": "string", "description": "a model of /models, or a Hub id owner/name"}),
    "picture": ("Picture", {"description": "a picture file; none: one that comes with the app"}),
    "png": ("PNG", {"description": "a PNG saved by genart_hub; none: one that comes with the app"}),
    "n": ("How many pictures", {"type": "integer", "description": "{low} to {high}"}),
    "seed": ("Seed", {"type": "integer", "minimum": 0, "maximum": MAX_SEED, "description": "picture k has the seed plus k"}),
    "seeds": ("Seeds", {"type": "string", "description": "2 to 16 whole numbers, with commas"}),
    "truncation": ("Truncation", {"type": "number", "description": "above 0, at most 1: less variety, more typical pictures"}),
    "label": ("Class", {"type": "string", "description": "a class's name or number, see /models; empty: any"}),
    "prompt": ("Prompt", {"type": "string", "description": "what to draw, in English or Chinese, for models that read words"}),
    "num_steps": ("Steps", {"type": "integer", "minimum": 1, "maximum": MAX_STEPS, "description": "none: the model's own number"}),
    "guidance": ("Guidance", {"type": "number", "minimum": 0, "maximum": MAX_GUIDANCE, "description": "none: the model's own"}),
    "temperature": ("Temperature", {"type": "number", "minimum": 0, "maximum": MAX_TEMPERATURE, "description": "none: the model's own"}),
    "prior": ("Prior", {"type": "string", "enum": list(PRIORS), "description": "where latents come from, for models with a fitted prior"}),
    "strength": ("Strength", {"type": "number", "description": "the share of noise: near 0 keeps the picture, 1 forgets it"}),
    "method": ("Path", {"description": "along the sphere, or straight"}),
    "frames": ("Frames", {"type": "integer", "description": "{low} to {high}"}),
    "fps": ("Frames per second", {"type": "number", "description": "{low} to {high}"}),
    "loop": ("Loop", {"description": "whether the walk ends where it began"}),
    "tidy": ("Tidy", {"description": "crop and centre a digit, for models of digits"}),
    "steps": ("Steps of the search", {"type": "integer", "description": "{low} to {high}"}),
    "ladder": ("Pictures", {"description": "which set of pictures the models learned from"}),
}
UNNAMED = {"Gallery": "Pictures", "Markdown": "Note"}  # what the page shows without a label
OWN_VALUE = ("num_steps", "guidance", "temperature")  # None is the model's own
WORDED, DIFFUSION_MOST, STRENGTH = "tiny-sd-emoji", 4, 0.6


def mend_shell_snippets() -> None:
    """Let the snippets for a shell, which the page of the API shows, run in bash as they are.

    Gradio writes `… | read EVENT_ID; curl …/$EVENT_ID`; in bash the end of a pipe is a shell of its own, and the name is empty after it.
    Gradio's routes take the function that writes them from a name of their module, and there is no setting: so the name is changed.
    """

    def snippets(*arguments: Any, **options: Any) -> dict[str, str]:
        made = client_snippets(*arguments, **options)
        return made | {"bash": re.sub(r"\| (read EVENT_ID; curl .*)", r"| { \1; }", made["bash"])}

    routes.generate_code_snippets = snippets


class Page(gr.Blocks):
    """The page. What it tells programs of its endpoints is in English, whatever the page's language is."""

    def get_api_info(self, all_endpoints: bool = False, page: str | None = None) -> Any:
        info = super().get_api_info(all_endpoints=all_endpoints, page=page)
        functions = {f"/{fn.api_name}": fn for fn in self.fns.values()}
        for name, endpoint in info["named_endpoints"].items():
            taken = [component for component in functions[name].inputs if not component.skip_api]
            for parameter, component in zip(endpoint["parameters"], taken, strict=True):
                describe(parameter, component)
            for given in endpoint["returns"]:
                label = UNNAMED.get(given["component"], "Value") if str(given["label"]).startswith("value_") else english(given["label"])
                given["label"] = label.removeprefix("⬇ ")
        return info

    def publish(self) -> None:
        """Let programs see the endpoints of `ABOUT`, and no others. An event of the page that has such a name gives it up.

        "private" is what Gradio's clients neither list nor call ("undocumented" they would call); the page calls its events by number.
        """
        mend_shell_snippets()
        for name, about in ABOUT.items():
            called = {fn.api_name: fn for fn in self.fns.values()}
            mine = next(fn for fn in called.values() if fn.api_visibility == "public" and re.fullmatch(rf"{name}(_\d+)?", fn.api_name))
            if (other := called.get(name)) is not None:
                other.api_name = mine.api_name
            mine.api_name, mine.api_description = name, about
            mine.fn.__doc__ = documentation(name, about, self.get_api_info())
        for fn in self.fns.values():
            if fn.api_visibility == "public" and fn.api_name not in ABOUT:
                fn.api_visibility = "private"


def documentation(name: str, about: str, info: Any) -> str:
    """What an MCP tool's parameters are taken from."""
    taken = info["named_endpoints"][f"/{name}"]["parameters"]
    lines = [f"    {one['parameter_name']}: {one['label']}: {one['type']['description']}" for one in taken]
    return "\n".join([about, "", "Args:", *lines])


def english(text: Any) -> str:
    """A text of the page in English, where it is one that the page translates."""
    key = text.get("key") if isinstance(text, dict) else getattr(text, "key", None)
    if key is None and isinstance(text, str) and text.startswith("__i18n__"):
        key = next((known for known in texts.TEXTS if f'"{texts.PREFIX}{known}"' in text), None)
    return texts.say("en", str(key).removeprefix(texts.PREFIX)) if key else str(text)


def describe(parameter: dict[str, Any], component: gr.components.Component) -> None:
    """Complete what the API says of a parameter: its name, type, range and default."""
    name = parameter["parameter_name"]
    label, known = TAKES.get(name, (english(parameter["label"]), {}))
    low, high = (getattr(component, side, None) for side in ("minimum", "maximum"))
    limits = {} if low is None or high is None else {"minimum": low, "maximum": high}
    about = limits | known
    about["description"] = str(about.get("description", "")).format(low=low, high=high)
    kept = {key: value for key, value in parameter["type"].items() if key != "enum" or name not in ("model_name", "label")}
    parameter |= {"label": label, "type": kept | about}
    if isinstance(component, gr.Image | gr.File):
        parameter |= {"parameter_has_default": True, "parameter_default": None, "example_input": None}
    elif name in OWN_VALUE:
        parameter |= {"parameter_has_default": True, "parameter_default": None, "example_input": None}
        parameter["type"] = {"anyOf": [parameter["type"], {"type": "null"}], "description": about["description"]}
    elif isinstance(parameter["parameter_default"], str):
        parameter["parameter_default"] = english(parameter["parameter_default"])
    told = client_utils.json_schema_to_python_type(parameter["type"])
    parameter["python_type"] = {"type": told, "description": about["description"]}


def offer(handler: Callable, inputs: Sequence[Any], outputs: Sequence[Any], name: str) -> None:
    """An endpoint that nothing on the page calls."""
    gr.on([], handler, list(inputs), list(outputs), api_name=name, show_progress="hidden")


def file_or(example: str | Path, field: type = gr.Image, **options: Any) -> gr.components.Component:
    """A file from a program, as a path; `example` where it sends none."""
    component = field(type="filepath", visible=False, **options)
    component.preprocess = lambda payload: payload.path if payload else str(example)
    return component


def mcp_server() -> bool:
    """Whether the host wants MCP tools. Raises GenartError where the package for that is not there."""
    wanted = os.environ.get("GENART_MCP", "").strip().lower() in ("1", "true", "yes")
    if wanted and find_spec("mcp") is None:
        raise GenartError("needs_package", package="mcp", install='"mcp>=1.21,<2"')
    return wanted


# ---- what the page has no button for ----


def build(models: ModelCache) -> None:
    """The endpoints that answer programs alone."""

    @guarded
    def list_models() -> dict[str, Any]:
        return {name: auto.listing(name) for name in auto.bundled()}

    @in_turn(MODEL)
    @guarded
    def denoise(
        model_name: str, seed: float, prompt: str, label: str, num_steps: Any, guidance: Any, request: gr.Request
    ) -> list[tuple[str, str]]:
        return moments(models.painter(model_name), texts.language(request), seed, prompt, label, num_steps, guidance)

    @in_turn(MODEL)
    @guarded
    def img2img(
        picture: str, prompt: str, strength: float, model_name: str, n: float, seed: float, num_steps: Any, guidance: Any,
        request: gr.Request,
    ) -> list[tuple[str, str]]:  # fmt: skip
        lang, model = texts.language(request), models.painter(model_name)
        return drawn_over(model, lang, images.open_picture(picture), prompt, strength, n, seed, num_steps, guidance)

    @in_turn(MODEL)
    @guarded
    def compare(
        n: float, seed: float, truncation: float, prompt: str, ladder: str, label: str, request: gr.Request
    ) -> dict[str, dict[str, Any]]:
        return answers(
            models, texts.language(request), n, seed, truncation, prompt, ladder, label, keep=found[1].move_resource_to_block_cache
        )

    @guarded
    def recipe(png: str, request: gr.Request) -> dict[str, Any]:
        return remake.read(png)

    folder = own_folder()
    with gr.Column(visible=False):
        drawn = gr.Gallery(label="Pictures", format="png")
        moment = gr.Gallery(label="Moments, from noise to picture", format="png")
        model = gr.Dropdown(auto.bundled(), value=WORDED, label="Model", allow_custom_value=True)
        prompt, wish = gr.Textbox("red apple", label="Prompt"), gr.Textbox("green apple", label="Prompt")
        seed = unchecked(gr.Number(0, precision=0, label="Seed"))
        label = gr.Textbox("", label="Class")
        num_steps, guidance = (unchecked(gr.Number(None, label=name)) for name in ("Steps", "Guidance"))
        few = unchecked(gr.Slider(1, DIFFUSION_MOST, 1, step=1, label="How many pictures"))
        many = unchecked(gr.Slider(1, 16, 4, step=1, label="How many pictures"))
        strength = unchecked(gr.Slider(0.05, 1, STRENGTH, step=0.05, label="Strength"))
        truncation = unchecked(gr.Slider(0.05, 1, 1, step=0.05, label="Truncation"))
        ladder = unchecked(gr.Radio(list(LADDERS), value="emoji", label="Pictures"))
        apple = file_or(examples.save_emoji(folder)[2], format="png")
        png = file_or((bundled_folder(first_shown() or "") or Path()) / SAMPLES, gr.File)
        found = [gr.JSON(label=label) for label in ("Models", "Answers, by model", "Recipe")]
    offer(list_models, [], found[:1], "models")
    offer(denoise, [model, seed, prompt, label, num_steps, guidance], [moment], "denoise")
    offer(img2img, [apple, wish, strength, model, few, seed, num_steps, guidance], [drawn], "img2img")
    offer(compare, [many, seed, truncation, prompt, ladder, label], found[1:2], "compare")
    offer(recipe, [png], found[2:], "recipe")


def requested(model: ImageModel, given: dict[str, Any]) -> dict[str, Any]:
    """What of a request the model takes and was given."""
    return {name: parsed(value) for name, value in given.items() if name in model.inputs and value is not None and value != ""}


def moments(model: ImageModel, lang: str, seed: object, prompt: str, label: object, num_steps: Any, guidance: Any) -> list[tuple[str, str]]:
    """The files and captions of the moments in which a picture comes out of the noise. Raises GenartError for a model without steps."""
    if not model.unfolds:
        known = ", ".join(name for name in auto.bundled() if auto.class_of(name).unfolds)
        raise GenartError("not_choice", where="denoise", name="model", choices=known, value=shorten(stem(model)))
    seed = seed_of(seed, lang)
    request = requested(model, {"prompt": prompt, "num_steps": num_steps, "guidance": guidance})
    if model.class_names and (chosen := class_of(label, model)) is not None:
        request["label"] = chosen
    folder, shown = new_folder(), []
    for step, total, x in model.denoise(1, seed, **request):
        if step in moments_of(total):
            file = show_png(images.to_pil(x[0]), folder / f"{stem(model)}-{seed}-step-{step}.png")
            shown.append((file, texts.say(lang, "moment", step=step, steps=total)))
        between_steps()
    return shown


def drawn_over(
    model: ImageModel, lang: str, picture: Image.Image, prompt: str, strength: Any, n: Any, seed: Any, num_steps: Any, guidance: Any
) -> list[tuple[str, str]]:
    """The files and captions of pictures that a pipeline draws over one. Raises GenartError for a model that cannot."""
    draw = redraw.check(model).img2img
    n, seed = whole("img2img", "n", parsed(n), 1, DIFFUSION_MOST), seed_of(seed, lang)
    strength = number("img2img", "strength", parsed(strength), 0.01, 1)
    x = images.from_pil(picture, model.image_size, model.channels).to(device_of(model))
    request = requested(model, {"prompt": prompt, "num_steps": num_steps, "guidance": guidance})
    made = draw(x, n, seed, strength=strength, on_step=lambda *_: between_steps(), **request)
    folder = new_folder()
    files = [show_png(one, folder / f"{stem(model)}-{seed + k}.png") for k, one in enumerate(images.to_pil(made))]
    return [(file, caption(lang, seed + k)) for k, file in enumerate(files)]


def answers(
    models: ModelCache, lang: str, n: Any, seed: Any, truncation: Any, prompt: str, ladder: str, label: object,
    keep: Callable[[str], Any] = str,
) -> dict[str, dict[str, Any]]:  # fmt: skip
    """What every model of a set of pictures answers, by its name, in the order of history: pictures, captions, seconds, and its figures.

    A model that fails has an `error` in their place. keep: gives the path from which a saved picture is handed out.
    """
    names = in_history()
    wish = wished(lang, names, n, seed, truncation, prompt, ladder, label)
    found: dict[str, dict[str, Any]] = {}
    folder = new_folder()
    for name in names:
        if ladder_of(name) != wish.ladder:
            continue
        try:
            model = models.painter(name)
            given = answer(model, wish)
        except GenartError as error:
            found[name] = {"error": texts.sentence(lang, error)}
            continue
        found[name] = {
            "pictures": [file_data(keep(file)) for file in given.save(model, wish.seed, folder / name)],
            "captions": given.captions(lang, wish.seed),
            "seconds": given.seconds,
            **figures_of(name, model, prompt),
        }
        between_steps()
    return found


def file_data(path: str | Path) -> dict[str, Any]:
    """A file that is handed out, as Gradio's clients know it."""
    return {"path": str(path), "url": f"/gradio_api/file={path}", "meta": {"_type": "gradio.FileData"}}


def figures_of(name: str, model: ImageModel, prompt: str) -> dict[str, Any]:
    """What a model is and costs, as JSON values. metrics: by name, the value and that of real pictures."""
    cost = costs(model, **requested(model, {"prompt": prompt}))
    return {
        "inputs": list(model.inputs),
        "parameters": num_parameters(model),
        "megabytes": round(megabytes_of(model), 2),
        "multiply_adds": cost.multiply_adds,
        "peak_memory_bytes": cost.peak_memory,
        "metrics": {metric: {"value": value, "real": real} for metric, (value, real) in evaluation(name).items()},
    }
