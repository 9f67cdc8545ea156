import { el, icon, mount } from "./dom.js";
import { calmly } from "./press.js";
import { sendParts, stopParts } from "./parts.js";
import { drawRecorder, newRecording } from "./recorder.js";

// The page asks the gateway for an address per file (data.plan); the bytes go from here straight to it.
// What this component reports: files = [{ id, name, type, size, stage, upload }], stage one of picked, sending, sent, broken, or
// asking: of a large file, for the addresses of the parts that are still missing, by a plan after the one of this `round`.

// By name and not by element: a chosen file outlives whatever the page does with the element it was chosen in.
const trays = new Map();

function trayOf(name) {
  if (!trays.has(name)) trays.set(name, { files: new Map(), order: 0, data: {}, recording: newRecording(), draw() {}, report() {}, reportCalmly() {} });
  return trays.get(name);
}

function sizeText(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  const units = ["KB", "MB", "GB"];
  let value = bytes / 1024;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) { value /= 1024; unit += 1; }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
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

function changed(tray) {
  tray.draw();
  tray.report();
}

// What the network did is told when it does not cut short what a person asked for.
function settled(tray) {
  tray.draw();
  tray.reportCalmly();
}

function add(tray, files) {
  for (const file of files) {
    if (tray.files.size >= (tray.data.most || 20)) break;
    tray.order += 1;
    const type = typeOf(file);
    const id = `${Date.now().toString(36)}-${tray.order}`;
    const preview = /^image\/(png|jpeg|webp|gif)$/.test(type) ? URL.createObjectURL(file) : null;
    tray.files.set(id, { id, file, type, preview, stage: "picked", share: 0 });
  }
  changed(tray);
}

function drop(tray, item) {
  item.request?.abort();
  stopParts(item);
  if (item.preview) URL.revokeObjectURL(item.preview);
  tray.files.delete(item.id);
}

// What became part of an entry goes; what was chosen since stays.
function dropKept(tray) {
  const kept = (tray.data.kept || []).map((id) => tray.files.get(id)).filter(Boolean);
  for (const item of kept) drop(tray, item);
  return kept.length > 0;
}

function sendInParts(tray, item) {
  const end = (stage) => () => { item.stage = stage; settled(tray); };
  item.stage = "sending";
  sendParts(item, item.plan, { drawn: () => tray.draw(item), sent: end("sent"), asking: end("asking"), broken: end("broken") });
}

function again(tray, item) {
  item.share = 0;
  if (item.plan.count) item.stage = "asking";
  else send(tray, item);
  changed(tray);
}

function send(tray, item) {
  const { plan } = item;
  if (plan.count) { sendInParts(tray, item); return; }
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
    tray.draw(item);
  };
  const broken = () => { item.stage = "broken"; settled(tray); };
  request.onload = () => {
    if (request.status >= 200 && request.status < 300) { item.stage = "sent"; item.share = 1; settled(tray); } else broken();
  };
  request.onerror = broken;
  request.send(item.file);
}

function sendPlanned(tray) {
  for (const item of tray.files.values()) {
    const plan = tray.data.plan?.[item.id];
    if (!plan?.url || !(item.stage === "picked" || (item.stage === "asking" && plan.round > item.plan.round))) continue;
    item.plan = plan;
    send(tray, item);
  }
}

