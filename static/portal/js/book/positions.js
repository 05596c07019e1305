// Open positions: live profit, and every way to act on one: close, a part, by another, new stops.

import { submit } from "../lib/api.js";
import { add, compare, percentOf, sub } from "../lib/decimal.js";
import { confirmed, facts, openDialog } from "../lib/dialog.js";
import { el, recall, setAttribute, setText } from "../lib/dom.js";
import { gain, money, points, price, time, tone, volume } from "../lib/format.js";
import { cashWords, perPointOf } from "../market/moves.js";
import { attempt, told, warned } from "../lib/outcome.js";
import { preference } from "../lib/preferences.js";
import { priceField, reading, say, setValue, valueOf, volumeField } from "../lib/steppers.js";
import { store } from "../lib/store.js";
import { Seen } from "../lib/seen.js";
import { liveTable } from "../lib/table.js";

let table;
let total;
let twoSided = new Map();

const digitsOf = (row) => row.digits ?? store.digits(row.symbol);
const carried = (row) => store.carried(row);
const netOf = (row) => store.net(row);

const COLUMNS = [
  { name: "symbol", label: "Symbol", node: symbolButton, sort: (row) => row.symbol },
  { name: "ticket", label: "Ticket", number: true, className: "minor", value: (row) => `#${row.ticket}`, sort: (row) => row.ticket },
  { name: "side", label: "Side", sort: (row) => row.side, value: (row) => (row.side === "buy" ? "▲ Buy" : "▼ Sell"), tone: (row) => row.side },
  { name: "volume", label: "Volume", number: true, value: (row) => store.lots(row.symbol, row.volume), sort: (row) => row.volume },
  { name: "open", label: "Open", number: true, value: (row) => price(row.open_price, digitsOf(row)), sort: (row) => row.open_price },
  { name: "now", label: "Now", number: true, value: (row) => price(row.price, digitsOf(row)) },
  { name: "sl", label: "SL", number: true, className: "minor", value: (row) => price(stopOf(row), digitsOf(row)), title2: (row) => (row.smart ? `Kept by smart order #${row.smart}` : null) },
  { name: "tp", label: "TP", number: true, className: "minor", value: (row) => price(row.tp, digitsOf(row)) },
  { name: "carry", label: "Swap+fees", number: true, className: "minor", value: (row) => money(carried(row)), sort: carried, title2: (row) => (row.next_swap ? `Next swap ${money(row.next_swap)}` : null) },
  { name: "opened", label: "Opened", className: "minor spare", value: (row) => time(row.opened_at), sort: (row) => Date.parse(row.opened_at) },
  { name: "profit", label: "Profit", number: true, value: (row) => gain(row.profit), tone: (row) => tone(row.profit), sort: (row) => row.profit },
  { name: "net", label: "Net", title: "Profit after swap and fees", number: true, value: (row) => gain(netOf(row)), tone: (row) => tone(netOf(row)), sort: netOf },
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
  setAttribute(box.buttons.by, "class", twoSided.get(row.symbol) === 2 ? "small by" : "small by unseen"); // its place stays
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
  const render = (topics) => {
    table.waits(store.seq === null);
    twoSided = sidesOf(store.positions.values());
    const rows = [...store.positions.values()].map((row) => store.positionView(row)).sort((a, b) => b.ticket - a.ticket);
    table.render(rows, topics.has("login"));
    tabs.count("positions", rows.length ? String(rows.length) : "");
    total.hidden = rows.length < 2;
    const sum = rows.reduce((so, row) => add(so, row.profit ?? "0") ?? so, "0");
    const net = rows.reduce((so, row) => add(so, netOf(row) ?? "0") ?? so, "0");
    setText(total, `${rows.length} positions, together ${gain(store.cash(sum))}, net ${gain(store.cash(net))} ${store.account?.currency ?? ""}`);
    total.className = `total ${tone(net)}`;
  };
  store.on("positions live snapshot symbols smarts login", render);
}

/** Return what a close did: which position, how much, at what price, and what it brought after swap and fees. */
function outcomeWords(answer, ticket) {
  const { deals, position } = answer;
  const last = deals.at(-1);
  if (!last) return `Closing #${ticket} waits for a dealer`;
  const sum = (figure) => store.cash(deals.reduce((so, deal) => add(so, figure(deal) ?? "0"), "0"));
  const lots = deals.reduce((so, deal) => add(so, deal.volume), "0");
  const what = position.status === "closed" ? "Closed" : "Closed a part of";
  const net = `net ${gain(sum((deal) => store.net(deal)))} ${store.account?.currency ?? ""}`;
  const made = `profit ${money(sum((deal) => deal.profit))}, swap ${money(sum((deal) => deal.swap))}, fees ${money(sum((deal) => deal.fees))}`;
  return `${what} #${ticket}: ${position.side} ${volume(lots)} ${position.symbol} at ${price(last.price, last.digits)}, ${net} (${made})`;
}

/** Return what bounds a close: the price that is seen, and the deviation set for the symbol on the ticket; {} where none is. */
function boundOf(row) {
  const deviation = recall(`deviation.${row.symbol}`, "");
  const seen = store.positionView(row).price;
  return /^[0-9]{1,9}$/.test(deviation) && seen ? { expected_price: seen, deviation: Number(deviation) } : {};
}

function boundWords(row) {
  const { deviation } = boundOf(row);
  return deviation === undefined ? null : el("p", { class: "hint", text: `At the price that you see or at most ${deviation} pt worse, as the ticket has it for ${row.symbol}.` });
}

