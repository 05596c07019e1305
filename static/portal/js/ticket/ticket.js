// The order ticket: what, how much, at what price, with which stops, and what it risks in money before it is sent.
// It is armed only while a side is chosen, every number can be read, the price is fresh, the connection is there and
// the figures shown are of this very order; else it says what is missing, and nothing sends it: not the button, not
// Enter, not one click. After it was sent no side is chosen, so that a second press finds nothing to send.

import { ApiError, submit } from "../lib/api.js";
import { compare, trim } from "../lib/decimal.js";
import { el, freshId, recall, remember, setAttribute, setText } from "../lib/dom.js";
import { money, momentOf, points, price, volume, zoneWords } from "../lib/format.js";
import { TWICE_MS } from "../lib/guard.js";
import { kindsOf, rowOfKind } from "../lib/order_types.js";
import { attempt, failedBy, told } from "../lib/outcome.js";
import { prefer, preference } from "../lib/preferences.js";
import { numberField, priceField, reading, say, setValue, unread, valueOf, volumeField } from "../lib/steppers.js";
import { store } from "../lib/store.js";
import { errorLine, typeWords } from "../lib/words.js";
import { Exits } from "./exits.js";
import { Figures } from "./figures.js";

const REFRESH_MS = 15_000;
const LOOK_MS = 500; // prices grow old without any event

let form;
let parts;
let side = null; // nobody has chosen one: Enter has nothing to send
let kind = kindsOf("buy")[0].kind;
let exits;
let figures;
let sentMs = -Infinity;

/** Build the ticket inside its tab. */
export function startTicket(panel) {
  parts = makeParts();
  exits = new Exits({ sideOf: () => side ?? "buy", entryOf: entryPrice, perPointOf: valuePerPoint, onChange: changed });
  figures = new Figures({ wanted: wantedFigures, onChange: figuresCame });
  form = el(
    "form",
    { class: "ticket", novalidate: true, "aria-label": "Order ticket" },
    parts.kinds,
    el("div", { class: "sides" }, parts.sell, parts.buy),
    parts.volume.row,
    parts.price.row,
    parts.limit.row,
    parts.expiryRow,
    parts.deviation.row,
    exits.box,
    el("div", { class: "ticket-end" }, parts.preview, parts.problem, parts.why, parts.submit),
    el("label", { class: "check" }, parts.oneClick, " One click: a price button sends at once"),
  );
  panel.append(form);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    place();
  });
  form.addEventListener("input", changed);
  store.on("selected login", reset);
  store.on("quotes symbols", showPrices);
  store.on("connection preferences", showArming);
  setInterval(() => !document.hidden && form.offsetParent && figures.ask(), REFRESH_MS);
  setInterval(() => !document.hidden && form.offsetParent && showArming(), LOOK_MS);
  showKind(kind);
}

function makeParts() {
  const kinds = el("div", { class: "segmented wide", role: "group", "aria-label": "Order type" });
  for (const { kind: name, kind_label: label } of kindsOf("buy")) {
    kinds.append(el("button", { type: "button", data: { kind: name }, text: label, on: { click: () => showKind(name) } }));
  }
  const market = () => {
    const quote = store.quote();
    return quote && (side === "sell" ? quote.bid : quote.ask);
  };
  const expiry = el("select", { id: freshId("expiry") }, el("option", { value: "gtc", text: "Until cancelled" }), el("option", { value: "day", text: "Today" }), el("option", { value: "date", text: "Until a time" }));
  const until = el("input", { type: "datetime-local", "aria-label": "Expires at" });
  const zone = el("span", { class: "field-hint" });
  const untilRow = el("div", { hidden: true }, until, zone);
  expiry.addEventListener("change", () => {
    untilRow.hidden = expiry.value !== "date";
    changed();
  });
  const why = el("p", { class: "hint ticket-why", id: freshId("why"), role: "status" });
  return {
    kinds,
    sell: sideButton("sell", "Sell"),
    buy: sideButton("buy", "Buy"),
    volume: volumeField({ value: "" }),
    price: priceField({ label: "Price", start: market }),
    limit: priceField({ label: "Limit price", start: () => reading(parts.price.input).value ?? market() }),
    deviation: numberField({ label: "Max. deviation, pt", whole: true, placeholder: "no limit", name: "deviation", title: "Points that the price may be worse by than the one you see; 0 is that price or better", words: deviationWords }),
    expiry,
    until,
    zone,
    expiryRow: el("div", { class: "form-row" }, el("label", { for: expiry.id, text: "Expiry" }), expiry, untilRow),
    preview: el("dl", { class: "facts preview", "aria-label": "What it needs" }),
    problem: el("p", { class: "form-error", role: "alert", hidden: true }),
    why,
    submit: el("button", { type: "submit", class: "confirm", "aria-disabled": "true", "aria-describedby": why.id }),
    oneClick: oneClickBox(),
  };
}

