// Dialogs on the browser's own <dialog>, which keeps focus inside and gives it back. One of a kind at a time: what reads
// before it opens is pressed twice easily, and a second one beneath would be met by the next hand. Nothing in them
// is preselected that Enter could send: the focus is on a field or on Cancel, and what sends is switched off until
// there is something to send, the connection is there and every number can be read.

import { el, freshId, setText } from "./dom.js";
import { ApiError } from "./api.js";
import { shield, TWICE_MS } from "./guard.js";
import { errorLine } from "./words.js";
import { failedBy } from "./outcome.js";
import { unread } from "./steppers.js";
import { store } from "./store.js";

/**
 * Open a dialog and resolve when it is closed: true where its action succeeded.
 * `content` is a list of nodes; `act` runs on submit and may throw an ApiError, which is shown inside. `lacks()` tells
 * in words what is missing before it may be sent, "" where nothing is. One that stands open already is not opened again.
 */
export function openDialog({ title, content, action, tone = "primary", act, lacks = () => "", wide = false, extra = [], closing: leaving = "Cancel" }) {
  const same = [...document.querySelectorAll("dialog[open]")].some((one) => one.dataset.title === title);
  if (same) return Promise.resolve(false);
  const headingId = freshId("dialog-title");
  const problem = el("p", { class: "form-error", role: "alert", hidden: true });
  const why = el("p", { class: "hint dialog-why", id: freshId("why"), role: "status" });
  const closing = el("button", { type: "button", text: action ? leaving : "Close" });
  const submit = action ? el("button", { type: "submit", class: tone, text: action, disabled: true, "aria-describedby": why.id }) : null;
  const form = el(
    "form",
    { method: "dialog", class: "dialog-form", novalidate: true },
    el("h2", { id: headingId, text: title }),
    el("div", { class: "dialog-body" }, content),
    problem,
    submit && why,
    el("div", { class: "dialog-actions" }, extra, closing, submit),
  );
  const dialog = el("dialog", { class: wide ? "dialog wide opening" : "dialog opening", "aria-labelledby": headingId, data: { title } }, form);
  document.body.append(dialog);
  const arming = submit && arm({ form, submit, why, lacks });
  return new Promise((resolve) => {
    let done = false;
    setTimeout(() => dialog.classList.remove("opening"), TWICE_MS);
    closing.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => {
      dialog.remove();
      arming?.end();
      shield();
      resolve(done);
    });
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (!act || !arming.isArmed()) return;
      arming.isBusy(true);
      problem.hidden = true;
      try {
        await act(problem);
        done = true;
        dialog.close();
      } catch (error) {
        if (error instanceof ApiError) {
          problem.textContent = errorLine(error);
          problem.hidden = false;
        } else failedBy(error);
      } finally {
        arming.isBusy(false);
      }
    });
    dialog.addEventListener("keydown", refuseHeld);
    dialog.showModal();
    (dialog.querySelector("[autofocus]") ?? closing).focus();
  });
}

/** Let a key that is held press nothing: it began to be held somewhere else. */
function refuseHeld(event) {
  if (event.repeat && (event.key === "Enter" || (event.key === " " && event.target.tagName === "BUTTON"))) event.preventDefault();
}

/** Keep a dialog's sending button switched off while anything is missing, and say what. */
function arm({ form, submit, why, lacks }) {
  let isOpening = true;
  let isSending = false;
  const missing = () => {
    if (store.connection !== "live") return "The connection is gone: nothing can be sent.";
    const found = unread(form);
    return found ? found.short : lacks(); // the whole sentence stands beside the field
  };
  const show = () => {
    const words = missing();
    submit.disabled = isOpening || isSending || words !== "";
    setText(why, words);
  };
  setTimeout(() => ((isOpening = false), show()), TWICE_MS);
  for (const kind of ["input", "change", "click"]) form.addEventListener(kind, () => queueMicrotask(show));
  const end = store.on("connection", show);
  show();
  return {
    end,
    isArmed: () => (show(), !submit.disabled),
    isBusy(is) {
      isSending = is;
      show();
    },
  };
}

/** Ask before something that cannot be taken back; `act` is then run. */
export function confirmed({ title, text, action, act, tone = "danger" }) {
  const lines = [].concat(text).map((line) => (typeof line === "string" ? el("p", { text: line }) : line));
  return openDialog({ title, content: lines, action, tone, act });
}

/** Return a definition list from pairs of name and value. */
export function facts(pairs) {
  const rows = pairs
    .filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([name, value]) => el("div", {}, el("dt", { text: name }), el("dd", {}, value)));
  return el("dl", { class: "facts" }, rows);
}
