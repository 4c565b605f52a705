"""Emojis of three artists become one dataset: their names, their splits, their pictures, from tiny clones made here."""

import io
import json
import sys

import pytest
from PIL import Image

from genart_hub import data
from genart_hub.data import emoji64
from genart_hub.errors import GenartError

pyarrow = pytest.importorskip("pyarrow")
from pyarrow import parquet as files  # noqa: E402

GROUPS = ["smileys-emotion", "people-body", "animals-nature", "food-drink", "travel-places", "activities", "objects"]
NAMES = [  # English, Chinese, emojibase's group, its code points
    ("tiger", "老虎", 3, "1F405"),
    ("penguin", "企鹅", 3, "1F427"),
    ("kangaroo", "袋鼠", 3, "1F998"),
    ("woman golfing", "女生打高尔夫球", 1, "1F3CC-FE0F-200D-2640-FE0F"),
    ("radio", "收音机", 7, "1F4FB"),
    ("light skin tone", "较浅肤色", 2, "1F3FB"),
    ("keycap: 0", "按键: 0", 8, "0030-FE0F-20E3"),
    ("flag: China", "国旗: 中国", 9, "1F1E8-1F1F3"),
    ("regional indicator A", "区域指标 A", None, "1F1E6"),
    ("middle finger", "竖中指", 1, "1F595"),
]
NOTO = ["1f405", "1f427", "1f998", "1f3cc_200d_2640", "1f3cc_1f3fe_200d_2640", "1f4fb", "1f3fb", "0030_20e3", "1f595", "1f595_1f3fb"]
EMOJITWO = ["1f405", "1f427", "1f3cc-fe0f-200d-2640-fe0f", "1f3cc-1f3fe-2640", "0030-20e3", "1f1e8-1f1f3", "1f1e6"]


def emojis(k: int) -> list[dict]:
    """emojibase's data in English (k = 0) or Chinese (k = 1)."""
    found = [{"label": name[k], "hexcode": name[3]} | ({} if name[2] is None else {"group": name[2]}) for name in NAMES]
    skins = {"woman golfing": "1F3CC-1F3FE-200D-2640-FE0F", "middle finger": "1F595-1F3FB"}
    for emoji, name in zip(found, NAMES, strict=True):
        if name[0] in skins:
            label = name[k] + (": medium-dark skin tone", ": 中等-深肤色")[k]
            emoji["skins"] = [{"label": label, "hexcode": skins[name[0]], "group": 1}]
    return found


def write_clone(folder, names, colour):
    """A clone with a square of one colour in the middle of each transparent picture of 128 px, and a mark that tells it from the others."""
    (folder / "png" / "128").mkdir(parents=True)
    picture = Image.new("RGBA", (128, 128))
    picture.paste(colour, (32, 32, 96, 96))
    for k, name in enumerate(names):
        picture.paste((10 * k, 0, 100, 255), (104, 104, 120, 120))
        picture.save(folder / "png" / "128" / f"{name}.png")
    return folder


@pytest.fixture
def sources(tmp_path):
    """The keywords of `build`: three clones and emojibase's data."""
    for k, language in enumerate(("en", "zh")):
        (tmp_path / "emojibase" / language).mkdir(parents=True)
        (tmp_path / "emojibase" / language / "data.json").write_text(json.dumps(emojis(k)), encoding="utf-8")
    return {
        "noto": write_clone(tmp_path / "noto-emoji", [f"emoji_u{name}" for name in NOTO], (255, 0, 0, 255)),
        "blobmoji": write_clone(tmp_path / "blobmoji", ["emoji_u1f405", "emoji_u1f4fb", "emoji_u1f9ff"], (0, 0, 255, 128)),
        "emojitwo": write_clone(tmp_path / "emojitwo", EMOJITWO, (0, 255, 0, 255)),
        "emojibase": tmp_path / "emojibase",
    }


