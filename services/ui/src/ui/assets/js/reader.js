import { el, mount } from "./dom.js";

export default function ({ data, parentElement }) {
  const [before, passage, after] = data.parts;
  const shown = JSON.stringify(data);
  if (parentElement.maruShown === shown) return;
  parentElement.maruShown = shown;
  const mark = passage ? el("mark", { tabindex: "-1", "aria-label": data.label || null }, passage) : null;
  mount(parentElement, el("div", { class: "maru-reader" }, before, mark, after));
  if (mark) {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    requestAnimationFrame(() => {
      mark.scrollIntoView({ block: "center", behavior: calm ? "auto" : "smooth" });
      mark.focus({ preventScroll: true });
    });
  }
}
