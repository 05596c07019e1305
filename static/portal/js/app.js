// The terminal: puts the panels together, chooses the account, and tells what the server did by itself.

import { answeredTickets, ApiError, get, leave, openTickets } from "./lib/api.js";
import { startAccountBar } from "./book/account_bar.js";
import { reload as reloadChart, startChart } from "./market/chart.js";
import { el, recall, remember, setAttribute, setText } from "./lib/dom.js";
import { gain, price, volume, zoneWords } from "./lib/format.js";
import { startHistory, startLedger } from "./book/history.js";
import { startKeys } from "./lib/keys.js";
import { startOrders } from "./book/orders.js";
import { failed, failedBy, told, warned } from "./lib/outcome.js";
import { prefer, preference, readPreferences } from "./lib/preferences.js";
import { startPositions } from "./book/positions.js";
import { pickSide, publishDraft, startBuilder, suggestPlan } from "./plans/smart_builder.js";
import { refreshPlan, startSmartList } from "./plans/smart_list.js";
import { socket } from "./lib/socket.js";
import { soundIsOn, switchSound } from "./lib/sound.js";
import { rowOf, store } from "./lib/store.js";
import { makeTabs } from "./lib/tabs.js";
import { focusVolume, setSide, startTicket } from "./ticket/ticket.js";
import { startRequotes } from "./ticket/requote.js";
import { startWatch } from "./market/watch.js";
import { codeWords, dealWords, stateWords, typeWords } from "./lib/words.js";

const SYMBOLS_REFRESH_MS = 60_000;
const ANSWER_MS = 1_500; // an event may come before the answer to the request that caused it
const VIEWS = [
  ["watch", "Markets"],
  ["chart", "Chart"],
  ["trade", "Trade"],
  ["book", "Account"],
];
const REFUSAL_AGAIN_MS = 60_000;
const CLOSED_BY_RIGHTS = 4003; // what the server closes a socket with when its session has ended
const QUIET = new Set(["client", "manager"]);

const panelOf = (name) => document.getElementById(`panel-${name}`);
let tradeTabs;
let bookTabs;

function buildTrade() {
  const order = el("div", { class: "tab-body" });
  const smart = el("div", { class: "tab-body" });
  tradeTabs = makeTabs({
    label: "Trade",
    tabs: [
      { name: "order", label: "Order", panel: order },
      { name: "smart", label: "Smart order", panel: smart },
    ],
    onShow: (name) => {
      store.setDraft(null);
      if (name === "smart") {
        suggestPlan();
        publishDraft();
      }
    },
  });
  panelOf("trade").append(tradeTabs.list, order, smart);
  startTicket(order);
  startBuilder(smart);
  tradeTabs.show("order");
}

function buildBook() {
  const names = [["positions", "Positions"], ["orders", "Orders"], ["smart", "Smart orders"], ["history", "History"], ["ledger", "Ledger"]];
  const bodies = Object.fromEntries(names.map(([name]) => [name, el("div", { class: "tab-body book-body", data: { book: name } })]));
  const paged = {};
  bookTabs = makeTabs({
    label: "Positions, orders and history",
    tabs: names.map(([name, label]) => ({ name, label, panel: bodies[name] })),
    onShow: (name) => {
      remember("book", name);
      paged[name]?.show();
    },
  });
  bookTabs.list.append(el("span", { class: "zone", id: "zone", role: "presentation" }));
  panelOf("book").append(bookTabs.list, ...Object.values(bodies));
  startPositions(bodies.positions, bookTabs);
  startOrders(bodies.orders, bookTabs);
  startSmartList(bodies.smart, bookTabs, openBuilder);
  paged.history = startHistory(bodies.history);
  paged.ledger = startLedger(bodies.ledger);
  bookTabs.show(recall("book", "positions"));
  if (!bookTabs.current()) bookTabs.show("positions");
}

function showView(name) {
  document.body.dataset.view = name;
  for (const button of document.querySelectorAll("#phone-nav button")) {
    button.setAttribute("aria-pressed", String(button.dataset.view === name));
  }
}

function buildPhoneNav() {
  const nav = document.getElementById("phone-nav");
  for (const [name, label] of VIEWS) nav.append(el("button", { type: "button", data: { view: name }, text: label, on: { click: () => showView(name) } }));
  showView("chart");
}

function openBuilder() {
  showView("trade");
  tradeTabs.show("smart");
  panelOf("trade").querySelector("select").focus();
}

