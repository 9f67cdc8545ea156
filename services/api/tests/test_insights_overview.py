"""Totals for charts and the calendar."""

from __future__ import annotations

from typing import Any

from shared.testing.memory import Memory


async def test_topics_moods_and_days_are_counted_with_corrections(memory: Memory) -> None:
    jiwoo, minho = await memory.person(), await memory.person("minho")
    days = ["2024-01-01T23:59:59Z", "2024-01-02T08:00:00Z", "2024-01-02T09:00:00Z", "2024-01-08T00:00:00Z"]
    entries = [await memory.note(jiwoo, f"Plain words {n}.", occurred_at=day) for n, day in enumerate(days)]
    await memory.note(minho, "Other people's words.", occurred_at=days[0])
    await memory.settle()
    moods: list[Any] = [
        [{"label": "joy", "score": 0.4}],
        [{"label": "joy", "score": 0.8}],
        [],
        [{"label": "calm", "score": 1}],
    ]
    for entry, emotions in zip(entries, moods, strict=True):
        corrected = {"topics": ["home"] if entry is not entries[2] else ["home", "work"], "emotions": emotions}
        await jiwoo.http.patch(f"/api/v1/entries/{entry['id']}/insights", json=corrected)

    async def overview(**query: str) -> dict[str, Any]:
        answer = await jiwoo.http.get("/api/v1/insights/overview", params=query)
        assert answer.status_code == 200, answer.text
        totals: dict[str, Any] = answer.json()
        return totals

    totals = await overview()
    assert totals["topics"] == [{"topic": "home", "count": 4}, {"topic": "work", "count": 1}]
    assert totals["moods"] == [
        {"week": "2024-01-01", "label": "joy", "score": 0.6, "count": 2},
        {"week": "2024-01-08", "label": "calm", "score": 1.0, "count": 1},
    ]
    assert totals["days"] == [
        {"date": "2024-01-01", "count": 1},
        {"date": "2024-01-02", "count": 2},
        {"date": "2024-01-08", "count": 1},
    ]
    first_week = await overview(**{"from": "2024-01-02", "to": "2024-01-07"})
    assert first_week["days"] == [{"date": "2024-01-02", "count": 2}]
    assert first_week["moods"] == [{"week": "2024-01-01", "label": "joy", "score": 0.8, "count": 1}]


async def test_an_empty_journal_has_empty_totals(memory: Memory) -> None:
    jiwoo = await memory.person()
    answer = await jiwoo.http.get("/api/v1/insights/overview", params={"space_id": jiwoo.space_id})
    assert answer.json() == {"topics": [], "moods": [], "days": []}


async def test_totals_narrow_to_a_person_and_a_space(memory: Memory) -> None:
    jiwoo = await memory.person()
    hana = (await jiwoo.http.post("/api/v1/people", json={"name": "Hana"})).json()["id"]
    space = (await jiwoo.http.post("/api/v1/spaces", json={"name": "Garden"})).json()["id"]
    await memory.note(jiwoo, "She sang.", person_id=hana, occurred_at="2024-06-01T00:00:00Z")
    await memory.note(jiwoo, "Beans are up.", space_id=space, occurred_at="2024-06-02T00:00:00Z")
    for query, day in (({"person_id": hana}, "2024-06-01"), ({"space_id": space}, "2024-06-02")):
        totals = (await jiwoo.http.get("/api/v1/insights/overview", params=query)).json()
        assert totals["days"] == [{"date": day, "count": 1}]
    assert (await jiwoo.http.get("/api/v1/insights/overview", params={"from": "x"})).status_code == 422


async def test_a_day_begins_where_the_person_lives(memory: Memory) -> None:
    jiwoo = await memory.person()
    await memory.note(jiwoo, "Before breakfast in Seoul.", occurred_at="2024-03-03T22:30:00Z")

    async def days(tz: str) -> list[str]:
        answer = await jiwoo.http.get("/api/v1/insights/overview", params={"tz": tz})
        return [day["date"] for day in answer.json()["days"]]

    assert await days("UTC") == await days("America/New_York") == ["2024-03-03"]
    assert await days("Asia/Seoul") == ["2024-03-04"]
    for wrong, code in (("Asia/Nowhere", "time_zone_unknown"), ("'; DROP", "invalid"), ("\x00", "invalid")):
        answer = await jiwoo.http.get("/api/v1/insights/overview", params={"tz": wrong})
        assert (answer.status_code, answer.json()["code"]) == (422, code), wrong
