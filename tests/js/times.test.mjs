// Times are shown and read in one zone: the reader's own, or UTC.

import assert from "node:assert/strict";
import test from "node:test";

process.env.TZ = "America/New_York";
const { clock, date, dayBefore, exactTime, momentOf, setZone, zoneWords } = await import("../../static/portal/js/lib/format.js");

const SUMMER = new Date("2026-07-01T03:30:15.250Z");
const WINTER = new Date("2026-01-01T03:30:15.250Z");

test("the reader's own zone is named with its offset of that moment", () => {
  setZone("local");
  assert.equal(zoneWords(SUMMER), "UTC-4");
  assert.equal(zoneWords(WINTER), "UTC-5");
  assert.equal(`${date(SUMMER)} ${clock(SUMMER)}`, "2026-06-30 23:30:15");
  assert.equal(exactTime(WINTER), "2025-12-31 22:30:15.250 UTC-5");
});

test("what is typed is read in the zone in which it is shown", () => {
  setZone("local");
  assert.equal(momentOf("2026-07-01T09:30").toISOString(), "2026-07-01T13:30:00.000Z");
  assert.equal(momentOf("2026-03-08", 1).toISOString(), "2026-03-09T04:00:00.000Z");
  setZone("utc");
  assert.equal(momentOf("2026-07-01T09:30").toISOString(), "2026-07-01T09:30:00.000Z");
  assert.equal(momentOf("2026-02-28", 1).toISOString(), "2026-03-01T00:00:00.000Z");
  assert.equal(exactTime(SUMMER), "2026-07-01 03:30:15.250 UTC");
  assert.match(dayBefore(0), /^\d{4}-\d\d-\d\d$/);
});

test("a field without a day is no moment", () => {
  for (const typed of ["", undefined, null, "tomorrow"]) assert.equal(momentOf(typed), null);
});
