// Renews what a page marks with data-live: figures, rows and records. The server sends what changed since: pieces that
// this page has already are named by their marks, so a quiet list costs a few hundred bytes.
// It promises never to touch what one is doing: nothing is replaced while rows are chosen, text is selected or
// a field of it has the focus; rows do not come, go or change places while the pointer or the focus is moved
// among them, and rows that did take no press for a moment. Without an answer the figures are greyed, and it says
// since when; an answer that is none of ours, and a fault of this script, are told as what they are.
(() => {
  "use strict";
  const EVERY_MS = { overview: 2000, about: 1500, rows: 3000, record: 3000 };
  const WAIT_MS = 10000;
  const AIM_MS = 3000; // so long after its last move a pointer, or the focus, among the rows is still aiming
  const SETTLE_MS = 700; // so long rows that changed places take no press: it was meant for the row that stood there
  let aimedAt = -Infinity;
  let since = new Date();
  // The pieces of each part as the server last sent them, by their marks.
  const known = new Map();

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

  // Whether somebody is about to press something among the rows.
  const isAimedAt = () => performance.now() - aimedAt < AIM_MS;

  function settle(part) {
    part.inert = true;
    setTimeout(() => (part.inert = false), SETTLE_MS);
  }

  function bindBoxes(table) {
    // The library binds the boxes when the page is loaded; these are new. A list without actions has none.
    const boxes = table.querySelectorAll("tr input.action-select");
    const wrapper = table.closest(".result-list-wrapper");
    if (boxes.length && wrapper?.querySelector(".action-toggle")) window.Actions(boxes, { parent: wrapper });
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
    if (isSame || chosen || isAimedAt()) {
      for (const row of rows) {
        const found = byKey.get(keyOf(row));
        if (found) renewCells(row, found);
      }
      return;
    }
    rows.forEach((row) => row.remove());
    table.append(...[...next.tBodies].map((row) => document.importNode(row, true)));
    bindBoxes(table);
    settle(part);
  }

  function isBusy(part) {
    const selected = window.getSelection();
    if (selected && !selected.isCollapsed && part.contains(selected.anchorNode)) return true;
    const focused = document.activeElement;
    return part.contains(focused) && focused.matches("input:not([type=checkbox]), select, textarea");
  }

  // The text of a part, put together from pieces that came now and pieces that came before; null: one is missing.
  function whole(pieces) {
    const texts = pieces.map(([mark, text]) => {
      if (text !== null) known.set(mark, text);
      return known.get(mark);
    });
    return texts.includes(undefined) ? null : texts.join("");
  }

  function renew(told) {
    let isWhole = true;
    const marks = new Set();
    for (const [name, pieces] of Object.entries(told.parts)) {
      const text = whole(pieces);
      pieces.forEach(([mark]) => marks.add(mark));
      if (text === null) {
        isWhole = false;
        continue;
      }
      const part = document.querySelector(`[data-live="${name}"]`);
      const fresh = new DOMParser().parseFromString(text, "text/html").querySelector(`[data-live="${name}"]`);
      if (!part || !fresh || isBusy(part)) continue;
      if (name === "rows") renewRows(part, fresh);
      else if (part.innerHTML !== fresh.innerHTML) part.innerHTML = fresh.innerHTML;
    }
    for (const mark of [...known.keys()]) if (!isWhole || !marks.has(mark)) known.delete(mark);
    const said = document.querySelector(".td-said");
    if (said && told.said && said.textContent !== told.said) said.textContent = told.said;
    const heading = document.querySelector(".td-heading");
    if (heading && told.heading && heading.innerHTML !== told.heading) heading.innerHTML = told.heading;
    if (told.title) document.title = told.title;
  }

  // What is wrong with an answer, in words; "" where nothing is.
  function wrong(answer) {
    if (answer.redirected && new URL(answer.url).pathname.includes("/login/")) {
      return "You are logged out: load the page again.";
    }
    if (answer.status === 403) return `You may not see this any more: figures of ${clock(since)} UTC.`;
    if (answer.status === 404) return `This is not there any more: figures of ${clock(since)} UTC.`;
    if (answer.status === 429) return `Asked too often, trying again: figures of ${clock(since)} UTC.`;
    if (!answer.ok) return `The server answered with an error (${answer.status}): figures of ${clock(since)} UTC.`;
    const kind = answer.headers.get("Content-Type") || "";
    if (!kind.includes("json")) return "The page has changed: load it again.";
    return "";
  }

  async function ask() {
    if (document.hidden) return;
    let answer;
    let told;
    try {
      const headers = { "X-Renew": "1", "X-Known": [...known.keys()].join(".") };
      answer = await fetch(location.href, { headers, signal: AbortSignal.timeout(WAIT_MS) });
      const trouble = wrong(answer);
      if (trouble) {
        say(trouble);
        return;
      }
      told = await answer.json();
    } catch {
      say(`No answer from the server: figures of ${clock(since)} UTC.`);
      return;
    }
    try {
      renew(told);
    } catch (error) {
      console.error(error);
      known.clear();
      say("This page could not show what is new: load it again.");
      return;
    }
    since = new Date();
    say("");
  }

  // Tells the server by which clock this browser goes, for times that are shown by every clock that matters.
  function tellZone() {
    const { timeZone } = new Intl.DateTimeFormat().resolvedOptions();
    const isSecure = location.protocol === "https:" ? "; secure" : "";
    if (timeZone) document.cookie = `td_zone=${encodeURIComponent(timeZone)}; path=/; samesite=lax${isSecure}`;
  }

  document.addEventListener("DOMContentLoaded", () => {
    tellZone();
    const kinds = [...document.querySelectorAll("[data-live]")].map((part) => part.dataset.live);
    if (!kinds.length) return;
    const everyMs = Math.min(...kinds.map((kind) => EVERY_MS[kind] || 3000));
    const aim = (event) => {
      if (event.target.closest?.("#result_list tbody")) aimedAt = performance.now();
    };
    for (const kind of ["pointermove", "pointerdown", "focusin", "keydown"]) {
      document.addEventListener(kind, aim, { passive: true });
    }
    const next = () => setTimeout(() => ask().finally(next), everyMs);
    next();
    document.addEventListener("visibilitychange", () => document.hidden || ask());
  });
})();