@pytest.fixture
def built(sources, tmp_path):
    """The folder of the dataset, and what `build` returned."""
    return tmp_path / "emoji64", emoji64.build(tmp_path / "emoji64", **sources, progress=False)


def rows(file, **wanted) -> list[dict]:
    found = files.read_table(file).to_pylist()
    return [row for row in found if all(row[column] == value for column, value in wanted.items())]


@pytest.mark.parametrize(
    ("concept", "split"),  # sha256 modulo 100, by sha256sum and bc: 7, 8, 13, 14
    [("kangaroo", None), ("penguin", "test"), ("fish", "test"), ("tiger", "train")],
)
def test_a_concept_is_split_by_the_hash_of_its_name(concept, split):
    assert emoji64.split_of(concept) == split


@pytest.mark.parametrize("name", ["1F3CC-FE0F-200D-2640-FE0F", "1f3cc_200d_2640", "1f3cc-2640", "1F3CC-2640-FE0F"])
def test_joiners_and_variation_selectors_do_not_tell_names_apart(name):
    assert emoji64.key_of(name) == (0x1F3CC, 0x2640)


def test_each_picture_is_named_in_two_languages_whatever_its_file_name_leaves_out(built):
    folder, _ = built
    golf = rows(folder / "train.parquet", concept="woman golfing")
    assert sorted((row["style"], row["text"], row["text_zh"], row["codepoints"]) for row in golf) == [
        (style, "woman golfing" + tone, "女生打高尔夫球" + tone_zh, codepoints)
        for style in (0, 2)
        for tone, tone_zh, codepoints in (
            ("", "", "1F3CC-FE0F-200D-2640-FE0F"),
            (": medium-dark skin tone", ": 中等-深肤色", "1F3CC-1F3FE-200D-2640-FE0F"),
        )
    ]
    assert {row["label"] for row in golf} == {GROUPS.index("people-body")}


def test_set_aside_concepts_and_the_groups_left_out_are_in_neither_split(built):
    folder, report = built
    assert {row["text"] for row in rows(folder / "test.parquet")} == {"penguin"}
    assert {row["concept"] for row in rows(folder / "train.parquet")} == {"tiger", "radio", "woman golfing"}
    assert (report["set_aside"], report["unnamed"]) == (1, 8)  # kangaroo; noto 4, blobmoji 1, emojitwo 3


def copy(clone, name, other) -> None:
    """Make the picture `other` of a clone the same as `name`."""
    folder = clone / "png" / "128"
    (folder / f"{other}.png").write_bytes((folder / f"{name}.png").read_bytes())


def test_a_test_picture_that_is_pixel_for_pixel_in_training_is_left_out(sources, tmp_path):
    copy(sources["noto"], "emoji_u1f405", "emoji_u1f427")  # the tiger as the penguin
    report = emoji64.build(tmp_path / "out", **sources, progress=False)
    assert (report["seen"], report["twins"], report["splits"]) == (1, 0, {"train": 9, "test": 1})
    assert [(row["text"], row["style"]) for row in rows(tmp_path / "out" / "test.parquet")] == [("penguin", 2)]
    assert "Left out of test: 1 that are pixel for pixel in train, under another name." in emoji64.summary(report)


def test_twins_of_the_training_split_stay_and_are_counted_in_groups(sources, tmp_path):
    copy(sources["noto"], "emoji_u1f405", "emoji_u1f4fb")
    copy(sources["noto"], "emoji_u1f405", "emoji_u1f3cc_200d_2640")  # three alike are one group
    copy(sources["emojitwo"], "1f405", "1f3cc-1f3fe-2640")
    report = emoji64.build(tmp_path / "out", **sources, progress=False)
    assert (report["seen"], report["twins"], report["splits"]) == (0, 2, {"train": 9, "test": 2})
    assert "Twins in train: 2 groups" in emoji64.summary(report)


