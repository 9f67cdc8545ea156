"""What a failure of Google's clients means for a promise."""

from __future__ import annotations

import logging

from shared.publishing.port import End, Outcome, Promise

log = logging.getLogger(__name__)

_CAUSE_KEPT = 300


def classify(error: Exception) -> End:
    """`NEVER` for what is wrong with the message itself; a topic or a right that is missing can be mended, so that is tried again."""
    from google.api_core import exceptions
    from google.auth.exceptions import TransportError

    if isinstance(error, exceptions.InvalidArgument | exceptions.OutOfRange):
        return End.NEVER
    unanswered = (exceptions.ServiceUnavailable, exceptions.GatewayTimeout, exceptions.RetryError, TransportError)
    return End.AWAY if isinstance(error, unanswered) else End.AGAIN


def outcome_of(promise: Promise, error: Exception) -> Outcome:
    """The outcome of an attempt that failed with `error`."""
    return Outcome(promise, classify(error), cause_of(error))


def cause_of(error: Exception) -> str:
    """In a line, without what was sent."""
    # Whoever ran out of time while trying again: what was wrong is what the last try said.
    last = getattr(error, "cause", None)
    error = last if isinstance(last, Exception) else error
    code = getattr(getattr(error, "grpc_status_code", None), "name", None) or type(error).__name__
    return f"{code}: {getattr(error, 'message', None) or error}"[:_CAUSE_KEPT].replace("\0", "")


def report(name: str, error: Exception, number: int) -> None:
    """To the log: as an error if somebody has to do something about it."""
    from google.api_core import exceptions
    from google.auth.exceptions import GoogleAuthError

    mendable = (exceptions.NotFound, exceptions.Forbidden, exceptions.Unauthorized, exceptions.FailedPrecondition)
    level = logging.ERROR if isinstance(error, (*mendable, GoogleAuthError)) else logging.WARNING
    log.log(level, "%s: %d could not be published: %s", name, number, cause_of(error))
