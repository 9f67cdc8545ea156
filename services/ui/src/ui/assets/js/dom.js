// Builds elements from data; strings only ever become text.
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined && child !== "") node.append(child);
  }
  return node;
}

export function icon(name) {
  return el("span", { class: "maru-icon", "aria-hidden": "true", translate: "no" }, name);
}

// A link to another page of ours; press.js follows it within this document.
export function link(href, attributes, ...children) {
  return el("a", { href, "data-maru-link": true, ...attributes }, ...children);
}

// Streamlit calls a component in every run: what stands there stays as long as it says the same.
export function changed(parent, data) {
  const shown = JSON.stringify(data);
  if (parent.maruShown === shown && parent.querySelector(":scope > .maru-root")) return false;
  parent.maruShown = shown;
  return true;
}

// The old content gives way, the mount point stays, and so does the focus where the new content has its like.
export function mount(parent, node) {
  const before = parent.querySelector(":scope > .maru-root");
  const held = before?.contains(document.activeElement) ? document.activeElement : null;
  const root = el("div", { class: "maru-root" }, ...[node].flat());
  if (before) before.replaceWith(root);
  else parent.append(root);
  if (held) like(root, held)?.focus({ preventScroll: true });
  return root;
}

function like(root, held) {
  if (held.id) return root.querySelector(`#${CSS.escape(held.id)}`);
  const name = ["href", "aria-label"].find((one) => held.hasAttribute(one));
  return name ? root.querySelector(`[${name}="${CSS.escape(held.getAttribute(name))}"]`) : null;
}
