"""Every endpoint of the app, called over HTTP; then everything a person can get wrong, in both languages."""

import json
import re
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

import pytest
import torch
from conftest import DIGITS, EMOJI, PIPELINE, connect
from gradio_client import handle_file
from gradio_client.exceptions import AppError
from PIL import Image, ImageChops, ImageSequence
from postscript import EPS

import genart_hub
from genart_hub import images, latents
from genart_hub.hub import locate
from genart_hub.ui import texts

GAN, VAE = "gan-mnist", "vae-mnist"


def same_picture(a: Image.Image, b: Image.Image) -> bool:
    """Equal to one grey level."""
    difference = ImageChops.difference(a.convert("RGB"), b.convert("RGB"))
    return a.size == b.size and all(high <= 1 for _, high in difference.getextrema())


def small(picture: str | Image.Image, side: int = 28) -> Image.Image:
    """A picture that the app enlarged, at its own size again."""
    picture = picture if isinstance(picture, Image.Image) else Image.open(picture)
    return picture.convert("L").resize((side, side), Image.Resampling.NEAREST)


def mean_squared_error(a: str, b: str) -> float:
    x, x_hat = (torch.tensor(list(small(path).tobytes())) / 255 for path in (a, b))
    return (x - x_hat).square().mean().item()


def digit(folder: Path) -> Path:
    from genart_hub.ui.examples import save_digits

    return Path(save_digits(folder)[3])


def apple(folder: Path) -> Path:
    from genart_hub.ui.examples import save_emoji

    return Path(save_emoji(folder)[2])


def test_every_public_endpoint_is_called_in_this_file(client):
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    called = set(re.findall(r'"(/\w+)"', Path(__file__).read_text("utf-8")))
    assert len(named) >= 9
    assert set(named) <= called


# ---- sampling ----


def test_picture_k_of_sample_carries_seed_plus_k(client):
    gallery, one, *_ = client.predict(GAN, 3, 41, 0.7, api_name="/sample")
    recipes = [images.read_recipe(shown["image"]) for shown in gallery]
    assert [recipe["seed"] for recipe in recipes] == [41, 42, 43]
    assert {(recipe["model"], recipe["n"], recipe["truncation"]) for recipe in recipes} == {(GAN, 1, 0.7)}
    assert images.read_recipe(one)["seed"] == 41


@pytest.mark.parametrize(("lang", "seed", "score"), [("en", "seed", "D"), ("zh", "种子", "判别器")])
def test_a_gan_s_captions_carry_its_discriminator_s_probability(clients, lang, seed, score):
    gallery, *_, note = clients[lang].predict(GAN, 2, 5, 1, api_name="/sample")
    model = genart_hub.from_pretrained(GAN)
    expected = torch.sigmoid(model.discriminate(model.sample(2, seed=5))).tolist()
    for k, shown in enumerate(gallery):
        match = re.fullmatch(rf"{seed} (\d+) · {score} (\d\.\d\d)", shown["caption"])
        assert int(match[1]) == 5 + k
        assert float(match[2]) == pytest.approx(expected[k], abs=0.0051)
    assert note


def test_a_vae_s_captions_carry_the_seed_alone(client):
    gallery, *_, note = client.predict(VAE, 2, 5, 1, api_name="/sample")
    assert [shown["caption"] for shown in gallery] == ["seed 5", "seed 6"]
    assert not note


def test_the_grid_holds_the_pictures_in_rows_of_eight(client):
    gallery, _, grid, *_ = client.predict(GAN, 10, 0, 1, api_name="/sample")
    grid, ninth = Image.open(grid), Image.open(gallery[8]["image"])
    side = ninth.width
    assert grid.size == (8 * (side + 2) + 2, 2 * (side + 2) + 2)
    assert same_picture(grid.crop((2, side + 4, side + 2, 2 * side + 4)), ninth)


def test_the_zip_holds_every_picture_and_the_grid(client, tmp_path):
    gallery, _, grid, archive, *_ = client.predict(VAE, 3, 7, 1, api_name="/sample")
    with zipfile.ZipFile(archive) as packed:
        assert packed.namelist() == [f"{VAE}-7.png", f"{VAE}-8.png", f"{VAE}-9.png", f"{VAE}-7-grid.png"]
        assert packed.read(f"{VAE}-8.png") == Path(gallery[1]["image"]).read_bytes()
        assert packed.read(f"{VAE}-7-grid.png") == Path(grid).read_bytes()


@pytest.mark.parametrize(("name", "truncation"), [(GAN, 1), (VAE, 0.5)])
def test_the_python_line_makes_the_same_pictures(client, name, truncation):
    gallery, _, _, _, code, _ = client.predict(name, 3, 11, truncation, api_name="/sample")
    made = {}
    exec(code, made)
    assert len(made["x"]) == 3
    for picture, shown in zip(images.to_pil(made["x"]), gallery, strict=True):
        assert same_picture(picture, Image.open(shown["image"]))


def test_the_dice_rolls_another_seed(client):
    seeds = [client.predict(api_name="/dice") for _ in range(3)]
    assert len(set(seeds)) == 3
    assert all(isinstance(seed, int) and 0 <= seed < 2**53 for seed in seeds)


@pytest.mark.parametrize("endpoint", ["/sample_after_dice", "/sample_after_restore"])
def test_what_follows_a_roll_or_a_drop_is_a_sample(client, endpoint):
    gallery, *_ = client.predict(GAN, 2, 3, 1, api_name=endpoint)
    assert [images.read_recipe(shown["image"])["seed"] for shown in gallery] == [3, 4]


def test_a_dropped_picture_gives_its_fields_back(client):
    gallery, _, grid, *_ = client.predict(VAE, 10, 100, 0.6, api_name="/sample")
    assert client.predict(handle_file(gallery[2]["image"]), api_name="/restore")[:4] == (VAE, 1, 102, 0.6)
    assert client.predict(handle_file(grid), api_name="/restore")[:4] == (VAE, 10, 100, 0.6)


# ---- interpolation ----