/** Send a close as it is bounded; that another price is offered shows itself, and is no failure. */
async function sendClose(ticket, more = {}) {
  const row = store.positions.get(ticket);
  try {
    told(outcomeWords(await submit("POST", `/positions/${ticket}/close/`, { account: store.login, ...boundOf(row), ...more }), ticket));
  } catch (error) {
    if (!error.isOffer) throw error;
    warned(`#${ticket} is not closed: the price has moved. Another one is offered.`);
  }
}

/** Close a whole position; asked for once more where the trader wants it so, and where a smart order keeps it. */
export async function closeWhole(ticket, button) {
  const row = store.positions.get(ticket);
  if (!row) return;
  const act = () => sendClose(ticket);
  if (!row.smart && !preference("confirm_close")) {
    await attempt(button, act);
    return;
  }
  const plan = row.smart ? `Smart order #${row.smart} keeps this position. Closing it ends the plan and cancels its levels.` : null;
  await confirmed({ title: `Close position #${ticket}?`, text: [liveLine(ticket), plan, boundWords(row)].filter(Boolean), action: "Close now", act });
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
    setText(line, `${view.side === "buy" ? "Buy" : "Sell"} ${volume(view.volume)} ${view.symbol} from ${price(view.open_price, digitsOf(view))}, now ${price(view.price, digitsOf(view))}, ${gain(view.profit)}, net ${gain(netOf(view))}`);
    line.className = `live-line ${tone(netOf(view))}`;
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
  const choose = (percent) => {
    setValue(field.input, fractionOf(row.volume, percent, symbol));
    field.show();
  };
  const fractions = [25, 50, 75].map((percent) => el("button", { type: "button", class: "small", text: `${percent} %`, on: { click: () => choose(percent) } }));
  field.input.setAttribute("autofocus", "");
  await openDialog({
    title: `Close a part of #${ticket}`,
    content: [liveLine(ticket), field.row, el("div", { class: "chips" }, fractions), ...[boundWords(row)].filter(Boolean)],
    action: "Close part",
    lacks: () => (valueOf(field.input) === undefined ? "Type or choose how much." : ""),
    act: () => sendClose(ticket, { volume: valueOf(field.input) }),
  });
}

function fractionOf(held, percent, symbol) {
  const part = percentOf(held, percent, symbol.volume_step);
  return compare(part, symbol.volume_min) < 0 ? volume(symbol.volume_min) : part;
}

async function editStops(ticket) {
  const row = { ...store.positions.get(ticket) }; // as it was seen when the dialog was opened
  const symbolOf = () => store.symbol(row.symbol);
  const now = () => store.positionView(store.positions.get(ticket) ?? row).price ?? row.open_price;
  const sl = priceField({ label: "Stop loss", start: now, symbolOf });
  const tp = priceField({ label: "Take profit", start: now, symbolOf });
  const seen = new Seen({ row, names: ["sl", "tp"], fields: { sl, tp }, digits: digitsOf(row) });
  let perPoint = null;
  sl.input.setAttribute("autofocus", "");
  const describe = () => {
    for (const field of [sl, tp]) {
      const { value } = reading(field.input);
      const away = value && points(now(), value, symbolOf().digits);
      const cash = value && cashWords({ side: row.side, from: row.open_price, to: value, digits: digitsOf(row), perPoint });
      const distance = away && `${away < 0n ? -away : away} pt ${away < 0n ? "below" : "above"} the market`;
      say(field, value ? [distance, cash].filter(Boolean).join(" · ") : "none");
    }
  };
  perPointOf(row).then((value) => ((perPoint = value), describe()));
  for (const field of [sl, tp]) field.input.addEventListener("input", describe);
  describe();
  await openDialog({
    title: `Stops of #${ticket}`,
    content: [liveLine(ticket), sl.row, tp.row, el("p", { class: "hint", text: "A stop that you empty is removed; one that you leave alone stays." })],
    action: "Save",
    lacks: () => seen.lacks(),
    act: async () => {
      await seen.send((body) => submit("PATCH", `/positions/${ticket}/`, { account: store.login, ...body }), describe);
      told(`Stops of #${ticket} changed`);
    },
  });
}

async function closeBy(ticket) {
  const row = store.positions.get(ticket);
  const others = opposites(row);
  const options = others.map((other) => el("option", { value: String(other.ticket), text: `#${other.ticket} ${other.side} ${volume(other.volume)} from ${price(other.open_price, digitsOf(other))}` }));
  const pick = el("select", { "aria-label": "Opposite position", autofocus: true }, el("option", { value: "", text: "Choose a position" }), options);
  const smaller = (other) => (compare(row.volume, other.volume) <= 0 ? row.volume : other.volume);
  const note = el("p", { class: "hint" });
  const describe = () => {
    const other = others.find((one) => String(one.ticket) === pick.value);
    if (!other) setText(note, "Both close against each other at the other's open price, without the spread.");
    else setText(note, `${volume(smaller(other))} lots of both close against each other at the other's open price, without the spread. ${leftWords(row, other)}`);
  };
  pick.addEventListener("change", describe);
  describe();
  await openDialog({
    title: `Close #${ticket} by an opposite position`,
    content: [liveLine(ticket), el("div", { class: "form-row" }, pick), note],
    action: "Close by",
    lacks: () => (pick.value ? "" : "Choose the opposite position."),
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
        ["Next swap", view.next_swap && money(view.next_swap)],
        ["Fees", money(view.fees)],
        ["Net", gain(netOf(view))],
        ["Realised so far", money(view.realised_profit)],
        ["Smart order", view.smart ? `#${view.smart}` : null],
        ["Comment", view.comment],
      ]),
    ],
  });
}
