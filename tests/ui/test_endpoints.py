"""Every endpoint is called over HTTP; here, with everything that a person can get wrong, in both languages."""

import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from gradio_client import handle_file
from over_http import (
    GAN,
    VAE,
    digit,
    drawing,
    picture_with,
    refused,
)
from PIL import Image
from postscript import EPS
from running import DIGITS, EMOJI, PIPELINE

import genart_hub
from genart_hub.models import auto
from genart_hub.ui import sentences


@pytest.mark.parametrize("endpoint", ["/walk", "/invert"])
def test_a_pipeline_has_no_latents_for_the_other_tabs(tiny_app, tiny_clients, tmp_path, endpoint):
    picture = handle_file(digit(tmp_path))
    arguments = {"/walk": (PIPELINE, "0, 1", "slerp", 8, 8, False, 1)}.get(endpoint, (picture, PIPELINE, True, 10))
    told = f"{PIPELINE} makes no pictures from latents. Choose one of: {', '.join(sorted(DIGITS + EMOJI))}."
    assert refused(tiny_app, tiny_clients["en"], *arguments, api_name=endpoint) == told


def test_a_class_is_no_request_for_a_pipeline(tiny_app, tiny_clients):
    sentence = refused(tiny_app, tiny_clients["en"], PIPELINE, 1, 0, 1, "food-drink", "rocket", api_name="/sample")
    assert sentence == f"{PIPELINE} has no classes to choose from; got 'food-drink'. Choose “any”."


@pytest.mark.parametrize(("query", "sentence"), [(None, "cannot be reached"), ("a" * 201, "must be a text of at most 200 characters")])
def test_a_search_for_nothing_or_for_too_much_is_told(app, client, query, sentence):
    assert sentence in refused(app, client, query, api_name="/search")


def test_a_search_without_a_hub_says_so(app, clients):
    assert "cannot be reached" in refused(app, clients["en"], "digits", api_name="/search")
    assert "无法连接" in refused(app, clients["zh"], "digits", api_name="/search")


BAD_CLASSES = [
    ("/sample", ("dcgan-mnist", 1, 0, 1, "x"), "There is no class 'x'. Choose one of: 0, 1, 2,",
     "没有类别 'x'。请从中选择：0, 1, 2,"),
    ("/sample", ("gan-mnist", 1, 0, 1, "3"), "gan-mnist has no classes to choose from; got '3'.",
     "gan-mnist 没有可以指定的类别，得到的是 '3'。"),
    ("/walk", ("dcgan-emoji", "0, 1", "slerp", 8, 8, True, 1, 7), "There is no class 7. Choose one of: 0 smileys-emotion,",
     "没有类别 7。请从中选择：0 smileys-emotion,"),
    ("/compare", (1, 0, 1, "", "emoji", "3x"), "There is no class '3x'. Choose one of: 0", "没有类别 '3x'。请从中选择：0"),
    ("/compare", (1, 0, 1, "", "cats", ""), "Trained on must be one of emoji, digits, got 'cats'.",
     "训练图片 必须是 emoji, digits 之一，得到的是 'cats'。"),
]  # fmt: skip


@pytest.mark.parametrize(("endpoint", "arguments", "english", "chinese"), BAD_CLASSES)
def test_a_class_or_a_ladder_that_is_not_there_is_told(tiny_app, tiny_clients, endpoint, arguments, english, chinese):
    assert refused(tiny_app, tiny_clients["en"], *arguments, api_name=endpoint).startswith(english)
    assert refused(tiny_app, tiny_clients["zh"], *arguments, api_name=endpoint).startswith(chinese)


SAMPLE = {"model": GAN, "n": 4, "seed": 0, "truncation": 1}
WALK = {"model": GAN, "seeds": "0, 1", "method": "slerp", "frames": 8, "fps": 8, "loop": True, "truncation": 1}
COMPARE = {"n": 2, "seed": 0, "truncation": 1, "prompt": ""}
BUNDLED = ", ".join(genart_hub.bundled())