def duration(animation: Image.Image) -> int:
    """In milliseconds, all frames together: equal frames may have become one."""
    total = 0
    for frame in ImageSequence.Iterator(animation):
        frame.load()  # a WebP knows its duration only then
        total += frame.info["duration"]
    return total


def test_a_walk_lasts_frames_over_fps_and_starts_at_its_first_key(client):
    shown, gif, webp = client.predict(GAN, "4, 9", "slerp", 30, 12, True, 0.8, api_name="/walk")
    first = images.to_pil(genart_hub.from_pretrained(GAN).sample(1, seed=4, truncation=0.8)[0])
    assert Path(shown).read_bytes() == Path(webp).read_bytes()
    for path, kind in ((gif, "GIF"), (webp, "WEBP")):
        with Image.open(path) as animation:
            assert animation.format == kind
            assert animation.is_animated
            assert animation.width >= 256
            assert duration(animation) == 2500
            animation.seek(0)
            assert same_picture(small(animation, first.width), first)


def test_a_straight_walk_differs_from_a_spherical_one(client):
    walks = [client.predict(VAE, "0, 1", method, 9, 9, False, 1, api_name="/walk")[2] for method in ("slerp", "lerp")]
    assert Path(walks[0]).read_bytes() != Path(walks[1]).read_bytes()


# ---- reconstruction ----


def figure(text: str) -> float:
    return float(re.search(r"(?:error|误差) (\d\.\d{4})", text)[1])


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_reconstruct_shows_both_pictures_and_the_error_between_them(clients, lang, tmp_path):
    seen, answer, text = clients[lang].predict(handle_file(digit(tmp_path)), VAE, True, api_name="/reconstruct")
    assert figure(text) == pytest.approx(mean_squared_error(seen, answer), abs=2e-3)
    assert small(seen).getpixel((0, 0)) == 0  # a tidied digit is white on black, the drawing black on white


def test_an_untidied_picture_is_taken_as_it_is(client, tmp_path):
    seen, *_ = client.predict(handle_file(digit(tmp_path)), VAE, False, api_name="/reconstruct")
    assert same_picture(small(seen), images.to_pil(images.from_pil(Image.open(digit(tmp_path)), 28, 1))[0])


def test_an_inversion_streams_and_its_error_never_rises(client, tmp_path):
    job = client.submit(handle_file(digit(tmp_path)), GAN, True, 30, api_name="/invert")
    results = list(job)
    texts = [text for _, _, text in results]
    assert [int(re.match(r"Step (\d+) of 30", text)[1]) for text in texts] == [1, 5, 10, 15, 20, 25, 30]
    errors = [figure(text) for text in texts]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < errors[0]
    assert errors[-1] == pytest.approx(mean_squared_error(*results[-1][:2]), abs=2e-3)


def drawing(path: Path) -> dict:
    return {"background": None, "layers": [], "composite": handle_file(path)}


def test_a_drawing_becomes_the_picture_on_white(client, tmp_path):
    ink = Image.new("RGBA", (280, 280), (0, 0, 0, 0))
    ink.paste((0, 0, 0, 255), (100, 40, 180, 240))
    ink.save(tmp_path / "ink.png")
    used = Image.open(client.predict(drawing(tmp_path / "ink.png"), api_name="/use_drawing")).convert("L")
    assert used.size == (280, 280)
    assert (used.getpixel((5, 5)), used.getpixel((140, 140))) == (255, 0)


@pytest.mark.parametrize(("lang", "sentence"), [("en", "There is no picture yet."), ("zh", "还没有图片。")])
def test_an_empty_drawing_is_no_picture(clients, lang, sentence, tmp_path):
    Image.new("RGBA", (280, 280), (0, 0, 0, 0)).save(tmp_path / "empty.png")
    with pytest.raises(AppError, match=sentence):
        clients[lang].predict(drawing(tmp_path / "empty.png"), api_name="/use_drawing")


# ---- comparison ----


BUNDLED_DIGITS = [name for name in genart_hub.bundled() if name.endswith("-mnist")]
HEADERS = {
    "en": [
        "Model", "Seconds", "Pictures/s", "Parameters", "Pixels", "MB on disk", "Multiply-adds", "Peak memory (MB)", "Can be told",
        "Fréchet distance",
    ],
    "zh": ["模型", "用时（秒）", "张/秒", "参数量", "像素", "磁盘（MB）", "乘加运算", "峰值内存（MB）", "可接受的条件", "Fréchet 距离"],
}  # fmt: skip


def answers_of(outputs: tuple, names: list[str]) -> tuple[dict, dict, dict, str]:
    """What /compare gave: the pictures and the card of each model ("big" among them), the table, the status line."""
    *answers, table, status = outputs
    names = [*names, "big"]
    return dict(zip(names, answers, strict=False)), dict(zip(names, answers[len(names) :], strict=False)), table, status


def test_every_bundled_model_of_the_digits_answers_the_comparison(client):
    galleries, cards, table, status = answers_of(client.predict(4, 20, 1, "", "digits", api_name="/compare"), genart_hub.bundled())
    for name in BUNDLED_DIGITS:
        gallery = galleries[name]
        assert [shown["caption"].split(" · ")[-1] for shown in gallery] == ["seed 20", "seed 21", "seed 22", "seed 23"]
        expected = images.to_pil(genart_hub.from_pretrained(name).sample(1, seed=22)[0])
        assert same_picture(Image.open(gallery[2]["image"]), expected)
        assert 'class="card"' in cards[name]
    assert [row[0] for row in table["data"]] == BUNDLED_DIGITS
    assert ("GENART_SD_MODEL" in status) == (not genart_hub.bundled("diffusion"))


