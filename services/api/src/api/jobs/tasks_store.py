"""The SQL by which commands change many tasks at once: each is one statement under the lock of the job's row (see `store`)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from shared.db import Connection

_MOST_TOLD = 100


async def queue(connection: Connection, runner: str, requires: dict[str, object]) -> int:
    """The queue of those tasks."""
    queue_id: int = await connection.fetchval("SELECT task_queue($1, $2)", runner, requires)
    return queue_id


async def lock_turns(connection: Connection, space_id: UUID, queue_id: int) -> None:
    """Keep `place_tasks`, which takes the same lock, from moving this space's tasks: it goes by their turns, and we by their ids."""
    await connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended($1::uuid::text || $2::int::text, 6))", space_id, queue_id
    )


async def place(connection: Connection, space_id: UUID, queue_id: int, priority: int, count: int) -> int:
    """Room for `count` tasks in the queue; their turns come after the answer."""
    base: int = await connection.fetchval("SELECT place_tasks($1, $2, $3, $4)", space_id, queue_id, priority, count)
    return base


async def cancel(connection: Connection, job_id: UUID) -> int:
    """Cancel whatever is not finished, at work or not; how many that were. What machines have spent on it until now stays spent."""
    count: int = await connection.fetchval(
        """
        WITH locked AS (
          SELECT id, CASE WHEN status = 'processing' THEN attempt_ms(claimed_at, NULL) ELSE 0 END AS ms FROM tasks
          WHERE job_id = $1 AND status IN ('queued', 'delayed', 'held', 'processing') ORDER BY id FOR UPDATE
        ), cancelled AS (
          UPDATE tasks t SET status = 'cancelled', finished_at = now(), lease_expires_at = NULL, progress = NULL,
            cost_micros = t.cost_micros + cost_micros(locked.ms, t.price_micros_per_hour), run_ms = t.run_ms + locked.ms
          FROM locked WHERE t.id = locked.id RETURNING t.id, t.space_id, locked.ms, t.price_micros_per_hour AS price
        ), spent AS (
          INSERT INTO job_deltas (job_id, space_id, task_id, cost_micros, run_ms)
          SELECT $1, space_id, id, cost_micros(ms, price), ms FROM cancelled WHERE ms > 0
        )
        SELECT count(*)::int FROM cancelled
        """,
        job_id,
    )
    return count


async def hold(connection: Connection, job_id: UUID) -> None:
    """Hold what waits."""
    await connection.execute(
        """
        WITH locked AS (SELECT id FROM tasks WHERE job_id = $1 AND status IN ('queued', 'delayed') ORDER BY id FOR UPDATE)
        UPDATE tasks t SET status = 'held' FROM locked WHERE t.id = locked.id
        """,
        job_id,
    )


async def count_waiting(connection: Connection, job_id: UUID) -> int:
    """How many of a paused job wait for it to go on."""
    count: int = await connection.fetchval(
        "SELECT count(*)::int FROM tasks WHERE job_id = $1 AND status IN ('held', 'delayed')", job_id
    )
    return count


async def release(connection: Connection, job_id: UUID, base: int) -> None:
    """Let what was held wait for workers again, in the job's order, with the turns after `base`.

    What waits for its next attempt comes along: whoever would hold it when its time comes may still take the job for paused.
    """
    await connection.execute(
        """
        WITH locked AS (SELECT id, seq FROM tasks WHERE job_id = $1 AND status IN ('held', 'delayed') ORDER BY id FOR UPDATE),
             placed AS (SELECT id, row_number() OVER (ORDER BY seq) AS n FROM locked)
        UPDATE tasks t SET status = 'queued', run_at = now(), turn = $2 + placed.n FROM placed WHERE t.id = placed.id
        """,
        job_id,
        base,
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
    """Let locked failed tasks wait anew, `queued` or `held`, with the turns after `base`; that they no longer count as failed goes by a delta.

    Their attempt stays: it is the fence.
    """
    await connection.execute(
        f"""
        WITH again AS (
          UPDATE tasks t SET status = $2, run_at = now(), turn = $3 + w.n, failures = 0, lease_losses = 0, lost_by = '{{}}', error = NULL,
            finished_at = NULL, progress = NULL FROM unnest($1::uuid[]) WITH ORDINALITY AS w (id, n) WHERE t.id = w.id
          RETURNING t.id, t.job_id, t.space_id, w.n)
        INSERT INTO job_deltas (job_id, space_id, task_id, failed)
        -- A row for each that followers are told of; the last one stands for the rest as well.
        SELECT job_id, space_id, id, CASE WHEN n < {_MOST_TOLD} THEN -1 ELSE {_MOST_TOLD - 1} - cardinality($1::uuid[]) END
        FROM again WHERE n <= {_MOST_TOLD}
        """,  # noqa: S608 - a constant of this module
        tasks,
        status,
        base,
    )


async def job_of(connection: Connection, task_id: UUID) -> UUID | None:
    """The job of a task that this person sees."""
    job_id: UUID | None = await connection.fetchval("SELECT job_id FROM tasks WHERE id = $1", task_id)
    return job_id


async def wake_workers(connection: Connection) -> None:
    """Tell the dispatchers, with this commit, that there is something to do."""
    await connection.execute("SELECT pg_notify('maru_tasks', '')")
