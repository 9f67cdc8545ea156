"""One client of an OpenAI-compatible endpoint, shared by every port: connections, time limits, retries, errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from shared.llm.errors import (
    ModelCutOff,
    ModelError,
    ModelMisconfigured,
    ModelOutputInvalid,
    ModelQuotaExhausted,
    ModelRateLimited,
    ModelRefused,
    ModelRequestRejected,
    ModelTimedOut,
    ModelUnavailable,
)
from shared.llm.retry import RetryPolicy, with_retries
from shared.rotation import Secret, current, renewed

if TYPE_CHECKING:
    import openai

T = TypeVar("T")

_OFFICIAL_HOST = "api.openai.com"
_REFUSALS = frozenset({"content_filter", "content_policy_violation"})


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. The SDK's own default would wait ten minutes, three times."""

    connect: float = 5
    first_token: float = 30
    between_tokens: float = 20
    total: float = 300
    whole_call: float = 60


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to ask, with which key and how patiently."""

    api_key: Secret = field(repr=False)
    base_url: str | None
    timeouts: Timeouts = field(default_factory=Timeouts)
    retries: RetryPolicy = field(default_factory=RetryPolicy)

    @property
    def host(self) -> str:
        """The host that answers."""
        return urlsplit(self.base_url).hostname or _OFFICIAL_HOST if self.base_url else _OFFICIAL_HOST

    @property
    def official(self) -> bool:
        """Whether it is OpenAI's own, which has dropped parameters that compatible ones still need."""
        return self.host == _OFFICIAL_HOST

    @property
    def provider(self) -> str:
        """A name for people."""
        return "openai" if self.official else self.host


class OpenAiConnection:
    """Holds the one `AsyncOpenAI`. Importing the SDK costs a good half second, so it waits for the first call or for `warm`."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._client: openai.AsyncOpenAI | None = None
        self._opening = asyncio.Lock()

    async def warm(self) -> None:
        """Import the SDK and open the client in a thread, so that the first question does not wait for it; nothing is asked."""
        async with self._opening:
            if self._client is None:
                self._client = await asyncio.to_thread(_open, self.endpoint)

    async def client(self) -> openai.AsyncOpenAI:
        """The client, opened at the first call."""
        if self._client is None:
            await self.warm()
        assert self._client is not None
        return self._client

    async def close(self) -> None:
        """Hang up."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def call(self, operation: Callable[[openai.AsyncOpenAI], Awaitable[T]], *, limit_s: float | None = None) -> T:
        """A call that is answered as a whole, with retries; `limit_s` bounds each attempt."""
        client = await self.client()
        limit = limit_s or self.endpoint.timeouts.whole_call

        async def attempt() -> T:
            async with translated(), within(limit):
                with readable():
                    return await operation(client)

        return await self.retried(attempt)

    async def retried(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """An attempt with the endpoint's retries, and with a new key where the present one is refused and has been replaced meanwhile."""
        key = current(self.endpoint.api_key)
        try:
            return await with_retries(self.endpoint.retries, attempt)
        except ModelMisconfigured:
            if not await renewed(self.endpoint.api_key, key):
                raise
        return await with_retries(self.endpoint.retries, attempt)


@asynccontextmanager
async def within(seconds: float) -> AsyncGenerator[None]:
    """Raise `ModelTimedOut` when the block takes longer."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise ModelTimedOut from error


@asynccontextmanager
async def translated() -> AsyncGenerator[None]:
    """Let the SDK's errors leave the block as ours."""
    import httpx2
    import openai

    try:
        yield
    except openai.APIStatusError as error:
        raise _status_error(error) from error
    except openai.APITimeoutError as error:
        raise ModelTimedOut from error
    except (openai.APIConnectionError, httpx2.HTTPError, httpx2.StreamError) as error:
        raise ModelUnavailable from error
    except (openai.LengthFinishReasonError, openai.ContentFilterFinishReasonError) as error:
        raise ModelRefused from error
    except openai.APIError as error:
        raise stream_error(error.code, error.type) from error
    except openai.OpenAIError as error:
        raise ModelUnavailable from error


@contextmanager
def readable() -> Generator[None]:
    """Let an answer of an unexpected shape leave the block as ours: a page of a proxy, a list where an object should be."""
    try:
        yield
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ModelOutputInvalid from error


def stream_error(code: str | None, kind: str | None) -> ModelError:
    """An error that arrived as an event in the middle of a stream, or without a status."""
    if code in _REFUSALS:
        return ModelRefused()
    if code == "insufficient_quota":
        return ModelQuotaExhausted()
    if code == "rate_limit_exceeded" or kind == "rate_limit_error":
        return ModelRateLimited()
    return ModelCutOff()


def _status_error(error: openai.APIStatusError) -> ModelError:
    if error.code in _REFUSALS:
        return ModelRefused()
    if error.code == "insufficient_quota":
        return ModelQuotaExhausted()
    match error.status_code:
        case 429:
            found: ModelError = ModelRateLimited(retry_after=_retry_after(error))
        case 408 | 504:
            found = ModelTimedOut()
        case 401 | 403 | 404 as status:
            found = ModelMisconfigured(f"{ModelMisconfigured.default_detail} It answered {status}.")
        case status if status >= 500 or status == 409:
            found = ModelUnavailable()
        case _:
            found = ModelRequestRejected()
    return found


def _retry_after(error: openai.APIStatusError) -> float:
    headers = error.response.headers
    for name, divisor in (("retry-after-ms", 1000), ("retry-after", 1)):
        try:
            return max(0.0, float(headers.get(name, "")) / divisor)
        except ValueError:
            continue
    return 1.0


def _open(endpoint: Endpoint) -> openai.AsyncOpenAI:
    import httpx2
    import openai

    # The SDK loads its resources lazily; this is the one a question needs.
    import_module("openai.resources.chat.completions")
    limits = endpoint.timeouts
    timeout = httpx2.Timeout(limits.whole_call, connect=limits.connect)
    # One answer holds one connection for as long as it streams; the SDK's pool keeps 100, fewer than the streams of a busy instance.
    pool = httpx2.Limits(max_connections=1000, max_keepalive_connections=256, keepalive_expiry=60)

    async def key() -> str:
        return current(endpoint.api_key)

    return openai.AsyncOpenAI(
        # One that may change is asked for before each request.
        api_key=endpoint.api_key if isinstance(endpoint.api_key, str) else key,
        base_url=endpoint.base_url,
        timeout=timeout,
        max_retries=0,
        http_client=openai.DefaultAsyncHttpxClient(limits=pool, timeout=timeout),
    )
