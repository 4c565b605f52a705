"""What the tabs share: models in memory, errors in the reader's language, fields that leave checking to the package, files to hand out."""

import html
import inspect
import os
import queue
import shutil
import sys
import tempfile
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components.image_editor import AcceptBlobs
from torch import Tensor

import genart_hub
from genart_hub.errors import GenartError, first_line, shorten, whole
from genart_hub.hub import HUB_ID, NAME_LIMIT, bundled_folder, pick_device
from genart_hub.models.base import MAX_SEED, Generative, check_generative
from genart_hub.ui import gate, gpu, texts, turns
from genart_hub.ui.folders import KEEP_SECONDS, own_folder

LADDERS = {"emoji": "-emoji", "digits": "-mnist"}
PROMPTS = ("smiling face with sunglasses", "rocket", "cat, blob style", "红苹果", "火箭", "蓝色的狗")
UNREAD_SHOWN = 120  # characters
MOST_DRAWINGS = 64
TRUSTED_BYTES = 20_000_000_000  # for the pipeline that the host has named: setting GENART_SD_MODEL is consent


def host_s_models() -> list[str]:
    """The models that the host names in GENART_MODELS: they are loaded as the host, with a stored token."""
    return [name.strip() for name in os.environ.get("GENART_MODELS", "").split(",") if name.strip()]


def host_s_pipeline() -> str:
    """The pipeline that the host names in GENART_SD_MODEL, a folder or a Hub id, or nothing."""
    return os.environ.get("GENART_SD_MODEL", "").strip()


def offered(family: str | None = None) -> list[str]:
    """The models of the model boxes: the bundled ones, then those that the host names in GENART_MODELS."""
    return genart_hub.bundled(family) + host_s_models()


def from_latents() -> list[str]:
    """The bundled models that make a picture from a point of a latent space: all but the pipelines."""
    return sorted(genart_hub.bundled("gan") + genart_hub.bundled("vae"))


def offered_from_latents() -> list[str]:
    """The models of a box whose tab walks through latents."""
    pipelines = genart_hub.bundled("diffusion")
    return [name for name in offered() if name not in pipelines]


def is_pipeline(model: Any) -> bool:
    """Whether the model draws what a text says."""
    return getattr(model, "family", None) == "diffusion"


def first_shown() -> str | None:
    """The model that a newcomer meets: the first bundled GAN."""
    return next(iter(genart_hub.bundled("gan")), None)


class Shelf:
    """Loaded models, the least used put away when together they take more than `max_bytes` of memory.

    What a reader names is loaded as anybody on the Hub could load it, without the host's token and beside the host's own cache.
    """

    def __init__(self, max_bytes: int | None = None):
        self.max_bytes = max_bytes or int(float(os.environ.get("GENART_MODEL_MEMORY_MB", "2000")) * 1e6)
        self._models: OrderedDict[str, Any] = OrderedDict()
        self._lock, self._from_disk, self._from_hub = threading.Lock(), threading.Lock(), threading.Lock()

    def get(self, name: object, trusted: bool = False, agreed: bool = False) -> Any:
        """The model of a bundled name or a Hub id.

        trusted: the name comes from the host, not from the page, and may be a folder. agreed: a big pipeline that the app offers.
        """
        name = name.strip() if trusted else self.check(name)
        if (model := self._known(name)) is not None:
            return model
        if (mine := self._host_s(name)) is not None:
            return mine
        if not trusted and bundled_folder(name):
            return self._load(name, {}, self._from_disk)
        with turns.away(turns.LOADING):
            return self._load(name, self._options(name, trusted, agreed), self._from_hub)

    @staticmethod
    def _options(name: str, trusted: bool, agreed: bool) -> dict[str, Any]:
        """How a name is loaded that is not bundled. A token is sent for those that the host names, and no others."""
        if trusted or name == host_s_pipeline():
            return gpu.options(TRUSTED_BYTES)
        if name in host_s_models():
            return {}
        return {"token": False} | gpu.options(TRUSTED_BYTES) if agreed else {"token": False, "cache_dir": readers_cache()}

    def _known(self, name: str) -> Any:
        with self._lock:
            if name in self._models:
                self._models.move_to_end(name)
            return self._models.get(name)

    def _host_s(self, name: str) -> Any:
        """A model of the host's by the commit that a recipe names, where that is the one that is offered."""
        repo_id, _, commit = name.partition("@")
        for one in host_s_models() if commit else ():
            if one != name and one.partition("@")[0] == repo_id and (model := self.get(one)).source.revision == commit:
                return model
        return None

    def _load(self, name: str, options: dict[str, Any], one_at_a_time: threading.Lock) -> Any:
        with one_at_a_time:
            if (model := self._known(name)) is not None:
                return model
            try:
                model = genart_hub.from_pretrained(name, **({"device": pick_device()} | options))
            except GenartError as error:
                if options.get("token") is False and error.code in ("hub_no_repo", "hub_gated"):
                    raise GenartError("hub_not_public", name=name) from error
                raise
            if cache := options.get("cache_dir"):
                keep_within(Path(cache), READERS_BYTES, model.source.name)
            with self._lock:
                self._models[name] = model
                while len(self._models) > 1 and sum(map(_memory, self._models.values())) > self.max_bytes:
                    self._models.popitem(last=False)
            return model

    def generative(self, name: object) -> Generative:
        """The same, and it must make pictures from latents."""
        return check_generative(self.get(name), from_latents())

    def painter(self, name: object) -> Any:
        """The same, and it must make pictures: from latents, or from a text."""
        model = self.get(name)
        return model if is_pipeline(model) else check_generative(model, genart_hub.bundled())

    @staticmethod
    def check(name: object) -> str:
        """A name that may come from a page: never a path."""
        name = name.strip() if isinstance(name, str) else name
        if isinstance(name, str) and bundled_folder(name):
            return name
        if not isinstance(name, str) or not 0 < len(name) <= NAME_LIMIT or not HUB_ID.fullmatch(name):
            if isinstance(name, str) and any(mark in name for mark in ("/", "\\", "..", "~")):
                raise GenartError("path_refused", name=shorten(name))
            raise GenartError("model_not_found", name=shorten(name), bundled=", ".join(genart_hub.bundled()))
        if Path(name.partition("@")[0]).exists():
            raise GenartError("path_refused", name=shorten(name))
        return name


