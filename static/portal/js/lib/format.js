// Numbers and times as the terminal shows them: grouped, signed, with an arrow, never by colour alone.

import { abs, round, sign, sub, trim, units } from "./decimal.js";

const MINUS = "−";

function grouped(value) {
  const [whole, fraction] = value.split(".");
  const spaced = whole.replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  return fraction === undefined ? spaced : `${spaced}.${fraction}`;
}

/** Return money with thousands grouped and a true minus; "–" where there is none. */
export function money(value) {
  if (value === null || value === undefined || value === "") return "–";
  const size = abs(String(value));
  if (size === null) return String(value);
  return (sign(String(value)) < 0 ? MINUS : "") + grouped(size);
}

/** Return money with its sign and an arrow: "▲ +12.30", "▼ −4.00". */
export function gain(value) {
  if (value === null || value === undefined || value === "") return "–";
  const way = sign(String(value));
  if (way === 0) return money(value);
  return way > 0 ? `▲ +${grouped(abs(String(value)))}` : `▼ ${MINUS}${grouped(abs(String(value)))}`;
}

/** Return the class name of a gain or loss. */
export function tone(value) {
  const way = sign(String(value ?? ""));
  return way > 0 ? "up" : way < 0 ? "down" : "";
}

/** Return a price with the symbol's digits; "–" where there is none. */
export function price(value, digits) {
  if (value === null || value === undefined || value === "" || value === 0) return "–";
  return digits === undefined ? String(value) : round(String(value), digits) || String(value);
}

/** Return a volume in lots without needless zeros. */
export function volume(value) {
  return value === null || value === undefined ? "–" : trim(String(value)) || String(value);
}

/** Return the distance of two prices in points of 10^-digits, as BigInt; null where one is missing. */
export function points(from, to, digits) {
  const distance = sub(to, from);
  return distance === null ? null : units(distance, digits);
}

/** Return {way, text} of a change in percent with two decimals. */
export function percentChange(now, before) {
  const change = units(sub(now, before) ?? "", 10);
  const base = units(before ?? "", 10);
  if (change === null || !base) return null;
  const hundredths = (change * 100000n) / base;
  const rounded = (hundredths + (hundredths < 0n ? -5n : 5n)) / 10n;
  const size = rounded < 0n ? -rounded : rounded;
  const body = `${size / 100n}.${String(size % 100n).padStart(2, "0")}`;
  return { way: rounded < 0n ? -1 : rounded > 0n ? 1 : 0, text: body };
}

function two(number) {
  return String(number).padStart(2, "0");
}

/** Return a time of day in the reader's zone, with the date where it is not today. */
export function time(value) {
  if (!value) return "–";
  const at = new Date(value);
  if (Number.isNaN(at.getTime())) return String(value);
  const today = new Date();
  return at.toDateString() === today.toDateString() ? clock(at) : `${date(at)} ${clock(at)}`;
}

/** Return a Date's time of day in the reader's zone. */
export function clock(at) {
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** Return a Date's day in the reader's zone. */
export function date(at) {
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

/** Return the whole time in UTC, as evidence wants it. */
export function exactTime(value) {
  const at = new Date(value);
  return Number.isNaN(at.getTime()) ? String(value ?? "–") : at.toISOString().replace("T", " ").replace("Z", " UTC");
}
