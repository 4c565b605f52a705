"""The dataset emoji64: emojis of three artists, 64 px on white, with their English and Chinese names.

Made from clones of three repositories and the names of emojibase (17.0.0 made the bundled weights' data; 16 names the emojis that
face right otherwise, and has no wrestlers with skin tones):
    https://github.com/googlefonts/noto-emoji   https://github.com/c1710/blobmoji   https://github.com/EmojiTwo/emojitwo
    https://github.com/milesj/emojibase, or its package: npm pack emojibase-data@17.0.0
"""

import hashlib
import io
import json
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

from PIL import Image
from tqdm import tqdm

from genart_hub.errors import GenartError, first_line
from genart_hub.files import replacing
from genart_hub.hub.cards.datasets import EMOJI_SOURCES
from genart_hub.images import flatten, open_picture

SIZE = 64
STYLES = ("noto", "blob", "emojitwo")


FILE_NAMES = {
    "noto": r"emoji_u([0-9a-f]+(?:_[0-9a-f]+)*)\.png",
    "blob": r"emoji_u([0-9a-f]+(?:_[0-9a-f]+)*)\.png",
    "emojitwo": r"([0-9a-f]+(?:-[0-9a-f]+)*)\.png",
}


REPOSITORIES = {
    "noto": "https://github.com/googlefonts/noto-emoji",
    "blob": "https://github.com/c1710/blobmoji",
    "emojitwo": "https://github.com/EmojiTwo/emojitwo",
}


GROUPS = {  # emojibase's numbers, but for component (2), symbols (8) and flags (9)
    0: "smileys-emotion",
    1: "people-body",
    3: "animals-nature",
    4: "food-drink",
    5: "travel-places",
    6: "activities",
    7: "objects",
}


LEFT_OUT = 0x1F595  # the middle finger
JOINERS = (0xFE0F, 0x200D)  # variation selector and zero width joiner, which some artists' file names have and others' lack


FEATURES = {
    "image": {"_type": "Image"},
    "text": {"dtype": "string", "_type": "Value"},
    "text_zh": {"dtype": "string", "_type": "Value"},
    "label": {"names": list(GROUPS.values()), "_type": "ClassLabel"},
    "style": {"names": list(STYLES), "_type": "ClassLabel"},
    "concept": {"dtype": "string", "_type": "Value"},
    "codepoints": {"dtype": "string", "_type": "Value"},
}


Key = tuple[int, ...]


