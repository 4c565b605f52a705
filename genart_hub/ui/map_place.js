// What the page's address says of the map, and is told of it. Joined to map.js by map.py.

for (const kindOf of ["pointerdown", "keydown", "change"]) element.addEventListener(kindOf, () => (touched = true), true);

/** Let the address say what a reader has made of the map: model; kind or plane; corners; the dot in hundredths; what is shared. */
function tell() {
  if (!touched || !now) return;
  const plain = (value) => String(value).replace(/[;|]/g, " "), hundredths = [x, y].map((value) => Math.round(100 * value));
  const corners = ends[kind].map((one, k) => (Array.isArray(one) ? now.ends[kind][k] : plain(one))); // own pictures stay here
  written = [model, face === "plane" ? face : kind, corners.join("|"), ...hundredths, fixed.seed, fixed.label, plain(fixed.prompt)].join(";");
  window.genart?.shows("interpolation", "place", written);
}

/** What the address says, if it is of a model that there is and not what stands here already. */
function brought() {
  const text = new URLSearchParams(location.search).get("place") ?? "", parts = text.split(";");
  if (text === written || !MODELS.includes(parts[0])) return null;
  written = text;
  return parts;
}

function settle(_, what, corners = "", right = 50, down = 50, seed = 0, label = 0, prompt = "") {
  face = what === "plane" ? "plane" : "corners";
  if (now.kinds.includes(what)) kind = what;
  const values = corners.split("|"), isNumber = kind === "seeds" || kind === "classes", whole = (value) => Math.floor(Number(value)) || 0;
  if (values.length === NAMES.length && (what === kind || face === "plane")) ends[kind] = values.map((one) => (isNumber ? whole(one) : one));
  [x, y] = [right, down].map((value) => clip(whole(value) / 100, 0, 1));
  fixed = { seed: whole(seed), label: whole(label), prompt: prompt || fixed.prompt };
}

function come() {
  if (new URLSearchParams(location.search).has("place")) setTimeout(() => element.scrollIntoView({ block: "start" }), 300);
  asIs = brought();
  if (!asIs) return;
  visible = true;
  bring(asIs[0]);
}
