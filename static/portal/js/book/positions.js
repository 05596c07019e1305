// Open positions: live profit, and every way to act on one: close, a part, by another, new stops.

import { submit } from "../lib/api.js";
import { add, compare, percentOf, sub } from "../lib/decimal.js";
import { confirmed, facts, openDialog } from "../lib/dialog.js";
import { el, setAttribute, setText } from "../lib/dom.js";
import { gain, money, points, price, time, tone, volume } from "../lib/format.js";
import { cashWords, perPointOf } from "../market/moves.js";
import { attempt, told } from "../lib/outcome.js";
import { priceField, valueOf, volumeField } from "../lib/steppers.js";
import { store } from "../lib/store.js";
import { liveTable } from "../lib/table.js";

let table;
let total;
let twoSided = new Map();

const digitsOf = (row) => row.digits ?? store.digits(row.symbol);
const carried = (row) => add(row.swap ?? "0", row.fees ?? "0");

const COLUMNS = [
  { name: "symbol", label: "Symbol", node: symbolButton, sort: (row) => row.symbol },
  { name: "ticket", label: "Ticket", number: true, className: "minor", value: (row) => `#${row.ticket}`, sort: (row) => row.ticket },
  { name: "side", label: "Side", sort: (row) => row.side, value: (row) => (row.side === "buy" ? "▲ Buy" : "▼ Sell"), tone: (row) => row.side },
  { name: "volume", label: "Volume", number: true, value: (row) => store.lots(row.symbol, row.volume), sort: (row) => row.volume },
  { name: "open", label: "Open", number: true, value: (row) => price(row.open_price, digitsOf(row)), sort: (row) => row.open_price },
  { name: "now", label: "Now", number: true, value: (row) => price(row.price, digitsOf(row)) },
  { name: "sl", label: "SL", number: true, className: "minor", value: (row) => price(stopOf(row), digitsOf(row)), title2: (row) => (row.smart ? `Kept by smart order #${row.smart}` : null) },
  { name: "tp", label: "TP", number: true, className: "minor", value: (row) => price(row.tp, digitsOf(row)) },
  { name: "carry", label: "Swap+fees", number: true, className: "minor", value: (row) => money(carried(row)), sort: carried },
  { name: "opened", label: "Opened", className: "minor", value: (row) => time(row.opened_at), sort: (row) => Date.parse(row.opened_at) },
  { name: "profit", label: "Profit", number: true, value: (row) => gain(row.profit), tone: (row) => tone(row.profit), sort: (row) => row.profit },
  { name: "actions", label: "", node: actions, refresh: refreshActions },
];

function stopOf(row) {
  if (!row.smart) return row.sl;
  const plan = store.smarts.get(row.smart);
  return (plan && store.smartView(plan).effective_stop) ?? row.sl;
}

function symbolButton(row) {
  const open = el("button", { type: "button", class: "link", text: row.symbol, title: `Position #${row.ticket}: details`, on: { click: () => details(row.ticket) } });
  return el("span", { class: "with-badge" }, open, row.smart ? el("span", { class: "badge", title: `Smart order #${row.smart}`, text: "smart" }) : null);
}

function actions(row) {
  const ticket = row.ticket;
  const close = el("button", { type: "button", class: "small close", text: "Close", "aria-label": `Close position ${ticket} ${row.symbol}` });
  close.addEventListener("click", () => closeWhole(ticket, close));
  const part = el("button", { type: "button", class: "small", text: "Part", "aria-label": `Close a part of position ${ticket}`, on: { click: () => closePart(ticket) } });
  const edit = el("button", { type: "button", class: "small", text: "SL/TP", "aria-label": `Stops of position ${ticket}`, on: { click: () => editStops(ticket) } });
  const by = el("button", { type: "button", class: "small by", text: "By", title: "Close by an opposite position", "aria-label": `Close position ${ticket} by an opposite one`, on: { click: () => closeBy(ticket) } });
  const box = el("span", { class: "row-actions" }, close, part, edit, by);
  box.buttons = { edit, by };
  return box;
}

function refreshActions(box, row) {
  setAttribute(box.buttons.edit, "disabled", row.smart ? "" : null);
  setAttribute(box.buttons.edit, "title", row.smart ? `Smart order #${row.smart} keeps its exits` : null);
  box.buttons.by.hidden = twoSided.get(row.symbol) !== 2;
}

