"""The Comparison tab's endpoints, called over HTTP: the bundled models, pipelines beside them, and big ones."""

import json
import re

import pytest
from gradio_client.exceptions import AppError
from over_http import (
    GAN,
    TINY_NAMES,
    answers_of,
    compared,
    refused,
    same_picture,
)
from PIL import Image
from running import DIGITS, EMOJI, PIPELINE, connect

import genart_hub
from genart_hub import images
from genart_hub.ui import answers, texts

# ---- comparison ----


BUNDLED_DIGITS = sorted((name for name in genart_hub.bundled() if name.endswith("-mnist")), key=answers.history_of)
HEADERS = {
    "en": [
        "Model", "Seconds", "Pictures/s", "Parameters", "Pixels", "MB on disk", "Multiply-adds", "Peak memory (MB)", "Accepts",
        "Fréchet distance",
    ],
    "zh": ["模型", "用时（秒）", "张/秒", "参数量", "像素", "磁盘（MB）", "乘加运算", "峰值内存（MB）", "接受什么", "Fréchet 距离"],
}  # fmt: skip


def test_every_bundled_model_of_the_digits_answers_the_comparison(client):
    galleries, cards, table, status = answers_of(
        client.predict(4, 20, 1, "", "digits", api_name="/compare_on_page"), sorted(genart_hub.bundled(), key=answers.history_of)
    )
    for name in BUNDLED_DIGITS:
        gallery = galleries[name]
        assert [shown["caption"].split(" · ")[-1] for shown in gallery] == ["seed 20", "seed 21", "seed 22", "seed 23"]
        expected = images.to_pil(genart_hub.from_pretrained(name).sample(1, seed=22)[0])
        assert same_picture(Image.open(gallery[2]["image"]), expected)
        assert 'class="card"' in cards[name]
    assert [row[0] for row in table["data"]] == BUNDLED_DIGITS
    assert ("GENART_SD_MODEL" in status) == (not genart_hub.bundled("diffusion"))


def test_the_comparison_s_numbers_are_those_of_the_models(client):
    *_, table, _ = client.predict(4, 0, 1, "", "digits", api_name="/compare_on_page")
    assert table["headers"] == HEADERS["en"]
    for name, seconds, rate, parameters, pixels, megabytes, _, memory, told, frechet in table["data"]:
        model = genart_hub.from_pretrained(name)
        count = sum(p.numel() for p in model.parameters())
        assert rate == pytest.approx(4 / seconds, rel=0.1)  # seconds are shown to a tenth of a millisecond
        assert parameters == f"{count:,}"
        assert pixels == f"{model.image_size}×{model.image_size}×{model.channels}"
        assert megabytes == pytest.approx(model.source.file.stat().st_size / 1e6, abs=0.006)
        assert 4e-6 * count < memory < 4e-6 * count + 2
        assert told == ("accepts a class" if model.class_names else "draws at random")
        measured = json.loads(model.source.companion("evaluation.json").read_text("utf-8"))["results"][name]
        assert frechet == next(round(row["value"], 2) for row in measured if row["metric"] == "frechet")
    work = {row[0]: row[6] for row in table["data"]}
    assert work[GAN] == "578 k"  # 100 x 128 + 128 x 256 + 256 x 512 + 512 x 784


def test_the_comparison_streams_a_model_at_a_time_in_the_reader_s_language(clients):
    results = list(clients["zh"].submit(2, 0, 1, "", "digits", api_name="/compare_on_page"))
    counts = [len(result[-2]["data"]) for result in results if "data" in result[-2]]
    assert counts == sorted(counts)  # on a busy machine, updates that come one upon the other are left out
    assert counts[-1] == len(BUNDLED_DIGITS)
    assert results[-1][-2]["headers"] == HEADERS["zh"]


@pytest.fixture(scope="module")
def client_with_pipeline(app_with_pipeline, tmp_path_factory):
    return connect(app_with_pipeline, "en", tmp_path_factory.mktemp("downloads"))


def test_a_pipeline_of_the_host_answers_too_with_four_pictures_at_most(client_with_pipeline, pipeline_folder):
    outputs = client_with_pipeline.predict(6, 3, 1, "a red apple", api_name="/compare_on_page")
    galleries, cards, table, status = answers_of(outputs, TINY_NAMES)
    assert [shown["caption"] for shown in galleries["big"]] == ["seed 3", "seed 4", "seed 5", "seed 6"]
    expected = images.to_pil(genart_hub.from_pretrained(str(pipeline_folder)).sample(4, seed=3, prompt="a red apple"))
    for shown, picture in zip(galleries["big"], expected, strict=True):
        assert same_picture(Image.open(shown["image"]), picture)
    name, _, _, parameters, pixels, megabytes, *_, told, frechet = table["data"][-1]
    assert (name, pixels, told, frechet) == ("tiny-sd", "16×16×3", "accepts words", None)
    assert int(parameters.replace(",", "")) * 4e-6 == pytest.approx(megabytes, abs=0.1)  # float32
    assert "not measured" in cards["big"]
    assert "### tiny-sd\nnot like for like" in outputs[-4]
    assert not status


