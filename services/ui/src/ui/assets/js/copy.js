import { changed, el, icon, mount } from "./dom.js";

// data: { lines: [{ label, text }], copy, copied }
function row(line, data) {
  const said = el("span", { class: "maru-copy-said", role: "status" });
  const act = async () => {
    try {
      await navigator.clipboard.writeText(line.text);
    } catch {
      // Without TLS there is no clipboard for scripts: select the text, so that one key copies it.
      getSelection().selectAllChildren(code);
      return;
    }
    said.textContent = data.copied;
    setTimeout(() => { said.textContent = ""; }, 2000);
  };
  const code = el("code", { tabindex: "0", role: "textbox", "aria-readonly": "true", "aria-label": line.label }, line.text);
  return el("div", { class: "maru-copy" },
    el("span", { class: "maru-meta" }, line.label),
    el("div", { class: "maru-copy-line" }, code,
      el("button", { type: "button", class: "maru-text-button", "aria-label": `${data.copy}: ${line.label}`, onclick: act }, icon("content_copy"), data.copy), said));
}

export default function ({ data, parentElement }) {
  if (!changed(parentElement, data)) return;
  mount(parentElement, el("div", { class: "maru-copies" }, data.lines.map((line) => row(line, data))));
}
