"""What a call can come to besides its answer."""

from __future__ import annotations


class Away(Exception):
    """No answer, or one that says "later": the same call again may succeed. `after_s` is how long the other side wants to be left alone."""

    def __init__(self, detail: str, after_s: float = 0) -> None:
        self.after_s = after_s
        super().__init__(detail)


class TokenRefused(Exception):
    """401: nothing more can be said to this dispatcher with this token."""


class LeaseGone(Exception):
    """409 or 404: the task is somebody else's by now, was cancelled, or is not there any more."""

    def __init__(self, code: str, detail: str) -> None:
        self.code = code
        super().__init__(detail)


class Refused(Exception):
    """Any other refusal: the same call again would be refused again."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        self.status = status
        self.code = code
        super().__init__(detail)
