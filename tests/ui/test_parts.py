"""The parts of the app that need no browser: the models of models, the language rule, folders that go, readable examples."""

import asyncio
import os
import re
import string
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest
import torch
from PIL import Image, ImageChops
from pipelines import save_tiny_pipeline
from postscript import EPS

import genart_hub
from genart_hub import images, streams, ui
from genart_hub.errors import MESSAGES, GenartError
from genart_hub.hub import locate
from genart_hub.models import MODELS, stable_diffusion
from genart_hub.ui import completion, examples, fields, figures, folders, handlers, model_cache, scatter, sentences, texts

# ---- uploads ----


async def built_page() -> gr.Blocks:
    """The page, made inside an event loop: Gradio makes one and leaves it open where none runs."""
    return ui.build()


@pytest.mark.slow
def test_no_part_of_the_page_opens_a_picture_that_it_is_handed(tmp_path, ghostscript):
    (tmp_path / "eps.png").write_bytes(EPS)
    sent = {"path": str(tmp_path / "eps.png"), "orig_name": "eps.png", "meta": {"_type": "gradio.FileData"}}
    payloads = {gr.Image: sent, gr.ImageEditor: {"background": sent, "layers": [sent], "composite": sent}, gr.Gallery: [{"image": sent}]}
    handlers = asyncio.run(built_page()).fns.values()
    taken = {component for handler in handlers for component in handler.inputs if isinstance(component, tuple(payloads))}
    assert {next(kind for kind in payloads if isinstance(component, kind)) for component in taken} == set(payloads)
    for component in taken:
        payload = next(payload for kind, payload in payloads.items() if isinstance(component, kind))
        component.preprocess(component.data_model.model_validate(payload))
    assert not ghostscript.exists()


def test_the_app_forgets_formats_that_start_programs_before_it_serves(monkeypatch):
    Image.init()
    monkeypatch.setattr(Image, "OPEN", dict(Image.OPEN))
    monkeypatch.setattr(Image, "ID", list(Image.ID))
    known = []
    page = SimpleNamespace(queue=lambda **options: page, launch=lambda **options: known.extend(Image.OPEN))
    monkeypatch.setattr(ui, "build", lambda: page)
    ui.launch()
    assert "PNG" in known
    assert "EPS" not in known


# ---- the models ----


@pytest.fixture
def three_models(tmp_path, monkeypatch):
    """Three tiny bundled GANs of one size, named one, two and three."""
    for name in ("one", "two", "three"):
        MODELS["GAN"](image_size=4, latent_dim=2).save_pretrained(tmp_path / name)
    monkeypatch.setattr(locate, "WEIGHTS_FOLDERS", (tmp_path,))
    return 4 * sum(p.numel() for p in MODELS["GAN"](image_size=4, latent_dim=2).parameters())  # bytes of one


def test_the_least_used_model_leaves_a_full_shelf(three_models):
    models = model_cache.ModelCache(max_bytes=2 * three_models)
    one, two = models.get("one"), models.get("two")
    assert models.get("one") is one
    models.get("three")
    assert models.get("one") is one
    assert models.get("two") is not two


def test_a_model_larger_than_the_shelf_stays_alone(three_models):
    models = model_cache.ModelCache(max_bytes=1)
    one = models.get("one")
    assert models.get("one") is one
    two = models.get("two")
    assert models.get("two") is two
    assert models.get("one") is not one


def test_the_shelf_s_size_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("GENART_MODEL_MEMORY_MB", "1.5")
    assert model_cache.ModelCache().max_bytes == 1_500_000


@pytest.mark.parametrize("name", ["/etc", "..", "../one", "./one", "~/one", "a\\b", "models/mine", "models/mine@main", "one/../two"])
def test_the_shelf_takes_no_path_even_one_that_exists(three_models, tmp_path, monkeypatch, name):
    (tmp_path / "models").mkdir()
    MODELS["GAN"](image_size=4, latent_dim=2).save_pretrained(tmp_path / "models" / "mine")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(GenartError) as refusal:
        model_cache.ModelCache().get(name)
    assert refusal.value.code == "path_refused"


