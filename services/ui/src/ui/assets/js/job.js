import { Viewer } from "./compare.js";
import { el, icon, mount } from "./dom.js";
import { bar, figures, state } from "./figures.js";
import { Live } from "./live.js";
import { calmly } from "./press.js";

// data: { id, stream, live, status, counts, total, cost_micros, run_s, workers: { online, busy }, tasks: [task], show, range,
//         previous, next, words }; a task: { id, seq, name, status, attempt, progress, worker, before, after, drawable, error, ... }
// Events change what stands here at once; what they do not tell is asked for with `refresh`, seldom.
const SHOWN = ["", "queued", "processing", "done", "failed", "cancelled"];
const REFRESH_SOON_MS = 1200;
const REFRESH_MS = 5000;
const REMEMBERED_MS = 3000;
const TOLD = ["status", "attempt", "progress", "worker"];
const ACTIVE = ["queued", "running", "paused"];

// `before` is what the tile showed: it stays below until the result has come.
function tile(task, words, before) {
  const face = task.status === "done" && task.after && task.drawable ? task.after : task.small;
  const image = face ? el("img", { src: face, alt: "", loading: "lazy", decoding: "async" }) : null;
  image?.addEventListener("error", () => image.remove());
  return [
    el("span", { class: "maru-tile-face" }, icon("image"), before, image),
    task.status === "processing"
      ? el("span", { class: "maru-tile-progress", style: `--maru-share:${Math.round((task.progress || 0) * 100)}%` }) : null,
    el("span", { class: "maru-tile-foot" }, state(task.status, words), el("span", { class: "maru-tile-name" }, task.name || String(task.seq + 1))),
  ];
}

class Board {
  constructor(parent) {
    this.parent = parent;
    this.recent = [];
    this.tiles = new Map();
  }

  // New data from the page: everything is known anew, but for events that came while it was on its way.
  take(component) {
    const { data } = component;
    this.tell = component.setTriggerValue;
    this.data = data;
    this.facts = { status: data.status, counts: data.counts, total: data.total, cost_micros: data.cost_micros };
    this.tasks = data.tasks.map((task) => ({ ...task }));
    const since = Date.now() - REMEMBERED_MS;
    this.recent = this.recent.filter((one) => one.at > since && one.stream === data.stream);
    this.recent.forEach(({ event }) => this.apply(event));
    if (!this.root?.isConnected) this.build();
    this.paint();
    this.listen();
    this.refreshLater(REFRESH_MS);
  }

  listen() {
    const { data } = this;
    if (this.live && this.live.stream !== data.stream) { this.live.end(); this.live = null; }
    if (!data.live || this.live) return;
    const take = (event) => {
      this.recent.push({ at: Date.now(), stream: data.stream, event });
      if (this.recent.length > 200) this.recent.shift();
      this.apply(event);
      this.paint();
    };
    this.live = new Live(data.live, this.parent, { progress: take, ended: (event) => { if (event.counts) take({ tasks: [], ...event }); this.refreshNow(); } });
    this.live.stream = data.stream;
  }

  apply(event) {
    const failed = this.facts.counts.failed;
    const { counts, total, cost_micros, status } = { ...this.facts, ...event };
    this.facts = { counts, total, cost_micros, status };
    const known = new Map(this.tasks.map((task) => [task.id, task]));
    for (const news of event.tasks || []) {
      const task = known.get(news.id);
      if (!task || news.attempt < task.attempt) continue;
      for (const name of TOLD) if (news[name] !== undefined && news[name] !== null) task[name] = news[name];
      // Why it failed is told in the page's language, with the data; events that are heard again must not take it away.
      const told = this.data.tasks.find((one) => one.id === task.id);
      task.error = task.status === "failed" && told?.attempt === task.attempt ? told.error : null;
      if (news.status === "done") task.after ??= `/file/api/v1/tasks/${task.id}/output`;
    }
    const elsewhere = this.data.show && this.tasks.some((task) => task.status !== this.data.show);
    if (elsewhere || counts.failed !== failed || status !== this.data.status) this.refreshLater(REFRESH_SOON_MS);
  }

  refreshNow() {
    clearTimeout(this.timer);
    this.timer = null;
    calmly(() => this.parent.isConnected && this.tell("refresh", Date.now()));
  }

  refreshLater(after) {
    if (!ACTIVE.includes(this.facts.status) && after === REFRESH_MS) return;
    const due = Date.now() + after;
    if (this.timer && this.due <= due) return;
    clearTimeout(this.timer);
    this.due = due;
    this.timer = setTimeout(() => {
      if (!document.hidden) this.refreshNow();
      this.timer = null;
      // News that is no news does not come here again, so looking goes on by itself.
      if (this.parent.isConnected) this.refreshLater(REFRESH_MS);
    }, after);
  }