/** Return the box of one-click trading; what is ticked is what the server keeps for this person. */
function oneClickBox() {
  const box = el("input", { type: "checkbox" });
  box.addEventListener("change", () => prefer("one_click", box.checked).catch(failedBy));
  store.on("preferences", () => {
    box.checked = preference("one_click");
    figures.askSoon();
  });
  return box;
}

function sideButton(name, label) {
  const figure = el("span", { class: "side-price" });
  const button = el("button", { type: "button", class: `side ${name}`, data: { side: name } }, el("span", { class: "side-name", text: label }), figure);
  button.figure = figure;
  button.addEventListener("click", () => {
    setSide(name);
    const isSecond = performance.now() - sentMs < TWICE_MS; // press of a double-click: it chooses, and sends nothing
    if (isOneClick() && !isSecond) place();
  });
  return button;
}

const shownType = () => rowOfKind(kind, shownSide());
const isMarket = () => shownType().is_market;
const hasLimit = () => shownType().has_limit;

// Before a side is chosen figures are those of a buy: something to look at, nothing to send.
const shownSide = () => side ?? "buy";
const isOneClick = () => preference("one_click") && isMarket();
const orderOf = (which) => ({ account: store.login, symbol: store.selected, side: which, volume: reading(parts.volume.input).value });

/** Return the orders whose figures are needed: of both sides where a price button sends at once. */
function wantedFigures() {
  if (!store.selected || !store.login || orderOf(shownSide()).volume === undefined) return [];
  return isOneClick() ? [orderOf("buy"), orderOf("sell")] : [orderOf(shownSide())];
}

const figuresOf = (which) => (which ? figures?.of(orderOf(which)) ?? null : null);

/** Return what a point of this very order is worth, null while the server has not told it. */
const valuePerPoint = () => figuresOf(shownSide())?.value_per_point ?? null;

function entryPrice() {
  const quote = store.quote();
  if (hasLimit()) return reading(parts.limit.input).value ?? reading(parts.price.input).value;
  if (!isMarket()) return reading(parts.price.input).value;
  return quote && (side === "sell" ? quote.bid : quote.ask);
}

/** Choose the side; with `focus` the confirming button waits for Enter. */
export function setSide(name, focus = false) {
  side = name;
  changed();
  if (focus) parts.submit.focus();
}

/** Put the focus on the volume. */
export function focusVolume() {
  parts.volume.input.focus();
  parts.volume.input.select();
}

function showKind(name) {
  kind = name;
  for (const button of parts.kinds.children) button.setAttribute("aria-pressed", String(button.dataset.kind === name));
  parts.price.row.hidden = isMarket();
  parts.price.row.querySelector("label").textContent = hasLimit() ? "Trigger price" : "Price";
  parts.limit.row.hidden = !hasLimit();
  parts.expiryRow.hidden = isMarket();
  parts.deviation.row.hidden = !isMarket();
  changed();
}

function reset() {
  const symbol = store.symbol();
  if (!symbol) return;
  setValue(parts.volume.input, recall(`volume.${symbol.symbol}`, symbol.volume_min));
  parts.volume.show();
  setValue(parts.deviation.input, recall(`deviation.${symbol.symbol}`, ""));
  say(parts.deviation, deviationWords());
  side = null;
  figures.forget();
  clearPrices();
  parts.problem.hidden = true;
  showPrices();
  changed();
}

function clearPrices() {
  for (const one of [parts.price, parts.limit]) setValue(one.input, "");
  exits.clear();
}

