"""The fleet's rows: hosts, their tokens, what they cost, and what is queued for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from shared.contracts.dispatch import Capabilities
from shared.contracts.studio import Requirements
from shared.ids import new_id
from shared.studio.worker_tokens import make_token

from inference.fleet.demand import Demand, OwnWorker, Witness
from inference.fleet.hosts import MACHINE_FAILED, Host, HostWorker, StopReason
from inference.fleet.plan import Limits
from inference.fleet.provider import Offer

if TYPE_CHECKING:
    from shared.db import Connection

_LOOKING, _RESERVING = 60_001, 60_002
# The token outlives its host by what clocks and a slow end may take.
_TOKEN_MARGIN_S = 900


@dataclass(frozen=True, slots=True)
class Reserved:
    """A host that may now be rented: it is in the books, and its worker's token is made."""

    id: UUID
    label: str
    token: str


@dataclass(frozen=True, slots=True)
class RecentHost:
    """A host for people to read about; `cost_micros` until now."""

    label: str
    status: str
    gpu_name: str | None
    price_micros_per_hour: int
    cost_micros: int
    created_at: datetime
    reason: str | None


async def recent_hosts(connection: Connection) -> list[RecentHost]:
    """Those that run and those of the last week, of every provider and installation, the newest first."""
    rows = await connection.fetch(
        "SELECT label, status, gpu_name, price_micros_per_hour, created_at, reason, CASE WHEN stopped_at IS NULL"
        " THEN ceil(price_micros_per_hour * extract(epoch FROM now() - created_at) / 3600)::bigint ELSE cost_micros END AS cost_micros"
        " FROM gpu_hosts WHERE stopped_at IS NULL OR stopped_at > now() - interval '7 days'"
        " ORDER BY stopped_at IS NULL DESC, id DESC LIMIT 50"
    )
    return [RecentHost(**row) for row in rows]


