// What learns on the plane: data to choose, the three kinds of models with their steps, and how far each has come. Needs twin_nets.js.

const POINTS = 400, PARTS = 8; // of the data
const NEAR = 0.2; // how close to a real point a generated one is good

const SHAPES = {
  ring: (part, rng) => round(Math.PI * 2 * (part / PARTS), 1.4, 0.09, rng),
  moons: (part, rng) => {
    const upper = part < PARTS / 2, angle = (Math.PI * ((part % (PARTS / 2)) + rng.uniform())) / (PARTS / 2);
    const [x, y] = round(angle, 1, 0.06, rng);
    return upper ? [1.1 * x - 0.55, 1.1 * y - 0.25] : [0.55 - 1.1 * x, 0.25 - 1.1 * y];
  },
  spiral: (part, rng) => {
    const t = (part + rng.uniform()) / PARTS;
    return round(Math.PI * 3.2 * Math.sqrt(t), 0.2 + 1.4 * Math.sqrt(t), 0.05, rng);
  },
};
const round = (angle, radius, spread, rng) => [radius * Math.cos(angle) + spread * rng.normal(), radius * Math.sin(angle) + spread * rng.normal()];

/** Points of a shape, and of which of its eight parts each is: a blob, or a stretch of the line. */
function cloud(shape, seed, count = POINTS) {
  const rng = random(seed + 7919), x = new Float64Array(2 * count), part = new Uint8Array(count);
  for (let k = 0; k < count; k++) {
    part[k] = k % PARTS;
    x.set(SHAPES[shape](part[k], rng), 2 * k);
  }
  return { shape, x, part, count };
}

/**
 * What generated points are worth, counted. near: the share of them within NEAR of a real point. hit: on how many of the eight parts at
 * least a quarter of a fair share of them lies.
 */
function counted(points, data) {
  const n = points.length / 2, on = new Array(PARTS).fill(0);
  let near = 0;
  for (let k = 0; k < n; k++) {
    let [best, whose] = [NEAR ** 2, -1];
    for (let j = 0; j < data.count; j++) {
      const far = (points[2 * k] - data.x[2 * j]) ** 2 + (points[2 * k + 1] - data.x[2 * j + 1]) ** 2;
      if (far < best) [best, whose] = [far, j];
    }
    if (whose >= 0) {
      near += 1 / n;
      on[data.part[whose]] += 1;
    }
  }
  return { near, hit: on.filter((count) => count >= n / PARTS / 4).length };
}

function batch(data, rng, n = BATCH) {
  const x = new Float64Array(2 * n);
  for (let k = 0; k < n; k++) {
    const j = Math.floor(rng.uniform() * data.count);
    [x[2 * k], x[2 * k + 1]] = [data.x[2 * j], data.x[2 * j + 1]];
  }
  return x;
}

const mean = (values, of) => values.reduce((sum, value) => sum + of(value), 0) / values.length;

/** A GAN (Goodfellow et al. 2014, non-saturating). strong: D makes five steps for one of G. r1: the weight of its penalty, or 0. */
class Gan {
  static enough = 2000;
  static curves = ["d_loss", "g_loss"];
  strong = false;
  r1 = 0;

  constructor(data, seed) {
    this.data = data;
    this.rng = random(seed);
    this.G = new Mlp([4, 32, 32, 2], this.rng);
    this.D = new Mlp([2, 32, 32, 1], this.rng);
    this.shown = this.rng.normals(4 * 240);
    this.G.layers[2].W.forEach((w, k, all) => (all[k] = w / 5)); // all points begin close together
    this.optimizers = [new Adam(this.G, 2e-3, 0.5), new Adam(this.D, 4e-3, 0.5)];
    this.tapes = { G: this.G.tape(BATCH), D: this.D.tape(BATCH) };
    this.steps = 0;
    this.losses = { d_loss: 2 * Math.LN2, g_loss: Math.LN2 };
  }

  step() {
    for (let k = 0; k < (this.strong ? 5 : 1); k++) this.stepD();
    this.stepG();
    this.steps += 1;
  }