/** Choose a side: in the builder where that is open, else on the ticket. */
function chooseSide(side) {
  if (tradeTabs.current() === "smart") {
    showView("trade");
    pickSide(side);
    return;
  }
  showView("trade");
  tradeTabs.show("order");
  setSide(side, true);
}

function shortcuts() {
  const book = (key, name, label) => ({ key, label: `Show ${label}`, act: () => (showView("book"), bookTabs.show(name)) });
  return [
    { key: "b", label: "Buy: choose the side; on the ticket Enter sends what is shown", act: () => chooseSide("buy") },
    { key: "s", label: "Sell: choose the side; on the ticket Enter sends what is shown", act: () => chooseSide("sell") },
    { key: "v", label: "Change the volume", act: () => (showView("trade"), tradeTabs.show("order"), focusVolume()) },
    { key: "p", label: "Build a smart order", act: openBuilder },
    { key: "m", label: "Go to the markets", act: () => (showView("watch"), panelOf("watch").querySelector('[aria-pressed="true"]')?.focus()) },
    book("1", "positions", "positions"),
    book("2", "orders", "orders"),
    book("3", "smart", "smart orders"),
    book("4", "history", "history"),
    book("5", "ledger", "ledger"),
    { key: "t", label: "Light or dark", act: () => window.tdTheme.toggle() },
  ];
}

// ---- accounts ----

async function readSymbols() {
  const login = store.login;
  const answer = await get("/symbols/", { account: login });
  if (login === store.login) store.setSymbols(answer.results);
}

async function choose(login) {
  store.setLogin(login);
  socket.watch(login);
  try {
    await readSymbols();
  } catch (error) {
    failedBy(error);
  }
}

async function begin() {
  let rows;
  try {
    rows = (await get("/accounts/")).results;
  } catch (error) {
    if (error.name === "AbortError") return;
    failedBy(error);
    setTimeout(begin, 3000);
    return;
  }
  const usable = rows.filter((row) => row.enabled);
  store.setAccounts(usable);
  if (!usable.length) {
    failed("This login has no trading account that is enabled. Ask your broker.");
    return;
  }
  const remembered = recall(`login.${store.user}`, null);
  const first = usable.find((row) => row.login === remembered) ?? usable[0];
  await choose(first.login);
  socket.start();
  setInterval(() => !document.hidden && readSymbols().catch(failedBy), SYMBOLS_REFRESH_MS);
}

// ---- what the server did by itself ----

function tell(event) {
  const row = rowOf(event);
  switch (event.kind) {
    case "deal":
      if (row.trigger || (row.reason && !QUIET.has(row.reason))) tellDeal(row);
      break;
    case "smart":
      tellPlan(row);
      refreshPlan(row.id);
      break;
    case "order":
      if (openTickets.has(row.ticket)) tellLate(row);
      else if (row.status === "failed" && row.error === "requote" && row.requote_expires_at) answeredTickets.add(row.ticket); // its offer is a dialog
      else if (row.status === "failed" && row.error) setTimeout(() => tellFailed(row), ANSWER_MS);
      else if (row.status === "canceled" && row.reason === "expiration") warned(`${typeWords(row.type)} #${row.ticket} expired`);
      else if (row.status === "canceled" && row.comment.startsWith("deleted")) warned(`${typeWords(row.type)} #${row.ticket} was ${row.comment}`);
      break;
    case "margin_call":
      if (row.margin_call) warned("Margin call: the margin level is at or below the limit.");
      else told("The margin call is over.");
      break;
  }
}

/** Tell what became of a request whose answer did not come in time. */
function tellLate(row) {
  openTickets.delete(row.ticket);
  answeredTickets.add(row.ticket);
  const what = `${typeWords(row.type)} ${volume(row.volume)} ${row.symbol} (#${row.ticket})`;
  if (row.status === "failed") warned(`${what} was not done after all: ${codeWords(row.error)} [${row.error}]`);
  else warned(`${what} was done after all: ${row.status === "completed" ? "filled" : row.status}`);
}

/** Tell of an order that failed later or elsewhere; one that was just refused is told beside its button. */
function tellFailed(row) {
  if (!answeredTickets.has(row.ticket)) warned(`Order #${row.ticket}: ${codeWords(row.error)} [${row.error}]`);
}

