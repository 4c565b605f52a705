"""The pages of the path: Markdown files that a teacher can edit, one a page and language, of the same name in `en` and `zh`.

A file is a heading, the text, and two sections below it: a question, and its answer.
"""

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
LANGUAGES = ("en", "zh")


@dataclass(frozen=True)
class Page:
    """A page in one language. name: that of its file, without the number. question, answer: without their headings."""

    name: str
    title: str
    text: str
    question: str
    answer: str


def read(lang: str) -> list[Page]:
    """The pages in order."""
    return [parsed(file) for file in sorted((FOLDER / lang).glob("*.md"))]


def parsed(file: Path) -> Page:
    """A page from its file. Raises ValueError for one that is not made as a page is."""
    title, *sections = file.read_text(encoding="utf-8").split("\n## ")
    heading, _, text = title.partition("\n")
    if not heading.startswith("# ") or len(sections) != 2:
        raise ValueError(f"{file} must have one heading, and two sections with a question and its answer.")
    question, answer = (section.partition("\n")[2].strip() for section in sections)
    return Page(file.stem.partition("-")[2], heading[2:].strip(), text.strip(), question, answer)
