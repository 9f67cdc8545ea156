import { changed, el, icon, mount } from "./dom.js";

// data: { label, weekdays: [7], weeks: [[{ day, date, count, label } | null]], previous, next, previousLabel, nextLabel, chosen }
export default function ({ data, parentElement, setTriggerValue }) {
  if (!changed(parentElement, data)) return;
  const most = Math.max(1, ...data.weeks.flat().map((cell) => cell?.count || 0));
  const cellOf = (cell) => {
    if (!cell) return el("td", {});
    const level = cell.count ? 1 + Math.round((2 * cell.count) / most) : 0;
    const content = cell.count
      ? el("button", {
          type: "button", class: `maru-date maru-level-${level}`, "aria-label": cell.label,
          "aria-pressed": cell.date === data.chosen ? "true" : "false",
          onclick: () => setTriggerValue("day", cell.date),
        }, el("span", {}, String(cell.day)), el("span", { class: "maru-dot" }, String(cell.count)))
      : el("span", { class: `maru-date maru-date-none${cell.today ? " maru-date-today" : ""}` }, String(cell.day));
    return el("td", {}, content);
  };
  const move = (to, label, symbol) =>
    el("button", { type: "button", class: "maru-icon-button", "aria-label": label, onclick: () => setTriggerValue("day", to) }, icon(symbol));
  mount(parentElement, el("div", { class: "maru-calendar" },
    el("div", { class: "maru-calendar-head" },
      move(data.previous, data.previousLabel, "chevron_left"),
      el("h3", { id: "maru-month", "aria-live": "polite" }, data.label),
      move(data.next, data.nextLabel, "chevron_right")),
    el("table", { "aria-labelledby": "maru-month" },
      el("thead", {}, el("tr", {}, data.weekdays.map((name) => el("th", { scope: "col" }, name)))),
      el("tbody", {}, data.weeks.map((week) => el("tr", {}, week.map(cellOf)))))));
}
