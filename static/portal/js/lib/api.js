// The REST API with the session's cookie. A request that changes something carries an Idempotency-Key, so that
// it may be repeated when its answer was lost: it acts once.

import { gain, price, volume } from "./format.js";
import { store } from "./store.js";

const BASE = "/api/v1";
const RETRIES = 3;
const RETRY_WAIT_MS = 700;

const stay = new AbortController();

/** End what is under way and ask nothing more: the session is about to end, and every answer would be a refusal. */
export function leave() {
  stay.abort();
}

/** What the server said no to: code, message, and where it meant something, ticket, level and current state. */
export class ApiError extends Error {
  constructor(status, body) {
    super(body.message ?? body.detail ?? body.error ?? `HTTP ${status}`);
    this.status = status;
    this.code = body.code ?? (status === 401 ? "unauthorized" : status === 403 ? "forbidden" : "internal_error");
    this.ticket = body.ticket ?? null;
    this.level = body.level ?? null;
    this.current = body.current ?? null;
    this.isOffer = Boolean(body.requote_expires_at); // the price of a requote, which may be accepted
  }
}

function cookie(name) {
  const found = document.cookie.split("; ").find((pair) => pair.startsWith(`${name}=`));
  return found ? decodeURIComponent(found.slice(name.length + 1)) : "";
}

/** Return a key that no other request has; also where the page is served without TLS. */
export function freshKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function queryOf(parameters) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters ?? {})) {
    if (value !== undefined && value !== null && value !== "") query.set(name, value);
  }
  const text = query.toString();
  return text ? `?${text}` : "";
}

async function request(method, path, { query, body, key, signal } = {}) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET") headers["X-CSRFToken"] = cookie("csrftoken");
  if (key) headers["Idempotency-Key"] = key;
  let response;
  try {
    response = await fetch(BASE + path + queryOf(query), {
      method,
      headers,
      signal: signal ? AbortSignal.any([signal, stay.signal]) : stay.signal,
      credentials: "same-origin",
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, { code: "network", message: "" });
  }
  const text = await response.text();
  let answer;
  try {
    answer = text ? JSON.parse(text) : null;
  } catch {
    answer = { message: response.statusText };
  }
  if (response.status === 401) document.dispatchEvent(new CustomEvent("td-session-ended"));
  if (!response.ok) throw new ApiError(response.status, answer ?? {});
  return answer;
}

/** Return what is at an address. */
export function get(path, query, signal) {
  return request("GET", path, { query, signal });
}

/** Ask something that changes nothing and needs a body (previews). */
export function ask(path, body, signal) {
  return request("POST", path, { body, signal });
}

/** Tickets whose outcome a request has told already; their events need not be told again. */
export const answeredTickets = new Set();

/** Tickets whose outcome no request could tell: what their events say is news. */
export const openTickets = new Set();

/** Change something that is no trading, such as a preference. */
export function change(method, path, body) {
  return request(method, path, { body });
}

/**
 * Submit a command; repeated with the same key while its outcome is unknown. Without the connection nothing is
 * submitted: what is on the screen is old, and nobody would see what came of it.
 */
export async function submit(method, path, body, query) {
  if (store.connection !== "live") throw new ApiError(0, { code: "not_connected" });
  const key = freshKey();
  for (let attempt = 1; ; attempt += 1) {
    try {
      const answer = await request(method, path, { body, query, key });
      if (answer?.ticket) answeredTickets.add(answer.ticket);
      openTickets.delete(answer?.ticket);
      return answer;
    } catch (error) {
      const unknown = error instanceof ApiError && (error.status === 0 || error.status === 503);
      if (error.ticket) (unknown ? openTickets : answeredTickets).add(error.ticket);
      if (unknown && attempt >= RETRIES) error.message = await becameOf(key, body?.account ?? query?.account);
      if (!unknown || attempt >= RETRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_WAIT_MS * attempt));
    }
  }
}

/** Return in words what the journal knows of a request whose answer did not come. */
async function becameOf(key, account) {
  try {
    const { state, code, order } = await get(`/requests/by-client-id/${key}/`, { account });
    if (state === "done") return `It was done all the same: ${(order && (await madeBy(order.ticket, account))) || "look at positions and orders"}.`;
    if (state === "refused") return `It was refused: ${code}. Nothing was done.`;
    return "The desk has it and has not answered yet: do not repeat it; its outcome will be told.";
  } catch (error) {
    if (error.status === 404) return "It never reached the desk: nothing was done.";
    return "Whether it was done is not known: look at positions and orders before you repeat it.";
  }
}

/** Return in words what an order executed, "" where it executed nothing or that cannot be read. */
async function madeBy(ticket, account) {
  try {
    const { results } = await get("/deals/", { account, order: ticket, limit: 200 });
    return results.reverse().map(executed).join("; ");
  } catch {
    return ""; // that it was done is known, and is told without figures
  }
}

function executed(deal) {
  const what = deal.direction === "out" ? "closed" : "opened";
  const net = deal.direction === "out" ? `, net ${gain(store.net(deal))} ${store.account?.currency ?? ""}` : "";
  return `${deal.side} ${volume(deal.volume)} ${deal.symbol} at ${price(deal.price, deal.digits)} ${what} #${deal.position}${net}`;
}

/** Return all pages of a list, up to a limit of rows. */
export async function list(path, query = {}, most = 1000) {
  const rows = [];
  let cursor;
  do {
    const answer = await get(path, { limit: 200, ...query, cursor });
    rows.push(...answer.results);
    cursor = answer.next;
  } while (cursor && rows.length < most);
  return rows;
}
