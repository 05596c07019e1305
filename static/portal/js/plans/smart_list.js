// The list of smart orders: one row a plan, a dot and a letter a level, progress, the stop in force and what makes
// it. Acts on a plan: look into it, change it, close it now, cancel it.

import { get, list, submit } from "../lib/api.js";
import { confirmed } from "../lib/dialog.js";
import { debounced, el, keyed, setAttribute, setText } from "../lib/dom.js";
import { gain, price, tone, volume } from "../lib/format.js";
import { failedBy, told } from "../lib/outcome.js";
import { editPlan, showPlan } from "./smart_dialogs.js";
import { isLiveSmart, store } from "../lib/store.js";
import { liveTable } from "../lib/table.js";
import { stateWords, stopWords } from "../lib/words.js";

const DOTS = { PENDING: "P", TRIGGERED: "T", FILLED: "F", CANCELLED: "C" };
const FILTERS = [
  ["active", "Active", (plan) => plan.state === "ACTIVE" || plan.state === "PENDING"],
  ["partial", "Partially closed", (plan) => plan.state === "PARTIALLY_CLOSED"],
  ["done", "Completed", (plan) => !isLiveSmart(plan)],
];
const ENDED = "CLOSED,STOPPED,CANCELLED";

let filter = "all";
let table;
let chips;

const digitsOf = (plan) => plan.digits ?? store.digits(plan.symbol);
const filledOf = (plan) => (plan.levels ?? []).filter((level) => level.status === "FILLED").length;

const COLUMNS = [
  { name: "id", label: "Plan", node: (plan) => el("button", { type: "button", class: "link", text: `#${plan.id}`, title: "Levels, stops and what happened", "aria-label": `#${plan.id}, details`, on: { click: () => showPlan(plan.id) } }), sort: (plan) => plan.id },
  { name: "symbol", label: "Symbol", node: (plan) => el("button", { type: "button", class: "link", text: plan.symbol, on: { click: () => store.select(plan.symbol) } }), sort: (plan) => plan.symbol },
  { name: "side", label: "Side", value: (plan) => (plan.side === "buy" ? "▲ Buy" : "▼ Sell"), tone: (plan) => plan.side, sort: (plan) => plan.side },
  { name: "state", label: "State", value: (plan) => stateWords(plan.state), sort: (plan) => stateWords(plan.state) },
  { name: "volume", label: "Left / volume", number: true, value: (plan) => `${volume(plan.remaining)} / ${volume(plan.volume)}`, sort: (plan) => plan.remaining },
  { name: "entry", label: "Entry", number: true, className: "minor", value: entryWords },
  { name: "levels", label: "Levels", node: makeDots, refresh: refreshDots },
  { name: "stop", label: "Stop", number: true, value: (plan) => price(plan.effective_stop, digitsOf(plan)) },
  { name: "source", label: "by", value: (plan) => (plan.effective_stop ? stopWords(plan.stop_source) : "") },
  { name: "mark", label: "Best", title: "High-water mark: the best bid since trailing began; for a sell the lowest ask", number: true, className: "minor", value: (plan) => price(plan.high_water_mark, digitsOf(plan)) },
  { name: "realised", label: "Realised", number: true, value: (plan) => gain(store.cash(plan.realised_profit)), tone: (plan) => tone(plan.realised_profit), sort: (plan) => plan.realised_profit },
  { name: "running", label: "Open", number: true, value: (plan) => (isLiveSmart(plan) ? gain(plan.open_profit) : ""), tone: (plan) => (isLiveSmart(plan) ? tone(plan.open_profit) : ""), sort: (plan) => (isLiveSmart(plan) ? plan.open_profit : null) },
  { name: "actions", label: "", node: actions, refresh: refreshActions },
];

function entryWords(plan) {
  if (plan.entry_price) return price(plan.entry_price, digitsOf(plan));
  const order = store.orders.get(plan.order);
  return order ? `${plan.entry} ${price(order.price, digitsOf(plan))}` : plan.entry;
}

function makeDots() {
  const dots = el("span", { class: "dots" });
  const progress = el("span", { class: "progress" });
  const box = el("span", { class: "level-cell" }, dots, progress);
  Object.assign(box, { dots, progress });
  return box;
}

function refreshDots(box, plan) {
  const all = plan.levels ?? [];
  keyed(box.dots, all, (level) => level.number, () => el("span", { class: "dot" }), (dot, level) => {
    setText(dot, DOTS[level.status]);
    setAttribute(dot, "data-status", level.status);
    setAttribute(dot, "title", `Level ${level.number}: ${price(level.price, digitsOf(plan))}, ${volume(level.percent)} %, ${level.status.toLowerCase()}`);
  });
  setText(box.progress, all.length ? `${filledOf(plan)}/${all.length}` : "stop only");
  setAttribute(box, "aria-label", all.length ? `${filledOf(plan)} of ${all.length} levels filled: ${all.map((level) => `${level.number} ${level.status.toLowerCase()}`).join(", ")}` : "no levels");
}

