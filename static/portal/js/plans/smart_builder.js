// The builder of a smart order: an entry, take-profit levels as rows, stops; what it would bring and risk is told
// by the server while it is typed, and drawn on the chart. No side and no position is chosen before somebody did, and
// what was chosen and is gone leaves an empty choice: nothing else comes in its place.

import { ApiError, ask, submit } from "../lib/api.js";
import { compare, mul, parse, stepped, text, units } from "../lib/decimal.js";
import { debounced, el, freshId, recall, remember, setAttribute, setText } from "../lib/dom.js";
import { gain, money, price, tone, volume } from "../lib/format.js";
import { kindsOf, rowOfEntry } from "../lib/order_types.js";
import { attempt, failedBy, told } from "../lib/outcome.js";
import { LevelRows } from "./smart_levels.js";
import { numberField, priceField, reading, say, setValue, unread, valueOf, volumeField } from "../lib/steppers.js";
import { store } from "../lib/store.js";
import { errorLine } from "../lib/words.js";

const REFRESH_MS = 6_000;

let form;
let parts;
let levels;
let side = null; // nobody has chosen one: there is no plan to start
let laidFor = null; // the side that the levels and the stop lie on
let entry = "market";
let asking = null;
let previewed = ""; // the plan whose figures are shown
let shownFor = null; // the account and symbol whose plan stands in the fields
const kept = new Map(); // plans that were typed for another account and symbol, and left

/** Build the form inside its tab. */
export function startBuilder(panel) {
  levels = new LevelRows({ symbolOf: () => store.symbol(), sideOf: shownSide, entryOf: entryPrice, onChange: changed });
  parts = makeParts();
  const trail = el("fieldset", { class: "pair" }, el("legend", { text: "Trailing stop" }), parts.callback.row, parts.activation.row);
  form = el(
    "form",
    { class: "ticket smart-builder", novalidate: true, "aria-label": "Smart order" },
    parts.notice,
    el("div", { class: "segmented wide", role: "group", "aria-label": "Side" }, parts.sell, parts.buy),
    el("div", { class: "pair" }, parts.entryRow, parts.volume.row),
    parts.price.row,
    parts.positionRow,
    el("fieldset", {}, el("legend", { text: "Take profits" }), levels.box),
    parts.stop.row,
    trail,
    el("div", { class: "even-row" }, el("label", { class: "check" }, parts.even, " Break-even after level 1"), parts.offset.row),
    el("div", { class: "ticket-end" }, parts.summary, parts.problem, parts.why, parts.submit),
  );
  panel.append(form);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    start();
  });
  form.addEventListener("input", changed);
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.target.tagName !== "INPUT") return;
    event.preventDefault(); // Enter in a field starts nothing
    if (event.ctrlKey) start();
  });
  store.on("selected login", changeOver);
  store.on("account connection", showArming);
  store.on("quotes", showArming);
  store.on("positions selected", showPositions);
  setInterval(() => !document.hidden && form.offsetParent && askPreview(), REFRESH_MS);
}

function makeParts() {
  const sideButton = (name, label) => el("button", { type: "button", class: name, data: { side: name }, text: label, on: { click: () => setSide(name) } });
  const entries = [...kindsOf("buy").filter((row) => row.entry).map((row) => [row.entry, row.kind_label]), ["position", "Open position"]];
  const entryPick = el("select", { id: freshId("entry") }, ...entries.map(([value, label]) => el("option", { value, text: label })));
  entryPick.addEventListener("change", () => setEntry(entryPick.value));
  const position = el("select", { id: freshId("position") });
  position.addEventListener("change", adoptPosition);
  const even = el("input", { type: "checkbox" });
  return {
    notice: el("p", { class: "notice", role: "note", hidden: true }),
    sell: sideButton("sell", "Sell"),
    buy: sideButton("buy", "Buy"),
    entryPick,
    entryRow: el("div", { class: "form-row" }, el("label", { for: entryPick.id, text: "Entry" }), entryPick),
    position,
    positionRow: el("div", { class: "form-row", hidden: true }, el("label", { for: position.id, text: "Position" }), position),
    volume: volumeField({ label: "Volume, lots" }),
    price: priceField({ label: "Entry price", start: market }),
    stop: priceField({ label: "Stop loss", start: stopStart, name: "stop" }),
    callback: numberField({ label: "Callback, %", placeholder: "off", title: "The stop follows the best price at this distance" }),
    activation: priceField({ label: "Starts at", start: entryPrice, name: "activation" }),
    even,
    offset: numberField({ label: "Offset, pt", whole: true, placeholder: "0", title: "Points beyond the entry, in the direction of profit" }),
    summary: el("dl", { class: "facts preview", "aria-label": "What the plan would bring" }),
    problem: el("p", { class: "form-error", role: "alert", hidden: true }),
    why: el("p", { class: "hint ticket-why", role: "status" }),
    submit: el("button", { type: "submit", class: "confirm", "aria-disabled": "true" }),
  };
}

