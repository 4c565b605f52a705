"""The VAE opened: what its panel computes, and the panel in a browser."""

import base64
import math
import re

import pytest
import torch
from browsing import PHONE, example, expect, lang_of
from torch.distributions import Normal, kl_divergence

from genart_hub import images, losses
from genart_hub.errors import GenartError
from genart_hub.models import VAE, ConvVAE
from genart_hub.ui import opened, texts
from genart_hub.ui.model_cache import ModelCache
from genart_hub.ui.opened import LIMIT, VARIANTS
from genart_hub.ui.opened_texts import WORDS

FIGURE = {"en": r"^Mean squared error \d\.\d{4}", "zh": r"^均方误差 \d\.\d{4}"}


def tiny(kind: str) -> torch.nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if kind == "bernoulli":
            return VAE(image_size=4, latent_dim=3, hidden_dims=[8]).eval()
        return ConvVAE(image_size=8, latent_dim=3, width=2, likelihood=kind, num_classes=2 if kind == "unit-gaussian" else 0).eval()


def picture(model, seed: int = 0) -> torch.Tensor:
    """One of 256 levels, as an upload is."""
    levels = torch.randint(256, (1, model.channels, model.image_size, model.image_size), generator=torch.Generator().manual_seed(seed))
    return levels / 127.5 - 1


KINDS = pytest.mark.parametrize("kind", ["bernoulli", "gaussian", "unit-gaussian"])


@KINDS
def test_bars_are_the_encoders_answer_and_their_kl_is_that_of_torch(kind):
    model, label = tiny(kind), torch.tensor([1]) if kind == "unit-gaussian" else None
    x = picture(model)
    value = opened.opened(model, x, label)
    with torch.no_grad():
        mu, logvar = model.encode(x) if label is None else model.encode(x, label)
    sigma = (logvar / 2).exp()
    assert value["mu"] == pytest.approx(mu[0].tolist(), abs=1e-4)
    assert value["sigma"] == pytest.approx(sigma[0].tolist(), abs=1e-4)
    assert value["kl"] == pytest.approx(kl_divergence(Normal(mu, sigma), Normal(0, 1))[0].tolist(), abs=1e-3)
    rebuilt = images.to_pil(model.reconstruct(x) if label is None else model.reconstruct(x, label))[0]
    assert base64.b64decode(value["pictures"][0]) == rebuilt.tobytes()
    assert base64.b64decode(value["x"]) == images.to_pil(x)[0].tobytes()


def test_the_error_of_a_bernoulli_is_its_nll_and_that_of_a_gaussian_costs_nothing_for_a_perfect_copy():
    model = tiny("bernoulli")
    x, z = picture(model), torch.tensor([[0.5, -1.0, 2.0]])
    with torch.no_grad():
        assert opened.drawn(model, z, x)["errors"] == pytest.approx(losses.bernoulli_nll(model.decode(z), x).tolist(), rel=1e-4)
    model = tiny("gaussian")
    model.decoder.logvar.data.fill_(math.log(0.04))
    x = picture(model)
    with torch.no_grad():
        squares = (model.decode(z) - x).square().sum().item()
        assert opened.drawn(model, z, x)["errors"] == pytest.approx([squares / (2 * 0.04)], rel=1e-3)
        assert opened.drawn(model, z, model.decode(z))["errors"] == pytest.approx([0], abs=1e-2)


def test_draws_are_mu_and_scaled_sigma_times_the_noise_of_their_seeds():
    model = tiny("bernoulli")
    x, mu, sigma = picture(model), torch.tensor([[0.5, -1.0, 5.9]]), torch.tensor([[1.0, 0.5, 2.0]])
    one = opened.varied(model, mu, sigma, x, scale=2.0, seed=40)
    for k in range(VARIANTS):
        eps = torch.randn(3, generator=torch.Generator().manual_seed(40 + k))
        assert one["z"][k] == pytest.approx((mu[0] + 2 * sigma[0] * eps).clamp(-LIMIT, LIMIT).tolist(), abs=1e-3)
    assert one == opened.varied(model, mu, sigma, x, scale=2.0, seed=40)
    assert one["pictures"][3] == opened.varied(model, mu, sigma, x, scale=2.0, seed=43)["pictures"][0]
    assert set(opened.varied(model, mu, sigma, x, scale=0.0)["pictures"]) == {opened.drawn(model, mu, x)["pictures"][0]}


