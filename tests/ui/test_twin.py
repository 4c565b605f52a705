"""The twin: its networks under node and in the browser, against torch, finite differences and known cases, and its panel."""

import json
import re
import shutil
import subprocess

import pytest
import torch
from browsing import expect, lang_of, press
from torch import nn

from genart_hub.ui import path, texts, twin
from genart_hub.ui.twin_texts import LEGENDS, WORDS, words_of

NETS = '"use strict";\n' + twin.SCRIPTS["twin_nets"] + twin.SCRIPTS["twin_models"]
NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="no node on the PATH")


def run(script: str, **given):
    """What a script returns that has the networks, and `given` as an object."""
    assert NODE is not None
    program = f"{NETS}\nconst given = {json.dumps(given)};\nconsole.log(JSON.stringify((() => {{ {script} }})()));"
    done = subprocess.run([NODE, "-"], input=program, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# How far each gradient lies from the finite differences of its loss, relatively: of a network, of its R1, and of the VAE.
GRADIENTS = """
  const worst = (loss, theta, grad) => {
    let worst = 0;
    for (let k = 0; k < theta.length; k++) {
      const [kept, h] = [theta[k], 1e-5];
      theta[k] = kept + h;
      const up = loss();
      theta[k] = kept - h;
      const down = loss();
      theta[k] = kept;
      worst = Math.max(worst, Math.abs((up - down) / (2 * h) - grad[k]) / (1e-3 + Math.abs(grad[k])));
    }
    return worst;
  };
  const rng = random(5), net = new Mlp([2, 7, 5, 1], rng), x = rng.normals(6), c = rng.normals(3), tape = net.tape(3);
  const loss = () => net.of(x).reduce((sum, y, k) => sum + c[k] * y * y, 0);
  const dx = net.backward(tape, net.forward(x, tape).map((y, k) => 2 * c[k] * y)).slice();
  const found = { weights: worst(loss, net.theta, net.grad), inputs: worst(loss, x, dx) };
  net.grad.fill(0);
  const r1 = () => {
    net.forward(x, tape);
    return 0.35 * net.penalty(tape, 0);
  };
  net.forward(x, tape);
  net.penalty(tape, 0.7);
  net.backward(tape, new Float64Array(3), { extra: true });
  found.r1 = worst(r1, net.theta, net.grad.slice());
  const vae = new Vae(cloud("moons", 1), 1), points = vae.data.x.slice(0, 8), eps = rng.normals(8);
  const tapes = [vae.encoder.tape(4), vae.decoder.tape(4)];
  vae.beta = 0.6;
  vae.learn(points, eps, tapes);
  const whole = () => {
    const { error, kl } = vae.learn(points, eps, tapes);
    return error + vae.beta * kl;
  };
  const grads = ["encoder", "decoder"].map((part) => [part, vae[part].grad.slice()]);
  for (const [part, grad] of grads) found[part] = worst(whole, vae[part].theta, grad);
  return found;
"""
SAME = """
  const after = (kind, seed) => {
    const model = new MODELS[kind](cloud("ring", seed), seed);
    for (let k = 0; k < 5; k++) model.step();
    return [...(model.way?.().pop() ?? model.points())].slice(0, 20);
  };
  return Object.keys(MODELS).map((kind) => [after(kind, 3), after(kind, 3), after(kind, 4)]);
"""


def check_gradients(found: dict[str, float]) -> None:
    assert set(found) == {"weights", "inputs", "r1", "encoder", "decoder"}
    assert max(found.values()) < 1e-4, found


def check_same(found: list) -> None:
    for first, again, other in found:
        assert first == again
        assert first != other


@needs_node
def test_gradients_are_those_of_finite_differences():
    check_gradients(run(GRADIENTS))


@needs_node
def test_the_same_seed_and_steps_give_the_same_points():
    check_same(run(SAME))


@needs_node
def test_adam_is_that_of_torch():
    gradients = torch.randn(6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.double)
    theta = torch.tensor([0.5, -1.0, 2.0, 0.0], dtype=torch.double, requires_grad=True)
    given = {"theta": theta.tolist(), "gradients": gradients.tolist()}
    adam = torch.optim.Adam([theta], lr=0.03, betas=(0.5, 0.99))
    for gradient in gradients:
        theta.grad = gradient.clone()
        adam.step()
    script = """
      const net = { theta: Float64Array.from(given.theta), grad: new Float64Array(4) }, adam = new Adam(net, 0.03, 0.5, 0.99);
      for (const gradient of given.gradients) { net.grad.set(gradient); adam.step(); }
      return [...net.theta, ...net.grad];
    """
    assert run(script, **given) == pytest.approx([*theta.tolist(), 0, 0, 0, 0], abs=1e-12)


@needs_node
def test_r1_and_its_gradient_are_those_of_torch():
    found = run("""
      const rng = random(2), net = new Mlp([2, 6, 5, 1], rng), x = rng.normals(8), tape = net.tape(4);
      const y = [...net.forward(x, tape)], r1 = net.penalty(tape, 0.3);
      net.backward(tape, new Float64Array(4), { extra: true });
      return { theta: [...net.theta], x: [...x], y, r1, grad: [...net.grad] };
    """)
    sizes, theta = (2, 6, 5, 1), torch.tensor(found["theta"], dtype=torch.double, requires_grad=True)
    h, at = torch.tensor(found["x"], dtype=torch.double).view(4, 2).requires_grad_(), 0
    x = h
    for k, (ins, outs) in enumerate(zip(sizes, sizes[1:], strict=False)):
        weight, bias = theta[at : at + ins * outs].view(outs, ins), theta[at + ins * outs : at + ins * outs + outs]
        at += outs * (ins + 1)
        h = nn.functional.linear(h, weight, bias)
        h = nn.functional.silu(h) if k < 2 else h
    assert at == len(theta)
    assert h.flatten().tolist() == pytest.approx(found["y"], abs=1e-12)
    slopes = torch.autograd.grad(h.sum(), x, create_graph=True)[0]
    r1 = slopes.square().sum(1).mean()
    assert found["r1"] == pytest.approx(r1.item(), abs=1e-12)
    grad = torch.autograd.grad(0.3 / 2 * r1, theta)[0]
    assert found["grad"] == pytest.approx(grad.tolist(), abs=1e-12)


@needs_node
def test_ddim_with_the_true_noise_stays_on_the_line_from_noise_to_the_point():
    x0, eps = [1.5, -0.5], [0.3, -2.0]
    script = """
      const [x0, eps] = [given.x0, given.eps].map((one) => Float64Array.from(one)), at = (t) => noisy(x0, eps, Float64Array.of(t));
      return [[...ddim(at(0.9), eps, 0.9, 0.4)], [...at(0.4)], [...ddim(at(0.9), eps, 0.9, 0)]];
    """
    stepped, there, end = run(script, x0=x0, eps=eps)
    angle = torch.tensor(0.4 * torch.pi / 2, dtype=torch.double)
    assert stepped == pytest.approx(there)
    assert there == pytest.approx([float(angle.cos()) * a + float(angle.sin()) * b for a, b in zip(x0, eps, strict=True)])
    assert end == pytest.approx(x0)


@needs_node
@pytest.mark.parametrize("shape", ["ring", "moons", "spiral"])
def test_blobs_are_counted_from_the_points(shape):
    script = """
      const data = cloud(given.shape, 1), few = data.x.filter((_, k) => data.part[k >> 1] < 3), away = few.map(() => 9);
      const within = data.x.every((one) => Math.abs(one) < 2.1);
      return [counted(data.x, data), counted(few, data), counted(Float64Array.of(...few, ...away), data), within];
    """
    whole, three, half, within = run(script, shape=shape)
    assert (whole["hit"], three["hit"], half["hit"], within) == (8, 3, 3, True)
    assert [whole["near"], three["near"], half["near"]] == pytest.approx([1, 1, 0.5])


TRAIN = """
  const model = Object.assign(new MODELS[given.kind](cloud(given.shape ?? "ring", 1), 1), given.knobs);
  for (let k = 0; k < given.steps; k++) model.step();
  return model.look();
"""


@needs_node
@pytest.mark.slow
def test_a_gan_with_r1_reaches_the_blobs():
    found = run(TRAIN, kind="gan", knobs={"r1": 0.1}, steps=600)
    assert found["hit"] >= 6
    assert found["near"] > 0.5


@needs_node
@pytest.mark.slow
def test_too_strong_a_d_makes_g_collapse_and_r1_helps():
    collapsed, cured = (run(TRAIN, kind="gan", knobs={"strong": True, "r1": r1}, steps=250)["hit"] for r1 in (0, 0.1))
    assert collapsed <= 5
    assert cured > collapsed


@needs_node
@pytest.mark.slow
def test_a_vae_learns_to_copy_and_falls_silent_where_words_are_dear():
    found = run(TRAIN, kind="vae", knobs={"beta": 1}, steps=400)
    assert found["off"] < 0.2
    assert found["says"] == 2
    silent = run(TRAIN, kind="vae", knobs={"beta": 100}, steps=400)
    assert silent["says"] == 0
    assert silent["off"] > 1


@needs_node
@pytest.mark.slow
def test_diffusion_s_points_arrive_at_the_data():
    assert run(TRAIN, kind="diffusion", steps=0)["near"] < 0.3
    assert run(TRAIN, kind="diffusion", steps=1000)["near"] > 0.6


def test_every_word_of_the_scripts_is_there_in_both_languages():
    script = "".join(twin.SCRIPTS.values())
    told = [json.loads(words_of(k)) for k in range(2)]
    assert set(re.findall(r"words\.(\w+)", script)) <= set(told[0])
    assert set(told[0]) == set(told[1])
    for kind in ("gan", "vae", "diffusion"):
        needed = {kind, f"curves_{kind}", f"plane_{kind}_data", f"alt_{kind}_data", f"legend_{kind}_data"}
        assert needed <= set(told[0])
    values = {"hit", "of", "parts", "near", "right", "off", "step", "goal"}
    assert set(re.findall(r"{(\w+)}", "".join(map("".join, WORDS.values())))) <= values
    for pair in WORDS.values():
        assert set(re.findall(r"{(\w+)}", pair[0])) == set(re.findall(r"{(\w+)}", pair[1]))
    assert all(len(mark) == 4 for marks in LEGENDS.values() for mark in marks)


def test_the_scripts_ask_no_server():
    assert not re.search(r"\bfetch\b|XMLHttpRequest|\bserver\.|WebSocket|import\(", "".join(twin.SCRIPTS.values()))


def test_pages_of_the_path_open_kinds_that_there_are():
    opened = {station.twin for station in path.STATIONS.values() if station.twin}
    assert opened == set(twin.KINDS)
    assert json.loads(twin.value_of("gan-strong"))["strong"] is True


# ---- in the app ----

PICTURE = "(canvas) => canvas.toDataURL()"
STEP = r"\D*([1-9][\d,]*)\D"


def steps_of(page) -> int:
    return int(re.search(r"[\d,]+", page.locator(".twin-count").inner_text())[0].replace(",", ""))


@pytest.mark.browser
def test_it_learns_when_it_is_seen_and_stops_when_told_or_out_of_sight(visit, tiny_app):
    page = visit("zh-CN", url=tiny_app.url, tab="training", viewport={"width": 320, "height": 700})
    check_gradients(page.evaluate(f"() => {{ {NETS} {GRADIENTS} }}"))
    check_same(page.evaluate(f"() => {{ {NETS} {SAME} }}"))
    panel, count = page.locator(".twin"), page.locator(".twin-count")
    panel.scroll_into_view_if_needed()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.locator(".twin canvas").first.scroll_into_view_if_needed()
    expect(count).to_have_text(re.compile(STEP))
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(300)
    before = steps_of(page)
    page.wait_for_timeout(700)
    assert steps_of(page) == before
    page.locator(".twin-play").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".twin-play")).to_have_attribute("aria-label", WORDS["play"][1])
    canvas = page.locator(".twin canvas").first
    picture = canvas.evaluate(PICTURE)
    panel.get_by_role("button", name=WORDS["one_g"][1], exact=True).click()
    assert canvas.evaluate(PICTURE) != picture
    expect(canvas).to_have_attribute("aria-label", WORDS["alt_gan_data"][1])
    assert not asked


