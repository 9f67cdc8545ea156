"""Entries as cards."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from shared.contracts.memory import Entry

from ui.core import when
from ui.core.i18n import maybe, t
from ui.parts import nav
from ui.parts.browser import cards
from ui.parts.circle import Circle
from ui.parts.words import shortened

KIND_ICONS = {"note": "edit_note", "photo": "image", "audio": "graphic_eq", "document": "description"}
_TONES = {
    "joy": "warm", "gratitude": "warm", "love": "warm", "pride": "warm", "hope": "green", "calm": "green",
    "surprise": "blue", "sadness": "blue", "loneliness": "blue", "regret": "blue", "tiredness": "plain",
    "worry": "amber", "fear": "amber", "anger": "red",
}  # fmt: skip


def headline(entry: Entry) -> str:
    """What an entry is called: its title, else its first words, else its first file, else its kind."""
    named = entry.title or shortened(entry.note, 56)
    if named:
        return named
    return entry.attachments[0].filename if entry.attachments else t(f"kind.{entry.kind}")


def media_address(content_url: str) -> str:
    """Where this server answers with a redirect to the file, for pictures and players."""
    return f"/file{content_url}"


def emotion_name(label: str) -> str:
    return maybe(f"emotion.{label}") or label


def tone_of(label: str) -> str:
    return _TONES.get(label, "plain")


def badges(entry: Entry, around: Circle) -> list[dict[str, Any]]:
    """Status first, then who, where, feelings and topics; a word always goes with the colour."""
    found: list[dict[str, Any]] = []
    if entry.status == "failed":
        found.append({"text": t("status.failed"), "tone": "red", "icon": "error"})
    if entry.status == "processing":
        found.append({"text": t("status.processing"), "tone": "amber", "icon": "pending"})
    person = around.person_name(entry.person_id)
    if person:
        found.append({"text": person, "tone": "blue", "icon": "person"})
    space = around.space(entry.space_id)
    if space is not None and space.id != around.me.personal_space_id:
        found.append({"text": space.name, "tone": "plain", "icon": "group"})
    if entry.insights is not None:
        found += [{"text": emotion_name(e.label), "tone": tone_of(e.label)} for e in entry.insights.emotions[:2]]
        found += [{"text": f"#{topic}"} for topic in entry.insights.topics[:3]]
    return found


def entry_card(entry: Entry, around: Circle, look: str = "list") -> dict[str, Any]:
    """The data of one card; an entry without a title is its own words, not a title made of them."""
    picture = next((a.thumbnail_url for a in entry.attachments if a.thumbnail_url), None)
    summary = entry.insights.summary if entry.insights is not None else ""
    text = shortened(summary or entry.note, 170)
    title = headline(entry) if entry.title or look == "gallery" or not text else ""
    at = entry.occurred_at
    return {
        "href": nav.address("entry", id=entry.id),
        "title": title,
        "icon": KIND_ICONS.get(entry.kind),
        "text": text if text != title else "",
        "meta": when.day_name(when.local(at).date()) if look == "gallery" else when.clock(at),
        "badges": badges(entry, around),
        "image": media_address(picture) if picture else None,
        "alt": "",
    }


def timeline(entries: Sequence[Entry], around: Circle, *, key: str, look: str = "list", headings: bool = True) -> None:
    """Entries under their days, each a link to its page."""
    days = groupby(entries, key=lambda entry: when.local(entry.occurred_at).date())
    sections = (
        [
            {"heading": when.day_name(day), "items": [entry_card(entry, around, look) for entry in of_day]}
            for day, of_day in days
        ]
        if headings
        else [{"items": [entry_card(entry, around, look) for entry in entries]}]
    )
    cards(sections, key=key, look=look)
