"""Files that are whole or not there: written beside their place, then moved into it.

While a file is written, its process holds a lock on it (flock, which the system lets go when the process ends, killed or not). The
next save into the folder removes what nobody holds: half-written files of processes that were killed. Where there are no such locks
(Windows, some network file systems), and for the files of other libraries, an hour without a change has to pass first.
"""

import hashlib
import itertools
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from genart_hub.errors import GenartError, first_line, shorten

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

OURS, LOCK = ".genart-", ".genart-lock"
UNFINISHED = re.compile(r"\.genart-.+-[a-z0-9_]{8}(\.\w+)?")  # as `replacing` and `save_tensors` name them
OF_SAFETENSORS = re.compile(r"\.tmp\w{6}")
IDLE_SECONDS = 3600
STEM = 100  # characters of a long name that its unfinished file keeps
HEADER_LIMIT = 25_000_000  # bytes, of a safetensors header
MAX_DEPTH = 32  # of brackets within brackets in a JSON text: what is deeper breaks whoever walks through it


class replacing:
    """`with replacing(path) as file:` write `file`, beside `path`; it becomes `path` at the end, or vanishes on an error."""

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)

    def __enter__(self) -> Path:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            _sweep(self.path.parent, (UNFINISHED,))
            self.file, self.lock = _locked(lambda: _new_file(self.path))
        except OSError as error:
            raise _cannot_write(self.path, error) from error
        return self.file

    def take(self, finished: Path) -> None:
        """Put a file that is written already into the place of `file`, held all the while."""
        lock = _lock(finished, wait=True)
        finished.replace(self.file)
        _unlock(self.lock)
        self.lock = lock

    def __exit__(self, kind, error, traceback) -> None:
        try:
            self._finish(error)
        finally:
            _unlock(self.lock)

    def _finish(self, error: BaseException | None) -> None:
        if error is not None:
            self.file.unlink(missing_ok=True)
            if isinstance(error, OSError | SafetensorError):  # a full disk, as Python or as safetensors tells it
                raise _cannot_write(self.path, error) from error
            return
        try:
            with open(self.file, "rb") as written:
                os.fsync(written.fileno())
            self.file.chmod(0o644)
            self.file.replace(self.path)
        except OSError as failure:
            self.file.unlink(missing_ok=True)
            raise _cannot_write(self.path, failure) from failure


def _new_file(path: Path) -> Path:
    handle, name = tempfile.mkstemp(prefix=f"{OURS}{path.stem[:STEM]}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    return Path(name)


def _locked(make: Any) -> tuple[Path, int | None]:
    """A file or folder that `make` makes, and the lock on it; made again where another process took it for a left one meanwhile."""
    while True:
        place = make()
        lock = _lock(place, wait=True)
        if lock is None or os.fstat(lock).st_nlink and place.exists():
            return place, lock
        _unlock(lock)


def _lock(place: Path, wait: bool = False) -> int | None:
    """An exclusive lock on a file or folder; None where there are none. Raises BlockingIOError where another holds it."""
    if fcntl is None:
        return None
    handle = os.open(place, os.O_RDONLY | os.O_NONBLOCK)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(handle)
        raise
    except OSError:  # a file system without locks
        os.close(handle)
        return None
    return handle


def _unlock(lock: int | None) -> None:
    if lock is not None:
        os.close(lock)


@contextmanager
def writing(path: str | os.PathLike) -> Iterator[None]:
    """Whatever keeps the lines below from writing `path`, a full disk or a folder that is none, is told in a sentence."""
    try:
        yield
    except OSError as error:
        raise _cannot_write(Path(path), error) from error


@contextmanager
def only_one(folder: str | os.PathLike) -> Iterator[None]:
    """While the lines below run, whoever else wants `folder` for himself is refused; the lock of a killed process is none.

    The folder is made where there is none, and removed again where nothing came into it.
    """
    folder = Path(folder)
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    handle = None
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        while fcntl and handle is None:
            handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)  # network file systems lock what is open for writing only
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                gone = os.fstat(handle).st_nlink == 0  # its last holder removed it meanwhile
            except BlockingIOError:
                os.close(handle)
                raise GenartError("run_in_use", path=str(folder)) from None
            except OSError:  # a file system without locks
                break
            if gone:
                os.close(handle)
                handle = None
    try:
        yield
    finally:
        with suppress(OSError):
            (folder / LOCK).unlink(missing_ok=True)
            for place in made:
                place.rmdir()  # which fails where anything is in it
        _unlock(handle)


