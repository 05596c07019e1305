// What came of an action: a toast for the eye, a live region for the ear. Errors stay until dismissed or 12 s.

import { el } from "./dom.js";
import { ApiError } from "./api.js";
import { play } from "./sound.js";
import { leaveEmpty } from "./stays.js";
import { errorLine } from "./words.js";

const GOOD_MS = 5_000;
const BAD_MS = 12_000;
const UNDO_MS = 10_000;
const MOST = 4;

function speak(id, text) {
  const region = document.getElementById(id);
  region.textContent = "";
  setTimeout(() => (region.textContent = text), 50); // a changed text is spoken, an equal one is not
}

function toast(kind, text, lastsMs, undo) {
  const box = document.getElementById("toasts");
  const note = el("div", { class: `toast ${kind}` }, el("span", { class: "toast-mark", "aria-hidden": "true", text: kind === "bad" ? "✕" : kind === "warn" ? "!" : "✓" }), el("span", { class: "toast-text", text }));
  const close = el("button", { type: "button", class: "icon-button", "aria-label": "Dismiss", text: "×", on: { click: () => leaveEmpty(box, note) } });
  if (undo) {
    const button = el("button", { type: "button", class: "small", text: undo.action });
    button.addEventListener("click", async () => {
      leaveEmpty(box, note);
      await attempt(button, undo.act);
    });
    note.append(button);
  }
  note.append(close);
  box.prepend(note);
  play(kind);
  while (box.children.length > MOST) box.lastElementChild.remove();
  setTimeout(() => leaveEmpty(box, note), lastsMs);
}

/** Say that something was done; `undo` = {action, act} offers a way back for some seconds. */
export function told(text, undo) {
  toast("good", text, undo ? UNDO_MS : GOOD_MS, undo);
  speak("spoken-status", text);
}

/** Say that something happened that the trader should look at. */
export function warned(text) {
  toast("warn", text, BAD_MS);
  speak("spoken-alert", text);
}

/** Say that something failed. */
export function failed(text) {
  toast("bad", text, BAD_MS);
  speak("spoken-alert", text);
}

/** Say an error in words with its code; anything but a refusal is a fault of ours and goes to the console too. */
export function failedBy(error) {
  if (error.name === "AbortError") return; // given up by the page itself
  if (error instanceof ApiError) {
    failed(errorLine(error));
    return;
  }
  console.error(error);
  failed(`The page met a fault of its own: ${error.message}`);
}

/** Run an action with its button switched off meanwhile; return its result, undefined where it failed. */
export async function attempt(button, action) {
  if (button?.disabled) return undefined;
  if (button) button.disabled = true;
  try {
    return await action();
  } catch (error) {
    failedBy(error);
    return undefined;
  } finally {
    if (button) button.disabled = false;
  }
}
