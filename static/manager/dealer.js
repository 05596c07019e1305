// Says to the server that a page of the dealers' queue is open: its dealer is online for as long as this beats.
// A window goes on under one number from page to page of the queue; closing it says so, and where another window beats
// under the same number (a duplicated tab), that one keeps it alive. A page that only looks is told so by the server
// once, and is quiet then. Between two renewals of the page it counts the seconds that are left down; it changes nothing.
// The clock runs in a worker, which is this same file: browsers slow the timers of a hidden tab down to one a minute, and
// those of a worker not; what it says is heard at once.
(() => {
  "use strict";
  const EVERY_MS = 4000;
  if (typeof document === "undefined") {
    setInterval(() => postMessage("beat"), EVERY_MS);
    return;
  }
  const script = document.currentScript.src;
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
  let clock = null;

  // Without workers the page's own timer has to do: its tab is online while it is looked at.
  function startClock() {
    try {
      const worker = new Worker(script);
      worker.onmessage = beat;
      worker.onerror = () => {
        if (!clock) return;
        clock.stop();
        clock = ownClock();
      };
      return { stop: () => worker.terminate() };
    } catch {
      return ownClock();
    }
  }

  function ownClock() {
    const timer = window.setInterval(beat, EVERY_MS);
    return { stop: () => window.clearInterval(timer) };
  }

  async function beat() {
    let answer;
    try {
      answer = await window.fetch(`${root[0]}beat/`, { method: "POST", body: form(), credentials: "same-origin" });
    } catch {
      return; // the next beat tries again
    }
    if (answer.status === 403 || answer.redirected) {
      stop();
    }
  }

  function stop() {
    clock?.stop();
    clock = null;
  }

  function begin() {
    if (clock) return;
    clock = startClock();
    beat();
  }

  function end() {
    if (!clock) return;
    stop();
    navigator.sendBeacon(`${root[0]}end/`, form());
  }

  function countDown() {
    for (const one of document.querySelectorAll("[data-left]")) {
      const left = Math.max(0, Number(one.dataset.left) - 1);
      one.dataset.left = String(left);
      one.textContent = `${left} s`;
    }
  }

  window.setInterval(countDown, 1000);
  window.addEventListener("pagehide", end);
  window.addEventListener("pageshow", begin);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible" && clock) beat();
  });
  begin();
})();
