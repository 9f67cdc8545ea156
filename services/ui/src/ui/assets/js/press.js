// A press is kept, whatever the page does meanwhile. A browser makes a click only where the pointer goes down and comes up
// on the same element. A page that is drawn anew in between moves or replaces what is under the pointer, and nobody would
// hear of the press; then it is made here, on what was pressed or on what took its place.
const PRESSABLE = "a[href], button, summary, label, [role=button], [role=radio], [role=tab], .maru-pick";
// Further away than this, the pointer was taken off on purpose.
const STEADY_PX = 10;
// After a touch, browsers make the click a moment later.
const CLICK_WITHIN_MS = 80;
// Reports that nobody waits for stay behind a press that is being answered, but not for ever.
const CALM_MS = 250;
const PATIENCE_MS = 3000;
const LOOK_MS = 50;
const STAY_MS = 8000;

// The attribute of links between our pages.
const OWN = "data-maru-link";

let press = null;
let pressedAt = -Infinity;

// How to find again what a page has drawn anew: where it leads, its own name, or what it is called in its place.
function markOf(node) {
  const place = node.closest('[class*="st-key-"]');
  const key = place && [...place.classList].find((name) => name.startsWith("st-key-"));
  return { id: node.id, href: node.getAttribute("href"), own: node.hasAttribute(OWN), tag: node.tagName, label: labelOf(node), key };
}

function labelOf(node) {
  return node.getAttribute("aria-label") || node.textContent;
}

function successor({ id, href, tag, label, key }) {
  if (id) return document.getElementById(id);
  const place = key ? document.querySelector(`.${CSS.escape(key)}`) : document;
  const alike = place ? [...place.querySelectorAll(tag)].filter((node) => node.matches(PRESSABLE)) : [];
  if (href !== null) return alike.find((node) => node.getAttribute("href") === href);
  const called = alike.filter((node) => labelOf(node) === label);
  return called.length === 1 ? called[0] : alike.length === 1 ? alike[0] : null;
}

addEventListener("pointerdown", (event) => {
  pressedAt = performance.now();
  const node = event.isPrimary && event.button === 0 ? event.target.closest?.(PRESSABLE) : null;
  press = node && { node, mark: markOf(node), x: event.clientX, y: event.clientY };
}, true);

addEventListener("pointercancel", () => { press = null; }, true);

addEventListener("pointerup", (event) => {
  const kept = press;
  press = null;
  if (!kept || Math.hypot(event.clientX - kept.x, event.clientY - kept.y) > STEADY_PX) return;
  let heard = false;
  const hear = (click) => { heard ||= kept.node.contains(click.target); };
  addEventListener("click", hear, true);
  setTimeout(() => {
    removeEventListener("click", hear, true);
    if (heard || modified(event)) return;
    const node = kept.node.isConnected ? kept.node : successor(kept.mark);
    if (node) node.click();
    else if (kept.mark.own) go(kept.mark.href);
  }, CLICK_WITHIN_MS);
}, true);

addEventListener("click", () => { pressedAt = performance.now(); }, true);
addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") pressedAt = performance.now(); }, true);

const app = () => document.querySelector('[data-testid="stApp"]')?.dataset ?? {};

function modified(event) {
  return event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || event.button;
}

// Another page of ours, without loading the document anew: the framework hears it as it hears the browser's own history.
// What is asked is the address alone, so it does not matter whether what was pressed still stands on the page.
// Not at once: what was pressed before is told a moment after its press, and would lead back to the page it was pressed on.
function go(href) {
  if (app().testConnectionState !== "CONNECTED") { location.assign(href); return; }
  setTimeout(() => {
    history.pushState({}, "", href);
    tell();
    stay(new URL(href, location.origin), performance.now());
  }, 0);
}

let telling = false;

function tell() {
  telling = true;
  dispatchEvent(new PopStateEvent("popstate", { state: {} }));
  telling = false;
}

// Back and forward are presses too, of buttons that are not ours.
addEventListener("popstate", () => { if (!telling) pressedAt = performance.now(); });

// The page that is left may still be about to write its own query into the address, under the new page's name. Until
// somebody presses something else, the new page has the query that was asked for.
function stay(wanted, since) {
  if (pressedAt > since || performance.now() - since > STAY_MS) return;
  if (location.pathname === wanted.pathname && location.search !== wanted.search) {
    history.replaceState({}, "", wanted);
    tell();
  }
  setTimeout(stay, LOOK_MS, wanted, since);
}

addEventListener("click", (event) => {
  const link = event.target.closest?.(`a[${OWN}]`);
  if (!link || event.defaultPrevented || modified(event)) return;
  event.preventDefault();
  go(link.getAttribute("href"));
});

// Say something to the page that no person asked for: not while it answers a press, which such a report would cut short.
export function calmly(report, askedAt = performance.now()) {
  const now = performance.now();
  const since = now - pressedAt;
  const answering = Math.max(since, now - askedAt) < PATIENCE_MS && app().testScriptState === "running";
  if (since < CALM_MS || answering) setTimeout(calmly, LOOK_MS, report, askedAt);
  else report();
}
