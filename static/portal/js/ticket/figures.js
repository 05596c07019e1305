// What the server tells of an order before it is sent: margin, value of a point, commission. Figures belong to one
// account, symbol, side and volume; of any other they are not shown and do not arm the ticket.

import { ask, ApiError } from "../lib/api.js";
import { compare, parse } from "../lib/decimal.js";
import { debounced } from "../lib/dom.js";
import { failedBy } from "../lib/outcome.js";
import { errorLine } from "../lib/words.js";

const PAUSE_MS = 200; // of typing
const RETRY_MS = 2_000;
const OLD_MS = 60_000; // figures that could not be read anew for so long arm nothing

export class Figures {
  /** `wanted()` returns the orders to ask about, {account, symbol, side, volume}; `onChange` is told of every answer. */
  constructor({ wanted, onChange }) {
    Object.assign(this, { wanted, onChange, known: new Map(), problem: "", asking: null, retry: 0 });
    this.askSoon = debounced(() => this.ask(), PAUSE_MS);
  }

  /** Return the figures of exactly this order, null where there are none that count. */
  of(order) {
    const found = this.known.get(keyOf(order));
    return found && performance.now() - found.atMs < OLD_MS ? found : null;
  }

  forget() {
    this.asking?.abort();
    this.known.clear();
    this.problem = "";
  }

  /** Ask about all that is wanted; a newer question gives an older one up. */
  async ask() {
    clearTimeout(this.retry);
    this.asking?.abort();
    const mine = (this.asking = new AbortController());
    try {
      for (const order of this.wanted()) {
        if (!parse(order.volume) || compare(order.volume, "0") <= 0) continue;
        const found = await ask("/margin-preview/", order, mine.signal);
        if (mine !== this.asking) return;
        if (this.known.size > 8) this.known.clear();
        this.known.set(keyOf(order), { ...found, atMs: performance.now() });
        this.problem = "";
        this.onChange();
      }
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof ApiError)) failedBy(error);
      this.problem = error instanceof ApiError ? errorLine(error) : "What it needs could not be counted.";
      this.retry = setTimeout(() => this.ask(), RETRY_MS);
      this.onChange();
    }
  }
}

const keyOf = ({ account, symbol, side, volume }) => JSON.stringify([account, symbol, side, volume]);