@pytest.mark.parametrize("name", ["", " ", "none", None, 3, ["one"]])
def test_a_name_of_nothing_is_told_with_the_bundled_ones(three_models, name):
    with pytest.raises(GenartError, match="one, three, two") as refusal:
        model_cache.ModelCache().get(name)
    assert refusal.value.code == "model_not_found"


def test_the_host_may_name_a_folder(three_models, tmp_path):
    assert model_cache.ModelCache().get(f" {tmp_path / 'one'} ", trusted=True).latent_dim == 2


def test_spaces_around_a_name_do_no_harm(three_models):
    models = model_cache.ModelCache()
    assert models.get(" one ") is models.get("one")


# ---- classes and ladders ----


def test_the_classes_of_emoji_are_offered_in_the_reader_s_language_and_asked_for_by_their_names():
    names = list(texts.CLASSES_ZH)
    chinese = fields.class_choices(names, "zh")
    assert chinese["choices"][:2] == [("任意", ""), ("笑脸与情感", "smileys-emotion")]
    assert [value for _, value in chinese["choices"]] == ["", *names]
    assert all("\u4e00" <= shown[0] <= "\u9fff" for shown, _ in chinese["choices"])
    assert fields.class_choices(names, "en")["choices"] == [("any", ""), *zip(names, names, strict=True)]


def test_a_class_of_a_stranger_s_model_keeps_its_name():
    assert fields.class_choices(["cat", "objects"], "zh")["choices"][1:] == [("cat", "cat"), ("物品", "objects")]


@pytest.mark.parametrize(
    ("names", "chosen", "value", "visible"),
    [(("cat", "dog"), "dog", "dog", True), (("cat", "dog"), "cow", "", True), ((), "cow", "", False), (("3", "4"), "", "", True)],
)
def test_a_class_box_keeps_a_class_that_the_next_model_has_and_hides_where_there_is_none(names, chosen, value, visible):
    shown = fields.class_choices(names, "en", chosen)
    assert (shown["value"], shown["visible"]) == (value, visible)


def test_a_class_comes_as_its_name_or_as_its_number_where_that_is_its_name(tiny):
    digits, pets = tiny(MODELS["DCGAN"], num_classes=10), tiny(MODELS["DCGAN"], num_classes=0, class_names=["dog", "cat", "0"])
    assert [fields.class_of(value, digits) for value in ("3", 3, " 3 ", "", " ", None)] == [3, 3, 3, None, None, None]
    assert [fields.class_of(value, pets) for value in ("cat", 1, "0", 0)] == ["cat", "cat", "0", "dog"]


@pytest.mark.parametrize(("name", "code"), [("cow", "bad_label"), (10, "bad_label"), (True, "bad_label")])
def test_a_class_that_the_model_lacks_is_refused(tiny, name, code):
    with pytest.raises(GenartError) as refusal:
        fields.class_of(name, tiny(MODELS["DCGAN"], num_classes=10))
    assert refusal.value.code == code


def test_a_caption_tells_the_class_then_the_seed_then_the_discriminator():
    assert fields.caption("en", 5) == "seed 5"
    assert fields.caption("en", 5, "food-drink") == "food-drink · seed 5"
    assert fields.caption("zh", 5, "food-drink", 62) == "食物与饮料 · 种子 5 · ▰▰▰▱▱ 62%"


@pytest.mark.parametrize(
    ("name", "ladder"),
    [("gan-mnist", "digits"), ("me/my-emoji ", "emoji"), ("emoji", None), ("mnist-gan", None), ("", None), (None, None)],
)
def test_a_model_stands_on_the_ladder_that_its_name_ends_with(name, ladder):
    assert fields.ladder_of(name) == ladder


def test_the_first_model_of_a_ladder_is_found_or_none():
    assert fields.on_ladder(["b-emoji", "z-mnist", "a-mnist"], "digits") == "z-mnist"
    assert fields.on_ladder(["a-mnist"], "emoji") is None
    assert fields.on_ladder(["stranger"], None) is None


# ---- pipelines, and calls that can be stopped ----


