"""Money, spans of time and states of jobs in words."""

from shared.contracts.studio import Job

from ui.core.i18n import language, t

ACTIVE = frozenset({"queued", "running", "paused"})
TONES = {
    "draft": ("plain", "edit_note"),
    "queued": ("plain", "schedule"),
    "running": ("blue", "progress_activity"),
    "processing": ("blue", "progress_activity"),
    "paused": ("amber", "pause_circle"),
    "done": ("green", "check_circle"),
    "failed": ("red", "error"),
    "cancelled": ("plain", "block"),
}


def money(micros: int) -> str:
    """Micro-dollars as dollars; small sums keep the digits that say something."""
    dollars = micros / 1e6
    return f"${dollars:,.2f}" if dollars >= 1 or micros == 0 else f"${dollars:.4f}"


def count(number: int) -> str:
    return f"{number:,}"


def span(seconds: float) -> str:
    """About how long, in the largest unit that fits."""
    if seconds < 90:
        return t("span.seconds", n=max(1, round(seconds)))
    if seconds < 90 * 60:
        return t("span.minutes", n=round(seconds / 60))
    return t("span.hours", n=f"{seconds / 3600:.1f}")


def share(job: Job) -> float:
    """How much of a job has ended, from 0 to 1."""
    ended = job.counts.done + job.counts.failed + job.counts.cancelled
    return ended / job.total if job.total else 0.0


def is_active(job: Job) -> bool:
    return job.status in ACTIVE


def number_words() -> dict[str, str]:
    """What the browser needs to write numbers as this page does."""
    return {"language": language()}