def build(
    out: str | os.PathLike,
    *,
    noto: str | os.PathLike,
    blobmoji: str | os.PathLike,
    emojitwo: str | os.PathLike,
    emojibase: str | os.PathLike,
    progress: bool = True,
) -> dict:
    """Write train.parquet and test.parquet into the folder `out`, both or neither; what it held under these names is replaced.

    noto, blobmoji, emojitwo: clones; emojibase: a clone, or its npm package emojibase-data. A picture that cannot be read is skipped.
    A picture of the test split that is pixel for pixel one of the training split, under another name, is left out.
    Returns the counts by split, style and group, those `set_aside`, `unnamed` and `seen` (left out of the test split), the `twins` of the
    training split (groups of pictures alike), the files that are `broken`, and the attribution.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise GenartError("needs_package", package="pyarrow", install='"genart-hub[train]"') from error
    names, clones = read_names(emojibase), dict(zip(STYLES, (noto, blobmoji, emojitwo), strict=True))
    files = [(style, key, file) for style, clone in clones.items() for key, file in find_pictures(style, clone).items()]
    rows: dict[str, list[dict]] = {"train": [], "test": []}
    set_aside, unnamed, broken = 0, 0, []
    for style, key, file in tqdm(files, unit="picture", disable=not progress):
        name = names.get(key)
        split = split_of(name["concept"]) if name else None
        if name is None or split is None:
            unnamed += name is None
            set_aside += name is not None
            continue
        try:
            image = {"bytes": png_on_white(file), "path": None}
        except GenartError:
            broken.append(str(file))
            continue
        rows[split].append({"image": image, **name, "style": STYLES.index(style)})
    counts = Counter(map(pixels_of, rows["train"]))
    unseen = [row for row in rows["test"] if pixels_of(row) not in counts]
    seen, rows["test"] = len(rows["test"]) - len(unseen), unseen
    report: dict[str, Any] = {
        "splits": {split: len(those) for split, those in rows.items()},
        "styles": _count(rows, "style", STYLES),
        "groups": _count(rows, "label", tuple(GROUPS.values())),
        "set_aside": set_aside,
        "unnamed": unnamed,
        "seen": seen,
        "twins": sum(count > 1 for count in counts.values()),
        "broken": broken,
        "attribution": EMOJI_SOURCES,
    }
    for style, clone in clones.items():
        if not report["styles"][style]:
            raise GenartError("no_emojis", path=str(clone), style=style, url=REPOSITORIES[style])
    image = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    types = {"image": image, "label": pyarrow.int64(), "style": pyarrow.int64()}
    metadata = {"huggingface": json.dumps({"info": {"features": FEATURES}})}
    schema = pyarrow.schema([(name, types.get(name, pyarrow.string())) for name in FEATURES], metadata)
    with replacing(Path(out) / "train.parquet") as train, replacing(Path(out) / "test.parquet") as test:
        for split, file in (("train", train), ("test", test)):
            parquet.write_table(pyarrow.Table.from_pylist(sorted(rows[split], key=_shuffled), schema), file)
    return report


def summary(report: dict) -> str:
    """What `build` returned, as lines for a terminal."""
    lines = [
        f"{title}: " + ", ".join(f"{name} {count:,}" for name, count in report[key].items())
        for title, key in (("Pictures", "splits"), ("Styles", "styles"), ("Groups", "groups"))
    ]
    lines.append(f"Left out: {report['set_aside']:,} set aside, {report['unnamed']:,} of other groups or without a name.")
    lines.append(f"Left out of test: {report['seen']:,} that are pixel for pixel in train, under another name.")
    lines.append(f"Twins in train: {report['twins']:,} groups of pictures that are alike.")
    if report["broken"]:
        shown = report["broken"][:10] + ["…"] * (len(report["broken"]) > 10)
        lines.append(f"Could not be read, and skipped: {len(report['broken']):,}: " + ", ".join(shown))
    return "\n".join([*lines, report["attribution"]])


def split_of(concept: str) -> str | None:
    """The split of all pictures of a concept, by the hash of its name: 86 in 100 train, 6 test, and 8 set aside (None)."""
    number = int(hashlib.sha256(concept.encode()).hexdigest(), 16) % 100
    return None if number < 8 else "test" if number < 14 else "train"


def key_of(codepoints: str) -> Key:
    """What a file's name and emojibase's have in common: "1F441-FE0F" and "1f441" are both (0x1F441,)."""
    points = (int(part, 16) for part in re.split("[-_]", codepoints))
    return tuple(point for point in points if point not in JOINERS)


def read_names(emojibase: str | os.PathLike) -> dict[Key, dict]:
    """The columns that names give (text, text_zh, label, concept, codepoints), of every emoji of GROUPS, skin tones among them."""
    chinese = {emoji["hexcode"]: emoji.get("label") for base in _emojis(emojibase, "zh") for emoji in (base, *base.get("skins", ()))}
    groups, names = list(GROUPS), {}
    for base in _emojis(emojibase, "en"):
        for emoji in (base, *base.get("skins", ())):
            key, text, text_zh = key_of(emoji["hexcode"]), emoji.get("label"), chinese.get(emoji["hexcode"])
            if base.get("group") in GROUPS and base.get("label") and LEFT_OUT not in key and text and text_zh:
                label = groups.index(base["group"])
                names[key] = {"text": text, "text_zh": text_zh, "label": label, "concept": base["label"], "codepoints": emoji["hexcode"]}
    return names


def find_pictures(style: str, clone: str | os.PathLike) -> dict[Key, Path]:
    """The 128 px pictures of a clone, in the order of their names; of two names of one emoji, the first."""
    folder = Path(clone) / "png" / "128"
    found: dict[Key, Path] = {}
    for file in sorted(folder.iterdir(), key=lambda file: file.name) if folder.is_dir() else ():
        if match := re.fullmatch(FILE_NAMES[style], file.name, re.IGNORECASE):
            found.setdefault(key_of(match[1]), file)
    if not found:
        raise GenartError("no_emojis", path=str(clone), style=style, url=REPOSITORIES[style])
    return found


def png_on_white(file: Path) -> bytes:
    """The picture at 64 px (Lanczos, with its transparency), then on white, as a PNG."""
    picture = open_picture(file).convert("RGBA").resize((SIZE, SIZE), Image.Resampling.LANCZOS)
    flatten(picture).save(content := io.BytesIO(), format="PNG", optimize=True)
    return content.getvalue()


def pixels_of(row: dict) -> bytes:
    """The pixels of a row's picture: where two rows have the same, they are one picture, however their files are written."""
    return open_picture(io.BytesIO(row["image"]["bytes"]), row["codepoints"]).convert("RGB").tobytes()


def _emojis(emojibase: str | os.PathLike, language: str) -> list[dict]:
    """emojibase's emojis in a language: data.json as its package has it, or data.raw.json as its repository does."""
    folders = [Path(emojibase) / inner / language for inner in (".", "packages/data", "package", "node_modules/emojibase-data")]
    file = next((file for folder in folders for file in (folder / "data.json", folder / "data.raw.json") if file.is_file()), None)
    if file is None:
        raise GenartError("no_emojibase", path=str(emojibase), file=f"{language}/data.json", reason=GenartError("reason_missing"))
    try:
        emojis = json.loads(file.read_text(encoding="utf-8"))
        for emoji in emojis:
            for one in (emoji, *emoji.get("skins", ())):
                key_of(one["hexcode"])
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        reason = first_line(error) if isinstance(error, OSError) else GenartError("reason_no_emojis")
        raise GenartError("no_emojibase", path=str(emojibase), file=f"{language}/data.json", reason=reason) from error
    return emojis


def _count(rows: dict[str, list[dict]], column: str, names: tuple[str, ...]) -> dict[str, int]:
    counts = Counter(row[column] for those in rows.values() for row in those)
    return {name: counts[k] for k, name in enumerate(names)}


def _shuffled(row: dict) -> str:
    """Rows in an order that mixes styles and groups, and is the same whatever else is there."""
    return hashlib.sha256(f"{STYLES[row['style']]} {row['codepoints']}".encode()).hexdigest()
