import { el, icon, mount } from "./dom.js";

// data: { items: [{ id, name, src, meta }], total, first, previous, next, filter, choose: [id], add: [id], words }
// Reports selection = { all, ids, except }: with `all`, everything that the filter matches but for `except`.
const REPORT_AFTER_MS = 200;

function stateOf(parent, data) {
  parent.maruPick ??= { all: false, ids: new Set(data.choose), except: new Set(), added: new Set(), anchor: null, cursor: 0, filter: data.filter };
  return parent.maruPick;
}

const isChosen = (state, id) => (state.all ? !state.except.has(id) : state.ids.has(id));

function put(state, id, wanted) {
  const set = state.all ? state.except : state.ids;
  if (wanted !== state.all) set.add(id);
  else set.delete(id);
}

function follow(state, data) {
  if (state.filter !== data.filter) {
    // "All that match" was said of another filter.
    if (state.all) { state.all = false; state.ids.clear(); state.except.clear(); }
    state.filter = data.filter;
    state.anchor = null;
    state.cursor = 0;
  }
  for (const id of data.add) {
    if (state.added.has(id)) continue;
    state.added.add(id);
    put(state, id, true);
  }
}

function count(state, data) {
  return state.all ? Math.max(0, data.total - state.except.size) : state.ids.size;
}

function picture(item) {
  if (!item.src) return el("span", { class: "maru-pick-none" }, icon("image"));
  const image = el("img", { src: item.src, alt: "", loading: "lazy", decoding: "async", draggable: "false" });
  image.addEventListener("error", () => image.replaceWith(el("span", { class: "maru-pick-none" }, icon("image"))));
  return image;
}

function option(item, n) {
  return el("li", { role: "option", class: "maru-pick", id: `pick-${item.id}`, "data-n": n, "aria-label": `${item.name}, ${item.meta}` },
    picture(item), el("span", { class: "maru-pick-mark", "aria-hidden": "true" }, icon("check")),
    el("span", { class: "maru-pick-name", "aria-hidden": "true" }, item.name));
}

// How many stand in the first row, from where they stand.
function columns(options) {
  const top = options[0]?.offsetTop;
  const next = options.findIndex((one) => one.offsetTop !== top);
  return next > 0 ? next : Math.max(1, options.length);
}

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  const state = stateOf(parentElement, data);
  const before = count(state, data);
  follow(state, data);
  const words = data.words;
  const options = data.items.map(option);
  state.cursor = Math.min(state.cursor, Math.max(0, options.length - 1));

  const report = () => {
    clearTimeout(state.timer);
    state.timer = setTimeout(() => setStateValue("selection", { all: state.all, ids: [...state.ids], except: [...state.except] }), REPORT_AFTER_MS);
  };
  const paint = () => {
    options.forEach((node, n) => {
      node.setAttribute("aria-selected", isChosen(state, data.items[n].id) ? "true" : "false");
      node.tabIndex = n === state.cursor ? 0 : -1;
    });
    chosen.textContent = words.chosen.replace("{n}", count(state, data).toLocaleString(words.language));
    clear.hidden = count(state, data) === 0;
    all.hidden = state.all || data.total <= data.items.length;
    page.hidden = data.items.length === 0;
  };
  const changed = () => { paint(); report(); };
  const range = (from, to, wanted) => {
    for (let n = Math.min(from, to); n <= Math.max(from, to); n += 1) put(state, data.items[n].id, wanted);
  };
  const press = (n, shift) => {
    const wanted = !isChosen(state, data.items[n].id);
    if (shift && state.anchor !== null && state.anchor < options.length) range(state.anchor, n, true);
    else put(state, data.items[n].id, wanted);
    if (!shift) state.anchor = n;
    state.cursor = n;
    changed();
  };
  const move = (to, shift) => {
    if (to < 0 || to >= options.length) return;
    if (shift) { state.anchor ??= state.cursor; range(state.anchor, to, true); }
    state.cursor = to;
    if (shift) changed(); else { state.anchor = null; paint(); }
    options[to].focus();
  };
  const onkeydown = (event) => {
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns(options), ArrowUp: -columns(options) };
    const { key, shiftKey } = event;
    if (key in steps) move(state.cursor + steps[key], shiftKey);
    else if (key === "Home") move(0, shiftKey);
    else if (key === "End") move(options.length - 1, shiftKey);
    else if (key === " " || key === "Enter") press(state.cursor, shiftKey);
    else if (key === "a" && (event.ctrlKey || event.metaKey)) { range(0, options.length - 1, true); changed(); }
    else return;
    event.preventDefault();
  };
  const onclick = (event) => {
    const node = event.target.closest("[role=option]");
    if (node) { node.focus(); press(Number(node.dataset.n), event.shiftKey); }
  };

  const button = (label, symbol, act) => el("button", { type: "button", class: "maru-text-button", onclick: act }, icon(symbol), label);
  const chosen = el("strong", { class: "maru-pick-count", role: "status" });
  const page = button(words.page, "select_all", () => { data.items.forEach((item) => put(state, item.id, true)); changed(); });
  const all = button(words.all.replace("{n}", data.total.toLocaleString(words.language)), "done_all", () => { state.all = true; state.ids.clear(); state.except.clear(); changed(); });
  const clear = button(words.clear, "close", () => { state.all = false; state.ids.clear(); state.except.clear(); changed(); });
  const turn = (label, symbol, to, able) => el("button", { type: "button", class: "maru-icon-button", "aria-label": label, disabled: !able, onclick: () => setTriggerValue("turn", to) }, icon(symbol));
  const pages = data.previous || data.next ? el("div", { class: "maru-pages" },
    turn(words.previous, "chevron_left", "previous", data.previous), el("span", { class: "maru-meta" }, words.range),
    turn(words.next, "chevron_right", "next", data.next)) : null;

  const focused = parentElement.contains(document.activeElement) && document.activeElement.role === "option";
  mount(parentElement, el("div", { class: "maru-picker" },
    el("div", { class: "maru-pick-bar" }, chosen, page, all, clear),
    el("ul", { role: "listbox", class: "maru-picks", "aria-multiselectable": "true", "aria-label": words.list, onkeydown, onclick }, options),
    pages));
  paint();
  if (focused && options.length) options[state.cursor].focus({ preventScroll: true });
  if (before !== count(state, data)) report();
}
