// Waiting orders: see how far the market is, change, cancel. Dealer requests that wait are shown with them.

import { submit } from "../lib/api.js";
import { confirmed, openDialog } from "../lib/dialog.js";
import { el, setAttribute, setText } from "../lib/dom.js";
import { points, price, time, volume } from "../lib/format.js";
import { cashWords, perPointOf } from "../market/moves.js";
import { told } from "../lib/outcome.js";
import { priceField, reading, say } from "../lib/steppers.js";
import { store } from "../lib/store.js";
import { Seen } from "../lib/seen.js";
import { liveTable } from "../lib/table.js";
import { sideOf } from "../lib/order_types.js";
import { plainWords, typeWords } from "../lib/words.js";

const digitsOf = (row) => row.digits ?? store.digits(row.symbol);

const COLUMNS = [
  { name: "symbol", label: "Symbol", node: (row) => el("button", { type: "button", class: "link", text: row.symbol, on: { click: () => store.select(row.symbol) } }), sort: (row) => row.symbol },
  { name: "ticket", label: "Ticket", number: true, className: "minor", value: (row) => `#${row.ticket}`, sort: (row) => row.ticket },
  { name: "type", label: "Type", value: (row) => `${sideOf(row.type) === "buy" ? "▲" : "▼"} ${typeWords(row.type)}`, tone: (row) => sideOf(row.type), sort: (row) => typeWords(row.type) },
  { name: "volume", label: "Volume", number: true, value: (row) => store.lots(row.symbol, row.volume), sort: (row) => row.volume },
  { name: "price", label: "Price", number: true, value: (row) => price(row.price, digitsOf(row)), sort: (row) => row.price },
  { name: "limit", label: "Limit", number: true, className: "minor", value: (row) => price(row.limit_price, digitsOf(row)) },
  { name: "current", label: "Current", title: "The price of its side now: the ask of a buy, the bid of a sell", number: true, value: (row) => price(market(row), digitsOf(row)) },
  { name: "away", label: "Away, pt", title: "Distance to the market in points", number: true, value: away, sort: away },
  { name: "sl", label: "SL", number: true, className: "minor", value: (row) => price(row.sl, digitsOf(row)) },
  { name: "tp", label: "TP", number: true, className: "minor", value: (row) => price(row.tp, digitsOf(row)) },
  { name: "expires", label: "Expires", className: "minor", value: expiry },
  { name: "placed", label: "Placed", className: "minor", value: (row) => time(row.created_at), sort: (row) => Date.parse(row.created_at) },
  { name: "state", label: "State", value: (row) => (row.request ? "Waits for dealer" : row.smart ? `Entry of plan #${row.smart}` : "Waiting") },
  { name: "actions", label: "", node: actions, refresh: refreshActions },
];

function market(row) {
  const quote = store.quotes.get(row.symbol);
  if (!quote) return row.market_price ?? null;
  return sideOf(row.type) === "buy" ? quote.ask : quote.bid;
}

function away(row) {
  const now = market(row);
  if (now === null || !row.price) return "–";
  const distance = points(now, row.price, digitsOf(row));
  return distance === null ? "–" : String(distance < 0n ? -distance : distance);
}

function expiry(row) {
  if (row.expires === "gtc" || !row.expires) return "Until cancelled";
  return row.expires === "day" ? "Today" : time(row.expires);
}

function actions(row) {
  const edit = el("button", { type: "button", class: "small", text: "Modify", "aria-label": `Modify order ${row.ticket}`, on: { click: () => modify(row.ticket) } });
  const cancel = el("button", { type: "button", class: "small close", text: "Cancel", "aria-label": `Cancel order ${row.ticket}`, on: { click: () => cancelOrder(row.ticket) } });
  const box = el("span", { class: "row-actions" }, edit, cancel);
  box.edit = edit;
  return box;
}

function refreshActions(box, row) {
  setAttribute(box.edit, "disabled", row.smart || row.request || row.price === null ? "" : null);
}

