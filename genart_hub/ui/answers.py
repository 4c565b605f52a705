"""One request, answered by the models of a set of pictures in the order of history: what a click of the Comparison and a program share."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from genart_hub.errors import GenartError, choice, shorten, whole
from genart_hub.hub.described import begun_in
from genart_hub.models import auto
from genart_hub.models.base import ImageModel
from genart_hub.models.inputs import INPUTS
from genart_hub.models.labels import index_of_class
from genart_hub.ui import texts
from genart_hub.ui.fields import LADDERS, caption, class_of, classes_of, ladder_of, on_ladder, parsed, seed_of
from genart_hub.ui.handlers import show_each
from genart_hub.ui.turns import between_steps

MOST = 16
TIMED_SECONDS, MOST_TIMED = 0.1, 20
UNDATED = 9999  # a class without a paper stands behind those of history


@dataclass(frozen=True)
class Wish:
    """What all models of a ladder are asked for. label: a class's name or number, or nothing."""

    n: int
    seed: int
    truncation: Any
    prompt: str | None
    ladder: str
    label: object

    def of(self, model: ImageModel, count: int | None = None) -> tuple[dict[str, Any], list[str | None]]:
        """What the model is asked for beside count and seed, of all that it takes; and the class of each picture."""
        count = self.n if count is None else count
        chosen = class_of(self.label, model) if model.class_names else None
        given: dict[str, Any] = {"truncation": self.truncation, "label": chosen, "prompt": self.prompt}
        classes = classes_of(model, chosen, count, self.seed)
        called = [None] * count if classes is None else [model.class_names[k] for k in classes.tolist()]
        return {name: given[name] for name in model.inputs if given.get(name) is not None}, called


@dataclass(frozen=True)
class Answer:
    """What a model made of a wish. x: (n, C, H, W). asked: what it was asked for beside count and seed. classes: of each picture."""

    x: Tensor
    seconds: float
    asked: Mapping[str, Any]
    classes: Sequence[str | None]

    def captions(self, lang: str, seed: int) -> list[str]:
        return [caption(lang, seed + k, name) for k, name in enumerate(self.classes)]

    def save(self, model: ImageModel, seed: int, start: Path) -> list[str]:
        """Its pictures as PNG, each with its recipe. start: what their names begin with."""
        return show_each(model, self.x, seed, start, **self.asked)


def wished(
    lang: str, names: Sequence[str], n: Any, seed: Any, truncation: Any, prompt: str | None, ladder: str, label: object
) -> Wish:  # fmt: skip
    """A request, checked before the first of these models answers. Raises GenartError where a field is beyond its range."""
    where = texts.say(lang, "comparison")
    n = whole(where, texts.say(lang, "count"), parsed(n), 1, MOST)
    seed = seed_of(seed, lang)
    if ladders := [one for one in LADDERS if on_ladder(names, one)]:
        choice(where, texts.say(lang, "ladder"), ladder, ladders)
        check_class(texts.say(lang, ladder), label, known_classes(names, ladder))
    return Wish(n, seed, INPUTS["truncation"].check(where, parsed(truncation)), prompt, ladder, label)


def answer(model: ImageModel, wish: Wish) -> Answer:
    """What a model draws at once."""
    asked, classes = wish.of(model)
    steps = {"on_step": lambda *_: between_steps()} if model.tells_steps else {}
    x, seconds = timed(lambda: model.sample(wish.n, wish.seed, **asked, **steps))
    return Answer(x, seconds, asked, classes)


def timed(draw: Callable[[], Tensor]) -> tuple[Tensor, float]:
    """What a call gives, and the seconds that it takes: of a short one the least of a few, since the page is drawn beside it.

    The first call at a batch size pays for what later ones have, and does not count.
    """
    draw()
    taken: list[float] = []
    while sum(taken) < TIMED_SECONDS and len(taken) < MOST_TIMED:
        begun = time.perf_counter()
        x = draw()
        taken.append(time.perf_counter() - begun)
    return x, min(taken)


def history_of(name: str) -> tuple[int, int, str]:
    """The place of a bundled model in the order of history: by the year in which its kind began, then by its class."""
    cls, classes = auto.class_of(name), list(auto.MODELS.values())
    return begun_in(cls) or UNDATED, classes.index(cls) if cls in classes else len(classes), name


def headed(name: str, say: Callable[[str], Any]) -> str:
    """What stands above a bundled model's pictures: its kind and the year in which that began. say: gives the text of a key."""
    cls = auto.class_of(name)
    kind = say(f"kind_{cls.family}") if f"kind_{cls.family}" in texts.TEXTS else cls.family
    return f"{kind} · {year}" if (year := begun_in(cls)) else str(kind)


def in_history() -> list[str]:
    """The bundled models in the order of history."""
    return sorted(auto.bundled(), key=history_of)


def known_classes(names: Sequence[str], ladder: str | None) -> tuple[str, ...]:
    """The classes that the conditional ones of these models know on a ladder."""
    listed = (auto.listing(name) for name in names if ladder and ladder_of(name) == ladder)
    return next((tuple(of["classes"]) for of in listed if of["classes"]), ())


def check_class(where: str, label: object, names: tuple[str, ...]) -> None:
    """Refuse a class that no model of the ladder knows, before the first one answers."""
    if label is None or not str(label).strip():
        return
    if not names:
        raise GenartError("no_classes", where=where, value=shorten(label))
    index_of_class(where, label, names)
