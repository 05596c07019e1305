// The table of order types, as the server printed it into the page: engine/order_types.py is its only list.

const ROWS = JSON.parse(document.getElementById("order-types").textContent);
const BY_TYPE = new Map(ROWS.map((row) => [row.type, row]));

/** Return the row of a type; undefined for a word that the server did not have when the page was made. */
export const orderType = (type) => BY_TYPE.get(type);

/** Return the side of a type. */
export const sideOf = (type) => orderType(type)?.side;

/** Return the rows of one side: the kinds that a ticket offers. */
export const kindsOf = (side) => ROWS.filter((row) => row.side === side);

/** Return the row of a kind on a side. */
export const rowOfKind = (kind, side) => ROWS.find((row) => row.kind === kind && row.side === side);

/** Return the row that serves a smart order's entry, on whichever side. */
export const rowOfEntry = (entry) => ROWS.find((row) => row.entry === entry);
