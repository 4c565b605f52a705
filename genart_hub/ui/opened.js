// The VAE opened: bars of z that are dragged, what is drawn from them, and what the loss says of it. Runs once; `element` holds opened.html.
const FEW = 16, STEP = 0.25, LEAP = 1; // bars that are shown first; how far an arrow moves one, and a page key
const PAUSE = 55, PATIENCE = 15_000, TRIES = 5, AGAIN = 400; // ms between two requests; until one is given up; how often, and how much later
const SCALE = 4, LIMIT = 6, TWICE = 2; // what a bar's height stands for, at least and at most; how much brighter the difference is shown

const find = (name) => element.querySelector(`.opened-${name}`);
const every = (name) => [...element.querySelectorAll(name)];
const clip = (value, low, high) => Math.min(Math.max(value, low), high);
const pause = (time) => new Promise((done) => setTimeout(done, time));
const short = (value) => value.toFixed(2).replace("-", "−");
const told = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const count = (value) => value.toLocaleString(words.lang, { maximumFractionDigits: 1, minimumFractionDigits: 1 });

let words = JSON.parse(props.label), now = null, z = [], scale = SCALE, all = false, held = null;
let ways = null, strengths = [], variants = [], peak = 1, moved = 0;

// ---- pictures ----

const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

function paint(canvas, pixels) {
  const { side, channels } = now, image = new ImageData(side, side);
  for (let k = 0; k < side * side; k++) {
    for (let c = 0; c < 3; c++) image.data[4 * k + c] = pixels[k * channels + (channels === 3 ? c : 0)];
    image.data[4 * k + 3] = 255;
  }
  [canvas.width, canvas.height] = [side, side];
  canvas.getContext("2d").putImageData(image, 0, 0);
}

const apart = (a, b) => a.map((level, k) => clip(TWICE * Math.abs(level - b[k]), 0, 255));

// ---- the line to the server: one request at a time, and of those that wait only the newest of each kind ----

const wanted = new Set();
let busy = false, since = 0, failures = 0;

const ASKED = {
  begin: () => ({ lang: words.lang }),
  draw: () => ({ ...whose(), z }),
  vary: () => ({ ...whose(), mu: now.mu, sigma: now.sigma, scale: Number(find("scale").value), seed: Number(find("seed").value) }),
  lead: () => ({ lang: words.lang, model: now.model }),
};
const ANSWERED = { begin: show, draw: drawn, vary: varied, lead: led };
const whose = () => ({ lang: words.lang, model: now.model, label: now.label, x: now.x });

function want(kind) {
  wanted.add(kind);
  next();
}

async function next() {
  if (busy || !wanted.size || !element.isConnected) return;
  busy = true;
  await pause(Math.max(0, PAUSE - (performance.now() - since)));
  const [kind] = wanted, whom = now, at = moved;
  wanted.delete(kind);
  since = performance.now();
  try {
    const late = pause(PATIENCE).then(() => null), answer = await Promise.race([server[kind](ASKED[kind]()), late]);
    if (typeof answer?.ok !== "boolean") throw new Error(kind);
    failures = 0;
    if (whom === now) answer.ok ? ANSWERED[kind](answer, at) : say(answer.error);
  } catch {
    if (whom === now && ++failures <= TRIES) {
      if (failures > 1) say(words.waits);
      await pause(AGAIN * failures);
      wanted.add(kind);
    } else if (whom === now) {
      failures = 0;
      say(words.lost);
    }
  }
  busy = false;
  next();
}

const say = (text) => (find("note").textContent = text);

// ---- what is shown ----