function showPrices() {
  const quote = store.quote();
  const symbol = store.symbol();
  setText(parts.sell.figure, quote ? price(quote.bid, symbol?.digits) : "–");
  setText(parts.buy.figure, quote ? price(quote.ask, symbol?.digits) : "–");
  showDistances();
  showArming();
  if (isMarket() && exits.mode !== "price") publishDraft(); // its stops move with the market
}

function changed() {
  parts.problem.hidden = true;
  for (const button of [parts.sell, parts.buy]) button.setAttribute("aria-pressed", String(button.dataset.side === side));
  showDistances();
  showFigures();
  showArming();
  publishDraft();
  figures.askSoon();
}

function figuresCame() {
  showFigures();
  showDistances();
  showArming();
  if (exits.mode === "money") publishDraft();
}

// ---- armed or not ----

/** Return what keeps this order from being sent, "" where nothing does. */
function missing(which = side) {
  if (store.connection !== "live") return "The connection is gone: nothing can be sent.";
  if (!store.symbol() || store.login === null) return "Loading …";
  const stale = store.staleWords();
  if (stale) return stale;
  if (!which) return "Choose Sell or Buy.";
  if (performance.now() - sentMs < TWICE_MS) return "Sent.";
  return missingInput() || missingFigures(which);
}

function missingInput() {
  const wrong = unread(form);
  if (wrong) return wrong.short; // the whole sentence stands beside the field
  if (valueOf(parts.volume.input) === undefined) return "Type a volume.";
  if (isMarket()) return missingDeviation() || missingExits();
  if (valueOf(parts.price.input) === undefined) return `Type the ${hasLimit() ? "trigger " : ""}price.`;
  if (hasLimit() && valueOf(parts.limit.input) === undefined) return "Type the limit price.";
  if (parts.expiry.value === "date") {
    const until = momentOf(parts.until.value);
    if (until === null) return "Until a time: choose day and time, or another expiry.";
    if (until <= new Date()) return "Until a time: that time is over.";
  }
  return missingExits();
}

function missingDeviation() {
  const typed = valueOf(parts.deviation.input);
  if (typed === undefined || /^[0-9]{1,9}$/.test(typed)) return "";
  return "Max. deviation: 0 or more points are needed, at most 999999999.";
}

function deviationWords() {
  const { value } = reading(parts.deviation.input);
  if (value === undefined) return "at the market, whatever it is then";
  return compare(value, "0") === 0 ? "that price or better" : "worse than that is asked about";
}

function missingExits() {
  if (side && ["sl", "tp"].some((name) => exits.priceOf(name) === null)) return "Stop loss or take profit cannot be told as a price: no fresh figures, or not a number above 0.";
  return "";
}

function missingFigures(which) {
  if (figuresOf(which)) return "";
  return figures.problem || "What it needs is being counted …";
}

function showArming() {
  if (!form) return;
  const words = missing();
  const market = isMarket() ? " at market" : "";
  if (!parts.submit.disabled) setText(parts.submit, side ? `${typeWords(typeOf())} ${valueOf(parts.volume.input) ?? "?"} ${store.selected ?? ""}${market}` : `Choose a side: ${valueOf(parts.volume.input) ?? "?"} ${store.selected ?? ""}`);
  setAttribute(parts.submit, "class", `confirm ${side ?? ""}`);
  setAttribute(parts.submit, "aria-disabled", words ? "true" : null);
  setText(parts.why, words);
  setText(parts.zone, zoneWords(momentOf(parts.until.value) ?? new Date()));
  const isStale = store.connection !== "live" || store.staleWords() !== "";
  for (const button of [parts.sell, parts.buy]) {
    const isDead = isStale || (isOneClick() && missing(button.dataset.side) !== "");
    setAttribute(button, "data-disarmed", isDead ? "true" : null);
  }
}

const typeOf = () => rowOfKind(kind, side).type;

function showDistances() {
  const symbol = store.symbol();
  if (!symbol) return;
  exits.describe();
  parts.volume.show();
  const quote = store.quote();
  const market = quote && (side === "sell" ? quote.bid : quote.ask);
  for (const field of [parts.price, parts.limit]) {
    const { value } = reading(field.input);
    const away = value !== undefined && market ? points(market, value, symbol.digits) : null;
    say(field, away === null ? "" : `${away > 0n ? "+" : away < 0n ? "−" : ""}${away < 0n ? -away : away} pt from market`);
  }
}

