"""The Reconstruction tab's endpoints, called over HTTP."""

import re

import pytest
from gradio_client import handle_file
from gradio_client.exceptions import AppError
from over_http import GAN, VAE, apple, digit, drawing, mean_squared_error, same_picture, small
from PIL import Image

from genart_hub import images, latents
from genart_hub.ui.examples import save_digits


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


@pytest.mark.parametrize(("lang", "sentence"), [("en", " · as {}"), ("zh", " · 按类别“{}”")])
def test_a_conditional_model_tells_as_which_class_it_saw_the_picture(tiny_model, tiny_clients, tmp_path, lang, sentence):
    picture = digit(tmp_path)
    x = images.from_pil(images.center_digit(Image.open(picture), 8), 8, 1)
    for name, endpoint, steps in (("cvae-mnist", "/reconstruct", ()), ("dcgan-mnist", "/invert", (10,))):
        *_, figure = tiny_clients[lang].submit(handle_file(picture), name, True, *steps, api_name=endpoint).result()
        assert figure.endswith(sentence.format(latents.nearest_class(tiny_model(name), x).item()))


@pytest.mark.parametrize(("place", "name"), [(2, "3"), (5, "9")])
def test_a_drawn_digit_is_searched_for_and_named_as_what_a_classifier_sees(clients, tmp_path, place, name):
    picture = handle_file(save_digits(tmp_path)[place])
    *_, figure = clients["zh"].submit(picture, "dcgan-mnist", True, 60, api_name="/invert").result()
    assert figure.endswith(f" · 按类别“{name}” · 分类器在其中看到“{name}”")
    *_, figure = clients["en"].predict(picture, VAE, True, api_name="/reconstruct")
    assert figure.endswith(f" · a classifier sees {name} in it")


@pytest.mark.parametrize("endpoint", ["/reconstruct", "/invert"])
@pytest.mark.parametrize("name", ["vae-mnist", "gan-mnist", "conv-vae-emoji"])
def test_a_model_without_classes_says_nothing_of_them(tiny_clients, tmp_path, endpoint, name):
    if endpoint == "/reconstruct" and name == "gan-mnist":
        return
    arguments = (handle_file(digit(tmp_path)), name, True) + (() if endpoint == "/reconstruct" else (10,))
    *_, figure = tiny_clients["en"].submit(*arguments, api_name=endpoint).result()
    assert re.search(r"error \d\.\d{4} \(pixels from 0 to 1\)$", figure)


@pytest.mark.parametrize("tidy", [True, False])
def test_a_colour_model_sees_the_picture_as_it_is(tiny_model, tiny_clients, tmp_path, tidy):
    picture = apple(tmp_path)
    seen, answer, _ = tiny_clients["en"].predict(handle_file(picture), "conv-vae-emoji", tidy, api_name="/reconstruct")
    x = images.from_pil(Image.open(picture), 16, 3)
    for path, expected in ((seen, x), (answer, tiny_model("conv-vae-emoji").reconstruct(x))):
        assert same_picture(Image.open(path).resize((16, 16), Image.Resampling.NEAREST), images.to_pil(expected[0]))
