// A latent space to touch: a map of pictures with a dot that is dragged, and two ways between its corners. Runs once; `element` holds map.html.
const SIDE = 8, FRAMES = 24, GAP = 1, NAMES = "ABCD", SENT = 128, WIDE = 2.5; // as in map.py and map_points.py
const PAUSE = 40, PATIENCE = 15_000, TRIES = 5, AGAIN = 400; // ms between two requests; until one is given up; how often, and how much later
const STEP = 0.04, LEAP = 0.2, FPS = 12, CELL = 34; // of the dot's keys; of the play; px of a picture of a film, at least

const find = (name) => element.querySelector(`.map-${name}`);
const every = (name) => [...element.querySelectorAll(name)];
const clip = (value, low, high) => Math.min(Math.max(value, low), high);
const pause = (time) => new Promise((done) => setTimeout(done, time));
const told = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const short = (value, digits = 1) => value.toFixed(digits).replace("-", "−");
const root = () => element.querySelector(".latent-map");
const MODELS = root().dataset.models.split(",");
const say = (text) => (find("note").textContent = text);

let words = JSON.parse(props.label), now = null, model = MODELS[0], kind = "seeds", face = "corners", ends = {};
let fixed = { seed: 0, label: 0, prompt: "" }, [x, y] = [0.5, 0.5], moved = 0, version = 0, visible = false, choosing = 0;
let pair = [0, 1], films = null, frame = 12, playing = 0, touched = false, written = "", asIs = null;

// ---- the line to the server: one request at a time, and of those that wait only the newest of each kind ----

const wanted = new Set();
let busy = false, since = 0, failures = 0, own = null;

const whose = () => ({ lang: words.lang, model, kind, face, ends: ends[kind], ...fixed });
const ASKED = {
  begin: () => ({ lang: words.lang, model }),
  encode: () => ({ ...whose(), ...own }),
  dot: () => ({ ...whose(), x, y }),
  grid: whose,
  strip: () => ({ ...whose(), from: pair[0], to: pair[1] }),
};
const ANSWERED = { begin: begun, encode: encoded, dot: dotted, grid: gridded, strip: stripped };

function want(...kinds) {
  kinds.forEach((one) => wanted.add(one));
  next();
}

async function next() {
  if (busy || !wanted.size || !element.isConnected) return;
  busy = true;
  await pause(Math.max(0, PAUSE - (performance.now() - since)));
  const kindOf = Object.keys(ASKED).find((one) => wanted.has(one)), whom = version, at = moved;
  if (!kindOf) return void (busy = false);
  wanted.delete(kindOf);
  since = performance.now();
  try {
    const late = pause(PATIENCE).then(() => null), answer = await Promise.race([server[kindOf](ASKED[kindOf]()), late]);
    if (typeof answer?.ok !== "boolean") throw new Error(kindOf);
    failures = 0;
    if (whom === version) answer.ok ? ANSWERED[kindOf](answer, at) : refused(answer.error);
  } catch {
    if (whom === version && ++failures <= TRIES) {
      if (failures > 1) say(words.waits);
      await pause(AGAIN * failures);
      wanted.add(kindOf);
    } else if (whom === version) {
      failures = 0;
      say(words.lost);
    }
  }
  busy = false;
  next();
}

function refused(sentence) {
  say(sentence);
  wanted.clear();
  if (!now || now.model !== model) find("lead").textContent = "";
}

/** All that is shown belongs to something else now. */
function anew() {
  version++;
  say("");
  stop();
  tell();
  want("dot", "grid", "strip");
}

// ---- pictures ----

const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

function image(text, side = now.side) {
  const pixels = bytes(text), data = new ImageData(side, side), { channels } = now;
  for (let k = 0; k < side * side; k++) {
    for (let c = 0; c < 3; c++) data.data[4 * k + c] = pixels[k * channels + (channels === 3 ? c : 0)];
    data.data[4 * k + 3] = 255;
  }
  return data;
}

function paint(canvas, picture) {
  [canvas.width, canvas.height] = [picture.width, picture.height];
  canvas.getContext("2d").putImageData(picture, 0, 0);
}

// ---- what is shown ----

