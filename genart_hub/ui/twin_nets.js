// Networks on points of the plane that learn in the page: a GAN, a VAE and a diffusion model. No library, no page: it runs under node too.
// Points lie one after the other in a Float64Array: x, y, x, y, ... The same seed and the same steps give the same numbers.

const BATCH = 64, SPREAD = 0.2; // points of a step; the VAE's sigma_x
const sigmoid = (x) => 1 / (1 + Math.exp(-x));
const softplus = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

/** Random numbers of a seed (mulberry32). */
function random(seed) {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  return { uniform, normal, normals: (n) => Float64Array.from({ length: n }, normal) };
}

/** A multilayer perceptron with SiLU between its layers. All its numbers are in `theta`, the loss's gradient in `grad`. */
class Mlp {
  constructor(sizes, rng) {
    this.sizes = sizes;
    const count = sizes.slice(1).reduce((sum, outs, k) => sum + outs * (sizes[k] + 1), 0);
    [this.theta, this.grad] = [new Float64Array(count), new Float64Array(count)];
    let at = 0;
    this.layers = sizes.slice(1).map((outs, k) => {
      const ins = sizes[k], end = at + outs * ins, last = k === sizes.length - 2;
      const [W, b] = [this.theta.subarray(at, end), this.theta.subarray(end, end + outs)];
      const [dW, db] = [this.grad.subarray(at, end), this.grad.subarray(end, end + outs)];
      for (let i = 0; i < W.length; i++) W[i] = rng.normal() * Math.sqrt((last ? 1 : 2) / ins);
      for (let i = 0; i < outs; i++) b[i] = last ? 0 : (2 * rng.uniform() - 1) / Math.sqrt(ins);
      at = end + outs;
      return { W, b, dW, db, ins, outs };
    });
  }

  /** Room for what a pass of n points leaves behind: a before and h after each activation, s = sigmoid(a), and their gradients. */
  tape(n) {
    const each = () => this.layers.map(({ outs }) => new Float64Array(n * outs));
    const [first, widest] = [n * this.sizes[0], Math.max(...this.sizes)];
    return {
      n, h: [null, ...each()], a: each(), s: each(), da: each(), dx: new Float64Array(first),
      extra: each(), u: each(), v: each(), bar: [new Float64Array(first), ...each()], zeros: new Float64Array(widest), none: new Float64Array(widest),
    };
  }

  /** x: (n, ins). Returns (n, outs), in the tape's own room. */
  forward(x, tape) {
    tape.h[0] = x;
    for (let l = 0, top = this.layers.length - 1; l <= top; l++) {
      affine(this.layers[l], tape.h[l], tape.a[l], tape.n);
      if (l < top) activate(tape.a[l], tape.s[l], tape.h[l + 1]);
    }
    return tape.a[this.layers.length - 1];
  }

  /** Add the loss's gradient to `grad`, for dy = d loss / d y (n, outs). extra: whether `penalty` has left its own. Returns d loss / d x. */
  backward(tape, dy, { learns = true, extra = false } = {}) {
    for (let l = this.layers.length - 1; l >= 0; l--) {
      const last = l === this.layers.length - 1, da = last ? dy : tape.da[l], dh = l ? tape.da[l - 1] : tape.dx;
      if (!last) {
        descend(da, tape.a[l], tape.s[l]);
        if (extra) for (let k = 0; k < da.length; k++) da[k] += tape.extra[l][k];
      }
      transposed(this.layers[l], da, dh, tape.n);
      if (learns) gather(this.layers[l], da, tape.h[l], tape.n);
    }
    return tape.dx;
  }

  /**
   * R1 of a network of one output: weight / 2 * mean |dy/dx|^2 (Mescheder et al. 2018), by backpropagation through the backpropagation.
   *
   * Adds what the weights get directly, and leaves in tape.extra what `backward` is to carry on. Returns mean |dy/dx|^2.
   */
  penalty(tape, weight) {
    const { layers } = this, top = layers.length - 1, { n, v, u, bar } = tape;
    v[top].fill(1);
    for (let l = top; l > 0; l--) {
      transposed(layers[l], v[l], u[l - 1], n);
      v[l - 1].set(u[l - 1]);
      descend(v[l - 1], tape.a[l - 1], tape.s[l - 1]);
    }
    transposed(layers[0], v[0], bar[0], n); // dy/dx; then each bar is d penalty / d of that which was computed last
    let mean = 0;
    for (let k = 0; k < bar[0].length; k++) {
      mean += bar[0][k] ** 2 / n;
      bar[0][k] *= weight / n;
    }
    for (let l = 0; l <= top; l++) {
      gather({ ...layers[l], db: tape.none }, v[l], bar[l], n);
      if (l === top) break;
      affine({ ...layers[l], b: tape.zeros }, bar[l], bar[l + 1], n);
      bend(bar[l + 1], u[l], tape.a[l], tape.s[l], tape.extra[l]);
    }
    return mean;
  }

