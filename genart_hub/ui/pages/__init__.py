"""The pages of the path: Markdown files that a teacher can edit, one a page and language, of the same name in `en` and `zh`.

A file is a heading, the text, and sections below it: a question and its answer and, before them, as it likes: Machine, with a drawing
of lanes of boxes, and Side by side, with pictures to compare (`machine` draws both).
"""

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
LANGUAGES = ("en", "zh")
HEADINGS = {
    "machine": ("Machine", "机器"),
    "beside": ("Side by side", "并排看"),
    "question": ("Question", "问题"),
    "answer": ("Answer", "回答"),
}


@dataclass(frozen=True)
class Page:
    """A page in one language. name: that of its file, without the number. The sections: without their headings, "" where there is none."""

    name: str
    title: str
    text: str
    question: str
    answer: str
    machine: str = ""
    beside: str = ""


def read(lang: str) -> list[Page]:
    """The pages in order."""
    return [parsed(file) for file in sorted((FOLDER / lang).glob("*.md"))]


def parsed(file: Path) -> Page:
    """A page from its file. Raises ValueError for one that is not made as a page is."""
    title, *sections = file.read_text(encoding="utf-8").split("\n## ")
    heading, _, text = title.partition("\n")
    named = {section_of(name.strip()): body.strip() for name, _, body in (section.partition("\n") for section in sections)}
    if not heading.startswith("# ") or len(named) != len(sections) or not {"question", "answer"} <= named.keys() <= HEADINGS.keys():
        known = ", ".join(names[0] for names in HEADINGS.values())
        raise ValueError(f"{file} must have one heading and, of the sections {known}, the last two and no other ones.")
    return Page(file.stem.partition("-")[2], heading[2:].strip(), text.strip(), **named)


def section_of(heading: str) -> str:
    """The part of a page that a section's heading names, in any language; the heading itself where it names none."""
    return next((part for part, names in HEADINGS.items() if heading in names), heading)
