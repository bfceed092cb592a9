// The network in the browser: the same forward pass, backward pass and step as the Python layers,
// for one sample at a time. Images are flat, row by row, with the channels last.

import { AveragePool2D, Conv2D, MaxPool2D } from "./convolution.mjs";

/** Decode base64 into bytes. */
export function bytesOf(text) {
  const raw = atob(text);
  return Uint8Array.from(raw, (letter) => letter.charCodeAt(0));
}

/** Decode base64 into the little-endian float32 numbers that NumPy wrote, as float64. */
export function floatsOf(text) {
  return Float64Array.from(new Float32Array(bytesOf(text).buffer));
}

export function argmax(values) {
  return values.reduce((best, value, k) => (value > values[best] ? k : best), 0);
}

export function softmax(logits) {
  const most = Math.max(...logits);
  const powers = logits.map((z) => Math.exp(z - most));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

const sigmoid = (x) => 1 / (1 + Math.exp(-Math.max(x, -87)));

// GELU's s: the normal distribution function, with u = sqrt(2 / pi) (x + 0.044715 x^3).
const ROOT = Math.sqrt(2 / Math.PI);
const phi = (x) => sigmoid(2 * ROOT * (x + 0.044715 * x ** 3));

/** A layer that treats each number alone: y = value(x), dx = dy * slope(x, y). */
function elementwise(value, slope) {
  return class {
    static sizes = () => [];
    forward(x) {
      this.x = x;
      this.y = x.map(value);
      return this.y;
    }
    backward(dy) {
      return dy.map((d, i) => d * slope(this.x[i], this.y[i]));
    }
  };
}

class Dense {
  static sizes = (c) => [c.inputs * c.outputs, c.outputs];
  constructor({ inputs, outputs }, [W, b], [dW, db]) {
    Object.assign(this, { inputs, outputs, W, b, dW, db });
  }
  // y = x W + b    (in,) @ (in, out) + (out,) -> (out,)
  forward(x) {
    const { inputs, outputs, W } = this;
    const y = Float64Array.from(this.b);
    for (let i = 0; i < inputs; i++) {
      if (x[i] === 0) continue; // most pixels of a digit are blank
      for (let j = 0, w = i * outputs; j < outputs; j++, w++) y[j] += x[i] * W[w];
    }
    this.x = x;
    this.y = y;
    return y;
  }
  // dW = x^T dy, db = dy, dx = dy W^T
  backward(dy) {
    const { inputs, outputs, x, W, dW, db } = this;
    const dx = new Float64Array(inputs);
    for (let i = 0, w = 0; i < inputs; i++) {
      let sum = 0;
      for (let j = 0; j < outputs; j++, w++) {
        dW[w] = x[i] * dy[j];
        sum += W[w] * dy[j];
      }
      dx[i] = sum;
    }
    db.set(dy);
    return dx;
  }
}

class LeakyReLU {
  static sizes = () => [];
  constructor({ slope }) {
    this.slope = slope;
  }
  forward(x) {
    this.x = x;
    this.y = x.map((value) => (value > 0 ? value : this.slope * value));
    return this.y;
  }
  backward(dy) {
    return dy.map((d, i) => (this.x[i] > 0 ? d : this.slope * d));
  }
}

// Evaluation mode: mean and variance are the running ones, so the layer scales and shifts.
class BatchNorm {
  static sizes = (c) => [c.features, c.features];
  static buffers = (c) => [c.features, c.features];
  constructor({ features, epsilon }, [gamma, beta], [dgamma, dbeta], [mean, variance]) {
    const inverse = variance.map((v) => 1 / Math.sqrt(v + epsilon));
    Object.assign(this, { features, gamma, beta, dgamma, dbeta, mean, inverse });
  }
  forward(x) {
    const { features, gamma, beta, mean, inverse } = this;
    this.normal = x.map((value, i) => (value - mean[i % features]) * inverse[i % features]);
    this.y = this.normal.map((value, i) => gamma[i % features] * value + beta[i % features]);
    return this.y;
  }
  backward(dy) {
    const { features, gamma, dgamma, dbeta, inverse, normal } = this;
    dgamma.fill(0);
    dbeta.fill(0);
    return dy.map((d, i) => {
      const f = i % features;
      dgamma[f] += d * normal[i];
      dbeta[f] += d;
      return d * gamma[f] * inverse[f];
    });
  }
}

const identity = elementwise(
  (x) => x,
  () => 1,
);

export const LAYERS = {
  Dense,
  Conv2D,
  MaxPool2D,
  AveragePool2D,
  BatchNorm,
  LeakyReLU,
  ReLU: elementwise(
    (x) => Math.max(x, 0),
    (x) => (x > 0 ? 1 : 0),
  ),
  // y = x s with s = sigmoid(2 u); dy/dx = s + x s (1 - s) 2 du/dx
  GELU: elementwise(
    (x) => x * phi(x),
    (x) => phi(x) + x * phi(x) * (1 - phi(x)) * 2 * ROOT * (1 + 3 * 0.044715 * x * x),
  ),
  Sigmoid: elementwise(sigmoid, (_x, y) => y * (1 - y)),
  Tanh: elementwise(Math.tanh, (_x, y) => 1 - y * y),
  Dropout: identity, // in evaluation nothing is dropped
  Flatten: identity, // images are flat here
  Reshape: identity,
};

/** Cut a vector into views of these sizes, from a position on. */
function views(vector, start, sizes) {
  let stop = start;
  return sizes.map((size) => {
    stop += size;
    return vector.subarray(stop - size, stop);
  });
}

/** Layers in a row over one vector of parameters, as numpymlp.Network. */
export class Network {
  constructor(configs, parameters, buffers) {
    this.parameters = parameters;
    this.gradients = new Float64Array(parameters.length);
    let [p, b] = [0, 0];
    this.layers = configs.map((config) => {
      const kind = LAYERS[config.type];
      const sizes = kind.sizes(config);
      const kept = kind.buffers?.(config) ?? [];
      const layer = new kind(
        config,
        views(parameters, p, sizes),
        views(this.gradients, p, sizes),
        views(buffers, b, kept),
      );
      p += sizes.reduce((sum, size) => sum + size, 0);
      b += kept.reduce((sum, size) => sum + size, 0);
      return Object.assign(layer, { config });
    });
  }

  /** Return the logits of one sample; `off` maps a layer's position to the units to switch off. */
  forward(x, off = new Map()) {
    this.layers.forEach((layer, position) => {
      x = layer.forward(x);
      for (const unit of off.get(position) ?? []) x[unit] = 0;
    });
    return x;
  }

  /**
   * Send dL/dlogits back to the layer at position `last`, filling the gradients and keeping dL/dy of
   * each layer; return dL/dx of that layer.
   */
  backward(dy, off = new Map(), last = 0) {
    for (let position = this.layers.length - 1; position >= last; position--) {
      for (const unit of off.get(position) ?? []) dy[unit] = 0;
      this.layers[position].dy = dy;
      dy = this.layers[position].backward(dy);
    }
    return dy;
  }

  /** Gradient descent: parameters -= rate * gradients. */
  step(rate) {
    this.gradients.forEach((gradient, i) => {
      this.parameters[i] -= rate * gradient;
    });
  }
}

/** Cross-entropy -log p of the target class, from logits. */
export function crossEntropy(logits, target) {
  const most = Math.max(...logits);
  const sum = logits.reduce((total, z) => total + Math.exp(z - most), 0);
  return Math.log(sum) + most - logits[target];
}

/** Its gradient with respect to the logits: p - t, where t is 1 for the target class. */
export function crossEntropyGradient(logits, target) {
  return softmax(logits).map((p, k) => p - (k === target ? 1 : 0));
}
