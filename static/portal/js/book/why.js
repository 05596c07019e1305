// Why was I closed: a deal's evidence in sentences, then every recorded figure.

import { get } from "../lib/api.js";
import { trim } from "../lib/decimal.js";
import { facts, openDialog } from "../lib/dialog.js";
import { el } from "../lib/dom.js";
import { exactTime, gain, money, price, volume } from "../lib/format.js";
import { store } from "../lib/store.js";
import { dealWords, plainWords, reasonWords } from "../lib/words.js";

/** Open the story of a deal. */
export async function explainDeal(ticket) {
  const deal = await get(`/deals/${ticket}/`, { account: store.login });
  const evidence = deal.evidence;
  openDialog({
    title: `${deal.direction === "out" ? "Why was I closed" : "Deal"}: #${deal.ticket}`,
    wide: true,
    content: [
      el("p", { class: "story", text: story(deal, evidence) }),
      facts([
        ["Deal", `${deal.side} ${deal.direction}, ${volume(deal.volume)} lots of ${deal.symbol}`],
        ["Executed at", price(deal.price, deal.digits)],
        ["Requested", price(deal.requested_price, deal.digits)],
        ["Opened at", deal.open_price && price(deal.open_price, deal.digits)],
        ["Time", exactTime(deal.time)],
        ["Position", `#${deal.position}`],
        ["Order", `#${deal.order}`],
        ["Reason", dealWords(deal)],
        ["Profit", deal.direction === "out" ? gain(deal.profit) : null],
        ["Net", deal.direction === "out" ? gain(store.net(deal)) : null],
        ["Fees", deal.direction === "out" ? money(deal.fees) : null],
        ["Swap", deal.direction === "out" ? money(deal.swap) : null],
        ["Converted at", deal.profit_rate && trim(deal.profit_rate)],
        ["Comment", deal.comment],
        ["Trigger key", deal.trigger_key],
      ]),
      evidence ? el("h3", { text: "What the server recorded" }) : null,
      evidence ? facts(flattened(evidence)) : null,
    ],
  });
}

function story(deal, evidence) {
  const at = price(deal.price, deal.digits);
  const lots = `${volume(deal.volume)} lots`;
  if (!evidence) {
    const who = deal.reason === "manager" ? "A manager" : deal.reason === "smart_order" ? "Your smart order" : "You";
    return deal.direction === "out" ? `${who} closed ${lots} at the market, ${at}.` : `${who} opened ${lots} at ${at}.`;
  }
  const tick = evidence.tick ?? {};
  const quote = tick.bid ? ` The quote of ${tick.symbol ?? deal.symbol} was ${tick.bid} / ${tick.ask} at ${exactTime(tick.time_ms)}.` : "";
  const level = evidence.level ? ` at its level ${evidence.level}` : "";
  switch (deal.reason) {
    case "stop_loss":
      return `The stop loss was reached${level}: ${lots} were closed at ${at}.${quote}`;
    case "take_profit":
      return `The take profit was reached${level}: ${lots} were closed at ${at}.${quote}`;
    case "forced_close":
      return `${stopOutWords(evidence.before)} The server closed ${lots} of this position at ${at}.${quote}`;
    case "smart_order":
      return `${smartWords(evidence.trigger)}${level}: ${lots} were ${deal.direction === "out" ? "closed" : "opened"} at ${at}.${quote}`;
    default:
      return deal.trigger ? `${dealWords(deal)}: the price reached your order${level}, and ${lots} were ${deal.direction === "out" ? "closed" : "opened"} at ${at}.${quote}` : `${reasonWords(deal.reason)}${level}: ${lots} were executed at ${at} without a further request.${quote}`;
  }
}

function stopOutWords(before) {
  if (!before) return "The margin level fell to the stop-out limit.";
  const found = before.level ? `${before.level} %, with an equity of ${money(before.equity)} and a margin of ${money(before.margin)}` : `an equity of ${money(before.equity)}`;
  return `The margin level had fallen to ${found}: that is at or below the stop-out limit.`;
}

function smartWords(trigger) {
  const level = /^level (\d+)$/.exec(trigger ?? "");
  if (level) return `Level ${level[1]} of the smart order was reached`;
  return trigger === "stop" ? "The stop of the smart order was reached" : "The entry of the smart order was reached";
}

/** Return nested evidence as pairs of a path in words and a value. */
function flattened(value, path = "") {
  if (value === null || value === undefined) return [];
  if (Array.isArray(value)) return value.flatMap((inner, index) => flattened(inner, `${path} ${index + 1}`.trim()));
  if (typeof value === "object") {
    return Object.entries(value).flatMap(([name, inner]) => {
      const words = plainWords(name.replace(/_ms$/, ""));
      const deeper = path ? `${path}, ${words.toLowerCase()}` : words;
      return /(^|_)time(_ms)?$/.test(name) && typeof inner !== "object" ? [[deeper, exactTime(inner)]] : flattened(inner, deeper);
    });
  }
  return [[path, String(value)]];
}