def test_a_pipeline_without_a_prompt_says_so_and_the_others_still_answer(client_with_pipeline):
    *_, table, status = client_with_pipeline.predict(2, 0, 1, " ", "digits", api_name="/compare_on_page")
    assert [row[0] for row in table["data"]] == DIGITS
    assert status == "tiny-sd could not answer: The prompt is empty. Write what the picture should show."


def test_the_host_s_own_folder_stays_closed_to_the_page(client_with_pipeline, pipeline_folder):
    with pytest.raises(AppError, match="no model's name"):
        client_with_pipeline.predict(str(pipeline_folder), 1, 0, 1, api_name="/sample")


def test_a_prompt_that_was_left_alone_is_the_one_that_is_shown(client_with_pipeline, pipeline_folder):
    galleries, *_, status = compared(client_with_pipeline, 1, 0, 1)
    expected = images.to_pil(genart_hub.from_pretrained(str(pipeline_folder)).sample(1, prompt="red apple"))
    assert same_picture(Image.open(galleries["big"][0]["image"]), expected[0])
    assert not status


@pytest.fixture(scope="module")
def rockets(tiny_clients) -> tuple:
    """All that a comparison of the prompt "rocket" gives; somebody pressed Stop before, when nothing ran."""
    tiny_clients["en"].predict(api_name="/stop_comparison")
    return tiny_clients["en"].predict(3, 5, 1, "rocket", "emoji", api_name="/compare_on_page")


def test_a_bundled_pipeline_answers_the_prompt_beside_the_models_of_its_ladder_and_no_others(tiny_model, rockets):
    galleries, cards, table, status = answers_of(rockets, TINY_NAMES)
    names = [*EMOJI, PIPELINE]
    assert [row[0] for row in table["data"]] == names
    assert [name for name in TINY_NAMES if isinstance(galleries[name], list)] == names  # the others are left as they are
    assert [name for name in TINY_NAMES if cards[name]] == names
    for shown, picture in zip(galleries[PIPELINE], images.to_pil(tiny_model(PIPELINE).sample(3, 5, prompt="rocket")), strict=True):
        assert same_picture(Image.open(shown["image"]), picture)
    assert "accepts words" in cards[PIPELINE]
    assert "<b>7.25</b> <span>lower is better; real pictures: 1.5</span>" in cards[PIPELINE]
    assert "<b>61%</b>" in cards[PIPELINE]
    assert "Precision" not in cards[PIPELINE]
    assert "Fréchet" not in cards["conv-vae-emoji"]
    assert not status


def test_the_steps_unfold_in_a_strip_that_grows_from_noise_to_the_finished_picture(tiny_model, tiny_clients):
    results = list(tiny_clients["zh"].submit(2, 5, 1, "火箭", "emoji", api_name="/compare_on_page"))
    place = 2 * (len(TINY_NAMES) + 1)  # the strip of the only bundled pipeline stands after the pictures and the cards
    lengths = [len(result[place]) for result in results if isinstance(result[place], list)]
    assert list(dict.fromkeys(lengths)) == [0, 1, 2, 3, 4, 5, 6, 7, 8]
    strip = results[-1][place]
    assert [one["caption"] for one in strip] == [f"第 {step} / 10 步" for step in (0, 1, 3, 4, 6, 7, 9, 10)]
    moments = {step: images.to_pil(x[0]) for step, _, x in tiny_model(PIPELINE).denoise(1, 5, prompt="火箭")}
    for step, one in zip((0, 1, 3, 4, 6, 7, 9, 10), strip, strict=True):
        assert same_picture(Image.open(one["image"]).resize((16, 16), Image.Resampling.NEAREST), moments[step])
    told = [result[-1] for result in results if isinstance(result[-1], str)]
    steps = [int(one.split("第 ")[1].split(" /")[0]) for one in told if PIPELINE in one and "第 " in one]
    assert steps == sorted(steps)  # once only
    assert any(re.fullmatch(r"▰{10}▱{10} tiny-sd-emoji · 2 张图片 · 第 5 / 10 步", one) for one in told)


def test_the_models_answers_are_plotted_by_time_and_quality(rockets):
    plot = next(one for one in rockets if isinstance(one, str) and 'class="scatter"' in one)
    assert re.findall(r"<li><i [^>]*></i>([\w-]+): .*? a picture, distance ([\d.]+)</li>", plot) == [
        ("dcgan-emoji", "7.25"),
        (PIPELINE, "7.25"),
    ]
    (fast, low), (slow, same) = re.findall(r'class="point" style="left:([\d.]+)%;bottom:([\d.]+)%', plot)
    assert float(fast) < float(slow) <= 100
    assert low == same
    assert "Fréchet distance (lower is better)" in plot