/** Return how many sides are held of each symbol. */
function sidesOf(rows) {
  const sides = new Map();
  for (const row of rows) sides.set(row.symbol, (sides.get(row.symbol) ?? new Set()).add(row.side));
  return new Map([...sides].map(([symbol, held]) => [symbol, held.size]));
}

const opposites = (row) => [...store.positions.values()].filter((other) => other.symbol === row.symbol && other.side !== row.side);

/** Build the tab. */
export function startPositions(panel, tabs) {
  table = liveTable({ name: "positions", caption: "Open positions", columns: COLUMNS, key: (row) => row.ticket, empty: "No open positions.", className: "cards positions" });
  total = el("p", { class: "total", hidden: true });
  panel.append(table.box, total);
  const render = () => {
    table.waits(store.seq === null);
    twoSided = sidesOf(store.positions.values());
    const rows = [...store.positions.values()].map((row) => store.positionView(row)).sort((a, b) => b.ticket - a.ticket);
    table.render(rows);
    tabs.count("positions", rows.length ? String(rows.length) : "");
    total.hidden = rows.length < 2;
    const sum = rows.reduce((so, row) => add(so, row.profit ?? "0") ?? so, "0");
    setText(total, `${rows.length} positions, together ${gain(store.cash(sum))} ${store.account?.currency ?? ""}`);
    total.className = `total ${tone(sum)}`;
  };
  store.on("positions live snapshot symbols smarts", render);
}

function outcomeWords(answer, ticket) {
  const last = answer.deals.at(-1);
  if (!last) return `Closing #${ticket} waits for a dealer`;
  const profit = answer.deals.reduce((so, deal) => add(so, deal.profit ?? "0") ?? so, "0");
  return `Closed ${volume(last.volume)} of #${ticket} at ${price(last.price, last.digits)}: ${gain(store.cash(profit))}`;
}

/** Close a whole position; asked for once more only where a smart order keeps it. */
export async function closeWhole(ticket, button) {
  const row = store.positions.get(ticket);
  if (!row) return;
  const act = async () => told(outcomeWords(await submit("POST", `/positions/${ticket}/close/`, { account: store.login }), ticket));
  if (!row.smart) {
    await attempt(button, act);
    return;
  }
  await confirmed({ title: `Close position #${ticket}?`, text: [`Smart order #${row.smart} keeps this position. Closing it ends the plan and cancels its levels.`], action: "Close now", act });
}

function liveLine(ticket) {
  const line = el("p", { class: "live-line" });
  let shown = false;
  const show = () => {
    if (shown && !line.isConnected) {
      stop();
      return;
    }
    shown = line.isConnected;
    const row = store.positions.get(ticket);
    if (!row) return;
    const view = store.positionView(row);
    setText(line, `${view.side === "buy" ? "Buy" : "Sell"} ${volume(view.volume)} ${view.symbol} from ${price(view.open_price, digitsOf(view))}, now ${price(view.price, digitsOf(view))}, ${gain(view.profit)}`);
    line.className = `live-line ${tone(view.profit)}`;
  };
  const stop = store.on("live positions", show);
  show();
  return line;
}

async function closePart(ticket) {
  const row = store.positions.get(ticket);
  const symbol = store.symbol(row.symbol);
  const held = { ...symbol, volume_max: row.volume };
  const field = volumeField({ label: "Volume to close, lots", symbolOf: () => held });
  const fractions = [25, 50, 75].map((percent) =>
    el("button", { type: "button", class: "small", text: `${percent} %`, on: { click: () => (field.input.value = fractionOf(row.volume, percent, symbol)) } }),
  );
  field.input.value = fractionOf(row.volume, 50, symbol);
  field.input.setAttribute("autofocus", "");
  await openDialog({
    title: `Close a part of #${ticket}`,
    content: [liveLine(ticket), field.row, el("div", { class: "chips" }, fractions)],
    action: "Close part",
    act: async () => told(outcomeWords(await submit("POST", `/positions/${ticket}/close/`, { account: store.login, volume: valueOf(field.input) ?? "" }), ticket)),
  });
}

function fractionOf(held, percent, symbol) {
  const part = percentOf(held, percent, symbol.volume_step);
  return compare(part, symbol.volume_min) < 0 ? volume(symbol.volume_min) : part;
}