async def alone(connection: Connection) -> bool:
    """Whether nobody else looks at the fleet; true until the transaction ends."""
    return bool(await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", _LOOKING))


async def live_hosts(connection: Connection, provider: str, prefix: str, in_hand: Mapping[UUID, int]) -> list[Host]:
    """Every host that has not stopped, with what its worker said last. `in_hand`: tasks by worker."""
    rows = await connection.fetch(
        "SELECT h.*, extract(epoch FROM now() - h.created_at) AS age_s, extract(epoch FROM now() - h.idle_since) AS idle_s,"
        " extract(epoch FROM now() - h.drain_at) AS drain_s, w.capabilities, w.ids,"
        " extract(epoch FROM now() - w.seen_at) AS silent_s"
        " FROM gpu_hosts h LEFT JOIN LATERAL ("
        "   SELECT array_agg(id) AS ids, max(seen_at) AS seen_at, (array_agg(capabilities ORDER BY seen_at DESC))[1] AS capabilities"
        "   FROM workers WHERE token_id = h.token_id) w ON true"
        " WHERE h.status <> 'stopped' AND h.provider = $1 AND starts_with(h.label, $2) ORDER BY h.id",
        provider,
        prefix,
    )
    return [_host(row, in_hand) for row in rows]


async def foreign_hosts(connection: Connection, prefix: str) -> list[str]:
    """Labels of hosts that another installation rented and has not stopped: this database is a copy, or our address has changed."""
    rows = await connection.fetch(
        "SELECT label FROM gpu_hosts WHERE status <> 'stopped' AND NOT starts_with(label, $1) ORDER BY id", prefix
    )
    return [row["label"] for row in rows]


async def keep_draining(connection: Connection) -> None:
    """A worker that registers again on a host that ends is told to drain again."""
    await connection.execute(
        "UPDATE workers SET draining = true WHERE NOT draining"
        " AND token_id IN (SELECT token_id FROM gpu_hosts WHERE status = 'stopping')"
    )


async def in_hand(connection: Connection) -> dict[UUID, int]:
    """How many tasks each worker holds under a lease; as the dispatcher."""
    rows = await connection.fetch(
        "SELECT worker_id, count(*) AS tasks FROM tasks"
        " WHERE status = 'processing' AND lease_expires_at > now() AND worker_id IS NOT NULL GROUP BY worker_id"
    )
    return {row["worker_id"]: row["tasks"] for row in rows}


async def demand(connection: Connection, task_seconds: Mapping[str, float]) -> list[Demand]:
    """What is queued or will be within a minute, and what is being done, by queue; as the dispatcher."""
    rows = await connection.fetch(
        "SELECT q.id, q.runner, q.requires, sum(t.queued)::int AS queued, sum(t.processing)::int AS processing,"
        " coalesce(extract(epoch FROM now() - min(t.since)), 0) AS oldest_wait_s FROM ("
        "   SELECT queue_id, 1 AS queued, 0 AS processing, run_at AS since FROM tasks WHERE status = 'queued'"
        "   UNION ALL SELECT queue_id, 1, 0, now() FROM tasks WHERE status = 'delayed' AND run_at < now() + interval '1 minute'"
        "   UNION ALL SELECT queue_id, 0, 1, NULL FROM tasks WHERE status = 'processing'"
        " ) t JOIN task_queues q ON q.id = t.queue_id GROUP BY q.id ORDER BY q.id"
    )
    return [
        Demand(
            row["id"],
            row["runner"],
            Requirements.model_validate(row["requires"]),
            row["queued"],
            row["processing"],
            max(0.0, float(row["oldest_wait_s"])),
            task_seconds.get(row["runner"]),
        )
        for row in rows
    ]


async def task_seconds(connection: Connection) -> dict[str, float]:
    """How long a task of each runner took on the average, on rented hosts where that is known."""
    rows = await connection.fetch(
        "SELECT DISTINCT ON (runner) runner, sum(run_ms) / 1000.0 / sum(tasks) AS seconds FROM runner_times"
        " WHERE tasks > 0 GROUP BY runner, cost_micros > 0 ORDER BY runner, cost_micros > 0 DESC"
    )
    return {row["runner"]: float(row["seconds"]) for row in rows}


async def own_workers(connection: Connection) -> list[OwnWorker]:
    """Workers that were not rented here, were heard within two minutes and serve every space."""
    rows = await connection.fetch(
        "SELECT w.capabilities, t.runners FROM workers w JOIN worker_tokens t ON t.id = w.token_id"
        " WHERE w.seen_at > now() - interval '2 minutes' AND NOT w.draining AND w.stopped_at IS NULL"
        " AND t.revoked_at IS NULL AND t.space_ids IS NULL"
        " AND NOT EXISTS (SELECT FROM gpu_hosts h WHERE h.token_id = t.id)"
    )
    return [
        OwnWorker(
            Capabilities.model_validate(row["capabilities"]),
            None if row["runners"] is None else frozenset(row["runners"]),
        )
        for row in rows
    ]


async def witnesses(connection: Connection) -> list[Witness]:
    """The workers that registered from hosts within six hours: after that another image may have come."""
    rows = await connection.fetch(
        "SELECT h.gpu_name, w.capabilities FROM gpu_hosts h JOIN workers w ON w.token_id = h.token_id"
        " WHERE h.created_at > now() - interval '6 hours' ORDER BY h.id"
    )
    return [Witness(row["gpu_name"] or "", Capabilities.model_validate(row["capabilities"])) for row in rows]


async def failed_machines(connection: Connection) -> set[str]:
    """Machines that failed us within a day."""
    rows = await connection.fetch(
        "SELECT DISTINCT machine_id FROM gpu_hosts"
        " WHERE machine_id IS NOT NULL AND stopped_at > now() - interval '1 day' AND reason = ANY($1)",
        sorted(MACHINE_FAILED),
    )
    return {row["machine_id"] for row in rows}


async def refused_lately(connection: Connection) -> bool:
    """Whether the provider would not rent to us a moment ago, for a reason that is not the offer: no credit, an image it does not take."""
    return bool(
        await connection.fetchval(
            "SELECT EXISTS (SELECT FROM gpu_hosts WHERE reason = 'refused' AND stopped_at > now() - interval '10 minutes')"
        )
    )


async def forget_old(connection: Connection) -> None:
    """After a week: the tokens of hosts that have ended, with their workers, and hosts that were never had. What cost something is kept."""
    await connection.execute(
        "DELETE FROM worker_tokens t USING gpu_hosts h WHERE h.token_id = t.id AND h.stopped_at < now() - interval '7 days'"
    )
    await connection.execute(
        "DELETE FROM gpu_hosts WHERE stopped_at < now() - interval '7 days' AND cost_micros = 0 AND provider_id IS NULL"
    )


async def spent(connection: Connection) -> tuple[int, int]:
    """Micro-dollars of this day and of this month (UTC), what runs included; a host on the border counts for each side by its time there."""
    [row] = await connection.fetch(
        "WITH cost AS (SELECT created_at, coalesce(stopped_at, now()) AS until,"
        "   CASE WHEN stopped_at IS NULL THEN price_micros_per_hour / 3600.0"
        "        ELSE cost_micros / greatest(extract(epoch FROM stopped_at - created_at), 0.001) END AS a_second"
        "   FROM gpu_hosts WHERE stopped_at IS NULL OR stopped_at >= date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'),"
        " period AS (SELECT date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS day,"
        "   date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS month)"
        " SELECT ceil(coalesce(sum(a_second * greatest(0, extract(epoch FROM until - greatest(created_at, day)))), 0))::bigint AS today,"
        " ceil(coalesce(sum(a_second * greatest(0, extract(epoch FROM until - greatest(created_at, month)))), 0))::bigint AS month"
        " FROM cost, period"
    )
    return row["today"], row["month"]


async def reserve(
    connection: Connection, provider: str, prefix: str, offer: Offer, limits: Limits, runners: tuple[str, ...]
) -> Reserved | None:
    """Enter a host in the books before it is rented, with a token of its own; None when that would break a limit.

    The limits are looked at again under a lock, so that two fleets that were started by mistake do not rent twice as much.
    """
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _RESERVING)
    if not await _within(connection, offer.price_micros_per_hour, limits):
        return None
    host_id = new_id()
    token, token_id, digest = make_token()
    label = f"{prefix}{host_id.hex}"
    await connection.execute(
        "INSERT INTO worker_tokens (id, name, runners, price_micros_per_hour) VALUES ($1, $2, $3, $4)",
        token_id,
        f"{provider} {offer.gpu_name}"[:100],
        list(runners),
        offer.price_micros_per_hour,
    )
    await connection.execute(
        "INSERT INTO worker_token_versions (token_id, version, sha256, expires_at) VALUES ($1, 1, $2, now() + make_interval(secs => $3))",
        token_id,
        digest,
        limits.life_s + _TOKEN_MARGIN_S,
    )
    await connection.execute(
        "INSERT INTO gpu_hosts (id, provider, label, machine_id, gpu_name, gpu_memory_gib, price_micros_per_hour, status, token_id)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, 'starting', $8)",
        host_id,
        provider,
        label,
        offer.machine_id,
        offer.gpu_name,
        offer.gpu_memory_gib,
        offer.price_micros_per_hour,
        token_id,
    )
    return Reserved(host_id, label, token)