def test_a_picture_goes_to_the_page_and_back_without_loss():
    model = tiny("gaussian")
    x = picture(model, seed=3)
    torch.testing.assert_close(opened.unpacked(opened.packed(x)[0], model), x)


@pytest.mark.parametrize(
    "values", [[0.0, 1.0], [0.0] * 4, [0.0, math.nan, 0.0], [0.0, math.inf, 0.0], ["0", 0, 0], None, {}, "abc", [[0], 0, 0]]
)
def test_numbers_that_are_no_bars_are_refused(values):
    with pytest.raises(GenartError) as error:
        opened.numbers_of(values, tiny("bernoulli"))
    assert error.value.code == "bad_bars"


def test_numbers_beyond_the_bars_are_cut_off():
    assert opened.numbers_of([1e300, -7, 0.5], tiny("bernoulli")).tolist() == [[LIMIT, -LIMIT, 0.5]]


@pytest.mark.parametrize("text", ["", "!!", "AAAA", None, 7, base64.b64encode(bytes(17)).decode()])
def test_a_picture_of_another_size_is_refused(text):
    with pytest.raises(GenartError, match="bars do not fit"):
        opened.unpacked(text, tiny("bernoulli"))


def test_ways_are_of_unit_length_and_kept_with_the_model():
    model = tiny("gaussian")
    found = opened.ways_of(model)
    assert found.method == "sefa"
    torch.testing.assert_close(found.vectors.norm(dim=1), torch.ones(3))
    assert opened.ways_of(model) is found
    assert opened.way_names("zh", found) == ["方向 1", "方向 2", "方向 3"]


# ---- in the app ----

PICTURE = "(canvas) => canvas.toDataURL()"


def canvas(page, name: str):
    return page.locator(f".opened-{name}")


def changes(page, name: str, before: str) -> None:
    page.wait_for_function("([name, before]) => document.querySelector(`.opened-${name}`).toDataURL() !== before", arg=[name, before])


def becomes(page, name: str, picture: str) -> None:
    """Wait until a canvas shows that picture, but for a level: a batch of eight is summed up in another order than one."""
    page.wait_for_function(
        """async ([name, picture]) => {
          const canvas = document.querySelector(`.opened-${name}`), copy = canvas.cloneNode(), image = new Image();
          image.src = picture;
          await image.decode();
          [copy.width, copy.height] = [canvas.width, canvas.height];
          copy.getContext("2d").drawImage(image, 0, 0);
          const [a, b] = [canvas, copy].map((one) => one.getContext("2d").getImageData(0, 0, one.width, one.height).data);
          return a.every((level, k) => Math.abs(level - b[k]) <= 1);
        }""",
        arg=[name, picture],
    )


