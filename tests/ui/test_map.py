"""A latent space to touch: what its map and its strip compute, and the panel in a browser."""

import base64
import math

import pytest
import torch
from browsing import PHONE, expect, lang_of

from genart_hub import images, latents
from genart_hub.errors import GenartError
from genart_hub.latents import directions
from genart_hub.models import DCGAN, GAN, VAE
from genart_hub.models.mixture import Mixture
from genart_hub.ui import map_points, opened
from genart_hub.ui.map import SENT, Answers, latent_of, own_picture
from genart_hub.ui.map_points import FRAMES, SIDE, WIDE, Fixed
from genart_hub.ui.map_texts import WORDS
from genart_hub.ui.model_cache import ModelCache


@pytest.fixture(autouse=True)
def _seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def gan() -> GAN:
    return GAN(image_size=8, channels=1, latent_dim=6).eval()


def at(*places: float) -> torch.Tensor:
    return torch.tensor(places, dtype=torch.float64)


def great_circle(a: torch.Tensor, b: torch.Tensor, t: float) -> torch.Tensor:
    """sin((1 - t) w) / sin(w) a + sin(t w) / sin(w) b of the directions, by hand, as long as the way goes."""
    u, v = a / a.norm(), b / b.norm()
    w = math.acos((u @ v).item())
    direction = (math.sin((1 - t) * w) * u + math.sin(t * w) * v) / math.sin(w)
    return direction * ((1 - t) * a.norm() + t * b.norm())


def test_corners_are_the_seeds_pictures_and_between_them_the_way_goes_along_circles():
    model = gan()
    points = map_points.ends(model, "seeds", [3, 1, 4, 5], Fixed())
    a, b, c, d = (model.latents(1, seed)[0] for seed in (3, 1, 4, 5))
    found = points.at(at(0, 1, 0, 1, 0.3), at(0, 0, 1, 1, 0.8))
    middle = great_circle(great_circle(a, b, 0.3), great_circle(c, d, 0.3), 0.8)
    torch.testing.assert_close(found.vectors, torch.stack([a, b, c, d, middle]), rtol=1e-4, atol=1e-5)
    drawn = map_points.draw(model, found, Fixed())
    torch.testing.assert_close(drawn[:2], torch.cat([model.sample(1, 3), model.sample(1, 1)]))


def test_the_map_is_read_row_by_row():
    x, y = map_points.grid()
    assert (x[:3].tolist(), y[:3].tolist()) == (pytest.approx([0, 1 / 7, 2 / 7]), [0, 0, 0])
    assert (x[-1].item(), y[-1].item(), y[SIDE].item()) == (1, 1, pytest.approx(1 / 7))


def test_a_corner_of_a_mixture_is_its_seed_s_picture_and_the_shares_go_straight():
    model = VAE(image_size=4, latent_dim=3, hidden_dims=[8], components=2).eval()
    assert isinstance(model.mixture, Mixture)
    model.mixture.means.copy_(torch.tensor([[5.0, 0, 0], [0, -5, 0]]))
    seeds = [0, 1, 2, 3]
    points = map_points.ends(model, "seeds", seeds, Fixed())
    torch.testing.assert_close(map_points.latents_of(model, points), torch.cat([model.latents(1, seed) for seed in seeds]))
    way = map_points.latents_of(model, points.walk(0, 3, "slerp"))
    torch.testing.assert_close(way, latents.seed_walk(model, [0, 3], FRAMES))
    torch.testing.assert_close(points.at(at(0.25), at(0)).shares[0], 0.75 * points.shares[0] + 0.25 * points.shares[1])


def test_a_class_s_corner_is_its_picture_and_half_way_every_layer_is_told_both_alike():
    model = DCGAN(image_size=8, channels=1, latent_dim=4, width=2, num_classes=3).eval()
    for layer in map_points.class_layers(model):
        torch.nn.init.normal_(layer.weight)
    fixed = Fixed(seed=7)
    points = map_points.ends(model, "classes", [0, 1, 2, 1], fixed)
    corners = map_points.draw(model, points, fixed)
    torch.testing.assert_close(corners, torch.cat([model.sample(1, 7, label=k) for k in (0, 1, 2, 1)]))
    between = map_points.draw(model, points.at(at(0.5), at(0)), fixed)
    with torch.no_grad():
        for layer in map_points.class_layers(model):
            layer.weight[0] = (layer.weight[0] + layer.weight[1]) / 2
    torch.testing.assert_close(between, model.sample(1, 7, label=0))


