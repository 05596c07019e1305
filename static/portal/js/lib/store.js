// What the terminal knows: one account's state as the server told it, quotes, symbols, and what is selected.
// Rows come from a snapshot and are carried on by numbered events; live figures come beside them.
// Views listen to topics; a topic that changed many times between two paints is told once.

import { add, parse, round, stepped, trim } from "./decimal.js";
import { recall, remember } from "./dom.js";

export const OLD_QUOTE_MS = 60_000;
const LIVE_SMART = new Set(["PENDING", "ACTIVE", "PARTIALLY_CLOSED"]);

export const isLiveSmart = (plan) => LIVE_SMART.has(plan.state);

class Store {
  constructor() {
    this.user = document.body.dataset.user ?? "";
    this.accounts = [];
    this.login = null;
    this.account = null;
    this.live = {};
    this.livePositions = {};
    this.liveSmarts = {};
    this.symbols = new Map();
    this.quotes = new Map();
    this.positions = new Map();
    this.orders = new Map();
    this.smarts = new Map();
    this.requests = new Map();
    this.requotes = new Map();
    this.aheadMs = -Infinity; // how far the server's clock is ahead of ours, as far as its messages tell
    this.seq = null;
    this.selected = null;
    this.connection = "connecting";
    this.quotedMs = Date.now(); // when any price came last
    this.draft = null; // what the ticket or the builder would do, for the chart
    this.listeners = new Map();
    this.dirty = new Set();
    this.scheduled = false;
  }

  /** Call a function after a paint's worth of changes of any of these topics; return what ends that. */
  on(topics, listener) {
    const names = topics.split(" ");
    for (const topic of names) {
      if (!this.listeners.has(topic)) this.listeners.set(topic, new Set());
      this.listeners.get(topic).add(listener);
    }
    return () => names.forEach((topic) => this.listeners.get(topic).delete(listener));
  }

  changed(...topics) {
    for (const topic of topics) this.dirty.add(topic);
    if (this.scheduled) return;
    this.scheduled = true;
    // A hidden page paints nothing, so its frames never come; a timer keeps titles and toasts right there.
    if (document.hidden) setTimeout(() => this.flush(), 250);
    else requestAnimationFrame(() => this.flush());
  }

  flush() {
    this.scheduled = false;
    const topics = this.dirty;
    this.dirty = new Set();
    const due = new Set();
    for (const topic of topics) for (const listener of this.listeners.get(topic) ?? []) due.add(listener);
    for (const listener of due) listener(topics);
  }

  // ---- what is chosen ----

  select(symbol) {
    if (!this.symbols.has(symbol) || symbol === this.selected) return;
    this.selected = symbol;
    this.draft = null;
    remember("symbol", symbol);
    this.changed("selected", "draft");
  }

  symbol(name = this.selected) {
    return this.symbols.get(name) ?? null;
  }

  digits(name) {
    return this.symbols.get(name)?.digits;
  }

  quote(name = this.selected) {
    return this.quotes.get(name) ?? null;
  }

  /** Return in words that the price of a symbol is too old to send anything on it, "" where it is not. */
  staleWords(name = this.selected) {
    const quote = this.quotes.get(name);
    if (!quote) return "There is no price yet.";
    const limitS = this.symbols.get(name)?.quotes_timeout || OLD_QUOTE_MS / 1000;
    return Date.now() - quote.seenMs > limitS * 1000 ? `The price is older than ${limitS} s: nothing is sent on it.` : "";
  }

  setDraft(draft) {
    this.draft = draft;
    this.changed("draft");
  }

  setConnection(state) {
    if (this.connection === state) return;
    this.connection = state;
    if (state === "live") this.quotedMs = Date.now(); // silence counts from here
    this.changed("connection");
  }

  // ---- what the server told ----

  setAccounts(rows) {
    this.accounts = rows;
    this.changed("accounts");
  }

  /** Forget one account's state before another one's comes. */
  setLogin(login) {
    this.login = login;
    this.account = this.accounts.find((row) => row.login === login) ?? null;
    this.live = {};
    this.livePositions = {};
    this.liveSmarts = {};
    for (const rows of [this.positions, this.orders, this.smarts, this.requests, this.requotes]) rows.clear();
    this.seq = null;
    remember(`login.${this.user}`, login);
    this.changed("account", "live", "positions", "orders", "smarts", "requests", "requotes", "login");
  }

  setSymbols(rows) {
    this.symbols = new Map(rows.map((row) => [row.symbol, row]));
    for (const { symbol, quote } of rows) {
      if (quote && !this.quotes.has(symbol)) this.setQuote(symbol, [quote.bid, quote.ask, quote.time_ms]);
    }
    if (!this.symbols.has(this.selected)) {
      const remembered = recall("symbol", null);
      this.selected = this.symbols.has(remembered) ? remembered : rows[0]?.symbol ?? null;
      this.changed("selected");
    }
    this.changed("symbols", "quotes");
  }

  setQuote(name, [bid, ask, timeMs]) {
    const before = this.quotes.get(name);
    const now = Date.now();
    const isNew = before ? timeMs !== before.timeMs : now - timeMs < OLD_QUOTE_MS; // what is told first may be old
    const seenMs = isNew ? now : before?.seenMs ?? timeMs;
    if (isNew) this.quotedMs = now;
    this.quotes.set(name, { bid, ask, timeMs, seenMs });
  }

