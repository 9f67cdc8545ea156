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

// Streamlit calls a component again with each new data; the old content gives way, the mount point stays.
export function mount(parent, node) {
  const before = parent.querySelector(":scope > .maru-root");
  const root = el("div", { class: "maru-root" }, ...[node].flat());
  if (before) before.replaceWith(root);
  else parent.append(root);
  return root;
}
