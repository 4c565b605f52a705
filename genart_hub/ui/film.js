// A recorded training that is moved through by hand: film(element, recording, words). It asks for nothing but the sheet of its pictures.
(() => {
  "use strict";
  const WIDE = 300, HIGH = 110, FOOT = 16; // of a drawing, in its own units; of them, below its axis
  const FPS = 8, COLUMNS = 4, GAP = 3;
  const COLOURS = ["var(--film-a)", "var(--film-b)", "var(--film-c)"];

  const svg = (name, attributes = {}, text = "") => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    node.textContent = text;
    return node;
  };
  const drawing = (box, alt) => {
    const root = svg("svg", { viewBox: `0 0 ${WIDE} ${HIGH + FOOT}`, role: "img", "aria-label": alt });
    box.replaceChildren(root);
    return root;
  };
  const top = (lists) => Math.max(1e-9, ...lists.flat());
  const legend = (names, words) =>
    names.map((name, j) => `<span style="--colour: ${COLOURS[j]}">${words[name] ?? name}</span>`).join("");

  /**
   * Show a recording in an element that holds what `film.html` does.
   *
   * recording: sheet (an address), side, pictures, steps, curves and bars (lists of each moment, by name). words: of play, pause, step,
   * alt, of each curve and of each kind of bars; notes: [[step, text], ...], of which the last one that has come is told.
   * With recording.plays it begins to play at once. With recording.live, the sheet and the bars are of the last moment alone, and there
   * is no time to move through.
   * Returns {seek(k), play(), pause()}, k being a moment.
   */
  window.film = (element, recording, words) => {
    const find = (name) => element.querySelector(`.film-${name}`);
    const [slider, button, count, note] = [find("time"), find("play"), find("count"), find("note")];
    const { steps, live } = recording, last = steps.length - 1;
    const at = (k) => (k / Math.max(last, 1)) * WIDE;
    const frames = live ? 1 : steps.length;
    const player = stage(element.querySelector("canvas"), { ...recording, frames, columns: COLUMNS, gap: GAP, alt: words.alt });
    find("way").hidden = Boolean(live);
    let k = 0, timer = 0;

    const curves = Object.entries(recording.curves), bars = Object.entries(recording.bars);
    const ceiling = Math.min(top(curves.map(([, values]) => values)), 4 * top(curves.map(([, values]) => middle(values))));
    const plot = drawing(find("curves"), words.curves);
    curves.forEach(([, values], j) => {
      const points = values.map((value, i) => `${at(i)},${HIGH - (Math.min(value, ceiling) / ceiling) * (HIGH - 6)}`);
      plot.append(svg("polyline", { points: points.join(" "), fill: "none", stroke: COLOURS[j], "stroke-width": 2 }));
    });
    const head = plot.appendChild(svg("line", { y1: 0, y2: HIGH, class: "film-head" }));
    plot.append(svg("text", { x: 0, y: HIGH + FOOT - 3 }, "0"));
    plot.append(svg("text", { x: WIDE, y: HIGH + FOOT - 3, "text-anchor": "end" }, steps[last].toLocaleString()));
    find("curves-legend").innerHTML = legend(curves.map(([name]) => name), words);

    const highest = top(bars.map(([, moments]) => moments.map(top)));
    const boxes = find("bars-box");
    boxes.hidden = !bars.length;
    const chart = drawing(find("bars"), words.bars);
    const rects = bars.map(([, moments], j) => moments[0].map((_, i) => {
      const width = WIDE / moments[0].length;
      return chart.appendChild(svg("rect", { x: i * width + 0.5, width: width - 1, fill: COLOURS[j], opacity: bars.length > 1 ? 0.6 : 1 }));
    }));
    if (bars.length > 1) {
      chart.append(svg("text", { x: 0, y: HIGH + FOOT - 3 }, words.low), svg("text", { x: WIDE, y: HIGH + FOOT - 3, "text-anchor": "end" }, words.high));
    }
    find("bars-legend").innerHTML = legend(bars.map(([name]) => name), words);
    find("bars-title").textContent = words.bars;
    find("curves-title").textContent = words.curves;

    function seek(moment) {
      k = Math.min(Math.max(Number(moment), 0), last);
      player.hold(live ? 0 : k);
      slider.value = k;
      count.textContent = `${words.step} ${steps[k].toLocaleString()}`;
      slider.setAttribute("aria-valuetext", count.textContent);
      for (const end of ["x1", "x2"]) head.setAttribute(end, at(k));
      bars.forEach(([, moments], j) => moments[live ? 0 : k].forEach((value, i) => {
        const height = (Math.min(value, highest) / highest) * (HIGH - 6);
        rects[j][i].setAttribute("y", HIGH - height);
        rects[j][i].setAttribute("height", height);
      }));
      const told = words.notes.filter(([step]) => step <= steps[k]).pop()?.[1] ?? "";
      if (note.textContent !== told) note.textContent = told;
    }

    function pause() {
      clearInterval(timer);
      timer = 0;
      name();
    }

    function play() {
      if (k === last) seek(0);
      timer = setInterval(() => (k < last && element.isConnected ? seek(k + 1) : pause()), 1000 / FPS);
      name();
    }

    function name() {
      button.classList.toggle("plays", Boolean(timer));
      button.setAttribute("aria-label", timer ? words.pause : words.play);
    }

    slider.max = last;
    slider.setAttribute("aria-label", words.time);
    slider.oninput = () => {
      if (timer) pause();
      seek(slider.value);
    };
    button.onclick = () => (timer ? pause() : play());
    pause();
    seek(live ? last : 0);
    if (recording.plays) play();
    return { seek, play, pause };
  };

  const middle = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
})();
