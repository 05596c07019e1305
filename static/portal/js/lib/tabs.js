// Tabs by the pattern of ARIA: arrows move between them, one is in the tab order.

import { el, freshId, setText } from "./dom.js";

/** Return {list, panels, show(name), count(name, text)}: `tabs` is a list of {name, label, panel, shown?}. */
export function makeTabs({ label, tabs, onShow }) {
  const list = el("div", { class: "tabs", role: "tablist", "aria-label": label });
  const known = new Map();
  for (const tab of tabs) {
    const id = freshId("tab");
    tab.panel.id ||= freshId("tabpanel");
    const count = el("span", { class: "tab-count" });
    const button = el("button", { type: "button", role: "tab", id, "aria-controls": tab.panel.id, data: { tab: tab.name } }, tab.label, count);
    tab.panel.setAttribute("role", "tabpanel");
    tab.panel.setAttribute("aria-labelledby", id);
    button.addEventListener("click", () => show(tab.name));
    list.append(button);
    known.set(tab.name, { ...tab, button, count });
  }
  list.addEventListener("keydown", (event) => {
    const names = [...known.keys()];
    const at = names.indexOf(document.activeElement?.dataset?.tab);
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step || at < 0) return;
    event.preventDefault();
    const next = names[(at + step + names.length) % names.length];
    show(next);
    known.get(next).button.focus();
  });
  let current = null;
  function show(name) {
    if (!known.has(name)) return;
    current = name;
    for (const [other, tab] of known) {
      const on = other === name;
      tab.button.setAttribute("aria-selected", String(on));
      tab.button.tabIndex = on ? 0 : -1;
      tab.panel.hidden = !on;
    }
    known.get(name).button.scrollIntoView({ block: "nearest", inline: "nearest" });
    onShow?.(name);
  }
  return {
    list,
    show,
    current: () => current,
    count(name, text) {
      setText(known.get(name).count, text);
    },
  };
}
