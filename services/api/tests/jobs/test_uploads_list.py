"""Stored files, listed for whoever wants to choose among them."""

from __future__ import annotations

from typing import Any

from .conftest import Client, Shared


async def listed(client: Client, **query: Any) -> dict[str, Any]:
    answer = await client.http.get("/api/v1/uploads", params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def document(client: Client, name: str) -> str:
    body = {"filename": name, "content_type": "text/plain", "size": 4}
    ticket = (await client.http.post("/api/v1/uploads", json=body)).json()
    await client.http.put(
        ticket["url"].removeprefix("http://127.0.0.1:8000"), content=b"text", headers=ticket["headers"]
    )
    done = await client.http.post(f"/api/v1/uploads/{ticket['id']}/complete")
    assert done.status_code == 200, done.text
    identifier: str = ticket["id"]
    return identifier


async def test_files_are_listed_the_newest_first_and_narrowed(shared: Shared) -> None:
    who = shared.editor
    cat, text = await who.upload("검은 Cat.png"), await document(who, "notes.txt")
    odd, pending = await who.upload("100%_.png"), await who.upload("later.png", complete=False)
    common = await who.upload("family cat.png", space_id=shared.id)
    for query, expected in (
        ({}, [common, odd, text, cat]),
        ({"kind": "photo"}, [common, odd, cat]),
        ({"kind": "document"}, [text]),
        ({"kind": "audio"}, []),
        ({"content_type": "text/plain"}, [text]),
        ({"query": "cat"}, [common, cat]),
        ({"query": "%_"}, [odd]),
        ({"space_id": shared.id}, [common]),
        ({"status": "pending"}, [pending]),
        ({"from": "2020-01-01T00:00:00Z", "kind": "document"}, [text]),
        ({"to": "2020-01-01"}, []),
    ):
        page = await listed(who, **query)
        assert [upload["id"] for upload in page["uploads"]] == expected, query
        assert page["total"] == len(expected)


async def test_pages_cover_every_file_once(client: Client) -> None:
    made = [await client.upload(f"{number}.png") for number in range(5)]
    seen, token = [], None
    while True:
        page = await listed(client, page_size=2, **({"page_token": token} if token else {}))
        seen += [upload["id"] for upload in page["uploads"]]
        assert page["total"] == 5
        if (token := page["next_page_token"]) is None:
            break
    assert seen == made[::-1]
    first = await listed(client, page_size=2)
    for query in ({"page_token": first["next_page_token"], "kind": "photo"}, {"page_token": "forged"}):
        answer = await client.http.get("/api/v1/uploads", params=query)
        assert (answer.status_code, answer.json()["code"]) == (400, "page_token_invalid")


async def test_a_listed_file_can_be_opened(client: Client) -> None:
    await client.upload()
    [upload] = (await listed(client))["uploads"]
    assert (upload["status"], upload["thumbnail_url"]) == ("ready", None)
    assert (await client.http.get(upload["content_url"])).status_code == 302


async def test_files_of_others_are_not_there(shared: Shared) -> None:
    await shared.owner.upload()
    common = await shared.owner.upload(space_id=shared.id)
    assert [upload["id"] for upload in (await listed(shared.viewer))["uploads"]] == [common]
    assert (await listed(shared.stranger))["uploads"] == []
    assert (await listed(shared.stranger, space_id=shared.id))["total"] == 0
