// The page: every change of the state computes one pass and shows it. The drawing of each part
// stands in a function of its own; the numbers come from lesson.mjs.

import { brief, largest, onThemeChange, paint, percent, shown } from "./colours.mjs";
import { ARROWS, describe, make, oneStop, picture, showBars, showTips, tip } from "./elements.mjs";
import { Field, inkOf } from "./drawing.mjs";
import { filtersOf, grid, Lesson } from "./lesson.mjs";
import { BLANK, START, fromHash, toHash } from "./state.mjs";

const MOST_TILES = 24;
const STEPS = 200; // the most steps that one page takes
const WEAK = 0.7; // an answer with less, on average over distorted copies, is called weak
const SLIDERS = {
  right: ["Right", -8, 8, 0.5, "pixels"],
  down: ["Down", -8, 8, 0.5, "pixels"],
  turn: ["Turn", -180, 180, 5, "degrees"],
  scale: ["Size", 0.4, 1.8, 0.05, "times"],
  noise: ["Noise", 0, 1, 0.05, ""],
};

const byId = (id) => document.getElementById(id);
const lesson = new Lesson(JSON.parse(byId("payload").textContent));
const { classes } = lesson;
let state = sane(fromHash(location.hash));
let pass = null;
let allUnits = false;
let mistakes = 0; // among the test images of the page

/** Bring what a hash says into range. */
function sane(wanted) {
  const within = (value, low, high) => Math.min(Math.max(value, low), high);
  const whole = (value, count) =>
    value === null || value < 0 || value >= count ? null : Math.floor(value);
  const good = { ...wanted };
  for (const [name, [, low, high]] of Object.entries(SLIDERS)) {
    good[name] = within(good[name], low, high);
  }
  if (good.sample !== BLANK) good.sample = whole(good.sample, lesson.samples.length) ?? 0;
  good.layer = whole(good.layer, lesson.hidden.length) ?? 0;
  good.unit = whole(good.unit, lesson.hidden[good.layer]?.units ?? 0);
  good.truth = whole(good.truth, classes.length);
  good.epoch = whole(good.epoch, lesson.snapshots.length);
  good.rate = within(good.rate, -4, 0);
  good.steps = Math.floor(within(good.steps, 0, STEPS));
  return good;
}

/** Change the state and show it; a changed image or start takes back the steps of learning. */
function set(change) {
  const starts = ["strokes", "sample", "centre", "truth", "rate", "epoch", "off", "layer", "unit"];
  const keepsSteps = ["steps", "layer", "unit"];
  const restart = Object.keys(change).some(
    (name) => !keepsSteps.includes(name) && (starts.includes(name) || name in SLIDERS),
  );
  state = sane({ ...state, ...(restart ? { steps: 0 } : {}), ...change });
  show();
}

let saved = 0;
function saveHash() {
  clearTimeout(saved);
  saved = setTimeout(() => history.replaceState(null, "", `#${toHash(state)}`), 200);
}

// ---- the parts of the page ----

function showForward() {
  const { seen, logits, probabilities, answer } = pass;
  const { width, height } = lesson;
  paint(byId("seen"), seen, width, height, { ink: true });
  describe(byId("seen"), seen, width, "x");
  field.show(state.strokes);
  const blank = largest(seen) === 0;
  const label =
    state.strokes.length || state.sample === BLANK
      ? ""
      : ` The label of this test image is ${classes[lesson.labels[state.sample]]}.`;
  byId("answer").textContent = blank
    ? `${state.strokes.length ? "Too little ink" : "Nothing is drawn"}. The answer to a blank image:`
    : `It reads ${classes[answer]}, with ${percent(probabilities[answer])}.${label}`;
  byId("doubt").textContent = "";
  showBars(byId("bars"), classes, probabilities, {
    chosen: answer,
    text: percent,
    formula: (k, p) => `p = exp(z) / sum of exp(z) = ${percent(p)}, with z = ${shown(logits[k])}`,
  });
  byId("centre").checked = state.centre;
  [...byId("strip").children].forEach((button, n) => {
    button.setAttribute("aria-pressed", String(!state.strokes.length && n === state.sample));
  });
  for (const [name, [, , , , unit]] of Object.entries(SLIDERS)) {
    byId(name).value = state[name];
    byId(`${name}value`).textContent = `${shown(state[name])} ${unit}`;
  }
}

/** Say whether the answer holds for slightly distorted copies of the image too. */
function showDoubt() {
  if (!lesson.copies || largest(pass.seen) === 0) return;
  const mean = lesson.meanProbabilities(pass.seen, state.off);
  const best = mean.reduce((most, p, k) => (p > mean[most] ? k : most), 0);
  byId("doubt").textContent =
    mean[best] < WEAK
      ? `A weak answer: averaged over slightly distorted copies of the image, as numpymlp predict ` +
        `does, it is ${classes[best]} with only ${percent(mean[best])}.`
      : "";
}