def test_the_comparison_s_numbers_are_those_of_the_models(client):
    *_, table, _ = client.predict(4, 0, 1, "", "digits", api_name="/compare")
    assert table["headers"] == HEADERS["en"]
    for name, seconds, rate, parameters, pixels, megabytes, _, memory, told, frechet in table["data"]:
        model = genart_hub.from_pretrained(name)
        count = sum(p.numel() for p in model.parameters())
        assert rate == pytest.approx(4 / seconds, rel=0.1)  # seconds are shown to a tenth of a millisecond
        assert parameters == f"{count:,}"
        assert pixels == f"{model.image_size}×{model.image_size}×{model.channels}"
        assert megabytes == pytest.approx(model.source.file.stat().st_size / 1e6, abs=0.006)
        assert 4e-6 * count < memory < 4e-6 * count + 2
        assert told == ("a class" if model.class_names else "no condition")
        measured = json.loads(model.source.companion("evaluation.json").read_text("utf-8"))["results"][name]
        assert frechet == next(round(row["value"], 2) for row in measured if row["metric"] == "frechet")
    work = {row[0]: row[6] for row in table["data"]}
    assert work[GAN] == "578 k"  # 100 x 128 + 128 x 256 + 256 x 512 + 512 x 784


def test_the_comparison_streams_a_model_at_a_time_in_the_reader_s_language(clients):
    results = list(clients["zh"].submit(2, 0, 1, "", "digits", api_name="/compare"))
    counts = [len(result[-2]["data"]) for result in results if "data" in result[-2]]
    assert counts == sorted(counts)  # on a busy machine, updates that come one upon the other are left out
    assert counts[-1] == len(BUNDLED_DIGITS)
    assert results[-1][-2]["headers"] == HEADERS["zh"]


@pytest.fixture(scope="module")
def client_with_pipeline(app_with_pipeline, tmp_path_factory):
    return connect(app_with_pipeline, "en", tmp_path_factory.mktemp("downloads"))


def test_a_pipeline_of_the_host_answers_too_with_four_pictures_at_most(client_with_pipeline, pipeline_folder):
    outputs = client_with_pipeline.predict(6, 3, 1, "a red apple", api_name="/compare")
    galleries, cards, table, status = answers_of(outputs, genart_hub.bundled())
    assert [shown["caption"] for shown in galleries["big"]] == ["seed 3", "seed 4", "seed 5", "seed 6"]
    expected = images.to_pil(genart_hub.from_pretrained(str(pipeline_folder)).sample(4, seed=3, prompt="a red apple"))
    for shown, picture in zip(galleries["big"], expected, strict=True):
        assert same_picture(Image.open(shown["image"]), picture)
    name, _, _, parameters, pixels, megabytes, *_, told, frechet = table["data"][-1]
    assert (name, pixels, told, frechet) == ("tiny-sd", "16×16×3", "free text", None)
    assert int(parameters.replace(",", "")) * 4e-6 == pytest.approx(megabytes, abs=0.1)  # float32
    assert "not measured" in cards["big"]
    assert "### tiny-sd\nnot like for like" in outputs[-4]
    assert not status


def test_a_pipeline_without_a_prompt_says_so_and_the_others_still_answer(client_with_pipeline):
    *_, table, status = client_with_pipeline.predict(2, 0, 1, " ", "digits", api_name="/compare")
    assert [row[0] for row in table["data"]] == BUNDLED_DIGITS
    assert status == "tiny-sd could not answer: The prompt is empty. Write what the picture should show."


def test_the_host_s_own_folder_stays_closed_to_the_page(client_with_pipeline, pipeline_folder):
    with pytest.raises(AppError, match="not '/"):
        client_with_pipeline.predict(str(pipeline_folder), 1, 0, 1, api_name="/sample")


def test_a_prompt_that_was_left_alone_is_the_one_that_is_shown(client_with_pipeline, pipeline_folder):
    galleries, *_, status = answers_of(client_with_pipeline.predict(1, 0, 1, api_name="/compare"), genart_hub.bundled())
    expected = images.to_pil(genart_hub.from_pretrained(str(pipeline_folder)).sample(1, prompt="red apple"))
    assert same_picture(Image.open(galleries["big"][0]["image"]), expected[0])
    assert not status


# ---- a bundled pipeline, and big ones ----


TINY_NAMES = sorted([*DIGITS, *EMOJI, PIPELINE])


def compared(client, *request) -> tuple[dict, dict, dict, str]:
    return answers_of(client.predict(*request, api_name="/compare"), TINY_NAMES)


def test_a_bundled_pipeline_answers_the_prompt_beside_the_models_of_its_ladder(tiny, tiny_clients):
    galleries, cards, table, status = compared(tiny_clients["en"], 3, 5, 1, "rocket", "emoji")
    assert [row[0] for row in table["data"]] == [*EMOJI, PIPELINE]
    for shown, picture in zip(galleries[PIPELINE], images.to_pil(tiny(PIPELINE).sample(3, 5, prompt="rocket")), strict=True):
        assert same_picture(Image.open(shown["image"]), picture)
    assert "free text" in cards[PIPELINE]
    assert "<b>7.25</b> <span>lower is better; real pictures: 1.5</span>" in cards[PIPELINE]
    assert "<b>61%</b>" in cards[PIPELINE]
    assert "Precision" not in cards[PIPELINE]
    assert "Fréchet" not in cards["conv-vae-emoji"]
    assert not status


def test_the_steps_unfold_in_a_strip_that_grows_from_noise_to_the_finished_picture(tiny, tiny_clients):
    results = list(tiny_clients["zh"].submit(2, 5, 1, "火箭", "emoji", api_name="/compare"))
    place = 2 * (len(TINY_NAMES) + 1)  # the strip of the only bundled pipeline stands after the pictures and the cards
    lengths = [len(result[place]) for result in results if isinstance(result[place], list)]
    assert list(dict.fromkeys(lengths)) == [0, 1, 2, 3, 4, 5, 6, 7, 8]
    strip = results[-1][place]
    assert [one["caption"] for one in strip] == [f"第 {step} / 10 步" for step in (0, 1, 3, 4, 6, 7, 9, 10)]
    moments = {step: images.to_pil(x[0]) for step, _, x in tiny(PIPELINE).denoise(1, 5, prompt="火箭")}
    for step, one in zip((0, 1, 3, 4, 6, 7, 9, 10), strip, strict=True):
        assert same_picture(Image.open(one["image"]).resize((16, 16), Image.Resampling.NEAREST), moments[step])
    told = [result[-1] for result in results if isinstance(result[-1], str)]
    assert any(re.fullmatch(r"▰{10}▱{10} tiny-sd-emoji · 2 张图片 · 第 5 / 10 步", one) for one in told)


