import { changed, el, icon, mount } from "./dom.js";

// data: { label, columns: [{ name, number }], rows: [{ id, cells: [{ text, tone, icon, small }], actions: [{ name, label, icon }] }], actions }
function cell({ text, tone, icon: symbol, small }, column) {
  const words = tone ? el("span", { class: `maru-badge maru-tone-${tone}` }, symbol ? icon(symbol) : null, text) : el("span", {}, text);
  return el("td", { class: column.number ? "maru-cell-number" : null, "data-label": column.name },
    words, small ? el("span", { class: "maru-meta maru-cell-small" }, small) : null);
}

export default function ({ data, parentElement, setTriggerValue }) {
  if (!changed(parentElement, data)) return;
  const acting = data.rows.some((row) => row.actions?.length);
  const buttons = (row) => (row.actions || []).map((action) =>
    el("button", { type: "button", class: "maru-text-button", "aria-label": `${action.label}: ${row.cells[0].text}`, onclick: () => setTriggerValue("act", { id: row.id, name: action.name }) },
      icon(action.icon), action.label));
  mount(parentElement, el("table", { class: "maru-table" },
    el("caption", { class: "maru-visually-hidden" }, data.label),
    el("thead", {}, el("tr", {}, data.columns.map((column) => el("th", { scope: "col", class: column.number ? "maru-cell-number" : null }, column.name)),
      acting ? el("th", { scope: "col" }, el("span", { class: "maru-visually-hidden" }, data.actions)) : null)),
    el("tbody", {}, data.rows.map((row) => el("tr", {}, row.cells.map((one, n) => cell(one, data.columns[n])),
      acting ? el("td", { class: "maru-cell-actions" }, buttons(row)) : null)))));
}
