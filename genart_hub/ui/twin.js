// The twin: networks on points of the plane, which learn in the page. Runs once; `element` holds twin.html. Asks no server for anything.
const SECONDS = 10, BUDGET = 12, LATE = 0.5, MOST = 80; // of a training; ms of a frame that go into it; of a late one, this share, at most so many
const REST = 8, LOOK = 400, FLOW = 2.5; // steps that a point of the curves stands for; ms between two diagnoses; seconds from noise to data
const R1 = 0.1, LARGEST = 999_999;

const find = (name) => element.querySelector(`.twin-${name}`);
const canvases = { data: element.querySelector("[data-plane=data] canvas"), z: element.querySelector("[data-plane=z] canvas") };
const reduced = window.matchMedia("(prefers-reduced-motion: reduce)");
const filled = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const number = (value) => value.toLocaleString(words.lang);

let words = JSON.parse(props.label), kind = "gan", model = null, goal = 0;
let playing = false, flowing = false, seen = false, started = false, asked = 0, before = 0, owed = 0, looked = 0;
let history = [], sums = null, way = null, coming = null, moment = Diffusion.moments;
let touched = false, written = "";
const knobs = { r1: false, strong: false, beta: 1 };

// ---- the training ----

function anew() {
  const seed = Math.min(Math.max(Math.floor(Number(find("seed input").value)) || 0, 0), LARGEST);
  model = new MODELS[kind](cloud(find("shape select").value, seed), seed);
  goal = MODELS[kind].enough;
  [owed, looked, history, sums, coming, moment] = [0, 0, [], null, null, Diffusion.moments];
  way = kind === "diffusion" ? model.way() : null;
  flowing = false;
  turn();
  playing = started && (!reduced.matches || playing);
  show();
  wake();
}

/** Let the knobs hold for the steps that come. */
function turn() {
  tell();
  if (kind === "gan") Object.assign(model, { r1: knobs.r1 ? R1 : 0, strong: knobs.strong });
  if (kind === "vae") model.beta = knobs.beta;
}

function remember() {
  const names = MODELS[kind].curves;
  sums ??= { count: 0, of: names.map(() => 0) };
  sums.count += 1;
  names.forEach((name, j) => (sums.of[j] += model.losses[name]));
  if (sums.count < REST) return;
  history.push(sums.of.map((sum) => sum / sums.count));
  sums = null;
}

function learn(seconds) {
  const begun = performance.now(), budget = Math.max(BUDGET, Math.min(LATE * 1000 * seconds, MOST));
  owed += (seconds * MODELS[kind].enough) / SECONDS;
  while (owed >= 1 && model.steps < goal && performance.now() - begun < budget) {
    model.step();
    remember();
    owed -= 1;
  }
  owed = Math.min(owed, 1); // a slow machine takes longer, and does not hurry after
  if (model.steps >= goal) finish();
}

function finish() {
  playing = false;
  looked = 0;
  if (kind !== "diffusion") return;
  [way, coming] = [model.way(), null];
  if (!reduced.matches && moment === Diffusion.moments) flow();
}

/** Samples from noise anew while it learns, a few steps a frame. */
function sample() {
  coming ??= [model.shown];
  for (let k = 0; k < 4 && coming.length <= Diffusion.moments; k++) model.further(coming);
  if (coming.length > Diffusion.moments) [way, coming] = [coming, null];
}

function flow() {
  [flowing, moment] = [true, 0];
  wake();
}

// ---- frames ----

function wake() {
  if (asked || !(playing || flowing) || !seen || document.hidden || !element.isConnected) return;
  before = 0;
  asked = requestAnimationFrame(frame);
}

function frame(now) {
  const seconds = before ? Math.min((now - before) / 1000, 0.25) : 0.016;
  asked = 0;
  if (playing) {
    learn(seconds);
    if (kind === "diffusion" && playing) sample();
  }
  if (flowing) {
    moment = Math.min(moment + (seconds * Diffusion.moments) / FLOW, Diffusion.moments);
    flowing = moment < Diffusion.moments;
  }
  show(now);
  wake();
  before = now;
}