function name() {
  const texts = {
    ".map-title": words.title, ".map-says-model": words.model, "[data-face=corners]": words.corners, "[data-face=plane]": words.plane,
    "[data-fixed=seed] span": words.seed, "[data-fixed=label] span": words.label, "[data-fixed=prompt] span": words.prompt,
    ".map-here + figcaption": words.here, ".map-strip h3": words.strip, ".map-about": words.about, ".map-play": words.play,
    ".map-now[data-way=slerp] + figcaption": words.now_slerp, ".map-now[data-way=lerp] + figcaption": words.now_lerp,
    ".map-up": words.axis_up, ".map-right": words.axis_right, ".map-lead": words.lead_waits,
  };
  for (const [selector, text] of Object.entries(texts)) element.querySelector(selector).textContent = text;
  [find("from").previousElementSibling.textContent, find("to").previousElementSibling.textContent] = [words.from, words.to];
  const labels = {
    ".map-faces": words.faces, ".map-kinds": words.kinds, ".map-grid": words.grid, ".map-here": words.here, ".map-dot": words.dot,
    ".map-film[data-way=slerp]": words.film_slerp, ".map-film[data-way=lerp]": words.film_lerp, ".map-curve svg": words.curve,
    ".map-now[data-way=slerp]": words.now_slerp, ".map-now[data-way=lerp]": words.now_lerp, ".map-frame": words.frame,
  };
  for (const [selector, text] of Object.entries(labels)) element.querySelector(selector).setAttribute("aria-label", text);
  find("mix").innerHTML = [...NAMES].map((one, k) => `<div data-end="${k}"><b>${one}</b><i></i><span></span></div>`).join("");
  for (const select of [find("from"), find("to")]) select.replaceChildren(...[...NAMES].map((one, k) => new Option(one, k)));
}

function models() {
  const names = MODELS.includes(model) ? MODELS : [...MODELS, model];
  find("model").replaceChildren(...names.map((one) => new Option(one, one, false, one === model)));
}

/** Another model: what it is, then its map. */
function bring(named) {
  [model, films] = [named, null];
  version++;
  wanted.clear();
  models();
  say("");
  stop();
  root().classList.add("waits");
  find("lead").textContent = words.lead_waits;
  if (visible) want("begin");
}

function begun(answer) {
  [now, ends, kind] = [answer, answer.ends, answer.kinds.at(-1)];
  [model, pair] = [answer.model, [0, 1]];
  fixed = { seed: 0, label: 0, prompt: answer.prompt };
  if (asIs?.[0] === model) settle(...asIs);
  asIs = null;
  find("lead").textContent = told(words.lead, { count: now.latent_dim, model: now.model });
  find("kinds").replaceChildren(...now.kinds.map((one) => {
    const button = document.createElement("button");
    [button.type, button.dataset.kind, button.textContent] = ["button", one, words[`kind_${one}`]];
    return button;
  }));
  element.querySelector("[data-fixed=label] select").replaceChildren(...now.classes.map((one, k) => new Option(one, k)));
  element.querySelector("[data-fixed=prompt] input").value = fixed.prompt;
  element.querySelector("[data-fixed=seed] input").value = fixed.seed;
  element.querySelector("[data-fixed=label] select").value = fixed.label;
  root().classList.remove("waits");
  [find("from").value, find("to").value] = pair;
  form();
  anew();
}

/** The fields of the map that is shown. */
function form() {
  const plane = face === "plane", one = plane ? "" : kind;
  every("[data-face]").forEach((button) => button.setAttribute("aria-pressed", button.dataset.face === face));
  every("[data-kind]").forEach((button) => button.setAttribute("aria-pressed", button.dataset.kind === kind));
  find("kinds").hidden = plane || now.kinds.length < 2;
  const shown = {
    seed: ["classes", "prompts"].includes(one),
    label: now.classes.length > 0 && one !== "classes",
    prompt: now.kinds.includes("prompts") && one !== "prompts",
  };
  for (const [key, is] of Object.entries(shown)) element.querySelector(`[data-fixed=${key}]`).hidden = !is;
  for (const row of every(".map-ends")) row.hidden = plane;
  for (const axis of every(".map-axis")) axis.hidden = !plane;
  find("mix").hidden = plane;
  find("strip").hidden = plane;
  find("hand").textContent = plane ? words.hand_plane : words[kind === "classes" ? "hand_classes" : "hand"];
  for (const box of every(".map-ends [data-end]")) {
    const k = Number(box.dataset.end), badge = document.createElement("b");
    badge.textContent = NAMES[k];
    box.replaceChildren(badge, field(k));
  }
  const why = kind === "seeds" && now.mixture ? "mixture" : kind;
  find("why").textContent = told(words[`why_${why}`], { count: now.latent_dim });
  stand();
}