function actions(plan) {
  const id = plan.id;
  const button = (label, act, className = "small") => el("button", { type: "button", class: className, text: label, "aria-label": `${label} smart order ${id}`, on: { click: act } });
  const box = el("span", { class: "row-actions" });
  box.live = [button("Modify", () => editPlan(id)), button("Close", () => closePlan(id)), button("Cancel", () => cancelPlan(id), "small close")];
  box.append(...box.live);
  return box;
}

function refreshActions(box, plan) {
  const live = isLiveSmart(plan);
  // Each keeps its place: one that comes or goes must not push another one under the hand.
  box.live.forEach((button, index) => button.classList.toggle("unseen", !live || (index === 1 && plan.state === "PENDING")));
}

/** Build the tab; `openBuilder` shows the builder. */
export function startSmartList(panel, tabs, openBuilder) {
  const names = [["all", "All", () => true], ...FILTERS];
  chips = names.map(([name, label]) => el("button", { type: "button", class: "small chip", "aria-pressed": String(name === filter), data: { filter: name, label }, on: { click: () => choose(name) } }));
  const make = el("button", { type: "button", class: "small primary", text: "New plan", title: "Build a smart order (P)", on: { click: openBuilder } });
  panel.append(el("div", { class: "tools" }, el("div", { class: "chips", role: "group", "aria-label": "Which plans" }, chips), legend(), make));
  table = liveTable({ name: "smart", caption: "Smart orders", columns: COLUMNS, key: (plan) => plan.id, empty: "No smart orders here.", className: "cards smarts" });
  panel.append(table.box);
  store.on("smarts live snapshot symbols orders login", (topics) => renderList(tabs, topics.has("login")));
  store.on("login", readEnded);
  chooseTabs = (isOther) => renderList(tabs, isOther);
}

let chooseTabs = () => undefined;

function legend() {
  const words = { PENDING: "pending", TRIGGERED: "triggered", FILLED: "filled", CANCELLED: "cancelled" };
  return el("span", { class: "legend" }, Object.entries(DOTS).map(([status, letter]) => el("span", {}, el("span", { class: "dot", "data-status": status, "aria-hidden": "true", text: letter }), ` ${words[status]}`)));
}

function choose(name) {
  filter = name;
  chooseTabs(true);
}

function renderList(tabs, isOther) {
  const plans = [...store.smarts.values()].map((plan) => store.smartView(plan)).sort((a, b) => b.id - a.id);
  for (const chip of chips) {
    const test = FILTERS.find(([name]) => name === chip.dataset.filter)?.[2] ?? (() => true);
    setText(chip, `${chip.dataset.label} ${plans.filter(test).length}`);
    setAttribute(chip, "aria-pressed", String(chip.dataset.filter === filter));
  }
  const test = FILTERS.find(([name]) => name === filter)?.[2] ?? (() => true);
  table.waits(store.seq === null);
  table.render(plans.filter(test), isOther);
  const live = plans.filter(isLiveSmart).length;
  tabs.count("smart", live ? String(live) : "");
}

async function readEnded() {
  const login = store.login;
  if (login === null) return;
  try {
    const plans = await list("/smart-orders/", { account: login, state: ENDED }, 200);
    if (login === store.login) store.addEnded(plans);
  } catch (error) {
    failedBy(error);
  }
}

const stale = new Set();
const readStale = debounced(async () => {
  const login = store.login;
  for (const id of [...stale]) {
    stale.delete(id);
    try {
      const { timeline: _, ...plan } = await get(`/smart-orders/${id}/`, { account: login });
      if (login === store.login && (store.smarts.get(id)?.version ?? 0) <= plan.version) store.smarts.set(id, plan);
    } catch (error) {
      failedBy(error);
    }
  }
  store.changed("smarts");
}, 150);

/** Read a plan again: what its exits have booked is not in events. */
export function refreshPlan(id) {
  stale.add(id);
  readStale();
}

function cancelPlan(id) {
  const plan = store.smarts.get(id);
  const waits = plan.state === "PENDING";
  return confirmed({
    title: `Cancel smart order #${id}?`,
    text: waits ? "Its entry order is cancelled; nothing was opened." : [`All open levels and the stop are cancelled. The position of ${volume(plan.remaining)} lots stays open, without stops.`],
    action: "Cancel plan",
    act: async () => {
      await submit("POST", `/smart-orders/${id}/cancel/`, { account: store.login, version: plan.version });
      told(`Smart order #${id} cancelled`);
    },
  });
}

function closePlan(id) {
  const plan = store.smarts.get(id);
  return confirmed({
    title: `Close smart order #${id} now?`,
    text: `The remaining ${volume(plan.remaining)} lots of ${plan.symbol} are closed at the market; open levels and the stop are cancelled.`,
    action: "Close now",
    act: async () => {
      const answer = await submit("POST", `/smart-orders/${id}/close/`, { account: store.login, version: plan.version });
      told(`Smart order #${id} closed, realised ${gain(store.cash(answer.realised_profit))}`);
    },
  });
}