function showFilters() {
  const filters = filtersOf(lesson.network);
  byId("convolutions").hidden = filters.length === 0;
  // A row of tiles for each layer: the filters of one layer have the same size.
  const layers = [...new Set(filters.map(({ layer }) => layer))];
  const tile = ({ name, filter, map }) =>
    make("div", {}, picture("", filter, `${name}: W`), picture(name, map, `${name}: y`));
  byId("filters").replaceChildren(
    ...layers.map((wanted) => {
      const tiles = filters.filter(({ layer }) => layer === wanted).map(tile);
      return make("div", { className: "tiles" }, ...tiles);
    }),
  );
}

function showUnits() {
  const { hidden } = lesson;
  byId("inside").hidden = hidden.length === 0;
  if (hidden.length === 0) return;
  [...byId("layers").children].forEach((button, n) => {
    button.setAttribute("aria-pressed", String(n === state.layer));
  });
  const { contributions, order, unit: chosen } = pass;
  const units = allUnits ? order : order.slice(0, MOST_TILES);
  const tiles = byId("tiles");
  while (tiles.children.length > units.length) tiles.lastChild.remove();
  while (tiles.children.length < units.length) {
    const tile = make("button", {}, make("canvas"), make("span"));
    tile.addEventListener("click", () => set({ unit: Number(tile.dataset.unit) }));
    tiles.append(tile);
  }
  units.forEach((unit, n) => {
    const tile = tiles.children[n];
    const { values, width, height } = lesson.column(state.layer, unit, "W");
    paint(tile.firstChild, values, width, height, { limit: largest(values) });
    tile.dataset.unit = unit;
    tile.lastChild.textContent = `${unit}: ${brief(contributions[unit])}`;
    tile.classList.toggle("off", state.off.includes(`${state.layer}.${unit}`));
    tile.setAttribute("aria-pressed", String(unit === chosen));
    tip(tile, `unit ${unit}: output x slope of the answer's logit = ${shown(contributions[unit])}`);
  });
  byId("allunits").textContent = allUnits ? "Show the most important" : "Show all units";
  byId("allunits").hidden = contributions.length <= MOST_TILES;
  byId("allon").hidden = state.off.length === 0;
  showUnit(chosen);
}

/** Look into one unit: weights, product with what it reads, sum, output, votes, dW. */
function showUnit(unit) {
  const { dense, output } = lesson.hidden[state.layer];
  const layer = lesson.network.layers[dense];
  const below = Float64Array.from(layer.x);
  const weights = lesson.column(state.layer, unit, "W");
  const slopes = lesson.column(state.layer, unit, "dW");
  const products = weights.values.map((w, i) => w * below[i]);
  const sum = products.reduce((total, value) => total + value, 0);
  const [z, y] = [layer.y[unit], lesson.network.layers[output].y[unit]];
  const same = { width: weights.width, height: weights.height };
  const between = lesson.network.layers.slice(dense + 1, output + 1);
  const name = between.map(({ config }) => config.type).join(", ") || "no activation";
  const off = state.off.includes(`${state.layer}.${unit}`);
  const button = make("button", { textContent: off ? "Switch on" : "Switch off" });
  button.addEventListener("click", () => {
    const key = `${state.layer}.${unit}`;
    const others = state.off.filter((each) => each !== key);
    set({ off: off ? others : [...others, key], unit });
  });
  const read = { values: below, ...same };
  const image = below.length === lesson.inputs;
  const votes = make("div");
  showBars(votes, classes, pass.votes, {
    signed: true,
    chosen: pass.answer,
    formula: (k, vote) => `this unit adds ${shown(vote)} to the logit of ${classes[k]}`,
  });
  oneStop(votes);
  byId("unit").replaceChildren(
    make("h3", { textContent: `Unit ${unit} of hidden layer ${state.layer + 1}` }),
    make(
      "div",
      { className: "pictures" },
      picture("weights w", weights, "w"),
      picture(image ? "what it reads, x" : "outputs of the layer below, x", read, "x", {
        ink: image,
      }),
      picture("product w x", { values: products, ...same }, "w x"),
      picture("gradient dW of the loss", slopes, "dW"),
    ),
    make("p", {
      className: "sum",
      textContent:
        `sum of w x = ${shown(sum)};  plus bias ${shown(layer.b[unit])} = ${shown(z)};  ` +
        `${name} gives ${shown(y)}${off ? " (switched off)" : ""}`,
    }),
    button,
    make("h3", { textContent: "Its votes: what it adds to each logit" }),
    votes,
  );
}