def test_pictures_are_compared_by_their_pixels_and_not_by_their_bytes():
    contents = [io.BytesIO() for _ in range(3)]
    for content, level, compression in zip(contents, (7, 7, 8), (0, 9, 9), strict=True):
        Image.new("RGB", (64, 64), (level, 0, 0)).save(content, format="PNG", compress_level=compression)
    found = [{"image": {"bytes": content.getvalue()}, "codepoints": "1F405"} for content in contents]
    one, same, other = map(emoji64.pixels_of, found)
    assert found[0] != found[1]
    assert one == same != other


def test_the_middle_finger_is_left_out_in_every_skin_tone(sources):
    assert not any(0x1F595 in key for key in emoji64.read_names(sources["emojibase"]))


def test_the_report_counts_splits_styles_and_groups_and_gives_the_attribution(built):
    _, report = built
    assert report["splits"] == {"train": 9, "test": 2}
    assert report["styles"] == {"noto": 5, "blob": 2, "emojitwo": 4}
    assert report["groups"] == dict.fromkeys(GROUPS, 0) | {"animals-nature": 5, "people-body": 4, "objects": 2}
    credit = "Noto Emoji © Google (Apache-2.0); Blobmoji © C1710 and contributors (Apache-2.0); EmojiTwo (CC BY 4.0)"
    assert report["attribution"] == credit
    assert emoji64.summary(report).splitlines()[0] == "Pictures: train 9, test 2"
    assert emoji64.summary(report).splitlines()[-1] == credit


def test_pictures_are_halved_and_laid_on_white(built):
    folder, _ = built
    (noto,), (blob,) = (rows(folder / "train.parquet", text="tiger", style=style) for style in (0, 1))
    picture = Image.open(io.BytesIO(noto["image"]["bytes"]))
    assert (picture.format, picture.mode, picture.size, noto["image"]["path"]) == ("PNG", "RGB", (64, 64), None)
    assert [picture.getpixel(at) for at in ((2, 2), (20, 20), (43, 43), (60, 32))] == [(255,) * 3, (255, 0, 0), (255, 0, 0), (255,) * 3]
    assert Image.open(io.BytesIO(blob["image"]["bytes"])).getpixel((32, 32)) == (127, 127, 255)  # 128 of 255 of blue


def test_no_colour_of_transparent_pixels_shows_at_an_edge(tmp_path):
    picture = Image.new("RGBA", (128, 128), (0, 0, 0, 0))
    picture.paste((255, 255, 255, 255), (0, 0, 63, 128))
    picture.save(tmp_path / "a.png")
    white = Image.open(io.BytesIO(emoji64.png_on_white(tmp_path / "a.png")))
    assert min(low for low, _ in white.getextrema()) >= 254


def test_the_dataset_loads_here_with_its_class_names_and_styles(built):
    folder, _ = built
    loaded = data.load(folder / "train.parquet")
    assert (loaded.pictures.shape, loaded.class_names) == ((9, 3, 64, 64), tuple(GROUPS))
    assert sorted(loaded.columns["style"]) == [0, 0, 0, 0, 1, 1, 2, 2, 2]


def test_the_dataset_loads_with_datasets(built, tmp_path):
    datasets = pytest.importorskip("datasets")
    folder, _ = built
    paths = {split: str(folder / f"{split}.parquet") for split in ("train", "test")}
    loaded = datasets.load_dataset("parquet", data_files=paths, cache_dir=str(tmp_path / "cache"))
    features = loaded["train"].features
    assert (features["label"].names, features["style"].names) == (GROUPS, ["noto", "blob", "emojitwo"])
    assert isinstance(features["image"], datasets.Image)
    assert (loaded["test"].num_rows, loaded["test"][0]["text_zh"], loaded["test"][0]["image"].size) == (2, "企鹅", (64, 64))


