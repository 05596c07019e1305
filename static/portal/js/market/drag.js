// Dragging lines of the chart: which line is under the pointer, a ghost of it while it moves, Esc to leave it.
// A mouse drags at once; a finger has to rest on the line first, so that moving the chart moves no stop.

const NEAR_PX = 6;
const NEAR_FINGER_PX = 16;
const START_PX = 3;
const REST_MS = 350;

/**
 * Listen on the box of a chart. `linesOf()` returns [{y, line}] of what may be moved; `priceAt(y)` a price as text or
 * null; `begin(line)`, `show(line, price)`, `end(line, isDropped)` draw it; `drop(line, price)` does it; `hold(isHeld)` keeps the
 * chart still under the finger.
 */
export function makeDraggable(box, { linesOf, priceAt, begin, show, end, drop, hold }) {
  let drag = null;

  function lineAt(event) {
    const bounds = box.getBoundingClientRect();
    const near = event.pointerType === "mouse" ? NEAR_PX : NEAR_FINGER_PX;
    const y = event.clientY - bounds.top;
    const found = linesOf(event.clientX - bounds.left)
      .map((one) => ({ ...one, away: Math.abs(one.y - y) }))
      .filter((one) => one.away <= near);
    // Where lines lie on each other the one that changes least is meant: a draft, an exit, and last a position.
    found.sort((a, b) => rank(a.line) - rank(b.line) || a.away - b.away);
    return found[0]?.line ?? null;
  }

  function press(event) {
    if (drag || !event.isPrimary || event.button !== 0) return;
    const line = lineAt(event);
    if (!line) return;
    drag = { line, id: event.pointerId, fromY: event.clientY, isOn: false, isRested: event.pointerType === "mouse", price: null };
    if (drag.isRested) {
      box.setPointerCapture(event.pointerId);
      return;
    }
    drag.timer = setTimeout(() => {
      drag.isRested = true;
      hold(true);
      box.setPointerCapture(drag.id);
      start();
    }, REST_MS);
  }

  function start() {
    drag.isOn = true;
    box.classList.add("is-dragging");
    begin(drag.line);
  }

  function move(event) {
    if (!drag) {
      if (event.pointerType === "mouse") box.classList.toggle("can-drag", event.buttons === 0 && lineAt(event) !== null);
      return;
    }
    if (event.pointerId !== drag.id) return;
    const isFar = Math.abs(event.clientY - drag.fromY) > START_PX;
    if (!drag.isRested) {
      if (isFar) leave(); // a finger that moves on scrolls the chart
      return;
    }
    if (!drag.isOn && !isFar) return;
    if (!drag.isOn) start();
    drag.price = priceAt(event.clientY - box.getBoundingClientRect().top);
    if (drag.price !== null) show(drag.line, drag.price);
  }

  function leave(isDropped = false) {
    if (!drag) return;
    clearTimeout(drag.timer);
    if (box.hasPointerCapture(drag.id)) box.releasePointerCapture(drag.id);
    if (drag.isOn) end(drag.line, isDropped);
    hold(false);
    box.classList.remove("is-dragging", "can-drag");
    drag = null;
  }

  function release(event) {
    if (!drag || event.pointerId !== drag.id) return;
    const { line, price, isOn } = drag;
    leave(price !== null);
    if (isOn && price !== null) drop(line, price);
  }

  box.addEventListener("pointerdown", press, true);
  box.addEventListener("pointermove", move, true);
  box.addEventListener("pointerup", release, true);
  box.addEventListener("pointercancel", () => leave(), true);
  // The chart must not take a press on a line for a press on itself.
  box.addEventListener("mousedown", (event) => drag && event.stopPropagation(), true);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !drag?.isOn) return;
    event.stopPropagation();
    leave();
  }, true);
}

function rank(line) {
  if (line.draft) return 0;
  return line.move.what === "exit" ? 2 : 1;
}