function showBackward() {
  const { upstream, truth, probabilities, losses } = pass;
  [...byId("truths").children].forEach((button, k) => {
    button.setAttribute("aria-checked", String(k === truth));
    button.tabIndex = k === truth ? 0 : -1;
  });
  showBars(byId("upstream"), classes, upstream, {
    signed: true,
    chosen: truth,
    formula: (k) => `p - t = ${percent(probabilities[k])} - ${k === truth ? 1 : 0}`,
  });
  const [first, last] = [losses[0], losses.at(-1)];
  byId("loss").textContent =
    losses.length === 1
      ? `Loss: -log p = ${shown(last)}`
      : `Loss after ${losses.length - 1} step${losses.length === 2 ? "" : "s"}: ` +
        `${shown(last)}, before ${shown(first)}`;
  const right = pass.answer === truth;
  byId("now").textContent =
    `It reads ${classes[pass.answer]}, which is ${right ? "right" : "wrong"}. ` +
    (right ? "More steps make it surer." : "Take steps until it is right.");
  showLosses(losses);
  byId("rate").value = state.rate;
  byId("ratevalue").textContent = shown(10 ** state.rate);
  byId("reset").disabled = state.steps === 0;
  byId("one").disabled = byId("ten").disabled = state.steps >= STEPS;
  byId("others").textContent =
    `Of the ${lesson.samples.length} test images on this page, ${mistakes} of them picked as ` +
    `mistakes of the trained network, these weights read ` +
    `${rightNow()} right. A change of image or rate restores the trained weights.`;
  const hidden = lesson.hidden[state.layer];
  byId("gradients").parentElement.hidden = !hidden;
  if (!hidden) return;
  const { y } = lesson.network.layers[hidden.output];
  const { dy } = lesson.network.layers[hidden.dense];
  const [height, width] = grid(dy.length);
  paint(byId("gradients"), dy, width, height, { limit: largest(dy) });
  describe(byId("gradients"), dy, width, "dL/dz");
  const types = lesson.network.layers.slice(hidden.dense, hidden.output + 1);
  const closed = y.reduce((count, value) => count + (value === 0 ? 1 : 0), 0);
  byId("gates").textContent = types.some(({ config }) => config.type === "ReLU")
    ? `${closed} of ${y.length} ReLU gates are closed: no gradient passes them, their squares are blank.`
    : `Hidden layer ${state.layer + 1}, ${y.length} units.`;
}

// Reading all test images takes as long as sixty passes: only when the weights have changed.
let counted = { key: null, right: 0 };
function rightNow() {
  const start = state.steps ? state : { steps: 0 };
  const key = JSON.stringify([start, state.epoch, state.off]);
  if (counted.key !== key) {
    counted = { key, right: lesson.right(state.off) };
    pass = lesson.pass(state, inkOf); // the caches are of this image again
  }
  return counted.right;
}

function showLosses(losses) {
  const canvas = byId("losses");
  const [width, height] = [canvas.clientWidth, canvas.clientHeight].map(
    (n) => n * devicePixelRatio,
  );
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  const most = Math.max(...losses, 1e-12);
  const at = (n) => [
    8 + (n * (width - 16)) / Math.max(losses.length - 1, 10),
    height - 8 - (losses[n] / most) * (height - 16),
  ];
  context.strokeStyle = context.fillStyle = getComputedStyle(document.body).color;
  context.lineWidth = 2 * devicePixelRatio;
  context.beginPath();
  for (const n of losses.keys()) context.lineTo(...at(n));
  context.stroke();
  context.beginPath();
  context.arc(...at(losses.length - 1), 3 * devicePixelRatio, 0, 7);
  context.fill();
}

function showTraining() {
  const { snapshots } = lesson;
  byId("training").hidden = snapshots.length === 0;
  if (snapshots.length === 0) return;
  const time = state.epoch ?? snapshots.length;
  byId("epoch").max = snapshots.length;
  byId("epoch").value = time;
  const names = [...snapshots.map(({ epoch }) => afterEpoch(epoch)), "trained"];
  byId("epochvalue").textContent = names[time];
  byId("times").replaceChildren(...names.map((name, n) => timePanel(name, n, time)));
}

const afterEpoch = (epoch) => (epoch === 0 ? "at the start" : `after epoch ${epoch}`);

/** The answer of one snapshot for the present image, and the weights of the unit chosen. */
function timePanel(name, n, time) {
  const epoch = n === lesson.snapshots.length ? null : n;
  const { probabilities, answer } = lesson.pass({ ...state, epoch, steps: 0 }, () => drawn);
  const button = make("button", { textContent: name });
  button.setAttribute("aria-pressed", String(n === time));
  button.addEventListener("click", () => set({ epoch }));
  const text = `reads ${classes[answer]}, ${percent(probabilities[answer])}`;
  const panel = make("div", { className: "panel" }, button, make("p", { textContent: text }));
  if (lesson.hidden.length) {
    const weights = lesson.column(state.layer, pass.unit, "W");
    panel.append(
      make("div", { className: "pictures" }, picture(`unit ${pass.unit}`, weights, "w")),
    );
  }
  return panel;
}