  stepD() {
    const real = batch(this.data, this.rng), made = this.G.forward(this.rng.normals(4 * BATCH), this.tapes.G);
    let loss = 0;
    for (const [x, sign] of [[real, -1], [made, 1]]) {
      const logits = this.D.forward(x, this.tapes.D), extra = sign < 0 && this.r1 > 0;
      loss += mean(logits, (y) => softplus(sign * y));
      if (extra) this.D.penalty(this.tapes.D, this.r1);
      this.D.backward(this.tapes.D, logits.map((y) => (sign * sigmoid(sign * y)) / BATCH), { extra });
    }
    this.optimizers[1].step();
    this.losses.d_loss = loss;
  }

  stepG() {
    const made = this.G.forward(this.rng.normals(4 * BATCH), this.tapes.G), logits = this.D.forward(made, this.tapes.D);
    const dx = this.D.backward(this.tapes.D, logits.map((y) => -sigmoid(-y) / BATCH), { learns: false });
    this.G.backward(this.tapes.G, dx);
    this.optimizers[0].step();
    this.losses.g_loss = mean(logits, (y) => softplus(-y));
  }

  /** Generated points, always of the same z. */
  points() {
    return this.G.of(this.shown);
  }

  /** Where each point is pulled: minus the gradient of its own share of G's loss. */
  pulls(points) {
    const tape = this.D.tape(points.length / 2), logits = this.D.forward(points, tape);
    return this.D.backward(tape, logits.map((y) => sigmoid(-y)), { learns: false });
  }

  /** Counts of the points, and the share of D's answers that is right. */
  look(points = this.points()) {
    const right = (mean(this.D.of(this.data.x), (y) => +(y > 0)) + mean(this.D.of(points), (y) => +(y < 0))) / 2;
    return { ...counted(points, this.data), right };
  }
}

/** A VAE (Kingma & Welling 2014) with a z of two numbers, and pixels' noise of SPREAD. */
class Vae {
  static enough = 2000;
  static curves = ["error", "kl"];
  beta = 1;

  constructor(data, seed) {
    this.data = data;
    this.rng = random(seed);
    this.encoder = new Mlp([2, 32, 32, 4], this.rng);
    this.decoder = new Mlp([2, 32, 32, 2], this.rng);
    this.shown = this.rng.normals(2 * 240);
    this.optimizers = [new Adam(this.encoder, 3e-3), new Adam(this.decoder, 3e-3)];
    this.tapes = [this.encoder.tape(BATCH), this.decoder.tape(BATCH)];
    this.steps = 0;
    this.losses = { error: 0, kl: 0 };
  }

  step() {
    const x = batch(this.data, this.rng);
    this.losses = this.learn(x, this.rng.normals(2 * BATCH), this.tapes);
    this.optimizers.forEach((one) => one.step());
    this.steps += 1;
  }

  /** Add the gradient of |x - x_hat|^2 / 2 SPREAD^2 + beta KL, the mean over points. Returns both parts, in nats. eps: N(0, I). */
  learn(x, eps, tapes) {
    const n = x.length / 2, code = this.encoder.forward(x, tapes[0]), z = eps.map((e, k) => code[at(k)] + Math.exp(code[at(k) + 2] / 2) * e);
    const made = this.decoder.forward(z, tapes[1]), miss = made.map((value, k) => (value - x[k]) / (SPREAD ** 2 * n));
    const dz = this.decoder.backward(tapes[1], miss), dcode = new Float64Array(code.length);
    let [error, kl] = [0, 0];
    for (let k = 0; k < dz.length; k++) {
      const mu = code[at(k)], logvar = code[at(k) + 2], variance = Math.exp(logvar);
      error += (made[k] - x[k]) ** 2 / (2 * SPREAD ** 2 * n);
      kl += (mu * mu + variance - 1 - logvar) / 2 / n;
      dcode[at(k)] = dz[k] + (this.beta * mu) / n;
      dcode[at(k) + 2] = (dz[k] * eps[k] * Math.sqrt(variance)) / 2 + (this.beta * (variance - 1)) / 2 / n;
    }
    this.encoder.backward(tapes[0], dcode);
    return { error, kl };
  }

  /** mu and sigma of points, each (n, 2). */
  encode(x) {
    const code = this.encoder.of(x);
    return { mu: x.map((_, k) => code[at(k)]), sigma: x.map((_, k) => Math.exp(code[at(k) + 2] / 2)) };
  }

  /** Points drawn from the prior, always from the same z. */
  points() {
    return this.decoder.of(this.shown);
  }

  rebuilt(x) {
    return this.decoder.of(this.encode(x).mu);
  }

