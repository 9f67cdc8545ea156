const ROUTES = { open: "/session", end: "/session/end", language: "/session/language" };
const tabs = "BroadcastChannel" in window ? new BroadcastChannel("maru-session") : null;
const done = new Set();

// Another tab that signs in or out makes this one load anew, so that no page outlives its session.
if (tabs) tabs.onmessage = () => location.reload();

export default async function ({ data, setTriggerValue }) {
  if (!data.action || done.has(data.nonce)) return;
  done.add(data.nonce);
  try {
    const answer = await fetch(ROUTES[data.action], {
      method: "POST",
      credentials: "same-origin",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ ticket: data.ticket, language: data.language }),
    });
    if (!answer.ok) {
      const problem = await answer.json().catch(() => ({}));
      setTriggerValue("failed", problem.code || "refused");
      return;
    }
  } catch {
    setTriggerValue("failed", "unreachable");
    return;
  }
  if (tabs && data.action !== "language") tabs.postMessage(data.action);
  if (data.to) location.assign(data.to);
  else location.reload();
}
