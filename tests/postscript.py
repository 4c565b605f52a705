"""An EPS file, and a Ghostscript that leaves a mark where it is started."""

from pathlib import Path

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n0 0 8 8 rectfill\nshowpage\n%%EOF\n"


def fake_ghostscript(folder: Path) -> tuple[Path, Path]:
    """Write a program `gs` into `folder`/bin. Returns that folder, for PATH, and the file that is there once the program has run."""
    program, mark = folder / "bin" / "gs", folder / "ghostscript-ran"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch '{mark}'\n")
    program.chmod(0o755)
    return program.parent, mark
