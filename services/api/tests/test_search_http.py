"""Search over HTTP: words in both languages, filters, tenants, refusals."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from shared.testing.memory import Memory


async def test_korean_is_found_through_particles_and_endings(memory: Memory) -> None:
    jiwoo = await memory.person()
    park = await memory.note(jiwoo, "한강공원에서 아이와 연을 날렸다. 바람이 시원했다.")
    await memory.note(jiwoo, "회의가 길어져서 늦게 들어왔다.")
    await memory.settle()
    for query in ("한강공원", "연을 날리던 날", "바람", "한강공원에서는"):
        assert (await memory.hits(jiwoo, query))[0]["entry_id"] == park["id"], query


async def test_the_hit_is_the_exact_stretch_of_the_body_in_code_points(memory: Memory) -> None:
    jiwoo = await memory.person()
    paragraphs = [f"😀 {number}번째 문단입니다. " + "이야기가 이어집니다. " * 40 for number in range(5)]
    paragraphs[3] += "여기에 무지개송어가 나옵니다."
    saved = await memory.note(jiwoo, "\n\n".join(paragraphs))
    await memory.settle()
    hit = (await memory.hits(jiwoo, "무지개송어"))[0]
    assert "무지개송어" in hit["text"]
    assert saved["body"][hit["start"] : hit["end"]] == hit["text"]


async def test_each_entry_gives_its_best_passage_unless_more_are_wanted(memory: Memory) -> None:
    jiwoo = await memory.person()
    long = await memory.note(jiwoo, "\n\n".join(f"Rosemary grows in bed {n}. " * 20 for n in range(6)))
    short = await memory.note(jiwoo, "Rosemary tea helps.")
    await memory.settle()
    hits = await memory.hits(jiwoo, "rosemary")
    assert sorted(hit["entry_id"] for hit in hits) == sorted([long["id"], short["id"]])
    more = await memory.hits(jiwoo, "rosemary", per_entry=3)
    assert [hit["entry_id"] for hit in more].count(long["id"]) == 3
    assert len({hit["chunk_id"] for hit in more}) == len(more)
    assert len(await memory.hits(jiwoo, "rosemary", per_entry=3, limit=2)) == 2


async def test_filters_narrow_and_several_values_widen(memory: Memory) -> None:
    jiwoo = await memory.person()
    space = (await jiwoo.http.post("/api/v1/spaces", json={"name": "Club"})).json()["id"]
    mine = await memory.note(jiwoo, "Chess evening with friends", occurred_at="2024-02-01T00:00:00Z")
    club = await memory.note(jiwoo, "Chess evening at the club", occurred_at="2024-03-01T00:00:00Z", space_id=space)
    upload = await memory.upload(jiwoo, "rules.txt", "text/plain", b"Chess rules for the evening.")
    rules = (
        await jiwoo.http.post(
            "/api/v1/entries", json={"kind": "document", "uploads": [upload], "occurred_at": "2024-04-01T00:00:00Z"}
        )
    ).json()
    await memory.settle()

    async def found(**fields: Any) -> set[str]:
        return {hit["entry_id"] for hit in await memory.hits(jiwoo, "chess evening", **fields)}

    assert await found() == {mine["id"], club["id"], rules["id"]}
    assert await found(space_ids=[space]) == {club["id"]}
    assert await found(filters={"kind": "document"}) == {rules["id"]}
    assert await found(filters={"kind": ["document", "note"]}) == {mine["id"], club["id"], rules["id"]}
    assert await found(filters={"from": "2024-03-01", "to": "2024-03-31"}) == {club["id"]}
    assert await found(filters={"topics": ["no such topic"]}) == set()


async def test_nobody_finds_what_belongs_to_others(memory: Memory) -> None:
    jiwoo, minho = await memory.person(), await memory.person("minho")
    hers = await memory.note(jiwoo, "The safe code is under the old piano.")
    his = await memory.note(minho, "The piano needs tuning.")
    await memory.settle()
    assert [hit["entry_id"] for hit in await memory.hits(minho, "piano safe code")] == [his["id"]]
    assert [hit["entry_id"] for hit in await memory.hits(jiwoo, "piano safe code")] == [hers["id"]]
    for space in (jiwoo.space_id, str(uuid4())):
        answer = await minho.http.post("/api/v1/search", json={"query": "piano", "space_ids": [space]})
        assert (answer.status_code, answer.json()["code"]) == (404, "space_not_found")


async def test_another_tenants_words_do_not_shift_scores(memory: Memory) -> None:
    jiwoo, minho = await memory.person(), await memory.person("minho")
    await memory.note(jiwoo, "The lighthouse keeper painted the door.")
    await memory.note(jiwoo, "A letter arrived from the coast.")
    await memory.settle()
    before = await memory.hits(jiwoo, "lighthouse letter")
    for n in range(5):
        await memory.note(minho, f"lighthouse lighthouse number {n}")
    await memory.settle()
    assert await memory.hits(jiwoo, "lighthouse letter") == before


async def test_whoever_leaves_a_space_finds_nothing_of_it_any_more(memory: Memory) -> None:
    jiwoo, minho = await memory.person(), await memory.person("minho")
    space = (await jiwoo.http.post("/api/v1/spaces", json={"name": "Trip"})).json()["id"]
    await jiwoo.http.post(f"/api/v1/spaces/{space}/members", json={"email": minho.email, "role": "viewer"})
    saved = await memory.note(jiwoo, "Ferry tickets are booked", space_id=space)
    await memory.settle()
    assert [hit["entry_id"] for hit in await memory.hits(minho, "ferry")] == [saved["id"]]
    left = await jiwoo.http.delete(f"/api/v1/spaces/{space}/members/{minho.id}")
    assert left.status_code == 204, left.text
    assert await memory.hits(minho, "ferry") == []


async def test_a_deleted_space_takes_its_points_and_files(memory: Memory) -> None:
    jiwoo = await memory.person()
    space = (await jiwoo.http.post("/api/v1/spaces", json={"name": "Short-lived"})).json()["id"]
    upload = await memory.upload(jiwoo, "a.txt", "text/plain", b"Ephemeral words.", space_id=space)
    created = await jiwoo.http.post(
        "/api/v1/entries", json={"kind": "document", "uploads": [upload], "space_id": space}
    )
    entry_id = created.json()["id"]
    await memory.settle()
    [stored] = await memory.rows("SELECT object_key FROM maru.uploads WHERE id = $1", upload)
    assert await memory.vectors.entry_points(entry_id)
    assert (await jiwoo.http.delete(f"/api/v1/spaces/{space}")).status_code == 204
    assert await memory.hits(jiwoo, "ephemeral") == []
    await memory.settle()
    assert await memory.vectors.entry_points(entry_id) == []
    assert await memory.storage.head(stored["object_key"]) is None
    assert await memory.rows("SELECT 1 FROM maru.chunks") == []


@pytest.mark.parametrize(
    "request_body",
    [
        {"query": ""},
        {"query": "   "},
        {"query": "x" * 2001},
        {"query": "a\x00b"},
        {},
        {"query": "x", "limit": 0},
        {"query": "x", "limit": 101},
        {"query": "x", "per_entry": 0},
        {"query": "x", "space_ids": ["mine"]},
        {"query": "x", "filters": {"kind": "poem"}},
        {"query": "x", "filters": {"mood": "joy"}},
        {"query": "x", "filters": {"from": "soon"}},
    ],
)
async def test_a_query_that_makes_no_sense_is_refused(memory: Memory, request_body: dict[str, Any]) -> None:
    jiwoo = await memory.person()
    answer = await jiwoo.http.post("/api/v1/search", json=request_body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


@pytest.mark.parametrize("query", ["?!…", "the of and", "🎈", "ㅋㅋㅋㅋ", '"unclosed', "a" * 2000])
async def test_any_words_are_a_query(memory: Memory, query: str) -> None:
    jiwoo = await memory.person()
    await memory.note(jiwoo, "Something entirely different.")
    await memory.settle()
    assert isinstance(await memory.hits(jiwoo, query), list)