  build() {
    const { words } = this.data;
    this.viewer = new Viewer(words, () => this.tasks, (id) => this.tell("retry", id));
    this.head = el("div", { class: "maru-job-head" });
    this.tabs = el("div", { class: "maru-tabs", role: "group", "aria-label": words.show });
    this.list = el("ul", { class: "maru-tiles", "aria-label": words.list });
    this.none = el("p", { class: "maru-meta" });
    this.foot = el("div", { class: "maru-pages" });
    this.root = mount(this.parent, [this.head, this.tabs, this.none, this.list, this.foot, this.viewer.dialog]);
    this.tiles.clear();
  }

  paint() {
    this.paintHead();
    this.paintTabs();
    this.paintTiles();
    this.paintPages();
    this.viewer.refresh();
  }

  paintHead() {
    const { data, facts } = this;
    const { words } = data;
    const { count, money, span } = figures(words.language);
    const ended = facts.counts.done + facts.counts.failed + facts.counts.cancelled;
    const crew = ACTIVE.includes(facts.status) && data.workers
      ? el("span", { class: "maru-crew" }, icon("memory"), words.crew.replace("{online}", count(data.workers.online)).replace("{busy}", count(data.workers.busy))) : null;
    this.head.replaceChildren(
      el("div", { class: "maru-job-line" }, state(facts.status, words),
        el("strong", { class: "maru-job-sum" }, words.of.replace("{n}", count(ended)).replace("{total}", count(facts.total))), ...[crew].filter(Boolean)),
      bar(facts.counts, facts.total, words.progress),
      el("p", { class: "maru-meta" }, [data.run_s ? `${words.worked} ${span(data.run_s)}` : null, `${words.cost} ${money(facts.cost_micros)}`].filter(Boolean).join(" · ")));
  }

  paintTabs() {
    const { data, facts } = this;
    const { count } = figures(data.words.language);
    const names = SHOWN.filter((name) => !name || facts.counts[name] || name === data.show);
    const signature = JSON.stringify([names, data.show]);
    if (this.tabsDrawn !== signature || !this.tabs.childElementCount) {
      this.tabsDrawn = signature;
      const held = this.tabs.contains(document.activeElement) ? document.activeElement.dataset.show : null;
      this.tabs.replaceChildren(...names.map((name) => el("button", {
        type: "button", class: "maru-tab", "data-show": name, "aria-pressed": name === data.show ? "true" : "false", onclick: () => this.tell("show", name || "all"),
      }, data.words[name || "all"], el("span", { class: "maru-tab-count" }))));
      if (held !== null) this.tabs.querySelector(`[data-show="${held}"]`)?.focus();
    }
    for (const tab of this.tabs.children) {
      const name = tab.dataset.show;
      tab.querySelector(".maru-tab-count").textContent = count(name ? facts.counts[name] : facts.total);
    }
  }

  paintTiles() {
    const { words } = this.data;
    const wanted = new Set(this.tasks.map((task) => task.id));
    for (const [id, node] of this.tiles) if (!wanted.has(id)) { node.remove(); this.tiles.delete(id); }
    this.tasks.forEach((task, n) => {
      let node = this.tiles.get(task.id);
      if (!node) {
        const button = el("button", { type: "button", class: "maru-tile", id: `task-${task.id}`, onclick: () => this.viewer.open(task.id, `task-${task.id}`) });
        node = el("li", {}, button);
        this.tiles.set(task.id, node);
      }
      if (this.list.children[n] !== node) this.list.insertBefore(node, this.list.children[n] || null);
      const signature = JSON.stringify([task.status, task.progress, task.name, task.status === "done" && task.after]);
      if (node.maruDrawn === signature) return;
      node.maruDrawn = signature;
      const button = node.firstElementChild;
      button.dataset.status = task.status;
      button.setAttribute("aria-label", `${task.name || task.seq + 1}: ${words[task.status]}`);
      const before = task.status === "done" ? button.querySelector(".maru-tile-face img:last-child") : null;
      button.replaceChildren(...tile(task, words, before).filter(Boolean));
    });
    this.none.textContent = this.tasks.length ? "" : words.nothing;
  }

  paintPages() {
    const { data } = this;
    const signature = JSON.stringify([data.previous, data.next, data.range]);
    if (this.footDrawn === signature && this.foot.isConnected) return;
    this.footDrawn = signature;
    const turn = (label, symbol, to, able) => el("button", { type: "button", class: "maru-icon-button", "aria-label": label, disabled: !able, onclick: () => this.tell("turn", to) }, icon(symbol));
    this.foot.replaceChildren(...(data.previous || data.next
      ? [turn(data.words.previous, "chevron_left", "previous", data.previous), el("span", { class: "maru-meta" }, data.range), turn(data.words.next, "chevron_right", "next", data.next)] : []));
  }
}

export default function (component) {
  const { parentElement } = component;
  parentElement.maruJob ??= new Board(parentElement);
  parentElement.maruJob.take(component);
}
