"""What the page needs for readers who hear it, or use no mouse, and Gradio leaves out: names, rings, arrows between tabs, less motion."""

import json
from pathlib import Path

from genart_hub.ui import texts
from genart_hub.ui.sentences import ALTS, GRADIO

_SCRIPT, CSS = (Path(__file__).with_name(f"accessible.{kind}").read_text(encoding="utf-8") for kind in ("js", "css"))


def _spoken(pairs: dict[str, tuple[str, str]]) -> str:
    return json.dumps({key: dict(zip(texts.LANGUAGES, pair, strict=True)) for key, pair in pairs.items()}, ensure_ascii=False)


WORDS = ALTS | {"sheet": texts.TEXTS["sheet"]}
SCRIPT = f"(() => {{\nconst WORDS = {_spoken(WORDS)}, GRADIO = {_spoken(GRADIO)};\n{_SCRIPT}}})();"