def test_a_call_s_steps_are_told_as_they_come_and_its_result_is_returned_with_the_time_that_it_worked():
    def call(on_step):
        for step in (1, 2, 3):
            on_step(step, 3)
        return "done"

    steps = streams.steps_of(call)
    assert [next(steps) for _ in range(3)] == [(1, 3), (2, 3), (3, 3)]
    time.sleep(0.2)  # nobody asks for the next step
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert end.value.value[0] == "done"
    assert end.value.value[1] < 0.1


def test_closing_the_steps_ends_the_call_at_the_step_that_it_waits_at():
    made, ended = [], threading.Event()

    def call(on_step):
        try:
            for step in range(1, 100):
                made.append(step)
                on_step(step, 100)
        finally:
            ended.set()

    steps = streams.steps_of(call)
    assert next(steps) == (1, 100)
    steps.close()
    assert ended.wait(10)
    assert made == [1]


def test_an_error_within_a_call_comes_out_of_its_steps():
    def call(on_step):
        on_step(1, 2)
        raise GenartError("empty_prompt")

    with pytest.raises(GenartError, match="The prompt is empty"):
        list(streams.steps_of(call))


class Page:
    """What a stream needs to know of the page that asked for it."""

    def __init__(self, session_hash):
        self.session_hash = session_hash


def test_a_stopped_stream_ends_with_all_that_was_shown_and_its_last_update_and_those_of_other_pages_go_on():
    running, closed = handlers.Running(), []

    def counted(request):
        try:
            yield from ({"picture": "drawn", "step": 0}, *({"step": k} for k in (1, 2, 3)))
        finally:
            closed.append(request.session_hash)

    stoppable = running.until_stopped(counted, lambda request: {"step": f"{request.session_hash} stopped"})
    mine, theirs = stoppable(Page("mine")), stoppable(Page("theirs"))
    assert [next(mine)["step"], next(theirs)["step"], next(mine)] == [0, 0, {"step": 1}]
    running.stop(Page("mine"))
    assert list(mine) == [{"picture": "drawn", "step": "mine stopped"}]
    assert closed == ["mine"]
    assert list(theirs) == [{"step": 1}, {"step": 2}, {"step": 3}]
    running.stop(Page("mine"))  # nothing runs there any more
    assert [update["step"] for update in stoppable(Page("mine"))] == [0, 1, 2, 3]


def test_the_boxes_that_walk_through_latents_offer_no_pipeline(three_models, tmp_path, monkeypatch):
    monkeypatch.setenv("GENART_MODELS", "me/mine")
    save_tiny_pipeline(tmp_path / "drawn")
    assert model_cache.offered() == ["drawn", "one", "three", "two", "me/mine"]
    assert model_cache.offered_from_latents() == ["one", "three", "two", "me/mine"]


def test_a_strip_goes_from_noise_to_the_finished_picture_in_even_steps():
    assert sorted(figures.moments_of(20)) == [0, 3, 6, 9, 11, 14, 17, 20]
    assert sorted(figures.moments_of(1)) == [0, 1]
    assert sorted(figures.moments_of(4)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("count", "shown"), [(999, "999"), (1_500, "1.5 k"), (12_345_678, "12.3 M"), (5.2e9, "5.2 G"), (3e12, "3 T")])
def test_a_large_number_is_shortened(count, shown):
    assert figures.short(count) == shown


@pytest.mark.parametrize(
    ("seconds", "english", "chinese"), [(0.0021, "2.1 ms", "2.1 毫秒"), (0.52, "0.52 s", "0.52 秒"), (600, "10 minutes", "10 分钟")]
)
def test_a_time_is_told_in_the_unit_that_fits(seconds, english, chinese):
    assert (figures.duration("en", seconds), figures.duration("zh", seconds)) == (english, chinese)


TICKS = {"en": "1 ms, 10 ms, 100 ms, 1 s, 10 s", "zh": "1 毫秒, 10 毫秒, 100 毫秒, 1 秒, 10 秒"}


