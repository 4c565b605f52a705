"""Recorded trainings: pictures of the same seeds at sixty moments of a run, and its numbers, so that a reader can move through time.

`python -m genart_hub.ui.recordings mnist/train.parquet` makes them again, by `record.py`. A sheet has a row a picture, a column a moment.
"""

import json
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from genart_hub.files import sha256_of

FOLDER = Path(__file__).parent
NAMES = ("gan-article", "gan-r1", "gan-collapse", "vae", "diffusion")


@dataclass(frozen=True)
class Recording:
    """A training as it was watched.

    steps: of each moment. numbers: what the steps since the moment before returned, on average, by name. bars: counts or heights
    of each moment by name, such as of D's answers to real and to made pictures, each a list of as many bars. pictures: rows of the sheet.
    command: what makes it again. changed: the settings that are not those of the family's default.
    """

    name: str
    family: str
    pictures: int
    side: int
    command: str
    changed: dict[str, Any]
    steps: list[int]
    numbers: dict[str, list[float]]
    bars: dict[str, list[list[float]]] = field(default_factory=dict)

    @property
    def file(self) -> Path:
        return FOLDER / f"{self.name}.webp"

    @property
    def sha256(self) -> str:
        return sha256_of(self.file)

    @property
    def about(self) -> dict[str, Any]:
        return asdict(self)


@cache
def read(name: str) -> Recording | None:
    """The recording of that name; None where it was not made, or lacks its sheet."""
    file = FOLDER / f"{name}.json"
    recording = Recording(**json.loads(file.read_text(encoding="utf-8"))) if name in NAMES and file.is_file() else None
    return recording if recording and recording.file.is_file() else None
