"""How a model can fail, each as a problem document, so that a route needs no try/except.

`retryable` tells whether asking again can help without somebody changing something.
"""

from __future__ import annotations

from typing import ClassVar

from shared.errors import Unavailable


class ModelError(Unavailable):
    """A model did not do what it was asked."""

    code = "model_failed"
    title = "The language model failed"
    retryable: ClassVar[bool] = True

    def __init__(self, detail: str | None = None, *, retry_after: float = 2) -> None:
        super().__init__(detail, retry_after=retry_after)
        self.retry_after = retry_after


class ModelUnavailable(ModelError):
    """No connection, a 5xx, or overload."""

    code = "model_unavailable"
    title = "The language model is away"
    default_detail = "The language model does not answer. What you have written is kept; ask again in a moment."


class ModelTimedOut(ModelUnavailable):
    """It took longer than the time it was given."""

    code = "model_timeout"
    default_detail = "The language model took too long. What has arrived is kept; ask again."


class ModelCutOff(ModelUnavailable):
    """The connection ended in the middle of an answer."""

    code = "model_cut_off"
    default_detail = "The language model broke off in the middle. What has arrived is kept; ask again."


class ModelRateLimited(ModelError):
    """The provider asks to slow down; `retry_after` is its wish in seconds."""

    code = "model_rate_limited"
    title = "The language model is busy"
    default_detail = "The language model takes no more requests at the moment. Ask again a little later."


class ModelQuotaExhausted(ModelRateLimited):
    """The provider's account has no money left, so waiting does not help."""

    code = "model_quota_exhausted"
    default_detail = "The account at the model provider has run out of quota. The administrator has to top it up."
    retryable = False


class ModelRefused(ModelError):
    """The provider's policy refuses this content."""

    code = "model_refused"
    title = "The language model refused"
    default_detail = "The language model refused to answer this. Ask in another way."
    retryable = False


class ModelOutputInvalid(ModelError):
    """What came back is not what was asked for, also after the repair."""

    code = "model_output_invalid"
    title = "The language model answered in the wrong form"
    default_detail = "The language model's answer could not be read. Try again."


class ModelMisconfigured(ModelError):
    """The key is refused or the model does not exist."""

    code = "model_misconfigured"
    title = "The language model is not set up"
    default_detail = (
        "The model endpoint refuses our key or does not know the model. "
        "The administrator has to check OPENAI_API_KEY and the model's name."
    )
    retryable = False


class ModelRequestRejected(ModelError):
    """The endpoint finds the request itself wrong (too long, an unsupported parameter)."""

    code = "model_request_rejected"
    title = "The language model rejected the request"
    default_detail = "The model endpoint rejected the request. It may be too long for this model."
    retryable = False
