// The rows of take-profit levels: price, percent, and what each would bring: as the server says in the builder, as
// `moneyOf` estimates in the dialog that changes a plan. Enter in the last row adds one; arrows step price and percent.

import { add, compare, div, parse, stepped, sub, text, trim, units } from "../lib/decimal.js";
import { el, setAttribute, setText } from "../lib/dom.js";
import { gain, money, points, tone, volume } from "../lib/format.js";
import { leaveEmpty } from "../lib/stays.js";
import { numberInput, priceField, reading, setValue, valueOf } from "../lib/steppers.js";

const MOST = 20;
const PERCENT_STEP = "5";

/** Rows of levels. `symbolOf`, `sideOf` and `entryOf` tell what they belong to; `onChange` is told of edits. */
export class LevelRows {
  constructor({ symbolOf, sideOf, entryOf, onChange, moneyOf = () => null, whole = "100" }) {
    Object.assign(this, { symbolOf, sideOf, entryOf, onChange, moneyOf, whole });
    this.rows = [];
    this.list = el("ol", { class: "levels", "aria-label": "Take-profit levels" });
    this.sum = el("p", { class: "level-sum", role: "status" });
    this.meter = el("progress", { class: "level-meter", max: "100", value: "0", "aria-label": "Sum of the percentages" });
    const tool = (label, title, act) => el("button", { type: "button", class: "small", text: label, title, on: { click: act } });
    this.tools = el(
      "div",
      { class: "chips" },
      tool("+ Level", "Add a level beyond the last one", () => this.add()?.price.focus()),
      tool("Even", "Share the whole volume evenly", () => this.even()),
      tool("Fill to 100 %", "Give the last level what is left", () => this.fill()),
    );
    this.box = el("div", { class: "level-box" }, el("div", { class: "level-head", "aria-hidden": "true" }, ...["", "Price", "%", "Profit", ""].map((label) => el("span", { text: label }))), this.list, this.meter, this.sum, this.tools);
  }

  clear() {
    this.rows = [];
    this.list.replaceChildren();
  }

  /** Add a level; without a price it lies as far beyond the last one as that lies from the one before. */
  add(price, percent) {
    if (this.rows.length >= MOST) return null;
    const level = this.makeRow();
    setValue(level.price, price ?? this.nextPrice());
    setValue(level.percent, percent ?? this.leftPercent());
    this.rows.push(level);
    this.list.append(level.row);
    this.changed();
    return level;
  }

