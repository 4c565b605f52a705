// A symbol of a formula that is touched lights up its box, and a box its symbols. Runs once for each drawing; `element` holds it.
const page = element.closest(".page") || document;
const boxes = [...element.querySelectorAll(".box[data-symbol]")].filter((box) => box.dataset.symbol);
const plain = (text) => [...text.normalize("NFKD").replace(/\u0302/g, "^").replace(/[\u200b\s_]/g, "")].sort().join("");
const named = (symbol) => boxes.filter((box) => box.dataset.symbol === symbol);
const bases = new Map(boxes.map((box) => [plain(box.dataset.symbol), box.dataset.symbol]));

function symbolOf(target) {
  // KaTeX: an accent (before or after its letter) or an index belongs to it, so the largest part that is a symbol counts
  let found = null;
  for (let part = target; part && part !== page; part = part.parentElement) {
    if (part.classList?.contains("katex")) return found;
    const text = plain(part.textContent || "");
    if (text.length > 8) return found;
    if (bases.has(text)) found = bases.get(text);
  }
  return null;
}

function light(symbol) {
  for (const box of boxes) box.classList.toggle("lit", box.dataset.symbol === symbol);
  const key = symbol && plain(symbol);
  for (const part of page.querySelectorAll(".katex-html .mord")) {
    part.classList.toggle("lit", Boolean(key) && plain(part.textContent || "") === key);
  }
}

for (const kind of ["pointerover", "click"]) {
  page.addEventListener(kind, (event) => {
    const box = event.target.closest?.(".box");
    const symbol = box && boxes.includes(box) ? box.dataset.symbol : symbolOf(event.target);
    light(symbol && named(symbol).length ? symbol : null);
  });
}
for (const box of boxes) {
  box.addEventListener("focus", () => light(box.dataset.symbol));
  box.addEventListener("blur", () => light(null));
}
