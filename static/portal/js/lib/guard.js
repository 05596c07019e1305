// A hand that presses twice means once. What opens is deaf for a moment, and where something went away a shield lies
// over the page, so that the second press of a double-click finds nothing that has come beneath it. Enter that is held
// down and repeats itself presses once.

import { el } from "./dom.js";

export const TWICE_MS = 700; // longer than any system's double-click

document.addEventListener("keydown", (event) => event.key === "Enter" && event.repeat && event.preventDefault(), true);

let layer = null;
let timer = 0;

/** Let no press through to the page until a double-click is over. */
export function shield() {
  layer ??= document.body.appendChild(el("div", { class: "shield", "aria-hidden": "true" }));
  clearTimeout(timer);
  timer = setTimeout(() => {
    layer.remove();
    layer = null;
  }, TWICE_MS);
}