// ---- all together ----

let drawn = null;
const lastInk = (strokes) => (drawn = inkOf(strokes));

let later = 0;
function show() {
  pass = lesson.pass(state, lastInk);
  showForward();
  showFilters();
  showUnits();
  showBackward();
  for (const id of ["strip", "layers", "tiles", "truths", "bars", "upstream"]) oneStop(byId(id));
  saveHash();
  // The past of the training run is far down the page: it may follow when the pen rests.
  clearTimeout(later);
  later = setTimeout(() => {
    showDoubt();
    showTraining();
    oneStop(byId("times"));
    pass = lesson.pass(state, lastInk); // weights and caches are those of the state again
  }, 120);
}

const field = new Field(
  byId("field"),
  () => Number(byId("pen").value),
  (strokes) => set({ strokes, truth: state.strokes.length ? state.truth : null }),
);

function paintStrip() {
  lesson.samples.forEach((x, n) => {
    const canvas = byId("strip").children[n].firstChild;
    paint(canvas, x, lesson.width, lesson.height, { ink: true });
  });
}

function build() {
  const [rows, columns] = [lesson.height, lesson.width];
  if (document.body.dataset.drawing === undefined) {
    for (const each of document.querySelectorAll(".drawn")) each.hidden = true;
  }
  for (const id of ["field", "seen"]) byId(id).style.aspectRatio = `${columns} / ${rows}`;
  lesson.samples.forEach((_, n) => {
    const button = make("button", {}, make("canvas"), classes[lesson.labels[n]]);
    button.title = `test image of ${classes[lesson.labels[n]]}`;
    button.classList.toggle(
      "mistake",
      lesson.pass({ ...START, sample: n }).answer !== lesson.labels[n],
    );
    button.addEventListener("click", () => set({ sample: n, strokes: [], truth: null }));
    byId("strip").append(button);
  });
  mistakes = document.querySelectorAll(".mistake").length;
  paintStrip();
  for (const [name, [label, min, max, step]] of Object.entries(SLIDERS)) {
    const input = make("input", { type: "range", id: name, min, max, step });
    input.addEventListener("input", () => set({ [name]: Number(input.value) }));
    byId("sliders").append(
      make("label", {}, `${label} `, make("output", { id: `${name}value` }), input),
    );
  }
  const straight = make("button", { textContent: "As it was" });
  straight.addEventListener("click", () =>
    set(Object.fromEntries(Object.keys(SLIDERS).map((name) => [name, START[name]]))),
  );
  byId("sliders").append(straight);
  lesson.hidden.forEach(({ units }, layer) => {
    const button = make("button", { textContent: `Hidden layer ${layer + 1}: ${units} units` });
    button.addEventListener("click", () => set({ layer, unit: null }));
    byId("layers").append(button);
  });
  classes.forEach((name, k) => {
    const button = make("button", { textContent: name });
    button.setAttribute("role", "radio");
    button.addEventListener("click", () => set({ truth: k }));
    byId("truths").append(button);
  });
  byId("truths").addEventListener("keydown", (event) => {
    const step = ARROWS[event.key];
    if (!step) return;
    event.preventDefault();
    const next = (pass.truth + step + classes.length) % classes.length;
    set({ truth: next });
    byId("truths").children[next].focus();
  });
  const clicks = {
    undo: () => set({ strokes: state.strokes.slice(0, -1) }),
    clear: () => set({ strokes: [], sample: BLANK, truth: null }),
    allunits: () => {
      allUnits = !allUnits;
      show();
    },
    allon: () => set({ off: [] }),
    one: () => set({ steps: state.steps + 1 }),
    ten: () => set({ steps: state.steps + 10 }),
    reset: () => set({ steps: 0 }),
  };
  for (const [id, run] of Object.entries(clicks)) byId(id).addEventListener("click", run);
  byId("centre").addEventListener("change", (event) => set({ centre: event.target.checked }));
  byId("rate").addEventListener("input", (event) => set({ rate: Number(event.target.value) }));
  byId("epoch").addEventListener("input", (event) => {
    const time = Number(event.target.value);
    set({ epoch: time === lesson.snapshots.length ? null : time });
  });
}

// For the curious: in the browser's console, numpymlp.pass.logits is what the page shows.
globalThis.numpymlp = {
  lesson,
  get state() {
    return state;
  },
  get pass() {
    return pass;
  },
};
build();
show();
showTips(byId("tip"));
onThemeChange(() => {
  paintStrip();
  show();
});
addEventListener("hashchange", (event) => {
  state = sane(fromHash(new URL(event.newURL).hash));
  show();
});
