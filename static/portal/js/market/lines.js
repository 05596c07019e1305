// Which lines the chart draws for the selected symbol, and what moving one would change: pure, from the store to a
// list. Where an account holds more than can be read, positions become one line a side and far lines lose their names.

import { add, div, mul, sub } from "../lib/decimal.js";
import { volume } from "../lib/format.js";
import { isLiveSmart } from "../lib/store.js";
import { sideOf } from "../lib/order_types.js";
import { stopWords, typeWords } from "../lib/words.js";

const SINGLE_POSITIONS = 6;
const NAMED = 14;
const MOST = 80;

const filled = (value) => value !== null && value !== undefined && value !== "" && value !== 0 && value !== "0";

function positionLines(store, lines) {
  const held = [...store.positions.values()].filter((position) => position.symbol === store.selected);
  if (held.length > SINGLE_POSITIONS) for (const side of ["buy", "sell"]) pushTogether(held.filter((row) => row.side === side), side, lines);
  for (const position of held) {
    const { ticket, symbol, side } = position;
    const base = { ticket, symbol, side, volume: position.volume, from: position.open_price };
    const tone = side === "buy" ? "up" : "down";
    if (held.length <= SINGLE_POSITIONS) {
      const move = position.smart ? null : { ...base, what: "exit" };
      lines.push({ kind: "position", price: position.open_price, title: `${side === "buy" ? "B" : "S"} ${volume(position.volume)}`, tone, move });
    }
    if (position.smart) continue; // its plan draws the exits
    if (filled(position.sl)) lines.push({ kind: "sl", price: position.sl, title: `SL #${ticket}`, tone: "down", dashed: true, move: { ...base, what: "sl" } });
    if (filled(position.tp)) lines.push({ kind: "tp", price: position.tp, title: `TP #${ticket}`, tone: "up", dashed: true, move: { ...base, what: "tp" } });
  }
}

/** Add one line for all positions of a side, at their average price. */
function pushTogether(rows, side, lines) {
  if (!rows.length) return;
  const lots = rows.reduce((so, row) => add(so, row.volume), "0");
  const worth = rows.reduce((so, row) => add(so, mul(row.volume, row.open_price)), "0");
  lines.push({ kind: "positions", price: div(worth, lots, 8), title: `${rows.length} × ${side === "buy" ? "B" : "S"}, ${volume(lots)}`, tone: side === "buy" ? "up" : "down" });
}

function orderLines(store, lines) {
  for (const order of store.orders.values()) {
    if (order.symbol !== store.selected || !filled(order.price)) continue;
    const side = sideOf(order.type);
    const base = order.request || order.smart ? null : { order: order.ticket, symbol: order.symbol, side, volume: order.volume, from: filled(order.limit_price) ? order.limit_price : order.price };
    const put = (kind, what, title, tone) => lines.push({ kind, price: order[what], title, tone, dashed: true, move: base && { ...base, what } });
    put("order", "price", `${typeWords(order.type)} ${volume(order.volume)}`, "accent");
    if (filled(order.limit_price)) put("limit", "limit_price", "Limit", "accent");
    if (order.smart) continue;
    if (filled(order.sl)) put("order-sl", "sl", "SL", "down");
    if (filled(order.tp)) put("order-tp", "tp", "TP", "up");
  }
}

function smartLines(store, lines) {
  for (const row of store.smarts.values()) {
    if (row.symbol !== store.selected || !isLiveSmart(row)) continue;
    const plan = store.smartView(row);
    const base = { smart: plan.id, symbol: plan.symbol, side: plan.side, from: plan.entry_price };
    for (const level of plan.levels ?? []) {
      if (level.status !== "PENDING" && level.status !== "TRIGGERED") continue;
      const move = level.status === "PENDING" ? { ...base, what: "level", level: level.number, volume: level.volume } : null;
      lines.push({ kind: "level", price: level.price, title: `TP${level.number} ${volume(level.volume)}`, tone: "up", dashed: true, move });
    }
    const stop = plan.effective_stop ?? plan.stop_loss;
    const source = plan.stop_source ?? "fixed";
    // A stop that the server moves is not the trader's to drag; the fixed one beneath it is in the dialog.
    const move = source === "fixed" ? { ...base, what: "stop", volume: plan.remaining } : null;
    if (filled(stop)) lines.push({ kind: "stop", price: stop, title: `Stop · ${stopWords(source)}`, tone: "warn", dashed: true, move });
  }
}

function draftLines(store, lines) {
  for (const { put, ...line } of store.draft ?? []) {
    if (filled(line.price)) lines.push({ ...line, kind: `draft-${line.kind}`, draft: true, move: put ? { what: "draft", title: line.title, put } : null });
  }
}

/** Return the lines with names on those nearest to the market only, where there are too many to read. */
function readable(lines, market) {
  const away = (line) => (line.draft ? -1 : Math.abs(Number(sub(line.price, market) ?? 0)));
  const near = [...lines].sort((a, b) => away(a) - away(b));
  const kept = new Set(near.slice(0, MOST));
  const named = new Set(near.slice(0, NAMED));
  return lines.filter((line) => kept.has(line)).map((line) => (named.has(line) ? line : { ...line, title: "", unnamed: true }));
}

/** Return [{kind, price, title, tone, dashed, draft, unnamed, move}] of the selected symbol. */
export function chartLines(store) {
  const lines = [];
  const quote = store.quote();
  positionLines(store, lines);
  orderLines(store, lines);
  smartLines(store, lines);
  draftLines(store, lines);
  const shown = quote && lines.length > NAMED ? readable(lines, quote.bid) : lines;
  if (quote) shown.unshift({ kind: "ask", price: quote.ask, title: "", tone: "dim", dashed: true, unnamed: true });
  return shown;
}