// Before a side is chosen a level that is added lies as that of a buy would: something to type over, nothing to send.
const shownSide = () => side ?? "buy";

function market() {
  const quote = store.quote();
  return quote && (shownSide() === "buy" ? quote.ask : quote.bid);
}

/** Return whether an entry waits for a price of its own. */
const hasPrice = (name) => rowOfEntry(name)?.is_market === false;

function entryPrice() {
  if (entry === "position") return store.positions.get(Number(parts.position.value))?.open_price;
  if (hasPrice(entry)) return reading(parts.price.input).value ?? market();
  return market();
}

/** Return a first stop 0.5 % behind the entry. */
function stopStart() {
  const symbol = store.symbol();
  const from = entryPrice();
  if (!symbol || !from || !parse(from)) return null;
  const base = units(from, symbol.digits);
  const away = base / 200n || 1n;
  return text(shownSide() === "buy" ? base - away : base + away, symbol.digits);
}

/** Choose the side by a key; a plan for a position has its side already. */
export function pickSide(name) {
  if (entry !== "position") setSide(name);
}

/** Choose the side, null for none; an empty builder gets a first plan, one of the other side begins again. */
function setSide(name) {
  if (name === side) return;
  side = name;
  if (name && laidFor && laidFor !== name) {
    // Levels of the other side lie on the wrong side of the market: begin again with as many.
    const shares = levels.values().map((level) => level.percent);
    levels.clear();
    shares.forEach((percent) => levels.add(undefined, percent));
    setValue(parts.stop.input, "");
  }
  laidFor = name ?? laidFor;
  suggestPlan();
  changed();
}

function setEntry(name) {
  const wasPosition = entry === "position";
  entry = name;
  parts.entryPick.value = name;
  parts.price.row.hidden = !hasPrice(name);
  parts.positionRow.hidden = name !== "position";
  for (const control of [parts.sell, parts.buy, parts.volume.input]) control.disabled = name === "position";
  if (name === "position") {
    parts.position.value = "";
    showPositions();
    adoptPosition();
  } else if (wasPosition) setSide(null); // that side was the position's
  changed();
}

const isFree = (row) => row.symbol === store.selected && !row.smart;

/** Renew the choice of positions; one that was chosen and is gone leaves none chosen, and no other plan. */
function showPositions() {
  const free = [...store.positions.values()].filter(isFree);
  const chosen = parts.position.value;
  const nothing = el("option", { value: "", text: free.length ? "Choose a position" : "No position without a plan" });
  parts.position.replaceChildren(nothing, ...free.map((row) => el("option", { value: String(row.ticket), text: `#${row.ticket} ${row.side} ${volume(row.volume)} from ${price(row.open_price, store.digits(row.symbol))}` })));
  const stays = free.some((row) => String(row.ticket) === chosen);
  parts.position.value = stays ? chosen : "";
  parts.entryPick.querySelector('[value="position"]').disabled = free.length === 0 && entry !== "position";
  if (entry === "position") adoptPosition();
}

function adoptPosition() {
  const row = store.positions.get(Number(parts.position.value));
  if (row) setValue(parts.volume.input, volume(row.volume));
  setSide(row?.side ?? null);
  changed();
}

const typed = () => [parts.price, parts.stop, parts.callback, parts.activation, parts.offset].map((field) => field.input);

/** Put the plan of another symbol or account away as it was typed, and take out what was typed for this one before. */
function changeOver() {
  const symbol = store.symbol();
  const now = symbol ? `${store.login} ${symbol.symbol}` : null;
  if (!now || now === shownFor) return;
  if (shownFor) keep(shownFor);
  shownFor = now;
  const plan = kept.get(now);
  setValue(parts.volume.input, plan?.volume ?? recall(`plan.${symbol.symbol}`, usualVolume(symbol)));
  typed().forEach((input, index) => setValue(input, plan?.typed[index] ?? ""));
  beginAgain();
  if (plan) takeOut(plan);
}

function keep(name) {
  const plan = {
    entry,
    side,
    laidFor,
    position: parts.position.value,
    volume: parts.volume.input.value,
    even: parts.even.checked,
    typed: typed().map((input) => input.value),
    levels: levels.rows.map((row) => [row.price.value, row.percent.value]),
  };
  if (side || plan.levels.length || plan.typed.some(Boolean) || entry === "position") kept.set(name, plan);
  else kept.delete(name);
}

