// The same seed at several values of a setting, above the curves that were measured of it.
const WIDE = 300, HIGH = 110, LEFT = 30, FOOT = 18, AIR = 6; // of a plot, in its own units
const COLOURS = { asked_en: "var(--inside-a)", asked_zh: "var(--inside-b)", frechet: "var(--inside-a)" };
const find = (selector) => element.querySelector(selector);
const filled = (text, values) => Object.entries(values).reduce((done, [key, value]) => done.replaceAll(`{${key}}`, value), text);
const made = (name, more = {}) => Object.assign(document.createElement(name), more);

function svg(name, attributes = {}, text = "") {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.textContent = text;
  return node;
}

function show() {
  const words = JSON.parse(props.label), row = JSON.parse(props.value), side = row.side ?? 64;
  find("h4").textContent = words.title;
  find(".inside-about").textContent = words.about;
  const canvases = row.values.map(() => made("canvas", { width: side, height: side }));
  find(".inside-row").replaceChildren(
    ...canvases.map((canvas, k) => {
      const caption = filled(words[`value_${row.values[k]}`] ?? words.value, { value: row.values[k], count: row.count }), figure = made("figure", { className: row.kinds?.[k] ?? "picture" });
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", caption);
      figure.append(canvas, made("figcaption", { textContent: caption }));
      return figure;
    }),
  );
  if (row.sheet) {
    const sheet = new Image();
    sheet.onload = () => canvases.forEach((canvas, k) => canvas.getContext("2d").drawImage(sheet, k * side, 0, side, side, 0, 0, side, side));
    sheet.src = row.sheet;
  }
  const curves = row.measured?.curves ?? {};
  const asked = ["asked_en", "asked_zh"].filter((name) => curves[name]);
  const plots = [asked.length && plot(words.asked, asked, curves, words, 1, 100), curves.frechet && plot(words.frechet, ["frechet"], curves, words)];
  find(".inside-plots").replaceChildren(...plots.filter(Boolean));
  const source = find(".inside-source");
  source.replaceChildren();
  if (row.measured) {
    source.append(filled(words.measured, row.measured), ", ", words.command, " ", made("code", { textContent: row.measured.command }));
  }
}

/** Curves over the values, spaced evenly. top: the highest value of the axis, else that of the curves; times: what a value is shown as. */
function plot(title, names, curves, words, top, times = 1) {
  const xs = curves[names[0]].map(([x]) => x), box = made("figure", { className: "inside-plot" });
  const high = top ?? Math.max(...names.flatMap((name) => curves[name].map(([, y]) => y)));
  const at = (k) => LEFT + AIR + (k / Math.max(xs.length - 1, 1)) * (WIDE - LEFT - 2 * AIR);
  const up = (y) => AIR + (HIGH - AIR) * (1 - y / high);
  const told = names.map((name) => `${words[name] === title ? "" : words[name]}: ${curves[name].map(([x, y]) => `${x}: ${+(y * times).toFixed(1)}`).join(", ")}`);
  const root = svg("svg", { viewBox: `0 0 ${WIDE} ${HIGH + FOOT}`, role: "img", "aria-label": `${title} · ${words.axis} ${told.join(" · ")}` });
  for (const y of [0, high / 2, high]) {
    root.append(svg("line", { x1: LEFT, x2: WIDE, y1: up(y), y2: up(y), class: "inside-line" }));
    root.append(svg("text", { x: LEFT - 4, y: up(y) + 3, "text-anchor": "end" }, String(Math.round(y * times))));
  }
  xs.forEach((x, k) => root.append(svg("text", { x: at(k), y: HIGH + FOOT - 4, "text-anchor": "middle" }, String(x))));
  for (const name of names) {
    const points = curves[name].map(([, y], k) => [at(k), up(y)]);
    root.append(svg("polyline", { points: points.map((point) => point.join()).join(" "), fill: "none", stroke: COLOURS[name], "stroke-width": 2 }));
    for (const [cx, cy] of points) root.append(svg("circle", { cx, cy, r: 3, fill: COLOURS[name] }));
  }
  box.append(made("figcaption", { textContent: `${title} · ${words.axis} →` }), root);
  if (names.length > 1) {
    const legend = made("p", { className: "inside-legend" });
    for (const name of names) {
      const one = made("span", { textContent: words[name] });
      one.style.setProperty("--colour", COLOURS[name]);
      legend.append(one);
    }
    box.append(legend);
  }
  return box;
}

show();
watch(["value", "label"], show);
