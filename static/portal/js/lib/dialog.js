// Dialogs: one at a time, on the browser's own <dialog>, which keeps focus inside and gives it back.

import { el, freshId } from "./dom.js";
import { ApiError } from "./api.js";
import { errorLine } from "./words.js";
import { failedBy } from "./outcome.js";

/**
 * Open a dialog and resolve when it is closed: true where its action succeeded.
 * `content` is a list of nodes; `act` runs on submit and may throw an ApiError, which is shown inside.
 */
export function openDialog({ title, content, action, tone = "primary", act, wide = false, extra = [] }) {
  const headingId = freshId("dialog-title");
  const problem = el("p", { class: "form-error", role: "alert", hidden: true });
  const closing = el("button", { type: "button", text: action ? "Cancel" : "Close" });
  const submit = action ? el("button", { type: "submit", class: tone, text: action }) : null;
  const form = el(
    "form",
    { method: "dialog", class: "dialog-form" },
    el("h2", { id: headingId, text: title }),
    el("div", { class: "dialog-body" }, content),
    problem,
    el("div", { class: "dialog-actions" }, extra, closing, submit),
  );
  const dialog = el("dialog", { class: wide ? "dialog wide" : "dialog", "aria-labelledby": headingId }, form);
  document.body.append(dialog);
  return new Promise((resolve) => {
    let done = false;
    closing.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(done);
    });
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (!act || submit.disabled) return;
      submit.disabled = true;
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
        submit.disabled = false;
      }
    });
    dialog.showModal();
    (dialog.querySelector("[autofocus]") ?? submit ?? closing).focus();
  });
}

/** Ask before something that cannot be taken back; `act` is then run. */
export function confirmed({ title, text, action, act, tone = "danger" }) {
  return openDialog({ title, content: [].concat(text).map((line) => el("p", { text: line })), action, tone, act });
}

/** Return a labelled field for a dialog or a form: {row, input, error}. */
export function field({ label, hint, ...attributes }) {
  const id = freshId("field");
  const input = el("input", { id, type: "text", autocomplete: "off", inputmode: "decimal", ...attributes });
  const note = el("span", { class: "field-hint", id: `${id}-hint`, text: hint ?? "" });
  input.setAttribute("aria-describedby", note.id);
  const row = el("div", { class: "form-row" }, el("label", { for: id, text: label }), input, note);
  return { row, input, note };
}

/** Return a definition list from pairs of name and value. */
export function facts(pairs) {
  const rows = pairs
    .filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([name, value]) => el("div", {}, el("dt", { text: name }), el("dd", {}, value)));
  return el("dl", { class: "facts" }, rows);
}
