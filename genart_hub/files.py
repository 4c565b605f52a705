"""Files that are whole or not there: written beside their place, then moved into it."""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from genart_hub.errors import GenartError, first_line

UNFINISHED = re.compile(r"\.(tmp\w{6}|.+-[a-z0-9_]{8}\.(safetensors|json|md|png))")  # as safetensors names them, and `replacing`


class replacing:
    """`with replacing(path) as file:` write `file`, beside `path`; it becomes `path` at the end, or vanishes on an error."""

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)

    def __enter__(self) -> Path:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=f".{self.path.stem}-", suffix=self.path.suffix, dir=self.path.parent)
        except OSError as error:
            raise _cannot_write(self.path, error) from error
        os.close(handle)
        self.file = Path(name)
        return self.file

    def __exit__(self, kind, error, traceback) -> None:
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


@contextmanager
def writing(path: str | os.PathLike) -> Iterator[None]:
    """Whatever keeps the lines below from writing `path`, a full disk or a folder that is none, is told in a sentence."""
    try:
        yield
    except OSError as error:
        raise _cannot_write(Path(path), error) from error


def save_tensors(tensors: dict[str, Tensor], path: str | os.PathLike, metadata: dict[str, str]) -> None:
    """A safetensors file, whole or not at all, whose bytes depend on its contents alone.

    (safetensors writes the metadata in an order that changes from process to process.)
    """
    with replacing(path) as file:
        save_file(tensors, file, metadata=metadata)
        with open(file, "r+b") as written:
            length = int.from_bytes(written.read(8), "little")
            header = json.loads(written.read(length))
            header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
            text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
            if len(text) <= length:
                written.seek(8)
                written.write(text.ljust(length))


def sweep(folder: str | os.PathLike) -> None:
    """Remove what a process that was killed left half-written in a folder that nobody else writes to now."""
    for file in Path(folder).glob(".*"):
        if UNFINISHED.fullmatch(file.name) and file.is_file():
            with suppress(OSError):
                file.unlink()


def sha256_of(path: str | os.PathLike) -> str:
    """The sha256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _cannot_write(path: Path, error: OSError | SafetensorError) -> GenartError:
    return GenartError("cannot_write", path=str(path), reason=getattr(error, "strerror", None) or first_line(error))
