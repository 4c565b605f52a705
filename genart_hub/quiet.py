"""Libraries that print are silent for a while, in any thread."""

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# ---- quiet ----


_QUIET = threading.Lock()
_quiet_before: list[Any] = []
_quiet_depth = 0


@contextmanager
def _silent() -> Iterator[None]:
    """The libraries' bars and notes are off while anybody is in here, in any thread: what matters in them comes back as an exception."""
    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging as of_transformers

    global _quiet_depth
    libraries = of_diffusers, of_transformers
    with _QUIET:
        _quiet_depth += 1
        if _quiet_depth == 1:
            _quiet_before[:] = [(library, library.get_verbosity(), library.is_progress_bar_enabled()) for library in libraries]
            for library in libraries:
                library.set_verbosity(logging.CRITICAL)
                library.disable_progress_bar()
    try:
        yield
    finally:
        with _QUIET:
            _quiet_depth -= 1
            if not _quiet_depth:
                for library, verbosity, bars in _quiet_before:
                    library.set_verbosity(verbosity)
                    if bars:
                        library.enable_progress_bar()


# ---- tables of pictures: parquet files, and datasets of the Hub ----


@contextmanager
def _quiet(datasets: Any) -> Iterator[None]:
    """Without the bars and the warnings of `datasets` and of huggingface_hub."""
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
    from huggingface_hub.utils import logging as hub_logging

    logs = ((datasets.logging, datasets.logging.get_verbosity()), (hub_logging, hub_logging.get_verbosity()))
    bars = (
        (datasets.are_progress_bars_disabled(), datasets.disable_progress_bars, datasets.enable_progress_bars),
        (are_progress_bars_disabled(), disable_progress_bars, enable_progress_bars),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for log, _ in logs:
            log.set_verbosity_error()
        for hidden, hide, _ in bars:
            if not hidden:
                hide()
        try:
            yield
        finally:
            for log, level in logs:
                log.set_verbosity(level)
            for hidden, _, show in bars:
                if not hidden:
                    show()
