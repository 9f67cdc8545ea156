import { changed, el, mount } from "./dom.js";

// data: { summary, groups: [{ name, items: [{ text, tone, share? }] }], origin }
function mark({ text, tone, share }) {
  const badge = el("span", { class: `maru-badge maru-tone-${tone || "plain"}` }, text);
  if (share === undefined) return el("li", {}, badge);
  return el("li", { class: "maru-feeling" }, badge,
    el("span", { class: "maru-share", "aria-hidden": "true" }, el("span", { style: `width:${share}%`, class: `maru-tone-fill-${tone || "plain"}` })),
    el("span", { class: "maru-meta" }, `${share} %`));
}

export default function ({ data, parentElement }) {
  if (!changed(parentElement, data)) return;
  mount(parentElement, el("div", { class: "maru-insights" },
    data.summary ? el("p", { class: "maru-summary" }, data.summary) : null,
    el("dl", {}, data.groups.flatMap((group) => [
      el("dt", {}, group.name),
      el("dd", {}, el("ul", { class: group.items[0].share === undefined ? "maru-marks" : "maru-feelings" }, group.items.map(mark))),
    ])),
    el("p", { class: "maru-meta" }, data.origin)));
}