READERS_BYTES = 5_000_000_000  # on disk, of the models that readers name


def readers_cache() -> Path:
    """The folder beside the Hub's cache for what readers name: what the host has downloaded for itself is not in it."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE).expanduser().with_name("hub-of-readers")


def keep_within(cache: Path, max_bytes: int, newest: str) -> None:
    """Remove from a cache of the Hub the models that were not loaded for the longest time, until it takes at most `max_bytes`."""
    with suppress(OSError):
        os.utime(cache / f"models--{newest.replace('/', '--')}")
    with suppress(OSError):
        folders = sorted(cache.glob("models--*"), key=lambda folder: folder.stat().st_mtime)
        sizes = [sum(file.lstat().st_size for file in folder.rglob("*") if file.is_file() and not file.is_symlink()) for folder in folders]
        for folder, size in list(zip(folders, sizes, strict=True))[:-1]:
            if sum(sizes) <= max_bytes:
                break
            shutil.rmtree(folder, ignore_errors=True)
            sizes.remove(size)


def num_parameters(model: Any) -> int:
    """The parameters of a model, or of all parts of a pipeline."""
    return model.num_parameters if hasattr(model, "num_parameters") else sum(p.numel() for p in model.parameters())


def _memory(model: Any) -> int:
    return 4 * num_parameters(model)


class Stopped(Exception):
    """Nobody waits for the pictures any more."""


def steps_of(call: Callable[[Callable[[int, int], None]], Any]) -> Generator[tuple[int, int], None, tuple[Any, float]]:
    """Run `call(on_step)` beside the caller, and yield (step, num_steps) after each of its steps.

    It goes on from a step when the next one is asked for, and ends there when the generator is closed. Returns its result, and the
    seconds that it worked.
    """
    told: queue.SimpleQueue[tuple[int, int] | None] = queue.SimpleQueue()
    onward, stopped, held = threading.Semaphore(0), threading.Event(), 0.0

    def on_step(step: int, num_steps: int) -> None:
        nonlocal held
        begun = time.perf_counter()
        told.put((step, num_steps))
        onward.acquire()
        if stopped.is_set():
            raise Stopped
        held += time.perf_counter() - begun

    def work() -> tuple[Any, float]:
        begun = time.perf_counter()
        result = call(on_step)
        return result, time.perf_counter() - begun - held

    pool = ThreadPoolExecutor(1)
    future = pool.submit(work)
    future.add_done_callback(lambda _: told.put(None))
    pool.shutdown(wait=False)
    try:
        while (step := told.get()) is not None:
            yield step
            onward.release()
    finally:
        stopped.set()
        onward.release()
    return future.result()


class Running:
    """The streams that run for each page, so that a page's button ends its own, with a last update that nothing overtakes."""

    def __init__(self):
        self._asked: dict[str | None, threading.Event] = {}

    def stop(self, request: gr.Request) -> None:
        if asked := self._asked.get(request.session_hash):
            asked.set()

    def until_stopped(self, handler: Callable, last: Callable[[gr.Request], dict[Any, Any]]) -> Callable:
        """The stream `handler` of updates, whose last argument is the request; when it is stopped, it ends with the update last(request).

        What was shown until then goes with it: a busy page may have left out updates that came one upon the other.
        """

        @wraps(handler)
        def streaming(*arguments):
            request = arguments[-1]
            asked = self._asked[request.session_hash] = threading.Event()
            updates, shown = handler(*arguments), {}
            try:
                for update in updates:
                    shown |= update
                    if asked.is_set():
                        yield shown | last(request)
                        return
                    yield update
            finally:
                updates.close()
                self._asked.pop(request.session_hash, None)

        return streaming