BAD_FIELDS = [
    ("/sample", {"n": 0}, "How many pictures must be between 1 and 64, got 0.",
     "图片数量 必须在 1 与 64 之间，得到的是 0。"),
    ("/sample", {"n": 65}, "How many pictures must be between 1 and 64, got 65.",
     "图片数量 必须在 1 与 64 之间，得到的是 65。"),
    ("/sample", {"n": "three"}, "How many pictures must be a whole number, got 'three'.",
     "图片数量 必须是整数，得到的是 'three'。"),
    ("/sample", {"seed": 1.5}, "Seed must be a whole number, got 1.5.", "随机种子 必须是整数，得到的是 1.5。"),
    ("/sample", {"seed": -1}, "Seed must be at least 0, got -1.", "随机种子 至少为 0，得到的是 -1。"),
    ("/sample", {"seed": 2**53}, "Seed 9007199254740992 is too large a number. Leave a few digits out.",
     "随机种子 9007199254740992 太大了，请去掉几位数字。"),
    ("/sample", {"truncation": 0}, "How close to the average (truncation) must be above 0 and at most 1, got 0.",
     "离“平均”多近（截断）必须大于 0 且不超过 1，得到的是 0。"),
    ("/sample", {"truncation": 2}, "How close to the average (truncation) must be above 0 and at most 1, got 2.",
     "离“平均”多近（截断）必须大于 0 且不超过 1，得到的是 2。"),
    ("/sample", {"model": "no-such-model"},
     f"There is no model 'no-such-model'. {sentences.HUB[0]}", f"没有模型 'no-such-model'。{sentences.HUB[1]}"),
    ("/sample", {"model": "<b>bold"},
     f"There is no model '&lt;b&gt;bold'. {sentences.HUB[0]}", f"没有模型 '&lt;b&gt;bold'。{sentences.HUB[1]}"),
    ("/sample", {"model": "features-mnist"}, f"features-mnist makes no pictures. Choose one of: {BUNDLED}.",
     f"features-mnist 不能生成图片。请改选：{BUNDLED}。"),
    ("/walk", {"seeds": "0"}, "A walk needs at least two keys, got 1.", "漫步至少需要两个关键点，得到的是 1 个。"),
    ("/walk", {"seeds": "0, x"}, "Seeds are whole numbers with commas between them, such as 0, 7, 42; got '0, x'.",
     "种子应是用逗号分隔的整数，例如 0, 7, 42；得到的是 '0, x'。"),
    ("/walk", {"seeds": "-1, 2"}, "Seeds are whole numbers with commas between them, such as 0, 7, 42; got '-1, 2'.",
     "种子应是用逗号分隔的整数，例如 0, 7, 42；得到的是 '-1, 2'。"),
    ("/walk", {"seeds": "1 " * 17}, "At most 16 seeds are taken, got 17.", "最多接受 16 个种子，得到的是 17 个。"),
    ("/walk", {"seeds": "1 2 3", "frames": 2}, "A walk through 3 keys needs at least 3 frames, got 2.",
     "经过 3 个关键点的漫步至少需要 3 帧，得到的是 2。"),
    ("/walk", {"frames": 241}, "Frames must be between 2 and 240, got 241.",
     "帧数 必须在 2 与 240 之间，得到的是 241。"),
    ("/walk", {"fps": 0}, "Frames per second must be between 1 and 50, got 0.0.",
     "每秒帧数 必须在 1 与 50 之间，得到的是 0.0。"),
    ("/walk", {"method": "cubic"}, "Path must be one of slerp, lerp, got 'cubic'.",
     "路径 必须是 slerp, lerp 之一，得到的是 'cubic'。"),
    ("/compare", {"n": 17}, "How many pictures must be between 1 and 16, got 17.",
     "图片数量 必须在 1 与 16 之间，得到的是 17。"),
]  # fmt: skip