def test_who_draws_with_the_model_itself_meets_no_mixture_of_classes():
    model = DCGAN(image_size=8, channels=1, latent_dim=4, width=2, num_classes=2).eval()
    twin = map_points.told_shares(model, torch.tensor([[0.5, 0.5]]))
    assert not any(layer._forward_hooks for layer in model.modules())
    assert all(a is b for a, b in zip(model.parameters(), twin.parameters(), strict=True))


def test_both_ways_have_the_same_ends_and_the_straight_one_is_as_short_as_pythagoras_says():
    points = map_points.Points("seeds", torch.tensor([[3.0, 0], [0, 3.0]]))
    ways = {method: points.walk(0, 1, method).vectors for method in latents.METHODS}
    torch.testing.assert_close(ways["slerp"].norm(dim=1), torch.full((FRAMES,), 3.0))
    t = torch.linspace(0, 1, FRAMES)
    torch.testing.assert_close(ways["lerp"].norm(dim=1), 3 * (t.square() + (1 - t).square()).sqrt())


def test_a_plane_s_edges_are_two_and_a_half_standard_deviations_away():
    model = VAE(image_size=4, latent_dim=3, hidden_dims=[8], components=1).eval()
    model.mixture.factors.copy_(torch.diag(torch.tensor([0.5, 4.0, 2.0]))[None])
    model.mixture.means.fill_(1.0)
    plane = map_points.plane_of(model, Fixed())
    middle, right, top = plane.at(at(0.5, 1, 0.5), at(0.5, 0.5, 0))
    torch.testing.assert_close(middle, torch.ones(3), atol=0.3, rtol=0)
    assert (right - middle).norm().item() == pytest.approx(WIDE * 4, rel=0.1)
    assert (top - middle).norm().item() == pytest.approx(WIDE * 2, rel=0.1)
    assert abs((right - middle)[1]) > 0.95 * (right - middle).norm()
    assert map_points.plane_of(model, Fixed()) is plane


def test_a_plane_without_a_mixture_is_that_of_ganspace_with_n_0_i_s_deviation():
    model = gan()
    plane = map_points.plane_of(model, Fixed())
    torch.testing.assert_close(plane.axes, directions.pca(model, 2, n=map_points.SEEN).vectors)
    torch.testing.assert_close(plane.at(at(0, 0.5), at(0.5, 0)), torch.stack([-WIDE * plane.axes[0], WIDE * plane.axes[1]]))


def test_an_example_stands_where_the_encoder_puts_it_and_so_does_a_picture_of_one_s_own():
    model = VAE(image_size=8, latent_dim=3, hidden_dims=[8]).eval()
    picture = map_points._example("7")
    x = images.from_pil(images.center_digit(picture, 8), 8, 1)
    with torch.no_grad():
        assert latent_of(model, "7") == pytest.approx(model.encode(x)[0][0].tolist(), abs=1e-5)
    sent = base64.b64encode(picture.convert("RGB").resize((SENT, SENT)).tobytes()).decode()
    assert map_points.seen(model, own_picture(sent)).tolist() == pytest.approx(latent_of(model, "7"), abs=0.3)


# ---- what a page may send ----

SEEDS = {
    "kind": "seeds",
    "face": "corners",
    "ends": [0, 1, 2, 3],
    "seed": 0,
    "label": 0,
    "prompt": "",
    "x": 0.5,
    "y": 0.5,
    "from": 0,
    "to": 1,
}


def asked(model: str = "gan-mnist", **other: object) -> dict:
    return SEEDS | {"model": model, "lang": "en"} | other


