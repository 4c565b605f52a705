// What the plane looks like: points, arrows, paths and ellipses on a canvas, and curves beneath. Needs twin_models.js.

const SIZE = 640, CELLS = 44, FRESH = 60; // of a canvas in px; of D's surface along a side; ms that the surface stands
const INK = "#1e1b3a", REAL = "#ffbc52", MADE = "#2f6fe0", NOISE = "#8a4fd0";
const HUES = ["#b45309", "#be185d", "#6d28d9", "#1d4ed8", "#0e7490", "#15803d", "#4d7c0f", "#b91c1c"]; // of the eight parts of the data
const SURFACE = [[190, 143, 237], [255, 255, 255], [255, 188, 82]]; // surely made, undecided, surely real

const drawn = new Map(); // dots, each drawn once

function dot(fill, edge, radius) {
  const key = `${fill} ${edge} ${radius}`;
  if (!drawn.has(key)) {
    const side = 2 * Math.ceil(radius + 2), canvas = new OffscreenCanvas(side, side), pen = canvas.getContext("2d");
    Object.assign(pen, { fillStyle: fill ?? "", strokeStyle: edge ?? "", lineWidth: fill ? 1.2 : 2 });
    pen.arc(side / 2, side / 2, radius, 0, 2 * Math.PI);
    if (fill) pen.fill();
    if (edge) pen.stroke();
    drawn.set(key, canvas);
  }
  return drawn.get(key);
}

/** A canvas as a plane from -reach to reach, with what is drawn on it. */
function plane(canvas, reach) {
  if (canvas.width !== SIZE) [canvas.width, canvas.height] = [SIZE, SIZE];
  const pen = canvas.getContext("2d"), scale = SIZE / 2 / reach, X = (x) => SIZE / 2 + scale * x, Y = (y) => SIZE / 2 - scale * y;
  const colour = (stroke, width = 1.5, alpha = 1) => Object.assign(pen, { strokeStyle: stroke, lineWidth: width, globalAlpha: alpha });
  pen.globalAlpha = 1;
  pen.clearRect(0, 0, SIZE, SIZE);
  colour(INK, 1, 0.12);
  pen.strokeRect(X(0), -1, 0, SIZE + 2);
  pen.strokeRect(-1, Y(0), SIZE + 2, 0);

  const each = (points, draw) => {
    for (let k = 0; k < points.length / 2; k++) draw(X(points[2 * k]), Y(points[2 * k + 1]), k);
  };
  return {
    /** fill: a colour, or that of point k, or none; edge: of its rim, or none. */
    dots(points, fill, { radius = 5, edge = null, alpha = 1 } = {}) {
      pen.globalAlpha = alpha;
      each(points, (x, y, k) => {
        const drawn = dot(typeof fill === "function" ? fill(k) : fill, edge, radius), half = drawn.width / 2;
        if (Math.abs(x) < 2 * SIZE && Math.abs(y) < 2 * SIZE) pen.drawImage(drawn, x - half, y - half);
      });
    },
    lines(from, to, stroke, width = 1.5, alpha = 1) {
      colour(stroke, width, alpha);
      pen.beginPath();
      each(from, (x, y, k) => (pen.moveTo(x, y), pen.lineTo(X(to[2 * k]), Y(to[2 * k + 1]))));
      pen.stroke();
    },
    /** From each point along its vector, `far` times as long, at most `longest`. */
    arrows(points, vectors, far, longest, stroke = INK) {
      colour(stroke, 2);
      pen.beginPath();
      each(points, (x, y, k) => {
        const [dx, dy] = [vectors[2 * k], -vectors[2 * k + 1]], size = Math.hypot(dx, dy), long = Math.min(far * size, longest) * scale;
        if (long < 4) return;
        const [ux, uy] = [dx / size, dy / size], [ex, ey] = [x + ux * long, y + uy * long], head = Math.min(9, long / 2);
        pen.moveTo(x, y);
        pen.lineTo(ex, ey);
        for (const side of [0.5, -0.5]) {
          pen.moveTo(ex, ey);
          pen.lineTo(ex - head * (ux - side * uy), ey - head * (uy + side * ux));
        }
      });
      pen.stroke();
    },
    ellipses(mu, sigma, stroke) {
      each(mu, (x, y, k) => {
        colour(stroke(k), 2, 0.9);
        pen.beginPath();
        pen.ellipse(x, y, scale * sigma[2 * k], scale * sigma[2 * k + 1], 0, 0, 2 * Math.PI);
        pen.stroke();
      });
    },
    circle(radius) {
      colour(INK, 2.5, 0.7);
      pen.setLineDash([9, 7]);
      pen.beginPath();
      pen.arc(X(0), Y(0), scale * radius, 0, 2 * Math.PI);
      pen.stroke();
      pen.setLineDash([]);
    },
    /** answers: (CELLS, CELLS) logits, from the top left. */
    surface(answers) {
      const image = new ImageData(CELLS, CELLS), small = new OffscreenCanvas(CELLS, CELLS);
      answers.forEach((logit, k) => image.data.set([...mixed(sigmoid(logit)), 255], 4 * k));
      small.getContext("2d").putImageData(image, 0, 0);
      Object.assign(pen, { globalAlpha: 0.85, imageSmoothingEnabled: true, imageSmoothingQuality: "high" });
      pen.drawImage(small, 0, 0, SIZE, SIZE);
    },
  };
}

