// The building blocks of the page: bars, pictures of numbers, and what they tell when pointed at.

import { largest, paint, shown } from "./colours.mjs";

/** Make an element with properties and children. */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** Say a formula or a number when the reader points at an element, or moves the focus to it. */
export function tip(element, text) {
  element.dataset.tip = text;
  return element;
}

export const ARROWS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

/** Make the items of a container a single stop of the Tab key; arrow keys move between them. */
export function oneStop(container) {
  const all = () => [...container.querySelectorAll("button, [tabindex]")];
  const items = all();
  const chosen = (item) => item.matches("[aria-pressed=true], [aria-checked=true], .chosen");
  const stop = items.find((item) => item === document.activeElement) ?? items.find(chosen);
  for (const item of items) item.tabIndex = item === (stop ?? items[0]) ? 0 : -1;
  container.onkeydown ??= (event) => {
    const now = all();
    const at = now.indexOf(event.target);
    const step = ARROWS[event.key];
    if (at < 0 || !step || event.defaultPrevented) return;
    event.preventDefault();
    const next = now[(at + step + now.length) % now.length];
    for (const item of now) item.tabIndex = item === next ? 0 : -1;
    next.focus();
  };
}

/** Fill an element with bars, one a class: from 0 to 1, or from -1 to 1 with colours of the sign. */
export function showBars(
  element,
  names,
  values,
  { signed = false, chosen = -1, text = shown, formula },
) {
  if (element.children.length !== values.length) {
    element.replaceChildren(
      ...names.map((name) =>
        make(
          "div",
          { className: "bar", tabIndex: 0 },
          make("span", { className: "name", textContent: name }),
          make("span", { className: "track" }, make("i")),
          make("span", { className: "value" }),
        ),
      ),
    );
  }
  const most = signed ? Math.max(largest(values), 1e-12) : 1;
  values.forEach((value, k) => {
    const row = element.children[k];
    const share = (100 * Math.abs(value)) / most;
    const bar = row.querySelector("i");
    row.classList.toggle("chosen", k === chosen);
    bar.style.width = `${signed ? share / 2 : share}%`;
    bar.style.left = signed ? `${value < 0 ? 50 - share / 2 : 50}%` : "0";
    bar.style.background = `var(--${!signed ? "text" : value < 0 ? "minus" : "plus"})`;
    row.querySelector(".value").textContent = text(value);
    tip(row, formula(k, value));
  });
}

/** A canvas of numbers with its caption; pointing at it tells each number. */
export function picture(caption, { values, width, height }, name, options = {}) {
  const canvas = make("canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", caption);
  paint(canvas, values, width, height, { limit: largest(values), ...options });
  describe(canvas, values, width, name);
  return make("figure", {}, canvas, make("figcaption", { textContent: caption }));
}

/** Let pointing at a pixel of a painted canvas tell its number. */
export function describe(canvas, values, width, name) {
  canvas.tell = (x, y) => {
    const index = Math.floor(y * canvas.height) * width + Math.floor(x * width);
    return index < values.length ? `${name}[${index}] = ${shown(values[index])}` : "";
  };
}

/** Show in a box what `tip` and `describe` have told of the element under the pointer. */
export function showTips(box) {
  const say = (event) => {
    const target = event.target;
    let text = target.closest?.("[data-tip]")?.dataset.tip ?? "";
    const place = target.getBoundingClientRect?.() ?? { left: 0, bottom: 0 };
    let [left, top] = [place.left, place.bottom];
    if (event.type === "pointermove") {
      [left, top] = [event.clientX + 12, event.clientY + 12];
      if (target.tell) {
        const [x, y] = [event.clientX - place.left, event.clientY - place.top];
        text = target.tell(x / place.width, y / place.height);
      }
    }
    box.hidden = !text;
    box.textContent = text;
    box.style.left = `${Math.max(Math.min(left, innerWidth - box.offsetWidth - 8), 8)}px`;
    box.style.top = `${Math.min(top, innerHeight - box.offsetHeight - 8)}px`;
  };
  document.addEventListener("pointermove", say);
  document.addEventListener("focusin", say);
  document.addEventListener("focusout", () => {
    box.hidden = true;
  });
}