/** Lay out a plan that was kept; its position may be gone meanwhile, and then none is chosen. */
function takeOut(plan) {
  setEntry(plan.entry);
  if (plan.entry === "position") {
    showPositions();
    parts.position.value = [...parts.position.options].some((one) => one.value === plan.position) ? plan.position : "";
    side = store.positions.get(Number(parts.position.value))?.side ?? null;
  } else side = plan.side;
  laidFor = plan.laidFor;
  setValue(parts.volume.input, plan.volume);
  parts.even.checked = plan.even;
  levels.clear();
  for (const [at, percent] of plan.levels) levels.add(at, percent);
  changed();
}

/** Empty the builder: no side, no levels, an entry at the market. */
function beginAgain() {
  setEntry("market");
  side = null;
  laidFor = null;
  levels.clear();
  parts.summary.replaceChildren();
  changed();
}

/** Return ten times the smallest volume, so that levels have something to share. */
function usualVolume(symbol) {
  return stepped("0", mul(symbol.volume_min, "10"), 1, symbol.volume_min, symbol.volume_max);
}

/** Give an empty builder three levels and a stop, once there are a side and a price to put them around. */
export function suggestPlan() {
  if (!side || levels.rows.length || !market()) return;
  for (const percent of ["40", "35", "25"]) levels.add(undefined, percent);
  setValue(parts.stop.input, stopStart());
  parts.even.checked = true;
  changed();
}

function showTier() {
  const tier = store.account?.tier;
  const low = tier === "FREE";
  parts.notice.hidden = !low;
  setText(parts.notice, low ? `Smart orders need the tier PRO or above; account ${store.login} is ${tier}. You can plan here and see the figures; to start plans, ask your broker for an upgrade. [subscription_required]` : "");
}

/** Return what keeps this plan from being started, "" where nothing does. */
function missing() {
  if (store.account?.tier === "FREE") return "Smart orders need the tier PRO or above.";
  if (store.connection !== "live") return "The connection is gone: nothing can be sent.";
  const stale = store.staleWords();
  if (stale) return stale;
  if (entry === "position" && !parts.position.value) return "Choose a position, or another entry.";
  if (!side) return "Choose Sell or Buy.";
  const wrong = unread(form);
  if (wrong) return wrong.short;
  const has = (field) => !reading(field.input).empty;
  if (!has(parts.callback) && has(parts.activation)) return "Starts at belongs to a trailing stop: type its callback too, or empty it.";
  if (!parts.even.checked && has(parts.offset)) return "The offset belongs to break-even: switch that on, or empty it.";
  const body = planBody();
  if (!complete(body)) return "A plan needs a volume, and a level, a stop loss or a trailing stop.";
  return previewed === JSON.stringify(body) ? "" : "What it would bring is being counted …";
}

function showArming() {
  if (!form) return;
  showTier();
  const words = missing();
  setAttribute(parts.submit, "aria-disabled", words ? "true" : null);
  parts.submit.disabled = store.account?.tier === "FREE";
  setText(parts.why, words);
}

function changed() {
  if (!form) return;
  parts.problem.hidden = true;
  for (const button of [parts.sell, parts.buy]) setAttribute(button, "aria-pressed", String(button.dataset.side === side));
  setText(parts.submit, `${side ? `Start plan: ${side}` : "Choose a side:"} ${valueOf(parts.volume.input) ?? "?"} ${store.selected ?? ""}`);
  parts.submit.className = `confirm ${side ?? ""}`;
  parts.volume.show();
  for (const field of [parts.price, parts.stop, parts.callback, parts.activation, parts.offset]) say(field);
  showArming();
  publishDraft();
  askPreviewSoon();
}

/** Draw the plan that is being built on the chart. */
export function publishDraft() {
  if (!form?.offsetParent) return;
  const draft = levels.values().map((level, index) => ({ kind: "level", price: level.price, title: `TP${index + 1} ${level.percent} %`, tone: "up", put: (to) => levels.put(index, to) }));
  const put = (kind, input, title, colour) => draft.push({ kind, price: valueOf(input), title, tone: colour, put: (to) => (setValue(input, to), changed()) });
  if (hasPrice(entry)) put("entry", parts.price.input, "Entry", "accent");
  put("stop", parts.stop.input, "Stop", "warn");
  put("activation", parts.activation.input, "Trailing starts", "dim");
  store.setDraft(draft.filter((line) => line.price && parse(line.price)));
}

