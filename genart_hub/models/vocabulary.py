"""Which words a model was trained with, and which of its names come near to others."""

import difflib
import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from genart_hub.errors import GenartError, first_line
from genart_hub.files import parse_json

NAMES_LIMIT = 4_000_000
MOST_NAMES, LONGEST_NAME = 200_000, 500
NEAR = 3  # names that are told beside an unknown word
HAN = re.compile(r"[\u3400-\u9fff]+")
WORD = re.compile(r"[^\W_\u3400-\u9fff]+")
LONGEST = 8  # characters of a Chinese word that is looked for in names
OFTEN = 5  # names that a single Chinese character must stand in to be taken for a word, as colours do


@dataclass(frozen=True)
class Known:
    """What a model knows of a prompt. words, unknown: its words in their order; near: names of training that come near to it."""

    words: tuple[str, ...]
    unknown: tuple[str, ...]
    near: tuple[str, ...]

    def __bool__(self) -> bool:
        """Whether there is a word, and all are known."""
        return bool(self.words) and not self.unknown


@dataclass(frozen=True)
class Vocabulary:
    """The names that pictures had in training, by the column that they stood in: a language each. styles: what may follow a name."""

    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    styles: tuple[str, ...] = ()

    @classmethod
    def read(cls, file: Path) -> "Vocabulary":
        """Those of a file. Raises GenartError for one that holds no lists of names."""
        try:
            if file.stat().st_size > NAMES_LIMIT:
                raise GenartError("reason_large", file=file.name, size=file.stat().st_size, limit=NAMES_LIMIT)
            content = parse_json(file.read_text(encoding="utf-8"))
            styles, columns = content["styles"], content["names"]
            if not all(map(_is_names, [styles, *columns.values()])):
                raise GenartError("reason_no_names")
            return cls({column: tuple(names) for column, names in columns.items()}, tuple(styles))
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            reason = error if isinstance(error, GenartError) else first_line(error)
            raise GenartError("bad_names", file=str(file), reason=reason) from error

    def write(self, file: Path) -> None:
        content = {"styles": self.styles, "names": self.names}
        file.write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")

    @cached_property
    def all_names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for names in self.names.values() for name in names))

    @cached_property
    def _words(self) -> frozenset[str]:
        """Every word of a name, and every part of one in Chinese, single characters among them."""
        words = {word for text in (*self.all_names, *self.styles, "style") for word in _latin(text)}
        return frozenset(words | {part for name in (*self.all_names, "风格") for run in HAN.findall(name) for part in _parts(run)})

    @cached_property
    def _lone(self) -> frozenset[str]:
        """Single Chinese characters that only come along in longer words."""
        counts = Counter(character for name in self.all_names for run in HAN.findall(name) for character in set(run))
        return frozenset(character for character, count in counts.items() if count < OFTEN and character not in self.all_names)

    def knows(self, prompt: str) -> Known:
        """Which of a prompt's words stood in a name, which did not, and up to three names that come near to what was asked.

        Words of Latin and other letters are compared whole and without their case; Chinese ones are the longest parts of names, of which a
        single character is known where it is a name itself or stands in several.
        """
        found: list[tuple[int, str]] = [(match.start(), match[0].lower()) for match in WORD.finditer(prompt)]
        for match in HAN.finditer(prompt):
            found += [(match.start() + place, part) for place, part in self._cut(match[0])]
        words = tuple(dict.fromkeys(word for _, word in sorted(found)))
        unknown = tuple(word for word in words if word not in self._words or word in self._lone)
        return Known(words, unknown, self.near(prompt, words) if unknown or not words else ())

    def hears(self, prompt: str) -> bool:
        """Whether anything of a prompt stood in a name, were it a single Chinese character."""
        return any(word in self._words for word in (*_latin(prompt), *(character for run in HAN.findall(prompt) for character in run)))

    def near(self, prompt: str, words: Iterable[str] = ()) -> tuple[str, ...]:
        """Up to three names: those that hold a known word of the prompt, and those that are written alike."""
        prompt = prompt.strip().lower()[:LONGEST_NAME]
        han = bool(HAN.search(prompt))
        names = [name for name in self.all_names if bool(HAN.search(name)) == han]
        close = difflib.get_close_matches(prompt, names, NEAR, 0.6)
        for word in words:
            if word in self._words:
                close += sorted((name for name in names if word in ([*_parts(name)] if han else _latin(name))), key=len)[:1]
            elif not han and len(word) > 2:
                by_word = {one: name for name in sorted(names, key=len, reverse=True) for one in _latin(name)}
                close += [by_word[one] for one in difflib.get_close_matches(word, by_word, 1, 0.7)]
        return tuple(dict.fromkeys(close))[:NEAR]

    def _cut(self, run: str) -> list[tuple[int, str]]:
        """A run of Chinese characters as the longest parts that names have, each with its place; what no name has stands by itself."""
        parts, k = [], 0
        while k < len(run):
            longest = next((n for n in range(min(LONGEST, len(run) - k), 0, -1) if run[k : k + n] in self._words), 1)
            parts.append((k, run[k : k + longest]))
            k += longest
        return parts


def _latin(text: str) -> list[str]:
    return [word.lower() for word in WORD.findall(text)]


def _parts(run: str) -> Iterable[str]:
    """All parts of a run of characters, up to the longest that is looked for."""
    return (run[k : k + n] for n in range(1, LONGEST + 1) for k in range(len(run) - n + 1))


def _is_names(names: object) -> bool:
    return isinstance(names, list) and len(names) <= MOST_NAMES and all(isinstance(one, str) and len(one) <= LONGEST_NAME for one in names)