@pytest.mark.parametrize(("lang", "ticks"), TICKS.items())
def test_the_axis_of_time_has_a_line_at_each_power_of_ten_and_points_lie_between_them(lang, ticks):
    colours = {"a": "#111111", "b": "#222222", "<i>": "#333333"}
    drawn = scatter.scatter(lang, [(0.001, 2.0, "a"), (0.1, 4.0, "b"), (3.0, 10.0, "<i>")], colours)
    assert re.findall(r'class="x" style="left:[\d.]+%">(.*?)<', drawn) == ticks.split(", ")
    places = re.findall(r'class="point" style="left:([\d.]+)%;bottom:([\d.]+)%;background:(#\d+)', drawn)
    assert [colour for *_, colour in places] == ["#111111", "#222222", "#333333"]
    assert [float(left) for left, *_ in places] == pytest.approx([0, 50, 86.93], abs=0.01)
    heights = [float(up) for _, up, _ in places]
    assert heights[2] == pytest.approx(5 * heights[0], abs=0.05)
    assert "<i>" not in drawn.replace("<i style", "")


@pytest.mark.parametrize(("most", "step"), [(0.9, 0.2), (5, 1), (12, 5), (47, 10), (300, 100)])
def test_the_lines_across_are_few_and_round(most, step):
    assert scatter.step_of(most) == pytest.approx(step)


@pytest.mark.parametrize(("download", "free", "seconds"), [(2_740_000_000, 8_000_000_000, 95.0), (0, 3_000_000_000, None)])
def test_what_a_big_pipeline_takes_is_told_in_both_languages(download, free, seconds):
    estimate = stable_diffusion.Estimate("me/big", download, 4_500_000_000, seconds, free)
    english, chinese = figures.estimated("en", estimate), figures.estimated("zh", estimate)
    assert ("2.7 GB" in english, "2.7 GB" in chinese) == (download > 0, download > 0)
    assert ("already on this machine" in english, "已在本机" in chinese) == (not download, not download)
    assert ("95 s" in english, "95 秒" in chinese) == (seconds is not None, seconds is not None)
    assert f"4.5 GB of memory ({free / 1e9:.1f} GB are free here)" in english
    assert ("refused" in english, "拒绝" in chinese) == (free < 4_500_000_000, free < 4_500_000_000)


# ---- the language ----


class Request(gr.Request):
    def __init__(self, accepted: str | None, **address: str):
        self.headers = {} if accepted is None else {"accept-language": accepted}
        self.query_params = address


@pytest.mark.parametrize(
    ("accepted", "lang"),
    [
        ("zh", "zh"), ("zh-CN,zh;q=0.9,en;q=0.8", "zh"), ("zh-HK;q=0.9", "zh"), ("ZH-Hant-TW", "zh"), (" zh", "zh"),
        ("en,zh", "en"), ("en-US", "en"), ("fr", "en"), ("", "en"), ("*", "en"), (None, "en"),
    ],
)  # fmt: skip
def test_a_browser_whose_first_language_is_chinese_gets_chinese(accepted, lang):
    assert texts.language(Request(accepted)) == lang


@pytest.mark.parametrize(("named", "lang"), [("zh", "zh"), ("en", "en"), ("python", "zh"), ("<b>", "zh"), ("", "zh")])
def test_the_address_goes_before_the_browser(named, lang):
    assert texts.language(Request("zh-CN", lang=named)) == lang


def test_without_a_request_the_language_is_english():
    assert texts.language(None) == "en"


def placeholders(text: str) -> set[str]:
    return {field for _, field, _, _ in string.Formatter().parse(text) if field}


def test_every_error_has_a_chinese_sentence_with_values_that_the_english_one_has():
    assert sentences.ERRORS_ZH.keys() == MESSAGES.keys()
    for code, sentence in sentences.ERRORS_ZH.items():
        assert {field.split("!")[0] for field in placeholders(sentence)} <= {
            field.split("!")[0] for field in placeholders(MESSAGES[code])
        }, code
        assert any("\u4e00" <= letter <= "\u9fff" for letter in sentence), code


