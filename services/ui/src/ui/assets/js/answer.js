import { changed, el, link, mount } from "./dom.js";

// The few forms an answer may have: paragraphs, lists, bold, code and [n]. Everything else stays the text it is.
const INLINE = /(\*\*[^*\n]+\*\*|`[^`\n]+`|\[\d{1,3}\])/g;

function inline(text, links, label) {
  return text.split(INLINE).filter(Boolean).map((part) => {
    const number = /^\[(\d{1,3})\]$/.exec(part)?.[1];
    if (number) {
      if (!links[number]) return el("span", { class: "maru-cite maru-cite-none" }, number);
      return link(links[number], { class: "maru-cite", "aria-label": `${label} ${number}` }, number);
    }
    if (/^\*\*.+\*\*$/.test(part)) return el("strong", {}, part.slice(2, -2));
    if (/^`.+`$/.test(part)) return el("code", {}, part.slice(1, -1));
    return part;
  });
}

const BULLET = /^\s*[-*•]\s+/;
const NUMBERED = /^\s*\d{1,2}[.)]\s+/;

function blocks(text) {
  const found = [];
  for (const line of text.split("\n")) {
    const kind = BULLET.test(line) ? "ul" : NUMBERED.test(line) ? "ol" : line.trim() ? "p" : "";
    const last = found[found.length - 1];
    const content = kind === "ul" ? line.replace(BULLET, "") : kind === "ol" ? line.replace(NUMBERED, "") : line;
    if (last && last.kind === kind && kind) last.lines.push(content);
    else found.push({ kind, lines: [content] });
  }
  return found.filter((block) => block.kind);
}

export default function ({ data, parentElement }) {
  if (!changed(parentElement, data)) return;
  const write = (text) => inline(text.replace(/^#{1,6}\s+/, ""), data.links, data.label);
  const nodes = blocks(data.text).map(({ kind, lines }) => {
    if (kind !== "p") return el(kind, {}, lines.map((line) => el("li", {}, write(line))));
    return el("p", {}, lines.flatMap((line, n) => (n ? [el("br"), ...write(line)] : write(line))));
  });
  mount(parentElement, el("div", { class: "maru-answer" }, nodes));
}
