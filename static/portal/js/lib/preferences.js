// What a person has chosen about sending and showing. It belongs to the person and is kept by the server, so that no
// other browser, and nobody else at this one, trades by one click because somebody once did. Until it is read, and
// where it cannot be, the careful choice counts.

import { change, get } from "./api.js";
import { forget } from "./dom.js";
import { setZone } from "./format.js";
import { store } from "./store.js";

const CAREFUL = { one_click: false, confirm_close: false, time_zone: "local" };

let chosen = { ...CAREFUL };

/** Return a choice: `one_click`, `confirm_close` or `time_zone`. */
export const preference = (name) => chosen[name];

function take(answer) {
  chosen = { ...CAREFUL, ...answer };
  setZone(chosen.time_zone);
  store.changed("preferences");
}

/** Read the choices of whoever is logged in. */
export async function readPreferences() {
  forget("oneclick"); // where it was kept before
  take(await get("/preferences/"));
}

/** Keep a choice; the page shows it once the server has it. */
export async function prefer(name, value) {
  try {
    take(await change("PATCH", "/preferences/", { [name]: value }));
  } finally {
    store.changed("preferences"); // also where it failed: what is shown is what counts
  }
}
