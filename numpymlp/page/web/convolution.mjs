// Layers of images for one sample: flat numbers, row by row, the channels of a pixel together.

/** The windows of an image: how many, and where the pixels of each lie. */
class Windows {
  constructor({ shape: [height, width, channels], size, stride, padding = "valid" }) {
    const zeros = (length) => {
      const last = Math.floor((length - 1) / stride) * stride;
      return padding === "valid" ? 0 : Math.max(0, last + size - length);
    };
    const count = (length) => Math.floor((length + zeros(length) - size) / stride) + 1;
    const [top, left] = [Math.floor(zeros(height) / 2), Math.floor(zeros(width) / 2)];
    Object.assign(this, { height, width, channels, size, stride, top, left });
    [this.rows, this.columns] = [count(height), count(width)];
  }

  /** Call a function with each window's number, place in it, and pixel; zeros around are left out. */
  each(visit) {
    const { height, width, size, stride, top, left, rows, columns } = this;
    for (let window = 0; window < rows * columns; window++) {
      const row = Math.floor(window / columns) * stride - top;
      const column = (window % columns) * stride - left;
      for (let place = 0; place < size * size; place++) {
        const [r, c] = [row + Math.floor(place / size), column + (place % size)];
        if (r >= 0 && r < height && c >= 0 && c < width) visit(window, place, r * width + c);
      }
    }
  }
}

export class Conv2D {
  static sizes = (c) => [c.size ** 2 * c.channels * c.filters, c.filters];
  constructor(config, [W, b], [dW, db]) {
    Object.assign(this, { windows: new Windows(config), filters: config.filters, W, b, dW, db });
  }
  // y[window, f] = sum over place, channel of x[pixel, channel] W[place, channel, f] + b[f]
  forward(x) {
    const { windows, filters, W, b } = this;
    const { channels, rows, columns } = windows;
    const y = new Float64Array(rows * columns * filters).map((_, i) => b[i % filters]);
    windows.each((window, place, pixel) => {
      for (let k = 0; k < channels; k++) {
        const value = x[pixel * channels + k];
        if (value === 0) continue;
        const start = (place * channels + k) * filters;
        for (let f = 0; f < filters; f++) y[window * filters + f] += value * W[start + f];
      }
    });
    this.x = x;
    this.y = y;
    return y;
  }
  backward(dy) {
    const { windows, filters, W, dW, db, x } = this;
    const { channels } = windows;
    const dx = new Float64Array(x.length);
    dW.fill(0);
    db.fill(0);
    for (let i = 0; i < dy.length; i++) db[i % filters] += dy[i];
    windows.each((window, place, pixel) => {
      for (let k = 0; k < channels; k++) {
        const start = (place * channels + k) * filters;
        const value = x[pixel * channels + k];
        let sum = 0;
        for (let f = 0; f < filters; f++) {
          const d = dy[window * filters + f];
          dW[start + f] += value * d;
          sum += W[start + f] * d;
        }
        dx[pixel * channels + k] += sum;
      }
    });
    return dx;
  }
}

class Pool {
  static sizes = () => [];
  constructor(config) {
    this.windows = new Windows(config);
  }
}

export class MaxPool2D extends Pool {
  forward(x) {
    const { channels, rows, columns } = this.windows;
    const y = new Float64Array(rows * columns * channels).fill(-Infinity);
    const from = new Int32Array(y.length);
    this.windows.each((window, _place, pixel) => {
      for (let k = 0; k < channels; k++) {
        const [out, at] = [window * channels + k, pixel * channels + k];
        if (x[at] > y[out]) [y[out], from[out]] = [x[at], at];
      }
    });
    Object.assign(this, { x, y, from });
    return y;
  }
  backward(dy) {
    const dx = new Float64Array(this.x.length);
    dy.forEach((d, i) => {
      dx[this.from[i]] += d;
    });
    return dx;
  }
}

export class AveragePool2D extends Pool {
  forward(x) {
    const { channels, rows, columns, size } = this.windows;
    const y = new Float64Array(rows * columns * channels);
    this.windows.each((window, _place, pixel) => {
      for (let k = 0; k < channels; k++) {
        y[window * channels + k] += x[pixel * channels + k] / size ** 2;
      }
    });
    Object.assign(this, { x, y });
    return y;
  }
  backward(dy) {
    const { channels, size } = this.windows;
    const dx = new Float64Array(this.x.length);
    this.windows.each((window, _place, pixel) => {
      for (let k = 0; k < channels; k++) {
        dx[pixel * channels + k] += dy[window * channels + k] / size ** 2;
      }
    });
    return dx;
  }
}