function planBody() {
  const body = {
    account: store.login,
    symbol: store.selected,
    side,
    volume: valueOf(parts.volume.input) ?? "",
    entry: { type: entry },
    take_profits: levels.values(),
  };
  if (hasPrice(entry)) body.entry.price = valueOf(parts.price.input) ?? "";
  if (entry === "position") body.entry.position = Number(parts.position.value);
  const stop = valueOf(parts.stop.input);
  if (stop !== undefined) body.stop_loss = stop;
  const callback = valueOf(parts.callback.input);
  if (callback !== undefined) {
    body.trailing = { callback };
    const activation = valueOf(parts.activation.input);
    if (activation !== undefined) body.trailing.activation = activation;
  }
  if (parts.even.checked) {
    const offset = Number(reading(parts.offset.input).value ?? 0);
    body.break_even = offset ? { offset } : true;
  }
  return body;
}

/** Return whether a plan has an exit and no number that is still being typed; else it is not asked about. */
function complete(body) {
  if (!body.side || body.entry.position === 0) return false;
  if (!body.take_profits.length && !body.stop_loss && !body.trailing) return false;
  const numbers = [body.volume, ...body.take_profits.flatMap((level) => [level.price, level.percent])];
  if ("price" in body.entry) numbers.push(body.entry.price);
  return numbers.every((value) => parse(value));
}

const askPreviewSoon = debounced(askPreview, 250);

async function askPreview() {
  if (!form.offsetParent || store.login === null || !store.selected) return;
  const body = planBody();
  asking?.abort(); // its figures would be of another plan
  if (!complete(body)) {
    parts.summary.replaceChildren();
    return;
  }
  asking = new AbortController();
  try {
    const found = await ask("/smart-orders/preview/", body, asking.signal);
    previewed = JSON.stringify(body);
    showPreview(found);
  } catch (error) {
    if (error.name === "AbortError") return;
    previewed = "";
    if (error instanceof ApiError) showPreview({ levels: [], errors: [{ code: error.code, message: error.message, level: error.level }] });
    else failedBy(error);
  }
  showArming();
}

function showPreview(found) {
  const errors = (found.errors ?? []).flatMap(placed);
  levels.describe(found.levels ?? [], errors);
  const rows = [
    ["Reward", found.reward && gain(found.reward), tone(found.reward)],
    ["Risk", found.risk && money(found.risk)],
    ["Reward : risk", found.risk_reward],
    ["Worst", found.worst_case && gain(found.worst_case), tone(found.worst_case)],
    ["Margin", found.margin && money(found.margin)],
    ["Left to stop", found.remaining_volume && `${volume(found.remaining_volume)} lots`],
  ];
  parts.summary.replaceChildren(
    ...rows.filter(([, value]) => value).map(([name, value, way]) => el("div", {}, el("dt", { text: name }), el("dd", { class: way, text: value }))),
  );
  // The tier is told by the notice above, once.
  const general = errors.filter((error) => !error.level && error.code !== "subscription_required");
  parts.problem.hidden = general.length === 0;
  setText(parts.problem, general.map(errorLine).join(" "));
  setAttribute(parts.stop.input, "aria-invalid", general.some((error) => error.code === "invalid_stops") ? "true" : null);
  setAttribute(parts.volume.input, "aria-invalid", general.some((error) => error.code === "invalid_volume") ? "true" : null);
}

/** Return an error of the exits beside the levels that it is about, as far as they can be told from here. */
function placed(error) {
  if (error.code !== "invalid_stops" || error.level) return [error];
  const quote = store.quote();
  const base = hasPrice(entry) ? valueOf(parts.price.input) : quote && (shownSide() === "buy" ? quote.bid : quote.ask);
  const way = shownSide() === "buy" ? 1 : -1;
  const wrong = levels.values().flatMap(({ price: at }, index) => (base && compare(at, base) === -way ? [index + 1] : []));
  return wrong.length ? wrong.map((level) => ({ ...error, level, message: `Lies on the wrong side of ${base}` })) : [error];
}

async function start() {
  if (parts.submit.disabled) return;
  const words = missing();
  if (words) {
    setText(parts.problem, `Not sent. ${unread(form)?.words ?? words}`);
    parts.problem.hidden = false;
    return;
  }
  const body = planBody();
  const plan = await attempt(parts.submit, async () => {
    try {
      return await submit("POST", "/smart-orders/", body);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.level) levels.describe([], [error]);
      setText(parts.problem, errorLine(error));
      parts.problem.hidden = false;
      return undefined;
    }
  });
  showArming();
  if (!plan) return;
  previewed = ""; // a second press finds nothing to start
  remember(`plan.${body.symbol}`, body.volume);
  told(`Smart order #${plan.id} started: ${plan.side} ${volume(plan.volume)} ${plan.symbol}`);
  for (const input of typed()) setValue(input, "");
  beginAgain();
  document.dispatchEvent(new CustomEvent("td-plan-started", { detail: plan.id }));
}
