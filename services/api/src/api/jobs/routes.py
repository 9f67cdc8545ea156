"""`/api/v1/jobs`."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from shared.contracts.studio import Job, JobStatus, TaskStatus
from shared.http.idempotency import IdempotencyKey

from api.http.caller import Caller
from api.http.following import EVENT_STREAM, After, Follow
from api.http.services import provided
from api.jobs.enqueuing import EnqueueService
from api.jobs.schemas import Enqueued, JobChange, JobFilter, JobPage, NewJob, NewTasks, TaskPage
from api.jobs.service import JobService
from api.jobs.steering import SteeringService
from api.jobs.watching import WatchingService

router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"])
Service = Annotated[JobService, Depends(provided(JobService))]
Enqueuing = Annotated[EnqueueService, Depends(provided(EnqueueService))]
Steering = Annotated[SteeringService, Depends(provided(SteeringService))]
Watching = Annotated[WatchingService, Depends(provided(WatchingService))]
PageToken = Annotated[str | None, Query(max_length=500)]


@router.post("", status_code=201, summary="Make a job")
async def create(new: NewJob, caller: Caller, service: Service, idempotency_key: IdempotencyKey = None) -> Job:
    """A draft: nothing happens before it is given inputs."""
    return await service.create(caller, new, idempotency_key)


@router.get("", summary="List jobs, the newest first")
async def page(
    caller: Caller,
    service: Service,
    status: JobStatus | None = None,
    space_id: UUID | None = None,
    page_size: Annotated[int, Query(ge=1, le=100)] = 20,
    page_token: PageToken = None,
) -> JobPage:
    """Jobs of every space the caller reads, narrowed by the filters."""
    return await service.page(caller, JobFilter(status=status, space_id=space_id), page_size, page_token)


@router.get("/{job_id}", summary="Read a job")
async def read(job_id: UUID, caller: Caller, service: Service) -> Job:
    """The counts are exact at this moment and add up to `total`."""
    return await service.read(caller, job_id)


@router.patch("/{job_id}", summary="Rename a job")
async def rename(job_id: UUID, change: JobChange, caller: Caller, service: Service) -> Job:
    """Also one that has finished."""
    return await service.rename(caller, job_id, change.name)


@router.delete("/{job_id}", status_code=204, summary="Delete a job")
async def delete(job_id: UUID, caller: Caller, service: Service) -> None:
    """The job and its tasks are gone at once, their results within moments; inputs stay. Work that is going on is lost."""
    await service.delete(caller, job_id)


@router.post("/{job_id}/enqueue", summary="Give a job inputs")
async def enqueue(
    job_id: UUID, new: NewTasks, caller: Caller, enqueuing: Enqueuing, idempotency_key: IdempotencyKey = None
) -> Enqueued:
    """One task for each input, all or none. Workers begin at once; a job that has not finished takes more at any time."""
    return await enqueuing.enqueue(caller, job_id, new, idempotency_key)


@router.post("/{job_id}/cancel", summary="Cancel a job")
async def cancel(job_id: UUID, caller: Caller, steering: Steering) -> Job:
    """Everything unfinished is cancelled at once, for good; what is done stays. A worker that is at it stops with its next heartbeat."""
    return await steering.cancel(caller, job_id)


@router.post("/{job_id}/pause", summary="Pause a job")
async def pause(job_id: UUID, caller: Caller, steering: Steering) -> Job:
    """What waits is held back; what is being worked on finishes."""
    return await steering.pause(caller, job_id)


@router.post("/{job_id}/resume", summary="Resume a job")
async def resume(job_id: UUID, caller: Caller, steering: Steering) -> Job:
    """What was held back waits for workers again."""
    return await steering.resume(caller, job_id)


@router.post("/{job_id}/retry-failed", summary="Try failed tasks again")
async def retry_failed(job_id: UUID, caller: Caller, steering: Steering) -> Job:
    """Each gets all its attempts anew. A job that had ended goes on, with a new stream of events."""
    return await steering.retry_failed(caller, job_id)


@router.get("/{job_id}/tasks", summary="List a job's tasks")
async def tasks(
    job_id: UUID,
    caller: Caller,
    watching: Watching,
    status: TaskStatus | None = None,
    page_size: Annotated[int, Query(ge=1, le=500)] = 50,
    page_token: PageToken = None,
) -> TaskPage:
    """In the order of the inputs; `seq` counts from 0."""
    return await watching.page(caller, job_id, status, page_size, page_token)


@router.get("/{job_id}/events", response_class=Response, responses=EVENT_STREAM, summary="Follow a job")
async def events(job_id: UUID, caller: Caller, service: Service, follow: Follow, after: After) -> Response:
    """`progress {counts, total, cost_micros, status, tasks: [{id, seq, status, attempt, progress, worker, error}]}` …, where `tasks` are those
    that changed or are at work, 100 at most; then `done`, `failed` or `cancelled`."""
    return await follow.response(caller, await service.stream_of(caller, job_id), after)