def test_the_models_answers_are_plotted_by_time_and_quality(tiny_clients):
    plot = tiny_clients["en"].predict(2, 0, 1, "rocket", "emoji", api_name="/compare")[-3]
    assert (plot["x_title"], plot["y_title"]) == ("log10(seconds a picture)", "Fréchet distance (lower is better)")
    assert plot["color_map"].keys() == {*EMOJI, PIPELINE}
    points = {model: (x, y) for x, y, model in plot["value"]["data"]}
    assert {model: y for model, (_, y) in points.items()} == {"dcgan-emoji": 7.25, PIPELINE: 7.25}
    assert points["dcgan-emoji"][0] < points[PIPELINE][0]


LONG = "x" * 10_000
BAD_PROMPTS = [
    ("", "The prompt is empty. Write what the picture should show.", "提示词是空的。请写下图片应该画什么。"),
    (
        LONG,
        "The prompt has 10,000 characters; at most 2,000 are taken. Shorten it.",
        "提示词有 10,000 个字符，最多接受 2,000 个。请缩短它。",
    ),
]


@pytest.mark.parametrize(("prompt", "english", "chinese"), BAD_PROMPTS)
def test_a_prompt_that_cannot_be_read_is_told_and_the_other_models_answer(tiny_app, tiny_clients, prompt, english, chinese):
    for lang, sentence in (("en", f"{PIPELINE} could not answer: {english}"), ("zh", f"{PIPELINE} 未能作答：{chinese}")):
        _, cards, table, status = compared(tiny_clients[lang], 1, 0, 1, prompt, "emoji")
        assert status == sentence
        assert [row[0] for row in table["data"]] == EMOJI
        assert not cards[PIPELINE]
    assert refused(tiny_app, tiny_clients["en"], PIPELINE, 1, 0, 1, "", prompt, api_name="/sample") == english
    assert refused(tiny_app, tiny_clients["zh"], PIPELINE, 1, 0, 1, "", prompt, api_name="/sample") == chinese


@pytest.mark.parametrize("prompt", ["😀🚀", "red 苹果 <b>rouge</b>", "a\nb"])
def test_an_odd_prompt_is_drawn(tiny_clients, prompt):
    galleries, _, _, _ = compared(tiny_clients["en"], 1, 0, 1, prompt, "emoji")
    assert len(galleries[PIPELINE]) == 1


def test_the_end_of_a_prompt_that_is_not_read_is_named(tiny_clients):
    prompt, unread = "abcdefghijklmnopq <i>&", "opq &lt;i&gt;&amp;"  # 16 tokens with both ends, a letter each
    assert compared(tiny_clients["en"], 1, 0, 1, prompt, "emoji")[-1].endswith(f"It does not see the end: “{unread}”")
    *_, note = tiny_clients["zh"].predict(PIPELINE, 1, 0, 1, "", prompt, api_name="/sample")
    assert note.endswith(f"它看不到后面的部分：“{unread}”")


def test_the_digits_need_no_prompt(tiny_clients):
    *_, status = compared(tiny_clients["en"], 1, 0, 1, "", "digits")
    assert not status


def test_a_big_pipeline_that_cannot_be_reached_is_told_and_there_is_nothing_to_agree_to(tiny_app, tiny_clients):
    big = "nota-ai/bk-sdm-tiny"
    for lang, told, refusal in (
        ("en", "could not be reached", f"{big} is loaded only for a page that has read what it takes and agreed."),
        ("zh", "无法连接", "只有读过所需开销并同意的页面才会加载"),
    ):
        assert told in tiny_clients[lang].predict(big, "emoji", api_name="/tell_big")[0]
        assert refused(tiny_app, tiny_clients[lang], True, big, api_name="/agree_to_big").startswith(refusal)
        assert refused(tiny_app, tiny_clients[lang], 1, 0, 1, "rocket", "digits", "", big, api_name="/compare").startswith(refusal)


@pytest.mark.parametrize("big", ["someone/else", "/etc/passwd", PIPELINE])
def test_only_the_big_pipelines_that_are_offered_are_loaded(tiny_app, tiny_clients, big):
    sentence = refused(tiny_app, tiny_clients["en"], 1, 0, 1, "rocket", "emoji", "", big, api_name="/compare")
    assert sentence.startswith("Comparison: Beside them: a big Stable Diffusion must be one of ")
    assert sentence.endswith(f"nota-ai/bk-sdm-tiny, got '{big}'.")


def test_stop_where_nothing_runs_does_not_stop_the_next_comparison(tiny_clients):
    tiny_clients["en"].predict(api_name="/stop_comparison")
    _, _, table, status = compared(tiny_clients["en"], 1, 0, 1, "rocket", "emoji")
    assert [row[0] for row in table["data"]] == [*EMOJI, PIPELINE]
    assert not status


def test_sampling_a_pipeline_draws_the_prompt_and_writes_it_down(tiny, tiny_clients):
    gallery, _, grid, _, code, note = tiny_clients["en"].predict(PIPELINE, 3, 7, 1, "", "红苹果", api_name="/sample")
    for path in (*(shown["image"] for shown in gallery), grid):
        assert images.read_recipe(path)["prompt"] == "红苹果"
    for picture, shown in zip(images.to_pil(tiny(PIPELINE).sample(3, 7, prompt="红苹果")), gallery, strict=True):
        assert same_picture(picture, Image.open(shown["image"]))
    assert code.endswith(f".from_pretrained(\"{PIPELINE}\").sample(3, seed=7, prompt='红苹果')")
    assert not note


def test_a_dropped_picture_brings_its_prompt_back(tiny_clients):
    _, one, grid, *_ = tiny_clients["zh"].predict(PIPELINE, 2, 5, 1, "", "蓝色的狗", api_name="/sample")
    for path, n in ((one, 1), (grid, 2)):
        name, count, seed, _, classes, prompt = tiny_clients["zh"].predict(handle_file(path), api_name="/restore")
        assert (name, count, seed, prompt, classes["visible"]) == (PIPELINE, n, 5, "蓝色的狗", False)


