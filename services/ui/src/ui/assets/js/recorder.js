import { el, icon } from "./dom.js";

// A recording lives with its picker's files: idle, asking, recording, recorded. It becomes a file only when it is used.

const TYPES = { "audio/webm;codecs=opus": "webm", "audio/mp4": "m4a", "audio/ogg;codecs=opus": "ogg" };
const CAUSES = { NotAllowedError: "refused", SecurityError: "refused", NotFoundError: "missing" };
const TICK_MS = 100;

export function newRecording() {
  return { state: "idle", problem: "", file: null, url: "" };
}

function clock(ms) {
  const seconds = Math.floor(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

function fileOf(pieces, type, word) {
  const now = new Date();
  const two = (number) => String(number).padStart(2, "0");
  const day = `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`;
  const name = `${word} ${day} ${two(now.getHours())}.${two(now.getMinutes())}.${two(now.getSeconds())}.${TYPES[type]}`;
  return new File(pieces, name, { type: type.split(";")[0] });
}

async function microphone() {
  if (!navigator.mediaDevices || !window.MediaRecorder) throw new DOMException("", "NotSupportedError");
  return navigator.mediaDevices.getUserMedia({ audio: true });
}

// The loudness of this moment, 0 to 1, spread so that speech fills the meter.
function levelOf(stream) {
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  analyser.fftSize = 1024;
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  return {
    now() {
      analyser.getFloatTimeDomainData(samples);
      const power = samples.reduce((sum, value) => sum + value * value, 0) / samples.length;
      return Math.min(1, Math.sqrt(power) * 4);
    },
    close: () => context.close(),
  };
}

async function begin(recording, say, place, redraw) {
  Object.assign(recording, { state: "asking", problem: "" });
  redraw();
  let stream;
  try {
    stream = await microphone();
  } catch (error) {
    Object.assign(recording, { state: "idle", problem: CAUSES[error.name] || "unable" });
    redraw();
    return;
  }
  const type = Object.keys(TYPES).find((one) => MediaRecorder.isTypeSupported(one)) || "audio/webm;codecs=opus";
  const recorder = new MediaRecorder(stream, { mimeType: type });
  const level = levelOf(stream);
  const pieces = [];
  const began = performance.now();
  const tick = setInterval(() => {
    // Nobody is recorded unseen: a picker that is no longer shown ends the recording, and it stays to be heard.
    if (!place().isConnected) recorder.stop();
    recording.show?.(performance.now() - began, level.now());
  }, TICK_MS);
  recorder.ondataavailable = (event) => { if (event.data.size) pieces.push(event.data); };
  recorder.onstop = () => {
    clearInterval(tick);
    level.close();
    stream.getTracks().forEach((track) => track.stop());
    const file = fileOf(pieces, type, say.name);
    Object.assign(recording, { state: "recorded", file, url: URL.createObjectURL(file) });
    redraw();
  };
  recorder.start(1000);
  Object.assign(recording, { state: "recording", stop: () => recorder.state === "recording" && recorder.stop() });
  redraw();
}

function clear(recording) {
  URL.revokeObjectURL(recording.url);
  Object.assign(recording, newRecording());
}

function button(symbol, text, onclick, more = {}) {
  return el("button", { type: "button", class: "maru-button", onclick, ...more }, icon(symbol), text);
}

function drawIdle(recording, say, place, redraw) {
  const asking = recording.state === "asking";
  const start = () => asking || begin(recording, say, place, redraw);
  return [
    button("mic", asking ? say.asking : say.start, start, { "aria-disabled": asking && "true" }),
    recording.problem ? el("p", { class: "maru-record-problem", role: "alert" }, say[recording.problem]) : null,
  ];
}

function drawRecording(recording, say) {
  const time = el("span", { class: "maru-record-time" }, clock(0));
  const bar = el("span", { class: "maru-record-bar" });
  recording.show = (ms, level) => {
    time.textContent = clock(ms);
    bar.style.inlineSize = `${Math.round(level * 100)}%`;
    bar.dataset.level = level.toFixed(3);
  };
  return [
    el("span", { class: "maru-record-now", role: "status" }, icon("radio_button_checked"), say.now),
    time,
    el("span", { class: "maru-record-level", "aria-hidden": "true" }, bar),
    button("stop", say.stop, () => recording.stop()),
  ];
}

function drawRecorded(recording, say, redraw, use) {
  const { file, url } = recording;
  return [
    el("audio", { controls: true, src: url, "aria-label": say.listen }),
    button("check", say.use, () => { clear(recording); use(file); redraw(); }, { class: "maru-button maru-button-first" }),
    button("delete", say.discard, () => { clear(recording); redraw(); }),
  ];
}

// `place` gives the element that shows it at this moment; `use` takes the finished file.
export function drawRecorder(recording, say, place, use) {
  const redraw = () => drawRecorder(recording, say, place, use);
  recording.show = null;
  const drawn = {
    idle: () => drawIdle(recording, say, place, redraw),
    asking: () => drawIdle(recording, say, place, redraw),
    recording: () => drawRecording(recording, say),
    recorded: () => drawRecorded(recording, say, redraw, use),
  }[recording.state]();
  const focused = place().contains(document.activeElement);
  place().replaceChildren(...drawn.filter(Boolean));
  if (focused) place().querySelector("button").focus();
}
