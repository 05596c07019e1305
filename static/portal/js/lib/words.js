// What codes, states and reasons mean, in words. The code itself is always shown beside its words.

import { orderType } from "./order_types.js";

const CODES = {
  account_disabled: "The account is disabled.",
  read_only: "This account may look, not trade.",
  close_only: "Only closing is allowed just now.",
  subscription_required: "Smart orders need the tier PRO or above.",
  symbol_not_found: "This account does not trade the symbol.",
  trade_disabled: "Trading in the symbol is switched off.",
  long_only: "The symbol may only be bought.",
  short_only: "The symbol may only be sold.",
  market_closed: "The market is closed.",
  off_quotes: "There is no fresh price.",
  invalid_volume: "The volume does not fit.",
  invalid_leverage: "The leverage is above the account's.",
  invalid_price: "The price is on the wrong side of the market, too near, or off the grid.",
  invalid_stops: "Stop loss or take profit is on the wrong side, too near, or off the grid.",
  invalid_levels: "The levels do not make an exit plan.",
  invalid_expiration: "The expiry is not in the future.",
  limit_reached: "The account has as many positions and orders as it may have.",
  position_exists: "There is already a position on the symbol.",
  hedge_prohibited: "Holding both sides of a symbol is not allowed here.",
  no_money: "There is not enough free margin.",
  position_not_found: "The position is no longer open.",
  order_not_found: "The order is no longer waiting.",
  smart_not_found: "The smart order has ended.",
  managed_by_smart_order: "A smart order owns the exits of this position.",
  conflict: "It was changed meanwhile.",
  frozen: "The market is too near to change it.",
  fifo: "The older position has to be closed first.",
  invalid_close_by: "These two positions cannot close each other.",
  timeout: "Nobody answered in time.",
  rejected: "The dealer rejected it.",
  requote: "The price is another one by now.",
  request_not_found: "There is no such offer any more.",
  halted: "Trading is halted.",
  internal_error: "The server could not process it; it is kept for inspection.",
  unavailable: "The desk does not answer just now.",
  invalid_request: "The request is malformed.",
  unauthorized: "You are logged out.",
  forbidden: "This is not allowed.",
  not_found: "It is not there.",
  too_many_requests: "Too many requests; wait a moment.",
  network: "The server cannot be reached.",
  not_connected: "The connection is gone: nothing was sent.",
};

const REASONS = {
  client: "You",
  manager: "Manager",
  forced_close: "Stop-out",
  stop_loss: "Stop loss",
  take_profit: "Take profit",
  smart_order: "Smart order",
  expiration: "Expired",
};

const STATES = {
  PENDING: "Waiting for entry",
  ACTIVE: "Active",
  PARTIALLY_CLOSED: "Partially closed",
  CLOSED: "Closed",
  STOPPED: "Stopped",
  CANCELLED: "Cancelled",
};

const STOP_SOURCES = { fixed: "stop loss", trailing: "trailing", break_even: "break-even" };

const LEDGER = {
  deposit: "Deposit",
  withdrawal: "Withdrawal",
  credit_in: "Credit in",
  credit_out: "Credit out",
  correction: "Correction",
  bonus: "Bonus",
  charge: "Charge",
  profit: "Profit",
  commission: "Commission",
  swap: "Swap",
  agent_commission: "Agent commission",
  so_compensation: "Stop-out compensation",
};

/** Return why a deal was made: a waiting order that was reached says its own kind, not who once placed it. */
export function dealWords(deal) {
  return orderType(deal.trigger) && (deal.reason === "client" || deal.reason === "manager") ? `${typeWords(deal.trigger)} filled` : reasonWords(deal.reason);
}

function spaced(value) {
  const words = String(value ?? "").replaceAll("_", " ").toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export const codeWords = (code) => CODES[code] ?? spaced(code);
export const typeWords = (type) => orderType(type)?.label ?? spaced(type);
export const reasonWords = (reason) => REASONS[reason] ?? spaced(reason);
export const stateWords = (state) => STATES[state] ?? spaced(state);
export const stopWords = (source) => STOP_SOURCES[source] ?? spaced(source);
export const ledgerWords = (kind) => LEDGER[kind] ?? spaced(kind);
export const LEDGER_KINDS = Object.entries(LEDGER);
export const plainWords = spaced;

/** Return an error in one line: its words, what was found, and the code. */
export function errorLine(error) {
  const found = error.message && error.message !== error.code ? ` ${sentence(error.message)}` : "";
  return `${codeWords(error.code)}${found} [${error.code}]`;
}

function sentence(message) {
  const text = String(message).trim();
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}
