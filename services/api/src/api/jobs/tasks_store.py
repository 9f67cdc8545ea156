"""The SQL by which commands change many tasks at once: each is one statement under the lock of the job's row (see `store`)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from shared.db import Connection, Record


async def lock_queue(connection: Connection, space_id: UUID, queue_id: int) -> None:
    """Keep others from moving this space's tasks within a queue; `place_tasks` takes the same lock."""
    await connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended($1::text || $2::text, 6))", str(space_id), str(queue_id)
    )


async def queue(connection: Connection, runner: str, requires: dict[str, object]) -> int:
    """The queue of those tasks."""
    queue_id: int = await connection.fetchval("SELECT task_queue($1, $2)", runner, requires)
    return queue_id


async def place(connection: Connection, space_id: UUID, queue_id: int, priority: int, count: int) -> int:
    """Room for `count` tasks in the queue; their turns come after the answer."""
    base: int = await connection.fetchval("SELECT place_tasks($1, $2, $3, $4)", space_id, queue_id, priority, count)
    return base


async def cancel(connection: Connection, job_id: UUID) -> int:
    """Cancel whatever is not finished, at work or not; how many that were."""
    return _count(
        await connection.execute(
            """
            WITH locked AS (SELECT id FROM tasks WHERE job_id = $1 AND status IN ('queued', 'delayed', 'held', 'processing') ORDER BY id FOR UPDATE)
            UPDATE tasks t SET status = 'cancelled', finished_at = now(), lease_expires_at = NULL, progress = NULL FROM locked WHERE t.id = locked.id
            """,
            job_id,
        )
    )


async def hold(connection: Connection, job_id: UUID) -> int:
    """Hold what waits; how many that were."""
    return _count(
        await connection.execute(
            """
            WITH locked AS (SELECT id FROM tasks WHERE job_id = $1 AND status IN ('queued', 'delayed') ORDER BY id FOR UPDATE)
            UPDATE tasks t SET status = 'held' FROM locked WHERE t.id = locked.id
            """,
            job_id,
        )
    )


async def count_held(connection: Connection, job_id: UUID) -> int:
    """How many wait for the job to go on."""
    count: int = await connection.fetchval(
        "SELECT count(*)::int FROM tasks WHERE job_id = $1 AND status = 'held'", job_id
    )
    return count


async def release(connection: Connection, job_id: UUID, base: int) -> int:
    """Let what was held wait for workers again, in the job's order, with the turns after `base`; how many that were."""
    return _count(
        await connection.execute(
            """
            WITH locked AS (SELECT id, seq FROM tasks WHERE job_id = $1 AND status = 'held' ORDER BY id FOR UPDATE),
                 placed AS (SELECT id, row_number() OVER (ORDER BY seq) AS n FROM locked)
            UPDATE tasks t SET status = 'queued', run_at = now(), turn = $2 + placed.n FROM placed WHERE t.id = placed.id
            """,
            job_id,
            base,
        )
    )


async def lock_failed(connection: Connection, job_id: UUID, task_id: UUID | None) -> list[UUID]:
    """The failed tasks of a job, or the one if it has failed, locked, in the job's order."""
    rows = await connection.fetch(
        "SELECT id, seq FROM tasks WHERE job_id = $1 AND status = 'failed' AND ($2::uuid IS NULL OR id = $2) ORDER BY id FOR UPDATE",
        job_id,
        task_id,
    )
    return [row["id"] for row in sorted(rows, key=lambda row: row["seq"])]


async def retry(connection: Connection, tasks: list[UUID], status: str, base: int) -> None:
    """Let failed tasks wait anew, `queued` or `held`, with the turns after `base`. Their attempt stays: it is the fence."""
    await connection.execute(
        """
        UPDATE tasks t SET status = $2, run_at = now(), turn = $3 + w.n, failures = 0, lease_losses = 0, error = NULL, finished_at = NULL,
          progress = NULL FROM unnest($1::uuid[]) WITH ORDINALITY AS w (id, n) WHERE t.id = w.id
        """,
        tasks,
        status,
        base,
    )


async def job_of(connection: Connection, task_id: UUID) -> UUID | None:
    """The job of a task that this person sees."""
    job_id: UUID | None = await connection.fetchval("SELECT job_id FROM tasks WHERE id = $1", task_id)
    return job_id


async def changes(connection: Connection, tasks: list[UUID]) -> list[Record]:
    """How these tasks stand now, for whoever follows the job: `id, seq, status, attempt, progress, worker_name`."""
    rows: list[Record] = await connection.fetch(
        "SELECT id, seq, status, attempt, progress, worker_name FROM tasks WHERE id = ANY($1) ORDER BY seq", tasks
    )
    return rows


async def wake_workers(connection: Connection) -> None:
    """Tell the dispatchers, with this commit, that there is something to do."""
    await connection.execute("SELECT pg_notify('maru_tasks', '')")


def _count(tag: str) -> int:
    return int(tag.rpartition(" ")[2])
