"""A notebook that goes with a published model: the Hub offers to open it in Colab."""

import json
from pathlib import Path
from typing import Any

from genart_hub.hub.cards.markdown import install, place
from genart_hub.hub.described import described

NOTEBOOK = "notebook.ipynb"
LARGE = 128  # px; of larger pictures one is drawn


def write_notebook(folder: Path, model: Any, name: str) -> Path:
    """Write a notebook of three cells of code, which install, load and sample, into a folder. name: the model's Hub id. Returns it."""
    cells = [_cell("markdown", f"# {name}\n\n[The model's card](https://huggingface.co/{name})")]
    cells += [_cell("code", source) for source in sources(model, name)]
    about = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}, "language_info": {"name": "python"}}
    for k, cell in enumerate(cells):
        cell["id"] = f"cell-{k}"
    text = json.dumps({"cells": cells, "metadata": about, "nbformat": 4, "nbformat_minor": 5}, indent=1, ensure_ascii=False)
    file = folder / NOTEBOOK
    file.write_text(text + "\n", encoding="utf-8")
    return file


def sources(model: Any, name: str) -> list[str]:
    """What the cells of code hold. A class of somebody's own is imported, and its code must be there."""
    cls, own = type(model), not type(model).__module__.startswith("genart_hub.")
    load = f"import genart_hub\n\nmodel = genart_hub.from_pretrained({place(name)})"
    if own:
        module = "" if cls.__module__ == "__main__" else f"from {cls.__module__} import {cls.__name__}  # its author's own code\n\n"
        load = f"{module}model = {cls.__name__}.from_pretrained({place(name)})"
    return ["%" + install(name).splitlines()[1].partition("  #")[0], load, _sample(model)]


def _sample(model: Any) -> str:
    """Pictures where the model makes some, else what it is."""
    if described(model).inputs is None:
        return "model.summary()" if hasattr(model, "summary") else "model"
    words = f', prompt="{model.example_prompt}"' if described(model).prompted else ""
    n = 16 if model.image_size <= LARGE else 1
    return f"from genart_hub import images\n\nimages.grid(model.sample({n}, seed=0{words}))"


def _cell(kind: str, source: str) -> dict[str, Any]:
    code: dict[str, Any] = {"execution_count": None, "outputs": []} if kind == "code" else {}
    return {"cell_type": kind, "metadata": {}, "source": source.splitlines(keepends=True)} | code
