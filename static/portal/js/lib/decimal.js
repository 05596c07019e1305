// Exact decimals as text: prices, volumes and money never pass through a float on their way to the server.
// Numbers are text such as "1.08310"; inside they are a BigInt and a scale.

const PATTERN = /^([+-]?)([0-9]*)(?:\.([0-9]*))?$/;

/** Return {n, scale} of decimal text, null where it is none. What people type is read by numbers.js. */
export function parse(value) {
  const found = PATTERN.exec(String(value ?? "").trim());
  if (!found || (!found[2] && !found[3])) return null;
  const fraction = found[3] ?? "";
  const n = BigInt((found[2] || "0") + fraction);
  return { n: found[1] === "-" ? -n : n, scale: fraction.length };
}

/** Return the decimal text of n / 10^scale. */
export function text(n, scale) {
  const minus = n < 0n ? "-" : "";
  const digits = (n < 0n ? -n : n).toString().padStart(scale + 1, "0");
  return scale ? `${minus}${digits.slice(0, -scale)}.${digits.slice(-scale)}` : minus + digits;
}

/** Return the value in units of 10^-scale, rounded half up (ties away from zero); null for no number. */
export function units(value, scale) {
  const found = parse(value);
  if (!found) return null;
  if (found.scale <= scale) return found.n * 10n ** BigInt(scale - found.scale);
  const divisor = 10n ** BigInt(found.scale - scale);
  const size = found.n < 0n ? -found.n : found.n;
  const rounded = (size * 2n + divisor) / (divisor * 2n);
  return found.n < 0n ? -rounded : rounded;
}

/** Return whether the value is a whole number of 10^-scale. */
export function onGrid(value, scale) {
  const found = parse(value);
  if (!found) return false;
  return found.scale <= scale || found.n % 10n ** BigInt(found.scale - scale) === 0n;
}

/** Return the value rounded to so many digits, "" for no number. */
export function round(value, scale) {
  const n = units(value, scale);
  return n === null ? "" : text(n, scale);
}

function aligned(a, b) {
  const x = parse(a);
  const y = parse(b);
  if (!x || !y) return null;
  const scale = Math.max(x.scale, y.scale);
  return { x: units(a, scale), y: units(b, scale), scale };
}

/** Return a + b, null where one is no number. */
export function add(a, b) {
  const both = aligned(a, b);
  return both && text(both.x + both.y, both.scale);
}

/** Return a - b, null where one is no number. */
export function sub(a, b) {
  const both = aligned(a, b);
  return both && text(both.x - both.y, both.scale);
}

/** Return a x b, null where one is no number. */
export function mul(a, b) {
  const x = parse(a);
  const y = parse(b);
  return x && y && text(x.n * y.n, x.scale + y.scale);
}

/** Return a / b rounded half up to so many digits, null where it cannot be divided. */
export function div(a, b, scale) {
  const both = aligned(a, b);
  if (!both || both.y === 0n) return null;
  const top = both.x * 10n ** BigInt(scale + 1);
  return round(text(top / both.y, scale + 1), scale);
}

/** Return -1, 0 or 1 as a is below, at or above b; null where one is no number. */
export function compare(a, b) {
  const both = aligned(a, b);
  return both && (both.x < both.y ? -1 : both.x > both.y ? 1 : 0);
}

/** Return -1, 0 or 1; 0 also for no number. */
export function sign(value) {
  const found = parse(value);
  return !found || found.n === 0n ? 0 : found.n < 0n ? -1 : 1;
}

/** Return the value without its sign. */
export function abs(value) {
  const found = parse(value);
  return found && text(found.n < 0n ? -found.n : found.n, found.scale);
}

/** Return the value without zeros behind its last digit. */
export function trim(value) {
  const found = parse(value);
  if (!found) return "";
  const whole = text(found.n, found.scale);
  return whole.includes(".") ? whole.replace(/\.?0+$/, "") : whole;
}

/** Return the next multiple of step above or below the value, held between least and most. */
export function stepped(value, step, count, least, most) {
  const scale = Math.max(parse(step)?.scale ?? 0, parse(value)?.scale ?? 0);
  const unit = units(step, scale);
  if (!unit) return value;
  const now = units(parse(value) ? value : least ?? "0", scale);
  const floor = now >= 0n ? now / unit : (now - unit + 1n) / unit;
  const exact = floor * unit === now;
  const from = count < 0 && !exact ? floor + 1n : floor;
  let next = (from + BigInt(count)) * unit;
  const low = units(least, scale);
  const high = units(most, scale);
  if (low !== null && next < low) next = low;
  if (high !== null && next > high) next = high;
  return trim(text(next, scale));
}

/** Return so many percent of a value, rounded down to a whole number of steps. */
export function percentOf(value, percent, step) {
  const scale = Math.max(parse(value)?.scale ?? 0, parse(step)?.scale ?? 0);
  const unit = units(step, scale);
  const whole = units(value, scale);
  const share = parse(percent);
  if (!unit || whole === null || !share) return "0";
  const part = (whole * share.n) / (100n * 10n ** BigInt(share.scale));
  return trim(text((part / unit) * unit, scale));
}
