"""What can go wrong with a job."""

from shared.errors import Conflict, Forbidden, NotFound, TooManyRequests, Unprocessable


class JobNotFound(NotFound):
    """No such job, or in nobody's space of the caller."""

    code = "job_not_found"
    default_detail = "There is no such job in your spaces."


class TaskNotFound(NotFound):
    """No such task, or in nobody's space of the caller."""

    code = "task_not_found"
    default_detail = "There is no such task in your spaces."


class SpaceNotFound(NotFound):
    """No such space, or one the caller is not in."""

    code = "space_not_found"
    default_detail = "There is no such space, or you do not belong to it."


class SpaceReadOnly(Forbidden):
    """The caller is a viewer there."""

    code = "space_read_only"
    default_detail = "You may read this space, but not write to it. Ask an owner to make you an editor."


class ParamsInvalid(Unprocessable):
    """A runner that comes with Maru does not take these."""

    code = "params_invalid"
    title = "The runner does not take these parameters"


class ParamsTooLarge(Unprocessable):
    """Parameters are settings, not data."""

    code = "params_too_large"
    title = "The parameters are too large"


class InputsNotFound(Unprocessable):
    """Inputs that are not files of the job's space."""

    code = "inputs_not_found"
    title = "Inputs that are not there"


class InputsNotReady(Unprocessable):
    """Inputs whose upload was not completed."""

    code = "inputs_not_ready"
    title = "Inputs that are not uploaded yet"


class NothingMatches(Unprocessable):
    """A filter without a file behind it."""

    code = "no_input_matches"
    title = "Nothing to do"
    default_detail = "No stored file of the job's space matches the filter, so no task was made. Widen it."


class TooManyInputs(Unprocessable):
    """More than one call takes."""

    code = "too_many_inputs"
    title = "Too many inputs at once"


class TooManyUnfinishedTasks(TooManyRequests):
    """The space has as much waiting as it may."""

    code = "too_many_unfinished_tasks"
    title = "Too much waits in this space"


class JobStateForbids(Conflict):
    """The command makes no sense in the job's present state."""

    code = "job_state_forbids"
    title = "Not in this state"


class JobNotSubmitted(Conflict):
    """Nothing has happened yet that could be followed."""

    code = "job_not_submitted"
    title = "The job is a draft"
    default_detail = "The job is a draft and tells nothing yet. Give it inputs by POST /api/v1/jobs/{id}/enqueue first."


class TaskNotFailed(Conflict):
    """Only a failed task is tried again."""

    code = "task_not_failed"
    title = "The task has not failed"


class NoOutput(Conflict):
    """A task without a result, so far or for good."""

    code = "task_has_no_output"
    title = "There is no result"


class NoInput(Conflict):
    """A task that was made without an input."""

    code = "task_has_no_input"
    title = "There is no input"
    default_detail = "The task was made without an input."


class NoResultsYet(Conflict):
    """No task of the job is done."""

    code = "no_results_yet"
    title = "There are no results yet"
    default_detail = "No task of this job is done yet, so there is nothing to download."


class LinkRefused(Forbidden):
    """A signed link that was not made here, or was changed."""

    code = "link_refused"
    title = "The link is not valid"
    default_detail = "This link was changed or was not made here. Ask for a new one."


class LinkExpired(Forbidden):
    """A signed link past its time."""

    code = "link_expired"
    title = "The link is too old"
    default_detail = "This link was good for some minutes, which are over. Ask for a new one."