@pytest.mark.browser
@pytest.mark.parametrize(("locale", "options"), [("en-US", {}), ("zh-CN", {"viewport": PHONE, "scheme": "dark"})], ids=["desk", "phone"])
def test_a_bar_is_pulled_and_the_picture_follows(visit, locale, options):
    page, lang = visit(locale, tab="reconstruction", **options), lang_of(locale)
    words = {key: pair[lang == "zh"] for key, pair in WORDS.items()}
    page.locator(".opened").scroll_into_view_if_needed()
    expect(page.locator(".opened-lead")).to_have_text(words["lead_example"].format(model="conv-vae-emoji"))  # before a click
    expect(page.locator(".opened-bar")).to_have_count(16)
    example(page, 2).click()
    expect(page.locator(".opened-lead")).to_have_text(words["lead_own"].format(model="vae-mnist"))
    expect(page.get_by_text(re.compile(FIGURE[lang]))).to_have_count(1)
    first = page.locator(".opened-bar").first
    before, value, cost = canvas(page, "made").evaluate(PICTURE), first.get_attribute("aria-valuenow"), page.locator(".opened-cost b").first
    costs = cost.inner_text()
    for _ in range(4):
        first.press("ArrowUp")
    assert float(first.get_attribute("aria-valuenow")) == pytest.approx(float(value) + 1, abs=0.02)
    assert first.get_attribute("aria-valuetext") == page.locator(".opened-hand").inner_text()
    changes(page, "made", before)
    expect(cost).not_to_have_text(costs)
    page.get_by_role("button", name=words["back"], exact=True).click()
    expect(first).to_have_attribute("aria-valuenow", value)
    becomes(page, "made", before)
    page.get_by_role("button", name=words["all"].format(count=32), exact=True).click()
    expect(page.locator(".opened-bar")).to_have_count(32)

    draws = page.locator(".opened-variants button")
    expect(draws).to_have_count(8)
    expect(draws.first).to_have_attribute("aria-label", words["variant"].format(seed=0))
    shown = draws.first.locator("canvas").evaluate(PICTURE)
    page.get_by_role("button", name=words["again"], exact=True).click()
    expect(draws.first).to_have_attribute("aria-label", words["variant"].format(seed=8))
    assert draws.first.locator("canvas").evaluate(PICTURE) != shown
    page.locator(".opened-seed").fill("0")
    expect(draws.first).to_have_attribute("aria-label", words["variant"].format(seed=0))
    assert draws.first.locator("canvas").evaluate(PICTURE) == shown
    draws.first.click()
    becomes(page, "made", shown)

    page.locator(".opened-formula [data-term=kl]").click()
    expect(page.locator(".opened-cost.lit span")).to_have_text(words["kl"])
    expect(page.locator(".opened-sliders input")).to_have_count(10)
    before = canvas(page, "after").evaluate(PICTURE)
    page.get_by_label(texts.say(lang, "direction_class", name="8")).press("PageUp")
    changes(page, "after", before)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.browser
def test_dragging_without_pause_sends_one_request_at_a_time_and_ends_where_the_bar_is(visit):
    page = visit(tab="reconstruction")
    page.locator(".opened").scroll_into_view_if_needed()
    page.locator(".opened-sliders input").first.wait_for()
    sent = page.evaluate(
        """async () => {
          const bar = document.querySelector(".opened-bar"), fetched = window.fetch;
          const sent = { most: 0, open: 0, z: [] };
          window.fetch = async (...asked) => {
            if (!String(asked[0]).includes("component_server")) return fetched(...asked);
            sent.most = Math.max(sent.most, ++sent.open);
            sent.z.push(JSON.parse(asked[1].body).data.z?.[bar.dataset.k]);
            try { return await fetched(...asked); } finally { sent.open--; }
          };
          let last = null;
          for (let k = 0; k < 400; k++) {
            bar.dispatchEvent(new KeyboardEvent("keydown", { key: k % 40 < 20 ? "ArrowUp" : "ArrowDown", bubbles: true }));
            await new Promise((done) => setTimeout(done, 5));
          }
          last = Number(bar.getAttribute("aria-valuenow"));
          while (sent.open || Math.abs(sent.z.at(-1) - last) > 0.01) await new Promise((done) => setTimeout(done, 50));
          window.fetch = fetched;
          return sent;
        }"""
    )
    assert sent["most"] == 1
    assert 5 < len(sent["z"]) < 200


@pytest.mark.parametrize("asked", [None, [], "x", {}, {"model": "../../etc/passwd"}, {"model": "gan-mnist"}, {"model": "nobody/knows"}])
def test_what_is_no_request_is_told_in_a_sentence(asked):
    class Page:
        headers: dict = {}

    answers = opened.Answers(ModelCache(), lambda channels: None, dict)
    for name in ("draw", "vary", "lead"):
        answer = opened.answering(getattr(answers, name))(asked, Page())
        assert answer["ok"] is False
        assert answer["error"]


def test_a_model_that_was_put_away_is_loaded_again(tiny_model):
    models = ModelCache(max_bytes=1)
    answers = opened.Answers(models, lambda channels: None, dict)
    model = models.get("vae-mnist")
    value = opened.opened(model, picture(model))
    models.get("conv-vae-emoji")
    assert not models.is_loaded("vae-mnist")
    answer = answers.draw({"model": "vae-mnist", "x": value["x"], "z": value["mu"]})
    assert answer["pictures"][0] == pytest.approx(value["pictures"][0])
    assert answers.lead({"model": "vae-mnist", "lang": "en"})["names"] == ["direction 1", "direction 2", "direction 3", "direction 4"]
