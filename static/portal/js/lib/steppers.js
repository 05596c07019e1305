// Inputs of volumes and prices that step with buttons and arrow keys, exactly and on the symbol's grid.

import { parse, stepped, text, units } from "./decimal.js";
import { el, freshId } from "./dom.js";
import { store } from "./store.js";

function changedByUs(input) {
  input.dispatchEvent(new Event("input", { bubbles: true }));
}

function onArrows(input, step) {
  input.addEventListener("keydown", (event) => {
    const way = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (!way || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    step(way, event);
  });
}

function stepButton(label, text, act) {
  return el("button", { type: "button", class: "step", tabindex: "-1", "aria-label": label, text, on: { click: act } });
}

function row(label, input, before, after, noteId, note) {
  return el(
    "div",
    { class: "form-row" },
    el("label", { for: input.id }, label),
    el("div", { class: "stepper" }, before, input, after),
    note && el("span", { class: "field-hint", id: noteId }),
  );
}

/** Return {row, input} of a volume in lots, by the step of the selected symbol or of the one given. */
export function volumeField({ label = "Volume, lots", value = "", symbolOf = () => store.symbol() } = {}) {
  const input = el("input", { id: freshId("volume"), type: "text", inputmode: "decimal", autocomplete: "off", class: "number", required: true });
  input.value = value;
  const step = (way, event) => {
    const symbol = symbolOf();
    if (!symbol) return;
    input.value = stepped(input.value, symbol.volume_step, way * (event?.shiftKey ? 10 : 1), symbol.volume_min, symbol.volume_max);
    changedByUs(input);
  };
  onArrows(input, step);
  const less = stepButton("Less volume", "−", (event) => step(-1, event));
  const more = stepButton("More volume", "+", (event) => step(1, event));
  return { row: row(label, input, less, more), input };
}

/** Return a step in points that suits a price: about a ten-thousandth of it, a power of ten. */
function usualStep(points) {
  const digits = (points < 0n ? -points : points).toString().length;
  return 10n ** BigInt(Math.max(0, digits - 5));
}

/**
 * Return {row, input, note} of a price. Arrows move it by about a ten-thousandth, with Shift ten times that, with
 * Alt one point; an empty one starts from `start()`. `stepOf` may name another step than the usual one.
 */
export function priceField({ label, start, symbolOf = () => store.symbol(), stepOf = (from, usual) => usual, compact = false, name = "price" }) {
  const input = el("input", { id: freshId("price"), type: "text", inputmode: "decimal", autocomplete: "off", class: "number", name, "aria-label": compact ? label : null });
  const noteId = `${input.id}-note`;
  input.setAttribute("aria-describedby", noteId);
  const step = (way, event) => {
    const symbol = symbolOf();
    if (!symbol) return;
    const from = parse(input.value) ? units(input.value, symbol.digits) : units(start(way) ?? "", symbol.digits);
    if (from === null) return;
    const usual = stepOf(from, usualStep(from));
    const step = event?.altKey ? 1n : event?.shiftKey ? usual * 10n : usual;
    const begins = !parse(input.value);
    const next = begins ? from : from + step * BigInt(way);
    if (next > 0n) input.value = text(next, symbol.digits);
    changedByUs(input);
  };
  onArrows(input, step);
  if (compact) return { input };
  const less = stepButton(`${label}: down`, "−", (event) => step(-1, event));
  const more = stepButton(`${label}: up`, "+", (event) => step(1, event));
  const made = row(label, input, less, more, noteId, true);
  return { row: made, input, note: made.querySelector(".field-hint") };
}

/** Return the input's number as text the server takes, undefined where it is empty. */
export function valueOf(input) {
  const typed = input.value.trim().replace(",", ".");
  return typed === "" ? undefined : typed;
}
