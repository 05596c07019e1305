// Rows that left a list and whose places stay, empty and inert, while a hand may still be at them: what is pressed
// next is never what came up from below. A place is given up when the pointer has left the list and a second has
// passed since, and since the row went; so too for a finger, which is gone between two taps, and for the keyboard,
// whose focus waits on the empty place instead of sliding to the next row.

import { setAttribute } from "./dom.js";

export const STAY_MS = 1_000;
const LOOK_MS = 200;

export class Places {
  /** `box` is what a pointer is in or out of, `rowsOf()` the rows by key, `again()` draws the list anew. */
  constructor({ box, rowsOf, again }) {
    Object.assign(this, { box, rowsOf, again });
    this.gone = new Map(); // key -> when it went
    this.touchedMs = -Infinity;
    this.focused = null;
    this.timer = 0;
    const touched = () => (this.touchedMs = performance.now());
    for (const kind of ["pointerdown", "pointermove", "pointerup", "pointerleave"]) box.addEventListener(kind, touched);
    document.addEventListener("focusin", ({ target }) => {
      this.focused = box.contains(target) && target.matches(":focus-visible") ? target.closest("[data-key]") : null;
    });
  }

  /** Return whether somebody is at the list, or was a moment ago. */
  isHeld() {
    return this.isAt() || performance.now() - this.touchedMs < STAY_MS;
  }

  isAt() {
    const isOver = window.matchMedia("(hover: hover)").matches && this.box.matches(":hover");
    return isOver || this.box.querySelector("[data-key]:is(:focus-visible, :has(:focus-visible))") !== null;
  }

  /** Take note of what left since; return the keys whose places stay. */
  keep(keys) {
    for (const [key, row] of this.rowsOf()) {
      const isEmpty = row.classList.contains("gone"); // one that was given up is about to be taken away
      if (keys.has(key) && isEmpty) {
        this.gone.delete(key);
        this.fill(row);
      } else if (!keys.has(key) && !isEmpty) {
        this.gone.set(key, performance.now());
        this.empty(row);
      }
    }
    if (this.gone.size && !this.timer) this.timer = setInterval(() => this.look(), LOOK_MS);
    return this.gone;
  }

  empty(row) {
    const hadFocus = row.contains(document.activeElement) ? document.activeElement.matches(":focus-visible") : this.focused === row && document.activeElement === document.body;
    row.classList.add("gone");
    for (const cell of row.children) cell.inert = true;
    setAttribute(row, "aria-label", "No longer there");
    if (!hadFocus) return;
    row.tabIndex = -1;
    row.focus({ preventScroll: true });
  }

  fill(row) {
    row.classList.remove("gone");
    for (const cell of row.children) cell.inert = false;
    setAttribute(row, "aria-label", null);
    setAttribute(row, "tabindex", null);
  }

  look() {
    const now = performance.now();
    if (this.isAt()) this.touchedMs = now;
    const isEarly = [...this.gone.values()].some((sinceMs) => now - sinceMs < STAY_MS);
    if (isEarly || now - this.touchedMs < STAY_MS) return;
    this.forget();
    this.again();
  }

  /** Give all places up at once: another list is shown. */
  forget() {
    this.gone.clear();
    clearInterval(this.timer);
    this.timer = 0;
  }
}

/** Take a row out of a list of its own making: its place stays empty and inert in the same way. */
export function leaveEmpty(list, row) {
  row.inert = true;
  row.classList.add("gone");
  const look = () => (list.matches(":hover") ? setTimeout(look, STAY_MS) : row.remove());
  setTimeout(look, STAY_MS);
}
