// A job's events, from where they were last seen; the browser's cookie proves who reads. Nothing is read while nobody looks.
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 8000;
const TERMINAL = ["done", "failed", "cancelled"];

export class Live {
  constructor(url, place, { progress, ended }) {
    this.url = url;
    this.place = place;
    this.told = { progress, ended };
    this.last = "";
    this.pause = FIRST_PAUSE_MS;
    this.seen = () => (document.hidden ? this.leave() : this.come());
    document.addEventListener("visibilitychange", this.seen);
    this.come();
  }

  come() {
    if (this.source || this.over) return;
    const source = new EventSource(this.last ? `${this.url}?after=${this.last}` : this.url);
    this.source = source;
    source.addEventListener("progress", (event) => this.take(event, this.told.progress));
    for (const name of TERMINAL) source.addEventListener(name, (event) => { this.over = true; this.take(event, this.told.ended); this.end(); });
    source.onerror = () => {
      if (!this.place.isConnected) this.end();
      // A refusal closes the source for good; a cut line makes it come back by itself.
      else if (source.readyState === EventSource.CLOSED) this.later();
    };
  }

  take(event, tell) {
    if (!this.place.isConnected) { this.end(); return; }
    this.pause = FIRST_PAUSE_MS;
    if (event.lastEventId) this.last = event.lastEventId;
    tell(JSON.parse(event.data));
  }

  later() {
    this.leave();
    this.timer = setTimeout(() => { if (this.place.isConnected && !document.hidden) this.come(); }, this.pause);
    this.pause = Math.min(this.pause * 2, LONGEST_PAUSE_MS);
  }

  leave() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }

  end() {
    this.over = true;
    this.leave();
    document.removeEventListener("visibilitychange", this.seen);
  }
}