/** The field of a corner. */
function field(k) {
  const value = ends[kind][k], select = kind === "classes" || kind === "pictures", one = document.createElement(select ? "select" : "input");
  one.setAttribute("aria-label", told(words[`end_${kind}`], { name: NAMES[k] }));
  if (kind === "seeds") Object.assign(one, { type: "number", min: 0, max: Number.MAX_SAFE_INTEGER, step: 1, value });
  if (kind === "prompts") Object.assign(one, { type: "text", maxLength: 200, value });
  if (kind === "classes") one.replaceChildren(...now.classes.map((called, c) => new Option(called, c, false, c === value)));
  if (kind === "pictures") {
    const kept = Array.isArray(value);
    one.replaceChildren(
      ...now.examples.map(([key, called]) => new Option(called, key, false, key === value)),
      ...(kept ? [new Option(words.own_kept, "kept", false, true)] : []),
      new Option(words.own, "own"),
    );
  }
  return one;
}

/** Let the dot stand where it is, and say where. */
function stand() {
  const dot = find("dot"), percent = (value) => Math.round(100 * value);
  [dot.style.left, dot.style.top] = [x, y].map((value) => `${(100 * ((SIDE - 1) * value + 0.5)) / SIDE}%`); // of the pictures' middles
  const plane = { x: short(WIDE * (2 * x - 1)), y: short(WIDE * (1 - 2 * y)) };
  const place = face === "plane" ? told(words.place_plane, plane) : told(words.place, { x: percent(x), y: percent(y) });
  dot.setAttribute("aria-valuenow", percent(x));
  dot.setAttribute("aria-valuetext", place);
  find("here").nextElementSibling.textContent = place;
  every(".map-mix > div").forEach((row, k) => {
    const share = (k % 2 ? x : 1 - x) * (k > 1 ? y : 1 - y);
    row.querySelector("i").style.setProperty("--long", share);
    row.querySelector("span").textContent = `${percent(share)} %`;
  });
}

function dotted(answer, at) {
  paint(find("here"), image(answer.picture));
  say("");
  element.dispatchEvent(new CustomEvent("drawn", { detail: performance.now() - at })); // ms since the move that it answers
}

function gridded(answer) {
  const board = find("grid"), side = answer.side, step = side + GAP;
  board.width = board.height = SIDE * step - GAP;
  answer.pictures.forEach((one, k) => board.getContext("2d").putImageData(image(one, side), (k % SIDE) * step, Math.floor(k / SIDE) * step));
}

// ---- what a reader does ----

function move(toX, toY) {
  [x, y, moved] = [clip(toX, 0, 1), clip(toY, 0, 1), performance.now()];
  stand();
  tell();
  want("dot");
}

function drag(event) {
  const { left, top, width, height } = find("board").getBoundingClientRect();
  const from = (share) => (SIDE * share - 0.5) / (SIDE - 1);
  move(from((event.clientX - left) / width), from((event.clientY - top) / height));
}

function scrub(event) {
  const { left, width } = find("track").getBoundingClientRect();
  seek(Math.round(((event.clientX - left) / width) * FRAMES - 0.5));
}

const held = new Map([["board", drag], ["track", scrub]]);
element.addEventListener("pointerdown", (event) => {
  for (const [key, follow] of held) {
    if (!now || event.button > 0 || !find(key).contains(event.target)) continue;
    event.preventDefault();
    find(key).setPointerCapture(event.pointerId);
    find(key).classList.add("held");
    if (key === "board") find("dot").focus({ preventScroll: true });
    else stop();
    follow(event);
  }
});
element.addEventListener("pointermove", (event) => {
  for (const [key, follow] of held) if (find(key).hasPointerCapture(event.pointerId)) follow(event);
});
for (const end of ["pointerup", "pointercancel"]) {
  element.addEventListener(end, () => [...held.keys()].forEach((key) => find(key).classList.remove("held")));
}

