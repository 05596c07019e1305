// Another price was offered instead of the one asked for: a dialog with that price and the time that is left. Nothing
// is taken by a slip: the focus is on the words, what accepts is deaf for the first moment and to a key that is held, and
// it names the price. To leave it alone is to decline: an offer that nobody accepts runs out and binds nobody.

import { ApiError, submit } from "../lib/api.js";
import { facts, openDialog } from "../lib/dialog.js";
import { el, recall, remember, setText } from "../lib/dom.js";
import { points, price, volume } from "../lib/format.js";
import { failedBy, told, warned } from "../lib/outcome.js";
import { store } from "../lib/store.js";
import { typeWords } from "../lib/words.js";

const TICK_MS = 100;

const DECLINED = "declined"; // offers that were shown to their end in this browser, and until when they could come again

const seen = new Set(Object.keys(recall(DECLINED, {})).map(Number)); // offers that were shown once
let isOpen = false;

/** Start showing offers, one after the other. */
export function startRequotes() {
  store.on("requotes snapshot", showNext);
}

const leftMs = (offer) => Date.parse(offer.expires_at) - store.serverMs();

async function showNext() {
  if (isOpen) return;
  const offer = [...store.requotes.values()].find((one) => !seen.has(one.order) && leftMs(one) > 0);
  if (!offer) return;
  seen.add(offer.order);
  isOpen = true;
  try {
    await showOffer(offer);
  } finally {
    isOpen = false;
    showNext();
  }
}

/** Return what an offer would do: side, lots and words; null where its position is gone. */
function askedFor(offer) {
  if (offer.type) return { side: offer.type, lots: offer.volume, words: typeWords(offer.type) };
  const held = store.positions.get(offer.position);
  return held ? { side: held.side === "buy" ? "sell" : "buy", lots: offer.volume ?? held.volume, words: `Close #${held.ticket}:` } : null;
}

async function showOffer(offer) {
  const asked = askedFor(offer);
  if (!asked) return;
  const login = store.login;
  const digits = offer.digits;
  const at = price(offer.price, digits);
  const what = `${asked.words} ${volume(asked.lots)} ${offer.symbol}`;
  const market = el("span", {});
  const left = el("strong", { class: "requote-left" });
  const bar = el("progress", { class: "requote-bar", max: String(Math.max(1, leftMs(offer))), "aria-label": "Time left" });
  const first = el("p", { class: "requote-price", tabindex: "-1", autofocus: true }, "At ", el("strong", { text: at }), " instead of the price that you asked for");
  const body = el("div", { class: "requote" }, first, facts([["The market now", market]]), el("div", { class: "requote-time" }, bar, left));
  let isSending = false;
  const show = () => {
    const now = leftMs(offer);
    bar.value = Math.max(0, now);
    setText(left, `${(Math.max(0, now) / 1000).toFixed(1)} s`);
    setText(market, marketWords(offer, asked.side));
    const isGone = store.login !== login || !store.requotes.has(offer.order);
    if (isSending || (now > 0 && !isGone)) return;
    if (!isGone) warned(`The offer for ${what} at ${at} ran out; nothing was done.`);
    close();
  };
  const close = () => (clearInterval(timer), body.closest("dialog")?.close());
  const timer = setInterval(show, TICK_MS);
  const done = openDialog({
    title: `Another price: ${what} (#${offer.order})`,
    content: [body],
    action: `Accept ${at}`,
    closing: "Decline",
    lacks: () => (leftMs(offer) > 0 ? "" : "It ran out."),
    act: async () => {
      isSending = true;
      try {
        await accept(offer, asked);
      } finally {
        isSending = false;
      }
    },
  });
  show();
  await done;
  clearInterval(timer);
  putAside(offer);
}

/** Remember that an offer was answered: after a reload it would be asked again. Those that ran out are forgotten. */
function putAside(offer) {
  const living = Object.entries(recall(DECLINED, {})).filter(([, until]) => Date.parse(until) > store.serverMs());
  remember(DECLINED, { ...Object.fromEntries(living), [offer.order]: offer.expires_at });
}

/** Return the market's price of this side, and how much better or worse it is for the client than the offer. */
function marketWords(offer, side) {
  const quote = store.quotes.get(offer.symbol);
  if (!quote) return "–";
  const now = side === "buy" ? quote.ask : quote.bid;
  const apart = points(offer.price, now, offer.digits);
  if (!apart) return price(now, offer.digits);
  const isBetter = side === "buy" ? apart < 0n : apart > 0n;
  return `${price(now, offer.digits)}, ${apart < 0n ? -apart : apart} pt ${isBetter ? "better" : "worse"} than the offer`;
}

/** Accept; what the server refuses for good is told outside, because the offer is used up then. */
async function accept(offer, asked) {
  try {
    const order = await submit("POST", `/orders/${offer.order}/accept/`, { account: store.login });
    told(`${asked.words} ${volume(order.volume)} ${order.symbol} done at ${price(order.modified_price, order.digits)} (#${order.ticket})`);
  } catch (error) {
    if (!(error instanceof ApiError) || error.status === 0) throw error;
    if (error.code !== "requote" || !error.isOffer) failedBy(error); // another offer shows itself
  }
}
