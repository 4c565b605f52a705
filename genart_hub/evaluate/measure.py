"""What a protocol says of pictures, and the table of what was measured."""

from genart_hub.data import Pictures
from genart_hub.hub.cards.tables import Measure, matrix

# ---- made pictures beside real ones ----


def split_of(pictures: Pictures) -> str:
    """What a protocol calls these pictures: the last two names of their path, and the part of them that was read."""
    name = "/".join(pictures.path.parts[-2:]) or pictures.path.resolve().name
    return f"{name} ({pictures.part})" if pictures.part else name


# ---- reconstructions and labels ----


def table(results: dict[str, list[Measure]]) -> str:
    """The results as a Markdown table: a row for each metric and protocol, a column for each model, and what was measured below."""
    return matrix(results)
