// Renews what a page marks with data-live: figures, rows and records, by asking for the same page again.
// It promises never to touch what one is doing: nothing is replaced while rows are chosen, text is selected or
// a field of it has the focus. Without an answer the figures are greyed, and it says since when.
(() => {
  "use strict";
  const EVERY_MS = { overview: 2000, rows: 3000, record: 3000 };
  let since = new Date();

  const clock = (time) => time.toISOString().slice(11, 19);

  function say(text) {
    let note = document.getElementById("td-note");
    if (!text) {
      if (note) note.remove();
    } else {
      if (!note) {
        note = document.createElement("p");
        note.id = "td-note";
        note.setAttribute("role", "status");
        document.body.append(note);
      }
      if (note.textContent !== text) note.textContent = text;
    }
    for (const part of document.querySelectorAll("[data-live]")) part.classList.toggle("td-stale", Boolean(text));
  }

  const keyOf = (row) => {
    const box = row.querySelector("input.action-select");
    const link = row.querySelector("a[href]");
    return box ? box.value : link ? link.getAttribute("href") : row.textContent;
  };

  function renewCells(old, fresh) {
    const cells = [...fresh.querySelectorAll("td,th")];
    [...old.querySelectorAll("td,th")].forEach((cell, number) => {
      const next = cells[number];
      if (next && !cell.querySelector("input") && cell.innerHTML !== next.innerHTML) cell.innerHTML = next.innerHTML;
    });
  }

  function renewRows(part, fresh) {
    const table = part.querySelector("#result_list");
    const next = fresh.querySelector("#result_list");
    const chosen = part.querySelector("input.action-select:checked");
    if (!table || !next) {
      if (!chosen && (table || next || part.innerHTML !== fresh.innerHTML)) {
        part.className = fresh.className;
        part.innerHTML = fresh.innerHTML;
      }
      return;
    }
    const rows = [...table.tBodies];
    const byKey = new Map([...next.tBodies].map((row) => [keyOf(row), row]));
    const isSame = rows.length === byKey.size && rows.every((row, i) => keyOf(row) === keyOf(next.tBodies[i]));
    if (isSame || chosen) {
      for (const row of rows) {
        const found = byKey.get(keyOf(row));
        if (found) renewCells(row, found);
      }
      return;
    }
    rows.forEach((row) => row.remove());
    table.append(...[...next.tBodies].map((row) => document.importNode(row, true)));
    // Django binds the boxes when the page is loaded; these are new.
    if (window.Actions) window.Actions(table.querySelectorAll("tr input.action-select"));
  }

  function isBusy(part) {
    const selected = window.getSelection();
    if (selected && !selected.isCollapsed && part.contains(selected.anchorNode)) return true;
    const focused = document.activeElement;
    return part.contains(focused) && focused.matches("input:not([type=checkbox]), select, textarea");
  }

  function renew(text) {
    const page = new DOMParser().parseFromString(text, "text/html");
    for (const part of document.querySelectorAll("[data-live]")) {
      const fresh = page.querySelector(`[data-live="${part.dataset.live}"]`);
      if (!fresh || isBusy(part)) continue;
      if (part.dataset.live === "rows") renewRows(part, fresh);
      else if (part.innerHTML !== fresh.innerHTML) part.innerHTML = fresh.innerHTML;
    }
    for (const name of [".td-heading", ".td-said"]) {
      const old = document.querySelector(name);
      const next = page.querySelector(name);
      if (old && next && old.innerHTML !== next.innerHTML) old.innerHTML = next.innerHTML;
    }
    if (page.title) document.title = page.title;
  }

  async function ask() {
    if (document.hidden) return;
    try {
      const answer = await fetch(location.href, { headers: { "X-Renew": "1" }, signal: AbortSignal.timeout(10000) });
      if (answer.redirected && new URL(answer.url).pathname.includes("/login/")) {
        say("You are logged out: load the page again.");
        return;
      }
      if (!answer.ok) throw new Error(String(answer.status));
      renew(await answer.text());
      since = new Date();
      say("");
    } catch {
      say(`No answer from the server: figures of ${clock(since)} UTC.`);
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    const kinds = [...document.querySelectorAll("[data-live]")].map((part) => part.dataset.live);
    if (!kinds.length) return;
    const everyMs = Math.min(...kinds.map((kind) => EVERY_MS[kind] || 3000));
    const next = () => setTimeout(() => ask().finally(next), everyMs);
    next();
    document.addEventListener("visibilitychange", () => document.hidden || ask());
  });
})();