def test_the_same_clones_give_the_same_bytes_and_replace_what_was_there(built, sources):
    folder, _ = built
    before = [(folder / f"{split}.parquet").read_bytes() for split in ("train", "test")]
    (folder / "train.parquet").write_bytes(b"old")
    emoji64.build(folder, **sources, progress=False)
    assert [(folder / f"{split}.parquet").read_bytes() for split in ("train", "test")] == before
    assert sorted(file.name for file in folder.iterdir()) == ["test.parquet", "train.parquet"]


def test_a_picture_that_cannot_be_read_is_skipped_and_named(sources, tmp_path):
    broken = sources["noto"] / "png" / "128" / "emoji_u1f405.png"
    broken.write_bytes(broken.read_bytes()[:60])
    report = emoji64.build(tmp_path / "out", **sources, progress=False)
    assert (report["broken"], report["styles"]["noto"]) == ([str(broken)], 4)
    assert f"skipped: 1: {broken}" in emoji64.summary(report)


def test_of_two_files_of_one_emoji_the_first_by_name_is_taken(sources):
    write_clone(sources["emojitwo"] / "again", ["1f3cc-2640"], (0, 0, 0, 255))
    (sources["emojitwo"] / "again/png/128/1f3cc-2640.png").rename(sources["emojitwo"] / "png/128/1f3cc-2640.png")
    assert emoji64.find_pictures("emojitwo", sources["emojitwo"])[0x1F3CC, 0x2640].name == "1f3cc-2640.png"


@pytest.mark.parametrize("place", ["", "packages/data", "package", "node_modules/emojibase-data"])
@pytest.mark.parametrize("name", ["data.json", "data.raw.json"])
def test_emojibase_is_found_as_a_package_and_as_a_clone(tmp_path, place, name):
    for k, language in enumerate(("en", "zh")):
        (tmp_path / place / language).mkdir(parents=True)
        (tmp_path / place / language / name).write_text(json.dumps(emojis(k)), encoding="utf-8")
    assert emoji64.read_names(tmp_path)[0x1F405,] == {
        "text": "tiger",
        "text_zh": "老虎",
        "label": 2,
        "concept": "tiger",
        "codepoints": "1F405",
    }


@pytest.mark.parametrize(("name", "style"), [("noto", "noto"), ("blobmoji", "blob"), ("emojitwo", "emojitwo")])
@pytest.mark.parametrize("damage", ["missing", "empty", "of another artist"])
def test_what_is_no_clone_is_refused_with_the_place_to_clone(sources, tmp_path, name, style, damage):
    other = {"missing": tmp_path / "none", "empty": tmp_path, "of another artist": sources["noto" if name == "emojitwo" else "emojitwo"]}
    with pytest.raises(GenartError, match=f"style {style} .*https://github.com/.*{name}") as error:
        emoji64.build(tmp_path / "out", **sources | {name: other[damage]}, progress=False)
    assert error.value.code == "no_emojis"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", [None, "{", "3", "[3]", '[{"label": "tiger"}]', '[{"hexcode": "tiger"}]', '{"a": 1}'])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_emojibase_data_that_is_missing_or_damaged_is_refused_by_its_file(sources, tmp_path, language, text):
    file = sources["emojibase"] / language / "data.json"
    file.unlink() if text is None else file.write_text(text)
    with pytest.raises(GenartError, match=f"{language}/data.json .*emojibase-data") as error:
        emoji64.build(tmp_path / "out", **sources, progress=False)
    assert error.value.code == "no_emojibase"


def test_a_place_that_cannot_be_written_is_named(sources, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(GenartError, match="file/train.parquet could not be written"):
        emoji64.build(tmp_path / "file", **sources, progress=False)
    assert (tmp_path / "file").read_text() == ""


def test_without_pyarrow_it_says_what_to_install(sources, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(GenartError, match="pip install") as error:
        emoji64.build(tmp_path / "out", **sources, progress=False)
    assert error.value.values["package"] == "pyarrow"
