// Number fields: what is typed is read by numbers.js, what was understood stands beside the field, and what was not
// understood is never sent. Volumes and prices step with buttons and arrow keys, exactly and on the symbol's grid.

import { stepped, text, units } from "./decimal.js";
import { el, freshId, setAttribute, setText } from "./dom.js";
import { money } from "./format.js";
import { readNumber } from "./numbers.js";
import { store } from "./store.js";

// A phone's number pad has the decimal mark of its own language: where that is no point, the whole keyboard is shown.
const HAS_POINT = new Intl.NumberFormat().format(1.5).includes(".");

/** Return an input for a number; `whole` takes no decimals. */
export function numberInput({ whole = false, ...attributes } = {}) {
  const inputmode = whole ? "numeric" : HAS_POINT ? "decimal" : "text";
  const input = el("input", { id: freshId("number"), type: "text", inputmode, autocomplete: "off", class: "number", data: { number: whole ? "whole" : "decimal" }, ...attributes });
  input.addEventListener("input", () => mark(input));
  return input;
}

/** Return what numbers.js makes of an input. */
export function reading(input) {
  return readNumber(input.value, { whole: input.dataset.number === "whole" });
}

function mark(input) {
  const isWrong = reading(input).problem !== undefined;
  if (isWrong || input.dataset.unread) setAttribute(input, "aria-invalid", isWrong ? "true" : null);
  setAttribute(input, "data-unread", isWrong ? "true" : null);
}

/** Return the input's number as decimal text, undefined where it is empty; what cannot be read comes back as it was
 * typed, so that whoever sends it in spite of `unread` is refused and not misunderstood. */
export function valueOf(input) {
  const found = reading(input);
  return found.empty ? undefined : found.value ?? input.value.trim();
}

/** Put a value into a field by hand of the page; it is marked like a typed one. */
export function setValue(input, value) {
  input.value = value ?? "";
  mark(input);
}

/** Say beside a field what was understood, and more in words; or why nothing was. */
export function say({ input, note, unit = "" }, words = "") {
  const { value, problem } = reading(input);
  mark(input);
  setText(note, problem ?? [value !== undefined && `= ${money(value)}${unit && ` ${unit}`}`, words].filter(Boolean).join(" · "));
  note.classList.toggle("bad", problem !== undefined);
}

/** Return the first field of a form that cannot be read and what to say of it, null where all can. */
export function unread(form) {
  const input = [...form.querySelectorAll("input[data-number]")].find((one) => one.offsetParent !== null && !one.disabled && reading(one).problem);
  if (!input) return null;
  const name = input.getAttribute("aria-label") ?? input.labels?.[0]?.textContent ?? "";
  return { input, short: `${name} cannot be read.`, words: `${name}: ${reading(input).problem}` };
}

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

function stepButton(label, sign, act) {
  return el("button", { type: "button", class: "step", tabindex: "-1", "aria-label": label, text: sign, on: { click: act } });
}

function stepperRow(label, input, before, after, note) {
  return el("div", { class: "form-row" }, el("label", { for: input.id }, label), el("div", { class: "stepper" }, before, input, after), note);
}

/** Return a note that belongs to an input. */
function noteOf(input) {
  const note = el("span", { class: "field-hint", id: `${input.id}-note` });
  input.setAttribute("aria-describedby", note.id);
  return note;
}

/** Return {row, input, note} of a plain number with its label. */
export function numberField({ label, words = () => "", ...attributes }) {
  const input = numberInput(attributes);
  const note = noteOf(input);
  const field = { input, note, row: el("div", { class: "form-row" }, el("label", { for: input.id, text: label }), input, note) };
  input.addEventListener("input", () => say(field, words()));
  return field;
}

/** Return {row, input, note} of a volume in lots, by the step of the selected symbol or of the one given. */
export function volumeField({ label = "Volume, lots", value = "", symbolOf = () => store.symbol() } = {}) {
  const input = numberInput({ required: true });
  const note = noteOf(input);
  input.value = value;
  const step = (way, event) => {
    const symbol = symbolOf();
    const now = reading(input);
    if (!symbol || now.problem) return;
    input.value = stepped(now.value ?? "", symbol.volume_step, way * (event?.shiftKey ? 10 : 1), symbol.volume_min, symbol.volume_max);
    changedByUs(input);
  };
  onArrows(input, step);
  const less = stepButton("Less volume", "−", (event) => step(-1, event));
  const more = stepButton("More volume", "+", (event) => step(1, event));
  const field = { row: stepperRow(label, input, less, more, note), input, note, unit: "lots" };
  field.show = () => say(field);
  input.addEventListener("input", field.show);
  return field;
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
  const input = numberInput({ name, "aria-label": compact ? label : null });
  const step = (way, event) => {
    const symbol = symbolOf();
    const now = reading(input);
    if (!symbol || now.problem) return;
    const from = now.value === undefined ? units(start(way) ?? "", symbol.digits) : units(now.value, symbol.digits);
    if (from === null) return;
    const usual = stepOf(from, usualStep(from));
    const by = event?.altKey ? 1n : event?.shiftKey ? usual * 10n : usual;
    const next = now.value === undefined ? from : from + by * BigInt(way);
    if (next > 0n || symbol.allow_negative) input.value = text(next, symbol.digits);
    changedByUs(input);
  };
  onArrows(input, step);
  if (compact) return { input };
  const less = stepButton(`${label}: down`, "−", (event) => step(-1, event));
  const more = stepButton(`${label}: up`, "+", (event) => step(1, event));
  const note = noteOf(input);
  return { row: stepperRow(label, input, less, more, note), input, note };
}

