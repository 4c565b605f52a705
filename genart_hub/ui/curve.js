// The error of a search over its steps. Runs once; `element` holds the template of curve.py. A value is laid over those before it.
const WIDE = 480, HIGH = 110, LEFT = 44, RIGHT = 8, TOP = 8, FOOT = 18; // in the drawing's own units
const find = (selector) => element.querySelector(selector);
const filled = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const short = (error) => error.toFixed(4);
let told = {};

function svg(name, attributes = {}, text = "") {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.textContent = text;
  return node;
}

/** The least of 1, 2, 2.5 and 5 times a power of ten that is no less. */
function round(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 2, 2.5, 5, 10].find((times) => times * power >= value * 0.9999);
}

function show() {
  told = props.value ? { ...told, ...JSON.parse(props.value) } : {};
  draw();
}

function draw() {
  const { errors = [], steps = 1, vae = null } = told, words = JSON.parse(props.label);
  find(".curve").hidden = !errors.length;
  if (!errors.length) return;
  const best = errors.at(-1), at = errors.indexOf(best) + 1, high = round(Math.max(...errors, vae ?? 0, 1e-4));
  const over = (step) => LEFT + ((step - 1) / Math.max(steps - 1, 1)) * (WIDE - LEFT - RIGHT);
  const up = (error) => TOP + (HIGH - TOP) * (1 - error / high);
  const values = { steps, step: errors.length, start: short(errors[0]), best: short(best), at, vae: vae === null ? "" : short(vae) };

  const root = find("svg"), parts = [];
  root.setAttribute("viewBox", `0 0 ${WIDE} ${HIGH + FOOT}`);
  root.setAttribute("aria-label", filled(words.alt + (vae === null ? "" : words.alt_vae), values));
  for (const y of [0, high / 2, high]) {
    parts.push(svg("line", { x1: LEFT, x2: WIDE - RIGHT, y1: up(y), y2: up(y), class: "curve-line" }));
    parts.push(svg("text", { x: LEFT - 5, y: up(y) + 3, "text-anchor": "end" }, String(+y.toPrecision(3))));
  }
  for (const [step, anchor] of [[1, "start"], [steps, "end"]]) {
    parts.push(svg("text", { x: over(step), y: HIGH + FOOT - 4, "text-anchor": anchor }, filled(words.step, { step })));
  }
  if (vae !== null) parts.push(svg("line", { x1: LEFT, x2: WIDE - RIGHT, y1: up(vae), y2: up(vae), class: "curve-vae" }));
  parts.push(svg("polyline", { points: errors.map((error, k) => `${over(k + 1).toFixed(1)},${up(error).toFixed(1)}`).join(" "), class: "curve-gan" }));
  parts.push(svg("circle", { cx: over(at), cy: up(best), r: 4, class: "curve-best" }));
  root.replaceChildren(...parts);

  find("figcaption").textContent = words.title;
  const legend = [["gan", words.gan], ["best", filled(words.best, values)], ...(vae === null ? [] : [["vae", filled(words.vae, values)]])];
  find(".curve-legend").replaceChildren(
    ...legend.map(([kind, text]) => Object.assign(document.createElement("span"), { className: `curve-of-${kind}`, textContent: text })),
  );
}

show();
watch("value", show);
watch("label", draw);
