"""The gateway's sweep forgets what nobody needs for ever."""

import asyncpg
import httpx
from shared.testing.identity import SignUp, callback_headers


async def test_a_sweep_forgets_old_answers_deliveries_and_buckets(
    nobody: httpx.AsyncClient, sign_up: SignUp, database_url: str
) -> None:
    somebody = await sign_up()
    for key in ("old", "new"):
        answer = await somebody.http.post(
            "/api/v1/entries", json={"kind": "note", "body": f"{key} 글"}, headers={"Idempotency-Key": key}
        )
        assert answer.status_code == 201
    owner = await asyncpg.connect(database_url)
    await owner.execute("UPDATE maru.idempotency_keys SET created_at = now() - interval '2 days' WHERE key = 'old'")
    await owner.execute("INSERT INTO maru.rate_buckets VALUES ('idle', 1, now() - interval '2 days')")
    await owner.execute(
        "INSERT INTO maru.inbox VALUES ('x', 'm', now() - interval '40 days', now() - interval '40 days')"
    )
    swept = await nobody.post("/internal/sweep", headers=callback_headers())
    assert swept.status_code == 204
    assert await owner.fetchval("SELECT array_agg(key) FROM maru.idempotency_keys") == ["new"]
    assert await owner.fetchval("SELECT count(*) FROM maru.rate_buckets WHERE bucket = 'idle'") == 0
    assert await owner.fetchval("SELECT count(*) FROM maru.inbox WHERE message_id = 'm'") == 0
    await owner.close()


async def test_nobody_else_may_sweep(nobody: httpx.AsyncClient, sign_up: SignUp) -> None:
    assert (await nobody.post("/internal/sweep")).status_code == 401
    assert (await (await sign_up()).http.post("/internal/sweep")).status_code == 401