function tellDeal(row) {
  const at = price(row.price, store.digits(row.symbol));
  const profit = row.direction === "out" ? `, net ${gain(store.net(row))}` : "";
  const say = row.reason === "forced_close" || row.reason === "stop_loss" ? warned : told;
  say(`${dealWords(row)}: ${row.side} ${volume(row.volume)} ${row.symbol} at ${at} (#${row.position})${profit}`);
}

const lastStates = new Map();

function tellPlan(row) {
  const before = lastStates.get(row.id);
  lastStates.set(row.id, row.state);
  const ended = row.state === "STOPPED" || row.state === "CLOSED" || row.state === "CANCELLED";
  if (before && before !== row.state && ended) (row.state === "STOPPED" ? warned : told)(`Smart order #${row.id}: ${stateWords(row.state).toLowerCase()}`);
}

async function onLost({ detail }) {
  if (detail.failures !== 3 && detail.code !== CLOSED_BY_RIGHTS) return;
  try {
    await get("/accounts/"); // a session that ended looks like a lost connection
  } catch (error) {
    if (!(error instanceof ApiError) && error.name !== "AbortError") throw error; // refused or unreachable: the socket goes on trying
  }
}

let lastRefusal = { text: "", ms: -Infinity };

/** Tell what the socket was refused; what is asked again every few seconds is told once a minute. */
function tellRefused(text) {
  const now = Date.now();
  if (text === lastRefusal.text && now - lastRefusal.ms < REFUSAL_AGAIN_MS) return;
  lastRefusal = { text, ms: now };
  failed(text);
}

function onSessionEnded() {
  leave();
  socket.stop();
  location.assign(`/login/?ended=1&next=${encodeURIComponent(location.pathname)}`);
}

/** Close the menu like any other: by Esc, and by a press elsewhere. */
function startMenu(menu) {
  document.addEventListener("pointerdown", (event) => menu.open && !menu.contains(event.target) && (menu.open = false));
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
}

function startSound(button) {
  const show = () => {
    setText(button, soundIsOn() ? "Sound: on" : "Sound: off");
    setAttribute(button, "aria-pressed", String(soundIsOn()));
  };
  button.addEventListener("click", () => (switchSound(), show()));
  show();
}

/** Let the menu show and change what belongs to the person: whether closing is asked about, and the zone of times. */
function startChoices(confirm, zone) {
  const show = () => {
    setText(confirm, preference("confirm_close") ? "Ask before closing: on" : "Ask before closing: off");
    setAttribute(confirm, "aria-pressed", String(preference("confirm_close")));
    setText(zone, preference("time_zone") === "utc" ? "Times: UTC, as the server" : `Times: yours, ${zoneWords()}`);
    setText(document.getElementById("zone"), `Times are ${zoneWords()}`);
  };
  confirm.addEventListener("click", () => prefer("confirm_close", !preference("confirm_close")).catch(failedBy));
  zone.addEventListener("click", () => prefer("time_zone", preference("time_zone") === "utc" ? "local" : "utc").catch(failedBy));
  store.on("preferences", () => {
    show();
    store.changed("positions", "orders", "smarts");
  });
  show();
}

function onLogout() {
  leave();
  socket.stop();
}

function start() {
  startWatch(panelOf("watch"));
  startChart(panelOf("chart")).catch(failedBy);
  buildTrade();
  buildBook();
  buildPhoneNav();
  startRequotes();
  startAccountBar(choose);
  startKeys(shortcuts());
  document.getElementById("theme-button").addEventListener("click", () => window.tdTheme.toggle());
  startMenu(document.querySelector(".menu"));
  startSound(document.getElementById("sound-button"));
  startChoices(document.getElementById("confirm-button"), document.getElementById("zone-button"));
  document.getElementById("logout-form").addEventListener("submit", onLogout);
  document.addEventListener("td-plan-started", () => (bookTabs.show("smart"), tradeTabs.show("order"), showView("book")));
  socket.addEventListener("event", ({ detail }) => tell(detail));
  socket.addEventListener("refused", ({ detail }) => tellRefused(`${codeWords(detail.code)} ${detail.message ?? ""} [${detail.code}]`));
  socket.addEventListener("lost", onLost);
  document.addEventListener("td-session-ended", onSessionEnded, { once: true });
  store.on("connection", () => {
    if (store.connection === "live") reloadChart(true);
  });
  readPreferences().catch(failedBy); // until they are read the careful ones count
  begin();
}

start();
