// One colour code everywhere: orange is positive, blue is negative, ink is gray.

const dark = matchMedia("(prefers-color-scheme: dark)");

const PALETTES = {
  light: { zero: [255, 255, 255], plus: [201, 79, 3], minus: [9, 84, 168], ink: [20, 22, 26] },
  dark: { zero: [24, 27, 32], plus: [255, 152, 66], minus: [99, 176, 255], ink: [240, 242, 245] },
};

/** Call a function whenever the reader switches between light and dark. */
export function onThemeChange(redraw) {
  dark.addEventListener("change", redraw);
}

/** Paint numbers as an image: from -limit (blue) over 0 to +limit (orange), or 0 to 1 as ink. */
export function paint(canvas, values, width, height, { limit = 1, ink = false } = {}) {
  const { zero, plus, minus, ink: black } = PALETTES[dark.matches ? "dark" : "light"];
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    const share = Math.min(Math.abs(values[i]) / (limit || 1), 1) || 0;
    const end = ink ? black : values[i] > 0 ? plus : minus;
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = zero[c] + share * (end[c] - zero[c]);
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

/** The largest absolute value. */
export function largest(values) {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

/** A number in about four characters, with a true minus sign. */
export function shown(value) {
  const size = Math.abs(value);
  if (size === 0) return "0";
  const text =
    size >= 100 ? value.toFixed(0) : size >= 0.01 ? value.toPrecision(3) : value.toExponential(1);
  return text.replaceAll("-", "\u2212");
}

/** A number with two decimals, for narrow places. */
export function brief(value) {
  return value.toFixed(2).replaceAll("-", "\u2212");
}

/** A probability that never claims certainty. */
export function percent(p) {
  if (p > 0.999) return ">\u00a099.9\u00a0%";
  if (p < 0.001) return "<\u00a00.1\u00a0%";
  return `${(100 * p).toFixed(1)}\u00a0%`;
}