@pytest.mark.parametrize(
    ("prompt", "english", "chinese"),
    [
        ("", "The prompt is empty. Write what the picture should show.", "提示词是空的。请写下图片应该画什么。"),
        (
            "x" * 10_000,
            "The prompt has 10,000 characters; at most 2,000 are taken. Shorten it.",
            "提示词有 10,000 个字符，最多接受 2,000 个。请缩短它。",
        ),
    ],
    ids=["empty", "long"],
)
def test_a_prompt_that_cannot_be_read_is_told_and_the_other_models_answer(tiny_app, tiny_clients, prompt, english, chinese):
    for lang, sentence in (("en", f"{PIPELINE} could not answer: {english}"), ("zh", f"{PIPELINE} 未能作答：{chinese}")):
        _, cards, table, status = compared(tiny_clients[lang], 1, 0, 1, prompt, "emoji")
        assert status == sentence
        assert [row[0] for row in table["data"]] == EMOJI
        assert not cards[PIPELINE]
    assert refused(tiny_app, tiny_clients["en"], PIPELINE, 1, 0, 1, "", prompt, api_name="/sample") == english
    assert refused(tiny_app, tiny_clients["zh"], PIPELINE, 1, 0, 1, "", prompt, api_name="/sample") == chinese


def test_an_odd_prompt_is_drawn(tiny_clients):
    galleries, _, _, _ = compared(tiny_clients["en"], 1, 0, 1, "red 苹果 <b>rouge</b>\n😀🚀", "emoji")
    assert len(galleries[PIPELINE]) == 1


def test_the_end_of_a_prompt_that_is_not_read_is_named(tiny_clients):
    prompt, unread = "abcdefghijklmnopq <i>&", "opq &lt;i&gt;&amp;"  # 16 tokens with both ends, a letter each
    assert compared(tiny_clients["en"], 1, 0, 1, prompt, "emoji")[-1].endswith(f"It does not see the end: “{unread}”")
    *_, note = tiny_clients["zh"].predict(PIPELINE, 1, 0, 1, "", prompt, api_name="/sample")
    assert note.endswith(f"它看不到后面的部分：“{unread}”")


def test_a_big_pipeline_that_cannot_be_reached_is_told_and_there_is_nothing_to_agree_to(tiny_app, tiny_clients):
    big = "nota-ai/bk-sdm-tiny"
    for lang, told, refusal in (
        ("en", "cannot be reached", f"{big} is loaded only for a page that has read what it takes and agreed."),
        ("zh", "无法连接", "只有读过所需开销并同意的页面才会加载"),
    ):
        assert told in tiny_clients[lang].predict(big, "emoji", api_name="/tell_big")[0]
        assert refused(tiny_app, tiny_clients[lang], True, big, api_name="/agree_to_big").startswith(refusal)
        assert refused(tiny_app, tiny_clients[lang], 1, 0, 1, "rocket", "digits", "", big, api_name="/compare_on_page").startswith(refusal)


@pytest.mark.parametrize("big", ["someone/else", "/etc/passwd", PIPELINE])
def test_only_the_big_pipelines_that_are_offered_are_loaded(tiny_app, tiny_clients, big):
    sentence = refused(tiny_app, tiny_clients["en"], 1, 0, 1, "rocket", "emoji", "", big, api_name="/compare_on_page")
    assert sentence.startswith("Add the full-size Stable Diffusion (optional download) must be one of ")
    assert sentence.endswith(f"nota-ai/bk-sdm-tiny, got '{big}'.")


def test_a_chosen_class_reaches_the_conditional_models_alone_and_the_digits_need_no_prompt(tiny_model, tiny_clients):
    galleries, cards, table, status = compared(tiny_clients["en"], 2, 8, 1, "", "digits", "6")
    assert [row[0] for row in table["data"]] == DIGITS
    assert [name for name in TINY_NAMES if cards[name]] == DIGITS
    assert not status
    for name in DIGITS:
        label = 6 if name in ("cvae-mnist", "dcgan-mnist") else None
        assert galleries[name][1]["caption"] == ("seed 9" if label is None else "6 · seed 9")
        assert same_picture(images.to_pil(tiny_model(name).sample(1, 9, label=label)[0]), Image.open(galleries[name][1]["image"]))


def test_without_a_chosen_class_each_picture_of_the_comparison_tells_its_own(tiny_model, tiny_clients):
    galleries, *_ = compared(tiny_clients["zh"], 3, 8, 1, "", "emoji")
    model = tiny_model("dcgan-emoji")
    called = [texts.CLASSES_ZH[model.class_names[label]] for label in model.labels(3, 8).tolist()]
    shown = galleries["dcgan-emoji"]
    assert [one["caption"] for one in shown] == [f"{name} · 种子 {8 + k}" for k, name in enumerate(called)]
