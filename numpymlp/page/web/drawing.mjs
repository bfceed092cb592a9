// The drawing field: strokes by mouse, finger or pen, kept as numbers so that they can be undone,
// linked to and drawn again.

const FIELD = 140; // pixels a side of the hidden canvas that the ink is read from

/** Draw strokes on a square canvas in one colour. */
function draw(context, strokes, size, colour) {
  Object.assign(context, { lineCap: "round", lineJoin: "round", strokeStyle: colour });
  for (const [pen, ...points] of strokes) {
    context.lineWidth = (pen / 255) * size;
    context.beginPath();
    for (let i = 0; i + 1 < points.length; i += 2) {
      const [x, y] = [(points[i] / 255) * size, (points[i + 1] / 255) * size];
      if (i === 0) context.moveTo(x, y);
      context.lineTo(x, y); // a single point draws a dot
    }
    context.stroke();
  }
}

const hidden = document.createElement("canvas");
hidden.width = hidden.height = FIELD;
const reader = hidden.getContext("2d", { willReadFrequently: true });

/** Return the ink of strokes: numbers from 0 to 1, and the side of the square that they fill. */
export function inkOf(strokes) {
  reader.clearRect(0, 0, FIELD, FIELD);
  draw(reader, strokes, FIELD, "#000");
  const { data } = reader.getImageData(0, 0, FIELD, FIELD);
  const ink = new Float64Array(FIELD ** 2);
  for (let i = 0; i < ink.length; i++) ink[i] = data[4 * i + 3] / 255;
  return { ink, side: FIELD };
}

/** Let the reader draw on a canvas; call `changed` with the strokes after each movement. */
export class Field {
  constructor(canvas, penWidth, changed) {
    Object.assign(this, { canvas, strokes: [] });
    let current = null;
    const point = (event) => {
      const box = canvas.getBoundingClientRect();
      return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height].map(
        (share) => Math.round(255 * Math.min(Math.max(share, 0), 1)),
      );
    };
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.preventDefault();
      canvas.setPointerCapture(event.pointerId);
      current = [penWidth(), ...point(event)];
      this.strokes = [...this.strokes, current];
      changed(this.strokes);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!current) return;
      const passed = event.getCoalescedEvents?.() ?? [];
      for (const each of passed.length ? passed : [event]) {
        const [x, y] = point(each);
        const [lastX, lastY] = current.slice(-2);
        if (Math.abs(x - lastX) + Math.abs(y - lastY) >= 3) current.push(x, y);
      }
      changed(this.strokes);
    });
    for (const name of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(name, () => {
        current = null;
      });
    }
  }

  /** Show strokes, sharp on every screen. */
  show(strokes) {
    this.strokes = strokes;
    const size = Math.round((this.canvas.clientWidth || FIELD) * devicePixelRatio);
    if (this.canvas.width !== size) this.canvas.width = this.canvas.height = size;
    const context = this.canvas.getContext("2d");
    context.clearRect(0, 0, size, size);
    draw(context, strokes, size, getComputedStyle(this.canvas).color);
  }
}
