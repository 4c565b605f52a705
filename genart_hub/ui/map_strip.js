// The strip of map.js, joined to it by map.py: two ways between two corners, their pictures, and how long their latents are.

function stripped(answer) {
  films = { mark: answer.mark, lengths: answer.lengths, slerp: answer.slerp.map((one) => image(one)), lerp: answer.lerp.map((one) => image(one)) };
  film();
  curve();
  seek(frame);
}

/** As many pictures of each way as there is room for. */
function film() {
  if (!films) return;
  for (const canvas of every(".map-film")) {
    const room = Math.max(6, Math.floor(canvas.clientWidth / CELL)), count = [24, 12, 8, 6].find((n) => n <= room) ?? 6;
    const { side } = now, step = side + GAP, every = FRAMES / count;
    if (canvas.dataset.count === `${count} ${version}`) continue;
    canvas.dataset.count = `${count} ${version}`;
    [canvas.width, canvas.height] = [count * step - GAP, side];
    for (let k = 0; k < count; k++) {
      const which = Math.round((k * (FRAMES - 1)) / (count - 1));
      canvas.getContext("2d").putImageData(films[canvas.dataset.way][which], k * step, 0);
    }
  }
}

const along = (k) => (100 * (k + 0.5)) / FRAMES; // % from the left

function curve() {
  const { lengths, mark } = films, all = [...lengths.slerp, ...lengths.lerp, ...(mark === null ? [] : [mark])];
  const high = Math.max(...all) * 1.08, low = Math.min(...all) * 0.85, down = (value) => (100 * (high - value)) / (high - low || 1);
  const line = (way) => `<polyline class="${way}" points="${lengths[way].map((value, k) => `${2.4 * along(k)},${down(value)}`).join(" ")}"/>`;
  const radius = mark === null ? "" : `<line class="mark" x1="0" x2="240" y1="${down(mark)}" y2="${down(mark)}"/>`;
  find("curve").querySelector("svg").innerHTML = radius + line("slerp") + line("lerp");
  find("mark").hidden = mark === null;
  if (mark !== null) {
    find("mark").textContent = `√${now.latent_dim}`;
    find("mark").style.top = `${down(mark)}%`;
  }
  element.querySelector(".map-legend [data-way=mark]").hidden = mark === null;
}

function seek(k) {
  frame = clip(k, 0, FRAMES - 1);
  const shown = Math.round(frame), values = { k: shown + 1, count: FRAMES };
  find("playhead").style.left = `${along(frame)}%`;
  find("frame").value = shown;
  if (!films) return;
  for (const way of ["slerp", "lerp"]) {
    values[way] = short(films.lengths[way][shown]);
    paint(element.querySelector(`.map-now[data-way=${way}]`), films[way][shown]);
    element.querySelector(`.map-legend [data-way=${way}]`).textContent = told(words[`length_${way}${films.mark === null ? "_words" : ""}`], { value: values[way] });
  }
  find("frame").setAttribute("aria-valuetext", told(words.at_frame, values));
  if (films.mark !== null) {
    element.querySelector(".map-legend [data-way=mark]").textContent = told(words.length_mark, { count: now.latent_dim, value: short(films.mark) });
  }
}

function stop() {
  cancelAnimationFrame(playing);
  playing = 0;
  find("play").textContent = words.play;
}

/** There and back, until one stops it or it is out of sight. */
function play() {
  const start = performance.now() - (1000 * frame) / FPS, round = 2 * (FRAMES - 1);
  find("play").textContent = words.pause;
  const go = (time) => {
    if (!element.isConnected || !find("play").offsetParent) return stop();
    const at = (Math.max(0, time - start) * FPS) / 1000 % round;
    seek(Math.round(at <= FRAMES - 1 ? at : round - at));
    playing = requestAnimationFrame(go);
  };
  playing = requestAnimationFrame(go);
}
