// From ink to the 28 x 28 image that the network sees, prepared as MNIST's digits were;
// numpymlp.data.prepare_digit does the same to photographs.

export const SIDE = 28;
const BOX = 20; // the longer side of the ink
const EDGE = 0.3; // of the strongest ink: weaker ink does not widen the crop
const FAINT = 0.025;
const MIN_CONTRAST = 0.1;

/** Round halves to even, as Python does. */
export function round(value) {
  const below = Math.floor(value);
  if (value - below !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}

/** Keep the pixels that have at least two neighbours among the 3 x 3 around them. */
function withoutSpecks(mask, width, height) {
  return mask.map((on, i) => {
    if (!on) return 0;
    const [row, column] = [Math.floor(i / width), i % width];
    let around = 0;
    for (let r = Math.max(row - 1, 0); r <= Math.min(row + 1, height - 1); r++) {
      for (let c = Math.max(column - 1, 0); c <= Math.min(column + 1, width - 1); c++) {
        around += mask[r * width + c];
      }
    }
    return around >= 3 ? 1 : 0;
  });
}

/** Average an image over a grid of new sizes: each new pixel is the mean of the area under it. */
export function shrink(pixels, width, height, newWidth, newHeight) {
  const across = averages(width, newWidth);
  const down = averages(height, newHeight);
  const narrow = new Float64Array(newWidth * height);
  for (let row = 0; row < height; row++) {
    across.forEach((parts, column) => {
      let sum = 0;
      for (const [i, share] of parts) sum += share * pixels[row * width + i];
      narrow[row * newWidth + column] = sum;
    });
  }
  const small = new Float64Array(newWidth * newHeight);
  down.forEach((parts, row) => {
    for (const [i, share] of parts) {
      for (let column = 0; column < newWidth; column++) {
        small[row * newWidth + column] += share * narrow[i * newWidth + column];
      }
    }
  });
  return small;
}

/** For each of `count` new pixels in a row of `length`: the old ones under it, and their shares. */
function averages(length, count) {
  const size = length / count;
  return Array.from({ length: count }, (_, n) => {
    const parts = [];
    for (let i = Math.floor(n * size); i < Math.min(Math.ceil((n + 1) * size), length); i++) {
      const share = (Math.min((n + 1) * size, i + 1) - Math.max(n * size, i)) / size;
      if (share > 0) parts.push([i, share]);
    }
    return parts;
  });
}

/** Crop, scale and centre ink (0 to 1 on background 0); return null if there is none. */
export function prepare(ink, width, height) {
  const over = (level) =>
    withoutSpecks(new Uint8Array(ink.map((value) => (value > level ? 1 : 0))), width, height);
  const contrast = over(FAINT).reduce((most, on, i) => (on ? Math.max(most, ink[i]) : most), 0);
  if (contrast < MIN_CONTRAST) return null;
  const seen = over(EDGE * contrast);
  let [top, bottom, left, right] = [height, -1, width, -1];
  seen.forEach((on, i) => {
    if (!on) return;
    const [row, column] = [Math.floor(i / width), i % width];
    [top, bottom] = [Math.min(top, row), Math.max(bottom, row)];
    [left, right] = [Math.min(left, column), Math.max(right, column)];
  });
  if (bottom < 0) return null;
  const [columns, rows] = [right - left + 1, bottom - top + 1];
  const cropped = new Float64Array(columns * rows);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const value = ink[(top + row) * width + left + column];
      cropped[row * columns + column] = Math.min(value / contrast, 1);
    }
  }
  const scale = BOX / Math.max(rows, columns);
  const [wide, high] = [columns, rows].map((length) => Math.max(1, round(length * scale)));
  const small = shrink(cropped, columns, rows, wide, high);
  const strongest = small.reduce((most, value) => Math.max(most, value), 0);
  return centred(
    small.map((value) => value / strongest),
    wide,
    high,
  );
}

/** Place a digit so that its centre of mass is nearest to row 14, column 14. */
function centred(digit, width, height) {
  let [mass, across, down] = [0, 0, 0];
  digit.forEach((value, i) => {
    mass += value;
    across += value * (i % width);
    down += value * Math.floor(i / width);
  });
  const start = (sum, length) => Math.min(Math.max(round(SIDE / 2 - sum / mass), 0), SIDE - length);
  const [left, top] = [start(across, width), start(down, height)];
  const image = new Float64Array(SIDE * SIDE);
  digit.forEach((value, i) => {
    image[(top + Math.floor(i / width)) * SIDE + left + (i % width)] = value;
  });
  return image;
}

/** A small generator of random numbers, the same for a seed everywhere (mulberry32). */
function generator(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Read an image at the places of an affine map about its middle, by bilinear sampling. The map is
 * [a, b, c, d, down, right]: the pixel at (row, column) of the result is read at
 * (a b; c d) (row - down, column - right), as in numpymlp.data.augmentation.
 */
export function affine(image, width, height, [a, b, c, d, down, right]) {
  const [middleX, middleY] = [(width - 1) / 2, (height - 1) / 2];
  const at = (row, column) =>
    row >= 0 && row < height && column >= 0 && column < width ? image[row * width + column] : 0;
  return image.map((_, i) => {
    const x = (i % width) - middleX - right;
    const y = Math.floor(i / width) - middleY - down;
    const [row, column] = [a * y + b * x + middleY, c * y + d * x + middleX];
    const [r, k] = [Math.floor(row), Math.floor(column)];
    const [fr, fk] = [row - r, column - k];
    return (
      (1 - fr) * ((1 - fk) * at(r, k) + fk * at(r, k + 1)) +
      fr * ((1 - fk) * at(r + 1, k) + fk * at(r + 1, k + 1))
    );
  });
}

/** Move, turn and scale an image about its middle; then add noise. */
export function distort(image, width, height, { right, down, turn, scale, noise }) {
  let result = image;
  if (right || down || turn || scale !== 1) {
    const angle = (turn * Math.PI) / 180;
    const [cos, sin] = [Math.cos(angle) / scale, Math.sin(angle) / scale];
    result = affine(image, width, height, [cos, -sin, sin, cos, down, right]);
  }
  if (!noise) return result;
  const random = generator(7);
  return result.map((value) => Math.min(Math.max(value + noise * (2 * random() - 1), 0), 1));
}
