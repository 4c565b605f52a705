"""The app: `build` makes the page, `launch` serves it. Nothing here leaves the machine but what a reader asks the Hub for."""

import os
from contextlib import suppress

with suppress(ImportError):  # on a Space with ZeroGPU: before torch is imported
    import spaces  # noqa: F401

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # Gradio reads it when it is imported
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

import gradio as gr
from starlette.middleware import Middleware

from genart_hub import images
from genart_hub.ui import comparison, interpolation, reconstruction, sampling, texts, theme
from genart_hub.ui.parts import Shelf

TABS = {"sampling": sampling, "interpolation": interpolation, "reconstruction": reconstruction, "comparison": comparison}


def build() -> gr.Blocks:
    """The page, without serving it."""
    shelf = Shelf()
    with gr.Blocks(title="genart_hub", analytics_enabled=False, delete_cache=(3600, 3600)) as page:
        gr.Markdown(texts.t("heading"))
        gr.Markdown(texts.t("intro"), elem_classes="note")
        for name, tab in TABS.items():
            with gr.Tab(texts.t(name), id=name):
                tab.build(shelf)
    return page


def launch(**options) -> None:
    """Serve the page. options: of gradio's `launch`, such as server_port."""
    images.forget_other_formats()
    page = build().queue(max_size=32)
    page.launch(
        theme=theme.THEME,
        css=theme.CSS,
        i18n=texts.I18N,
        max_file_size="20mb",
        enable_monitoring=False,
        footer_links=["api", "settings"],
        app_kwargs={"middleware": [Middleware(theme.LanguageRule)]},
        **options,
    )