  /** Counts of the points, the distance of a real point to its copy, and the numbers of z that say something (more than 0.1 nats). */
  look(points = this.points()) {
    const { x, count } = this.data, copy = this.rebuilt(x), { mu, sigma } = this.encode(x), says = [0, 0];
    let off = 0;
    for (let k = 0; k < count; k++) off += Math.hypot(copy[2 * k] - x[2 * k], copy[2 * k + 1] - x[2 * k + 1]) / count;
    mu.forEach((m, k) => (says[k % 2] += (m * m + sigma[k] ** 2 - 1 - 2 * Math.log(sigma[k])) / 2 / count));
    return { ...counted(points, this.data), off, says: says.filter((nats) => nats > 0.1).length };
  }
}
const at = (k) => 4 * (k >> 1) + (k & 1); // of number k of (n, 2) in the encoder's (n, 4): mu; logvar lies two further

/** A diffusion model (Ho et al. 2020) that predicts noise; x_t = cos(pi t / 2) x + sin(pi t / 2) eps. */
class Diffusion {
  static enough = 3000;
  static curves = ["loss"];
  static moments = 30;
  static latest = 0.98; // t that sampling starts from

  constructor(data, seed) {
    this.data = data;
    this.rng = random(seed);
    this.net = new Mlp([8, 48, 48, 48, 2], this.rng);
    this.shown = this.rng.normals(2 * 200);
    this.slow = new Mlp(this.net.sizes, random(0)); // the mean of the network's last states, which samples
    this.slow.theta.set(this.net.theta);
    this.optimizer = new Adam(this.net, 5e-3);
    this.tape = this.net.tape(BATCH);
    this.steps = 0;
    this.losses = { loss: 1 };
  }

  step() {
    const x = batch(this.data, this.rng), eps = this.rng.normals(2 * BATCH), t = Float64Array.from({ length: BATCH }, this.rng.uniform);
    const guess = this.net.forward(told(noisy(x, eps, t), t), this.tape);
    const off = guess.map((value, k) => value - eps[k]);
    this.losses = { loss: mean(off, (value) => value * value) };
    this.net.backward(this.tape, off.map((value) => (2 * value) / off.length));
    this.optimizer.step();
    const share = Math.max(0.005, 1 / (1 + this.steps)), { theta } = this.net;
    this.slow.theta.forEach((value, k, all) => (all[k] = value + share * (theta[k] - value)));
    this.steps += 1;
  }

  noise(points, t) {
    return this.slow.of(told(points, new Float64Array(points.length / 2).fill(t)));
  }

  /** The times of a way from noise to data, from Diffusion.latest down to 0. */
  static times = Array.from({ length: Diffusion.moments + 1 }, (_, k) => Diffusion.latest * (1 - k / Diffusion.moments));

  /** The way of the shown noise to data by DDIM (Song et al. 2021): its points at each of the times. */
  way() {
    const way = [this.shown];
    while (way.length <= Diffusion.moments) this.further(way);
    return way;
  }

  /** One step more of a way. */
  further(way) {
    const [now, next] = Diffusion.times.slice(way.length - 1), points = way[way.length - 1];
    way.push(ddim(points, this.noise(points, now), now, next));
  }

  look(points = this.way().pop()) {
    return counted(points, this.data);
  }
}

const signal = (t) => Math.cos((Math.PI * t) / 2), dirt = (t) => Math.sin((Math.PI * t) / 2);
const noisy = (x, eps, t) => x.map((value, k) => signal(t[k >> 1]) * value + dirt(t[k >> 1]) * eps[k]);

/** One step of DDIM without new noise, from time t to s. */
function ddim(x, eps, t, s) {
  return x.map((value, k) => signal(s) * ((value - dirt(t) * eps[k]) / signal(t)) + dirt(s) * eps[k]);
}

/** What the noise predictor is given: a point, and its time in waves. */
function told(x, t) {
  const given = new Float64Array(8 * t.length);
  t.forEach((time, k) => given.set([x[2 * k], x[2 * k + 1], signal(time), dirt(time), ...waves(2 * Math.PI * time)], 8 * k));
  return given;
}
const waves = (angle) => [Math.cos(angle), Math.sin(angle), Math.cos(2 * angle), Math.sin(2 * angle)];

const MODELS = { gan: Gan, vae: Vae, diffusion: Diffusion };