async def note_listed(connection: Connection, host: Host) -> None:
    """Keep what the provider says of a host: its id, its machine and a price that has risen."""
    await connection.execute(
        "UPDATE gpu_hosts SET provider_id = $2, machine_id = coalesce($3, machine_id),"
        " price_micros_per_hour = greatest(price_micros_per_hour, $4) WHERE id = $1 AND status <> 'stopped'"
        " AND (provider_id IS DISTINCT FROM $2 OR price_micros_per_hour < $4)",
        host.id,
        host.provider_id,
        host.machine_id,
        host.price_micros_per_hour,
    )


async def note_created(connection: Connection, host_id: UUID, provider_id: str) -> None:
    """The answer to `create`; the list of hosts would bring it too."""
    await connection.execute(
        "UPDATE gpu_hosts SET provider_id = $2 WHERE id = $1 AND status <> 'stopped'", host_id, provider_id
    )


async def note_ready(connection: Connection, host_id: UUID) -> None:
    """Its worker has registered."""
    await connection.execute(
        "UPDATE gpu_hosts SET status = 'running', ready_at = now() WHERE id = $1 AND status = 'starting'", host_id
    )


async def note_idle(connection: Connection, host_id: UUID, *, idle: bool) -> None:
    """Since when it holds no task."""
    await connection.execute(
        "UPDATE gpu_hosts SET idle_since = CASE WHEN $2 THEN coalesce(idle_since, now()) END WHERE id = $1 AND status = 'running'",
        host_id,
        idle,
    )


