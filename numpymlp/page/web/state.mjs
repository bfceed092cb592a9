// What the reader has done, and the hash of the address that says it: a link shows the same page.

export const BLANK = -1; // in place of a test image

export const START = {
  strokes: [], // each [pen width, x, y, x, y, ...], in steps of 1/255 of the field
  sample: 0, // the test image shown while nothing is drawn; or BLANK
  centre: true, // crop and centre the drawing as MNIST's digits were
  right: 0,
  down: 0,
  turn: 0,
  scale: 1,
  noise: 0,
  layer: 0, // which hidden layer is shown
  unit: null, // the unit that is looked into; null: the one that counts most
  off: [], // switched-off units, each "layer.unit"
  truth: null, // the true class; null: the label of the test image
  rate: -3, // of a step: 10 to this power
  steps: 0,
  epoch: null, // a snapshot of the training run; null: the trained network
};

/** Return the state as the hash of an address; what is as at the start is left out. */
export function toHash(state) {
  const parts = new URLSearchParams();
  for (const [name, start] of Object.entries(START)) {
    const value = state[name];
    if (JSON.stringify(value) === JSON.stringify(start)) continue;
    if (name === "strokes") parts.set(name, value.map(strokeText).join("."));
    else parts.set(name, Array.isArray(value) ? value.join("_") : String(value));
  }
  return parts.toString();
}

/** Return the state that a hash says; what it does not say, or says wrongly, is as at the start. */
export function fromHash(hash) {
  const state = structuredClone(START);
  for (const [name, text] of new URLSearchParams(hash.replace(/^#/, ""))) {
    if (name === "strokes") state.strokes = text.split(".").map(strokeOf).filter(Boolean);
    else if (name === "off") state.off = text.split("_").filter((unit) => /^\d+\.\d+$/.test(unit));
    else if (name === "centre") state.centre = text !== "false";
    else if (name in START && Number.isFinite(Number(text))) state[name] = Number(text);
  }
  return state;
}

function strokeText(stroke) {
  const text = btoa(String.fromCharCode(...stroke));
  return text.replaceAll("+", "-").replaceAll("/", "*").replaceAll("=", "");
}

function strokeOf(text) {
  try {
    const bytes = atob(text.replaceAll("-", "+").replaceAll("*", "/"));
    return Array.from(bytes, (letter) => letter.charCodeAt(0));
  } catch {
    return null;
  }
}
