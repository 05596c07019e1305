// A hand slips on a page that acts: Enter held down runs from one page into the next and answers its question, and the
// second press of a double-click meets what has come beneath it.
// So the buttons of a page that acts are off for its first moment, a key that repeats itself presses nothing, and a form
// is sent once. Without this script the server still asks the desk once a page.
(() => {
  "use strict";
  const DEAF_MS = 700; // longer than any system's double-click
  const SENT_MS = 10000; // then the page is still here: the sending failed, and may be tried again
  const ACTING = "form.td-form, .td-act form, form.td-acts";
  const sent = new WeakMap();

  function wake(buttons) {
    for (const button of buttons) button.disabled = false;
    const first = buttons.find((button) => button.autofocus);
    const free = !document.activeElement || document.activeElement === document.body;
    if (first && free) first.focus();
  }

  function deafen() {
    const buttons = [...document.querySelectorAll(ACTING)].flatMap((form) => [...form.querySelectorAll("button[type=submit]:enabled")]);
    for (const button of buttons) button.disabled = true;
    setTimeout(() => wake(buttons), DEAF_MS);
  }

  document.addEventListener(
    "keydown",
    (event) => {
      if (event.key === "Enter" && event.repeat && event.target.tagName !== "TEXTAREA") event.preventDefault();
    },
    true,
  );

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method !== "post") return;
    if (performance.now() - (sent.get(form) ?? -Infinity) < SENT_MS) event.preventDefault();
    else sent.set(form, performance.now());
  });

  document.addEventListener("DOMContentLoaded", deafen);
  window.addEventListener("pageshow", (event) => {
    if (!event.persisted) return; // brought back by the back button, as it was left
    for (const form of document.forms) sent.delete(form);
    deafen();
  });
})();