function name() {
  const set = (selector, text) => every(selector).forEach((one) => (one.textContent = text));
  const texts = {
    ".opened-title": words.title, ".opened-encoder": words.encoder, ".opened-decoder": words.decoder, ".opened-back": words.back,
    ".opened-again": words.again, ".opened-loss h3": words.loss, ".opened-eps h3": words.variants, ".opened-ways h3": words.ways,
    ".opened-z strong": words.bars, ".opened-x + figcaption": words.x, ".opened-made + figcaption": words.made,
    ".opened-apart + figcaption": words.apart, ".opened-before + figcaption": words.before, ".opened-after + figcaption": words.after,
    ".opened-cost[data-term=error] span": words.error, ".opened-cost[data-term=kl] span": words.kl,
    ".opened-formula [data-term=kl]": "KL(q(z | x) ‖ N(0, I))",
  };
  for (const [selector, text] of Object.entries(texts)) set(selector, text);
  const [much, seed] = every(".opened-knobs span");
  [much.textContent, seed.textContent] = [words.scale, words.seed];
  find("bars").setAttribute("aria-label", words.bars);
  for (const key of ["x", "made", "apart", "before", "after"]) find(key).setAttribute("aria-label", words[key]);
  find("about").textContent = words.about;
  find("lead").textContent = words.lead;
}

/** Show what Python has opened: a picture's mu, sigma and KL, and what the model draws from mu. */
function show(value) {
  now = value;
  [z, strengths, variants, all, peak, held] = [[...now.mu], [], [], false, 1, null];
  scale = clip(Math.max(SCALE, ...now.mu.map((mu, k) => Math.abs(mu) + now.sigma[k])), SCALE, LIMIT);
  const pixels = bytes(now.x), made = bytes(now.pictures[0]);
  for (const [key, shown] of [["x", pixels], ["made", made], ["before", made], ["after", made], ["apart", apart(pixels, made)]]) paint(find(key), shown);
  say("");
  find("lead").textContent = told(now.example ? words.lead_example : words.lead_own, now);
  every(".opened-formula [data-term=error]").forEach((one) => (one.textContent = words[`error_${now.likelihood}`]));
  root().classList.remove("waits");
  cost(now.errors[0]);
  build();
  want("vary");
  if (ways?.model === now.model) led(ways);
  else {
    find("sliders").replaceChildren();
    find("kind").textContent = words.seeking;
    want("lead");
  }
}

const root = () => element.querySelector(".opened");

/** The bars of the numbers that say most, or of all. */
function build() {
  const order = now.kl.map((_, k) => k).sort((a, b) => now.kl[b] - now.kl[a]);
  const most = Math.max(1e-9, now.kl[order[0]]);
  find("bars").replaceChildren(...order.slice(0, all ? undefined : FEW).map((k) => {
    const bar = document.createElement("div");
    bar.className = "opened-bar";
    bar.dataset.k = k;
    bar.tabIndex = 0;
    const fixed = { role: "slider", "aria-label": told(words.number, { k: k + 1 }), "aria-orientation": "vertical" };
    for (const [key, value] of Object.entries(fixed)) bar.setAttribute(key, value);
    bar.setAttribute("aria-valuemin", -LIMIT);
    bar.setAttribute("aria-valuemax", LIMIT);
    bar.innerHTML = `<span class="track"><i class="fill"></i><i class="whisker"></i><i class="mean"></i></span><i class="says"></i><small>${k + 1}</small>`;
    const [mu, sigma] = [now.mu[k], now.sigma[k]], whisker = bar.querySelector(".whisker");
    whisker.style.top = `${place(mu + sigma)}%`;
    whisker.style.height = `${place(mu - sigma) - place(mu + sigma)}%`;
    bar.querySelector(".mean").style.top = `${place(mu)}%`;
    bar.querySelector(".says").style.setProperty("--says", now.kl[k] / most);
    return bar;
  }));
  const button = find("all");
  button.hidden = now.mu.length <= FEW;
  button.textContent = told(all ? words.few : words.all, { few: FEW, count: now.mu.length });
  stand();
}

const place = (value) => 50 - 50 * clip(value / scale, -1, 1); // % from the top

