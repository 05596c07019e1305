// The terminal's reading of typed numbers and its decimals, run by node alone: `node --test tests/js/`.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import * as d from "../../static/portal/js/lib/decimal.js";
import { readNumber } from "../../static/portal/js/lib/numbers.js";

const { cases } = JSON.parse(readFileSync(new URL("../number_cases.json", import.meta.url), "utf8"));

for (const { text, value, refused, names, fits } of cases) {
  test(`a field that holds ${JSON.stringify(text)}`, () => {
    const read = readNumber(text);

    if (refused === undefined) {
      assert.deepEqual(read, { value });
      return;
    }
    assert.equal(read.value, undefined);
    assert.equal(read.kind, refused, read.problem);
    if (names === undefined) return;
    assert.ok(read.problem.includes(names), read.problem);
    assert.equal(fits.length ? read.problem.includes(`Type ${fits.join(" or ")}.`) : !read.problem.includes("Type "), true, read.problem);
  });
}

test("a field with nothing or only blanks in it is empty", () => {
  for (const text of ["", "   ", "\u00a0\t"]) assert.deepEqual(readNumber(text), { empty: true });
});

test("a number of more digits than any here is refused", () => {
  assert.match(readNumber("10000000000000000000000000.5").problem, /more than 25 digits/);
});

test("a whole number has no decimals other than zeros", () => {
  assert.deepEqual(readNumber("5.0", { whole: true }), { value: "5" });
  assert.match(readNumber("1.5", { whole: true }).problem, /is not a whole number/);
  assert.match(readNumber("1,5", { whole: true }).problem, /a comma/);
});

for (const [computed, wanted] of [
  [() => d.add("0.1", "0.2"), "0.3"],
  [() => d.sub("1", "0.00001"), "0.99999"],
  [() => d.mul("1.10000", "3"), "3.30000"],
  [() => d.div("1", "3", 4), "0.3333"],
  [() => d.round("1.005", 2), "1.01"],
  [() => d.round("-1.005", 2), "-1.01"],
  [() => d.round("2.5", 0), "3"],
  [() => d.trim("1.50"), "1.5"],
  [() => d.trim("100"), "100"],
  [() => d.parse("1e5"), null],
  [() => d.parse("1,5"), null],
  [() => d.parse(""), null],
  [() => d.parse("."), null],
  [() => d.compare("1.10", "1.1"), 0],
  [() => d.compare("-0.1", "0"), -1],
  [() => d.onGrid("1.23456", 4), false],
  [() => d.onGrid("1.23450", 4), true],
  [() => d.percentOf("0.07", "40", "0.01"), "0.02"],
  [() => d.percentOf("1", "33.3", "0.1"), "0.3"],
  [() => d.stepped("0.15", "0.1", 1, "0.1", "10"), "0.2"],
  [() => d.stepped("0.15", "0.1", -1, "0.1", "10"), "0.1"],
  [() => d.stepped("9.95", "0.1", 3, "0.1", "10"), "10"],
  [() => d.add("90071992547409930.01", "0.01"), "90071992547409930.02"],
]) {
  test(`${computed.toString().slice(6)} is ${wanted}`, () => assert.equal(computed(), wanted));
}
