"""What can be wrong with a request about workers."""

from shared.errors import Conflict, NotFound


class WorkerTokenNotFound(NotFound):
    """No token of this id, or it was revoked."""

    code = "worker_token_not_found"
    default_detail = "There is no such worker token, or it was revoked. GET /api/v1/admin/worker-tokens lists them."


class RotationUnderWay(Conflict):
    """Two versions live already."""

    code = "rotation_under_way"
    default_detail = "Two versions of this token are valid. Wait until the older one ends, or rotate with grace_hours 0, which ends both at once."


class WorkerNotFound(NotFound):
    """No worker of this id."""

    code = "worker_not_found"
    default_detail = "There is no such worker. GET /api/v1/admin/workers lists them."
