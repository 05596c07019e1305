// What was executed and what was booked: deals with their reason and evidence, and the ledger, of some days, a symbol
// or a kind. Pages are read when a tab is looked at, and again after something happened; headers sort what was read.

import { get } from "../lib/api.js";
import { BalanceCurve } from "./curve.js";
import { add } from "../lib/decimal.js";
import { debounced, el, freshId, setAttribute, setText } from "../lib/dom.js";
import { dayBefore, gain, momentOf, money, price, time, tone } from "../lib/format.js";
import { attempt, failedBy } from "../lib/outcome.js";
import { store } from "../lib/store.js";
import { liveTable } from "../lib/table.js";
import { explainDeal } from "./why.js";
import { dealWords, LEDGER_KINDS, ledgerWords } from "../lib/words.js";

const PAGE = 50;

const DEALS = [
  { name: "time", label: "Time", value: (row) => time(row.time), sort: (row) => row.ticket },
  { name: "ticket", label: "Ticket", number: true, className: "minor", value: (row) => `#${row.ticket}` },
  { name: "symbol", label: "Symbol", value: (row) => row.symbol, sort: (row) => row.symbol },
  { name: "side", label: "Deal", value: (row) => `${row.side === "buy" ? "▲ Buy" : "▼ Sell"} ${row.direction}`, tone: (row) => row.side },
  { name: "volume", label: "Volume", number: true, value: (row) => store.lots(row.symbol, row.volume), sort: (row) => row.volume },
  { name: "price", label: "Price", number: true, value: (row) => price(row.price, row.digits) },
  { name: "requested", label: "Requested", number: true, className: "minor", value: (row) => price(row.requested_price, row.digits) },
  { name: "reason", label: "Reason", value: dealWords, sort: dealWords },
  { name: "position", label: "Position", number: true, className: "minor", value: (row) => `#${row.position}`, sort: (row) => row.position },
  { name: "carry", label: "Swap+fees", number: true, className: "minor", value: (row) => (row.direction === "out" ? money(store.carried(row)) : "") },
  { name: "profit", label: "Profit", number: true, value: (row) => (row.direction === "out" ? gain(row.profit) : ""), tone: (row) => tone(row.profit), sort: (row) => row.profit },
  { name: "net", label: "Net", title: "Profit after swap and fees", number: true, value: (row) => (row.direction === "out" ? gain(store.net(row)) : ""), tone: (row) => tone(store.net(row)), sort: (row) => store.net(row) },
  { name: "actions", label: "", node: (row) => el("span", { class: "row-actions" }, el("button", { type: "button", class: "small", text: row.direction === "out" ? "Why?" : "Details", "aria-label": `${row.direction === "out" ? "Why?" : "Details"} Deal ${row.ticket}`, on: { click: (event) => attempt(event.currentTarget, () => explainDeal(row.ticket)) } })) },
];

const LEDGER = [
  { name: "time", label: "Time", value: (row) => time(row.time) },
  { name: "kind", label: "Kind", value: (row) => ledgerWords(row.kind) },
  { name: "amount", label: "Amount", number: true, value: (row) => gain(row.amount), tone: (row) => tone(row.amount) },
  { name: "balance", label: "Balance after", number: true, value: (row) => money(row.balance_after) },
  { name: "credit", label: "Credit after", number: true, className: "minor", value: (row) => money(row.credit_after) },
  { name: "deal", label: "Deal", number: true, className: "minor", value: (row) => (row.deal ? `#${row.deal}` : "") },
  { name: "comment", label: "Comment", value: (row) => row.comment },
];

/** A list that is read page by page and knows whether it is old. */
class PagedTab {
  constructor({ panel, path, table, filter, onRows }) {
    Object.assign(this, { panel, path, table, filter, onRows, rows: [], next: null, old: true, turn: 0 });
    this.more = el("button", { type: "button", class: "small more", text: "Older", hidden: true });
    this.more.addEventListener("click", () => attempt(this.more, () => this.read(this.next)));
    panel.append(table.box);
    table.box.append(this.more);
    this.refresh = debounced(() => this.show(), 300);
  }

  /** Mark the rows as old; they are read again at once where they are looked at. */
  outdated() {
    this.old = true;
    if (!this.panel.hidden) this.refresh();
  }

  forget() {
    this.rows = [];
    this.next = null;
    this.more.hidden = true;
    this.table.waits(true);
    this.table.render([], true);
    this.onRows?.([], false);
    this.outdated();
  }

  async show() {
    if (!this.old || store.login === null) return;
    this.old = false;
    try {
      await this.read(null);
    } catch (error) {
      this.old = true;
      failedBy(error);
    }
  }

  async read(cursor) {
    const turn = ++this.turn;
    const query = this.filter ? this.filter() : {};
    const answer = query === null ? { results: [], next: null } : await get(this.path, { account: store.login, limit: PAGE, cursor, ...query });
    if (turn !== this.turn) return;
    this.rows = cursor ? [...this.rows, ...answer.results] : answer.results;
    this.next = answer.next;
    this.more.hidden = !this.next;
    this.table.waits(false);
    this.table.render(this.rows, true);
    this.onRows?.(this.rows, Boolean(this.next));
  }
}