@pytest.mark.parametrize(("endpoint", "field", "english", "chinese"), BAD_FIELDS)
def test_a_bad_field_is_told_in_the_reader_s_language(app, clients, endpoint, field, english, chinese):
    arguments = ({"/sample": SAMPLE, "/walk": WALK, "/compare": COMPARE}[endpoint] | field).values()
    assert refused(app, clients["en"], *arguments, api_name=endpoint) == english
    assert refused(app, clients["zh"], *arguments, api_name=endpoint) == chinese


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../weights/gan-mnist", "./weights", f"weights/{GAN}", "genart_hub/ui", "~/models", "C:\\models"]
)
def test_the_page_opens_no_path(app, clients, path):
    assert refused(app, clients["en"], path, 1, 0, 1, api_name="/sample").endswith(f" is no model's name. {sentences.HUB[0]}")
    assert refused(app, clients["zh"], path, 1, 0, 1, api_name="/sample").endswith(f" 不是模型的名称。{sentences.HUB[1]}")


def test_a_hub_id_without_a_network_names_the_endpoint(app, clients):
    english = refused(app, clients["en"], "someone/some-gan", 1, 0, 1, api_name="/sample")
    chinese = refused(app, clients["zh"], "someone/some-gan", 1, 0, 1, api_name="/sample")
    assert english.startswith(f"someone/some-gan is none of the models here, and Hugging Face ({app.hub}) cannot be reached.")
    assert chinese.startswith(f"someone/some-gan 不在这里的模型之中，也无法连接 Hugging Face（{app.hub}）。")


def test_a_gan_does_not_reconstruct_in_one_step(app, clients, tmp_path):
    picture = handle_file(digit(tmp_path))
    names = ", ".join(auto.reconstructing())
    english = refused(app, clients["en"], picture, GAN, True, api_name="/reconstruct")
    assert english == f"{GAN} is no VAE, so it cannot reconstruct in one step. Choose one of: {names}."
    assert (
        refused(app, clients["zh"], picture, GAN, True, api_name="/reconstruct")
        == f"{GAN} 不是变分自编码器，不能一步重建。请改选：{names}。"
    )


FORMATS = "Use a PNG, JPEG, GIF or WebP file.", "请使用 PNG、JPEG、GIF 或 WebP 文件。"
UNKNOWN = (
    f"{{}} is not a picture that can be read (it is of no known picture format). {FORMATS[0]}",
    f"{{}} 不是可读的图片（不是已知的图片格式）。{FORMATS[1]}",
)
BAD_FILES = {name: [sentence.format(name) for sentence in UNKNOWN] for name in ("empty.png", "text.png", "eps.png")} | {
    "huge.png": (
        "huge.png has 12000x12000 pixels; at most 40,000,000 are taken. Make it smaller first.",
        "huge.png 有 12000x12000 像素，最多接受 40,000,000 像素。请先把它缩小。",
    )
}


@pytest.fixture(scope="module")
def uploads(tmp_path_factory) -> Path:
    """Files that people upload: odd ones that must work, and bad ones."""
    folder = tmp_path_factory.mktemp("uploads")
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.png").write_text("a letter, not a picture")
    (folder / "eps.png").write_bytes(EPS)
    Image.new("1", (12_000, 12_000)).save(folder / "huge.png")
    Image.new("CMYK", (60, 40), (0, 200, 200, 0)).save(folder / "cmyk.jpg")
    Image.new("RGBA", (40, 60), (255, 0, 0, 0)).save(folder / "clear.png")
    Image.new("I;16", (50, 50), 30_000).save(folder / "sixteen-bits.png")
    frames = [Image.new("L", (32, 32), level) for level in (10, 200)]
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:], duration=100)
    return folder