class Agreements:
    """Which big pipeline a page was told the size of, and whether it agreed to its download."""

    def __init__(self):
        self._pages: OrderedDict[str, tuple[str, bool]] = OrderedDict()

    def tell(self, request: gr.Request, name: str) -> None:
        self._pages[request.session_hash] = name, False
        if len(self._pages) > turns.REMEMBERED:
            self._pages.popitem(last=False)

    def agree(self, request: gr.Request, name: str) -> None:
        """Raises GenartError where the page was not told of that one."""
        if self._pages.get(request.session_hash, ("", False))[0] != name:
            raise GenartError("not_agreed", name=shorten(name).strip("'"))
        self._pages[request.session_hash] = name, True

    def forget(self, request: gr.Request) -> None:
        self._pages.pop(request.session_hash, None)

    def withdraw(self, request: gr.Request) -> None:
        if told := self._pages.get(request.session_hash):
            self._pages[request.session_hash] = told[0], False

    def check(self, request: gr.Request, name: str) -> None:
        if self._pages.get(request.session_hash) != (name, True):
            raise GenartError("not_agreed", name=name)


def guarded(handler: Callable) -> Callable:
    """`handler`, with its errors told in the reader's language. A surprise is told too, and its traceback goes to the terminal."""

    def told(error: Exception, arguments: tuple) -> gr.Error:
        lang = texts.language(next((a for a in arguments if isinstance(a, gr.Request)), None))
        if not isinstance(error, GenartError):
            traceback.print_exception(error, file=sys.stderr)
            error = GenartError("unexpected", reason=first_line(error))
        message = html.escape(texts.sentence(lang, error), quote=False)
        return gr.Error(message, title=texts.say(lang, "error"), print_exception=False)

    if inspect.isgeneratorfunction(handler):

        @wraps(handler)
        def streaming(*arguments):
            try:
                yield from handler(*arguments)
            except (gr.Error, GeneratorExit):
                raise
            except Exception as error:
                raise told(error, arguments) from error

        return streaming

    @wraps(handler)
    def calling(*arguments):
        try:
            return handler(*arguments)
        except gr.Error:
            raise
        except Exception as error:
            raise told(error, arguments) from error

    return calling


def in_turn(lane: turns.Turns) -> Callable[[Callable], Callable]:
    """A handler that begins when its reader's turn in that line has come; a stream makes room for others after each update."""

    def decorate(handler: Callable) -> Callable:
        if inspect.isgeneratorfunction(inspect.unwrap(handler)):

            @guarded
            @wraps(handler)
            def streaming(*arguments):
                yield from lane.stream(reader_of(arguments), lambda: handler(*arguments), place_in_line(arguments))

            return streaming

        @guarded
        @wraps(handler)
        def calling(*arguments):
            return lane.call(reader_of(arguments), lambda: handler(*arguments), place_in_line(arguments))

        return calling

    return decorate


def reader_of(arguments: Sequence[Any]) -> turns.Reader:
    """Who has sent a handler's arguments: an address, and the page there."""
    request = next((argument for argument in arguments if isinstance(argument, gr.Request)), None)
    scope = getattr(getattr(request, "request", None), "scope", None) or {}
    page = getattr(request, "session_hash", None) or ""
    address = scope.get(gate.ADDRESS)
    if address is None:  # nobody stands in front who knows which streams are open
        return turns.Reader((scope.get("client") or ("",))[0], page)
    event = event_id()
    known = event is not None or str(scope.get("path", "")).endswith("/queue/join")
    return turns.Reader(address, page, (page, *filter(None, [event])) if known else ())


