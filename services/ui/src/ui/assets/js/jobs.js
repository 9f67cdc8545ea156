import { bar, figures, state } from "./figures.js";
import { changed, el, icon, link, mount } from "./dom.js";
import { calmly } from "./press.js";

// data: { jobs: [{ id, href, name, runner, status, counts, total, cost_micros, run_s, when }], words, every }
function card(job, data) {
  const { count, money, span } = figures(data.words.language);
  const { counts, total } = job;
  const parts = [
    total ? `${count(counts.done)} / ${count(total)}` : null,
    counts.failed ? `${data.words.failed} ${count(counts.failed)}` : null,
    job.run_s ? span(job.run_s) : null,
    money(job.cost_micros),
  ].filter(Boolean);
  return el("li", {}, link(job.href, { class: "maru-card maru-job-card" }, el("span", { class: "maru-card-body" },
    el("span", { class: "maru-card-title" }, icon("auto_awesome_motion"), el("span", {}, job.name)),
    total ? bar(counts, total, data.words.progress) : null,
    el("span", { class: "maru-card-foot" }, state(job.status, data.words), el("span", { class: "maru-meta" }, parts.join(" · "))),
    el("span", { class: "maru-meta" }, `${job.runner} · ${job.when}`))));
}

export default function ({ data, parentElement, setTriggerValue }) {
  clearTimeout(parentElement.maruTimer);
  if (changed(parentElement, data)) mount(parentElement, el("ul", { class: "maru-cards" }, data.jobs.map((job) => card(job, data))));
  if (!data.every) return;
  // News that is no news does not come here again, so looking goes on by itself.
  const look = () => {
    if (!parentElement.isConnected) return;
    parentElement.maruTimer = setTimeout(look, data.every);
    if (!document.hidden) calmly(() => parentElement.isConnected && setTriggerValue("refresh", Date.now()));
  };
  parentElement.maruTimer = setTimeout(look, data.every);
}
