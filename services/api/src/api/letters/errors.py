"""What can be wrong with a request about dead letters."""

from shared.errors import Conflict, NotFound


class DeadLetterNotFound(NotFound):
    """Nothing of this id was given up, or it is being tried again."""

    code = "dead_letter_not_found"
    default_detail = (
        "There is no such dead letter; it may have been tried again. GET /api/v1/admin/dead-letters lists them."
    )


class DeadLetterHopeless(Conflict):
    """Another try would end the same way."""

    code = "dead_letter_hopeless"
    default_detail = (
        "Nothing understands this message, so it is not tried again. It is kept for 90 days to be looked at."
    )