/** Build the tab. */
export function startOrders(panel, tabs) {
  const table = liveTable({ name: "orders", caption: "Pending orders", columns: COLUMNS, key: (row) => row.ticket, empty: "No pending orders.", className: "cards orders" });
  const queue = el("p", { class: "hint queue", hidden: true });
  panel.append(table.box, queue); // below: what comes and goes there moves no row
  store.on("orders quotes snapshot login", (topics) => {
    table.waits(store.seq === null);
    const rows = [...store.orders.values()].sort((a, b) => b.ticket - a.ticket);
    table.render(rows, topics.has("login"));
    tabs.count("orders", rows.length ? String(rows.length) : "");
  });
  store.on("requests", () => {
    const waiting = [...store.requests.values()].map((row) => `${plainWords(row.kind)} ${volume(row.volume)} ${row.symbol}`);
    queue.hidden = waiting.length === 0;
    setText(queue, `Waiting for a dealer: ${waiting.join(", ")}`);
  });
}

async function cancelOrder(ticket) {
  const row = store.orders.get(ticket);
  if (!row) return;
  await confirmed({
    title: `Cancel order #${ticket}?`,
    text: `${typeWords(row.type)} ${volume(row.volume)} ${row.symbol} at ${price(row.price, digitsOf(row))}`,
    action: "Cancel order",
    act: async () => {
      await submit("DELETE", `/orders/${ticket}/`, undefined, { account: store.login });
      told(`Order #${ticket} cancelled`);
    },
  });
}

const NAMES = { price: "Price", limit_price: "Limit price", sl: "Stop loss", tp: "Take profit" };

async function modify(ticket) {
  const row = { ...store.orders.get(ticket) }; // as it was seen when the dialog was opened
  const digits = digitsOf(row);
  const names = Object.keys(NAMES).filter((name) => name !== "limit_price" || row.limit_price);
  const fields = Object.fromEntries(names.map((name) => [name, priceField({ label: NAMES[name], start: () => row.price, symbolOf: () => store.symbol(row.symbol) })]));
  const seen = new Seen({ row, names, fields, digits });
  fields.price.input.setAttribute("autofocus", "");
  const describe = describer(row, fields);
  await openDialog({
    title: `Modify ${typeWords(row.type).toLowerCase()} #${ticket}`,
    content: [...Object.values(fields).map((one) => one.row), el("p", { class: "hint", text: `Expires: ${expiry(row).toLowerCase()}. A stop that you empty is removed; what you leave alone stays.` })],
    action: "Save",
    lacks: () => (reading(fields.price.input).empty || (fields.limit_price && reading(fields.limit_price.input).empty) ? "An order needs its price." : seen.lacks()),
    act: async () => {
      await seen.send((body) => submit("PATCH", `/orders/${ticket}/`, { account: store.login, ...body }), describe);
      told(`Order #${ticket} changed`);
    },
  });
}

/** Return what says beside each field of an order how far it lies and what it would bring. */
function describer(row, fields) {
  const digits = digitsOf(row);
  const side = sideOf(row.type);
  let perPoint = null;
  const describe = () => {
    const near = market(row);
    const entry = reading((fields.limit_price ?? fields.price).input).value;
    for (const [name, field] of Object.entries(fields)) {
      const { value } = reading(field.input);
      const isExit = name === "sl" || name === "tp";
      const from = isExit ? entry : near;
      const apart = value && from ? points(from, value, digits) : null;
      const distance = apart === null ? null : `${apart < 0n ? -apart : apart} pt ${apart < 0n ? "below" : "above"} ${isExit ? "the entry" : "the market"}`;
      const cash = isExit && value ? cashWords({ side, from: entry, to: value, digits, perPoint }) : null;
      say(field, value ? [distance, cash].filter(Boolean).join(" · ") : isExit ? "none" : "");
    }
  };
  for (const one of Object.values(fields)) one.input.addEventListener("input", describe);
  perPointOf({ symbol: row.symbol, side, volume: row.volume }).then((value) => ((perPoint = value), describe()));
  describe();
  return describe;
}
