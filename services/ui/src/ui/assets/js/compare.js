import { el, icon } from "./dom.js";
import { figures, state } from "./figures.js";

// One task in a dialog: its picture before and after under one slider, or why there is no result.
function slider(task, words) {
  const before = el("img", { src: task.before, alt: words.before, draggable: "false" });
  const after = el("img", { src: task.after, alt: words.after, class: "maru-compare-after", draggable: "false" });
  const input = el("input", { type: "range", min: "0", max: "100", value: "50", "aria-label": words.slide, "aria-valuetext": words.slid.replace("{n}", 50) });
  const figure = el("figure", { class: "maru-compare", style: "--maru-at:50%" }, before, after,
    el("span", { class: "maru-compare-tag", "aria-hidden": "true" }, words.before),
    el("span", { class: "maru-compare-tag maru-compare-tag-after", "aria-hidden": "true" }, words.after),
    el("span", { class: "maru-compare-line", "aria-hidden": "true" }, icon("drag_handle")), input);
  input.addEventListener("input", () => {
    figure.style.setProperty("--maru-at", `${input.value}%`);
    input.setAttribute("aria-valuetext", words.slid.replace("{n}", input.value));
  });
  // A browser cannot draw every kind of photo; then the result stands alone.
  before.addEventListener("error", () => { figure.classList.add("maru-compare-alone"); figure.style.setProperty("--maru-at", "0%"); });
  return figure;
}

function shown(task, words) {
  if (task.status === "done" && task.after && task.drawable && task.before) return slider(task, words);
  if (task.status === "done" && task.after && task.drawable) return el("figure", { class: "maru-compare" }, el("img", { src: task.after, alt: words.after }));
  const nothing = el("p", { class: "maru-viewer-none" }, icon("draft"));
  if (!task.before) return nothing;
  const image = el("img", { src: task.before, alt: words.before });
  const figure = el("figure", { class: "maru-compare" }, image);
  image.addEventListener("error", () => figure.replaceWith(nothing));
  return figure;
}

function trouble(task, words) {
  if (!task.error) return null;
  return el("div", { class: "maru-trouble" },
    el("p", {}, icon("error"), el("span", {}, task.error.text)),
    task.error.detail ? el("p", { class: "maru-trouble-detail" }, task.error.detail) : null,
    task.error.lines.length ? el("div", {}, el("p", { class: "maru-meta" }, words.lines), el("pre", { tabindex: "0" }, task.error.lines.join("\n"))) : null);
}

function facts(task, words) {
  const { money, span } = figures(words.language);
  const parts = [task.worker, task.run_s ? span(task.run_s) : null, task.cost_micros ? money(task.cost_micros) : null,
    task.attempt > 1 ? words.attempts.replace("{n}", task.attempt) : null].filter(Boolean);
  return el("p", { class: "maru-meta" }, parts.join(" · "));
}

export class Viewer {
  // `tasks` gives what stands on the page now; `retry` asks for another try.
  constructor(words, tasks, retry) {
    this.words = words;
    this.tasks = tasks;
    this.retry = retry;
    this.dialog = el("dialog", { class: "maru-viewer", onclose: () => { this.id = null; document.getElementById(this.back)?.focus(); },
      onclick: (event) => { if (event.target === this.dialog) this.dialog.close(); } });
  }

  open(id, back) {
    this.back = back;
    this.draw(id);
    if (!this.dialog.open) this.dialog.showModal();
    (this.dialog.querySelector("input[type=range]") || this.dialog.querySelector("button")).focus();
  }

  draw(id) {
    const tasks = this.tasks();
    const at = tasks.findIndex((task) => task.id === id);
    if (at < 0) { this.dialog.close(); return; }
    this.id = id;
    const task = tasks[at];
    this.drawn = JSON.stringify([task.status, task.attempt, task.error]);
    const { words } = this;
    const step = (label, symbol, to) => el("button", {
      type: "button", class: "maru-icon-button", "aria-label": label, disabled: !tasks[to],
      onclick: () => { this.back = `task-${tasks[to].id}`; this.draw(tasks[to].id); this.dialog.querySelector(`[aria-label="${CSS.escape(label)}"]:not(:disabled), button:not(:disabled)`)?.focus(); },
    }, icon(symbol));
    const name = el("h3", { id: "maru-viewer-name" }, task.name || String(task.seq + 1));
    this.dialog.setAttribute("aria-labelledby", "maru-viewer-name");
    this.dialog.replaceChildren(
      el("header", {}, name, state(task.status, words),
        el("button", { type: "button", class: "maru-icon-button", "aria-label": words.close, onclick: () => this.dialog.close() }, icon("close"))),
      shown(task, words), ...[trouble(task, words)].filter(Boolean),
      el("footer", {}, facts(task, words),
        el("span", { class: "maru-viewer-acts" },
          task.status === "failed" && words.retry ? el("button", { type: "button", class: "maru-text-button", onclick: () => { this.retry(task.id); this.dialog.close(); } }, icon("refresh"), words.retry) : null,
          task.after ? el("a", { class: "maru-text-button", href: task.after, target: "_blank", rel: "noopener", download: task.output_name || true }, icon("download"), words.download) : null,
          step(words.before_one, "chevron_left", at - 1), step(words.next_one, "chevron_right", at + 1))));
  }

  // What is shown may have gone on meanwhile.
  refresh() {
    const task = this.id && this.tasks().find((one) => one.id === this.id);
    if (task && JSON.stringify([task.status, task.attempt, task.error]) !== this.drawn) this.draw(task.id);
  }
}
