"""Draws the rooms of the package from its source: `python tests/rooms.py` writes the drawing into CONTRIBUTING.md."""

import ast
import re
from pathlib import Path

import genart_hub

PACKAGE = Path(genart_hub.__file__).parent
GUIDE = Path(__file__).resolve().parents[1] / "CONTRIBUTING.md"
BLOCK = re.compile(r"(<!-- rooms -->\n```\n)(.*?)(```)", flags=re.S)
FLOORS = {
    "": 1, "errors": 1, "losses": 1, "augment": 1, "streams": 1, "quiet": 1,
    "files": 2, "metrics": 2, "devices": 2,
    "images": 3, "hub": 3,
    "data": 4, "models": 4,
    "latents": 5, "evaluate": 5,
    "remake": 6, "train": 6,
    "ui": 7,  # it shows how training works
    "cli": 8,
    "__main__": 9,
}  # fmt: skip


def modules() -> dict[str, Path]:
    """The modules of the package by their names; a package stands for its __init__.py."""
    files = {file.relative_to(PACKAGE.parent).with_suffix(""): file for file in PACKAGE.rglob("*.py")}
    return {".".join(name.parts).removesuffix(".__init__"): file for name, file in files.items()}


def imports(file: Path, known: dict[str, Path]) -> set[str]:
    """What a file imports of the package, anywhere in it: in functions and for type checkers too."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in known}
        elif isinstance(node, ast.ImportFrom) and node.module in known:
            named = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in known else node.module for name in named}
        assert not (isinstance(node, ast.ImportFrom) and node.level), f"{file}: a relative import"
    return found


def graph() -> dict[str, set[str]]:
    """The arrows: module -> the modules that it imports."""
    known = modules()
    return {name: imports(file, known) for name, file in known.items()}


def room(module: str) -> str:
    """The first name below the package; "" for the package itself."""
    return (module.split(".") + [""])[1]


def drawing() -> str:
    """A line a room, from the top floor down: its floor, files and lines, and the rooms that it imports."""
    arrows, files = graph(), modules()
    lines = []
    for name in sorted(FLOORS, key=lambda name: (-FLOORS[name], name)):
        own = [module for module in files if room(module) == name]
        length = sum(len(files[module].read_text(encoding="utf-8").splitlines()) for module in own)
        below = sorted({room(other) or "version" for module in own for other in arrows[module]} - {name})
        count = f"{len(own)} file{'s' if len(own) > 1 else ''}"
        lines.append(f"{FLOORS[name]}  {name or '__init__':<10} {count:>8} {length:>6,} lines  -> {', '.join(below)}".rstrip(" ->"))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    GUIDE.write_text(BLOCK.sub(lambda block: block[1] + drawing() + block[3], GUIDE.read_text(encoding="utf-8")), encoding="utf-8")