  applyQuotes(quotes) {
    for (const [name, quote] of Object.entries(quotes)) this.setQuote(name, quote);
    this.changed("quotes");
  }

  applySnapshot(seq, data) {
    this.seq = seq;
    this.account = { ...this.account, ...data.account };
    fill(this.positions, data.positions, "ticket");
    fill(this.orders, data.orders, "ticket");
    fill(this.requests, data.requests, "id");
    fill(this.requotes, data.requotes, "order");
    const ended = [...this.smarts.values()].filter((plan) => !isLiveSmart(plan));
    fill(this.smarts, [...ended, ...(data.smart_orders ?? [])], "id");
    this.changed("account", "live", "positions", "orders", "smarts", "requests", "snapshot");
  }

  /** Add plans that ended already; those that live are known better from the snapshot. */
  addEnded(plans) {
    for (const plan of plans) if (!isLiveSmart(plan)) this.smarts.set(plan.id, plan);
    this.changed("smarts");
  }

  applyLive(data) {
    const { positions, smart, ...money } = data;
    this.heard(data.time_ms);
    this.live = money;
    if (positions) this.livePositions = positions;
    if (smart) this.liveSmarts = smart;
    this.changed("live");
  }

  /** Carry the state on by one event; false where events are missing before it. */
  applyEvent(event) {
    if (this.seq === null || event.seq <= this.seq) return true;
    if (event.seq !== this.seq + 1) return false;
    this.heard(event.time_ms);
    this.seq = event.seq;
    const row = rowOf(event);
    switch (event.kind) {
      case "account":
      case "margin_call":
        this.account = { ...this.account, ...row };
        this.changed("account");
        break;
      case "order":
        place(this.orders, row, "ticket", row.status === "pending");
        this.changed("orders");
        break;
      case "position":
        place(this.positions, row, "ticket", row.status !== "closed");
        this.changed("positions");
        break;
      case "smart":
        place(this.smarts, row, "id", true);
        this.changed("smarts");
        break;
      case "request":
        place(this.requests, row, "id", row.open !== false);
        this.changed("requests");
        break;
      case "requote":
        place(this.requotes, row, "order", row.open !== false);
        this.changed("requotes");
        break;
      case "deal":
        this.changed("deals");
        break;
      case "ledger":
        this.changed("ledger");
        break;
    }
    return true;
  }

  /** Learn from a message's time how far the server's clock is ahead: a message is late, never early. */
  heard(timeMs) {
    if (timeMs) this.aheadMs = Math.max(this.aheadMs, timeMs - Date.now());
  }

  /** Return the server's time, ours where it has not told. */
  serverMs() {
    return Date.now() + (this.aheadMs === -Infinity ? 0 : this.aheadMs);
  }

  // ---- what several views ask ----

  /** Return an amount with the digits of the account's currency, also a bare 0. */
  cash(value) {
    return value === null || value === undefined ? value : round(String(value), this.account?.digits ?? 2);
  }

  /** Return what a position or a deal brings after swap and fees, null while its profit is not known. */
  net(row) {
    return row.profit === null || row.profit === undefined ? null : add(row.profit, this.carried(row));
  }

  /** Return swap and fees of a position or a deal together. */
  carried(row) {
    return add(row.swap ?? "0", row.fees ?? "0");
  }

  /** Return a volume with the decimals of its symbol's step, so that lots stand under lots. */
  lots(name, volume) {
    const step = this.symbols.get(name)?.volume_step;
    const scale = step ? parse(trim(step)).scale : 0;
    const bare = trim(String(volume ?? ""));
    return bare && parse(bare).scale < scale ? round(bare, scale) : bare || "–";
  }

  /** Return a position's row with its live figures. */
  positionView(position) {
    return { ...position, ...(this.livePositions[position.ticket] ?? {}) };
  }

  /** Return a plan's row with its live figures. */
  smartView(plan) {
    return isLiveSmart(plan) ? { ...plan, ...(this.liveSmarts[plan.id] ?? {}) } : plan;
  }

  /** Return a figure of the account, the live one where there is one. */
  figure(name) {
    return this.live[name] ?? this.account?.[name] ?? null;
  }

  /** Return the volume so many steps from another one, within the symbol's limits. */
  volumeStep(volume, count) {
    const symbol = this.symbol();
    if (!symbol) return volume;
    return stepped(volume, symbol.volume_step, count, symbol.volume_min, symbol.volume_max);
  }
}

/** Return an event's row, which has the shape of the REST API's rows and of the snapshot's. */
export function rowOf(event) {
  const name = event.kind === "margin_call" ? "account" : event.kind;
  const row = { ...(event.data?.[name] ?? event.data) };
  if (name === "account" && !row.leverage) delete row.leverage; // none of its own: the group's, known already
  return row;
}

function fill(rows, values, key) {
  rows.clear();
  for (const value of values ?? []) rows.set(value[key], value);
}

function place(rows, value, key, keep) {
  if (keep) rows.set(value[key], { ...rows.get(value[key]), ...value });
  else rows.delete(value[key]);
}

export const store = new Store();
