// The chart of the selected symbol: candles of the bid, the last one alive with the quotes, and everything of the
// account on this symbol as lines: positions, their stops, waiting orders, smart plans, and the draft being made.
// Lines can be dragged. Times are in the zone of the terminal; daily candles are the server's trading days.
// Numbers become floats here and only here: a pixel needs no cents.

import { get } from "../lib/api.js";
import { el, recall, remember, setText } from "../lib/dom.js";
import { makeDraggable } from "./drag.js";
import { clock, date, partsOf, price } from "../lib/format.js";
import { chartLines } from "./lines.js";
import { dragWords, moveLine, perPointOf } from "./moves.js";
import { store } from "../lib/store.js";

const INTERVALS = { "1m": 60, "5m": 300, "15m": 900, "1h": 3600, "4h": 14_400, "1d": 86_400 };
const PAGE = 500;
const EDGE_PX = 20;
const DAY_AGAIN_MS = 2_000;
const DRAFT_ROOM = 6; // a draft may widen the scale to so many times the candles' range, not more

let library = null;
let chart = null;
let series = null;
let interval = recall("interval", "1m");
let bars = [];
const days = new Map(); // dates of daily bars, by their starts
let ends = 0; // when the newest daily bar ends, ms
let askedDay = -Infinity; // when the server was asked for a new daily bar
let older = null;
let loading = 0;
let loaded = null; // symbol and interval of the bars shown
let lines = [];
let drawn = "";
let parts;
let fit = recall("fit", false);
let fitted = []; // prices that the scale has to show beside the candles
let ghost = null; // the line that is being dragged: where it would be

/** Build the panel; without the chart library the panel says so and the rest of the terminal works. */
export async function startChart(panel) {
  if (!(interval in INTERVALS)) interval = "1m";
  const buttons = Object.keys(INTERVALS).map((name) => el("button", { type: "button", "aria-pressed": String(name === interval), text: name, on: { click: () => choose(name) } }));
  parts = {
    title: el("h2", { class: "panel-title chart-title" }),
    figures: el("span", { class: "chart-figures" }),
    buttons: el("div", { class: "segmented", role: "group", "aria-label": "Candle interval" }, buttons),
    box: el("div", { class: "chart-box", role: "img", "aria-label": "Candle chart" }),
    fit: el("button", { type: "button", class: "small fit", "aria-pressed": String(fit), title: "Scale the chart so that stops, targets and orders are all in sight", text: "Fit lines", on: { click: toggleFit } }),
    note: el("p", { class: "chart-note", hidden: true }),
    credit: el("p", { class: "chart-credit" }, "Charts by ", el("a", { href: "https://www.tradingview.com/", rel: "noopener noreferrer", target: "_blank", text: "TradingView Lightweight Charts™" })),
  };
  panel.append(el("div", { class: "panel-head" }, parts.title, parts.figures, parts.fit, parts.buttons), el("div", { class: "chart-frame" }, parts.box, parts.note, parts.credit));
  store.on("selected symbols login", () => reload());
  store.on("quotes", onQuotes);
  store.on("positions orders smarts live draft selected quotes", drawLines);
  store.on("preferences", () => chart?.applyOptions({ timeScale: { tickMarkFormatter: markWords } }));
  window.addEventListener("td-theme", applyTheme);
  try {
    library = await import("../../../vendor/lightweight-charts.mjs");
  } catch (error) {
    console.error(error);
    showNote("The chart library is not installed (static/vendor). Everything else works without it.");
    parts.credit.hidden = true;
    return;
  }
  makeChart();
  reload();
}

const isDaily = () => interval === "1d";

/** Return the date of a daily bar: the server's trading day, which may have begun on the evening before. */
const dayOf = (at) => days.get(at) ?? new Date(at * 1000).toISOString().slice(0, 10);

/** Return a bar's time for the crosshair: the clock of the terminal's zone, or a daily bar's date. */
function momentWords(at) {
  const when = new Date(at * 1000);
  return isDaily() ? dayOf(at) : `${date(when)} ${clock(when).slice(0, 5)}`;
}

/** Return what stands under the axis: a clock time, or a date where a day, month or year begins. */
function markWords(at, kind) {
  const when = new Date(at * 1000);
  const { Year, Month, DayOfMonth } = library.TickMarkType;
  if (isDaily()) return dayOf(at).slice(...(kind === Year ? [0, 4] : kind === Month ? [0, 7] : [5, 10]));
  const { hour, minute } = partsOf(when);
  const isMidnight = hour === 0 && minute === 0;
  return isMidnight || (INTERVALS[interval] >= INTERVALS["4h"] && [Year, Month, DayOfMonth].includes(kind)) ? date(when).slice(5) : clock(when).slice(0, 5);
}

