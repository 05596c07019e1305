// The order ticket: what, how much, at what price, with which stops, and what it risks in money before it is sent.
// B and S choose the side and put the focus on the confirming button, Enter sends. Estimates come from the
// server's margin preview; distances are counted exactly in points.

import { ask, ApiError, submit } from "../lib/api.js";
import { compare, parse, trim } from "../lib/decimal.js";
import { debounced, el, freshId, recall, remember, setText } from "../lib/dom.js";
import { Exits } from "./exits.js";
import { money, points, price, volume } from "../lib/format.js";
import { attempt, failedBy, told } from "../lib/outcome.js";
import { priceField, valueOf, volumeField } from "../lib/steppers.js";
import { store } from "../lib/store.js";
import { errorLine, typeWords } from "../lib/words.js";

const KINDS = [
  ["market", "Market"],
  ["limit", "Limit"],
  ["stop", "Stop"],
  ["stop_limit", "Stop-limit"],
];
const REFRESH_MS = 15_000;

let form;
let parts;
let side = "buy";
let kind = "market";
let preview = null; // what the server told, and of which order
let exits;
let oneClick = recall("oneclick", false);
let asking = null;

/** Build the ticket inside its tab. */
export function startTicket(panel) {
  parts = makeParts();
  exits = new Exits({ sideOf: () => side, entryOf: entryPrice, perPointOf: valuePerPoint, onChange: changed });
  form = el(
    "form",
    { class: "ticket", novalidate: true, "aria-label": "Order ticket" },
    parts.kinds,
    el("div", { class: "sides" }, parts.sell, parts.buy),
    parts.volume.row,
    parts.price.row,
    parts.limit.row,
    parts.expiryRow,
    exits.box,
    el("div", { class: "ticket-end" }, parts.preview, parts.problem, parts.submit),
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
  setInterval(() => !document.hidden && form.offsetParent && askPreview(), REFRESH_MS);
  showKind("market");
}

function makeParts() {
  const kinds = el("div", { class: "segmented wide", role: "group", "aria-label": "Order type" });
  for (const [name, label] of KINDS) {
    kinds.append(el("button", { type: "button", data: { kind: name }, text: label, on: { click: () => showKind(name) } }));
  }
  const market = () => {
    const quote = store.quote();
    return quote && (side === "buy" ? quote.ask : quote.bid);
  };
  const expiry = el("select", { id: freshId("expiry") }, el("option", { value: "gtc", text: "Until cancelled" }), el("option", { value: "day", text: "Today" }), el("option", { value: "date", text: "Until a time" }));
  const until = el("input", { type: "datetime-local", "aria-label": "Expires at (your time)", hidden: true });
  expiry.addEventListener("change", () => (until.hidden = expiry.value !== "date"));
  const flag = el("input", { type: "checkbox" });
  flag.checked = oneClick;
  flag.addEventListener("change", () => {
    oneClick = flag.checked;
    remember("oneclick", oneClick);
  });
  return {
    kinds,
    sell: sideButton("sell", "Sell"),
    buy: sideButton("buy", "Buy"),
    volume: volumeField({ value: "" }),
    price: priceField({ label: "Price", start: market }),
    limit: priceField({ label: "Limit price", start: () => valueOf(parts.price.input) ?? market() }),
    expiry,
    until,
    expiryRow: el("div", { class: "form-row" }, el("label", { for: expiry.id, text: "Expiry" }), expiry, until),
    preview: el("dl", { class: "facts preview", "aria-label": "What it needs" }),
    problem: el("p", { class: "form-error", role: "alert", hidden: true }),
    submit: el("button", { type: "submit", class: "confirm", disabled: true }),
    oneClick: flag,
  };
}

function sideButton(name, label) {
  const figure = el("span", { class: "side-price" });
  const button = el("button", { type: "button", class: `side ${name}`, data: { side: name } }, el("span", { class: "side-name", text: label }), figure);
  button.figure = figure;
  button.addEventListener("click", () => {
    setSide(name);
    if (oneClick && kind === "market") place();
  });
  return button;
}

/** Return what a point of this very order is worth, null while the server has not told it. */
function valuePerPoint() {
  return preview?.of === previewKey() ? preview.value_per_point : null;
}

const previewKey = () => JSON.stringify([store.login, store.selected, side, valueOf(parts.volume.input)]);

function entryPrice() {
  const quote = store.quote();
  if (kind === "stop_limit") return valueOf(parts.limit.input) ?? valueOf(parts.price.input);
  if (kind !== "market") return valueOf(parts.price.input);
  return quote && (side === "buy" ? quote.ask : quote.bid);
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
  parts.price.row.hidden = name === "market";
  parts.price.row.querySelector("label").textContent = name === "stop_limit" ? "Trigger price" : "Price";
  parts.limit.row.hidden = name !== "stop_limit";
  parts.expiryRow.hidden = name === "market";
  changed();
}

function reset() {
  const symbol = store.symbol();
  if (!symbol) return;
  parts.volume.input.value = recall(`volume.${symbol.symbol}`, symbol.volume_min);
  clearPrices();
  parts.submit.disabled = false;
  preview = null;
  parts.problem.hidden = true;
  showPrices();
  changed();
}

function clearPrices() {
  for (const one of [parts.price, parts.limit]) one.input.value = "";
  exits.clear();
}

function showPrices() {
  const quote = store.quote();
  const symbol = store.symbol();
  setText(parts.sell.figure, quote ? price(quote.bid, symbol?.digits) : "–");
  setText(parts.buy.figure, quote ? price(quote.ask, symbol?.digits) : "–");
  showDistances();
  if (kind === "market" && exits.mode !== "price") publishDraft(); // its stops move with the market
}

function changed() {
  parts.problem.hidden = true;
  for (const button of [parts.sell, parts.buy]) button.setAttribute("aria-pressed", String(button.dataset.side === side));
  showSubmit();
  parts.submit.className = `confirm ${side}`;
  showDistances();
  publishDraft();
  askPreviewSoon();
}

function showSubmit() {
  const market = kind === "market" ? " at market" : "";
  setText(parts.submit, `${typeWords(typeOf())} ${valueOf(parts.volume.input) ?? "?"} ${store.selected ?? ""}${market}`);
}

const typeOf = () => (kind === "market" ? side : `${side}_${kind}`);

function showDistances() {
  const symbol = store.symbol();
  if (!symbol) return;
  exits.describe();
  const quote = store.quote();
  const market = quote && (side === "buy" ? quote.ask : quote.bid);
  for (const field of [parts.price, parts.limit]) {
    const value = valueOf(field.input);
    const away = value && parse(value) && market ? points(market, value, symbol.digits) : null;
    setText(field.note, away === null ? "" : `${away > 0n ? "+" : away < 0n ? "−" : ""}${away < 0n ? -away : away} pt from market`);
  }
}

function publishDraft() {
  const draft = [];
  const add = (name, field, title, tone) => {
    const value = valueOf(field.input);
    const put = (to) => ((field.input.value = to), changed());
    if (value && parse(value)) draft.push({ kind: name, price: value, title, tone, put });
  };
  if (kind !== "market") add("price", parts.price, typeWords(typeOf()), "accent");
  if (kind === "stop_limit") add("limit", parts.limit, "Limit", "accent");
  if (form?.offsetParent) store.setDraft([...draft, ...exits.lines()]);
}

const askPreviewSoon = debounced(askPreview, 200);

async function askPreview() {
  const lots = valueOf(parts.volume.input);
  if (!store.selected || !store.login || !lots || !parse(lots) || compare(lots, "0") <= 0) return;
  asking?.abort();
  asking = new AbortController();
  const of = previewKey();
  try {
    const found = await ask("/margin-preview/", { account: store.login, symbol: store.selected, side, volume: lots }, asking.signal);
    preview = { ...found, of };
    showPreview();
  } catch (error) {
    if (error.name === "AbortError") return;
    preview = null;
    if (error instanceof ApiError) parts.preview.replaceChildren(el("div", { class: "wide-fact" }, el("dd", { text: errorLine(error) })));
    else failedBy(error);
  }
  showDistances();
  if (exits.mode === "money") publishDraft();
}

function showPreview() {
  const enough = compare(preview.free_margin_after ?? "0", "0") >= 0;
  const rows = [
    ["Margin", preview.margin && money(preview.margin)],
    ["Free after", preview.free_margin_after && money(preview.free_margin_after)],
    ["Point value", preview.value_per_point && trim(preview.value_per_point)],
    ["Commission", preview.commission && money(preview.commission)],
  ];
  // What a press was just told stands above the button already.
  const doubts = (parts.problem.hidden ? preview.errors ?? [] : []).map((error) => el("div", { class: "wide-fact" }, el("dd", { class: "doubt", text: errorLine(error) })));
  parts.preview.replaceChildren(...rows.filter(([, value]) => value).map(([name, value]) => el("div", { data: { fact: name } }, el("dt", { text: name }), el("dd", { text: value }))), ...doubts);
  parts.preview.querySelector('[data-fact="Free after"] dd')?.classList.toggle("down", !enough);
}

function orderBody() {
  const body = { account: store.login, symbol: store.selected, type: typeOf(), volume: valueOf(parts.volume.input) ?? "" };
  const put = (name, field) => {
    const value = valueOf(field.input);
    if (value !== undefined) body[name] = value;
  };
  for (const name of ["sl", "tp"]) {
    const at = exits.priceOf(name);
    if (at === null) return null; // a distance or an amount that is no price yet
    if (at !== undefined) body[name] = at;
  }
  if (kind !== "market") {
    put("price", parts.price);
    if (kind === "stop_limit") put("limit_price", parts.limit);
    if (parts.expiry.value === "day") body.expires = "day";
    else if (parts.expiry.value === "date" && parts.until.value) body.expires = new Date(parts.until.value).toISOString();
  }
  return body;
}

function refuse(words) {
  setText(parts.problem, words);
  parts.problem.hidden = false;
  if (preview) showPreview();
}

async function place() {
  if (parts.submit.disabled) return;
  parts.problem.hidden = true;
  setText(parts.submit, "Sending …");
  let body;
  const order = await attempt(parts.submit, async () => {
    // A preview that was under way may have been given up for a newer one.
    for (let turn = 0; turn < 2 && exits.needsValue() && valuePerPoint() === null; turn += 1) await askPreview();
    body = orderBody();
    if (body === null) {
      refuse("Stop loss or take profit cannot be told as a price yet: no fresh price, or not a number above 0.");
      return undefined;
    }
    try {
      return await submit("POST", "/orders/", body);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      refuse(errorLine(error));
      return undefined;
    }
  });
  showSubmit();
  if (!order) return;
  remember(`volume.${body.symbol}`, body.volume);
  const filled = order.status === "completed" ? `filled at ${price(order.modified_price, order.digits)}` : order.request ? "waits for a dealer" : "is waiting";
  if (form.contains(document.activeElement)) document.activeElement.blur(); // the next key is a shortcut, not a digit
  told(`${typeWords(order.type)} ${volume(order.volume)} ${order.symbol} ${filled} (#${order.ticket})`);
  if (kind === "market") return;
  clearPrices();
  changed();
}