/** Let the bars stand where z is. */
function stand() {
  for (const bar of every(".opened-bar")) {
    const k = Number(bar.dataset.k), [a, b] = [place(Math.max(z[k], 0)), place(Math.min(z[k], 0))], fill = bar.querySelector(".fill");
    fill.style.top = `${a}%`;
    fill.style.height = `${b - a}%`;
    bar.classList.toggle("moved", Math.abs(z[k] - now.mu[k]) > 1e-6);
    bar.setAttribute("aria-valuenow", z[k].toFixed(2));
    bar.setAttribute("aria-valuetext", sentence(k));
  }
  find("back").disabled = !z.some((value, k) => Math.abs(value - now.mu[k]) > 1e-6);
  find("hand").textContent = held === null ? words.hand : sentence(held);
}

const sentence = (k) =>
  told(words.told, { k: k + 1, z: short(z[k]), mu: short(now.mu[k]), sigma: short(now.sigma[k]), kl: short(now.kl[k]) });

function drawn(answer, at) {
  const made = bytes(answer.pictures[0]);
  for (const key of ["made", "after"]) paint(find(key), made);
  paint(find("apart"), apart(bytes(now.x), made));
  cost(answer.errors[0]);
  say("");
  element.dispatchEvent(new CustomEvent("drawn", { detail: performance.now() - at })); // ms since the move that it answers
}

/** The two parts of the loss, on one scale. */
function cost(error) {
  const kl = now.kl.reduce((sum, one) => sum + one, 0);
  peak = Math.max(peak, error, kl);
  for (const [term, value] of [["error", error], ["kl", kl]]) {
    const row = element.querySelector(`.opened-cost[data-term=${term}]`);
    row.style.setProperty("--long", clip(value / peak, 0, 1));
    row.querySelector("b").textContent = told(words.nats, { count: count(value) });
  }
}

function varied(answer) {
  variants = answer.z;
  const box = find("variants");
  if (box.children.length !== variants.length) {
    box.innerHTML = variants.map((_, k) => `<button type="button" data-variant="${k}"><canvas aria-hidden="true"></canvas><small></small></button>`).join("");
  }
  [...box.children].forEach((button, k) => {
    const seed = Number(answer.seed) + k;
    paint(button.firstChild, bytes(answer.pictures[k]));
    button.lastChild.textContent = told(words.of_seed, { seed });
    button.setAttribute("aria-label", told(words.variant, { seed }));
    button.title = told(words.variant, { seed });
  });
}

function led(answer) {
  ways = answer.model ? answer : { ...answer, model: now.model };
  strengths = ways.names.map(() => 0);
  find("kind").textContent = words[`ways_${ways.method}`];
  find("sliders").innerHTML = ways.names.map((_, k) =>
    `<label><span></span> <b aria-hidden="true">0</b><input type="range" min="-2" max="2" step="0.1" value="0" data-way="${k}"></label>`).join("");
  every(".opened-sliders span").forEach((span, k) => (span.textContent = ways.names[k]));
}

function light(term) {
  for (const one of every("[data-term]")) one.classList.toggle("lit", one.dataset.term === term);
  root().classList.toggle("kl", term === "kl");
  find("about").textContent = term ? words[`about_${term === "error" ? now?.likelihood ?? "bernoulli" : term}`] : words.about;
}

// ---- what a reader does ----

function move(k, value) {
  z[k] = clip(value, -LIMIT, LIMIT);
  [moved, held] = [performance.now(), k];
  stand();
  want("draw");
}

function take(values) {
  [z, moved, held] = [[...values], performance.now(), null];
  level();
  stand();
  want("draw");
}

/** The ways' sliders stand at nothing. */
function level() {
  strengths = strengths.map(() => 0);
  for (const input of every("[data-way]")) [input.value, input.parentElement.querySelector("b").textContent] = [0, "0"];
}

const barAt = (event) => (now ? event.target.closest?.(".opened-bar") : null);

