"""The datasets that the package can attribute."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Dataset:
    """Where training pictures come from, as a card says it."""

    name: str
    hub_id: str | None
    attribution: str
    subject: dict[str, str]
    limits: str


EMOJI_SOURCES = "Noto Emoji © Google (Apache-2.0); Blobmoji © C1710 and contributors (Apache-2.0); EmojiTwo (CC BY 4.0)"

DATASETS = {
    "mnist": Dataset(
        "MNIST",
        "ylecun/mnist",
        "The MNIST database of handwritten digits, Yann LeCun, Corinna Cortes and Christopher J. C. Burges, CC BY-SA 3.0. "
        "Trained on its 60,000 training pictures as a parquet file (`image`, `label`), measured on 5,000 of its 10,000 test pictures.",
        {"en": "handwritten digits, 28 × 28 px, grey", "zh": "手写数字，28 × 28 像素，灰度"},
        "It knows digits only, small, grey and centred. Some samples are no digit at all: the table says how many are not recognised.",
    ),
    "emoji64": Dataset(
        "emoji64",
        None,
        f"{EMOJI_SOURCES}. Names from "
        "emojibase (MIT) and Unicode CLDR. `genart-hub build-emoji64` makes the dataset from clones of these public repositories: "
        "6,140 training pictures, and 453 test pictures of which neither the concept nor the drawing is among those.",
        {"en": "emoji in three drawing styles, 64 × 64 px, colour", "zh": "三种画风的表情符号，64 × 64 像素，彩色"},
        "It knows emoji only, small and on white, and more than half of them are people.",
    ),
}
