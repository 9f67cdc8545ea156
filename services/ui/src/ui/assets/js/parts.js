// A large file goes in parts, some beside each other: what has come stays, and only what is missing is sent again.
// plan: { size, count, received: how many came before, parts: [{ number, url, headers, size }] }, the next parts that are missing.

const AT_ONCE = 3;
const TRIES = 4;
const PAUSE_MS = 400;
const MOST_BARREN = 2;

const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });

function put(item, part, body, progress) {
  return new Promise((done) => {
    const request = new XMLHttpRequest();
    const end = (status) => { item.requests.delete(request); done(status); };
    item.requests.add(request);
    request.open("PUT", part.url);
    for (const [name, value] of Object.entries(part.headers || {})) {
      if (!["content-length", "host"].includes(name.toLowerCase())) request.setRequestHeader(name, value);
    }
    request.upload.onprogress = (event) => progress(event.loaded);
    request.onload = () => end(request.status);
    request.onerror = () => end(0);
    request.onabort = () => end(-1);
    request.send(body);
  });
}

// "came"; "refused" when the address is of no use any more; "failed" when trying again did not help.
async function sendPart(item, plan, part, drawn) {
  const start = (part.number - 1) * plan.size;
  const body = item.file.slice(start, start + part.size);
  const progress = (bytes) => { item.loaded.set(part.number, Math.min(bytes, part.size)); drawn(); };
  for (let tried = 1; ; tried += 1) {
    const status = await put(item, part, body, progress);
    if (status >= 200 && status < 300) { progress(part.size); return "came"; }
    progress(0);
    if (status === -1) return "failed";
    if (status === 403 || status === 404) return "refused";
    if (tried === TRIES) return "failed";
    await pause(PAUSE_MS * 2 ** (tried - 1));
  }
}

export function stopParts(item) {
  item.stopped = true;
  for (const request of [...(item.requests || [])]) request.abort();
}

// Calls one of `sent`, `asking` (for addresses of what is missing still) and `broken` in the end, and `drawn` on the way.
export async function sendParts(item, plan, { drawn, sent, asking, broken }) {
  item.requests = new Set();
  item.stopped = false;
  item.loaded = new Map();
  const before = Math.min(plan.received * plan.size, item.file.size);
  const moved = () => {
    let bytes = before;
    for (const loaded of item.loaded.values()) bytes += loaded;
    item.share = Math.min(1, bytes / item.file.size);
    drawn();
  };
  const waiting = [...plan.parts];
  const outcomes = [];
  const line = async () => {
    while (waiting.length && !item.stopped && !outcomes.includes("failed")) outcomes.push(await sendPart(item, plan, waiting.shift(), moved));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, line));
  if (item.stopped) return;
  const came = outcomes.filter((outcome) => outcome === "came").length;
  // Addresses expire while a computer sleeps; asking for new ones without end would help nobody.
  item.barren = came > 0 ? 0 : (item.barren || 0) + 1;
  if (plan.received + came >= plan.count) sent();
  else if (item.barren <= MOST_BARREN && !outcomes.includes("failed")) asking();
  else { item.barren = 0; broken(); }
}
