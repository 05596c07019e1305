// Tables whose rows live: made once by key, cells updated in place, so that nothing jumps under the pointer.
// A header with a `sort` sorts by it. Rows change places only while nobody points at them or has the focus in
// them, at most once a second, and columns grow but never shrink: a button stays where the hand goes. Where a row
// leaves, its place stays (stays.js).

import { compare } from "./decimal.js";
import { el, keyed, recall, remember, setAttribute, setText } from "./dom.js";
import { Places } from "./stays.js";

const RESORT_MS = 1_000;
const DIGIT_PX = 7;
const CELL_PX = 12;

/**
 * Return {box, render(items, isOther)}; `isOther` says that the items are not those of before, changed, but others:
 * of another account, or chosen by another filter. `columns` are {name, label, number?, value(item) -> text, tone?(item), node?(item)};
 * a column with `node` gets its content once per row, `refresh(node, item)` updates it. `sort(item)` is what its
 * header sorts by: decimal text, a number, or words. `name` keeps the chosen order in this browser.
 */
export function liveTable({ name, caption, columns, key, empty, className = "" }) {
  const body = el("tbody");
  const heads = columns.map((column) => headOf(column, () => choose(column)));
  const table = el("table", { class: `grid ${className}` }, el("caption", { class: "visually-hidden", text: caption }), el("thead", {}, el("tr", {}, heads)), body);
  const note = el("p", { class: "empty" });
  const box = el("div", { class: "scroll" }, table, note);
  const widest = columns.map(() => 0);
  let items = [];
  let later = 0;
  const known = () => body.keyedRows ?? new Map();
  const places = new Places({ box: body, rowsOf: known, again: () => render(items) });
  const sorter = new Sorter({ columns, key, chosen: name ? recall(`sort.${name}`, null) : null, isHeld: () => places.isHeld() });

  function choose(column) {
    sorter.choose(column.name);
    if (name) remember(`sort.${name}`, sorter.chosen);
    showOrder();
    render(items);
  }

  function showOrder() {
    columns.forEach((column, index) => {
      const way = sorter.chosen?.column === column.name ? sorter.chosen.way : null;
      setAttribute(heads[index], "aria-sort", way && (way > 0 ? "ascending" : "descending"));
    });
  }

  function create(item) {
    const row = el("tr", { data: { key: String(key(item)) } });
    row.parts = columns.map((column) => {
      const content = column.node?.(item, row);
      const cell = el("td", { class: classOf(column), data: { cell: column.name, label: column.label } }, content);
      row.append(cell);
      return { cell, content };
    });
    update(row, item);
    return row;
  }

  function update(row, item) {
    if (places.gone.has(row.dataset.key)) return;
    row.item = item;
    columns.forEach((column, index) => {
      const { cell, content } = row.parts[index];
      if (column.node) column.refresh?.(content, item);
      else {
        const text = column.value(item);
        setText(cell, text);
        if (column.number) widen(index, text.length);
        if (column.tone) setAttribute(cell, "class", `${classOf(column)} ${column.tone(item)}`);
        if (column.title2) setAttribute(cell, "title", column.title2(item));
      }
    });
  }

  function widen(index, length) {
    if (length <= widest[index]) return;
    widest[index] = length;
    heads[index].style.minWidth = `${length * DIGIT_PX + CELL_PX}px`;
  }

  function render(found, isOther = false) {
    items = found;
    const isSeen = box.offsetParent !== null;
    clearTimeout(later);
    if (isOther || !isSeen) places.forget();
    else places.keep(new Set(items.map((item) => String(key(item)))));
    const left = [...places.gone.keys()].map((gone) => known().get(gone)?.item).filter(Boolean);
    keyed(body, sorter.arranged([...items, ...left], left.length > 0), key, create, isSeen ? update : () => undefined);
    if (sorter.isSoon) later = setTimeout(() => render(items), RESORT_MS); // also where nothing comes any more
    table.hidden = items.length + left.length === 0;
    if (table.hidden) {
      widest.fill(0);
      for (const head of heads) head.style.minWidth = "";
    }
    note.hidden = !table.hidden;
  }

  /** Say what an empty table means: nothing there, or not known yet. */
  const waits = (isWaiting) => setText(note, isWaiting ? "Loading …" : empty);

  // Cells of a hidden table are left alone; they are brought up to date when it is seen again.
  new ResizeObserver(() => box.offsetParent !== null && render(items)).observe(box);
  body.addEventListener("pointerleave", () => setTimeout(() => render(items), RESORT_MS + 50));
  showOrder();
  waits(true);
  render([]);
  return { box, render, body, waits };
}

function headOf(column, choose) {
  const head = el("th", { scope: "col", class: classOf(column), data: { column: column.name }, title: column.title, "aria-label": column.label ? null : column.title });
  if (!column.sort) head.textContent = column.label;
  else head.append(el("button", { type: "button", class: "sort", title: `Sort by ${(column.title ?? column.label).toLowerCase()}`, text: column.label, on: { click: choose } }));
  return head;
}

/** Keeps rows in the order that was chosen. */
class Sorter {
  constructor({ columns, key, chosen, isHeld: held }) {
    Object.assign(this, { columns, key, isHeld: held, order: [], sortedMs: -Infinity });
    this.chosen = this.columnOf(chosen) ? chosen : null;
  }

  columnOf(chosen) {
    return chosen && this.columns.find((column) => column.name === chosen.column && column.sort);
  }

  /** Sort by a column: downwards first for numbers, then the other way, then as it was. */
  choose(name) {
    const first = this.columnOf({ column: name })?.number ? -1 : 1;
    if (this.chosen?.column !== name) this.chosen = { column: name, way: first };
    else this.chosen = this.chosen.way === first ? { column: name, way: -first } : null;
    this.order = [];
    this.sortedMs = -Infinity;
  }

  arranged(items, isStill) {
    const column = this.columnOf(this.chosen);
    this.isSoon = Boolean(column) && performance.now() - this.sortedMs < RESORT_MS;
    if (this.order.length && (isStill || this.isHeld() || this.isSoon)) return this.asBefore(items);
    const found = column ? [...items].sort((a, b) => ranked(column.sort(a), column.sort(b), this.chosen.way)) : items;
    this.order = found.map((item) => String(this.key(item)));
    this.sortedMs = performance.now();
    return found;
  }

  /** Return the rows where they stood; those that came since stand below. */
  asBefore(items) {
    const ranks = new Map(this.order.map((key, index) => [key, index]));
    const rankOf = (item) => ranks.get(String(this.key(item))) ?? Infinity;
    return [...items].sort((a, b) => {
      const [x, y] = [rankOf(a), rankOf(b)];
      return x === y ? 0 : x - y;
    });
  }
}

const isAbsent = (value) => value === null || value === undefined || value === "" || value === "–";

/** Compare two values one way or the other: numbers exactly, words by the reader's alphabet, absent ones last. */
function ranked(a, b, way) {
  if (isAbsent(a) || isAbsent(b)) return Number(isAbsent(a)) - Number(isAbsent(b));
  return way * (compare(String(a), String(b)) ?? String(a).localeCompare(String(b)));
}

function classOf(column) {
  return [column.number ? "number" : "", column.className ?? ""].filter(Boolean).join(" ");
}