def test_a_picture_with_settings_that_have_no_field_here_is_told(tiny, tiny_app, tiny_clients, tmp_path):
    recipe = tiny(PIPELINE).recipe(0, 2, prompt=["cat", "dog"], num_steps=7)
    file = handle_file(picture_with(recipe, tmp_path / "p.png"))
    told = "p.png was made with settings that the app has no field for (prompt, num_steps)."
    assert refused(tiny_app, tiny_clients["en"], file, api_name="/restore").startswith(told)
    assert refused(tiny_app, tiny_clients["zh"], file, api_name="/restore").startswith(
        "p.png 用到了应用里没有的设置（prompt, num_steps）。"
    )


@pytest.mark.parametrize("endpoint", ["/walk", "/reconstruct", "/invert"])
def test_a_pipeline_has_no_latents_for_the_other_tabs(tiny_app, tiny_clients, tmp_path, endpoint):
    picture = handle_file(digit(tmp_path))
    arguments = {"/walk": (PIPELINE, "0, 1", "slerp", 8, 8, False, 1)}.get(
        endpoint, (picture, PIPELINE, True, 10)[: 3 + (endpoint == "/invert")]
    )
    told = f"{PIPELINE} makes no pictures from latents. Choose one of: {', '.join(sorted(DIGITS + EMOJI))}."
    assert refused(tiny_app, tiny_clients["en"], *arguments, api_name=endpoint) == told


def test_a_class_is_no_request_for_a_pipeline(tiny_app, tiny_clients):
    sentence = refused(tiny_app, tiny_clients["en"], PIPELINE, 1, 0, 1, "food-drink", "rocket", api_name="/sample")
    assert sentence == f"{PIPELINE} has no classes, so it takes no label; got 'food-drink'. Leave the label out."


@pytest.mark.parametrize(("query", "sentence"), [(None, "could not be reached"), ("a" * 201, "must be a text of at most 200 characters")])
def test_a_search_for_nothing_or_for_too_much_is_told(app, client, query, sentence):
    assert sentence in refused(app, client, query, api_name="/search")


def test_a_search_without_a_hub_says_so(app, clients):
    assert "could not be reached" in refused(app, clients["en"], "digits", api_name="/search")
    assert "无法连接" in refused(app, clients["zh"], "digits", api_name="/search")


# ---- classes and colour, over tiny models ----


@pytest.fixture
def tiny(tiny_weights, monkeypatch):
    """tiny(name): a model of the tiny app, which a recipe's name finds too."""
    monkeypatch.setattr(locate, "WEIGHTS_FOLDERS", (tiny_weights,))
    return genart_hub.from_pretrained


def test_a_class_by_its_name_is_the_one_that_is_drawn_and_written_down(tiny, tiny_clients):
    gallery, _, grid, *_ = tiny_clients["en"].predict("dcgan-emoji", 3, 7, 1, "food-drink", api_name="/sample")
    for path in (*(shown["image"] for shown in gallery), grid):
        assert images.read_recipe(path)["label"] == "food-drink"
    for picture, shown in zip(images.to_pil(tiny("dcgan-emoji").sample(3, 7, label=3)), gallery, strict=True):
        assert same_picture(picture, Image.open(shown["image"]))


def test_any_class_is_drawn_from_each_picture_s_seed(tiny, tiny_clients):
    gallery, *_ = tiny_clients["en"].predict("dcgan-mnist", 6, 3, 1, "", api_name="/sample")
    model = tiny("dcgan-mnist")
    for picture, label, shown in zip(images.to_pil(model.sample(6, 3)), model.labels(6, 3).tolist(), gallery, strict=True):
        assert same_picture(picture, Image.open(shown["image"]))
        assert images.read_recipe(shown["image"])["label"] is None
        assert shown["caption"].startswith(f"{label} · seed ")


@pytest.mark.parametrize(("lang", "caption"), [("en", "animals-nature · seed 4 · D "), ("zh", "动物与自然 · 种子 4 · 判别器 ")])
def test_a_caption_tells_the_class_and_the_discriminator_is_told_it_too(tiny, tiny_clients, lang, caption):
    gallery, *_ = tiny_clients[lang].predict("dcgan-emoji", 1, 4, 1, "animals-nature", api_name="/sample")
    model = tiny("dcgan-emoji")
    score = model.score(model.sample(1, 4, label="animals-nature"), "animals-nature").item()
    assert gallery[0]["caption"] == f"{caption}{score:.2f}"


@pytest.mark.parametrize(
    ("name", "label", "more"),
    [("dcgan-emoji", "objects", ", label='objects'"), ("dcgan-mnist", "7", ", label=7"), ("dcgan-mnist", "", ""), ("gan-mnist", "", "")],
)
def test_the_python_line_names_the_class_and_makes_the_same_pictures(tiny, tiny_clients, name, label, more):
    gallery, _, _, _, code, _ = tiny_clients["en"].predict(name, 2, 5, 1, label, api_name="/sample")
    assert code.endswith(f'.from_pretrained("{name}").sample(2, seed=5{more})')
    exec(code, made := {})
    for picture, shown in zip(images.to_pil(made["x"]), gallery, strict=True):
        assert same_picture(picture, Image.open(shown["image"]))


@pytest.mark.parametrize(("name", "label"), [("dcgan-emoji", "objects"), ("dcgan-mnist", "7"), ("dcgan-mnist", ""), ("gan-mnist", "")])
def test_a_dropped_picture_brings_its_class_back(tiny, tiny_clients, name, label):
    _, one, grid, *_ = tiny_clients["zh"].predict(name, 2, 5, 1, label, api_name="/sample")
    known = tiny(name).class_names
    for path, n in ((one, 1), (grid, 2)):
        *fields, classes, _ = tiny_clients["zh"].predict(handle_file(path), api_name="/restore")
        assert fields == [name, n, 5, 1]
        assert (classes["value"], classes["visible"]) == (label, bool(known))
        assert [tuple(choice) for choice in classes["choices"]] == [
            ("任意", ""),
            *((texts.CLASSES_ZH.get(one, one), one) for one in known),
        ]


