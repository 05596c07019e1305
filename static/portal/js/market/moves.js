// What moving a line of the chart does: the same requests as the dialogs send, done at once and told with an Undo.
// A refusal is told with its code, and the line is where the server has it.

import { ask, submit } from "../lib/api.js";
import { abs, mul, round } from "../lib/decimal.js";
import { gain, money, points, price } from "../lib/format.js";
import { failedBy, told } from "../lib/outcome.js";
import { store } from "../lib/store.js";

const NAMES = { sl: "Stop loss", tp: "Take profit", price: "Price", limit_price: "Limit price" };

/** Return the move with what it would set at a price: an open position's own line becomes a stop or a target. */
export function aimed(move, to) {
  if (move.what !== "exit") return move;
  const away = points(move.from, to, store.digits(move.symbol));
  return { ...move, what: away > 0n === (move.side === "buy") ? "tp" : "sl" };
}

/** Return what a line would be called while it is dragged; `perPoint` is the value of a point, null where unknown. */
export function dragWords(move, to, perPoint) {
  const { what } = aimed(move, to);
  const digits = store.digits(move.symbol ?? store.selected);
  if (what === "draft") return move.title;
  if (what === "price" || what === "limit_price") {
    const quote = store.quotes.get(move.symbol);
    const away = quote && points(move.side === "buy" ? quote.ask : quote.bid, to, digits);
    return `${NAMES[what]}${away === null || away === undefined ? "" : ` ${signed(away)} pt`}`;
  }
  const name = what === "level" ? `TP${move.level}` : what === "stop" ? "Stop" : what.toUpperCase();
  const away = move.from ? points(move.from, to, digits) : null;
  if (away === null) return name;
  const gained = move.side === "buy" ? away : -away;
  if (!perPoint) return `${name} ${signed(gained)} pt`;
  const cash = round(mul(String(gained), perPoint), store.account?.digits ?? 2);
  return `${name} ≈ ${gained < 0n ? "−" : "+"}${money(abs(cash))} ${store.account?.currency ?? ""}`;
}

const signed = (count) => `${count < 0n ? "−" : "+"}${count < 0n ? -count : count}`;

/** Return the value of a point of what a move is about, null where the server cannot tell. */
export async function perPointOf(move) {
  if (!move.volume) return null;
  try {
    const found = await ask("/margin-preview/", { account: store.login, symbol: move.symbol, side: move.side, volume: move.volume });
    return found.value_per_point;
  } catch (error) {
    console.warn(`no value of a point: ${error.message}`);
    return null;
  }
}

/** Return about what closing at a price would bring, in words; "" where it cannot be told. */
export function cashWords({ side, from, to, digits, perPoint }) {
  const away = perPoint && from && to ? points(from, to, digits) : null;
  if (away === null) return "";
  return `≈ ${gain(store.cash(mul(String(side === "buy" ? away : -away), perPoint)))} ${store.account?.currency ?? ""}`;
}

/** Set what a dragged line stands for; resolve when the server has answered. */
export async function moveLine(move, to) {
  try {
    const aim = aimed(move, to);
    if (aim.what === "draft") aim.put(to);
    else if (aim.smart) await moveInPlan(aim, to);
    else if (aim.order) await moveOrder(aim, to);
    else await moveStop(aim, to);
  } catch (error) {
    failedBy(error);
  }
}

/** Send a change, tell it, and offer to take it back. */
async function changed(words, to, before, send) {
  await send(to, before);
  const undo = async () => {
    await send(before, to);
    told(`${words} is back where it was`);
  };
  told(`${words} moved to ${to}`, { action: "Undo", act: undo });
}

function moveStop({ ticket, what, symbol }, to) {
  const account = store.login;
  const before = store.positions.get(ticket)?.[what];
  const send = (value, was) => submit("PATCH", `/positions/${ticket}/`, { account, [what]: value, seen: { [what]: was } });
  return changed(`${NAMES[what]} of #${ticket}`, to, before ? price(before, store.digits(symbol)) : "0", send);
}

function moveOrder({ order, what, symbol }, to) {
  const account = store.login;
  const before = store.orders.get(order)?.[what];
  const send = (value, was) => submit("PATCH", `/orders/${order}/`, { account, [what]: value, seen: { [what]: was } });
  return changed(`${NAMES[what]} of order #${order}`, to, before ? price(before, store.digits(symbol)) : "0", send);
}

function moveInPlan({ smart, what, level }, to) {
  const account = store.login;
  let plan = store.smarts.get(smart); // as it was seen: a plan that changed meanwhile is not moved
  const before = what === "stop" ? plan.stop_loss : plan.levels.find((one) => one.number === level).price;
  const send = async (value) => {
    const open = plan.levels.filter((one) => one.status === "PENDING" || one.status === "TRIGGERED");
    const change = what === "stop" ? { stop_loss: value ?? "0" } : { levels: open.map((one) => ({ price: one.number === level ? value : one.price, percent: one.percent })) };
    const answer = await submit("PATCH", `/smart-orders/${smart}/`, { account, version: plan.version, ...change });
    const { timeline: _, ...row } = answer;
    plan = row;
    if (account !== store.login) return;
    store.smarts.set(smart, row);
    store.changed("smarts");
  };
  return changed(`${what === "stop" ? "Stop" : `Level ${level}`} of plan #${smart}`, to, before, send);
}
