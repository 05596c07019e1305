// Looking into a plan and changing it. A change names the version that was seen; where another one exists by then,
// the dialog shows how the plan stands now and lets the trader decide again.

import { ApiError, get, submit } from "../lib/api.js";
import { compare, div, mul, parse, sub } from "../lib/decimal.js";
import { facts, openDialog } from "../lib/dialog.js";
import { el } from "../lib/dom.js";
import { exactTime, gain, money, points, price, volume } from "../lib/format.js";
import { perPointOf } from "../market/moves.js";
import { failedBy, told } from "../lib/outcome.js";
import { LevelRows } from "./smart_levels.js";
import { numberField, priceField, reading, say, setValue, valueOf } from "../lib/steppers.js";
import { store } from "../lib/store.js";
import { plainWords, stateWords, stopWords } from "../lib/words.js";

const digitsOf = (plan) => plan.digits ?? store.digits(plan.symbol);
const isOpen = (level) => level.status === "PENDING" || level.status === "TRIGGERED";

async function read(id) {
  try {
    return await get(`/smart-orders/${id}/`, { account: store.login });
  } catch (error) {
    failedBy(error);
    return null;
  }
}

function levelTable(plan) {
  const digits = digitsOf(plan);
  const heads = ["", "Level", "Price", "%", "Lots", "State", "Time"].map((label, index) => el("th", { scope: "col", class: index > 1 && index < 5 ? "number" : "", text: label }));
  const rows = plan.levels.map((level) =>
    el(
      "tr",
      {},
      el("td", {}, el("span", { class: "dot", "data-status": level.status, "aria-hidden": "true", text: level.status.charAt(0) })),
      el("th", { scope: "row", text: `TP${level.number}` }),
      el("td", { class: "number", text: price(level.price, digits) }),
      el("td", { class: "number", text: volume(level.percent) }),
      el("td", { class: "number", text: volume(level.volume) }),
      el("td", { text: plainWords(level.status) }),
      el("td", { text: level.time ? exactTime(level.time) : "–" }),
    ),
  );
  return el("table", { class: "grid" }, el("thead", {}, el("tr", {}, heads)), el("tbody", {}, rows));
}

function timeline(plan) {
  const lines = (plan.timeline ?? []).map((line) =>
    el("li", {}, el("time", { text: exactTime(line.time) }), el("span", { text: ` ${plainWords(line.what)}${dataWords(line.data)}` })),
  );
  return el("ol", { class: "timeline" }, lines);
}

function dataWords(data) {
  const pairs = Object.entries(data ?? {}).filter(([, value]) => value !== null && value !== "" && typeof value !== "object");
  return pairs.length ? `: ${pairs.map(([name, value]) => `${name.replaceAll("_", " ")} ${value}`).join(", ")}` : "";
}

/** Open a plan's levels, stops and story. */
export async function showPlan(id) {
  const plan = await read(id);
  if (!plan) return;
  store.select(plan.symbol);
  const digits = digitsOf(plan);
  const even = plan.break_even ? `on${plan.offset ? `, offset ${plan.offset} pt` : ""}` : "off";
  openDialog({
    title: `Smart order #${id}: ${plan.side} ${volume(plan.volume)} ${plan.symbol}`,
    wide: true,
    content: [
      facts([
        ["State", stateWords(plan.state)],
        ["Entry", `${plan.entry}${plan.entry_price ? ` at ${price(plan.entry_price, digits)}` : ""}`],
        ["Left", `${volume(plan.remaining)} of ${volume(plan.volume)} lots`],
        ["Stop in force", plan.effective_stop ? `${price(plan.effective_stop, digits)} (${stopWords(plan.stop_source)})` : "none"],
        ["Stop loss", price(plan.stop_loss, digits)],
        ["Trailing", plan.callback ? `${volume(plan.callback)} %${plan.activation ? ` from ${price(plan.activation, digits)}${plan.activated ? ", running" : ", waiting"}` : ""}` : "off"],
        ["High-water mark", plan.high_water_mark ? price(plan.high_water_mark, digits) : null],
        ["Break-even", plan.break_even_triggered ? `${even}, moved to ${price(plan.break_even_stop, digits)}` : even],
        ["Realised", money(store.cash(plan.realised_profit))],
        ["Open", plan.open_profit ? gain(plan.open_profit) : null],
        ["Position", plan.position ? `#${plan.position}` : null],
        ["Version", String(plan.version)],
      ]),
      plan.levels.length ? levelTable(plan) : null,
      el("h3", { text: "What happened" }),
      timeline(plan),
    ],
  });
}