def test_a_picture_of_several_classes_is_told_and_one_of_the_same_class_comes_back(tiny, tiny_app, tiny_clients, tmp_path):
    model = tiny("dcgan-mnist")
    file = handle_file(picture_with(model.recipe(0, 2, label=["3", "4"]), tmp_path / "p.png"))
    assert refused(tiny_app, tiny_clients["en"], file, api_name="/restore").startswith("p.png has a class for each picture; ")
    assert refused(tiny_app, tiny_clients["zh"], file, api_name="/restore").startswith("p.png 的每张图片各有类别，")
    file = handle_file(picture_with(model.recipe(0, 2, label=["3", "3"]), tmp_path / "q.png"))
    assert tiny_clients["en"].predict(file, api_name="/restore")[4]["value"] == "3"


@pytest.mark.parametrize(("label", "drawn"), [("5", 5), ("", None)])
def test_a_walk_keeps_to_one_class_the_chosen_one_or_that_of_its_first_seed(tiny, tiny_clients, label, drawn):
    _, _, webp = tiny_clients["en"].predict("dcgan-mnist", "4, 9", "slerp", 8, 8, False, 1, label, api_name="/walk")
    model = tiny("dcgan-mnist")
    drawn = model.labels(1, 4).item() if drawn is None else drawn
    with Image.open(webp) as animation:
        for frame, seed in ((0, 4), (animation.n_frames - 1, 9)):
            animation.seek(frame)
            assert same_picture(small(animation, 8), images.to_pil(model.sample(1, seed, label=drawn)[0]))


@pytest.mark.parametrize(("lang", "sentence"), [("en", " · as {}"), ("zh", " · 按类别“{}”")])
def test_a_conditional_model_tells_as_which_class_it_saw_the_picture(tiny, tiny_clients, tmp_path, lang, sentence):
    picture = digit(tmp_path)
    x = images.from_pil(images.center_digit(Image.open(picture), 8), 8, 1)
    for name, endpoint, steps in (("cvae-mnist", "/reconstruct", ()), ("dcgan-mnist", "/invert", (10,))):
        *_, figure = tiny_clients[lang].submit(handle_file(picture), name, True, *steps, api_name=endpoint).result()
        assert figure.endswith(sentence.format(latents.nearest_class(tiny(name), x).item()))


@pytest.mark.parametrize("endpoint", ["/reconstruct", "/invert"])
@pytest.mark.parametrize("name", ["vae-mnist", "gan-mnist", "conv-vae-emoji"])
def test_a_model_without_classes_says_nothing_of_them(tiny_clients, tmp_path, endpoint, name):
    if endpoint == "/reconstruct" and name == "gan-mnist":
        return
    arguments = (handle_file(digit(tmp_path)), name, True) + (() if endpoint == "/reconstruct" else (10,))
    *_, figure = tiny_clients["en"].submit(*arguments, api_name=endpoint).result()
    assert re.search(r"error \d\.\d{4} \(pixels from 0 to 1\)$", figure)


@pytest.mark.parametrize("tidy", [True, False])
def test_a_colour_model_sees_the_picture_as_it_is(tiny, tiny_clients, tmp_path, tidy):
    picture = apple(tmp_path)
    seen, answer, _ = tiny_clients["en"].predict(handle_file(picture), "conv-vae-emoji", tidy, api_name="/reconstruct")
    x = images.from_pil(Image.open(picture), 16, 3)
    for path, expected in ((seen, x), (answer, tiny("conv-vae-emoji").reconstruct(x))):
        assert same_picture(Image.open(path).resize((16, 16), Image.Resampling.NEAREST), images.to_pil(expected[0]))


@pytest.mark.parametrize(("ladder", "names"), [("digits", DIGITS), ("emoji", [*EMOJI, PIPELINE])])
def test_the_models_of_one_ladder_answer_the_comparison_and_no_others(tiny_clients, ladder, names):
    galleries, cards, table, _ = compared(tiny_clients["en"], 2, 0, 1, "rocket", ladder)
    assert [row[0] for row in table["data"]] == names
    assert [name for name in TINY_NAMES if isinstance(galleries[name], list)] == names  # the others are left as they are
    assert [name for name in TINY_NAMES if cards[name]] == names


def test_a_chosen_class_reaches_the_conditional_models_alone(tiny, tiny_clients):
    galleries, *_ = compared(tiny_clients["en"], 2, 8, 1, "", "digits", "6")
    for name in DIGITS:
        label = 6 if name in ("cvae-mnist", "dcgan-mnist") else None
        assert galleries[name][1]["caption"] == ("seed 9" if label is None else "6 · seed 9")
        assert same_picture(images.to_pil(tiny(name).sample(1, 9, label=label)[0]), Image.open(galleries[name][1]["image"]))


def test_without_a_chosen_class_each_picture_of_the_comparison_tells_its_own(tiny, tiny_clients):
    galleries, *_ = compared(tiny_clients["zh"], 3, 8, 1, "", "emoji")
    model = tiny("dcgan-emoji")
    called = [texts.CLASSES_ZH[model.class_names[label]] for label in model.labels(3, 8).tolist()]
    shown = galleries["dcgan-emoji"]
    assert [one["caption"] for one in shown] == [f"{name} · 种子 {8 + k}" for k, name in enumerate(called)]


BAD_CLASSES = [
    (
        "/sample",
        ("dcgan-mnist", 1, 0, 1, "x"),
        "DCGAN: there is no class 'x'. Choose one of: 0, 1, 2,",
        "DCGAN：没有类别 'x'。请从中选择：0, 1, 2,",
    ),
    (
        "/sample",
        ("gan-mnist", 1, 0, 1, "3"),
        "GAN has no classes, so it takes no label; got '3'.",
        "GAN 没有类别，不接受标签，得到的是 '3'。",
    ),
    (
        "/walk",
        ("dcgan-emoji", "0, 1", "slerp", 8, 8, True, 1, 7),
        "DCGAN: there is no class 7. Choose one of: 0 smileys-emotion,",
        "DCGAN：没有类别 7。请从中选择：0 smileys-emotion,",
    ),
    ("/compare", (1, 0, 1, "", "emoji", "3x"), "emoji: there is no class '3x'. Choose one of: 0", "表情符号：没有类别 '3x'。请从中选择：0"),
    (
        "/compare",
        (1, 0, 1, "", "cats", ""),
        "Comparison: Trained on must be one of emoji, digits, got 'cats'.",
        "对比：训练图片 必须是 emoji, digits 之一，得到的是 'cats'。",
    ),
]