@pytest.mark.browser
def test_a_page_of_the_path_opens_it_and_less_motion_waits_for_play(visit, tiny_app):
    page = visit(url=f"{tiny_app.url.rstrip('/')}/?tab=path&step=diffusion", tab=None, reduced_motion="reduce")
    lang = lang_of("en-US")
    press(page, lang, "path_twin")
    expect(page.locator(".twin-kinds [data-kind=diffusion]")).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".twin")).to_be_in_viewport()
    expect(page.locator(".twin-says")).to_have_text(WORDS["diffusion_zero"][0])
    page.wait_for_timeout(500)
    assert steps_of(page) == 0
    slider, canvas = page.get_by_label(WORDS["moment"][0]), page.locator(".twin canvas").first
    before = canvas.evaluate(PICTURE)
    slider.focus()
    page.keyboard.press("Home")
    expect(slider).to_have_attribute("aria-valuetext", "t = 0.98")
    assert canvas.evaluate(PICTURE) != before
    page.locator(".twin-play").click()
    expect(page.locator(".twin-count")).to_have_text(re.compile(STEP))
    page.locator(".twin").get_by_role("button", name=WORDS["vae"][0], exact=True).click()
    expect(page.get_by_role("img", name=WORDS["alt_vae_z"][0])).to_be_visible()
    assert texts.say(lang, "path_twin")
