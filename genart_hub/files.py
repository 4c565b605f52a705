"""Files that are whole or not there: written beside their place, then moved into it.

While a file is written, its process holds a lock on it (flock, which the system lets go when the process ends, killed or not). The
next save into the folder removes what nobody holds: half-written files of processes that were killed. Where there are no such locks
(Windows, some network file systems), and for what safetensors leaves of other programs, an hour without a change has to pass first.
"""

import hashlib
import itertools
import json
import math
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from genart_hub.errors import GenartError, first_line, shorten

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

OURS, LOCK = ".genart-", ".genart-lock"
UNFINISHED = re.compile(r"\.genart-.+-[a-z0-9_]{8}(\.\w+)?")  # as `replacing` and `save_tensors` name them
OF_SAFETENSORS = re.compile(r"\.tmp\w{6}")
IDLE_SECONDS = 3600
STEM = 40  # characters of a long name that its unfinished file keeps: 160 bytes, where a name may have 255
TICK = 2  # seconds: no file system's clock is slower
HEADER_LIMIT = 25_000_000  # bytes, of a safetensors header
MAX_DEPTH = 32  # of brackets within brackets in a JSON text: what is deeper breaks whoever walks through it


class replacing:
    """`with replacing(path) as file:` write `file`, beside `path`; it becomes `path` at the end, or vanishes on an error.

    lasting: whether it must be whole after a power failure too, for which the disk is waited for: some milliseconds a file.
    """

    def __init__(self, path: str | os.PathLike, lasting: bool = True):
        self.path, self.lasting = Path(path), lasting

    def __enter__(self) -> Path:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            _sweep_once(self.path.parent.absolute())
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

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
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
            if self.lasting:
                with open(self.file, "r+b") as written:  # Windows flushes only what may be written
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


def _locked(make: Callable[[], Path]) -> tuple[Path, int | None]:
    """A file or folder that `make` makes, and the lock on it; made again where another process took it for a left one meanwhile."""
    while True:
        place = make()
        lock = _lock(place, wait=True)
        if lock is None or place.exists():
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
def saving(folder: str | os.PathLike) -> Iterator[Path]:
    """`with saving(folder) as place:` what is written below `place` is moved into `folder` at the end, or vanishes on an error."""
    folder = Path(folder)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        sweep(folder)
        place, lock = _locked(lambda: Path(tempfile.mkdtemp(prefix=f"{OURS}saving-", dir=folder)))
        try:
            yield place
            for below in (entry for entry in place.rglob("*") if entry.is_dir()):
                (folder / below.relative_to(place)).mkdir(parents=True, exist_ok=True)
                sweep(folder / below.relative_to(place))
            files = [file for file in place.rglob("*") if file.is_file()]
            for file in sorted(files, key=lambda file: (file.parent == place, file)):  # what names the others comes last
                file.chmod(0o644)
                file.replace(folder / file.relative_to(place))
        except SafetensorError as error:  # a full disk, as safetensors tells it
            raise OSError(first_line(error)) from error
        finally:
            shutil.rmtree(place, ignore_errors=True)
            _unlock(lock)


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


def num_elements(file: Path) -> int:
    """The numbers of all tensors of a safetensors file, by its header."""
    return sum(math.prod(entry["shape"]) for name, entry in read_header(file).items() if name != "__metadata__")


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


@lru_cache(256)
def _sweep_once(folder: Path) -> None:
    """Of any folder, and once in a process: it may hold thousands of pictures, saved one by one, and files of other programs."""
    _sweep(folder, (UNFINISHED,))


def _sweep(folder: Path, patterns: tuple[re.Pattern, ...]) -> None:
    with suppress(OSError):
        for name in os.listdir(folder):
            if any(pattern.fullmatch(name) for pattern in patterns):
                with suppress(OSError):
                    _remove_left(folder / name, held=bool(UNFINISHED.fullmatch(name)))


def _remove_left(place: Path, held: bool) -> None:
    """Remove one file or folder that nobody writes to. held: whether its writer would hold a lock on it."""
    if place.is_symlink():
        return
    lock = _lock(place)  # raises where another holds it
    try:
        idle = time.time() - place.stat().st_mtime > IDLE_SECONDS
        if not idle and not (held and lock is not None):
            return
        if place.is_dir():
            shutil.rmtree(place, ignore_errors=True)
        else:
            place.unlink()
    finally:
        _unlock(lock)


_known: dict[tuple[str | int, ...], str] = {}


def sha256_of(path: str | os.PathLike) -> str:
    """The sha256 of a file, in hexadecimal: computed once in a process, unless the file changes."""
    about = os.stat(path)
    key = os.path.realpath(path), about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns
    if key in _known:
        return _known[key]
    found = digest(path)
    if time.time() - max(about.st_mtime, about.st_ctime) > TICK:  # else another change might not show in its times
        _known[key] = found
    return found


def digest(path: str | os.PathLike, make: Callable[[], Any] = hashlib.sha256) -> str:
    """The hash of a file, in hexadecimal, read in pieces. make: gives a hash that may have begun."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, make).hexdigest()


def _cannot_write(path: Path, error: OSError | SafetensorError) -> GenartError:
    return GenartError("cannot_write", path=str(path), reason=getattr(error, "strerror", None) or first_line(error))
