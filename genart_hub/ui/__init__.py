"""The app: `build` makes the page, `launch` serves it. Nothing here leaves the machine but what a reader asks the Hub for."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

with suppress(ImportError):  # on a Space with ZeroGPU: before torch is imported
    import spaces  # noqa: F401

from genart_hub.ui.folders import keep_clear, leave_nothing, own_folder

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # Gradio reads it when it is imported
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ["GRADIO_TEMP_DIR"] = str(own_folder(os.environ.get("GRADIO_TEMP_DIR")))
os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "1")  # statistics for the monitoring page, which is shut

import gradio as gr
from starlette.middleware import Middleware

from genart_hub import images
from genart_hub.models import auto
from genart_hub.ui import (
    address,
    bottlenecks,
    comparison,
    curve,
    film,
    inside,
    interpolation,
    machine,
    map,
    opened,
    opening,
    path,
    programs,
    reconstruction,
    sampling,
    sheet,
    stage,
    texts,
    theme,
    training,
    twin,
)
from genart_hub.ui.gate import SESSIONS, Gate
from genart_hub.ui.head import Head
from genart_hub.ui.model_cache import ModelCache

TABS = {
    "comparison": comparison, "path": path, "sampling": sampling, "interpolation": interpolation, "reconstruction": reconstruction,
    "training": training,
}  # fmt: skip


def build() -> gr.Blocks:
    """The page, without serving it."""
    auto.plug()
    models = ModelCache()
    with programs.Page(title="genart_hub", analytics_enabled=False, delete_cache=(3600, 3600)) as page:
        bar = address.bar()
        gr.Markdown(texts.t("heading"))
        gr.Markdown(texts.t("intro"), elem_classes="note")
        built: dict[str, address.Built] = {}
        items: dict[str, gr.Tab] = {}
        with gr.Tabs(overflow_behavior="wrap") as tabs:
            for name, tab in TABS.items():
                with gr.Tab(texts.t(name), id=name) as items[name]:
                    built[name] = tab.build(models)
        for tab_built in built.values():
            if tab_built.wire:
                tab_built.wire(tabs, built)
        page.unload(training.leave)
        address.wire(bar, tabs, items, built)
        sheet.build(models, tabs, built, [block for block in page.blocks.values() if isinstance(block, gr.Gallery)])
        programs.build(models)
    page.publish()
    return page


def launch(**options: Any) -> None:
    """Serve the page. options: of gradio's `launch`, such as server_port."""
    images.forget_other_formats()
    leave_nothing()
    page = build().queue(max_size=256, default_concurrency_limit=None, api_open=False)  # who waits, waits in our own line
    keep_clear(Path(os.environ["GRADIO_TEMP_DIR"]))
    gates = [
        Middleware(Gate, page=page, endpoints=programs.ABOUT.keys()),
        Middleware(opening.Sheets),
        Middleware(Head, page=page, tabs=tuple(TABS)),
    ]
    page.launch(
        theme=theme.THEME,
        css=theme.CSS + machine.STYLE + "".join(one.CSS for one in (stage, film, inside, map, opened, twin, curve, bottlenecks)),
        i18n=texts.I18N,
        max_file_size="20mb",
        max_threads=100,
        state_session_capacity=SESSIONS,
        enable_monitoring=False,
        mcp_server=programs.mcp_server(),
        run_history=False,
        footer_links=["api", "settings"],
        app_kwargs={"middleware": gates},
        **options,
    )