function show(now = performance.now()) {
  DRAW[kind](model, canvases, { way, moment: Math.round(moment), playing });
  const button = find("play"), name = playing ? words.pause : model.steps >= goal ? words.more : words.play;
  button.classList.toggle("plays", playing);
  if (button.title !== name) [button.title, button.ariaLabel] = [name, name];
  const slider = find("knobs [name=moment]");
  if (slider && find("knobs b").textContent !== `t = ${time()}`) {
    slider.value = Math.round(moment);
    slider.setAttribute("aria-valuetext", `t = ${time()}`);
    find("knobs b").textContent = `t = ${time()}`;
  }
  if (now - looked < LOOK && looked && playing) return;
  looked = now;
  find("count").textContent = filled(words.step, { step: number(model.steps), goal: number(goal) });
  find("says").setAttribute("aria-live", playing ? "off" : "polite"); // not a word every half second
  const says = diagnosis();
  if (find("says").textContent !== says) find("says").textContent = says;
  const some = Math.ceil(history.length / 300) || 1, shown = history.filter((_, k) => k % some === 0);
  curves(find("curves"), MODELS[kind].curves.map((_, j) => shown.map((losses) => losses[j])), words[`curves_${kind}`], ["var(--one)", "var(--two)"]);
}

const time = () => Diffusion.times[Math.round(moment)].toFixed(2);

/** What one sees, by what is counted. */
function diagnosis() {
  const of = kind === "diffusion" ? model.look(way[Diffusion.moments]) : model.look(), percent = (share) => Math.round(100 * share);
  const values = { hit: of.hit, of: PARTS, parts: words[`parts_${model.data.shape === "ring" ? "blobs" : "line"}`], near: percent(of.near) };
  const young = model.steps < MODELS[kind].enough / 12;
  const say = (name, more = {}) => filled(words[`${kind}_${name}`], { ...values, ...more });
  if (!model.steps) return say("zero");
  if (kind === "gan") {
    const right = { right: percent(of.right) };
    if (young) return say("young", right);
    if (of.hit <= 5 && model.steps > MODELS[kind].enough / 8) return say(knobs.r1 ? "stuck" : "collapse", right);
    return say(of.right > 0.9 ? "ahead" : of.right < 0.62 ? "even" : "game", right);
  }
  if (kind === "vae") return say(of.says === 0 ? "silent" : young ? "young" : of.says === 1 ? "half" : "good", { off: of.off.toFixed(2) });
  return say(of.near < 0.4 ? "young" : of.near < 0.75 || of.hit < PARTS ? "coming" : "good");
}

// ---- what can be pressed ----

const make = (tag, attributes, ...children) => {
  const node = Object.assign(document.createElement(tag), attributes);
  node.append(...children);
  return node;
};
const press = (text, onclick) => make("button", { type: "button", textContent: text, onclick });
const check = (name, text) =>
  make("label", {}, make("input", { type: "checkbox", checked: knobs[name], onchange: ({ target }) => ((knobs[name] = target.checked), turn()) }), text);
const slide = (text, attributes, oninput) =>
  make("label", { className: "long" }, text, make("b", { ariaHidden: "true" }), make("input", { type: "range", ariaLabel: text, ...attributes, oninput }));

const KNOBS = {
  gan: () => {
    const once = (step) => () => {
      [playing, looked] = [false, 0];
      model[step]();
      remember();
      show();
    };
    return [press(words.one_d, once("stepD")), press(words.one_g, once("stepG")), check("strong", words.strong), check("r1", words.r1)];
  },
  vae: () => {
    const tell = (slider) => {
      knobs.beta = 10 ** Number(slider.value);
      const text = `β = ${knobs.beta < 10 ? knobs.beta.toFixed(knobs.beta < 1 ? 2 : 1) : Math.round(knobs.beta)}`;
      slider.setAttribute("aria-valuetext", text);
      slider.previousSibling.textContent = text;
      turn();
    };
    const label = slide(words.beta, { min: -2, max: 2, step: 0.1, value: Math.log10(knobs.beta) }, ({ target }) => {
      tell(target);
      if (!playing && model.steps) play();
    });
    tell(label.lastChild);
    return [label];
  },
  diffusion: () => {
    const label = slide(words.moment, { name: "moment", min: 0, max: Diffusion.moments, step: 1, value: moment }, ({ target }) => {
      [flowing, moment] = [false, Number(target.value)];
      show();
    });
    return [label, press(words.flow, flow)];
  },
};

function play() {
  started = playing = true;
  if (model.steps >= goal) goal += MODELS[kind].enough;
  show();
  wake();
}

function pause() {
  [playing, looked] = [false, 0];
  show();
}

