"""A task as the browser draws it."""

from typing import Any

from shared.contracts.studio import Task, TaskFailure

from ui.core.trouble import explain_code
from ui.parts.cards import media_address

# What a browser can show; anything else is offered as a file.
_DRAWABLE = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif", "image/avif"})
_MOST_LINES = 40


def task_data(task: Task) -> dict[str, Any]:
    return {
        "id": str(task.id),
        "seq": task.seq,
        "name": task.input_name or "",
        "status": task.status,
        "attempt": task.attempt,
        "progress": task.progress,
        "worker": task.worker or "",
        "small": f"{media_address(task.input_url)}?variant=thumbnail" if task.input_url else None,
        "before": media_address(task.input_url) if task.input_url else None,
        "after": media_address(task.output_url) if task.output_url else None,
        "output_name": task.output_name or "",
        "drawable": task.output_type is None or task.output_type in _DRAWABLE,
        "run_s": task.run_s,
        "cost_micros": task.cost_micros,
        "error": _error(task.error) if task.error else None,
    }


def _error(error: TaskFailure) -> dict[str, Any]:
    """A sentence in the page's language, and what the runner said in its own words."""
    text = explain_code(error.code, "problem.task_failed")
    return {"text": text, "detail": error.detail, "lines": error.lines[-_MOST_LINES:]}