def set_aside(file: str | os.PathLike) -> Path:
    """Rename a file that holds no longer, to the first free name of NAME.1.json, NAME.2.json, and so on. Returns that."""
    file = Path(file)
    with writing(file):
        place = next(place for k in itertools.count(1) if not (place := file.with_suffix(f".{k}{file.suffix}")).exists())
        return file.rename(place)


def save_tensors(tensors: dict[str, Tensor], path: str | os.PathLike, metadata: dict[str, str]) -> None:
    """A safetensors file, whole or not at all, whose bytes depend on its contents alone.

    (safetensors writes the metadata in an order that changes from process to process.)
    """
    path, place = Path(path), replacing(path)
    with place:
        folder, lock = _locked(lambda: Path(tempfile.mkdtemp(prefix=f"{OURS}{path.stem[:STEM]}-", dir=path.parent)))
        try:  # safetensors writes beside its file under a name of its own, which nobody would hold: so in a folder that is held
            file = folder / path.name
            save_file(tensors, file, metadata=metadata)
            with open(file, "r+b") as written:
                length = int.from_bytes(written.read(8), "little")
                header = json.loads(written.read(length))
                header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
                text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
                if len(text) <= length:
                    written.seek(8)
                    written.write(text.ljust(length))
            place.take(file)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            _unlock(lock)


def read_header(file: Path) -> dict[str, Any]:
    """The header of a safetensors file, in which no name may stand twice: readers differ in which of the two they take.

    Raises ValueError, with the reason.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            names = [name for name, _ in pairs]
            raise GenartError("reason_twice", key=shorten(next(name for name in names if names.count(name) > 1)))
        return found

    with open(file, "rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        if length > HEADER_LIMIT:
            raise GenartError("reason_header_size", size=length)
        header = parse_json(opened.read(length), unique)
    if not isinstance(header, dict):
        raise GenartError("reason_no_header")
    return header


def parse_json(text: str | bytes, pairs_hook: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """What a JSON text says. Raises ValueError for what is none, or is nested deeper than MAX_DEPTH."""
    try:
        found = json.loads(text, object_pairs_hook=pairs_hook)
    except RecursionError as error:
        raise GenartError("reason_deep", limit=MAX_DEPTH) from error
    level = [found]
    for _ in range(MAX_DEPTH + 1):
        inner = [one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list)]
        level = [one for several in inner for one in several]
    if level:
        raise GenartError("reason_deep", limit=MAX_DEPTH)
    return found


def sweep(folder: str | os.PathLike) -> None:
    """Remove what processes that were killed left half-written in a model's folder, and nothing that a living one writes now."""
    _sweep(Path(folder), (UNFINISHED, OF_SAFETENSORS))


def _sweep(folder: Path, patterns: tuple[re.Pattern, ...]) -> None:
    with suppress(OSError):
        names = [name for name in os.listdir(folder) if name[:1] == "." and any(pattern.fullmatch(name) for pattern in patterns)]
        for place in (folder / name for name in names):
            with suppress(OSError):
                _remove_left(place, held=bool(UNFINISHED.fullmatch(place.name)))


def _remove_left(place: Path, held: bool) -> None:
    """Remove one file or folder that nobody writes to. held: whether its writer would hold a lock on it."""
    if place.is_symlink():
        return
    left = not held and _is_left(place)  # asked before it is opened here
    lock = _lock(place)  # raises where another holds it
    try:
        if not (left or (held and (lock is not None or _is_idle(place)))):
            return
        if place.is_dir():
            shutil.rmtree(place, ignore_errors=True)
        else:
            place.unlink()
    finally:
        _unlock(lock)


def _is_idle(place: Path) -> bool:
    return time.time() - place.stat().st_mtime > IDLE_SECONDS


def _is_left(place: Path) -> bool:
    """Whether nobody writes to a file that no lock tells of: it has not changed for an hour, or no process has it open."""
    ours = place.is_file() and hasattr(os, "getuid") and place.stat().st_uid == os.getuid()
    opened = _opened_files() if ours else None
    return _is_idle(place) or (opened is not None and os.path.realpath(place) not in opened)


def _opened_files() -> set[str] | None:
    """The files that the processes of this user have open; None where the system does not tell (it does on Linux)."""
    opened = set()
    for handles in Path("/proc").glob("[0-9]*/fd"):
        with suppress(OSError):
            for handle in os.listdir(handles):
                with suppress(OSError):  # closed meanwhile
                    opened.add(os.readlink(handles / handle))
    return opened or None


def sha256_of(path: str | os.PathLike) -> str:
    """The sha256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _cannot_write(path: Path, error: OSError | SafetensorError) -> GenartError:
    return GenartError("cannot_write", path=str(path), reason=getattr(error, "strerror", None) or first_line(error))