@pytest.mark.parametrize(("endpoint", "arguments", "english", "chinese"), BAD_CLASSES)
def test_a_class_or_a_ladder_that_is_not_there_is_told(tiny_app, tiny_clients, endpoint, arguments, english, chinese):
    assert refused(tiny_app, tiny_clients["en"], *arguments, api_name=endpoint).startswith(english)
    assert refused(tiny_app, tiny_clients["zh"], *arguments, api_name=endpoint).startswith(chinese)


# ---- what a person can get wrong ----


def refused(app, client, *arguments, api_name: str) -> str:
    """The sentence of a refusal; the terminal stays free of a traceback, and so does the sentence."""
    before = len(app.terminal)
    with pytest.raises(AppError) as refusal:
        client.submit(*arguments, api_name=api_name).result(timeout=60)
    sentence = str(refusal.value)
    assert "\n" not in sentence
    assert "Traceback" not in sentence
    assert "Traceback" not in app.terminal[before:]
    return sentence


SAMPLE = {"model": GAN, "n": 4, "seed": 0, "truncation": 1}
WALK = {"model": GAN, "seeds": "0, 1", "method": "slerp", "frames": 8, "fps": 8, "loop": True, "truncation": 1}
COMPARE = {"n": 2, "seed": 0, "truncation": 1, "prompt": ""}
BUNDLED = ", ".join(genart_hub.bundled())
HIGH = 2**53 - 1

BAD_FIELDS = [
    (
        "/sample",
        {"n": 0},
        "Sampling: How many pictures must be between 1 and 64, got 0.",
        "采样：图片数量 必须在 1 与 64 之间，得到的是 0。",
    ),
    (
        "/sample",
        {"n": -1},
        "Sampling: How many pictures must be between 1 and 64, got -1.",
        "采样：图片数量 必须在 1 与 64 之间，得到的是 -1。",
    ),
    (
        "/sample",
        {"n": 65},
        "Sampling: How many pictures must be between 1 and 64, got 65.",
        "采样：图片数量 必须在 1 与 64 之间，得到的是 65。",
    ),
    (
        "/sample",
        {"n": "three"},
        "Sampling: How many pictures must be a whole number, got 'three'.",
        "采样：图片数量 必须是整数，得到的是 'three'。",
    ),
    ("/sample", {"n": None}, "Sampling: How many pictures must be a whole number, got None.", "采样：图片数量 必须是整数，得到的是 None。"),
    ("/sample", {"seed": "x"}, "Sampling: Seed must be a whole number, got 'x'.", "采样：随机种子 必须是整数，得到的是 'x'。"),
    ("/sample", {"seed": 1.5}, "Sampling: Seed must be a whole number, got 1.5.", "采样：随机种子 必须是整数，得到的是 1.5。"),
    (
        "/sample",
        {"seed": -1},
        f"Sampling: Seed must be between 0 and {HIGH}, got -1.",
        f"采样：随机种子 必须在 0 与 {HIGH} 之间，得到的是 -1。",
    ),
    ("/sample", {"truncation": 0}, "GAN: truncation must be above 0 and at most 1, got 0.", "GAN：截断必须大于 0 且不超过 1，得到的是 0。"),
    ("/sample", {"truncation": 2}, "GAN: truncation must be above 0 and at most 1, got 2.", "GAN：截断必须大于 0 且不超过 1，得到的是 2。"),
    (
        "/sample",
        {"model": "no-such-model"},
        f"No model 'no-such-model'. Tried a bundled model ({BUNDLED}), a folder, and a Hub id of the form owner/name.",
        f"没有模型 'no-such-model'。已尝试自带模型（{BUNDLED}）、文件夹，以及形如 owner/name 的 Hub 编号。",
    ),
    (
        "/sample",
        {"model": "<b>bold"},
        f"No model '&lt;b&gt;bold'. Tried a bundled model ({BUNDLED}), a folder, and a Hub id of the form owner/name.",
        f"没有模型 '&lt;b&gt;bold'。已尝试自带模型（{BUNDLED}）、文件夹，以及形如 owner/name 的 Hub 编号。",
    ),
    (
        "/sample",
        {"model": "features-mnist"},
        f"features-mnist makes no pictures from latents. Choose one of: {BUNDLED}.",
        f"features-mnist 不能由潜在向量生成图片。请改选：{BUNDLED}。",
    ),
    ("/walk", {"seeds": "0"}, "A walk needs at least two keys, got 1.", "漫步至少需要两个关键点，得到的是 1 个。"),
    (
        "/walk",
        {"seeds": ","},
        "Seeds are whole numbers with commas between them, such as 0, 7, 42; got ','.",
        "种子应是用逗号分隔的整数，例如 0, 7, 42；得到的是 ','。",
    ),
    (
        "/walk",
        {"seeds": "0, x"},
        "Seeds are whole numbers with commas between them, such as 0, 7, 42; got '0, x'.",
        "种子应是用逗号分隔的整数，例如 0, 7, 42；得到的是 '0, x'。",
    ),
    (
        "/walk",
        {"seeds": "-1, 2"},
        "Seeds are whole numbers with commas between them, such as 0, 7, 42; got '-1, 2'.",
        "种子应是用逗号分隔的整数，例如 0, 7, 42；得到的是 '-1, 2'。",
    ),
    ("/walk", {"seeds": "1 " * 17}, "At most 16 seeds are taken, got 17.", "最多接受 16 个种子，得到的是 17 个。"),
    (
        "/walk",
        {"seeds": "1 2 3", "frames": 2},
        "A walk through 3 keys needs at least 3 frames, got 2.",
        "经过 3 个关键点的漫步至少需要 3 帧，得到的是 2。",
    ),
    (
        "/walk",
        {"frames": 241},
        "Interpolation: Frames must be between 2 and 240, got 241.",
        "插值：帧数 必须在 2 与 240 之间，得到的是 241。",
    ),
    (
        "/walk",
        {"fps": 0},
        "Interpolation: Frames per second must be between 1 and 50, got 0.0.",
        "插值：每秒帧数 必须在 1 与 50 之间，得到的是 0.0。",
    ),
    (
        "/walk",
        {"method": "cubic"},
        "Interpolation: Path must be one of slerp, lerp, got 'cubic'.",
        "插值：路径 必须是 slerp, lerp 之一，得到的是 'cubic'。",
    ),
    (
        "/compare",
        {"n": 17},
        "Comparison: How many pictures must be between 1 and 16, got 17.",
        "对比：图片数量 必须在 1 与 16 之间，得到的是 17。",
    ),
]


