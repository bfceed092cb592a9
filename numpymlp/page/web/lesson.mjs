// From a state to all numbers of the page: the image, one pass forward and backward, and what each
// hidden unit contributes. No drawing here, so that Node can run it too.

import { SIDE, affine, distort, prepare, shrink } from "./digit.mjs";
import {
  Network,
  argmax,
  bytesOf,
  crossEntropy,
  crossEntropyGradient,
  floatsOf,
  softmax,
} from "./network.mjs";

export class Lesson {
  constructor(payload) {
    const { layers, classes, shape, samples } = payload;
    this.classes = classes;
    this.trained = floatsOf(payload.parameters);
    this.network = new Network(layers, this.trained.slice(), floatsOf(payload.buffers));
    this.inputs = samples.inputs;
    [this.height, this.width] = shape ?? grid(this.inputs);
    this.labels = samples.labels;
    this.copies = payload.copies;
    const pixels = bytesOf(samples.pixels);
    const [low, high] = samples.range;
    this.samples = this.labels.map((_, n) =>
      Float64Array.from(
        pixels.subarray(n * this.inputs, (n + 1) * this.inputs),
        (byte) => low + ((high - low) * byte) / 255,
      ),
    );
    this.snapshots = payload.snapshots.map(({ epoch, parts, levels }) => ({
      epoch,
      parameters: unpacked(parts, bytesOf(levels)),
    }));
    this.hidden = hiddenLayers(layers);
  }

  /** The image that the network sees, before the sliders distort it. */
  image({ strokes, sample, centre }, inkOf) {
    if (!strokes.length) return this.samples[sample] ?? new Float64Array(this.inputs);
    const { ink, side } = inkOf(strokes);
    const square = this.width === SIDE && this.height === SIDE;
    if (centre && square) return prepare(ink, side, side) ?? new Float64Array(this.inputs);
    return shrink(ink, side, side, this.width, this.height);
  }

  /** One pass forward and backward for a state, after its steps of learning. */
  pass(state, inkOf) {
    const { network } = this;
    const off = switchedOff(state.off, this.hidden);
    const seen = distort(this.image(state, inkOf), this.width, this.height, state);
    const start = this.snapshots[state.epoch]?.parameters ?? this.trained;
    network.parameters.set(start);
    let logits = network.forward(seen, off);
    const answer = argmax(logits);
    const label = (state.strokes.length ? null : this.labels[state.sample]) ?? answer;
    const truth = state.truth ?? label;
    const losses = [crossEntropy(logits, truth)];
    for (let step = 0; step < state.steps; step++) {
      network.backward(crossEntropyGradient(logits, truth), off);
      network.step(10 ** state.rate);
      logits = network.forward(seen, off);
      losses.push(crossEntropy(logits, truth));
    }
    const now = argmax(logits);
    const logit = (k) => Float64Array.from(logits, (_, other) => (other === k ? 1 : 0));
    const layer = this.hidden[state.layer];
    const outputs = layer ? network.layers[layer.output].y : [];
    // What a unit adds to a logit: its output times the slope of the logit there. For the last
    // hidden layer that is exact; below it, it is the first term of the Taylor series.
    const added = (k) => {
      const slopes = layer ? network.backward(logit(k), off, layer.output + 1) : [];
      return outputs.map((output, unit) => output * slopes[unit]);
    };
    const contributions = added(now);
    const order = Array.from(contributions, (_, unit) => unit);
    order.sort((a, b) => Math.abs(contributions[b]) - Math.abs(contributions[a]));
    const unit = state.unit ?? order[0];
    const votes = layer ? Array.from(logits, (_, k) => added(k)[unit]) : [];
    const upstream = crossEntropyGradient(logits, truth);
    network.backward(Float64Array.from(upstream), off);
    const probabilities = softmax(logits);
    return {
      ...{ seen, logits, probabilities, answer: now, truth, losses, upstream },
      ...{ contributions, order, unit, votes },
    };
  }

