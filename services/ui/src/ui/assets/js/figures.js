import { el, icon } from "./dom.js";

// Numbers, money and spans of time as the page's language writes them.
export function figures(language) {
  const whole = new Intl.NumberFormat(language);
  const unit = (name, value, digits = 0) =>
    new Intl.NumberFormat(language, { style: "unit", unit: name, unitDisplay: "short", maximumFractionDigits: digits }).format(value);
  return {
    count: (n) => whole.format(n),
    money: (micros) => {
      const dollars = micros / 1e6;
      const digits = dollars >= 1 || micros === 0 ? 2 : 4;
      return `$${new Intl.NumberFormat("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(dollars)}`;
    },
    span: (seconds) => {
      if (seconds < 90) return unit("second", seconds, seconds < 10 ? 1 : 0);
      return seconds < 5400 ? unit("minute", seconds / 60) : unit("hour", seconds / 3600, 1);
    },
  };
}

const TONES = { draft: "plain", queued: "plain", running: "blue", processing: "blue", paused: "amber", done: "green", failed: "red", cancelled: "plain" };
const ICONS = { draft: "edit_note", queued: "schedule", running: "sync", processing: "sync", paused: "pause_circle", done: "check_circle", failed: "error", cancelled: "block" };

export function state(status, words) {
  return el("span", { class: `maru-badge maru-tone-${TONES[status]}`, "data-status": status }, icon(ICONS[status]), words[status]);
}

// One bar of what is done, failed, in work and ended otherwise; its words are for those who do not see it.
export function bar(counts, total, label) {
  const part = (name) => el("span", { class: `maru-bar-${name}`, style: `width:${total ? (100 * counts[name]) / total : 0}%` });
  const ended = counts.done + counts.failed + counts.cancelled;
  return el("div", {
    class: "maru-bar", role: "progressbar", "aria-label": label, "aria-valuemin": "0", "aria-valuemax": String(total || 1), "aria-valuenow": String(ended),
  }, part("done"), part("failed"), part("cancelled"), part("processing"));
}
