"""Jobs with many tasks, put into the database at once: what is measured is how they are handed out, not how they came."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import psycopg
from shared.studio import worker_tokens

RUNNER = "nothing"

_SPACE = "INSERT INTO maru.spaces (id, name, kind, owner_id) VALUES (%s, 'bench', 'shared', %s)"
_JOB = """INSERT INTO maru.jobs (id, space_id, owner_id, name, kind, runner, status, total, submitted_at)
    VALUES (%s, %s, %s, 'bench', 'inference', %s, 'queued', %s, now())"""
_TASKS = """INSERT INTO maru.tasks (id, job_id, space_id, seq, queue_id, priority, turn, max_failures, input_path)
    SELECT gen_random_uuid(), %(job)s, %(space)s, n, %(queue)s, 0, %(turn)s + n, 3, 'bench/' || n FROM generate_series(1, %(tasks)s) n"""
_FINISHED = """INSERT INTO maru.tasks (id, job_id, space_id, seq, queue_id, priority, turn, max_failures, attempt, status, reported_attempt,
    reported_status, input_path, finished_at)
    SELECT gen_random_uuid(), %(job)s, %(space)s, n, %(queue)s, 0, n, 3, 1, 'done', 1, 'done', 'bench/' || n, now()
    FROM generate_series(1, %(tasks)s) n"""


class Backlog:
    """One space's work, written as the database's owner."""

    def __init__(self, superuser_url: str) -> None:
        self._url = superuser_url
        self._space, self._owner = uuid4(), uuid4()
        with self._connected() as connection:
            connection.execute(_SPACE, (self._space, self._owner))

    def queued(self, tasks: int, runner: str = RUNNER) -> UUID:
        """A job whose tasks all wait; its id."""
        return self._job(_TASKS, tasks, runner)

    def finished(self, tasks: int, runner: str = RUNNER) -> UUID:
        """A job whose tasks were all done long ago."""
        return self._job(_FINISHED, tasks, runner)

    def token(self) -> str:
        """A worker token for everything."""
        token, token_id, digest = worker_tokens.make_token()
        with self._connected() as connection:
            connection.execute("INSERT INTO maru.worker_tokens (id, name) VALUES (%s, 'bench')", (token_id,))
            connection.execute(
                "INSERT INTO maru.worker_token_versions (token_id, version, sha256, expires_at) VALUES (%s, 1, %s, now() + interval '1 day')",
                (token_id, digest),
            )
        return token

    def waiting(self) -> int:
        """How many tasks nobody has begun."""
        with self._connected() as connection:
            return int(_one(connection.execute("SELECT count(*) FROM maru.tasks WHERE status = 'queued'")))

    def tidy(self) -> None:
        """Let the planner know what is there, as autovacuum would have in a minute."""
        with self._connected() as connection:
            connection.execute("VACUUM ANALYZE maru.tasks")

    def _job(self, insert: str, tasks: int, runner: str) -> UUID:
        job_id = uuid4()
        with self._connected() as connection:
            connection.execute(_JOB, (job_id, self._space, self._owner, runner, tasks))
            queue = _one(connection.execute("SELECT maru.task_queue(%s, '{}')", (runner,)))
            turn = _one(connection.execute("SELECT turn FROM maru.task_queues WHERE id = %s", (queue,)))
            values = {"job": job_id, "space": self._space, "queue": queue, "turn": turn, "tasks": tasks}
            connection.execute(insert.encode(), values)
        return job_id

    def _connected(self) -> psycopg.Connection:
        return psycopg.connect(self._url, autocommit=True)


def _one(cursor: psycopg.Cursor[Any]) -> Any:
    row = cursor.fetchone()
    assert row is not None
    return row[0]