def test_answers_hold_pictures_as_bytes(tiny_model):
    answers, model = Answers(ModelCache()), tiny_model("gan-mnist")
    begun = answers.begin(asked())
    assert (begun["side"], begun["kinds"], begun["ends"]["seeds"]) == (8, ("seeds",), [0, 1, 2, 3])
    grid = answers.grid(asked())
    assert len(grid["pictures"]) == SIDE * SIDE
    assert base64.b64decode(grid["pictures"][0]) == images.to_pil(model.sample(1, 0)[0]).tobytes()
    corner = answers.dot(asked(x=1, y=1))["picture"]
    levels = [list(base64.b64decode(one)) for one in (corner, grid["pictures"][-1])]
    assert levels[0] == pytest.approx(levels[1], abs=1)
    strip = answers.strip(asked())
    assert [len(strip[way]) for way in latents.METHODS] == [FRAMES, FRAMES]
    assert strip["mark"] == 2.0
    assert strip["lengths"]["lerp"][FRAMES // 2] < strip["lengths"]["slerp"][FRAMES // 2]
    assert answers.dot(asked("dcgan-emoji", kind="classes", ends=[0, 1, 2, 3]))["picture"]
    assert answers.dot(asked("conv-vae-emoji", face="plane"))["picture"]
    assert answers.strip(asked("conv-vae-emoji", kind="pictures", ends=["face", [0.5] * 4, "tree", "heart"]))["slerp"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"x": math.nan}, {"y": "low"}, {"x": 1e9}, {"ends": [0] * 100_000}, {"ends": "abcd"}, {"ends": [0, 1, 2, -1]},
        {"ends": [0, 1, 2, math.nan]}, {"ends": [[0], 1, 2, 3]}, {"kind": "prompts"}, {"kind": ["seeds"]}, {"face": {"a": 1}},
        {"model": "no-such-model"}, {"model": "../../etc"}, {"model": 7}, {"model": "nobody/knows"}, {"seed": 1e300},
    ],
)  # fmt: skip
def test_what_is_no_request_is_told_in_a_sentence(tiny_model, wrong):
    class Page:
        headers: dict = {}

    answers = Answers(ModelCache())
    for sent in (asked(**wrong), asked(**wrong) | {"lang": "zh"}):
        answer = opened.answering(answers.dot)(sent, Page())
        assert answer["ok"] is False
        assert "not work" not in answer["error"]
        assert answer["error"].rstrip().endswith((".", "。"))


@pytest.mark.parametrize("value", ["face.png", [0.0], [math.nan] * 4, None, {}, [0.0] * 100_000])
def test_a_corner_that_is_no_picture_of_the_model_is_refused(tiny_model, value):
    with pytest.raises(GenartError):
        latent_of(tiny_model("conv-vae-emoji"), value)


@pytest.mark.parametrize("pixels", [None, "", "!!", "AAAA", "A" * 10_000_000])
def test_a_picture_of_another_size_is_refused(pixels):
    with pytest.raises(GenartError) as error:
        own_picture(pixels)
    assert error.value.code == "no_picture"


def test_a_model_that_was_put_away_is_loaded_again_and_one_of_the_hub_is_told_with_its_cure(tiny_model):
    models = ModelCache(max_bytes=1)
    answers = Answers(models)
    before = answers.dot(asked())
    models.get("conv-vae-emoji")
    assert not models.is_loaded("gan-mnist")
    assert answers.dot(asked()) == before
    with pytest.raises(GenartError, match="press Walk, which loads it"):
        answers.dot(asked("somebody/a-gan"))


# ---- in the app ----

PICTURE = "(canvas) => canvas.toDataURL()"


def changes(page, name: str, before: str) -> None:
    page.wait_for_function("([name, before]) => document.querySelector(`.map-${name}`).toDataURL() !== before", arg=[name, before])


def bring(page, lang: str, name: str) -> dict[str, str]:
    """Let the panel show a model. Returns the panel's words."""
    words = {key: pair[lang == "zh"] for key, pair in WORDS.items()}
    page.locator(".latent-map").scroll_into_view_if_needed()
    page.locator(".map-model").select_option(name)
    expect(page.locator(".map-lead")).to_have_text(words["lead"].format(count=4, model=name))
    expect(page.locator(".map-legend [data-way=slerp]")).not_to_be_empty()
    return words