def event_id() -> str | None:
    """Gradio's name for the job at hand, where it tells: the name of the job's own stream."""
    try:
        from gradio.context import LocalContext

        return LocalContext.event_id.get(None)
    except (ImportError, AttributeError):
        return None


def place_in_line(arguments: Sequence[Any]) -> Callable[[int], None]:
    """Tells a reader who waits how many go first."""
    lang = texts.language(next((argument for argument in arguments if isinstance(argument, gr.Request)), None))
    progress = gr.Progress()
    return lambda count: progress(0, desc=texts.say(lang, "in_line", count=count)) if count else progress(None)


def unchecked(component: gr.components.Component) -> gr.components.Component:
    """A field whose value comes as it is: Gradio's own check is in English and names no cure; the package checks."""
    component.preprocess = lambda payload: payload
    return component


def unopened(image: gr.Image) -> gr.Image:
    """An upload as a path that nothing has opened yet: what is wrong with it is then told in a sentence."""
    image.preprocess = lambda payload: payload.path if payload else None
    return image


def bounded(pad: gr.Sketchpad) -> gr.Sketchpad:
    """A pad that keeps no more than a few drawings that were sent and not used: Gradio keeps them all, with as many layers as is said."""
    accept = pad.accept_blobs

    def accept_blobs(data: AcceptBlobs) -> None:
        index = str(data.data.get("index") or 0)
        if not (len(data.files) == 1 and len(str(data.data.get("id"))) <= gate.NAME and index in ("null", "0", "1", "2", "3")):
            return
        accept(data)
        while len(pad.blob_storage) > MOST_DRAWINGS:
            pad.blob_storage.pop(next(iter(pad.blob_storage)), None)

    accept_blobs._is_server_fn = True
    pad.accept_blobs = accept_blobs
    return pad


def seed_of(value: object, lang: str) -> int:
    """A seed from a page, or an error that calls the field by its name there."""
    return whole(texts.say(lang, "sampling"), texts.say(lang, "seed"), parsed(value), 0, MAX_SEED)


def parsed(value: object) -> object:
    """A whole number that came as text, as a number; anything else as it is, for the package to refuse."""
    text = value.strip() if isinstance(value, str) else ""
    return int(text) if text.lstrip("+-").isdecimal() and len(text) < 40 else value


_ROOT = own_folder()


def new_folder() -> Path:
    """An empty folder for the files of one answer; those of old answers go."""
    for folder in _ROOT.iterdir() if _ROOT.exists() else ():
        with suppress(FileNotFoundError):  # another answer was quicker
            if time.time() - folder.stat().st_mtime > KEEP_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
    _ROOT.mkdir(exist_ok=True)
    return Path(tempfile.mkdtemp(dir=_ROOT))


def stem(model: Any) -> str:
    """The model's name as part of a file's name."""
    return model.source.name.replace("/", "--")


def model_box(names: list[str], label: str = "model", value: str | None = None) -> gr.Dropdown:
    """A list of bundled models that also takes any Hub id. value: the one that is chosen at first, else the first one."""
    value = value or (names[0] if names else None)
    return gr.Dropdown(names, value=value, label=texts.t(label), info=texts.t("model_info"), allow_custom_value=True)


def class_box(shelf: Shelf, box: gr.Dropdown, of_text: gr.Column | None = None, of_latents: gr.Column | None = None) -> gr.Dropdown:
    """The classes of the model that is chosen in `box`; hidden where it has none.

    of_text, of_latents: what is shown for a model that draws what a text says, and for any other.
    """

    def chosen_model(model_name: str) -> tuple[tuple[str, ...], bool]:
        """The model's classes, and whether it draws what a text says. A bundled pipeline is not loaded for that."""
        try:
            if model_name in genart_hub.bundled("diffusion"):
                return (), True
            model = shelf.painter(model_name)
            return model.class_names, is_pipeline(model)
        except GenartError:  # told when the model is asked for pictures
            return (), False

    @in_turn(turns.MODEL)
    @guarded
    def follow(model_name: str, chosen: str, request: gr.Request):
        names, reads = chosen_model(model_name)
        shown = [gr.update(**class_choices(names, texts.language(request), chosen))]
        return shown[0] if of_text is None else [*shown, gr.update(visible=reads), gr.update(visible=not reads)]

    label = class_dropdown(chosen_model(box.value)[0] if box.value else ())
    outputs = label if of_text is None else [label, of_text, of_latents]
    when_chosen(box, follow, [box, label], outputs)
    return label


