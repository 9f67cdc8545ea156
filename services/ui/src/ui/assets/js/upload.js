import { el, icon, mount } from "./dom.js";

// The page asks the gateway for an address per file (data.plan); the bytes go from here straight to it.
// What this component reports: files = [{ id, name, type, size, stage }], stage one of picked, sent, broken.

function stateOf(parent) {
  parent.maruUpload ??= { files: new Map(), order: 0 };
  return parent.maruUpload;
}

function sizeText(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  const units = ["KB", "MB", "GB"];
  let value = bytes / 1024;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) { value /= 1024; unit += 1; }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

function report(state, setStateValue) {
  setStateValue("files", [...state.files.values()].map(({ id, file, type, stage }) =>
    ({ id, name: file.name, type, size: file.size, stage })));
}

const TYPES = {
  md: "text/markdown", markdown: "text/markdown", txt: "text/plain", html: "text/html", htm: "text/html", pdf: "application/pdf",
  docx: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
  heic: "image/heic", heif: "image/heif", m4a: "audio/mp4", mp3: "audio/mpeg", wav: "audio/wav", ogg: "audio/ogg", flac: "audio/flac",
};

function typeOf(file) {
  const byName = TYPES[file.name.split(".").pop().toLowerCase()];
  return byName || file.type.split(";")[0] || "application/octet-stream";
}

function send(item, plan, changed, draw) {
  item.stage = "sending";
  const request = new XMLHttpRequest();
  item.request = request;
  request.open(plan.method || "PUT", plan.url);
  for (const [name, value] of Object.entries(plan.headers || {})) {
    if (!["content-length", "host"].includes(name.toLowerCase())) request.setRequestHeader(name, value);
  }
  request.upload.onprogress = (event) => {
    if (!event.lengthComputable) return;
    item.share = event.loaded / event.total;
    draw(item);
  };
  const broken = () => { item.stage = "broken"; changed(); };
  request.onload = () => {
    if (request.status >= 200 && request.status < 300) { item.stage = "sent"; item.share = 1; changed(); } else broken();
  };
  request.onerror = broken;
  request.send(item.file);
}

function row(item, data, remove, again) {
  const outcome = data.outcomes?.[item.id];
  const failed = outcome?.error || (item.stage === "broken" ? data.words.broken : null);
  const ready = outcome?.ready;
  const percent = Math.round((item.share || 0) * 100);
  const words = failed || (ready ? data.words.ready : item.stage === "sent" ? data.words.checking : `${percent} %`);
  const picture = item.preview
    ? el("img", { class: "maru-file-image", src: item.preview, alt: "" })
    : el("span", { class: "maru-file-image" }, icon(item.type.startsWith("audio/") ? "graphic_eq" : "description"));
  return el("li", { class: `maru-file${failed ? " maru-file-failed" : ""}`, "data-file": item.id },
    picture,
    el("span", { class: "maru-file-words" },
      el("span", { class: "maru-file-name" }, item.file.name),
      el("span", { class: "maru-meta" }, `${sizeText(item.file.size)} · `, el("span", { class: "maru-file-state" }, words)),
      ready || failed ? null : el("progress", { max: 100, value: percent, "aria-label": item.file.name })),
    item.stage === "broken" ? el("button", { type: "button", class: "maru-icon-button", "aria-label": `${data.words.again} ${item.file.name}`, onclick: () => again(item) }, icon("refresh")) : null,
    el("button", { type: "button", class: "maru-icon-button", "aria-label": `${data.words.remove} ${item.file.name}`, onclick: () => remove(item) }, icon("close")));
}

export default function ({ data, parentElement, setStateValue }) {
  const state = stateOf(parentElement);
  const changed = () => { draw(); report(state, setStateValue); };
  const drawOne = (item) => {
    const line = parentElement.querySelector(`[data-file="${item.id}"]`);
    const percent = Math.round(item.share * 100);
    const bar = line?.querySelector("progress");
    if (!bar) return;
    bar.value = percent;
    line.querySelector(".maru-file-state").textContent = `${percent} %`;
  };
  const remove = (item) => {
    item.request?.abort();
    if (item.preview) URL.revokeObjectURL(item.preview);
    state.files.delete(item.id);
    changed();
  };
  const again = (item) => { item.stage = "picked"; item.share = 0; send(item, data.plan[item.id], changed, drawOne); draw(); };
  const add = (files) => {
    for (const file of files) {
      if (state.files.size >= (data.most || 20)) break;
      state.order += 1;
      const type = typeOf(file);
      const id = `${Date.now().toString(36)}-${state.order}`;
      const preview = /^image\/(png|jpeg|webp|gif)$/.test(type) ? URL.createObjectURL(file) : null;
      state.files.set(id, { id, file, type, preview, stage: "picked", share: 0 });
    }
    changed();
  };
  function draw() {
    const input = el("input", {
      type: "file", multiple: true, accept: data.accept, class: "maru-visually-hidden", id: `pick-${data.name}`,
      onchange: (event) => add(event.target.files),
    });
    const zone = el("label", {
      class: "maru-drop", for: `pick-${data.name}`,
      ondragover: (event) => { event.preventDefault(); zone.classList.add("maru-drop-over"); },
      ondragleave: () => zone.classList.remove("maru-drop-over"),
      ondrop: (event) => { event.preventDefault(); add(event.dataTransfer.files); },
    }, icon(data.icon), el("span", {}, el("strong", {}, data.words.choose), " ", data.words.drop), el("span", { class: "maru-meta" }, data.words.hint));
    const list = el("ul", { class: "maru-files", "aria-label": data.words.list }, [...state.files.values()].map((item) => row(item, data, remove, again)));
    const focused = parentElement.contains(document.activeElement) && document.activeElement?.id;
    mount(parentElement, el("div", { class: "maru-upload" }, input, zone, state.files.size ? list : null));
    if (focused) parentElement.querySelector(`#${CSS.escape(focused)}`)?.focus();
  }
  for (const item of state.files.values()) {
    const plan = data.plan?.[item.id];
    if (item.stage === "picked" && plan?.url) send(item, plan, changed, drawOne);
  }
  draw();
}