  /**
   * The mean probabilities over an image and small distortions of it: `numpymlp predict` gives the
   * same. A network that is sure of an image but not of its copies is not sure.
   */
  meanProbabilities(seen, off) {
    const units = switchedOff(off, this.hidden);
    const images = [seen, ...this.copies.map((map) => affine(seen, this.width, this.height, map))];
    const all = images.map((image) => softmax(this.network.forward(image, units)));
    return Array.from(all[0], (_, k) => all.reduce((sum, p) => sum + p[k], 0) / all.length);
  }

  /** How many of the test images on the page the network reads right with its present weights. */
  right(off) {
    const units = switchedOff(off, this.hidden);
    const { network } = this;
    return this.samples.filter((x, n) => argmax(network.forward(x, units)) === this.labels[n])
      .length;
  }

  /** The weights into one unit, or their gradients, with the rows and columns to show them in. */
  column(layer, unit, name) {
    const { dense } = this.hidden[layer];
    const { inputs, outputs, [name]: matrix } = this.network.layers[dense];
    const values = new Float64Array(inputs);
    for (let i = 0; i < inputs; i++) values[i] = matrix[i * outputs + unit];
    const [height, width] = inputs === this.inputs ? [this.height, this.width] : grid(inputs);
    return { values, height, width };
  }
}

/** The filters of each convolution with their feature maps for the present image. */
export function filtersOf(network) {
  return network.layers.flatMap((layer, position) => {
    if (layer.config.type !== "Conv2D") return [];
    const { size, channels, filters } = layer.config;
    const { rows, columns } = layer.windows;
    // The map as the next layer reads it: behind batch norm and activation.
    let last = position;
    while (network.layers[last + 1]?.y?.length === layer.y.length) last++;
    const { y } = network.layers[last];
    return Array.from({ length: filters }, (_, f) => ({
      name: `filter ${f}, layer ${position}`,
      layer: position,
      // The channels of a filter lie side by side.
      filter: {
        height: size,
        width: size * channels,
        values: Float64Array.from({ length: size * size * channels }, (_w, n) => {
          const [row, rest] = [Math.floor(n / (size * channels)), n % (size * channels)];
          const [channel, column] = [Math.floor(rest / size), rest % size];
          return layer.W[((row * size + column) * channels + channel) * filters + f];
        }),
      },
      map: {
        height: rows,
        width: columns,
        values: Float64Array.from({ length: rows * columns }, (_p, n) => y[n * filters + f]),
      },
    }));
  });
}

/** The rows and columns of a nearly square grid for so many numbers. */
export function grid(count) {
  const width = Math.ceil(Math.sqrt(count));
  return [Math.ceil(count / width), width];
}

/** Each hidden Dense layer with the position of what the next one reads. */
function hiddenLayers(layers) {
  const dense = layers.flatMap(({ type }, position) => (type === "Dense" ? [position] : []));
  return dense.slice(0, -1).map((position, n) => ({
    dense: position,
    output: dense[n + 1] - 1,
    units: layers[position].outputs,
  }));
}

/** Map the position of a layer to the units that are switched off in it. */
function switchedOff(off, hidden) {
  const map = new Map();
  for (const text of off) {
    const [layer, unit] = text.split(".").map(Number);
    if (!(unit < hidden[layer]?.units)) continue;
    const { output } = hidden[layer];
    map.set(output, [...(map.get(output) ?? []), unit]);
  }
  return map;
}

/** Weights that were kept in 8 bits: level 0 is the lowest of its array, 255 the highest. */
function unpacked(parts, levels) {
  const parameters = new Float64Array(levels.length);
  let start = 0;
  for (const { size, low, high } of parts) {
    for (let i = start; i < start + size; i++) {
      parameters[i] = low + ((high - low) * levels[i]) / 255;
    }
    start += size;
  }
  return parameters;
}