async def drain(connection: Connection, host_id: UUID, reason: StopReason) -> None:
    """Let its worker be given nothing more."""
    await connection.execute(
        "UPDATE gpu_hosts SET status = 'stopping', reason = $2, drain_at = now() WHERE id = $1 AND status IN ('starting', 'running')",
        host_id,
        reason,
    )
    await keep_draining(connection)


async def stopped(connection: Connection, host_id: UUID, reason: StopReason, *, billed: bool) -> None:
    """It is over: what it cost is final, and its token is worth nothing. A second call changes nothing."""
    token_id = await connection.fetchval(
        "UPDATE gpu_hosts SET status = 'stopped', stopped_at = now(), reason = $2, idle_since = NULL, cost_micros ="
        " CASE WHEN $3 THEN ceil(price_micros_per_hour * extract(epoch FROM now() - created_at) / 3600) ELSE 0 END"
        " WHERE id = $1 AND status <> 'stopped' RETURNING token_id",
        host_id,
        reason,
        billed,
    )
    await connection.execute(
        "UPDATE worker_tokens SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL", token_id
    )
    await connection.execute(
        "UPDATE workers SET stopped_at = now() WHERE token_id = $1 AND stopped_at IS NULL", token_id
    )


async def _within(connection: Connection, price_micros: int, limits: Limits) -> bool:
    [row] = await connection.fetch(
        "SELECT count(*)::int AS hosts, coalesce(sum(price_micros_per_hour), 0)::bigint AS burn FROM gpu_hosts WHERE status <> 'stopped'"
    )
    today, month = await spent(connection)
    left = min(limits.daily_micros - today, limits.monthly_micros - month)
    affordable: bool = (row["burn"] + price_micros) * limits.stint_s / 3600 <= left
    return affordable and row["hosts"] < limits.max_hosts


def _host(row: Mapping[str, Any], tasks: Mapping[UUID, int]) -> Host:
    worker = None
    if row["ids"]:
        worker = HostWorker(
            Capabilities.model_validate(row["capabilities"]),
            sum(tasks.get(worker_id, 0) for worker_id in row["ids"]),
            float(row["silent_s"]),
        )
    return Host(
        id=row["id"],
        label=row["label"],
        status=row["status"],
        price_micros_per_hour=row["price_micros_per_hour"],
        age_s=float(row["age_s"]),
        provider_id=row["provider_id"],
        machine_id=row["machine_id"],
        gpu_name=row["gpu_name"] or "",
        gpu_memory_gib=float(row["gpu_memory_gib"]),
        worker=worker,
        idle_s=None if row["idle_s"] is None else float(row["idle_s"]),
        drain_s=None if row["drain_s"] is None else float(row["drain_s"]),
        reason=row["reason"],
    )
