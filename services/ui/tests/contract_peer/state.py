"""Everything the peer knows, in memory; restarting it forgets."""

import asyncio
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Row = dict[str, Any]


class Refused(Exception):
    """Becomes a problem document."""

    def __init__(self, status: int, code: str, detail: str = "") -> None:
        super().__init__(code)
        self.status, self.code, self.detail = status, code, detail


def new_id() -> str:
    return str(uuid.uuid4())


def now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


@dataclass
class Stream:
    """Numbered events; followers wait on the condition."""

    owner: str
    id: str = field(default_factory=new_id)
    events: list[tuple[str, Row]] = field(default_factory=list)
    ended: bool = False
    cancelled: bool = False
    moved: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def append(self, kind: str, data: Row, *, last: bool = False) -> None:
        async with self.moved:
            self.events.append((kind, data))
            self.ended = last
            self.moved.notify_all()

    async def beyond(self, position: int) -> list[tuple[str, Row]]:
        """Wait for events after `position`; nothing means that the stream has ended."""
        async with self.moved:
            await self.moved.wait_for(lambda: len(self.events) > position or self.ended)
            return self.events[position:]


@dataclass
class Knobs:
    """How the peer behaves; a test turns them through /control."""

    token_delay: float = 0.04
    first_delay: float = 0.15
    step_delay: float = 0.12
    answer_words: int = 40
    cut_after: int = 0
    fail_entries: bool = False
    fail_uploads: bool = False
    down: bool = False
    write_delay: float = 0.0
    slow_reads: float = 0.0
    workers: int = 1
    task_delay: float = 0.05
    fail_tasks: int = 0
    programs: tuple[str, ...] = ("thumbnail",)
    part_size: int = 0
    parts_at_once: int = 100
    fail_parts: int = 0
    refuse_parts: int = 0


class World:
    def __init__(self) -> None:
        self.users: dict[str, Row] = {}
        self.tickets: dict[str, Row] = {}
        self.sessions: dict[str, Row] = {}
        self.tokens: dict[str, Row] = {}
        self.spaces: dict[str, Row] = {}
        self.people: dict[str, Row] = {}
        self.uploads: dict[str, Row] = {}
        self.entries: dict[str, Row] = {}
        self.conversations: dict[str, Row] = {}
        self.streams: dict[str, Stream] = {}
        self.repeats: dict[tuple[str, str, str], Row] = {}
        self.jobs: dict[str, Row] = {}
        self.work: dict[str, Row] = {}
        self.worker_tokens: dict[str, Row] = {}
        self.calls: list[Row] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self.knobs = Knobs()

    def spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def role(self, user: str, space: str) -> str | None:
        return self.spaces.get(space, {}).get("members", {}).get(user)

    def readable(self, user: str, row: Row | None) -> Row:
        """Another person's row does not exist for this one."""
        if row is None or self.role(user, row["space_id"]) is None:
            raise Refused(404, "not_found", "There is no such thing here.")
        return row

    def writable(self, user: str, space: str) -> None:
        if self.role(user, space) not in ("owner", "editor"):
            raise Refused(403 if self.role(user, space) else 404, "forbidden", "You may only read here.")


WORLD = World()
