// Which lines the chart draws for the selected symbol: pure, from the store to a list.

import { volume } from "./format.js";
import { isLiveSmart } from "./store.js";
import { stopWords, typeWords } from "./words.js";

const filled = (value) => value !== null && value !== undefined && value !== "" && value !== 0 && value !== "0";

function positionLines(store, lines) {
  for (const position of store.positions.values()) {
    if (position.symbol !== store.selected) continue;
    const side = position.side === "buy" ? "B" : "S";
    lines.push({ kind: "position", price: position.open_price, title: `${side} ${volume(position.volume)}`, tone: position.side === "buy" ? "up" : "down" });
    if (position.smart) continue; // its plan draws the exits
    if (filled(position.sl)) lines.push({ kind: "sl", price: position.sl, title: `SL #${position.ticket}`, tone: "down", dashed: true });
    if (filled(position.tp)) lines.push({ kind: "tp", price: position.tp, title: `TP #${position.ticket}`, tone: "up", dashed: true });
  }
}

function orderLines(store, lines) {
  for (const order of store.orders.values()) {
    if (order.symbol !== store.selected || !filled(order.price)) continue;
    lines.push({ kind: "order", price: order.price, title: `${typeWords(order.type)} ${volume(order.volume)}`, tone: "accent", dashed: true });
    if (filled(order.limit_price)) lines.push({ kind: "limit", price: order.limit_price, title: "Limit", tone: "accent", dashed: true });
    if (order.smart) continue;
    if (filled(order.sl)) lines.push({ kind: "order-sl", price: order.sl, title: "SL", tone: "down", dashed: true });
    if (filled(order.tp)) lines.push({ kind: "order-tp", price: order.tp, title: "TP", tone: "up", dashed: true });
  }
}

function smartLines(store, lines) {
  for (const row of store.smarts.values()) {
    if (row.symbol !== store.selected || !isLiveSmart(row)) continue;
    const plan = store.smartView(row);
    for (const level of plan.levels ?? []) {
      if (level.status !== "PENDING" && level.status !== "TRIGGERED") continue;
      lines.push({ kind: "level", price: level.price, title: `TP${level.number} ${volume(level.volume)}`, tone: "up", dashed: true });
    }
    const stop = plan.effective_stop ?? plan.stop_loss;
    if (filled(stop)) lines.push({ kind: "stop", price: stop, title: `Stop · ${stopWords(plan.stop_source ?? "fixed")}`, tone: "warn", dashed: true });
  }
}

function draftLines(store, lines) {
  for (const line of store.draft ?? []) if (filled(line.price)) lines.push({ ...line, kind: `draft-${line.kind}`, draft: true });
}

/** Return [{kind, price, title, tone, dashed, draft}] of the selected symbol. */
export function chartLines(store) {
  const lines = [];
  const quote = store.quote();
  if (quote) lines.push({ kind: "ask", price: quote.ask, title: "", tone: "dim", dashed: true });
  positionLines(store, lines);
  orderLines(store, lines);
  smartLines(store, lines);
  draftLines(store, lines);
  return lines;
}

