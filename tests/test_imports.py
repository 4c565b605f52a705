"""The house: arrows go down its floors, nothing imports in a circle, and a file can be read in one go."""

import ast
from pathlib import Path

import pytest

import genart_hub

PACKAGE = Path(genart_hub.__file__).parent
FLOORS = {
    "": 1, "errors": 1, "losses": 1, "augment": 1, "streams": 1, "quiet": 1,
    "files": 2, "metrics": 2, "devices": 2,
    "images": 3, "hub": 3,
    "data": 4, "models": 4,
    "latents": 5, "remake": 5, "evaluate": 5,
    "train": 6, "ui": 6,
    "cli": 7,
    "__main__": 8,
}  # fmt: skip
LONGEST = 400


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
    known = modules()
    return {name: imports(file, known) for name, file in known.items()}


def floor(module: str) -> int:
    room = (module.split(".") + [""])[1]
    return FLOORS[room]


def cycles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """The circles of a graph: its strongly connected parts of more than one member (Tarjan 1972)."""
    index, low, stack, found = {}, {}, [], []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(arrows[node]):
            if other not in index:
                visit(other)
            if other in stack:
                low[node] = min(low[node], low[other])
        if low[node] == index[node]:
            part = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            found.extend([sorted(part)] if len(part) > 1 or node in arrows[node] else [])

    for node in sorted(arrows):
        if node not in index:
            visit(node)
    return found


def test_nothing_imports_in_a_circle():
    assert cycles(graph()) == []


def test_arrows_go_down_the_floors_or_stay_in_their_room():
    rooms = {name: name.split(".")[1:2] for name in modules()}
    up = [f"{a} -> {b}" for a, several in graph().items() for b in several if rooms[a] != rooms[b] and floor(a) <= floor(b)]
    assert sorted(up) == []


@pytest.mark.parametrize("name", sorted(modules()))
def test_a_file_is_read_in_one_go(name):
    assert len(modules()[name].read_text(encoding="utf-8").splitlines()) <= LONGEST


def test_a_circle_is_found():
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == [["b", "c"]]
