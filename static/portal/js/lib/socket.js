// The WebSocket: one for the page, opened again with growing pauses, silent ones given up after 20 s.
// It asks a fresh snapshot whenever events are missing, so that what is shown is never a guess.

import { store } from "./store.js";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;
const PING_MS = 8_000;
const SILENT_MS = 20_000;
const ANSWER_MS = 4_000; // a snapshot that has not come by then is asked for again

class Socket extends EventTarget {
  constructor() {
    super();
    this.socket = null;
    this.failures = 0;
    this.heardMs = 0;
    this.retryTimer = 0;
    this.watched = null;
    this.askedMs = 0;
    this.checks = 0;
    this.stopped = false;
  }

  start() {
    this.open();
    this.checks = setInterval(() => this.check(), 1000);
    window.addEventListener("online", () => this.again(0));
    // Back from sleep or from another tab: timers stood still, so look at once.
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) return;
      if (!this.socket) this.again(0);
      else this.check();
    });
  }

  open() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/ws/`);
    this.socket = socket;
    this.heardMs = Date.now();
    this.pingedMs = Date.now();
    socket.addEventListener("open", () => {
      this.send({ op: "subscribe", channel: "quotes", symbols: "*" });
      this.watched = null;
      this.watch(store.login);
    });
    socket.addEventListener("message", (message) => this.receive(JSON.parse(message.data)));
    socket.addEventListener("close", (event) => {
      if (this.socket === socket) this.lost(event.code);
    });
  }

  /** Close for good: the session is about to end. */
  stop() {
    this.stopped = true;
    clearInterval(this.checks);
    clearTimeout(this.retryTimer);
    this.socket?.close();
  }

  lost(code) {
    this.socket = null;
    if (this.stopped) return;
    this.failures += 1;
    store.setConnection("lost");
    this.dispatchEvent(new CustomEvent("lost", { detail: { code, failures: this.failures } }));
    const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (this.failures - 1));
    this.again(wait * (0.75 + Math.random() / 2));
  }

  again(waitMs) {
    clearTimeout(this.retryTimer);
    this.retryTimer = setTimeout(() => {
      if (!this.socket && !this.stopped) this.open();
    }, waitMs);
  }

  check() {
    if (!this.socket) return;
    const now = Date.now();
    if (now - this.heardMs > SILENT_MS) {
      const silent = this.socket;
      this.lost(0);
      silent.close();
    } else if (now - this.pingedMs > PING_MS && this.socket.readyState === WebSocket.OPEN) {
      this.pingedMs = now;
      this.send({ op: "ping" });
    }
    // A server that was busy may have refused the subscription; the page would wait for ever.
    const waits = store.seq === null || store.connection !== "live";
    if (this.watched !== null && waits && now - this.askedMs > ANSWER_MS) this.subscribe();
  }

  subscribe() {
    this.askedMs = Date.now();
    this.send({ op: "subscribe", channel: "account", account: this.watched });
  }

  send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  /** Follow one account and no other. */
  watch(login) {
    if (this.watched !== null && this.watched !== login) {
      this.send({ op: "unsubscribe", channel: "account", account: this.watched });
    }
    this.watched = login;
    if (login !== null) this.subscribe();
  }

  receive(message) {
    this.heardMs = Date.now();
    switch (message.type) {
      case "quotes":
        store.applyQuotes(message.quotes);
        break;
      case "snapshot":
        if (message.account !== store.login) return;
        this.failures = 0;
        store.applySnapshot(message.seq, message.data);
        store.setConnection("live");
        break;
      case "event":
        if (message.account !== store.login) return;
        if (!store.applyEvent(message)) this.resync();
        else this.dispatchEvent(new CustomEvent("event", { detail: message }));
        break;
      case "live":
        if (message.account === store.login) store.applyLive(message.data);
        break;
      case "error":
        // Cut off from the account: what is shown is no longer kept up, so it is asked for again.
        if (message.account === store.login) store.setConnection("connecting");
        this.dispatchEvent(new CustomEvent("refused", { detail: message }));
        break;
    }
  }

  resync() {
    store.seq = null; // events are put aside until the snapshot
    this.subscribe();
  }
}

export const socket = new Socket();