/** Open the dialog that changes a live plan. */
export async function editPlan(id) {
  let plan = await read(id);
  if (!plan) return;
  const perPoint = await perPointOf(plan); // of the whole volume
  const symbolOf = () => store.symbol(plan.symbol);
  const stop = priceField({ label: "Stop loss", start: () => plan.effective_stop ?? plan.entry_price, symbolOf });
  const callback = numberField({ label: "Trailing callback, %", placeholder: "off" });
  const even = el("input", { type: "checkbox" });
  const offset = numberField({ label: "Offset, pt", whole: true, placeholder: "0" });
  const kept = el("p", { class: "hint" });
  const levels = new LevelRows({
    symbolOf,
    sideOf: () => plan.side,
    entryOf: () => plan.levels.filter((level) => level.status === "FILLED").at(-1)?.price ?? plan.entry_price ?? plan.levels[0]?.price,
    onChange: () => undefined,
    moneyOf: (at, percent) => levelMoney(plan, perPoint, at, percent),
  });
  const show = () => {
    const gone = plan.levels.filter((level) => !isOpen(level));
    const used = gone.filter((level) => level.status === "FILLED").reduce((left, level) => sub(left, level.percent), "100");
    levels.whole = volume(used);
    setValue(stop.input, plan.stop_loss ? price(plan.stop_loss, digitsOf(plan)) : "");
    setValue(callback.input, plan.callback ? volume(plan.callback) : "");
    even.checked = plan.break_even;
    setValue(offset.input, plan.offset ? String(plan.offset) : "");
    for (const field of [stop, callback, offset]) say(field);
    levels.clear();
    for (const level of plan.levels.filter(isOpen)) levels.add(price(level.price, digitsOf(plan)), volume(level.percent));
    kept.textContent = `Stop in force: ${plan.effective_stop ? `${price(plan.effective_stop, digitsOf(plan))} (${stopWords(plan.stop_source)})` : "none"}. ${gone.length ? `Levels ${gone.map((level) => level.number).join(", ")} are over and stay as they are.` : ""} Version ${plan.version}.`;
  };
  show();
  stop.input.addEventListener("input", () => say(stop));
  stop.input.setAttribute("autofocus", "");
  await openDialog({
    title: `Modify smart order #${id}`,
    wide: true,
    content: [
      kept,
      el("div", { class: "pair" }, stop.row, callback.row),
      el("div", { class: "even-row" }, el("label", { class: "check" }, even, " Break-even after level 1"), offset.row),
      el("fieldset", {}, el("legend", { text: "Levels still open" }), levels.box),
      el("p", { class: "hint", text: "An empty stop loss or callback removes it. A stop that trailing or break-even moved is never loosened." }),
    ],
    action: "Save",
    lacks: () => {
      if (!even.checked && !reading(offset.input).empty && reading(offset.input).value !== String(plan.offset)) return "The offset belongs to break-even: switch that on, or leave the offset as it was.";
      return Object.keys(changes(plan, { stop, callback, even, offset, levels })).length ? "" : "Nothing is changed yet.";
    },
    act: async (problem) => {
      const body = changes(plan, { stop, callback, even, offset, levels });
      try {
        const answer = await submit("PATCH", `/smart-orders/${id}/`, { account: store.login, version: plan.version, ...body });
        const { timeline: _, ...row } = answer;
        store.smarts.set(id, row);
        store.changed("smarts");
        told(`Smart order #${id} changed (version ${answer.version})`);
      } catch (error) {
        if (error instanceof ApiError && error.level) levels.describe([], [{ ...error, message: error.message, level: error.level - plan.levels.filter((level) => !isOpen(level)).length }]);
        if (error instanceof ApiError && error.code === "conflict") {
          plan = error.current ?? (await read(id)) ?? plan;
          show();
          problem.textContent = `The plan was changed meanwhile; its present values are shown. Look, and save again. [conflict]`;
          error.message = "Its present values are shown: look, and save again.";
        }
        throw error;
      }
    },
  });
}

/** Return about what a level would bring, by the value of a point of the plan's whole volume; null where unknown. */
function levelMoney(plan, perPoint, at, percent) {
  const away = perPoint && plan.entry_price && at && parse(at) && parse(percent) ? points(plan.entry_price, at, digitsOf(plan)) : null;
  if (away === null) return null;
  const gained = String(plan.side === "buy" ? away : -away);
  return div(mul(mul(gained, perPoint), percent), "100", store.account?.digits ?? 2);
}

/** Return only what differs from the plan, as the server takes it. */
function changes(plan, { stop, callback, even, offset, levels }) {
  const body = {};
  const same = (a, b) => (a && b ? compare(a, b) === 0 : !a && !b);
  const newStop = valueOf(stop.input);
  if (!same(newStop, plan.stop_loss)) body.stop_loss = newStop ?? null;
  const newCallback = valueOf(callback.input);
  if (!same(newCallback, plan.callback)) body.callback = newCallback ?? "0";
  const newOffset = Number(reading(offset.input).value ?? 0);
  if (even.checked !== plan.break_even || (even.checked && newOffset !== plan.offset)) body.break_even = even.checked ? { offset: newOffset } : false;
  const open = plan.levels.filter(isOpen);
  const wanted = levels.values();
  const moved = wanted.length !== open.length || wanted.some((level, index) => !same(level.price, open[index].price) || !same(level.percent, open[index].percent));
  if (moved) body.levels = wanted;
  return body;
}