def test_every_text_has_both_languages_with_the_same_values():
    for key, (english, chinese) in texts.TEXTS.items():
        assert english, key
        assert chinese, key
        if "\\" not in english:  # formulas have braces of their own
            assert placeholders(english) == placeholders(chinese), key


def test_a_reason_within_an_error_is_translated_too():
    error = GenartError("bad_picture", file="a.png", reason=GenartError("reason_format"))
    assert texts.sentence("zh", error) == "a.png 不是可读的图片（不是已知的图片格式）。请使用 PNG、JPEG、GIF 或 WebP 文件。"
    assert texts.sentence("en", error) == str(error)


# ---- a handler's errors ----


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(("accepted", "title"), [("zh-TW", "没有成功"), ("en", "That did not work")])
def test_a_surprise_is_told_in_a_sentence_and_printed_to_the_terminal(capsys, streaming, accepted, title):
    def fails(request: gr.Request):
        raise RuntimeError("out of <memory>\nand a second line")

    def streams(request: gr.Request):
        yield 1
        raise RuntimeError("out of <memory>\nand a second line")

    with pytest.raises(gr.Error) as told:
        list(handlers.guarded(streams if streaming else fails)(Request(accepted)))
    assert told.value.title == title
    assert "(out of &lt;memory&gt;)" in told.value.message.replace("（", "(").replace("）", ")")
    assert "second line" not in told.value.message
    assert "RuntimeError: out of <memory>" in capsys.readouterr().err


class FromPage(Request):
    """A request of a page, whose events have names."""

    def __init__(self, accepted: str):
        super().__init__(accepted)
        self.headers["x-gradio-user"] = "app"


def drawing(model_name: str, n: int, seed: int, prompt: str, label: str, request: gr.Request):
    raise model_name


@pytest.mark.parametrize(
    ("error", "place", "sentence"),
    [
        (GenartError("empty_prompt"), 3, "提示词是空的。请写下图片应该画什么。"),
        (GenartError("bad_label", where="DCGAN", value="'x'", choices="0, 1"), 4, "没有类别 'x'。请从中选择：0, 1。"),
        (GenartError("too_large", where="采样", name="图片数量", high=64, value="65"), 1, "图片数量 最多为 64，得到的是 65。"),
        (GenartError("out_of_range", where="GAN", name="seed", low=0, high=2**53 - 1, value="-1"), 2, "随机种子 至少为 0，得到的是 -1。"),
        (GenartError("hub_gated", name="a/<b>"), 0, "a/<b> 需要先接受它的条款，这里无法做到。请换一个。"),
    ],
)
def test_a_page_gets_the_sentence_at_the_field_that_it_is_about(monkeypatch, error, place, sentence):
    monkeypatch.setattr(handlers, "event_id", lambda: "an event")
    with pytest.raises(gr.Error) as told:
        handlers.guarded(drawing)(error, 1, 2, "", "", FromPage("zh"))
    assert [one["is_valid"] for one in told.value.message] == [k != place for k in range(5)]
    assert told.value.message[place]["message"] == sentence


def test_a_page_gets_what_is_about_no_field_in_a_message_with_a_title_in_its_language(monkeypatch):
    warned = []
    monkeypatch.setattr(handlers, "event_id", lambda: "an event")
    monkeypatch.setattr(gr, "Warning", lambda *arguments, **options: warned.append((arguments, options)))
    with pytest.raises(gr.Error) as told:
        handlers.guarded(drawing)(GenartError("too_busy", count=3), 1, 2, "", "", FromPage("zh"))
    assert warned == [(("应用已有 3 个请求要处理。请过一分钟再试。",), {"title": "没有成功"})]
    assert all(one["is_valid"] for one in told.value.message)


def test_no_sentence_for_a_page_speaks_of_code():
    for code, pair in sentences.ON_PAGE.items():
        assert code in MESSAGES or code == "seed_too_large"
        assert placeholders(pair[0]) == placeholders(pair[1]), code
        assert not re.search(r"[=`_]|--|token|HF_|pickle|config", re.sub(r"\{\w+[^}]*\}", "", pair[0])), code


