// A run of a diffusion model that is moved through by hand. It asks for nothing: all its steps are on one sheet, a column each.
const ROWS = ["has", "believes", "eps", "without", "told", "added"];
const find = (selector) => element.querySelector(selector);
const filled = (text, values) => Object.entries(values).reduce((done, [key, value]) => done.replaceAll(`{${key}}`, value), text);
const put = (node, text) => { if (node.textContent !== text) node.textContent = text; };
let moment = 0, shown = "", sheet = null;
let sent = Number(new URLSearchParams(location.search).get("moment")) || 0; // the step that an address opens

function show() {
  const words = JSON.parse(props.label), told = JSON.parse(props.value), film = told.sheet ? told : null;
  const slider = find("input"), output = find("output");
  const last = film ? film.alpha.length - 1 : 0, condition = told.reads ? "words" : "class";
  const letter = told.reads ? "z" : "x"; // a picture's latent, or the picture itself
  const captions = Object.fromEntries(ROWS.map((row) => [row, filled(words[row] ?? words[`${row}_${condition}`], { x: letter })]));
  for (const canvas of element.querySelectorAll("canvas")) put(canvas.nextElementSibling, captions[canvas.dataset.row]);
  put(find(".inside-asked"), words.asked);
  slider.setAttribute("aria-label", words.time);
  slider.disabled = !film;
  slider.max = last + 1;
  find(".inside-read").hidden = !told.reads;
  read(film?.tokens ?? [], words);

  function seek(k) {
    moment = Math.min(Math.max(k, 0), last);
    slider.value = moment + 1;
    const step = film ? filled(words.step, { k: moment + 1, n: last + 1 }) : "";
    put(output, step);
    slider.setAttribute("aria-valuetext", step);
    const [alpha, sigma] = film ? [film.alpha[moment], film.sigma[moment]].map((value) => value.toFixed(2)) : ["α", "σ"];
    const fields = film && letter === "z" ? ` ${filled(words.fields, { count: film.channels })}` : "";
    put(find(".inside-formula"), `${words.formula} ${letter}ₜ = ${alpha} · ${letter}̂₀ + ${sigma} · ε̂.${fields}`);
    put(find(".inside-further"), film ? filled(words.further, { w: film.guidance }) : words.empty);
    for (const canvas of element.querySelectorAll("canvas")) {
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", [captions[canvas.dataset.row], step].filter(Boolean).join(" · "));
      draw(canvas, film);
    }
  }

  function draw(canvas, film) {
    const side = film?.side ?? 64, pen = canvas.getContext("2d");
    if (canvas.width !== side) [canvas.width, canvas.height] = [side, side];
    pen.clearRect(0, 0, side, side);
    if (film && sheet) pen.drawImage(sheet, moment * side, ROWS.indexOf(canvas.dataset.row) * side, side, side, 0, 0, side, side);
  }

  slider.oninput = () => {
    seek(Number(slider.value) - 1);
    window.genart?.shows("sampling", "moment", String(moment + 1));
  };
  if (film && film.sheet !== shown) {
    const coming = new Image();
    [shown, moment, sent] = [film.sheet, sent ? sent - 1 : last, 0];
    coming.onload = () => {
      if (shown !== coming.src) return; // another came after it
      sheet = coming;
      seek(moment);
    };
    coming.src = film.sheet;
  }
  if (!film) {
    if (shown) window.genart?.shows("sampling", "moment", "");
    [shown, sheet] = ["", null];
  }
  seek(moment);
}

function read(tokens, words) {
  put(find(".inside-read h4"), words.tokens);
  const chips = tokens.map(([text, kind, known]) => {
    const chip = document.createElement("span");
    chip.className = `inside-token ${kind}${known ? "" : " unknown"}`;
    chip.textContent = kind === "text" ? text.trim() || "␣" : words[kind];
    chip.title = kind === "text" ? (known ? "" : words.unknown) : text;
    if (!known) chip.append(Object.assign(document.createElement("small"), { textContent: ` ? ` }));
    return chip;
  });
  find(".inside-tokens").replaceChildren(...chips);
  if (tokens.some(([, , known]) => !known)) {
    find(".inside-tokens").append(Object.assign(document.createElement("em"), { textContent: `? = ${words.unknown}` }));
  }
}

show();
watch(["value", "label"], show);
