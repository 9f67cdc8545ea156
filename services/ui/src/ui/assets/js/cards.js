import { changed, el, icon, link, mount } from "./dom.js";

function badge({ text, tone, icon: symbol }) {
  return el("span", { class: `maru-badge maru-tone-${tone || "plain"}` }, symbol ? icon(symbol) : null, text);
}

function card(item) {
  const body = el("span", { class: "maru-card-body" },
    item.title ? el("span", { class: "maru-card-title" },
      item.n ? el("span", { class: "maru-number" }, String(item.n)) : null,
      item.icon ? icon(item.icon) : null, el("span", {}, item.title)) : null,
    item.text ? el("span", { class: "maru-card-text" }, !item.title && item.icon ? icon(item.icon) : null, el("span", {}, item.text)) : null,
    item.quote ? el("span", { class: "maru-quote" }, item.quote) : null,
    el("span", { class: "maru-card-foot" },
      item.meta ? el("span", { class: "maru-meta" }, item.meta) : null, (item.badges || []).map(badge)));
  const picture = item.image
    ? el("img", { class: "maru-card-image", src: item.image, alt: item.alt || "", loading: "lazy", decoding: "async" })
    : null;
  if (!item.href) return el("div", { class: "maru-card maru-card-still" }, picture, body);
  return link(item.href, { class: "maru-card", "aria-current": item.current ? "page" : null }, picture, body);
}

export default function ({ data, parentElement }) {
  if (!changed(parentElement, data)) return;
  const sections = data.sections.map((section) =>
    el("section", { class: "maru-section" },
      section.heading ? el("h3", { class: "maru-day" }, section.heading) : null,
      el("ul", { class: `maru-cards maru-cards-${data.look}` },
        section.items.map((item) => el("li", {}, card(item))))));
  mount(parentElement, sections);
}
