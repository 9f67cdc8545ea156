"""The story: a bilingual family's year, told in days before today."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Literal


@dataclass(frozen=True, slots=True)
class HouseholdEntry:
    """One written entry; `person` names somebody in `PEOPLE`."""

    title: str
    body: str
    lang: Literal["ko", "en"]
    days_ago: int
    hour: int
    person: str | None

    def occurred_at(self, today: datetime) -> datetime:
        """When it happened, seen from `today`."""
        return (today - timedelta(days=self.days_ago)).replace(hour=self.hour, minute=0, second=0, microsecond=0)


@dataclass(frozen=True, slots=True)
class HouseholdPerson:
    """Somebody the entries are about."""

    name: str
    relation: str
    birth_date: str | None


PEOPLE = (
    HouseholdPerson("지우", "딸 · daughter", "2021-05-03"),
    HouseholdPerson("민준", "아들 · son", "2025-08-19"),
    HouseholdPerson("엄마", "어머니 · mother", "1957-10-02"),
)

QUESTIONS = ("엄마 무릎은 요즘 어때?", "When does Daniel's visa run out?", "민준이가 처음 걸은 날은 언제야?")


def household() -> list[HouseholdEntry]:
    """Every entry, the oldest first."""
    text = (files("maru.demo") / "household.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    return [
        HouseholdEntry(row["title"], row["body"], row["lang"], row["days_ago"], row["hour"], row.get("person"))
        for row in rows
    ]


def now() -> datetime:
    """Today, in UTC."""
    return datetime.now(UTC)