@pytest.mark.parametrize("endpoint", ["/reconstruct", "/invert", "/restore", "/use_drawing"])
@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_is_no_picture_is_told_in_one_sentence(app, clients, uploads, endpoint, name):
    file = handle_file(uploads / name)
    arguments = {"/reconstruct": (file, VAE, True), "/invert": (file, GAN, True, 10), "/restore": (file,)}.get(endpoint)
    arguments = arguments or (drawing(uploads / name),)
    for lang, sentence in zip(("en", "zh"), BAD_FILES[name], strict=True):
        assert refused(app, clients[lang], *arguments, api_name=endpoint) == sentence
    assert not app.ghostscript.exists()


@pytest.mark.parametrize(
    ("name", "level"),
    [("cmyk.jpg", 106), ("clear.png", 255), ("sixteen-bits.png", 30_000 / 257), ("moving.gif", 10)],  # CMYK: (255, 55, 55) as luma
)
def test_an_odd_picture_is_seen_as_it_looks(client, uploads, name, level):
    seen, *_ = client.predict(handle_file(uploads / name), VAE, False, api_name="/reconstruct")
    low, high = Image.open(seen).convert("L").getextrema()
    assert high - low <= 4
    assert (low + high) / 2 == pytest.approx(level, abs=12)


BAD_RECIPES = [
    (None, "p.png carries no settings.", "p.png 里没有保存设置。"),
    ({"model": "../../etc/passwd", "seed": 0}, "'../../etc/passwd' is no model's name.", "'../../etc/passwd' 不是模型的名称。"),
    ({"model": f"weights/{GAN}", "seed": 0}, f"'weights/{GAN}' is no model's name.", f"'weights/{GAN}' 不是模型的名称。"),
    ({"model": GAN, "seed": 0, "weights_sha256": "0" * 64}, f"This picture was made by another version of {GAN} than the one here",
     f"这张图片由另一个版本的 {GAN} 画成"),
    ({"model": GAN, "seed": -3}, "The settings in p.png are damaged (Seed must be at least 0, got -3).",
     "p.png 里的设置已损坏（随机种子 至少为 0，得到的是 -3）。"),
    ({"model": GAN, "seed": 0, "truncation": "much"}, "The settings in p.png are damaged (How close to the average",
     "p.png 里的设置已损坏（离“平均”多近（截断）"),
    ({"model": GAN, "seed": 0, "n": 65}, "How many pictures must be between 1 and 64, got 65.",
     "图片数量 必须在 1 与 64 之间，得到的是 65。"),
    ({"model": GAN, "seed": 0, "n": 10**9}, "The settings in p.png are damaged (How many pictures must be",
     "p.png 里的设置已损坏（图片数量 必须在"),
]  # fmt: skip


@pytest.mark.parametrize(("recipe", "english", "chinese"), BAD_RECIPES)
def test_a_recipe_that_cannot_be_followed_is_told(app, clients, tmp_path, recipe, english, chinese):
    file = handle_file(picture_with(recipe, tmp_path / "p.png"))
    assert refused(app, clients["en"], file, api_name="/restore").startswith(english)
    assert refused(app, clients["zh"], file, api_name="/restore").startswith(chinese)


def test_no_file_of_the_machine_is_served(app):
    for path in ("/etc/passwd", str(Path(genart_hub.__file__).parent.parent / "app.py")):
        with pytest.raises(urllib.error.HTTPError) as refusal:
            urllib.request.urlopen(f"{app.url}/gradio_api/file={path}", timeout=10)
        assert refusal.value.code == 403
        refusal.value.close()


def test_the_monitoring_page_is_shut(app):
    with urllib.request.urlopen(f"{app.url}/config", timeout=10) as answer:
        assert json.load(answer)["analytics_enabled"] is False
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(f"{app.url}/monitoring", timeout=10)
    assert refusal.value.code in (403, 404)
    refusal.value.close()


def test_after_all_that_the_app_still_samples(app, clients):
    for client in clients.values():
        assert len(client.predict(GAN, 2, 0, 1, api_name="/sample")[0]) == 2
    assert "Traceback" not in app.terminal
