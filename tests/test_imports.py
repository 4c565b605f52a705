"""The house: arrows go down its floors, nothing imports in a circle, and a file can be read in one go."""

import pytest
from rooms import BLOCK, FLOORS, GUIDE, drawing, graph, modules, room

LONGEST = 400


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
    pairs = [(a, b) for a, several in graph().items() for b in several if room(a) != room(b)]
    assert [f"{a} -> {b}" for a, b in pairs if FLOORS[room(a)] <= FLOORS[room(b)]] == []


@pytest.mark.parametrize("name", sorted(modules()))
def test_a_file_is_read_in_one_go(name):
    assert len(modules()[name].read_text(encoding="utf-8").splitlines()) <= LONGEST


def test_a_circle_is_found():
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == [["b", "c"]]


def test_the_guide_draws_the_rooms_as_they_are():
    assert BLOCK.search(GUIDE.read_text(encoding="utf-8"))[2] == drawing()