function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(name).trim();
  return { text: of("--text-dim"), grid: of("--line-soft"), line: of("--line"), up: of("--up"), down: of("--down"), accent: of("--accent"), warn: of("--warn"), dim: of("--text-dim"), panel: of("--panel") };
}

function makeChart() {
  const tones = colours();
  chart = library.createChart(parts.box, {
    autoSize: true,
    layout: { attributionLogo: false, background: { color: "transparent" }, textColor: tones.text, fontSize: 11 },
    crosshair: { mode: library.CrosshairMode.Normal },
    timeScale: { timeVisible: true, secondsVisible: false, rightOffset: 6, maxBarSpacing: 18, tickMarkFormatter: markWords },
    localization: { timeFormatter: momentWords },
  });
  series = chart.addSeries(library.CandlestickSeries, { autoscaleInfoProvider: withLines });
  applyTheme();
  makeDraggable(parts.box, { linesOf: movable, priceAt, begin: showGhost, show: moveGhost, end: dropGhost, drop: moveTo, hold: holdChart });
  chart.timeScale().subscribeVisibleLogicalRangeChange((range) => {
    if (range && range.from < 20) loadOlder();
  });
}

function applyTheme() {
  if (!chart) return;
  const tones = colours();
  chart.applyOptions({
    layout: { textColor: tones.text },
    grid: { vertLines: { color: tones.grid }, horzLines: { color: tones.grid } },
    rightPriceScale: { borderColor: tones.line },
    timeScale: { borderColor: tones.line },
  });
  series.applyOptions({ upColor: tones.up, downColor: tones.down, wickUpColor: tones.up, wickDownColor: tones.down, borderVisible: false, priceLineColor: tones.dim });
  drawn = "";
  drawLines();
}

function toggleFit() {
  fit = !fit;
  remember("fit", fit);
  parts.fit.setAttribute("aria-pressed", String(fit));
  drawn = "";
  drawLines();
}

/** Return the scale's range: the candles', widened to the lines that are to be seen. */
function withLines(original) {
  const info = original();
  if (!info?.priceRange || !fitted.length) return info;
  const { minValue, maxValue } = info.priceRange;
  const room = fit ? Infinity : (maxValue - minValue) * DRAFT_ROOM;
  const near = fitted.filter((at) => at > minValue - room && at < maxValue + room);
  return { ...info, priceRange: { minValue: Math.min(minValue, ...near), maxValue: Math.max(maxValue, ...near) } };
}

function choose(name) {
  interval = name;
  remember("interval", name);
  for (const button of parts.buttons.children) button.setAttribute("aria-pressed", String(button.textContent === name));
  reload();
}

function showNote(text) {
  setText(parts.note, text);
  parts.note.hidden = !text;
}

const barOf = (row) => ({ time: Math.floor(row.time_ms / 1000), open: Number(row.open), high: Number(row.high), low: Number(row.low), close: Number(row.close) });

function keepDays(rows) {
  for (const row of rows) if (row.date) days.set(Math.floor(row.time_ms / 1000), row.date);
}

/** Load the candles of the selected symbol, also after a lost connection left a hole in them. */
export async function reload(force = false) {
  const symbol = store.symbol();
  if (!symbol || !parts) return;
  setText(parts.title, symbol.symbol);
  parts.box.setAttribute("aria-label", `Candle chart of ${symbol.symbol}, ${interval}`);
  drawFigures();
  const wanted = `${symbol.symbol} ${interval}`;
  if (!series || (wanted === loaded && !force)) return;
  const turn = ++loading;
  try {
    const answer = await get("/candles", { symbol: symbol.symbol, interval, limit: PAGE });
    if (turn !== loading) return; // another one was chosen meanwhile
    const fresh = wanted !== loaded;
    loaded = wanted;
    bars = answer.results.map(barOf);
    keepDays(answer.results);
    ends = answer.ends_ms ?? 0;
    older = answer.next;
    series.applyOptions({ priceFormat: { type: "price", precision: symbol.digits, minMove: 10 ** -symbol.digits } });
    series.setData(bars);
    if (fresh) {
      chart.priceScale("right").applyOptions({ autoScale: true });
      const shown = Math.max(30, Math.floor(parts.box.clientWidth / 7)); // a candle of 7 pixels can be read
      chart.timeScale().setVisibleLogicalRange({ from: bars.length - shown, to: bars.length + 6 });
    }
    showNote(bars.length ? "" : "No candles yet; they begin with the first quotes.");
    drawn = "";
    drawLines();
    onQuotes();
  } catch (error) {
    if (turn === loading && error.name !== "AbortError") showNote(`The candles could not be read: ${error.message} [${error.code ?? "error"}]`);
  }
}

