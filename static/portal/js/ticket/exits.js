// Stop loss and take profit of the ticket, typed as a price, as a distance in points or as money. Whatever is typed,
// a price is what is sent: a distance counts from the entry of the moment, money goes by the value of a point that
// the server told for this volume. Stops round to less loss, targets to no less gain.

import { abs, mul, parse, round, text, trim, units } from "../lib/decimal.js";
import { el, recall, remember, setAttribute, setText } from "../lib/dom.js";
import { money, points, price } from "../lib/format.js";
import { priceField, reading, say, setValue } from "../lib/steppers.js";
import { store } from "../lib/store.js";

const MODES = ["price", "points", "money"];
const NAMES = { sl: "Stop loss", tp: "Take profit" };

/** Return a step of about a tenth: two leading digits stay. */
const tenth = (from) => 10n ** BigInt(Math.max(0, from.toString().length - 2));

export class Exits {
  /** `sideOf` and `entryOf` tell the order; `perPointOf` the value of a point of it, null where unknown. */
  constructor({ sideOf, entryOf, perPointOf, onChange }) {
    Object.assign(this, { sideOf, entryOf, perPointOf, onChange });
    const remembered = recall("exits", "price");
    this.mode = MODES.includes(remembered) ? remembered : "price";
    this.fields = { sl: this.makeField("sl"), tp: this.makeField("tp") };
    this.buttons = MODES.map((mode) => el("button", { type: "button", data: { mode }, on: { click: () => this.choose(mode) } }));
    this.box = el(
      "div",
      { class: "exits" },
      el("div", { class: "exits-head" }, el("span", { text: "Stops by" }), el("div", { class: "segmented", role: "group", "aria-label": "Stops by" }, this.buttons)),
      el("div", { class: "pair" }, this.fields.sl.row, this.fields.tp.row),
    );
    this.showMode();
  }

  makeField(which) {
    return priceField({
      label: NAMES[which],
      name: which,
      start: () => this.start(which),
      symbolOf: () => this.grid(),
      stepOf: (from, usual) => (this.mode === "price" ? usual : this.mode === "points" ? 10n : tenth(from)),
    });
  }

  /** Return the digits of what is typed now. */
  grid() {
    const symbol = store.symbol();
    if (!symbol || this.mode === "price") return symbol;
    return { digits: this.mode === "points" ? 0 : store.account?.digits ?? 2 };
  }

  /** Return a first value 0.3 % from the entry, on the side where it belongs. */
  start(which) {
    const symbol = store.symbol();
    const from = this.entryOf();
    if (!symbol || !from || !parse(from)) return null;
    const away = units(from, symbol.digits) / 333n || 1n;
    return this.typed(which, this.priceAt(which, away));
  }

  /** Take another way of typing; what was typed is carried over where it can be. */
  choose(mode) {
    const prices = { sl: this.priceOf("sl"), tp: this.priceOf("tp") };
    this.mode = mode;
    remember("exits", mode);
    for (const which of Object.keys(this.fields)) setValue(this.fields[which].input, prices[which] && this.typed(which, prices[which]));
    this.showMode();
    this.onChange();
  }

  showMode() {
    const labels = { price: "Price", points: "Points", money: store.account?.currency ?? "Money" };
    for (const button of this.buttons) {
      setText(button, labels[button.dataset.mode]);
      setAttribute(button, "aria-pressed", String(button.dataset.mode === this.mode));
    }
  }

  clear() {
    for (const { input } of Object.values(this.fields)) setValue(input, "");
  }

  /** Return the price so many points from the entry, where a stop or a target belongs. */
  priceAt(which, away) {
    const symbol = store.symbol();
    const base = units(this.entryOf() ?? "", symbol.digits);
    if (base === null) return null;
    const isBelow = (which === "sl") === (this.sideOf() === "buy");
    const at = isBelow ? base - away : base + away;
    return at > 0n ? text(at, symbol.digits) : null;
  }

  /** Return what is typed as the price to send: undefined where nothing is, null where it cannot be told. */
  priceOf(which) {
    const { empty, value } = reading(this.fields[which].input);
    if (empty) return undefined;
    if (value === undefined || this.mode === "price") return value ?? null;
    const away = this.mode === "points" ? units(value, 0) : this.pointsFor(which, value);
    return away === null || away <= 0n ? null : this.priceAt(which, away);
  }

  pointsFor(which, value) {
    const perPoint = parse(this.perPointOf() ?? "");
    const amount = parse(value);
    if (!perPoint?.n || !amount) return null;
    const scale = Math.max(perPoint.scale, amount.scale);
    const [whole, unit] = [units(value, scale), units(this.perPointOf(), scale)];
    const away = which === "sl" ? whole / unit : (whole + unit - 1n) / unit;
    return away || 1n;
  }

  /** Put a price in, in the way of typing that is chosen. */
  put(which, at) {
    const value = this.typed(which, at);
    if (value !== null) setValue(this.fields[which].input, value);
    this.onChange();
  }

  /** Return a price as it would be typed, null where it cannot. */
  typed(which, at) {
    const symbol = store.symbol();
    if (!at || !parse(at)) return null;
    if (this.mode === "price") return price(at, symbol.digits);
    const away = points(this.entryOf(), at, symbol.digits);
    if (away === null) return null;
    const distance = String(away < 0n ? -away : away);
    if (this.mode === "points") return distance;
    const perPoint = this.perPointOf();
    return perPoint ? round(mul(distance, perPoint), store.account?.digits ?? 2) : null;
  }

  /** Say beside each field what the two other ways of typing would be. */
  describe() {
    this.showMode();
    const symbol = store.symbol();
    if (symbol) for (const which of Object.keys(this.fields)) say(this.fields[which], this.words(which, symbol));
  }

  words(which, symbol) {
    if (reading(this.fields[which].input).value === undefined) return "";
    const at = this.priceOf(which);
    const away = at && parse(at) ? points(this.entryOf(), at, symbol.digits) : null;
    if (away === null || away === undefined) return this.mode === "price" ? "" : "Not known yet";
    const gained = this.sideOf() === "buy" ? away : -away;
    const perPoint = this.perPointOf();
    const estimate = perPoint ? round(mul(String(gained), perPoint), store.account?.digits ?? 2) : null;
    const cash = estimate && `≈ ${gained < 0n ? "−" : "+"}${money(abs(estimate))} ${store.account?.currency ?? ""}`;
    const distance = `${away < 0n ? -away : away} pt`;
    const wrong = (which === "sl") === gained > 0n ? "wrong side" : null;
    const said = { price: [distance, cash], points: [at, cash], money: [at, distance] }[this.mode];
    return [...said, wrong].filter(Boolean).join(" · ");
  }

  /** Return the lines of the chart that these exits would be; dragging one puts its price in. */
  lines() {
    const line = (kind, title, tone) => {
      const at = this.priceOf(kind);
      return at && parse(at) ? { kind, price: trim(at), title, tone, put: (to) => this.put(kind, to) } : null;
    };
    return [line("sl", "SL", "down"), line("tp", "TP", "up")].filter(Boolean);
  }
}
