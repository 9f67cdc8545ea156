"""Tasks a second, claimed and reported over HTTP, beside the queues that Python has, in one run: tasks that do nothing, on two shared cores.

Our Postgres and theirs is one server that waits for the disk at each commit; Celery's Redis keeps nothing. Ours is a service with a client that
speaks HTTP to it; theirs work inside the process that holds the connection.
"""

from __future__ import annotations

from collections.abc import Callable

import psycopg

from bench import queue_peers
from bench.backlog import Backlog
from bench.figure import Figure, median, not_measured
from bench.ground import Ground, durable_ground
from bench.processes import Running, running
from bench.queue_floor import bare_loop
from bench.queue_load import Loop, exchanging, one_at_a_time, tasks_per_second
from bench.queue_peers import PeerMissing

_WORKERS = 8
_BATCH = 10
_ROUNDS = 3
_SECONDS = 3.0
# More than three seconds' worth on any machine that this has run on.
_ENOUGH = 80_000
_CELERY_TASKS, _PROCRASTINATE_TASKS, _PGQUEUER_TASKS = 3_000, 1_500, 20_000
_GOAL_CELERY, _GOAL_PGQUEUER, _GOAL_BARE = 5.0, 1.0, 0.4


def measure() -> list[Figure]:
    """Rounds interleave; each ratio is the median of neighbours in time."""
    with durable_ground() as base, running("inference", base.variables("inference")) as service:
        ours = _Ours(base, service)
        single = [(ours.bare(1), ours.over_http(one_at_a_time)) for _ in range(_ROUNDS)]
        exchanged = [(ours.bare(1), ours.over_http(exchanging(1))) for _ in range(_ROUNDS)]
        batched = [(ours.bare(_BATCH), ours.over_http(exchanging(_BATCH))) for _ in range(_ROUNDS)]
        peers = _beside_peers(ours, _database_for_peers(base))
    return [
        _figure("tasks/s over HTTP, one at a time", single, "bare SQL loop", _GOAL_BARE),
        _figure("tasks/s over HTTP, reported with the next claim", exchanged, "bare SQL loop", None),
        _figure(f"tasks/s over HTTP, batch of {_BATCH}", batched, "bare SQL loop", None),
        *peers,
    ]


class _Ours:
    def __init__(self, base: Ground, service: Running) -> None:
        self._base, self._service = base, service
        self._backlog = Backlog(base.urls.superuser)
        self._token = self._backlog.token()

    def over_http(self, loop: Loop) -> float:
        """Tasks a second through the service."""
        self._fill_up()
        return tasks_per_second(self._service.url, self._token, _WORKERS, loop, _SECONDS)

    def bare(self, batch: int) -> float:
        """Tasks a second without it."""
        self._fill_up()
        return bare_loop(self._base.urls.inference, self._token, _WORKERS, batch, _SECONDS)

    def _fill_up(self) -> None:
        if (missing := _ENOUGH - self._backlog.waiting()) > 0:
            self._backlog.queued(missing)


def _beside_peers(ours: _Ours, peers_url: str) -> list[Figure]:
    peers: tuple[tuple[str, float | None, Callable[[], float]], ...] = (
        ("Celery + Redis", _GOAL_CELERY, lambda: queue_peers.celery(_CELERY_TASKS)),
        (
            f"PGQueuer, batch of {_BATCH}",
            _GOAL_PGQUEUER,
            lambda: queue_peers.pgqueuer(peers_url, _PGQUEUER_TASKS, _BATCH),
        ),
        ("procrastinate", None, lambda: queue_peers.procrastinate(peers_url, _PROCRASTINATE_TASKS)),
    )
    figures = []
    for name, goal, run in peers:
        title = f"tasks/s over HTTP, batch of {_BATCH}, beside {name}"
        try:
            queue_peers.install()
            pairs = [(run(), ours.over_http(exchanging(_BATCH))) for _ in range(_ROUNDS)]
        except PeerMissing as missing:
            figures.append(not_measured(title, _goal(goal), str(missing)))
            continue
        figures.append(_figure(title, pairs, name, goal))
    return figures


def _database_for_peers(base: Ground) -> str:
    with psycopg.connect(base.urls.superuser, autocommit=True) as admin:
        admin.execute("CREATE DATABASE peers")
    return base.urls.superuser.replace(f"/{base.urls.name}?", "/peers?")


def _figure(name: str, pairs: list[tuple[float, float]], floor_name: str, goal: float | None) -> Figure:
    """`pairs` are of the floor and ours."""
    ratio = median([ours / floor for floor, ours in pairs])
    return Figure(
        name,
        median([ours for _, ours in pairs]),
        "/s",
        _goal(goal),
        None if goal is None else ratio >= goal,
        floor_name,
        median([floor for floor, _ in pairs]),
        ratio,
        detail={"pairs": pairs},
    )


def _goal(ratio: float | None) -> str:
    return "–" if ratio is None else f"≥ {ratio:g} ×"
