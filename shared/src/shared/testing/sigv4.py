"""AWS Signature Version 4, as a strict server checks it.

Written from the public description of the protocol, for tests alone: a mock that accepts any signature proves nothing about addresses that
are handed to strangers.
"""

import calendar
import hashlib
import hmac
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote

_ALGORITHM = "AWS4-HMAC-SHA256"
_HEADER = re.compile(_ALGORITHM + r" Credential=(\S+?), ?SignedHeaders=(\S+?), ?Signature=([0-9a-f]{64})")
_SKEW_S = 900
_LONGEST_S = 7 * 24 * 3600


class SignatureRefused(Exception):
    """Carries S3's status and error code."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


@dataclass(frozen=True)
class Request:
    """A request as it came over the wire; header names are lower-case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class _Claim:
    credential: str
    signed_headers: tuple[str, ...]
    signature: str
    timestamp: str
    payload_hash: str


def check_signature(request: Request, keys: Mapping[str, str], now: float) -> None:
    """Raise `SignatureRefused` unless the request is signed by a known key, in time, over all that matters."""
    path, _, query = request.target.partition("?")
    pairs = [pair.partition("=")[::2] for pair in query.split("&") if pair]
    parameters = {name: unquote(value) for name, value in pairs}
    claim = _presigned(parameters, now) if "X-Amz-Signature" in parameters else _in_header(request, now)
    _check_coverage(request, claim)
    access_key, day, region, service, _ = (claim.credential.split("/") + [""] * 5)[:5]
    if access_key not in keys:
        raise SignatureRefused(403, "InvalidAccessKeyId")
    canonical = "\n".join(
        [
            request.method,
            quote(unquote(path), safe="/~"),
            "&".join(f"{name}={value}" for name, value in sorted(pairs) if name != "X-Amz-Signature"),
            "".join(f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in claim.signed_headers),
            ";".join(claim.signed_headers),
            claim.payload_hash,
        ]
    )
    scope = f"{day}/{region}/{service}/aws4_request"
    to_sign = "\n".join([_ALGORITHM, claim.timestamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + keys[access_key]).encode()
    for part in (day, region, service, "aws4_request", to_sign):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    if not hmac.compare_digest(key.hex(), claim.signature):
        raise SignatureRefused(403, "SignatureDoesNotMatch")


def _presigned(parameters: Mapping[str, str], now: float) -> _Claim:
    try:
        start, lifetime = _seconds(parameters["X-Amz-Date"]), int(parameters["X-Amz-Expires"])
        claim = _Claim(
            parameters["X-Amz-Credential"],
            tuple(parameters["X-Amz-SignedHeaders"].split(";")),
            parameters["X-Amz-Signature"],
            parameters["X-Amz-Date"],
            "UNSIGNED-PAYLOAD",
        )
    except (KeyError, ValueError) as incomplete:
        raise SignatureRefused(400, "AuthorizationQueryParametersError") from incomplete
    if not 0 < lifetime <= _LONGEST_S:
        raise SignatureRefused(400, "AuthorizationQueryParametersError")
    if not start - _SKEW_S <= now < start + lifetime:
        raise SignatureRefused(403, "AccessDenied")
    return claim


def _in_header(request: Request, now: float) -> _Claim:
    found = _HEADER.fullmatch(request.headers.get("authorization", ""))
    timestamp = request.headers.get("x-amz-date", "")
    if not found or not timestamp:
        raise SignatureRefused(403, "AccessDenied")
    if abs(now - _seconds(timestamp)) > _SKEW_S:
        raise SignatureRefused(403, "RequestTimeTooSkewed")
    payload_hash = request.headers.get("x-amz-content-sha256", "")
    if payload_hash != "UNSIGNED-PAYLOAD" and payload_hash != hashlib.sha256(request.body).hexdigest():
        raise SignatureRefused(400, "XAmzContentSHA256Mismatch")
    credential, signed, signature = found.groups()
    return _Claim(credential, tuple(signed.split(";")), signature, timestamp, payload_hash)


def _check_coverage(request: Request, claim: _Claim) -> None:
    unsigned = {name for name in request.headers if name.startswith("x-amz-")} - set(claim.signed_headers)
    if "host" not in claim.signed_headers or unsigned - {"x-amz-content-sha256"}:
        raise SignatureRefused(403, "AccessDenied")


def _seconds(timestamp: str) -> int:
    return calendar.timegm(time.strptime(timestamp, "%Y%m%dT%H%M%SZ"))