function choose(chosen) {
  kind = chosen;
  for (const button of find("kinds").children) button.ariaPressed = String(button.dataset.kind === kind);
  find("parts").classList.toggle("both", kind === "vae");
  canvases.z.parentElement.hidden = kind !== "vae";
  for (const [name, canvas] of Object.entries(canvases)) {
    const { previousElementSibling: caption, nextElementSibling: legend } = canvas;
    caption.textContent = words[`plane_${kind}_${name}`] ?? "";
    canvas.setAttribute("aria-label", words[`alt_${kind}_${name}`] ?? "");
    legend.replaceChildren(...(words[`legend_${kind}_${name}`] ?? []).map(([look, colour, text]) => mark(look, colour, text)));
  }
  find("names").replaceChildren(...MODELS[kind].curves.map((name, j) => mark("", ["var(--one)", "var(--two)"][j], words[name])));
  model = new MODELS[kind](cloud(find("shape select").value, 0), 0);
  find("knobs").replaceChildren(...KNOBS[kind]());
  anew();
}

function mark(look, colour, text) {
  const node = make("span", { className: look, textContent: text });
  node.style.setProperty("--colour", colour);
  return node;
}

function name() {
  const shape = find("shape select").value || "ring";
  [find("title"), find("lead"), find("shape span"), find("seed span"), find("anew"), element.querySelector("h3")].forEach(
    (node, k) => (node.textContent = words[["title", "lead", "shape", "seed", "anew", "losses"][k]]),
  );
  find("kinds").setAttribute("aria-label", words.kinds);
  find("kinds").replaceChildren(...Object.keys(MODELS).map((one) => Object.assign(press(words[one], () => choose(one)), { ariaPressed: "false" })));
  Object.keys(MODELS).forEach((one, k) => (find("kinds").children[k].dataset.kind = one));
  find("shape select").replaceChildren(...Object.keys(SHAPES).map((one) => make("option", { value: one, textContent: words[`shape_${one}`] })));
  find("shape select").value = shape;
  choose(kind);
}

/** Another tab's button opens it: with a kind, and with D too strong. */
function opened() {
  if (!props.value) return;
  const { kind: wanted, strong = false } = JSON.parse(props.value);
  Object.assign(knobs, { strong, r1: false });
  choose(wanted);
  setTimeout(() => element.scrollIntoView({ block: "start" }), 300);
}

// ---- the page's address ----

for (const event of ["pointerdown", "keydown", "change"]) element.addEventListener(event, () => (touched = true), true);

/** Let the address say what a reader has chosen: kind; shape; seed; D too strong; R1; beta. */
function tell() {
  if (!touched) return;
  written = [kind, find("shape select").value, find("seed input").value, Number(knobs.strong), Number(knobs.r1), knobs.beta.toFixed(2)].join(";");
  window.genart?.shows("training", "plane", written);
}

/** Show what the address says, if it is something else, and be seen. */
function come() {
  const text = new URLSearchParams(location.search).get("plane") ?? "";
  const [wanted, shape, seed = 0, strong = 0, r1 = 0, beta = 1] = text.split(";");
  if (!Object.hasOwn(MODELS, wanted) || !Object.hasOwn(SHAPES, shape)) return;
  setTimeout(() => element.scrollIntoView({ block: "start" }), 300);
  if (text === written) return;
  written = text;
  [find("shape select").value, find("seed input").value] = [shape, Math.min(Math.max(Math.floor(Number(seed)) || 0, 0), LARGEST)];
  Object.assign(knobs, { strong: strong === "1", r1: r1 === "1", beta: Math.min(Math.max(Number(beta) || 1, 0.01), 100) });
  choose(wanted);
}

find("play").onclick = () => (playing ? pause() : play());
find("anew").onclick = anew;
find("shape select").onchange = anew;
find("seed input").onchange = anew;
document.addEventListener("visibilitychange", wake);
new IntersectionObserver(
  ([{ isIntersecting, intersectionRatio }]) => {
    seen = isIntersecting;
    if (!started && intersectionRatio > 0.15) {
      started = true;
      if (!reduced.matches) return play();
    }
    wake();
  },
  { threshold: [0, 0.2] },
).observe(element);
name();
opened();
come();
window.addEventListener("genart:shown", come);
watch("label", () => {
  words = JSON.parse(props.label);
  name();
});
watch("value", opened);