element.addEventListener("pointerdown", (event) => {
  const bar = barAt(event);
  if (!bar || event.button > 0) return;
  event.preventDefault();
  bar.focus({ preventScroll: true });
  bar.setPointerCapture(event.pointerId);
  follow(bar, event);
});
element.addEventListener("pointermove", (event) => {
  const bar = barAt(event);
  if (bar?.hasPointerCapture(event.pointerId)) follow(bar, event);
});

function follow(bar, event) {
  const { top, height } = bar.querySelector(".track").getBoundingClientRect();
  move(Number(bar.dataset.k), clip(scale * (1 - (2 * (event.clientY - top)) / height), -scale, scale));
}

const KEYS = { ArrowUp: STEP, ArrowRight: STEP, ArrowDown: -STEP, ArrowLeft: -STEP, PageUp: LEAP, PageDown: -LEAP, Home: -2 * LIMIT, End: 2 * LIMIT };
element.addEventListener("keydown", (event) => {
  const bar = barAt(event);
  if (!bar || event.altKey || event.ctrlKey || event.metaKey) return;
  const k = Number(bar.dataset.k);
  if (event.key in KEYS) move(k, z[k] + KEYS[event.key]);
  else if (event.key === "Backspace" || event.key === "Delete") move(k, now.mu[k]);
  else return;
  event.preventDefault();
});
element.addEventListener("dblclick", (event) => {
  const bar = barAt(event);
  if (bar) move(Number(bar.dataset.k), now.mu[bar.dataset.k]);
});
element.addEventListener("focusin", (event) => {
  const bar = barAt(event);
  if (bar) find("hand").textContent = sentence((held = Number(bar.dataset.k)));
});

element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button || !now) return;
  if (button.classList.contains("opened-back")) take(now.mu);
  if (button.classList.contains("opened-all")) {
    all = !all;
    build();
  }
  if (button.dataset.variant && variants[button.dataset.variant]) take(variants[button.dataset.variant]);
  if (button.classList.contains("opened-again")) {
    const seed = find("seed");
    seed.value = clip(Math.floor(Number(seed.value) || 0) + variants.length, 0, Number(seed.max) - variants.length);
    want("vary");
  }
});
element.addEventListener("input", (event) => {
  const input = event.target;
  if (!now) return;
  if (input.matches(".opened-scale")) input.parentElement.querySelector("b").textContent = Number(input.value).toFixed(1);
  if (input.matches(".opened-scale, .opened-seed")) want("vary");
  const k = input.dataset.way;
  if (k === undefined || !ways) return;
  const by = Number(input.value) - strengths[k];
  strengths[k] = Number(input.value);
  input.parentElement.querySelector("b").textContent = short(strengths[k]);
  z = z.map((value, j) => clip(value + by * ways.vectors[k][j], -LIMIT, LIMIT));
  [moved, held] = [performance.now(), null];
  stand();
  want("draw");
});
for (const kind of ["pointerover", "focusin", "click"]) {
  element.addEventListener(kind, (event) => {
    const term = event.target.closest?.("[data-term]");
    if (term || event.target.closest?.(".opened-loss")) light(term?.dataset.term ?? null);
  });
}

// ---- what comes from Python ----

function arrive() {
  words = JSON.parse(props.label);
  name();
  const value = props.value ? JSON.parse(props.value) : null;
  if (value?.mu) show(value);
  else if (value || now) {
    now = null;
    wanted.clear();
    root().classList.add("waits");
    for (const key of ["x", "made", "apart", "before", "after"]) find(key).width = find(key).height;
    for (const key of ["bars", "variants", "sliders"]) find(key).replaceChildren();
    say(value?.closed ?? words.none);
  }
}

arrive();
watch(["value", "label"], arrive);
const seen = new IntersectionObserver((entries) => {
  if (!entries.some((entry) => entry.isIntersecting)) return;
  seen.disconnect();
  if (!now && !props.value) want("begin");
}, { rootMargin: "200px" });
seen.observe(element);
