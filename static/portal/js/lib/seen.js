// A dialog that changes a record: it sends what was changed and nothing else, with the value it was changed from. Where
// the record has another value by then, the server refuses with `conflict` and sends its present state; the dialog
// shows that, keeps what was typed, and lets the trader decide again.

import { ApiError } from "./api.js";
import { compare } from "./decimal.js";
import { price } from "./format.js";
import { setValue, valueOf } from "./steppers.js";

export class Seen {
  /** `fields` are the price fields by the names of `row` that they change. */
  constructor({ row, names, fields, digits }) {
    Object.assign(this, { row, names, fields, digits });
    for (const name of names) setValue(fields[name].input, this.shown(name));
  }

  /** Return a value as its field shows it, "" for none. */
  shown(name) {
    return this.row[name] ? price(this.row[name], this.digits) : "";
  }

  changed() {
    return this.names.filter((name) => {
      const typed = valueOf(this.fields[name].input);
      return typed === undefined ? this.shown(name) !== "" : this.shown(name) === "" || compare(typed, this.shown(name)) !== 0;
    });
  }

  lacks() {
    return this.changed().length ? "" : "Nothing is changed yet.";
  }

  /** Give `send` what was changed; a conflict brings the present values into the fields that were left alone. */
  async send(send, onShown) {
    const names = this.changed();
    const body = { seen: {} };
    for (const name of names) {
      body[name] = valueOf(this.fields[name].input) ?? null;
      body.seen[name] = this.row[name] ?? null;
    }
    try {
      return await send(body);
    } catch (error) {
      if (error instanceof ApiError && error.code === "conflict" && error.current) this.takeIn(error, names, onShown);
      throw error;
    }
  }

  takeIn(error, names, onShown) {
    const before = this.row;
    this.row = { ...before, ...error.current };
    const changes = this.names.filter((name) => this.row[name] !== before[name]);
    for (const name of changes) if (!names.includes(name)) setValue(this.fields[name].input, this.shown(name));
    const words = changes.map((name) => `${name.replace("_", " ")} was ${before[name] ?? "none"} and is now ${this.row[name] ?? "none"}`);
    error.message = `${words.join("; ")}. Look, and save again.`;
    onShown();
  }
}
