// Small helpers over the DOM. All text goes through textContent; nothing here takes HTML.

/** Return a new element: attributes by name, `on` for listeners, `text` for its text, then children. */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "on") for (const [type, listener] of Object.entries(value)) node.addEventListener(type, listener);
    else if (name === "text") node.textContent = value;
    else if (name === "data") Object.assign(node.dataset, value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined && child !== false) node.append(child);
  }
  return node;
}

/** Set an element's text where it differs, so that an unchanged cell costs no layout. */
export function setText(node, value) {
  if (node.textContent !== value) node.textContent = value;
}

/** Set or remove an attribute where it differs. */
export function setAttribute(node, name, value) {
  if (value === null || value === undefined || value === false) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
  } else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, String(value));
}

/** Keep the children of a parent equal to a list: rows are made once, updated after, removed when gone. */
export function keyed(parent, items, keyOf, create, update) {
  const known = (parent.keyedRows ??= new Map());
  const seen = new Set();
  let cursor = parent.firstElementChild;
  for (const item of items) {
    const key = String(keyOf(item));
    seen.add(key);
    let row = known.get(key);
    if (!row) {
      row = create(item);
      known.set(key, row);
    }
    update(row, item);
    if (row === cursor) cursor = cursor.nextElementSibling;
    else parent.insertBefore(row, cursor);
  }
  for (const [key, row] of known) {
    if (!seen.has(key)) {
      row.remove();
      known.delete(key);
    }
  }
}

/** Return a function that runs another one only after calls have paused for so many ms. */
export function debounced(run, waitMs) {
  let timer = 0;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => run(...values), waitMs);
  };
}

/** Remember a choice of the reader in this browser. */
export function remember(name, value) {
  try {
    localStorage.setItem(`td.${name}`, JSON.stringify(value));
  } catch {
    return; // storage is forbidden or full: the choice lasts for this page
  }
}

/** Return a remembered choice, or the other value. */
export function recall(name, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(`td.${name}`)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

/** Forget a choice. */
export function forget(name) {
  try {
    localStorage.removeItem(`td.${name}`);
  } catch {
    return; // storage is forbidden: there was none
  }
}

let lastId = 0;

/** Return an id that no other element of the page has. */
export function freshId(prefix) {
  lastId += 1;
  return `${prefix}-${lastId}`;
}