async function editStops(ticket) {
  const row = store.positions.get(ticket);
  const symbolOf = () => store.symbol(row.symbol);
  const now = () => store.positionView(store.positions.get(ticket) ?? row).price ?? row.open_price;
  const sl = priceField({ label: "Stop loss", start: now, symbolOf });
  const tp = priceField({ label: "Take profit", start: now, symbolOf });
  let perPoint = null;
  sl.input.value = row.sl ? price(row.sl, digitsOf(row)) : "";
  tp.input.value = row.tp ? price(row.tp, digitsOf(row)) : "";
  sl.input.setAttribute("autofocus", "");
  const describe = () => {
    for (const field of [sl, tp]) {
      const value = valueOf(field.input);
      const away = value && points(now(), value, symbolOf().digits);
      const cash = value && cashWords({ side: row.side, from: row.open_price, to: value, digits: digitsOf(row), perPoint });
      const distance = away && `${away < 0n ? -away : away} pt ${away < 0n ? "below" : "above"} the market`;
      setText(field.note, value ? [distance, cash].filter(Boolean).join(" · ") : "none");
    }
  };
  perPointOf(row).then((value) => ((perPoint = value), describe()));
  for (const field of [sl, tp]) field.input.addEventListener("input", describe);
  describe();
  await openDialog({
    title: `Stops of #${ticket}`,
    content: [liveLine(ticket), sl.row, tp.row, el("p", { class: "hint", text: "An empty field removes the stop." })],
    action: "Save",
    act: async () => {
      await submit("PATCH", `/positions/${ticket}/`, { account: store.login, sl: valueOf(sl.input) ?? "0", tp: valueOf(tp.input) ?? "0" });
      told(`Stops of #${ticket} changed`);
    },
  });
}

async function closeBy(ticket) {
  const row = store.positions.get(ticket);
  const others = opposites(row);
  const options = others.map((other) => el("option", { value: String(other.ticket), text: `#${other.ticket} ${other.side} ${volume(other.volume)} from ${price(other.open_price, digitsOf(other))}` }));
  const pick = el("select", { "aria-label": "Opposite position", autofocus: true }, options);
  const smaller = (other) => (compare(row.volume, other.volume) <= 0 ? row.volume : other.volume);
  const note = el("p", { class: "hint" });
  const describe = () => {
    const other = others.find((one) => String(one.ticket) === pick.value);
    setText(note, `${volume(smaller(other))} lots of both close against each other at the other's open price, without the spread. ${leftWords(row, other)}`);
  };
  pick.addEventListener("change", describe);
  describe();
  await openDialog({
    title: `Close #${ticket} by an opposite position`,
    content: [liveLine(ticket), el("div", { class: "form-row" }, pick), note],
    action: "Close by",
    act: async () => {
      await submit("POST", `/positions/${ticket}/close-by/`, { account: store.login, opposite: Number(pick.value) });
      told(`#${ticket} and #${pick.value} closed against each other`);
    },
  });
}

function leftWords(row, other) {
  const left = sub(row.volume, other.volume);
  const way = compare(left, "0");
  if (way === 0) return "Nothing is left.";
  return `${volume(left).replace("-", "")} lots of #${way > 0 ? row.ticket : other.ticket} stay open.`;
}

function details(ticket) {
  const row = store.positions.get(ticket);
  if (!row) return;
  store.select(row.symbol);
  const view = store.positionView(row);
  const digits = digitsOf(view);
  openDialog({
    title: `Position #${ticket}`,
    content: [
      liveLine(ticket),
      facts([
        ["Symbol", view.symbol],
        ["Opened", time(view.opened_at)],
        ["Volume", volume(view.volume)],
        ["Opened in all", view.volume_opened && volume(view.volume_opened)],
        ["Open price", price(view.open_price, digits)],
        ["Stop loss", price(stopOf(view), digits)],
        ["Take profit", price(view.tp, digits)],
        ["Leverage", view.leverage && `1:${volume(view.leverage)}`],
        ["Swap", money(view.swap)],
        ["Fees", money(view.fees)],
        ["Realised so far", money(view.realised_profit)],
        ["Smart order", view.smart ? `#${view.smart}` : null],
        ["Comment", view.comment],
      ]),
    ],
  });
}