def when_chosen(
    box: gr.Dropdown, handler: Callable, inputs: list, output: gr.components.Component | list[gr.components.Component], **options
) -> None:
    """Run `handler` when a person has chosen or typed a model: unlike `change`, not when a handler has filled the box."""
    gr.on([box.input, box.blur], handler, inputs, output, api_visibility="private", show_progress="hidden", **options)


def class_dropdown(names: Sequence[str]) -> gr.Dropdown:
    """These classes in the page's language, and "any", which is the empty text.

    What is typed is taken, and the package checks it: Gradio makes a box anew when its choices change, which `unchecked` does not outlive.
    """
    return gr.Dropdown(label=texts.t("label"), info=texts.t("label_info"), allow_custom_value=True, **class_choices(names))


def class_choices(names: Sequence[str], lang: str | None = None, chosen: str = "") -> dict[str, Any]:
    """What a class box offers. lang: of the classes' names (None: the page chooses). chosen: kept where it is among them."""
    any_class = texts.say(lang, "label_any") if lang else texts.t("label_any")
    called = [texts.class_name(lang, name) if lang else texts.t_class(name) for name in names]
    value = chosen if chosen in names else ""
    return {"choices": [(any_class, ""), *zip(called, names, strict=True)], "value": value, "visible": bool(names)}


def class_of(value: object, model: Any) -> int | str | None:
    """What a class box holds, as a recipe carries it: a class's name, or its number where that is its name; any class is None."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if is_pipeline(model):
        raise GenartError("no_classes", where=stem(model), value=shorten(value))
    index = int(model.check_label(value)[0])
    return index if model.class_names[index] == str(index) else model.class_names[index]


def classes_of(model: Any, label: object, n: int, seed: int) -> Tensor | None:
    """The classes of the pictures that `sample` gives for this request. Returns (n,), or None where the model has no classes."""
    if is_pipeline(model):
        return None
    return model.labels(n, seed) if label is None else model.check_label(label, n)


def caption(lang: str, seed: int, class_name: str | None = None, score: float | None = None) -> str:
    """What stands below a picture: its class, its seed, and the discriminator's probability, where there are such."""
    text = texts.say(lang, "caption", seed=seed) if score is None else texts.say(lang, "caption_score", seed=seed, score=score)
    return text if class_name is None else f"{texts.class_name(lang, class_name)} · {text}"


def prompt_box(visible: bool) -> tuple[gr.Textbox, gr.Column]:
    """A line for what a text-to-image model shall draw, with examples below it, and the column that holds both."""
    with gr.Column(visible=visible, min_width=240) as column:
        prompt = gr.Textbox(value=texts.t("prompt_default"), label=texts.t("prompt"), info=texts.t("prompt_info"), max_lines=3)
        gr.Examples([[one] for one in PROMPTS], prompt, label=texts.t("example_prompts"), api_visibility="private")
    return prompt, column


def unread_note(lang: str, model: Any, prompt: str) -> str:
    """A sentence that names the end of a prompt where the model does not see it, else nothing."""
    end = model.unread(prompt).strip()
    if not end:
        return ""
    shown = end if len(end) <= UNREAD_SHOWN else end[:UNREAD_SHOWN] + "…"
    return texts.say(lang, "unread", end=html.escape(shown, quote=False))


def ladder_of(name: object) -> str | None:
    """The ladder that a model stands on, by the pictures that its name ends with."""
    return next((ladder for ladder, pictures in LADDERS.items() if isinstance(name, str) and name.strip().endswith(pictures)), None)


def on_ladder(names: Sequence[str], ladder: str | None) -> str | None:
    """The first of these models that stands on that ladder, or None."""
    return next((name for name in names if ladder and ladder_of(name) == ladder), None)


def hub_search(*boxes: gr.Dropdown) -> None:
    """A line that finds models on the Hub and puts them into the model boxes."""

    @in_turn(turns.HUB)
    @guarded
    def search(query: str | None, request: gr.Request):
        models = genart_hub.search(query, limit=50, token=False)
        found = [model.id for model in models if model.family in ("gan", "vae", None)]
        note = texts.say(texts.language(request), "found", count=len(found))
        return *(gr.update(choices=[*offered(), *found]) for _ in boxes), gr.update(info=note)

    line = gr.Textbox(label=texts.t("search"), placeholder=texts.t("search_hint"))
    line.submit(search, line, [*boxes, line], api_name="search")


def how(key: str) -> None:
    """The principle of a tab, folded away."""
    delimiters = [{"left": "$", "right": "$", "display": False}]
    with gr.Accordion(texts.t("how"), open=False):
        gr.Markdown(texts.t(key), latex_delimiters=delimiters)