function publishDraft() {
  const draft = [];
  const add = (name, field, title, tone) => {
    const { value } = reading(field.input);
    const put = (to) => (setValue(field.input, to), changed());
    if (value !== undefined) draft.push({ kind: name, price: value, title, tone, put });
  };
  if (!isMarket()) add("price", parts.price, side ? typeWords(typeOf()) : "Price", "accent");
  if (hasLimit()) add("limit", parts.limit, "Limit", "accent");
  if (form?.offsetParent) store.setDraft([...draft, ...exits.lines()]);
}

function showFigures() {
  const found = figuresOf(shownSide());
  if (!found) {
    // The lines stay, so that nothing moves; what they say of another order does not.
    for (const value of parts.preview.querySelectorAll("dd")) setText(value, "…");
    return;
  }
  const enough = compare(found.free_margin_after ?? "0", "0") >= 0;
  const rows = [
    ["Margin", found.margin && money(found.margin)],
    ["Free after", found.free_margin_after && money(found.free_margin_after)],
    ["Point value", found.value_per_point && trim(found.value_per_point)],
    ["Commission", found.commission && money(found.commission)],
  ];
  // What a press was just told stands above the button already.
  const doubts = (parts.problem.hidden ? found.errors ?? [] : []).map((error) => el("div", { class: "wide-fact" }, el("dd", { class: "doubt", text: errorLine(error) })));
  parts.preview.replaceChildren(...rows.filter(([, value]) => value).map(([name, value]) => el("div", { data: { fact: name } }, el("dt", { text: name }), el("dd", { text: value }))), ...doubts);
  parts.preview.querySelector('[data-fact="Free after"] dd')?.classList.toggle("down", !enough);
}

// ---- sending ----

function orderBody() {
  const body = { account: store.login, symbol: store.selected, type: typeOf(), volume: valueOf(parts.volume.input) };
  for (const name of ["sl", "tp"]) {
    const at = exits.priceOf(name);
    if (at !== undefined) body[name] = at;
  }
  if (isMarket()) {
    const deviation = valueOf(parts.deviation.input);
    if (deviation === undefined) return body;
    const quote = store.quote();
    return { ...body, expected_price: side === "sell" ? quote.bid : quote.ask, deviation: Number(deviation) };
  }
  body.price = valueOf(parts.price.input);
  if (hasLimit()) body.limit_price = valueOf(parts.limit.input);
  if (parts.expiry.value === "day") body.expires = "day";
  if (parts.expiry.value === "date") body.expires = momentOf(parts.until.value).toISOString();
  return body;
}

function refuse(words) {
  setText(parts.problem, words);
  parts.problem.hidden = false;
  showFigures();
}

async function place() {
  if (parts.submit.disabled) return;
  const words = missing();
  if (words) {
    refuse(`Not sent. ${unread(form)?.words ?? words}`);
    return;
  }
  parts.problem.hidden = true;
  const body = orderBody();
  setText(parts.submit, "Sending …");
  const order = await attempt(parts.submit, async () => {
    try {
      return await submit("POST", "/orders/", body);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      refuse(error.isOffer ? "Not done: the price has moved. Another one is offered." : errorLine(error));
      return undefined;
    }
  });
  showArming();
  if (!order) return;
  sentMs = performance.now();
  setTimeout(showArming, TWICE_MS + 50);
  remember(`volume.${body.symbol}`, body.volume);
  remember(`deviation.${body.symbol}`, isMarket() ? valueOf(parts.deviation.input) ?? "" : recall(`deviation.${body.symbol}`, ""));
  const filled = order.status === "completed" ? `filled at ${price(order.modified_price, order.digits)}` : order.request ? "waits for a dealer" : "is waiting";
  if (form.contains(document.activeElement)) document.activeElement.blur(); // the next key is a shortcut, not a digit
  told(`${typeWords(order.type)} ${volume(order.volume)} ${order.symbol} ${filled} (#${order.ticket})`);
  side = null;
  if (!isMarket()) clearPrices();
  changed();
}

