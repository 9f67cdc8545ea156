import { changed, el, icon, mount } from "./dom.js";

const PICTURES = /^image\/(png|jpeg|webp|gif|avif)$/;

function shown(item, label) {
  const link = (content) => el("a", { href: item.src, target: "_blank", rel: "noopener", class: "maru-file-link", "aria-label": `${label} ${item.name}` }, ...[content].flat());
  if (PICTURES.test(item.type)) {
    return el("figure", { class: "maru-figure" }, link(el("img", { src: item.src, alt: item.alt, decoding: "async" })));
  }
  if (item.type.startsWith("audio/")) {
    return el("figure", { class: "maru-figure" }, el("figcaption", { class: "maru-meta" }, item.name),
      el("audio", { controls: true, preload: "metadata", src: item.src, "aria-label": item.name }));
  }
  return el("div", { class: "maru-document" }, link([icon("description"), el("span", {}, item.name)].flat()));
}

export default function ({ data, parentElement }) {
  if (!changed(parentElement, data)) return;
  mount(parentElement, el("div", { class: "maru-attachments" }, data.items.map((item) =>
    el("div", {}, shown(item, data.label), item.note ? el("p", { class: "maru-meta" }, item.note) : null))));
}