  makeRow() {
    const level = {};
    const field = priceField({ label: "Level price", start: () => this.nextPrice(), symbolOf: this.symbolOf, compact: true });
    level.price = field.input;
    level.percent = numberInput({ "aria-label": "Percent of the volume" });
    level.percent.addEventListener("keydown", (event) => {
      const way = { ArrowUp: 1, ArrowDown: -1 }[event.key];
      if (!way || reading(level.percent).problem) return;
      event.preventDefault();
      level.percent.value = stepped(level.percent.value || "0", event.shiftKey ? "1" : PERCENT_STEP, way, "1", "100");
      this.changed();
    });
    level.money = el("span", { class: "level-money number" });
    level.note = el("span", { class: "level-note" });
    level.name = el("span", { class: "level-name" });
    const remove = el("button", { type: "button", class: "icon-button", text: "×", on: { click: () => this.remove(level) } });
    level.removeButton = remove;
    level.row = el("li", {}, level.name, level.price, level.percent, level.money, remove, level.note);
    level.row.addEventListener("input", () => this.changed());
    level.row.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.ctrlKey || this.rows.at(-1) !== level) return;
      event.preventDefault();
      this.add()?.price.focus();
    });
    return level;
  }

  /** Put a price into a level. */
  put(index, to) {
    if (!this.rows[index]) return;
    setValue(this.rows[index].price, to);
    this.changed();
  }

  remove(level) {
    const at = this.rows.indexOf(level);
    this.rows.splice(at, 1);
    leaveEmpty(this.list, level.row); // the next row's cross must not come under the same hand
    (this.rows[at] ?? this.rows.at(-1))?.price.focus();
    this.changed();
  }

  nextPrice() {
    const symbol = this.symbolOf();
    const entry = this.entryOf();
    if (!symbol || !entry || !parse(entry)) return null;
    const prices = [entry, ...this.rows.map((row) => valueOf(row.price)).filter((value) => value && parse(value))].map((value) => units(value, symbol.digits));
    const last = prices.at(-1);
    const up = this.sideOf() === "buy" ? 1n : -1n;
    let step = prices.length > 1 ? last - prices.at(-2) : (up * prices[0]) / 400n;
    if (step * up <= 0n) step = (up * prices[0]) / 400n || up;
    return text(last + step, symbol.digits);
  }

  total() {
    return this.rows.reduce((so, row) => add(so, reading(row.percent).value ?? "0"), "0");
  }

  leftPercent() {
    const left = sub(this.whole, this.total());
    return compare(left, "0") > 0 ? volume(left) : "0";
  }

  even() {
    const count = this.rows.length;
    if (!count) return;
    const each = units(this.whole, 2) / BigInt(count); // hundredths of a percent
    for (const row of this.rows) setValue(row.percent, trim(text(each, 2)));
    setValue(this.rows.at(-1).percent, trim(sub(this.whole, text(each * BigInt(count - 1), 2))));
    this.changed();
  }

  fill() {
    const last = this.rows.at(-1);
    if (!last) return;
    const others = sub(this.total(), reading(last.percent).value ?? "0");
    const rest = others && sub(this.whole, others);
    if (rest && compare(rest, "0") > 0) setValue(last.percent, volume(rest));
    this.changed();
  }

  /** Return [{price, percent}] as the server takes them. */
  values() {
    return this.rows.map((row) => ({ price: valueOf(row.price) ?? "", percent: valueOf(row.percent) ?? "" }));
  }

  changed() {
    this.rows.forEach((row, index) => {
      setText(row.name, String(index + 1));
      setAttribute(row.price, "aria-label", `Level ${index + 1}: price`);
      setAttribute(row.percent, "aria-label", `Level ${index + 1}: percent of the volume`);
      setAttribute(row.removeButton, "aria-label", `Remove level ${index + 1}`);
    });
    const total = this.total();
    const way = compare(total, this.whole);
    this.meter.value = Number(div(total, this.whole, 2) ?? 0) * 100;
    setText(this.sum, !this.rows.length ? "No levels: the stop alone ends the plan." : way === 0 ? `Sum ${volume(total)} %` : way > 0 ? `Sum ${volume(total)} %: ${volume(sub(total, this.whole))} % too much` : `Sum ${volume(total)} %: the stop closes the last ${volume(sub(this.whole, total))} %`);
    this.sum.className = `level-sum ${way > 0 ? "down" : ""}`;
    this.describe();
    this.onChange();
  }

  /** Return what is wrong with a level, as exactly as it can be told here. */
  fault(index, found, error) {
    const symbol = this.symbolOf();
    const [before, at] = [this.rows[index - 1], this.rows[index]].map((row) => row && valueOf(row.price));
    if (compare(valueOf(at ? this.rows[index].percent : this.rows[0].percent) ?? "0", "0") <= 0) return "Needs a percentage above 0";
    if (found && symbol && compare(found.volume, symbol.volume_min) < 0) return `${volume(found.volume)} lots: the smallest volume is ${volume(symbol.volume_min)}`;
    if (before && at && compare(at, before) !== (this.sideOf() === "buy" ? 1 : -1)) return `Must lie beyond level ${index}`;
    return error.message;
  }

  /** Show distances, and what the server's preview says of each level; errors stand beside their level. */
  describe(previewed = [], errors = []) {
    const symbol = this.symbolOf();
    const entry = this.entryOf();
    this.rows.forEach((row, index) => {
      const value = valueOf(row.price);
      const found = previewed.find((level) => level.number === index + 1);
      const error = errors.find((one) => one.level === index + 1);
      const away = symbol && entry && value && parse(value) ? points(entry, value, symbol.digits) : null;
      const distance = away === null ? "" : `${away < 0n ? "−" : "+"}${away < 0n ? -away : away} pt`;
      const estimate = this.moneyOf(value, valueOf(row.percent));
      if (found || error || estimate) {
        const profit = found?.profit ?? estimate;
        setText(row.money, profit ? gain(profit) : "");
        setAttribute(row.money, "class", `level-money number ${tone(profit)}`);
      }
      row.lots = found?.volume ?? row.lots; // until the next answer the last one stands
      const problem = reading(row.price).problem ?? reading(row.percent).problem;
      const read = value && !problem ? `= ${money(value)}` : null;
      setText(row.note, problem ?? (error ? `${this.fault(index, found, error)} [${error.code}]` : [read, distance, row.lots && `${volume(row.lots)} lots`].filter(Boolean).join(" · ")));
      setAttribute(row.row, "data-error", error || problem ? "true" : null);
      setAttribute(row.price, "aria-invalid", error || reading(row.price).problem ? "true" : null);
    });
  }
}