const mixed = (p) => {
  const [a, b] = p < 0.5 ? SURFACE : SURFACE.slice(1), share = p < 0.5 ? 2 * p : 2 * p - 1;
  return a.map((level, c) => level + share * (b[c] - level));
};
const between = (share) => `rgb(${[[138, 79, 208], [201, 103, 0]].reduce((a, b) => a.map((level, c) => level + share * (b[c] - level)))})`;
const some = (points, n) => points.subarray(0, 2 * n);

/** The middles of the surface's cells. */
const grid = (reach) => {
  const cells = new Float64Array(2 * CELLS * CELLS), place = (k) => reach * ((2 * k + 1) / CELLS - 1);
  for (let k = 0; k < CELLS * CELLS; k++) [cells[2 * k], cells[2 * k + 1]] = [place(k % CELLS), -place(Math.floor(k / CELLS))];
  return cells;
};
const REACH = { gan: 2.1, vae: 2.1, diffusion: 2.8 }, REACH_Z = 3.2;
const CELL_MIDDLES = grid(REACH.gan);

const DRAW = {
  gan(model, { data }, { playing }) {
    const view = plane(data, REACH.gan), points = model.points(), now = performance.now();
    if (!model.surface || !playing || now - model.surface.since > FRESH) model.surface = { answers: model.D.of(CELL_MIDDLES), since: now };
    view.surface(model.surface.answers);
    view.dots(model.data.x, REAL, { edge: "#8a5200", radius: 4.5 });
    view.arrows(some(points, 80), model.pulls(some(points, 80)), 0.3, 0.3);
    view.dots(points, MADE, { edge: "white", radius: 5 });
  },
  vae(model, { data, z }) {
    const { x, part } = model.data, view = plane(data, REACH.vae), sixty = some(x, 64), code = model.encode(sixty), hue = (k) => HUES[part[k]];
    view.dots(x, hue, { radius: 3.5, alpha: 0.35 });
    view.dots(model.points(), NOISE, { radius: 4, alpha: 0.55 });
    const copies = model.rebuilt(sixty);
    view.lines(sixty, copies, INK, 2, 0.8);
    view.dots(sixty, hue, { radius: 5.5 });
    view.dots(copies, null, { edge: INK, radius: 6 });
    const latent = plane(z, REACH_Z);
    latent.circle(1);
    latent.ellipses(code.mu, code.sigma, hue);
    latent.dots(code.mu, hue, { radius: 4 });
  },
  diffusion(model, { data }, { way, moment }) {
    const view = plane(data, REACH.diffusion), points = way[moment], few = some(points, 40), { times, moments } = Diffusion;
    view.dots(model.data.x, null, { edge: REAL, radius: 4, alpha: 0.8 });
    for (let k = 0; k < moments; k++) {
      const passed = k < moment;
      view.lines(some(way[k], 40), some(way[k + 1], 40), between((k + 1) / moments), passed ? 2.2 : 1.2, passed ? 0.75 : 0.3);
    }
    view.dots(points, between(moment / moments), { edge: "white", radius: 5.5 });
    view.arrows(few, model.noise(few, times[moment]).map((value) => -value * dirt(times[moment])), 0.4, 0.7);
  },
};

/** Curves as SVG in a box: lists of numbers, by name, each in its colour; few high ones at the beginning are cut off. */
function curves(box, lists, alt, colours) {
  const all = lists.flat().sort((a, b) => a - b), middle = all[all.length >> 1] ?? 1;
  const ceiling = Math.max(1e-9, Math.min(all[all.length - 1] ?? 1, 4 * middle));
  const lines = lists.map((values, j) => {
    const points = values.map((value, k) => `${((300 * k) / Math.max(values.length - 1, 1)).toFixed(1)},${(108 - 104 * Math.min(value / ceiling, 1)).toFixed(1)}`);
    return `<polyline points="${points.join(" ")}" stroke="${colours[j]}"/>`;
  });
  box.innerHTML = `<svg viewBox="0 0 300 110" preserveAspectRatio="none" role="img">${lines.join("")}</svg>`;
  box.firstChild.setAttribute("aria-label", alt);
}