@pytest.mark.browser
@pytest.mark.parametrize(("locale", "options"), [("en-US", {}), ("zh-CN", {"viewport": PHONE, "scheme": "dark"})], ids=["desk", "phone"])
def test_the_dot_is_moved_and_the_picture_follows(visit, tiny_app, locale, options):
    page, lang = visit(locale, url=tiny_app.url, tab="interpolation", **options), lang_of(locale)
    words = bring(page, lang, "conv-vae-emoji")
    dot, here = page.locator(".map-dot"), page.locator(".map-here")
    assert dot.get_attribute("aria-valuetext") == words["place"].format(x=50, y=50)
    before = here.evaluate(PICTURE)
    for _ in range(5):
        dot.press("ArrowRight")
    expect(dot).to_have_attribute("aria-valuetext", words["place"].format(x=70, y=50))
    changes(page, "here", before)
    before = here.evaluate(PICTURE)
    page.locator(".map-board").click(position={"x": 12, "y": 12})
    expect(dot).to_have_attribute("aria-valuetext", words["place"].format(x=0, y=0))
    changes(page, "here", before)

    before = page.locator(".map-grid").evaluate(PICTURE)
    page.get_by_label(words["end_pictures"].format(name="A")).select_option("boat")
    changes(page, "grid", before)
    before = page.locator(".map-grid").evaluate(PICTURE)
    page.get_by_role("button", name=words["plane"], exact=True).click()
    expect(page.locator(".map-strip")).to_be_hidden()
    changes(page, "grid", before)
    page.get_by_role("button", name=words["corners"], exact=True).click()
    page.get_by_role("button", name=words["kind_seeds"], exact=True).click()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.browser
def test_dragging_without_pause_sends_one_request_at_a_time_and_the_strip_is_played_without_any(visit, tiny_app):
    page = visit(url=tiny_app.url, tab="interpolation")
    words = bring(page, "en", "gan-mnist")
    sent = page.evaluate(
        """async () => {
          const dot = document.querySelector(".map-dot"), fetched = window.fetch, sent = { most: 0, open: 0, x: [] };
          const wait = (time) => new Promise((done) => setTimeout(done, time));
          window.fetch = async (...asked) => {
            if (!String(asked[0]).includes("component_server")) return fetched(...asked);
            sent.most = Math.max(sent.most, ++sent.open);
            sent.x.push(JSON.parse(asked[1].body).data.x);
            try { return await fetched(...asked); } finally { sent.open--; }
          };
          for (let k = 0; k < 400; k++) {
            dot.dispatchEvent(new KeyboardEvent("keydown", { key: k % 20 < 10 ? "ArrowRight" : "ArrowLeft", bubbles: true }));
            await wait(5);
          }
          const last = Number(dot.getAttribute("aria-valuenow"));
          while (sent.open || Math.abs(100 * sent.x.at(-1) - last) > 1) await wait(50);
          sent.dragged = sent.x.length;
          const frame = document.querySelector(".map-frame");
          for (let k = 0; k < 24; k++) {
            frame.value = k;
            frame.dispatchEvent(new Event("input", { bubbles: true }));
            await wait(5);
          }
          await wait(200);
          sent.scrubbed = sent.x.length - sent.dragged;
          window.fetch = fetched;
          return sent;
        }"""
    )
    assert sent["most"] == 1
    assert 5 < sent["dragged"] < 200
    assert sent["scrubbed"] == 0
    frame = page.locator(".map-frame")
    assert frame.get_attribute("aria-valuetext").startswith(words["at_frame"].split(":")[0].format(k=FRAMES, count=FRAMES))
    page.get_by_role("button", name=words["play"], exact=True).click()
    page.wait_for_function("document.querySelector('.map-frame').value !== '23'")
    page.get_by_role("button", name=words["pause"], exact=True).click()
