// Says to the server that a page of the dealers' queue is open: its dealer is online for as long as this beats.
// A window goes on under one number from page to page of the queue; closing it says so, and where another window beats
// under the same number (a duplicated tab), that one keeps it alive. A page that only looks is told so by the server
// once, and is quiet then. It shows nothing and changes nothing.
(() => {
  "use strict";
  const EVERY_MS = 4000;
  const KEY = "td-dealer";
  const root = /^.*\/orders\/dealerrequest\//.exec(window.location.pathname);
  if (!root) return;

  const number = () => {
    let known = window.sessionStorage.getItem(KEY);
    if (!known) {
      const bytes = window.crypto.getRandomValues(new Uint8Array(16));
      known = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
      window.sessionStorage.setItem(KEY, known);
    }
    return known;
  };

  const form = () => {
    const told = new FormData();
    const cookie = /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie);
    const field = document.querySelector("input[name=csrfmiddlewaretoken]");
    told.append("page", page);
    told.append("csrfmiddlewaretoken", cookie ? cookie[1] : field ? field.value : "");
    return told;
  };

  const page = number();
  let timer = 0;

  async function beat() {
    let answer;
    try {
      answer = await window.fetch(`${root[0]}beat/`, { method: "POST", body: form(), credentials: "same-origin" });
    } catch {
      return; // the next beat tries again
    }
    if (answer.status === 403 || answer.redirected) {
      window.clearInterval(timer);
      timer = 0;
    }
  }

  function begin() {
    if (timer) return;
    timer = window.setInterval(beat, EVERY_MS);
    beat();
  }

  function end() {
    if (!timer) return;
    window.clearInterval(timer);
    timer = 0;
    navigator.sendBeacon(`${root[0]}end/`, form());
  }

  window.addEventListener("pagehide", end);
  window.addEventListener("pageshow", begin);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible" && timer) beat();
  });
  begin();
})();
