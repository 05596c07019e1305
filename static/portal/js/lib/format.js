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

// ---- times: one zone for all that is shown and typed ----

const DAY_MS = 86_400_000;
const TYPED = /^(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d))?/;

let isUtc = false;

/** Show and read all times in this zone from now on: "local", the reader's own, or "utc". */
export function setZone(name) {
  isUtc = name === "utc";
}

/** Return the zone's name as it stands beside times: "UTC", "UTC+2" or "UTC-3:30" for the reader's own at that moment. */
export function zoneWords(at = new Date()) {
  const minutes = isUtc ? 0 : -at.getTimezoneOffset();
  const size = Math.abs(minutes);
  const offset = size === 0 ? "" : `${minutes < 0 ? "-" : "+"}${Math.floor(size / 60)}${size % 60 ? `:${two(size % 60)}` : ""}`;
  return `UTC${offset}`;
}

/** Return the parts of a moment in the zone. */
export function partsOf(at) {
  return isUtc
    ? { year: at.getUTCFullYear(), month: at.getUTCMonth() + 1, day: at.getUTCDate(), hour: at.getUTCHours(), minute: at.getUTCMinutes(), second: at.getUTCSeconds() }
    : { year: at.getFullYear(), month: at.getMonth() + 1, day: at.getDate(), hour: at.getHours(), minute: at.getMinutes(), second: at.getSeconds() };
}

/** Return the moment that a field for a day or a time means in the zone, so many days ahead; null where it holds none. */
export function momentOf(typed, ahead = 0) {
  const found = TYPED.exec(typed ?? "");
  if (!found) return null;
  const [year, month, day, hour, minute] = found.slice(1).map((part) => Number(part ?? 0));
  const at = isUtc ? new Date(Date.UTC(year, month - 1, day + ahead, hour, minute)) : new Date(year, month - 1, day + ahead, hour, minute);
  return Number.isNaN(at.getTime()) ? null : at;
}

/** Return the day so many days before today, as a field for a day takes it. */
export function dayBefore(days) {
  const today = partsOf(new Date());
  return new Date(Date.UTC(today.year, today.month - 1, today.day) - days * DAY_MS).toISOString().slice(0, 10);
}

function two(number) {
  return String(number).padStart(2, "0");
}

/** Return a time of day, with the date where it is not today. */
export function time(value) {
  if (!value) return "–";
  const at = new Date(value);
  if (Number.isNaN(at.getTime())) return String(value);
  return date(at) === date(new Date()) ? clock(at) : `${date(at)} ${clock(at)}`;
}

/** Return a Date's time of day. */
export function clock(at) {
  const { hour, minute, second } = partsOf(at);
  return `${two(hour)}:${two(minute)}:${two(second)}`;
}

/** Return a Date's day. */
export function date(at) {
  const { year, month, day } = partsOf(at);
  return `${year}-${two(month)}-${two(day)}`;
}

/** Return the whole time to the millisecond with its zone, as evidence wants it. */
export function exactTime(value) {
  const at = new Date(value);
  if (Number.isNaN(at.getTime())) return String(value ?? "–");
  return `${date(at)} ${clock(at)}.${String(at.getUTCMilliseconds()).padStart(3, "0")} ${zoneWords(at)}`;
}