async function loadOlder() {
  if (!older) return;
  const before = older;
  const wanted = loaded;
  older = null; // one page at a time
  try {
    const [symbol, width] = wanted.split(" ");
    const answer = await get("/candles", { symbol, interval: width, limit: PAGE, before });
    if (wanted !== loaded) return;
    bars = [...answer.results.map(barOf), ...bars];
    keepDays(answer.results);
    older = answer.next;
    series.setData(bars);
  } catch (error) {
    older = before;
    console.warn(`older candles: ${error.message}`);
  }
}

function onQuotes() {
  drawFigures();
  const quote = store.quote();
  if (!series || !quote || loaded !== `${store.selected} ${interval}`) return;
  const width = INTERVALS[interval];
  const bid = Number(quote.bid);
  const last = bars.at(-1);
  if (isDaily() && quote.timeMs >= ends) {
    // Where a trading day begins, the server says.
    if (performance.now() < askedDay + DAY_AGAIN_MS) return;
    askedDay = performance.now();
    reload(true);
    return;
  }
  const start = isDaily() ? last.time : Math.floor(quote.timeMs / 1000 / width) * width;
  if (last && start < last.time) return;
  if (!last || start > last.time) bars.push({ time: start, open: bid, high: bid, low: bid, close: bid });
  else {
    last.close = bid;
    last.high = Math.max(last.high, bid);
    last.low = Math.min(last.low, bid);
  }
  if (bars.length === 1) showNote("");
  series.update({ ...bars.at(-1) });
}

function drawFigures() {
  const quote = store.quote();
  const symbol = store.symbol();
  if (!quote || !symbol) return;
  const closed = symbol.session_open === false ? " · market closed" : "";
  setText(parts.figures, `${price(quote.bid, symbol.digits)} / ${price(quote.ask, symbol.digits)}${closed}`);
}

function drawLines() {
  if (!series) return;
  const wanted = chartLines(store).map(named);
  const signature = JSON.stringify(wanted);
  if (signature === drawn) return;
  drawn = signature;
  // A draft is always in sight: whoever builds a plan wants to see where it lies.
  fitted = wanted.filter((line) => line.draft || (fit && line.kind !== "ask")).map((line) => Number(line.price));
  const tones = colours();
  const sameShape = lines.length === wanted.length && lines.every((line, index) => line.kind === wanted[index].kind);
  if (!sameShape) {
    for (const line of lines) series.removePriceLine(line.handle);
    lines = wanted.map((line) => ({ kind: line.kind, line, handle: series.createPriceLine(optionsOf(line, tones)) }));
  } else {
    wanted.forEach((line, index) => {
      lines[index].line = line;
      lines[index].handle.applyOptions(optionsOf(line, tones));
    });
  }
  series.applyOptions({ autoscaleInfoProvider: withLines }); // the scale asks it again
}

/** Return the line without its name where it is far out of sight: the library would pile such names at the edge. */
function named(line) {
  const y = series.priceToCoordinate(Number(line.price));
  const isNear = y === null || (y > -EDGE_PX && y < parts.box.clientHeight + EDGE_PX);
  return isNear ? line : { ...line, title: "", unnamed: true };
}

function optionsOf(line, tones) {
  const style = library.LineStyle[line.draft ? "SparseDotted" : line.dashed ? "Dashed" : "Solid"];
  return { price: Number(line.price), title: line.title, color: tones[line.tone] ?? tones.accent, lineWidth: 1, lineStyle: style, axisLabelVisible: !line.unnamed, axisLabelTextColor: tones.panel };
}

// ---- lines that are dragged ----

/** Return [{y, line}] of the lines that may be moved, none where the pointer is over the price scale. */
function movable(x) {
  if (!series || store.connection !== "live" || x > chart.paneSize().width) return [];
  return lines.filter(({ line }) => line.move).map(({ line }) => ({ line, y: series.priceToCoordinate(Number(line.price)) })).filter(({ y }) => y !== null);
}

function priceAt(y) {
  const symbol = store.symbol();
  const at = series.coordinateToPrice(y);
  return symbol && at > 0 ? at.toFixed(symbol.digits) : null;
}

function showGhost(line) {
  const tones = colours();
  const handle = series.createPriceLine({ ...optionsOf({ ...line, title: "" }, tones), color: tones.accent, lineWidth: 2, axisLabelVisible: true });
  ghost = { handle, perPoint: null };
  const mine = ghost;
  if (!line.draft) perPointOf(line.move).then((value) => (mine.perPoint = value));
}

function moveGhost(line, at) {
  if (line.draft) line.move.put(at); // the ticket follows at once
  ghost.handle.applyOptions({ price: Number(at), title: dragWords(line.move, at, ghost.perPoint) });
}

function dropGhost(line, isDropped) {
  series.removePriceLine(ghost.handle);
  ghost = null;
  if (line.draft && !isDropped) line.move.put(line.price);
}

function moveTo(line, at) {
  if (!line.draft) moveLine(line.move, at);
}

function holdChart(isHeld) {
  chart.applyOptions({ handleScroll: !isHeld, handleScale: !isHeld });
}
