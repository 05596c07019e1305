// The bar of the account: what it has, what is free, how near trouble is, and whether what is shown is live.

import { compare } from "../lib/decimal.js";
import { el, setAttribute, setText } from "../lib/dom.js";
import { gain, money, tone } from "../lib/format.js";
import { store } from "../lib/store.js";

const FIGURES = [
  ["balance", "Balance"],
  ["equity", "Equity"],
  ["floating", "Floating"],
  ["margin", "Margin"],
  ["free_margin", "Free"],
  ["margin_level", "Level"],
];

const QUIET_MS = 20_000; // no price of any open market for so long is worth telling

const cells = {};
const widest = {};
let chooser;

/** Fill the bar and keep it up to date; `onChoose` is told the login that was picked. */
export function startAccountBar(onChoose) {
  const bar = document.getElementById("account-bar");
  for (const [name, label] of FIGURES) {
    cells[name] = el("dd", { data: { figure: name } });
    bar.append(el("div", { data: { name } }, el("dt", { text: label }), cells[name]));
  }
  cells.flag = el("span", { class: "account-flag", hidden: true });
  bar.append(cells.flag);
  chooser = document.getElementById("account-select");
  chooser.addEventListener("change", () => onChoose(Number(chooser.value)));
  store.on("accounts login", showAccounts);
  store.on("account live", showFigures);
  store.on("connection quotes", showConnection);
  setInterval(showConnection, 1_000);
  showConnection();
}

/** Show a figure in a cell that grows and never shrinks, so that its neighbours stand still. */
function put(name, text) {
  setText(cells[name], text);
  if (text.length <= (widest[name] ?? 0)) return;
  widest[name] = text.length;
  cells[name].style.minWidth = `${text.length}ch`;
}

function showAccounts() {
  for (const name of Object.keys(widest)) {
    widest[name] = 0;
    cells[name].style.minWidth = "";
  }
  chooser.replaceChildren(
    ...store.accounts.map((row) => {
      const words = [row.login, row.name, row.margin_mode].filter(Boolean).join(" · ");
      const option = el("option", { value: String(row.login), text: words });
      option.selected = row.login === store.login;
      return option;
    }),
  );
  chooser.disabled = store.accounts.length < 2;
}

function showFigures() {
  const account = store.account;
  if (!account) return;
  const currency = account.currency ?? "";
  for (const [name] of FIGURES) {
    const value = store.figure(name);
    if (name === "floating") {
      put(name, gain(value));
      setAttribute(cells[name], "class", tone(value));
    } else if (name === "margin_level") put(name, value ? `${money(value)} %` : "–");
    else put(name, name === "equity" ? `${money(value)} ${currency}` : money(value));
  }
  showFlag(account);
  document.title = `${gain(store.figure("floating"))} · ${account.login} · tradingdesk`;
}

/** Return for how many seconds an open market has been silent, by tens; 0 while prices come or none is open. */
function quietSeconds() {
  const silentMs = Date.now() - store.quotedMs;
  if (store.connection !== "live" || silentMs < QUIET_MS) return 0;
  const isOpen = [...store.symbols.values()].some((symbol) => symbol.session_open);
  return isOpen ? Math.floor(silentMs / 10_000) * 10 : 0;
}

function showFlag(account) {
  const level = store.figure("margin_level");
  const called = account.margin_call || (level && compare(level, account.margin_call_level ?? "0") <= 0);
  const flags = [];
  if (called) flags.push(`Margin call: level at or below ${account.margin_call_level ?? "the limit"} %`);
  if (account.read_only) flags.push("Read only");
  if (account.close_only) flags.push("Close only");
  if (account.halt && account.halt !== "normal") flags.push(`Halt: ${account.halt.replaceAll("_", " ")}`);
  cells.flag.hidden = flags.length === 0;
  setText(cells.flag, flags.join(" · "));
  setAttribute(cells.margin_level, "class", called ? "down" : "");
}

function showConnection() {
  const quiet = quietSeconds();
  const words = quiet ? `No prices for ${quiet} s` : { live: "Live", connecting: "Connecting", lost: "Connection lost" }[store.connection];
  const sign = document.getElementById("connection");
  setText(sign, words);
  setAttribute(sign, "data-state", quiet ? "quiet" : store.connection);
  setAttribute(sign, "title", quiet ? "Connected, but no market that is open has sent a price. What you see may be old." : null);
  const stale = document.getElementById("stale");
  const lost = store.connection === "lost";
  if (lost) setText(stale, "The connection is lost. What you see is old; orders cannot be confirmed. Reconnecting …");
  stale.hidden = !lost;
  document.body.classList.toggle("is-stale", lost);
}
