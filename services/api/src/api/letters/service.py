"""Three kinds of what was given up in one list, and another try."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from shared.http.pages import PageTokenInvalid, decode_page_token, encode_page_token

from api.letters import store
from api.letters.errors import DeadLetterHopeless, DeadLetterNotFound
from api.letters.schemas import DeadLetter, DeadLetterPage, Kind

if TYPE_CHECKING:
    from shared.db import Connection, Database, Principal, Record
    from shared.outbox import Relay

RetryTask = Callable[[UUID, UUID], Awaitable[Any]]
"""Given the owner of its job and its id, lets a failed task wait for workers again."""


@dataclass(frozen=True, slots=True)
class DeadLetterService:
    """Dead letters as an administrator sees them."""

    database: Database
    relay: Relay
    retry_task: RetryTask

    async def page(self, admin: Principal, kind: Kind | None, size: int, token: str | None) -> DeadLetterPage:
        """The latest first."""
        before = _position(decode_page_token(token, 2, (kind,)))
        found: list[DeadLetter] = []
        async with self.database.tenant_tx(admin) as connection:
            for one, (read, letter) in _KINDS.items():
                if kind in {None, one}:
                    found += [letter(row) for row in await read(connection, before, size + 1)]
        found.sort(key=lambda letter: (letter.created_at, letter.id), reverse=True)
        page = found[:size]
        more = encode_page_token((page[-1].created_at, page[-1].id), (kind,)) if len(found) > size else None
        return DeadLetterPage(dead_letters=page, next_page_token=more)

    async def retry(self, admin: Principal, letter_id: str) -> None:
        """Try one again from its first attempt."""
        kind, _, key = letter_id.partition("-")
        if kind == "parked":
            raise DeadLetterHopeless
        async with self.database.tenant_tx(admin) as connection:
            if kind == "message" and not await store.retry_delivery(connection, int(key)):
                raise DeadLetterNotFound
            owner = await store.task_owner(connection, _uuid(key)) if kind == "task" else None
        if kind == "message":
            await self.relay.after_commit()
            return
        if owner is None:
            raise DeadLetterNotFound
        await self.retry_task(owner, _uuid(key))


def _task(row: Record) -> DeadLetter:
    return DeadLetter(
        id=f"task-{row['id']}",
        kind="task",
        name=row["runner"],
        destination="worker",
        attempts=row["attempts"],
        error=row["code"],
        created_at=row["died_at"],
        job_id=row["job_id"],
        space_id=row["space_id"],
        can_retry=True,
    )


def _message(row: Record) -> DeadLetter:
    # A subscription is named `service.topic`, a queue by its own name, a fact that was never published `outbox.topic`.
    service, dot, topic = row["subscription"].partition(".")
    return DeadLetter(
        id=f"message-{row['id']}",
        kind="message",
        name=topic if dot else row["subscription"],
        destination=service if dot else "queue",
        attempts=row["attempts"],
        error=row["cause"],
        created_at=row["died_at"],
        can_retry=True,
    )


def _parked(row: Record) -> DeadLetter:
    return DeadLetter(
        id=f"parked-{row['id']}",
        kind="parked",
        name=row["topic"],
        destination=row["consumer"],
        attempts=1,
        error=row["reason"],
        created_at=row["died_at"],
        can_retry=False,
    )


_Read = Callable[["Connection", store.Position | None, int], Awaitable["list[Record]"]]
_KINDS: dict[Kind, tuple[_Read, Callable[[Record], DeadLetter]]] = {
    "task": (store.failed_tasks, _task),
    "message": (store.dead_deliveries, _message),
    "parked": (store.parked_messages, _parked),
}


def _position(parts: list[str] | None) -> store.Position | None:
    if parts is None:
        return None
    try:
        return datetime.fromisoformat(parts[0]), parts[1]
    except ValueError as error:
        raise PageTokenInvalid from error


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise DeadLetterNotFound from error
