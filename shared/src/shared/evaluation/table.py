"""Reports for people and for programs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from shared.evaluation.metrics import Report, Scores

_COLUMNS = (
    ("nDCG@10", "ndcg10"),
    ("R@10", "recall10"),
    ("hit@3", "hit3"),
    ("gold held", "gold_contained"),
    ("quotes verified", "citations_verified"),
    ("answered", "answered"),
    ("refused", "refused"),
)


def render(reports: Iterable[Report]) -> str:
    """A table with one line for each data set, and one for each language where there are several."""
    rows = [["", "questions", *(heading for heading, _ in _COLUMNS), "other tenants'"]]
    for report in reports:
        rows.append(_row(report.dataset, report.total))
        rows.extend(_row(f"  {lang}", scores) for lang, scores in report.by_language.items())
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            _aligned(cell, width, first=index == 0) for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


def as_json(report: Report) -> dict[str, Any]:
    """A report as JSON knows it."""
    return asdict(report)


def _row(name: str, scores: Scores) -> list[str]:
    figures = [_figure(getattr(scores, attribute)) for _, attribute in _COLUMNS]
    return [name, str(scores.questions), *figures, str(scores.cross_tenant)]


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _aligned(cell: str, width: int, *, first: bool) -> str:
    return cell.ljust(width) if first else cell.rjust(width)