@pytest.mark.parametrize(("endpoint", "field", "english", "chinese"), BAD_FIELDS)
def test_a_bad_field_is_told_in_the_reader_s_language(app, clients, endpoint, field, english, chinese):
    arguments = ({"/sample": SAMPLE, "/walk": WALK, "/compare": COMPARE}[endpoint] | field).values()
    assert refused(app, clients["en"], *arguments, api_name=endpoint) == english
    assert refused(app, clients["zh"], *arguments, api_name=endpoint) == chinese


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../weights/gan-mnist", "./weights", f"weights/{GAN}", "genart_hub/ui", "~/models", "C:\\models"]
)
def test_the_page_opens_no_path(app, clients, path):
    english = "The app loads bundled models and Hub ids of the form owner/name, not "
    assert refused(app, clients["en"], path, 1, 0, 1, api_name="/sample").startswith(english)
    assert refused(app, clients["zh"], path, 1, 0, 1, api_name="/sample").startswith("应用只加载自带模型和形如 owner/name 的 Hub 编号")


def test_a_hub_id_without_a_network_names_the_endpoint(app, clients):
    english = refused(app, clients["en"], "someone/some-gan", 1, 0, 1, api_name="/sample")
    chinese = refused(app, clients["zh"], "someone/some-gan", 1, 0, 1, api_name="/sample")
    assert english.startswith(f"someone/some-gan is no folder here, and the Hub at {app.hub} could not be reached.")
    assert chinese.startswith(f"someone/some-gan 不是这里的文件夹，也无法连接 Hub（{app.hub}）。")


def test_a_gan_does_not_reconstruct_in_one_step(app, clients, tmp_path):
    picture = handle_file(digit(tmp_path))
    names = ", ".join(genart_hub.bundled("vae"))
    english = refused(app, clients["en"], picture, GAN, True, api_name="/reconstruct")
    assert english == f"{GAN} is no VAE, so it cannot reconstruct in one step. Choose one of: {names}."
    assert (
        refused(app, clients["zh"], picture, GAN, True, api_name="/reconstruct")
        == f"{GAN} 不是变分自编码器，不能一步重建。请改选：{names}。"
    )


@pytest.mark.parametrize("endpoint", ["/reconstruct", "/invert"])
def test_no_picture_is_told(app, clients, endpoint):
    arguments = (None, VAE, True, 10)[: 3 if endpoint == "/reconstruct" else 4]
    english = refused(app, clients["en"], *arguments, api_name=endpoint)
    assert english == "There is no picture yet. Upload one, draw one, or pick an example."
    assert refused(app, clients["zh"], *arguments, api_name=endpoint) == "还没有图片。请上传、画一幅，或选择一个示例。"


FORMATS = "Use a PNG, JPEG, GIF or WebP file.", "请使用 PNG、JPEG、GIF 或 WebP 文件。"
BAD_FILES = {
    "empty.png": (
        f"empty.png is not a picture that can be read (it is of no known picture format). {FORMATS[0]}",
        f"empty.png 不是可读的图片（不是已知的图片格式）。{FORMATS[1]}",
    ),
    "text.png": (
        f"text.png is not a picture that can be read (it is of no known picture format). {FORMATS[0]}",
        f"text.png 不是可读的图片（不是已知的图片格式）。{FORMATS[1]}",
    ),
    "eps.png": (
        f"eps.png is not a picture that can be read (it is of no known picture format). {FORMATS[0]}",
        f"eps.png 不是可读的图片（不是已知的图片格式）。{FORMATS[1]}",
    ),
    "huge.png": (
        "huge.png has 12000x12000 pixels; at most 40,000,000 are taken. Make it smaller first.",
        "huge.png 有 12000x12000 像素，最多接受 40,000,000 像素。请先把它缩小。",
    ),
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


def picture_with(recipe: dict | None, path: Path) -> Path:
    return images.save_png(Image.new("L", (28, 28)), path, recipe)


BAD_RECIPES = [
    (None, "p.png carries no genart_hub recipe.", "p.png 不含 genart_hub 配方。"),
    (
        {"model": "../../etc/passwd", "seed": 0},
        "The app loads bundled models and Hub ids",
        "应用只加载自带模型和形如 owner/name 的 Hub 编号",
    ),
    ({"model": f"weights/{GAN}", "seed": 0}, "The app loads bundled models and Hub ids", "应用只加载自带模型和形如 owner/name 的 Hub 编号"),
    (
        {"model": GAN, "seed": 0, "weights_sha256": "0" * 64},
        f"The picture was made with other weights of {GAN} (000000000000 there, ",
        f"这张图片由 {GAN} 的另一份权重生成",
    ),
    ({"model": GAN, "seed": -3}, "p.png: its recipe is damaged (recipe: seed must be", "p.png：其中的配方已损坏（recipe：seed 必须在"),
    (
        {"model": GAN, "seed": 0, "truncation": "much"},
        "p.png: its recipe is damaged (recipe: truncation",
        "p.png：其中的配方已损坏（recipe：truncation",
    ),
    (
        {"model": GAN, "seed": 0, "n": 65},
        "Sampling: How many pictures must be between 1 and 64, got 65.",
        "采样：图片数量 必须在 1 与 64 之间，得到的是 65。",
    ),
    ({"model": GAN, "seed": 0, "n": 10**9}, "p.png: its recipe is damaged (recipe: n must be", "p.png：其中的配方已损坏（recipe：n 必须在"),
]


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
