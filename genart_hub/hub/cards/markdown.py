"""A card's front matter and body: written, read, merged with what somebody edited."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import yaml

from genart_hub.errors import GenartError, first_line
from genart_hub.files import replacing
from genart_hub.hub.cards.datasets import DATASETS

CARD, SAMPLES, NEAREST, GOLDEN = "README.md", "samples.png", "nearest.png", "golden.safetensors"


def known_of(folder: Path, name: str, license: str | None, dataset: str | None) -> tuple[str, str, str | None]:
    """The card that is there, and the licence and dataset: those given, else those that it names."""
    there = _read_text(folder / CARD) if (folder / CARD).is_file() else ""
    before, _ = split(there)
    license = license or before.get("license")
    if not license:
        raise GenartError("no_license", name=name)
    if dataset is None:
        named = _listed(before, "datasets") + _listed(before, "tags")
        dataset = next((key for key, known in DATASETS.items() if known.hub_id in named or f"dataset:{key}" in named), None)
    elif dataset not in DATASETS:
        raise GenartError("not_choice", where="card", name="dataset", choices=", ".join(DATASETS), value=dataset)
    return there, license, dataset


def replace_card(folder: Path, text: str, there: str) -> Path:
    """Write a card over the one that is there, whose own body stays where somebody edited it. Returns its path."""
    with replacing(folder / CARD) as file:
        file.write_text(merge(text, there) if there and was_edited(split(there)[1]) else text, encoding="utf-8")
    return folder / CARD


def sealed(data: dict[str, Any], parts: list[str]) -> str:
    """A card of this metadata and these parts of its body, with the comment that tells a later edit."""
    body = "\n\n".join(parts) + "\n"
    return join(data, f"{body}\n{_seal(body)}\n")


# ---- a card's two halves, and what a stranger's edit leaves of them ----


def split(text: str) -> tuple[dict[str, Any], str]:
    """A card's metadata and its body."""
    match = re.match(r"---\s*\n(.*?)\n---\s*\n?", text, flags=re.S)
    try:
        data = yaml.safe_load(match[1]) if match else None
    except yaml.YAMLError:
        data = None
    return (data if isinstance(data, dict) else {}), (text[match.end() :] if match else text)


def join(data: dict[str, Any], body: str) -> str:
    """A card of this metadata and body."""
    front = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=120)
    return f"---\n{front}---\n\n{body.lstrip()}"


def _listed(data: dict[str, Any], key: str) -> list[str]:
    """A field of the metadata that is a list of texts, or, as somebody may write it, one of them."""
    values = data.get(key) or []
    return [str(value) for value in (values if isinstance(values, list) else [values])]


def _seal(body: str) -> str:
    """The comment by which a later push knows whether anybody edited the body."""
    return f"<!-- genart-hub: written by machine, sha256 {hashlib.sha256(body.strip().encode()).hexdigest()} -->"


def was_edited(body: str) -> bool:
    """Whether the body is not as we wrote it."""
    text, comment, rest = body.partition("<!-- genart-hub: written by machine, sha256 ")
    return not comment or bool(rest.partition("-->")[2].strip()) or _seal(text) != (comment + rest).strip()


def merge(ours: str, theirs: str) -> str:
    """The card to push over `theirs`: its own body where somebody edited it, else ours; ours over their metadata, tags of both.

    Their results go in any case: they are those of the weights before.
    """
    if not theirs.strip():
        return ours
    (data, body), (their_data, their_body) = split(ours), split(theirs)
    their_data.pop("model-index", None)
    tags = dict.fromkeys(_listed(data, "tags") + _listed(their_data, "tags"))
    return join(their_data | data | {"tags": list(tags)}, their_body if was_edited(their_body) else body)


def place(name: str, bundled: str = "{}") -> str:
    """How code names a model, in quotes: a Hub id or a bundled name as it is, any other folder as one beside the program."""
    from genart_hub.hub.locate import bundled_folder

    told = name if "/" in name else bundled.format(name) if bundled_folder(name) else f"./{name}"
    return json.dumps(told, ensure_ascii=False)


def install(name: str) -> str:
    """The line that a reader on the Hub needs first; nothing for a folder."""
    return "```bash\npip install genart-hub  # or, in a clone of the project: pip install .\n```\n\n" if "/" in name else ""


def _read_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise GenartError("bad_card", file=str(file), reason=first_line(error)) from error
