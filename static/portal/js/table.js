// Tables whose rows live: made once by key, cells updated in place, so that nothing jumps under the pointer.

import { el, keyed, setAttribute, setText } from "./dom.js";

/**
 * Return {box, render(items)}. `columns` are {name, label, number?, value(item) -> text, tone?(item), node?(item)};
 * a column with `node` gets its content once per row, `refresh(node, item)` updates it.
 */
export function liveTable({ caption, columns, key, empty, className = "" }) {
  const body = el("tbody");
  const heads = columns.map((column) => el("th", { scope: "col", class: classOf(column), text: column.label, title: column.title }));
  const table = el("table", { class: `grid ${className}` }, el("caption", { class: "visually-hidden", text: caption }), el("thead", {}, el("tr", {}, heads)), body);
  const note = el("p", { class: "empty", text: empty });
  const box = el("div", { class: "scroll" }, table, note);

  function create(item) {
    const row = el("tr", { data: { key: String(key(item)) } });
    row.parts = columns.map((column) => {
      const content = column.node?.(item, row);
      const cell = el("td", { class: classOf(column), data: { cell: column.name, label: column.label } }, content);
      row.append(cell);
      return { cell, content };
    });
    return row;
  }

  function update(row, item) {
    row.item = item;
    columns.forEach((column, index) => {
      const { cell, content } = row.parts[index];
      if (column.node) column.refresh?.(content, item);
      else {
        setText(cell, column.value(item));
        if (column.tone) setAttribute(cell, "class", `${classOf(column)} ${column.tone(item)}`);
        if (column.title2) setAttribute(cell, "title", column.title2(item));
      }
    });
  }

  function render(items) {
    keyed(body, items, key, create, update);
    table.hidden = items.length === 0;
    note.hidden = items.length > 0;
  }
  render([]);
  return { box, render, body };
}

function classOf(column) {
  return [column.number ? "number" : "", column.className ?? ""].filter(Boolean).join(" ");
}
