"""Names that the models of words know, offered while a prompt is typed."""

from functools import cache
from pathlib import Path

import gradio as gr

from genart_hub.hub.locate import bundled_folder
from genart_hub.hub.names import NAMES
from genart_hub.models import auto
from genart_hub.models.vocabulary import Vocabulary

MOST, LONGEST = 8, 60  # names that are offered, characters that are looked for
LIST = "<datalist></datalist>"
SCRIPT = """
const list = element.querySelector("datalist");
list.id = `names-${Math.random().toString(36).slice(2)}`;
let due;
const offer = (input) => async () => {
  const names = await server.complete(input.value);
  list.replaceChildren(...names.map((name) => Object.assign(document.createElement("option"), { value: name })));
};
element.closest(".column").addEventListener("input", (event) => {
  const input = event.target.closest('input[type="text"]');
  if (!input) return;
  input.setAttribute("list", list.id);
  clearTimeout(due);
  due = setTimeout(offer(input), 120);
});
"""


@cache
def known() -> tuple[str, ...]:
    """The names of the first bundled model that has any, the shortest first; variants of a name, behind a colon, are left out."""
    files = ((bundled_folder(name) or Path()) / NAMES for name in auto.bundled())
    file = next((file for file in files if file.is_file()), None)
    names = Vocabulary.read(file).all_names if file else ()
    return tuple(sorted((name for name in names if ":" not in name and "：" not in name), key=len))


def complete(text: str) -> list[str]:
    """Up to MOST names for what was typed so far: those that begin with it, then those with a word that does, then those that hold it."""
    typed = text.strip().lower() if isinstance(text, str) else ""
    if not 0 < len(typed) <= LONGEST:
        return []
    holding = [(name, place) for name in known() if (place := f" {name.lower()}".find(typed)) >= 0]
    ranked = sorted(holding, key=lambda found: (found[1] != 1, f" {typed}" not in f" {found[0].lower()}"))
    return [name for name, _ in ranked[:MOST]]


def completion() -> gr.HTML:
    """The list of names for the text field in the same column."""
    return gr.HTML("", html_template=LIST, js_on_load=SCRIPT, server_functions=[complete], elem_classes="names", apply_default_css=False)
