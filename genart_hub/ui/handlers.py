"""What a click runs: errors in the reader's language, and files to hand out."""

import html
import inspect
import shutil
import sys
import tempfile
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image
from torch import Tensor

from genart_hub import images
from genart_hub.errors import GenartError, first_line, shorten
from genart_hub.models.base import ImageModel
from genart_hub.ui import gate, texts, turns
from genart_hub.ui.folders import KEEP_SECONDS, own_folder

Opener = Callable[[gr.Button, gr.Tabs, str], Any]  # wires a button that opens a tab with a model: (button, tabs, model's name)


class Agreements:
    """Which big pipeline a page was told the size of, and whether it agreed to its download."""

    def __init__(self) -> None:
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


class Running:
    """The streams that run for each page, so that a page's button ends its own, with a last update that nothing overtakes."""

    def __init__(self) -> None:
        self._asked: dict[str | None, threading.Event] = {}

    def stop(self, request: gr.Request) -> None:
        if asked := self._asked.get(request.session_hash):
            asked.set()

    def until_stopped(self, handler: Callable, last: Callable[[gr.Request], dict[Any, Any]]) -> Callable:
        """The stream `handler` of updates, whose last argument is the request; when it is stopped, it ends with the update last(request).

        What was shown until then goes with it: a busy page may have left out updates that came one upon the other.
        """

        @wraps(handler)
        def streaming(*arguments: Any) -> Generator[dict[Any, Any], None, None]:
            request = arguments[-1]
            asked = self._asked[request.session_hash] = threading.Event()
            updates = handler(*arguments)
            shown: dict[Any, Any] = {}
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


def guarded(handler: Callable) -> Callable:
    """`handler`, with its errors told in the reader's language. A surprise is told too, and its traceback goes to the terminal.

    A page shows the sentence at the field that it is about, and in a message where there is none; a program gets it as the error.
    """

    def told(error: Exception, arguments: tuple) -> gr.Error:
        request = next((a for a in arguments if isinstance(a, gr.Request)), None)
        lang = texts.language(request)
        if not isinstance(error, GenartError):
            traceback.print_exception(error, file=sys.stderr)
            error = GenartError("unexpected", reason=first_line(error))
        sentence, title = texts.sentence(lang, error), texts.say(lang, "error")
        message: Any = html.escape(sentence, quote=False)
        if request and request.headers.get("x-gradio-user") == "app" and event_id() is not None:
            fields = [a for a in arguments if not isinstance(a, gr.Request | gr.Progress)]
            place = place_of(error, list(inspect.signature(inspect.unwrap(handler)).parameters)[: len(fields)], lang)
            if place is None:
                gr.Warning(message, title=title)
            message = [gr.validate(k != place, sentence if k == place else "") for k in range(len(fields))]
        return gr.Error(message, title=title, print_exception=False)

    if inspect.isgeneratorfunction(handler):

        @wraps(handler)
        def streaming(*arguments: Any) -> Iterator[Any]:
            try:
                yield from handler(*arguments)
            except (gr.Error, GeneratorExit):
                raise
            except Exception as error:
                raise told(error, arguments) from error

        return streaming

    @wraps(handler)
    def calling(*arguments: Any) -> Any:
        try:
            return handler(*arguments)
        except gr.Error:
            raise
        except Exception as error:
            raise told(error, arguments) from error

    return calling


ABOUT = {  # the codes of errors that are about an argument of a handler
    "prompt": ("empty_prompt", "long_prompt", "unknown_words", "needs_prompt"),
    "label": ("bad_label", "no_classes"),
    "truncation": ("bad_truncation",),
    "seeds": ("bad_seeds", "few_keys", "many_seeds"),
    "frames": ("loop_frames",),
    "picture": ("no_picture", "bad_picture", "picture_too_large"),
}
OF_NO_FIELD = ("unexpected", "too_many_jobs", "too_busy", "nobody_listens", "job_too_long", "too_little_memory", "not_agreed")


def place_of(error: GenartError, names: Sequence[str], lang: str) -> int | None:
    """Which argument of a handler, of those of these names, an error is about: the one that it names, else by its code; else the model."""
    if error.code in OF_NO_FIELD or not names:
        return None
    for k, name in enumerate(names):
        labels = (name, texts.label_of(lang, name))
        if error.code in ABOUT.get(name, ()) or error.values.get("name") in labels:
            return k
    return 0 if len(names) == 1 else names.index("model_name") if "model_name" in names else None


def in_turn(lane: turns.Turns) -> Callable[[Callable], Callable]:
    """A handler that begins when its reader's turn in that line has come; a stream makes room for others after each update."""

    def decorate(handler: Callable) -> Callable:
        if inspect.isgeneratorfunction(inspect.unwrap(handler)):

            @guarded
            @wraps(handler)
            def streaming(*arguments: Any) -> Iterator[Any]:
                yield from lane.stream(reader_of(arguments), lambda: handler(*arguments), place_in_line(arguments))

            return streaming

        @guarded
        @wraps(handler)
        def calling(*arguments: Any) -> Any:
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


def show_png(picture: Image.Image, path: Path, recipe: dict[str, Any] | None = None) -> str:
    """Write a picture for the page, which need not outlive a power failure. Returns its path."""
    return str(images.save_png(picture, path, recipe, lasting=False))


def show_each(model: ImageModel, x: Tensor, seed: int, start: Path, **asked: Any) -> list[str]:
    """Write pictures for the page, each with its own seed in its recipe and behind `start` in its name. x: (n, C, H, W) in [-1, 1].
    Returns their paths."""
    recipe = model.recipe(seed=seed, **asked)  # once: it looks at all weights
    return [
        show_png(picture, start.with_name(f"{start.name}-{seed + k}.png"), recipe | {"seed": seed + k})
        for k, picture in enumerate(images.to_pil(x))
    ]