function row(tray, item) {
  const { outcomes, words: say } = tray.data;
  const outcome = outcomes?.[item.id];
  const failed = outcome?.error || (item.stage === "broken" ? say.broken : null);
  const ready = outcome?.ready;
  const percent = Math.round((item.share || 0) * 100);
  const words = failed || (ready ? say.ready : item.stage === "sent" ? say.checking : `${percent} %`);
  const picture = item.preview
    ? el("img", { class: "maru-file-image", src: item.preview, alt: "" })
    : el("span", { class: "maru-file-image" }, icon(item.type.startsWith("audio/") ? "graphic_eq" : "description"));
  const button = (name, symbol, onclick) =>
    el("button", { type: "button", class: "maru-icon-button", id: `${name}-${item.id}`, "aria-label": `${say[name]} ${item.file.name}`, onclick }, icon(symbol));
  return el("li", { class: `maru-file${failed ? " maru-file-failed" : ""}`, "data-file": item.id },
    picture,
    el("span", { class: "maru-file-words" },
      el("span", { class: "maru-file-name" }, item.file.name),
      el("span", { class: "maru-meta" }, `${sizeText(item.file.size)} · `, el("span", { class: "maru-file-state" }, words)),
      ready || failed ? null : el("progress", { max: 100, value: percent, "aria-label": item.file.name })),
    item.stage === "broken" ? button("again", "refresh", () => again(tray, item)) : null,
    button("remove", "close", () => { drop(tray, item); changed(tray); }));
}

function drawShare(parent, item) {
  const line = parent.querySelector(`[data-file="${item.id}"]`);
  const bar = line?.querySelector("progress");
  if (!bar) return;
  bar.value = Math.round(item.share * 100);
  line.querySelector(".maru-file-state").textContent = `${bar.value} %`;
}

function drawList(tray, slot) {
  const focused = slot.contains(document.activeElement) && document.activeElement.id;
  const rows = [...tray.files.values()].map((item) => row(tray, item));
  slot.replaceChildren(...(rows.length ? [el("ul", { class: "maru-files", "aria-label": tray.data.words.list }, rows)] : []));
  if (focused) slot.querySelector(`#${CSS.escape(focused)}`)?.focus();
}

// Drawn once for an element: a browser whose file dialog is open must find the field still there.
function drawZone(tray, parent) {
  const { data } = tray;
  const take = (files) => add(tray, [...files]);
  const input = el("input", {
    type: "file", multiple: true, accept: data.accept, class: "maru-visually-hidden", id: `pick-${data.name}`,
    // Emptied, so that a file that was taken out can be chosen again.
    onchange: () => { take(input.files); input.value = ""; },
  });
  const zone = el("label", {
    class: "maru-drop", for: `pick-${data.name}`,
    ondragover: (event) => { event.preventDefault(); zone.classList.add("maru-drop-over"); },
    ondragleave: () => zone.classList.remove("maru-drop-over"),
    ondrop: (event) => { event.preventDefault(); zone.classList.remove("maru-drop-over"); take(event.dataTransfer.files); },
  }, icon(data.icon), el("span", {}, el("strong", {}, data.words.choose), " ", data.words.drop), el("span", { class: "maru-meta" }, data.words.hint));
  tray.slot = el("div", {});
  tray.microphone = data.record ? el("div", { class: "maru-record" }) : null;
  mount(parent, el("div", { class: "maru-upload" }, input, zone, tray.microphone, tray.slot));
  if (tray.microphone) drawRecorder(tray.recording, data.record, () => tray.microphone, (file) => take([file]));
}

export default function ({ data, parentElement, setStateValue }) {
  const tray = trayOf(data.name);
  tray.data = data;
  const moved = tray.place !== parentElement;
  if (moved) {
    tray.place = parentElement;
    drawZone(tray, parentElement);
  }
  tray.draw = (item) => item ? drawShare(parentElement, item) : drawList(tray, tray.slot);
  // Uploads go on while the picker is not shown; a page that has none must not be told of them.
  tray.report = () => parentElement.isConnected && setStateValue("files", [...tray.files.values()].map(({ id, file, type, stage, plan }) =>
    ({ id, name: file.name, type, size: file.size, stage, upload: plan?.upload ?? null, round: plan?.round ?? 0 })));
  tray.reportCalmly = () => {
    if (tray.toReport) return;
    tray.toReport = true;
    calmly(() => { tray.toReport = false; tray.report(); });
  };
  const dropped = dropKept(tray);
  sendPlanned(tray);
  tray.draw();
  // A page that was left for a while, or a server that began anew, no longer knows what is chosen.
  const unknown = [...tray.files.keys()].some((id) => moved || !(id in data.outcomes));
  if (dropped || unknown) tray.reportCalmly();
}