@pytest.mark.parametrize(("typed", "first"), [("rock", ["rock", "rocket"]), ("ROCK", ["rock", "rocket"]), (" 苹", ["红苹果", "青苹果"])])
def test_names_are_offered_for_what_is_typed_those_that_begin_with_it_first(typed, first):
    assert completion.complete(typed)[: len(first)] == first
    assert len(completion.complete("a")) == completion.MOST


@pytest.mark.parametrize("typed", ["", " ", "x" * 61, None, 3, ["cat"], "qqq"])
def test_nothing_is_offered_for_what_is_no_beginning_of_a_name(typed):
    assert completion.complete(typed) == []


def test_a_name_stands_behind_those_that_are_part_of_it():
    names = fields.whole_names_first(["dcgan-mnist", "me/gan-mnist", "gan-mnist", "vae"])
    assert all(names.index(part) < names.index(name) for name in names for part in names if part in name and part != name)


def test_an_error_of_the_reader_leaves_the_terminal_quiet(capsys):
    def fails(request: gr.Request):
        raise GenartError("no_picture")

    with pytest.raises(gr.Error, match="There is no picture yet"):
        handlers.guarded(fails)(Request("en"))
    assert not capsys.readouterr().err


# ---- folders ----


def test_folders_of_old_answers_go_and_young_ones_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(handlers, "_ROOT", tmp_path / "root")
    old, young = handlers.new_folder(), handlers.new_folder()
    (old / "picture.png").write_bytes(b"x")
    long_ago = old.stat().st_mtime - folders.KEEP_SECONDS - 1
    os.utime(old, (long_ago, long_ago))
    newest = handlers.new_folder()
    assert sorted(Path(tmp_path / "root").iterdir()) == sorted([young, newest])


# ---- the examples ----


def test_the_digits_are_black_ink_on_white_paper(tmp_path):
    paths = examples.save_digits(tmp_path)
    assert [Path(path).name for path in paths] == [f"digit-{name}.png" for name in examples.STROKES]
    for path in paths:
        picture = Image.open(path)
        assert picture.getpixel((0, 0)) == 255
        assert 0.03 < picture.histogram()[0] / picture.width / picture.height < 0.4


@pytest.mark.skipif("features-mnist" not in genart_hub.bundled("features"), reason="weights/features-mnist is not there")
@pytest.mark.parametrize("name", examples.STROKES)
def test_an_example_is_read_as_the_digit_that_it_is(name):
    classifier = genart_hub.from_pretrained("features-mnist")
    x = images.from_pil(images.center_digit(examples.draw(examples.STROKES[name])), 28, 1)
    with torch.no_grad():
        assert classifier(x).argmax().item() == int(name)


def test_the_colour_pictures_fill_their_white_paper(tmp_path):
    paths = examples.save_emoji(tmp_path)
    assert [Path(path).name for path in paths] == [f"emoji-{name}.png" for name in examples.SHAPES]
    for path in paths:
        picture = Image.open(path)
        assert (picture.mode, picture.size, picture.getpixel((0, 0))) == ("RGB", (256, 256), (255, 255, 255))
        left, top, right, bottom = ImageChops.difference(picture, Image.new("RGB", picture.size, "white")).getbbox()
        assert min(right - left, bottom - top) > 200


@pytest.mark.parametrize(
    ("name", "point", "main"),
    [("face", (50, 20), "rg"), ("heart", (50, 60), "r"), ("apple", (60, 60), "r"), ("tree", (50, 50), "g"), ("house", (20, 70), "b")],
)
def test_a_colour_picture_has_the_colour_of_its_thing(name, point, main):
    colour = dict(zip("rgb", examples.paint(examples.SHAPES[name]).getpixel(tuple(round(2.56 * x) for x in point)), strict=True))
    assert min(colour[one] for one in main) > 30 + max(colour[one] for one in "rgb" if one not in main)


def test_edges_in_colour_are_smooth():
    picture = examples.paint([("form", "#000000", [(10, 10), (90, 30), (10, 50)])]).convert("L")
    assert len(picture.getcolors()) > 8
