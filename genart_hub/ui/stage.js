// Sprite sheets on a canvas, for any page: stage(canvas, {sheet, frames, pictures, columns}). It asks no server for anything but the sheet.
(() => {
  "use strict";
  const FPS = 6, GAP = 4, BLEND = 5; // frames a second; pixels of a picture between two; steps from a frame into the next
  const LONGEST = 0.1; // seconds that pass for a page that was busy
  const reduced = window.matchMedia("(prefers-reduced-motion: reduce)");
  const players = new Map(); // of each canvas on the page
  const controls = new Set();
  let wanted = null, asked = 0, before = 0; // wanted: whether the reader wants motion; null: as the system says

  const moving = () => wanted ?? !reduced.matches;
  const seen = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const player = players.get(target);
      if (player) player.seen = isIntersecting;
      if (!target.isConnected) forget(target);
    }
    wake();
  });

  /**
   * Play a sheet on a canvas: pictures side by side, each with its own row of the sheet, each frame a column of it.
   *
   * options: sheet (an address), frames (1), pictures (1), columns (pictures of a line, all), side (px of a tile; else the sheet tells), gap
   * (px between pictures), fps, rest (seconds that the first frame stands), fade (seconds from what stood there before), alt (what a
   * reader hears who sees nothing). The canvas has its size at once where side is told.
   * Returns the player: show(options) plays another, follow(player) goes on where one of the same sheet is, frame tells which column it
   * shows, hold(k) stands still on column k, stop() ends it.
   */
  function stage(canvas, options = {}) {
    const player = players.get(canvas) ?? new Player(canvas);
    player.show(options);
    return player;
  }

  /** The player of a canvas, if one plays on it. */
  stage.of = (canvas) => players.get(canvas);

  /** Let a button play and pause all canvases of the page. words: {play, pause}, its name for each. */
  stage.control = (button, words) => {
    const control = { button, words };
    for (const other of controls) if (other.button === button || !other.button.isConnected) controls.delete(other);
    controls.add(control);
    button.onclick = () => {
      wanted = !moving();
      changed();
    };
    tell(control);
  };

  class Player {
    seen = false;
    frame = 0;
    held = null; // the column it stands on, if it does not play

    constructor(canvas) {
      this.canvas = canvas;
      this.pen = canvas.getContext("2d");
      players.set(canvas, this);
      seen.observe(canvas);
    }

    show(options) {
      const sheet = new Image();
      this.coming = sheet;
      this.canvas.setAttribute("role", "img");
      if (options.alt) this.canvas.setAttribute("aria-label", options.alt);
      if (options.side && !this.sheet) this.resize(options, options.side);
      sheet.onload = () => {
        if (this.coming !== sheet) return; // another came after it
        this.past = this.sheet && options.fade && moving() ? copy(this.canvas) : null;
        [this.options, this.sheet, this.seconds, this.drawn] = [options, sheet, 0, null];
        this.resize(options, options.side ?? sheet.width / (options.frames ?? 1));
        this.draw();
        wake();
      };
      sheet.src = options.sheet;
    }

    resize({ pictures = 1, columns = pictures, gap = GAP }, side) {
      const [wide, high] = [columns, Math.ceil(pictures / columns)].map((count) => count * (side + gap) - gap);
      this.side = side;
      if (this.canvas.width !== wide || this.canvas.height !== high) [this.canvas.width, this.canvas.height, this.drawn] = [wide, high, null];
      this.canvas.style.aspectRatio = `${wide} / ${high}`;
    }

    /** Go on where another player of the same sheet is. */
    follow(other) {
      if (other.options?.sheet !== this.options?.sheet) return;
      this.seconds = other.seconds;
      this.draw();
    }

    hold(k) {
      this.held = k;
      if (this.sheet) this.draw();
    }

    get busy() {
      return this.seen && this.sheet && this.held === null && ((this.options.frames ?? 1) > 1 || this.past);
    }

    advance(seconds) {
      this.seconds += seconds;
      this.draw();
    }

    draw() {
      const { frames = 1, fps = FPS, rest = 1 / fps, fade = 0 } = this.options;
      const round = rest + (frames - 1) / fps, at = this.seconds % round;
      const k = this.held ?? (at < rest ? 0 : Math.min(1 + Math.floor((at - rest) * fps), frames - 1));
      const left = (k ? rest + k / fps : rest) - at; // seconds until the next frame
      const share = frames > 1 && this.held === null ? Math.round(BLEND * Math.max(0, 1 - left * fps)) / BLEND : 0;
      const old = this.past ? Math.max(0, 1 - this.seconds / fade) : 0;
      if (!old) this.past = null;
      this.frame = k;
      const state = `${k} ${share} ${old}`;
      if (state === this.drawn) return;
      this.drawn = state;
      this.pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
      this.column(k, 1);
      this.column((k + 1) % frames, share);
      if (old) this.layer(old, () => this.pen.drawImage(this.past, 0, 0, this.canvas.width, this.canvas.height));
    }

    column(k, alpha) {
      const { pictures = 1, columns = pictures, gap = GAP } = this.options, { side } = this;
      const tile = (j) => [(j % columns) * (side + gap), Math.floor(j / columns) * (side + gap), side, side];
      if (alpha) {
        this.layer(alpha, () => {
          for (let j = 0; j < pictures; j++) this.pen.drawImage(this.sheet, k * side, j * side, side, side, ...tile(j));
        });
      }
    }

    layer(alpha, paint) {
      [this.pen.globalAlpha, this.pen.imageSmoothingEnabled] = [alpha, false];
      paint();
    }

    stop() {
      seen.unobserve(this.canvas);
      forget(this.canvas);
    }
  }

  function copy(canvas) {
    const taken = document.createElement("canvas");
    [taken.width, taken.height] = [canvas.width, canvas.height];
    taken.getContext("2d").drawImage(canvas, 0, 0);
    return taken;
  }

  function forget(canvas) {
    seen.unobserve(canvas);
    players.delete(canvas);
  }

  function wake() {
    if (asked || !moving() || document.hidden || ![...players.values()].some((player) => player.busy)) return;
    before = 0;
    asked = requestAnimationFrame(tick);
  }

  function tick(now) {
    asked = 0;
    const since = before ? Math.min((now - before) / 1000, LONGEST) : 0;
    for (const player of players.values()) if (player.busy) player.advance(since);
    wake();
    before = now;
  }

  function tell({ button, words }) {
    const word = moving() ? words.pause : words.play;
    button.classList.toggle("plays", moving());
    button.setAttribute("aria-label", word);
    button.title = word;
  }

  function changed() {
    controls.forEach(tell);
    wake();
  }

  reduced.addEventListener("change", changed);
  document.addEventListener("visibilitychange", wake);
  window.stage = stage;
})();
