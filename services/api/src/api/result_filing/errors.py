"""What can be wrong with filing results."""

from shared.errors import Forbidden, NotFound, Unprocessable


class JobNotFound(NotFound):
    """No such job, or not in a space of this person."""

    code = "job_not_found"
    default_detail = "There is no such job, or it is not yours."


class SpaceReadOnly(Forbidden):
    """A viewer tries to write."""

    code = "space_read_only"
    default_detail = "You may read this space but not write to it. Ask an owner to make you an editor."


class ResultMissing(Unprocessable):
    """The task was done without a file."""

    code = "result_missing"
    title = "There is no file"
    default_detail = "The task ended without a file, so there is nothing to keep as an entry."
