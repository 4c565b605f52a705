"""One number, with what it was measured on."""

from dataclasses import asdict, dataclass
from typing import Any

from genart_hub.data import Pictures
from genart_hub.hub.cards.tables import matrix


@dataclass(frozen=True)
class Measure:
    """One number. error: its standard error; real, real_error: the same metric for real pictures, where there is one (the floor).

    value: None for what real pictures alone have. copied, copied_error: the metric of pictures that the feature network was trained on.
    protocol: counts, split, resize, feature network, seed.
    """

    name: str
    value: float | None
    error: float | None
    real: float | None
    real_error: float | None
    protocol: str
    metric: str
    copied: float | None = None
    copied_error: float | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


# ---- made pictures beside real ones ----


def split_of(pictures: Pictures) -> str:
    """What a protocol calls these pictures: the last two names of their path, and the part of them that was read."""
    name = "/".join(pictures.path.parts[-2:]) or pictures.path.resolve().name
    return f"{name} ({pictures.part})" if pictures.part else name


# ---- reconstructions and labels ----


def table(results: dict[str, list[Measure]]) -> str:
    """The results as a Markdown table: a row for each metric and protocol, a column for each model, and what was measured below."""
    return matrix({name: [measure.as_dict() for measure in measures] for name, measures in results.items()})
