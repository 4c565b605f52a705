"""The app's files lie in folders of its process, which go when it ends or, where it was killed, when the next one starts."""

import atexit
import os
import shutil
import signal
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

from genart_hub.files import _lock, _locked

PREFIX = "genart-hub-app-"
KEEP_SECONDS = 3600  # Gradio copies what it serves; the originals are needed for a moment only
SWEEP_SECONDS = 600
_own: dict[Path, int | None] = {}  # this process's folders, and the locks on them
_process = os.getpid()


def own_folder(parent: str | Path | None = None) -> Path:
    """A new folder that lasts as long as this process. The folders of processes that are no more go from beside it."""
    parent = Path(parent or tempfile.gettempdir())
    parent.mkdir(parents=True, exist_ok=True)
    for left in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):  # one that is held, or another user's
            remove_left(left)
    folder, lock = _locked(lambda: Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent)))
    _own[folder] = lock
    return folder


@atexit.register
def remove_own() -> None:
    """Remove this process's folders; a fork of it has none."""
    for folder in _own if os.getpid() == _process else ():
        shutil.rmtree(folder, ignore_errors=True)


def remove_left(folder: Path) -> None:
    """Remove a folder whose process is no more: nobody holds it or, where there are no locks, nothing in it changed for a day."""
    if folder.is_symlink() or (hasattr(os, "getuid") and folder.stat().st_uid != os.getuid()):
        return
    lock = _lock(folder)  # raises where another process holds it
    try:
        if lock is not None or time.time() - folder.stat().st_mtime > 24 * KEEP_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        if lock is not None:
            os.close(lock)


def keep_clear(folder: Path) -> None:
    """Remove what strangers send to `folder`, and what is made for them, an hour later; what is there now stays."""
    stays = set(folder.rglob("*"))

    def sweeping() -> None:
        while True:
            time.sleep(SWEEP_SECONDS)
            clear(folder, stays)

    threading.Thread(target=sweeping, name="sweep", daemon=True).start()


def clear(folder: Path, stays: set[Path]) -> None:
    """Remove the files below `folder` that are older than KEEP_SECONDS, and the folders that are empty for as long, but for `stays`."""
    for root, _, files in os.walk(folder, topdown=False):
        for place in (*(Path(root, name) for name in files), Path(root)):
            with suppress(OSError):  # a folder that is not empty, or a file that went meanwhile
                if place in stays or place == folder or time.time() - place.lstat().st_mtime < KEEP_SECONDS:
                    continue
                place.rmdir() if place.is_dir() and not place.is_symlink() else place.unlink()


def leave_nothing() -> None:
    """Have the signals that end a process remove its folders first, unless the program around has other plans with them."""
    if threading.current_thread() is not threading.main_thread():
        return

    def end(number: int, frame: object) -> None:
        remove_own()
        remove_own()  # what was written meanwhile
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        os._exit(128 + number)  # the first process of a container outlives that

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, end)
