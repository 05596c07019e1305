// What was executed and what was booked: deals with their reason and evidence, and the ledger. Pages are read
// when a tab is looked at, and again after something happened.

import { get } from "./api.js";
import { add } from "./decimal.js";
import { debounced, el, freshId, setText } from "./dom.js";
import { gain, money, price, time, tone, volume } from "./format.js";
import { attempt, failedBy } from "./outcome.js";
import { store } from "./store.js";
import { liveTable } from "./table.js";
import { explainDeal } from "./why.js";
import { ledgerWords, reasonWords } from "./words.js";

const PAGE = 50;

const DEALS = [
  { name: "time", label: "Time", value: (row) => time(row.time) },
  { name: "symbol", label: "Symbol", value: (row) => row.symbol },
  { name: "side", label: "Deal", value: (row) => `${row.side === "buy" ? "▲ Buy" : "▼ Sell"} ${row.direction}`, tone: (row) => row.side },
  { name: "volume", label: "Volume", number: true, value: (row) => volume(row.volume) },
  { name: "price", label: "Price", number: true, value: (row) => price(row.price, row.digits) },
  { name: "requested", label: "Requested", number: true, className: "minor", value: (row) => price(row.requested_price, row.digits) },
  { name: "reason", label: "Reason", value: (row) => reasonWords(row.reason) },
  { name: "position", label: "Position", number: true, className: "minor", value: (row) => `#${row.position}` },
  { name: "carry", label: "Swap+fees", number: true, className: "minor", value: (row) => (row.direction === "out" ? money(add(row.swap ?? "0", row.fees ?? "0")) : "") },
  { name: "profit", label: "Profit", number: true, value: (row) => (row.direction === "out" ? gain(row.profit) : ""), tone: (row) => tone(row.profit) },
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
    this.table.render([]);
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
    const answer = await get(this.path, { account: store.login, limit: PAGE, cursor, ...this.filter?.() });
    if (turn !== this.turn) return;
    this.rows = cursor ? [...this.rows, ...answer.results] : answer.results;
    this.next = answer.next;
    this.more.hidden = !this.next;
    this.table.render(this.rows);
    this.onRows?.(this.rows);
  }
}

/** Build the tab of deals; return it, to be told when it is shown. */
export function startHistory(panel) {
  const pick = el("select", { id: freshId("filter") }, el("option", { value: "", text: "All symbols" }));
  const sum = el("span", { class: "sum" });
  panel.append(el("div", { class: "tools" }, el("label", { for: pick.id, text: "Symbol" }), pick, sum));
  const table = liveTable({ caption: "Deals, newest first", columns: DEALS, key: (row) => row.ticket, empty: "No deals yet.", className: "cards deals" });
  const tab = new PagedTab({
    panel,
    path: "/deals/",
    table,
    filter: () => ({ symbol: pick.value }),
    onRows: (rows) => {
      const profit = rows.reduce((so, row) => add(so, row.profit ?? "0") ?? so, "0");
      setText(sum, rows.length ? `Profit of the ${rows.length} deals shown: ${gain(store.cash(profit))}` : "");
      sum.className = `sum ${tone(profit)}`;
    },
  });
  pick.addEventListener("change", () => tab.outdated());
  store.on("symbols", () => {
    const chosen = pick.value;
    pick.replaceChildren(el("option", { value: "", text: "All symbols" }), ...[...store.symbols.keys()].map((name) => el("option", { value: name, text: name })));
    pick.value = store.symbols.has(chosen) ? chosen : "";
  });
  store.on("deals snapshot", () => tab.outdated());
  store.on("login", () => tab.forget());
  return tab;
}

/** Build the tab of the ledger; return it, to be told when it is shown. */
export function startLedger(panel) {
  const table = liveTable({ caption: "Ledger, newest first", columns: LEDGER, key: (row) => row.seq, empty: "No entries yet.", className: "cards ledger" });
  const tab = new PagedTab({ panel, path: "/ledger/", table });
  store.on("ledger snapshot", () => tab.outdated());
  store.on("login", () => tab.forget());
  return tab;
}