  /** The outputs of as many points as there are, as an array of their own. */
  of(x) {
    const n = x.length / this.sizes[0];
    this.rooms ??= new Map(); // by their size: a page asks for the same ones again and again
    if (!this.rooms.has(n)) this.rooms.set(n, this.tape(n));
    return this.forward(x, this.rooms.get(n)).slice();
  }
}

// The loops that take the time.

function affine({ W, b, ins, outs }, h, a, n) {
  for (let j = 0, k = 0; j < n; j++) {
    const from = j * ins, even = from + ins - 3;
    for (let o = 0, w = 0; o < outs; o++, k++) {
      let p = b[o], q = 0, r = 0, t = 0, i = from;
      for (; i < even; i += 4, w += 4) {
        p += W[w] * h[i];
        q += W[w + 1] * h[i + 1];
        r += W[w + 2] * h[i + 2];
        t += W[w + 3] * h[i + 3];
      }
      for (; i < from + ins; i++, w++) p += W[w] * h[i];
      a[k] = p + q + (r + t);
    }
  }
}

function activate(a, s, h) {
  for (let k = 0; k < a.length; k++) {
    s[k] = 1 / (1 + Math.exp(-a[k]));
    h[k] = a[k] * s[k];
  }
}

function descend(da, a, s) {
  for (let k = 0; k < da.length; k++) da[k] *= s[k] * (1 + a[k] * (1 - s[k]));
}

function transposed({ W, ins, outs }, da, dh, n) {
  dh.fill(0);
  for (let j = 0, k = 0; j < n; j++) {
    const from = j * ins;
    for (let o = 0, w = 0; o < outs; o++, k++) {
      const d = da[k];
      for (let i = 0; i < ins; i++, w++) dh[from + i] += d * W[w];
    }
  }
}

function gather({ dW, db, ins, outs }, da, h, n) {
  for (let j = 0, k = 0; j < n; j++) {
    const from = j * ins;
    for (let o = 0, w = 0; o < outs; o++, k++) {
      const d = da[k];
      db[o] += d;
      for (let i = 0; i < ins; i++, w++) dW[w] += d * h[from + i];
    }
  }
}

/** Through v = u * SiLU'(a), where s = sigmoid(a), in place: extra gets what goes to a, bar what goes to u. */
function bend(bar, u, a, s, extra) {
  for (let k = 0; k < bar.length; k++) {
    extra[k] = bar[k] * u[k] * s[k] * (1 - s[k]) * (2 + a[k] * (1 - 2 * s[k]));
    bar[k] *= s[k] * (1 + a[k] * (1 - s[k]));
  }
}

/** Adam (Kingma & Ba 2015) for the numbers of a network. */
class Adam {
  constructor(net, rate, beta1 = 0.9, beta2 = 0.999, eps = 1e-8) {
    Object.assign(this, { net, rate, beta1, beta2, eps, steps: 0 });
    [this.m, this.v] = [0, 1].map(() => new Float64Array(net.theta.length));
  }

  /** One step down the gradient, which is forgotten then. */
  step() {
    const { m, v, beta1, beta2, eps } = this, { theta, grad } = this.net;
    this.steps += 1;
    const [c1, c2] = [1 - beta1 ** this.steps, 1 - beta2 ** this.steps];
    for (let k = 0; k < theta.length; k++) {
      m[k] = beta1 * m[k] + (1 - beta1) * grad[k];
      v[k] = beta2 * v[k] + (1 - beta2) * grad[k] * grad[k];
      theta[k] -= (this.rate * (m[k] / c1)) / (Math.sqrt(v[k] / c2) + eps);
    }
    grad.fill(0);
  }
}
