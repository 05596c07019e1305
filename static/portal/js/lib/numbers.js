// What a person types into a number field, understood or refused. The point is the decimal mark; whatever else stands
// between digits is refused with a sentence that says what was found and what would fit: "1,000" is a thousand to one
// reader and a one to the other. tests/number_cases.json is the table that this and the server's forms keep to.

const BLANK = /^[ \t\r\n\u00a0\u202f]+|[ \t\r\n\u00a0\u202f]+$/g;
const PLAIN = /^([+-]?)(?:([0-9]+)(?:\.([0-9]*))?|\.([0-9]+))$/;
const EXPONENT = /^([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))[eE]([+-]?[0-9]+)$/;
const MOST_DIGITS = 25; // on either side of the point, as the server reads them
const MOST_EXPONENT = 12;
const SHOWN = 24;
const EXAMPLE = "Digits and at most one point are needed, such as 1234.5.";

/** Separators by what they are called; `way` says what their writer may have meant by them. */
const SEPARATORS = [
  { signs: ",", name: "a comma", way: "both" },
  { signs: "\uff0c\u3001\ufe50\uff64", name: "a full-width comma", way: "both" },
  { signs: "\u066b", name: "an Arabic decimal mark", way: "decimal" },
  { signs: "\u066c\u060c", name: "an Arabic comma", way: "group" },
  { signs: "\uff0e\u3002\ufe52", name: "a full-width point", way: "both" },
  { signs: "\u00b7", name: "a raised point", way: "decimal" },
  { signs: "'\u2018\u2019\u02bc\u2032\u00b4`\uff07\u2396", name: "an apostrophe", way: "group" },
  { signs: ";", name: "a semicolon", way: "both" },
  { signs: ":", name: "a colon", way: "both" },
  { signs: "/", name: "a slash", way: "none" },
  { signs: "_", name: "an underscore", way: "group" },
];

function separatorOf(sign) {
  if (/\s/u.test(sign)) return { name: "a space", way: "group" };
  return SEPARATORS.find((one) => one.signs.includes(sign));
}

/** Return the value of a digit of any script, null of no digit. */
function digitOf(sign) {
  if (!/^\p{Nd}$/u.test(sign)) return null;
  let zero = sign.codePointAt(0);
  // Digits of a script stand in a row of ten that begins at a multiple of ten after its first.
  for (let back = 0; back < 10 && /^\p{Nd}$/u.test(String.fromCodePoint(zero - 1)); back += 1) zero -= 1;
  return (sign.codePointAt(0) - zero) % 10;
}

/**
 * Return what was typed: {empty: true}, {value} as decimal text without needless zeros before it, or {problem, kind}: a
 * sentence, and which of the table's kinds it is. `whole` refuses decimals.
 */
export function readNumber(typed, { whole = false } = {}) {
  const text = String(typed ?? "").replace(BLANK, "");
  if (text === "") return { empty: true };
  const found = PLAIN.exec(text);
  if (!found) return refusal(text);
  const before = (found[2] ?? "").replace(/^0+(?=[0-9])/, "") || "0";
  const after = found[3] ?? found[4] ?? "";
  if (before.length > MOST_DIGITS || after.length > MOST_DIGITS) return { kind: "number", problem: `${quoted(text)} has more than ${MOST_DIGITS} digits on a side of the point.` };
  const isZero = /^0*$/.test(before + after);
  const value = `${found[1] === "-" && !isZero ? "-" : ""}${before}${after ? `.${after}` : ""}`;
  if (whole && /[1-9]/.test(after)) return { kind: "number", problem: `${quoted(text)} is not a whole number. Type ${before}, or another one without a point.` };
  return { value: whole ? value.replace(/\..*$/, "") : value };
}

function quoted(text) {
  return `"${text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text}"`;
}

/** Return whether a text is digits with separators between, before or behind them, and nothing else. */
function isSeparated(signs) {
  const rest = signs[0] === "-" || signs[0] === "+" ? signs.slice(1) : signs;
  return rest.some((sign) => /[0-9]/.test(sign)) && !/\s/u.test(rest[0]) && rest.every((sign) => /[0-9.]/.test(sign) || separatorOf(sign));
}

function refusal(text) {
  const power = EXPONENT.exec(text);
  if (power) return { kind: "exponent", problem: `${quoted(text)} holds an exponent. ${typeWords(expanded(power[1], Number(power[2])))}` };
  const signs = [...text];
  if (isSeparated(signs)) {
    const found = signs.map(separatorOf).find(Boolean)?.name;
    const words = found ? `${found}: the point is the decimal mark, and nothing stands between thousands` : "more than one point";
    return { kind: "separator", problem: `${quoted(text)} holds ${words}. ${typeWords(meant(signs))}` };
  }
  return { kind: "number", problem: `${quoted(text)} ${noNumber(text, signs)}` };
}

function noNumber(text, signs) {
  if (/[\u2212\u2010-\u2015\uff0d\ufe63]/.test(text)) return `holds a dash that is not the minus sign -. ${EXAMPLE}`;
  if (signs.some((sign) => digitOf(sign) !== null && !/[0-9]/.test(sign))) return `holds digits other than 0 to 9. ${typeWords(meant(signs))}`;
  const wrong = signs.find((sign) => !/[0-9.+-]/.test(sign));
  return wrong ? `holds "${wrong}", which belongs to no number. ${EXAMPLE}` : `is not a number. ${EXAMPLE}`;
}

function typeWords(numbers) {
  return numbers.length ? `Type ${numbers.join(" or ")}.` : EXAMPLE;
}

/** Return [number] without its exponent, [] where that would be too long to be meant. */
function expanded(digits, power) {
  if (Math.abs(power) > MOST_EXPONENT) return [];
  const sign = digits.startsWith("-") ? "-" : "";
  const [before, after = ""] = digits.replace(/^[+-]/, "").split(".");
  const at = before.length + power;
  const all = before + after;
  const moved = at <= 0 ? `0.${"0".repeat(-at)}${all}` : at >= all.length ? all.padEnd(at, "0") : `${all.slice(0, at)}.${all.slice(at)}`;
  return [sign + moved].map((text) => readNumber(text).value).filter((value) => value !== undefined);
}

/** Return the numbers that a text with separators may have meant, the larger one first; [] where it is anybody's guess. */
function meant(signs) {
  const sign = signs[0] === "-" ? "-" : "";
  const parts = [""];
  const between = [];
  for (const one of sign || signs[0] === "+" ? signs.slice(1) : signs) {
    const digit = digitOf(one);
    if (digit !== null) parts[parts.length - 1] += String(digit);
    else if (one === "." || separatorOf(one)) {
      between.push(one);
      parts.push("");
    } else return [];
  }
  if (parts.some((part) => part === "")) return [];
  const joined = sign + parts.join("");
  if (!between.length) return [joined];
  const last = between.at(-1);
  const isLastAlone = between.indexOf(last) === between.length - 1;
  const pointed = `${sign}${parts.slice(0, -1).join("")}.${parts.at(-1)}`;
  const way = last === "." ? "both" : separatorOf(last).way;
  if (way === "none") return [];
  if (way === "decimal") return isLastAlone ? [pointed] : [];
  if (between.length > 1) return isLastAlone && way === "both" ? [pointed] : [joined];
  if (way === "group") return [joined];
  return parts[1].length === 3 && parts[0].length <= 3 ? [joined, pointed] : [pointed];
}
