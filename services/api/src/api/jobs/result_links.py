"""Signed links to a job's results, which a browser can open without a token: an HMAC over the job, whoever asked for it and the expiry. Pure."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from urllib.parse import urlencode
from uuid import UUID

from shared.storage.signing import check_keys

from api.jobs.errors import LinkExpired, LinkRefused
from api.jobs.schemas import ResultsLink

_VERSION = b"maru-results-1"
_SIGNATURE = re.compile(r"[0-9a-f]{64}")
_SECONDS = re.compile(r"[1-9][0-9]{0,14}")
_PERSON = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class ResultLinks:
    """Links below `base_url`. The first of `secrets` signs, all of them are accepted, so that a new one can be brought in.

    Secrets that may change while we run are asked for each time.
    """

    def __init__(
        self,
        base_url: str,
        secrets: Sequence[bytes] | Callable[[], Sequence[bytes]],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        keys = secrets() if callable(secrets) else secrets
        check_keys(keys)
        self._base_url = base_url.rstrip("/")
        self._secrets = secrets if callable(secrets) else lambda: keys
        self._clock = clock

    def make(self, job_id: UUID, user_id: UUID, lives_s: int) -> ResultsLink:
        """A link in this person's name; what they may no longer see it does not show."""
        expires = int(self._clock()) + lives_s
        signature = _sign(self._secrets()[0], job_id, str(user_id), str(expires))
        query = urlencode({"by": user_id, "expires": expires, "signature": signature})
        return ResultsLink(
            url=f"{self._base_url}/downloads/jobs/{job_id}/results.zip?{query}",
            expires_at=datetime.fromtimestamp(expires, UTC),
        )

    def person(self, job_id: UUID, by: str, expires: str, signature: str) -> UUID:
        """In whose name a link to this job was made. Raises `LinkRefused` or `LinkExpired`."""
        if not (_PERSON.fullmatch(by) and _SECONDS.fullmatch(expires) and _SIGNATURE.fullmatch(signature)):
            raise LinkRefused
        if not any(hmac.compare_digest(signature, _sign(secret, job_id, by, expires)) for secret in self._secrets()):
            raise LinkRefused
        if self._clock() >= int(expires):
            raise LinkExpired
        return UUID(by)


def _sign(secret: bytes, job_id: UUID, by: str, expires: str) -> str:
    return hmac.new(
        secret, b"\0".join((_VERSION, str(job_id).encode(), by.encode(), expires.encode())), hashlib.sha256
    ).hexdigest()
