// The market watch: symbols with bid, ask, spread and the day's change; the selected one leads chart and ticket.
// An arrow tells which way the bid went last; a price that moved is tinted for a moment, once a second at most, so
// that a fast market does not flicker. Figures keep their colour.

import { get } from "../lib/api.js";
import { compare, trim } from "../lib/decimal.js";
import { facts } from "../lib/dialog.js";
import { money, percentChange, points, price } from "../lib/format.js";
import { el, keyed, setAttribute, setText } from "../lib/dom.js";
import { OLD_QUOTE_MS, store } from "../lib/store.js";
import { plainWords } from "../lib/words.js";

const FLASH_MS = 450;
const FLASH_EVERY_MS = 1_000; // and up to as much again, so that rows do not blink together
const DAY_REFRESH_MS = 300_000;

const dayOpens = new Map();
let body;

/** Build the panel and keep it up to date. */
export function startWatch(panel) {
  body = el("tbody");
  const heads = ["Symbol", "Bid", "Ask", "Spread", "Day %"].map((name, index) =>
    el("th", { scope: "col", class: index ? "number" : "", text: name, title: name === "Spread" ? "Ask − bid, in points" : name === "Day %" ? "Change since the day's first bid (UTC)" : null }),
  );
  const table = el("table", { class: "grid watch" }, el("caption", { class: "visually-hidden", text: "Market watch; Enter selects a symbol" }), el("thead", {}, el("tr", {}, heads)), body);
  const card = el("div", { class: "symbol-card" });
  panel.append(el("h2", { class: "panel-title", text: "Markets" }), el("div", { class: "scroll" }, table), card);
  store.on("symbols selected", () => showCard(card));
  body.addEventListener("keydown", moveSelection);
  store.on("symbols quotes selected", render);
  store.on("symbols", refreshDays);
  setInterval(refreshDays, DAY_REFRESH_MS);
  setInterval(() => store.changed("quotes"), 15_000); // ages turn old without a new price
}

function moveSelection(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const names = [...store.symbols.keys()];
  const next = names[(names.indexOf(store.selected) + step + names.length) % names.length];
  store.select(next);
  body.keyedRows.get(next)?.querySelector("button").focus();
}

/** Show the terms of the selected symbol. */
function showCard(card) {
  const symbol = store.symbol();
  if (!symbol) return;
  const swap = symbol.swap_mode === "none" ? "none" : `${symbol.swap_long} / ${symbol.swap_short} ${symbol.swap_mode}`;
  card.replaceChildren(
    el("h3", { text: symbol.description || symbol.symbol }),
    facts([
      ["Contract", `${money(trim(symbol.contract_size))} ${symbol.base_currency}`],
      ["Volume", `${trim(symbol.volume_min)} – ${trim(symbol.volume_max)}`],
      ["Step", trim(symbol.volume_step)],
      ["Stops from", `${symbol.stops_level} pt`],
      ["Execution", plainWords(symbol.execution)],
      ["Trading", symbol.session_open ? plainWords(symbol.trade_mode) : "Closed now"],
      ["Swap long / short", swap],
    ]),
  );
}

async function refreshDays() {
  for (const name of store.symbols.keys()) {
    try {
      const answer = await get("/candles", { symbol: name, interval: "1d", limit: 1 });
      if (answer.results.length) dayOpens.set(name, answer.results.at(-1).open);
    } catch (error) {
      if (error.code !== "network") console.warn(`no day candle of ${name}: ${error.message}`);
    }
  }
  store.changed("quotes");
}

function makeRow(symbol) {
  const pick = el("button", { type: "button", class: "symbol-pick", title: symbol.description || symbol.symbol, text: symbol.symbol });
  const row = el("tr", { data: { symbol: symbol.symbol } }, el("th", { scope: "row" }, pick));
  row.cells4 = ["bid", "ask", "spread", "day"].map((name) => el("td", { class: `number ${name}`, data: { cell: name } }));
  row.append(...row.cells4);
  row.addEventListener("click", () => store.select(symbol.symbol));
  return row;
}

function updateRow(row, symbol) {
  const name = symbol.symbol;
  const quote = store.quotes.get(name);
  const selected = name === store.selected;
  setAttribute(row, "class", selected ? "selected" : null);
  setAttribute(row.querySelector("button"), "aria-pressed", String(selected));
  const [bid, ask, spread, day] = row.cells4;
  if (!quote) {
    for (const cell of row.cells4) setText(cell, "–");
    return;
  }
  const closed = symbol.session_open === false;
  setAttribute(row, "data-old", closed || Date.now() - quote.seenMs > OLD_QUOTE_MS ? "true" : null);
  setText(bid, price(quote.bid, symbol.digits));
  setText(ask, price(quote.ask, symbol.digits));
  setText(spread, String(points(quote.bid, quote.ask, symbol.digits) ?? "–"));
  showWay(row, quote);
  const change = percentChange(quote.bid, dayOpens.get(name));
  setText(day, change ? `${change.way > 0 ? "▲ +" : change.way < 0 ? "▼ −" : ""}${change.text}` : "–");
  setAttribute(day, "class", `number day ${change?.way > 0 ? "up" : change?.way < 0 ? "down" : ""}`);
}

function showWay(row, quote) {
  row.wayBid ??= quote.bid;
  const way = compare(quote.bid, row.wayBid);
  row.everyMs ??= FLASH_EVERY_MS * (1 + Math.random());
  if (!way || quote.seenMs - (row.wayMs ?? 0) < row.everyMs) return;
  row.wayMs = quote.seenMs;
  row.wayBid = quote.bid;
  row.dataset.way = way > 0 ? "up" : "down";
  row.dataset.flash = "true";
  clearTimeout(row.flashTimer);
  row.flashTimer = setTimeout(() => delete row.dataset.flash, FLASH_MS);
}

function render() {
  keyed(body, [...store.symbols.values()], (symbol) => symbol.symbol, makeRow, updateRow);
}
