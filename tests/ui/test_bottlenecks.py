"""The same picture through several bottlenecks, and the curve of a search: what is computed, and both in a browser."""

import base64
import io
import json
import math
import re

import pytest
import torch
from browsing import example, expect, press
from gradio_client import handle_file
from over_http import apple, digit, same_picture
from PIL import Image
from running import PIPELINE

from genart_hub import images, latents
from genart_hub.errors import GenartError
from genart_hub.hub import locate
from genart_hub.models import ConvVAE, Tokens
from genart_hub.models.vqvae import VQVAE
from genart_hub.ui import bottlenecks, texts
from genart_hub.ui.bottlenecks import Bottleneck
from genart_hub.ui.bottlenecks_texts import BOTTLENECKS_TEXTS, CURVE
from genart_hub.ui.curve import of_search, of_vae


def tiny_codes() -> VQVAE:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return VQVAE(image_size=16, levels=(4, 3), width=4, num_blocks=1).eval()


def picture(model) -> torch.Tensor:
    return torch.rand(1, model.channels, model.image_size, model.image_size, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_a_vaes_bottleneck_is_its_z_and_what_comes_back_its_own_reconstruction(tiny_model):
    model = tiny_model("conv-vae-emoji")
    x = picture(model)
    passed = bottlenecks.through(model, x)
    assert (passed.bottleneck, passed.bottleneck.count) == (Bottleneck("vector", (4,)), 4)
    assert passed.bottleneck.bits == 4 * 32
    torch.testing.assert_close(passed.x_hat, model.reconstruct(x))
    assert passed.error == pytest.approx(((x - passed.x_hat) / 2).square().mean().item(), rel=1e-4)
    assert passed.tokens is None


def test_a_pipelines_bottleneck_is_the_latent_of_its_autoencoder(tiny_model):
    model = tiny_model(PIPELINE)
    x, vae = picture(model), model.pipeline.vae
    passed = bottlenecks.through(model, x)
    with torch.no_grad():
        z = vae.encode(x).latent_dist.mean
        expected = vae.decode(z).sample.clamp(-1, 1)
    assert passed.bottleneck == Bottleneck("grid", tuple(z.shape[1:]))
    torch.testing.assert_close(passed.x_hat, expected)


def test_codes_are_counted_in_bits_and_their_picture_is_the_models_own():
    model = tiny_codes()
    x = picture(model)
    passed = bottlenecks.through(model, x)
    assert passed.bottleneck == Bottleneck("codes", (4, 4), 12)
    assert passed.bottleneck.bits == pytest.approx(16 * math.log2(12))
    torch.testing.assert_close(passed.x_hat, model.reconstruct(x))
    assert torch.equal(passed.tokens, model.encode_tokens(x)[0])


def test_each_code_has_a_colour_of_its_own_that_is_always_the_same():
    tokens = torch.arange(65_536).view(256, 256)
    shown = bottlenecks.coloured(tokens)
    assert shown.size == (256, 256)
    assert len(shown.getcolors(65_536)) == 65_536
    assert bottlenecks.coloured(tokens[3:4, 5:6]).getpixel((0, 0)) == shown.getpixel((5, 3))


def test_a_model_of_tokens_is_found_by_its_config_wherever_it_is_bundled(tiny, tiny_model, tiny_weights, tmp_path, monkeypatch):
    model = tiny(Tokens, image_size=16, channels=3, levels=(4, 3))
    model.save_pretrained(tmp_path / "any-name-emoji")
    monkeypatch.setattr(locate, "WEIGHTS_FOLDERS", (tiny_weights, tmp_path))
    assert set(bottlenecks.names_beside("conv-vae-emoji")) == {"conv-vae-emoji", PIPELINE, "any-name-emoji"}
    loaded = tiny_model("any-name-emoji")
    passed = bottlenecks.through(loaded, picture(loaded))
    assert passed.bottleneck == Bottleneck("codes", (4, 4), 12)
    torch.testing.assert_close(passed.x_hat, model.reconstruct(picture(loaded)))


def test_a_model_alone_in_its_set_has_no_row(tiny_model, monkeypatch):
    assert bottlenecks.names_beside("nobody/knows-this") == []
    monkeypatch.setattr(bottlenecks.auto, "reconstructing", lambda: ["vae-mnist", "conv-vae-emoji", PIPELINE])
    assert bottlenecks.names_beside("vae-mnist") == []
    assert bottlenecks.names_beside("conv-vae-emoji") == ["conv-vae-emoji", PIPELINE]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_tile_tells_what_is_kept_and_how_much_larger_the_picture_is(lang):
    model = tiny_codes()
    tile = bottlenecks.tile(lang, "a & b", bottlenecks.through(model, picture(model)))
    assert "a &amp; b" in tile
    assert tile.count("<img") == 2
    assert "4 × 4 = 16" in tile
    assert re.search(r"\b8 (bytes|字节)", tile)  # 16 log2(12) = 57.4 bits, of which eight bytes
    assert re.search(r"\b107 (times|倍)", tile)  # 768 * 8 / 57.4


def test_tiles_come_one_by_one_and_a_refusal_takes_the_place_of_one():
    with torch.random.fork_rng():
        model = ConvVAE(image_size=16, latent_dim=3, width=2).eval()
    x, names = picture(model), ["one", "two"]
    shown = list(bottlenecks.rows("en", x, names, iter([bottlenecks.through(model, x), GenartError("no_picture")])))
    assert [one.count("bottleneck-waits") for one in shown] == [2, 1, 0]
    assert "There is no picture yet." in shown[-1]
    assert "16 × 16 × 3 = 768 bytes" in shown[0]


def test_every_kind_of_bottleneck_has_its_words():
    for kind in ("vector", "words", "grid", "codes"):
        assert {f"keeps_{kind}", f"made_for_{kind}"} <= set(BOTTLENECKS_TEXTS)


def test_the_values_of_the_curve_lie_beside_each_other():
    assert json.loads(of_vae(0.01234567)) == {"vae": 0.012346}
    assert json.loads(of_search([0.5, 0.25], 60)) == {"steps": 60, "errors": [0.5, 0.25]}


# ---- in the app ----


def test_the_row_gives_the_picture_through_each_model_of_the_set(tiny_model, tiny_clients, tmp_path):
    path = apple(tmp_path)
    arguments = handle_file(path), "conv-vae-emoji", True
    *_, row = tiny_clients["en"].submit(*arguments, "told", api_name="/squeeze")
    names = ["conv-vae-emoji", PIPELINE]
    assert re.findall(r"<strong>(.*?)</strong>", row) == names
    for name, sent in zip(names, re.findall(r"base64,(.*?)\"", row), strict=True):
        model = tiny_model(name)
        expected = model.reconstruct(images.from_pil(Image.open(path), model.image_size, 3))
        assert same_picture(Image.open(io.BytesIO(base64.b64decode(sent))), images.to_pil(expected[0]))
    assert list(tiny_clients["en"].submit(*arguments, "", api_name="/squeeze")) == [""]


def test_the_curve_tells_the_lowest_error_after_each_step(tiny_model, tiny_clients, tmp_path):
    path = digit(tmp_path)
    updates = list(tiny_clients["en"].submit(handle_file(path), "gan-mnist", True, 12, api_name="/invert_on_page"))
    curves = [json.loads(update[-1]) for update in updates]
    assert [len(one["errors"]) for one in curves] == [1, 5, 10, 12]
    assert {one["steps"] for one in curves} == {12}
    model = tiny_model("gan-mnist")
    x = images.from_pil(images.center_digit(Image.open(path), 8), 8, 1)
    expected = [error / 4 for _, _, error in latents.invert(model, x, 12)]
    assert curves[-1]["errors"] == pytest.approx(expected, abs=1e-5)
    assert float(re.search(r"error (\d\.\d{4})", updates[-1][2])[1]) == pytest.approx(expected[-1], abs=1e-4)


@pytest.mark.browser
def test_the_curve_grows_beside_the_vaes_line_and_stays_after_a_stop_and_the_row_stands_below(visit, tiny_app):
    page = visit(url=f"{tiny_app.url}/?tab=reconstruction&steps=1000", tab=None)
    example(page, 7).click()
    tiles = page.locator(".bottlenecks li")
    expect(tiles.locator("img")).to_have_count(2)
    expect(tiles.last.locator("b")).to_contain_text("16 ×")
    expect(page.get_by_role("heading", name=texts.say("en", "bottlenecks"))).to_be_visible()
    expect(page.locator(".curve")).to_be_hidden()
    press(page, "en", "invert")
    plot = page.locator(".curve svg")
    expect(plot).to_have_attribute("aria-label", re.compile(r"over 1000 steps.*made [1-9]\d+ steps\. The VAE's answer.*\d\.\d{4}\.$"))
    press(page, "en", "stop")
    page.wait_for_timeout(600)
    told = plot.get_attribute("aria-label")
    heights = [float(point.split(",")[1]) for point in page.locator(".curve-gan").get_attribute("points").split()]
    assert heights == sorted(heights)  # down the page is down the axis
    assert f"made {len(heights)} steps" in told
    page.wait_for_timeout(600)
    assert plot.get_attribute("aria-label") == told
    assert plot.get_attribute("role") == "img"
    expect(page.locator(".curve-vae")).to_have_count(1)
    expect(page.locator(".curve-legend span")).to_have_count(3)
    expect(page.locator(".curve figcaption")).to_have_text(CURVE["title"][0])
    example(page, 1).click()
    expect(page.locator(".curve")).to_be_hidden()
