// The balance of the account as a line of steps: what the ledger says after each entry, nothing in between and nothing
// estimated. It shows the newest entries of the days that are chosen.

import { list } from "../lib/api.js";
import { el, setText } from "../lib/dom.js";
import { clock, date, money } from "../lib/format.js";
import { store } from "../lib/store.js";

const MOST = 1_000;

export class BalanceCurve {
  /** `query()` returns the days that are chosen, as the ledger's address takes them. */
  constructor({ query }) {
    this.query = query;
    this.canvas = el("div", { class: "curve-canvas", role: "img" });
    this.note = el("p", { class: "curve-note" });
    this.box = el("div", { class: "curve", hidden: true }, this.note, this.canvas);
    this.turn = 0;
    window.addEventListener("td-theme", () => this.colour());
  }

  /** Read the entries and draw them. */
  async show() {
    const turn = ++this.turn;
    this.library ??= await import("../../../vendor/lightweight-charts.mjs");
    const rows = await list("/ledger/", { account: store.login, ...this.query() }, MOST);
    if (turn !== this.turn) return;
    this.chart ??= this.make();
    const digits = store.account?.digits ?? 2;
    const points = new Map(); // several entries of one second end in the last one
    for (const row of rows.reverse()) points.set(Math.floor(Date.parse(row.time) / 1000), Number(row.balance_after));
    this.series.applyOptions({ priceFormat: { type: "custom", minMove: 10 ** -digits, formatter: (value) => money(value.toFixed(digits)) } });
    this.series.setData([...points].map(([time, value]) => ({ time, value })));
    this.chart.timeScale().fitContent();
    const words = rows.length ? `Balance after each of ${rows.length} entries: ${money(rows[0].balance_after)} to ${money(rows.at(-1).balance_after)} ${store.account?.currency ?? ""}` : "No entries.";
    setText(this.note, rows.length >= MOST ? `The newest entries. ${words}` : words);
    this.canvas.setAttribute("aria-label", words);
  }

  make() {
    const chart = this.library.createChart(this.canvas, {
      autoSize: true,
      layout: { attributionLogo: false, background: { color: "transparent" }, fontSize: 11 },
      timeScale: { timeVisible: true, tickMarkFormatter: (at, kind) => this.markWords(at, kind) },
      localization: { timeFormatter: (at) => `${date(new Date(at * 1000))} ${clock(new Date(at * 1000))}` },
    });
    this.series = chart.addSeries(this.library.LineSeries, { lineType: this.library.LineType.WithSteps, lineWidth: 2, priceLineVisible: false });
    this.chart = chart;
    this.colour();
    return chart;
  }

  markWords(at, kind) {
    const when = new Date(at * 1000);
    const { Time, TimeWithSeconds } = this.library.TickMarkType;
    return kind === Time || kind === TimeWithSeconds ? clock(when).slice(0, 5) : date(when).slice(5);
  }

  colour() {
    if (!this.chart) return;
    const style = getComputedStyle(document.documentElement);
    const of = (name) => style.getPropertyValue(name).trim();
    const grid = { color: of("--line-soft") };
    this.chart.applyOptions({ layout: { textColor: of("--text-dim") }, grid: { vertLines: grid, horzLines: grid }, rightPriceScale: { borderColor: of("--line") }, timeScale: { borderColor: of("--line") } });
    this.series.applyOptions({ color: of("--accent") });
  }
}