const KEYS = {
  ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP], PageUp: [0, -LEAP], PageDown: [0, LEAP],
  Home: [-1, 0], End: [1, 0],
};
element.addEventListener("keydown", (event) => {
  if (!now || event.target !== find("dot") || event.altKey || event.ctrlKey || event.metaKey || !(event.key in KEYS)) return;
  const [right, down] = KEYS[event.key], by = event.shiftKey ? LEAP / STEP : 1;
  move(x + by * right, y + by * down);
  event.preventDefault();
});

element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button || !now) return;
  if (button === find("play")) playing ? stop() : play();
  if (button.dataset.face) face = button.dataset.face;
  if (button.dataset.kind) kind = button.dataset.kind;
  if (!button.dataset.face && !button.dataset.kind) return;
  form();
  anew();
});

element.addEventListener("change", (event) => {
  const input = event.target, end = input.closest(".map-ends [data-end]"), shared = input.closest("[data-fixed]")?.dataset.fixed;
  if (input === find("model")) return bring(input.value);
  if (input === find("file")) return take(input);
  if (!now) return;
  if (input === find("from") || input === find("to")) {
    pair = [Number(find("from").value), Number(find("to").value)];
    version++;
    return want("strip");
  }
  if (!end && !shared) return;
  const value = input.type === "number" ? whole(input) : input.tagName === "SELECT" && kind !== "pictures" ? Number(input.value) : input.value;
  if (shared) fixed[shared] = shared === "label" ? Number(input.value) : value;
  else if (value === "own") {
    choosing = Number(end.dataset.end);
    form();
    return find("file").click();
  } else if (value !== "kept") ends[kind][Number(end.dataset.end)] = value;
  anew();
});
element.addEventListener("input", (event) => {
  if (event.target !== find("frame")) return;
  stop();
  seek(Number(event.target.value));
});

/** A whole number from 0 on, or 0. */
const whole = (input) => (input.value = clip(Math.floor(Number(input.value) || 0), 0, Number.MAX_SAFE_INTEGER)) * 1;

/** A picture of a reader's own, as a square on white, for the corner that he has chosen. */
async function take(input) {
  const [file] = input.files;
  input.value = "";
  if (!file) return;
  try {
    const picture = await createImageBitmap(file), canvas = document.createElement("canvas"), side = Math.min(picture.width, picture.height);
    canvas.width = canvas.height = SENT;
    const pen = canvas.getContext("2d");
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, SENT, SENT);
    pen.imageSmoothingQuality = "high";
    pen.drawImage(picture, (picture.width - side) / 2, (picture.height - side) / 2, side, side, 0, 0, SENT, SENT);
    const { data } = pen.getImageData(0, 0, SENT, SENT);
    let letters = "";
    for (let k = 0; k < data.length; k += 4) letters += String.fromCharCode(data[k], data[k + 1], data[k + 2]);
    own = { corner: choosing, pixels: btoa(letters) };
    want("encode");
  } catch {
    say(words.bad_file);
  }
}

function encoded(answer) {
  [ends.pictures[answer.corner], own] = [answer.z, null];
  form();
  anew();
}

// ---- what comes from Python ----

function arrive() {
  const before = words.lang;
  words = JSON.parse(props.label);
  const value = props.value ? JSON.parse(props.value) : null;
  if (!now || words.lang !== before) name();
  if (value?.scroll) {
    face = "corners";
    visible = true;
    setTimeout(() => element.scrollIntoView({ block: "start", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" }), 300);
  }
  if (!now || words.lang !== before || value?.model) bring(value?.model ?? model);
}

arrive();
come();
watch(["value", "label"], arrive);
window.addEventListener("genart:shown", come);
const seen = new IntersectionObserver((entries) => {
  if (!entries.some((entry) => entry.isIntersecting)) return;
  seen.disconnect();
  if (visible) return; // it was brought here
  visible = true;
  if (!now) want("begin");
}, { rootMargin: "100px" });
seen.observe(element);
new ResizeObserver(film).observe(find("track"));
