// Keyboard shortcuts, and the overlay that lists them. None of them acts while a text is typed or a dialog is open;
// in a field for numbers the letters do, so that a side can be chosen right after the volume.

import { openDialog } from "./dialog.js";
import { el } from "./dom.js";

const INPUTS = new Set(["INPUT", "SELECT", "TEXTAREA"]);

/** Return whether an input takes numbers only: a letter typed there can be a shortcut. */
function isNumeric(input) {
  return input.dataset.number !== undefined;
}

/** Start listening; `shortcuts` is a list of {key, label, act}. */
export function startKeys(shortcuts) {
  const known = new Map(shortcuts.map((one) => [one.key, one]));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.key === "Escape") {
      document.activeElement?.blur?.();
      return;
    }
    if (INPUTS.has(event.target.tagName) && !(isNumeric(event.target) && /^[a-z?]$/i.test(event.key))) return;
    const found = known.get(event.key.length === 1 ? event.key.toLowerCase() : event.key);
    if (!found) return;
    event.preventDefault();
    found.act();
  });
  const help = () => showHelp(shortcuts);
  known.set("?", { key: "?", label: "This help", act: help });
  document.getElementById("help-button").addEventListener("click", help);
}

const ALWAYS = [
  ["↑ ↓", "In a price field: a small step; with Shift ten, with Alt one point"],
  ["↑ ↓", "In a volume field: one step; with Shift ten"],
  ["↑ ↓", "In the market watch: the next symbol"],
  ["Drag", "A line of the chart: moves a stop, target, order or level; Esc leaves it. A finger rests on the line first"],
  ["Enter", "Send the ticket that has the focus"],
  ["Ctrl Enter", "Start the plan in the builder"],
  ["Esc", "Leave a field, close a dialog"],
  ["?", "This help"],
];

function showHelp(shortcuts) {
  const shown = [...shortcuts.map((one) => [one.key.toUpperCase(), one.label]), ...ALWAYS];
  const rows = shown.map(([key, label]) => el("div", {}, el("dt", {}, el("kbd", { text: key })), el("dd", { text: label })));
  openDialog({ title: "Keyboard", content: [el("dl", { class: "shortcuts" }, rows)] });
}