/** A choice of days in the zone of the terminal; `query()` is what the server is asked. */
class Span {
  constructor(onChange) {
    const day = (label) => el("input", { id: freshId("day"), type: "date", class: "day", "aria-label": label });
    [this.from, this.to] = [day("From day"), day("To day")];
    for (const input of [this.from, this.to]) input.addEventListener("change", () => (this.showChosen(), onChange()));
    this.chips = [["Today", 0], ["7 days", 6], ["30 days", 29], ["All", null]].map(([label, days]) => ({
      days,
      button: el("button", { type: "button", class: "small chip", text: label, on: { click: () => (this.choose(days), onChange()) } }),
    }));
    this.note = el("span", { class: "field-hint bad", role: "status" });
    this.box = el("span", { class: "span" }, this.chips.map(({ button }) => button), this.from, el("span", { "aria-hidden": "true", text: "–" }), this.to, this.note);
    this.showChosen();
  }

  /** Return the first of so many days up to today, "" for all. */
  first(days) {
    return days === null ? "" : dayBefore(days);
  }

  showChosen() {
    setText(this.note, this.isMixedUp() ? `${this.to.value} lies before ${this.from.value}: no day is between.` : "");
    setAttribute(this.to, "aria-invalid", this.isMixedUp() ? "true" : null);
    for (const { days, button } of this.chips) setAttribute(button, "aria-pressed", String(!this.to.value && this.from.value === this.first(days)));
  }

  /** Take the days up to today, so many before it; all where null. */
  choose(days) {
    this.from.value = this.first(days);
    this.to.value = "";
    this.showChosen();
  }

  isMixedUp() {
    return this.from.value !== "" && this.to.value !== "" && this.to.value < this.from.value;
  }

  /** Return what the server is asked, null where the days are in the wrong order. */
  query() {
    if (this.isMixedUp()) return null;
    const begin = (input, ahead) => momentOf(input.value, ahead)?.toISOString();
    return { since: begin(this.from, 0), until: begin(this.to, 1) };
  }
}

/** Return a choice of one value or all, labelled; `fill(pairs)` sets [value, words]. */
function chooser(label, all, onChange) {
  const pick = el("select", { "aria-label": label });
  pick.addEventListener("change", onChange);
  const fill = (pairs) => {
    const chosen = pick.value;
    pick.replaceChildren(el("option", { value: "", text: all }), ...pairs.map(([value, text]) => el("option", { value, text })));
    pick.value = pairs.some(([value]) => value === chosen) ? chosen : "";
  };
  fill([]);
  return { pick, fill };
}

/** Build the tab of deals; return it, to be told when it is shown. */
export function startHistory(panel) {
  const again = () => tab.outdated();
  const symbol = chooser("Symbol", "All symbols", again);
  const span = new Span(again);
  const sum = el("span", { class: "sum" });
  panel.append(el("div", { class: "tools" }, symbol.pick, span.box, sum));
  const table = liveTable({ name: "history", caption: "Deals, newest first", columns: DEALS, key: (row) => row.ticket, empty: "No deals.", className: "cards deals" });
  const tab = new PagedTab({
    panel,
    path: "/deals/",
    table,
    filter: () => span.query() && { symbol: symbol.pick.value, ...span.query() },
    onRows: (rows, hasMore) => {
      const profit = rows.reduce((so, row) => add(so, row.profit ?? "0") ?? so, "0");
      const net = rows.reduce((so, row) => add(so, store.net(row) ?? "0") ?? so, "0");
      setText(sum, rows.length ? `${hasMore ? "The last " : ""}${rows.length} deals: ${gain(store.cash(profit))}, net ${gain(store.cash(net))} ${store.account?.currency ?? ""}` : "");
      sum.className = `sum ${tone(net)}`;
    },
  });
  store.on("symbols", () => symbol.fill([...store.symbols.keys()].map((name) => [name, name])));
  store.on("deals snapshot preferences", again);
  store.on("login", () => tab.forget());
  return tab;
}

/** Build the tab of the ledger; return it, to be told when it is shown. */
export function startLedger(panel) {
  const again = () => tab.outdated();
  const kind = chooser("Kind", "All kinds", again);
  kind.fill(LEDGER_KINDS);
  const span = new Span(again);
  const curve = new BalanceCurve({ query: () => span.query() });
  const toggle = el("button", { type: "button", class: "small chip curve-button", "aria-pressed": "false", text: "Balance curve" });
  panel.append(el("div", { class: "tools" }, kind.pick, span.box, toggle), curve.box);
  const table = liveTable({ caption: "Ledger, newest first", columns: LEDGER, key: (row) => row.seq, empty: "No entries.", className: "cards ledger" });
  const drawCurve = () => span.isMixedUp() || curve.show().catch(failedBy);
  const tab = new PagedTab({ panel, path: "/ledger/", table, filter: () => span.query() && { kind: kind.pick.value, ...span.query() }, onRows: () => !curve.box.hidden && drawCurve() });
  toggle.addEventListener("click", () => {
    const isOn = curve.box.hidden;
    curve.box.hidden = !isOn;
    table.box.hidden = isOn;
    kind.pick.disabled = isOn; // a balance is that of all entries
    setAttribute(toggle, "aria-pressed", String(isOn));
    if (isOn) drawCurve();
  });
  store.on("ledger snapshot preferences", again);
  store.on("login", () => tab.forget());
  return tab;
}
