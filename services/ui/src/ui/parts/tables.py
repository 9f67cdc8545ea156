"""Tables of facts: a cell is a text, or a badge, with a smaller line below where there is more to say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ui.core.i18n import t
from ui.parts.browser import table


@dataclass(frozen=True)
class Cell:
    """`tone` makes it a badge."""

    text: str
    small: str = ""
    tone: str = ""
    icon: str = ""


@dataclass(frozen=True)
class Row:
    """One thing, and what can be done about it: names of actions."""

    id: str
    cells: Sequence[Cell]
    actions: Sequence[str] = field(default=())


def facts(
    name: str,
    columns: Sequence[str],
    rows: Sequence[Row],
    *,
    numbers: Sequence[str] = (),
    icons: Mapping[str, str] | None = None,
) -> tuple[str, str] | None:
    """Draw the table `name`, whose words stand under `admin.NAME.`; returns an action that was pressed and on what."""
    signs = icons or {}
    data: dict[str, Any] = {
        "label": t(f"admin.{name}"),
        "actions": t("admin.actions"),
        "columns": [{"name": t(f"admin.column.{column}"), "number": column in numbers} for column in columns],
        "rows": [
            {
                "id": row.id,
                "cells": [{"text": c.text, "small": c.small, "tone": c.tone, "icon": c.icon} for c in row.cells],
                "actions": [{"name": a, "label": t(f"admin.{a}"), "icon": signs[a]} for a in row.actions],
            }
            for row in rows
        ],
    }
    act = table(data, key=f"table-{name}")
    return (act["name"], act["id"]) if act else None
