"""Signed, expiring addresses of files: an HMAC over everything that the address allows. Pure.

The signature covers method, key, expiry and, for an upload, the exact size, type and (where given) hash. Every parameter is covered and an
unknown or repeated one is refused, so an address can only be used for what it was given for.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal
from urllib.parse import parse_qsl, quote, urlencode

from shared.storage.errors import LinkExpired, LinkRefused
from shared.storage.keys import check_key

Method = Literal["GET", "PUT"]
_VERSION = b"maru-file-1"
_SIGNATURE = re.compile(r"[0-9a-f]{64}")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,14}")
_MAX_QUERY = 4_000


@dataclass(frozen=True, slots=True)
class Grant:
    """What a signed address allows. `expires` is in Unix seconds; `size`, `content_type` and `sha256` (hex) bind an upload.

    With `part`, an upload is that part (from 1 on) of the upload in parts named `parts`.
    """

    method: Method
    key: str
    expires: int
    size: int | None = None
    content_type: str | None = None
    sha256: str | None = None
    filename: str | None = None
    parts: str | None = None
    part: int | None = None


_PARAMETERS = tuple(field.name for field in fields(Grant) if field.name not in {"method", "key"})


def check_keys(keys: Sequence[bytes]) -> None:
    """Raise `ValueError` unless there are keys, all of them long enough to sign with."""
    if not keys or not all(len(key) >= 16 for key in keys):
        raise ValueError("signing secrets have at least 16 bytes")


def sign(secret: bytes, grant: Grant) -> str:
    """The path and query of the address, from the key on: `spaces/…/original?expires=…&signature=…`."""
    check_key(grant.key)
    parameters = {name: str(value) for name in _PARAMETERS if (value := getattr(grant, name)) is not None}
    return f"{quote(grant.key)}?{urlencode({**parameters, 'signature': _signature(secret, grant)})}"


def verify(secrets: Sequence[bytes], method: Method, key: str, query: str, now: float) -> Grant:
    """The grant behind an address. Raises `LinkRefused` or `LinkExpired`.

    Every secret in `secrets` is accepted, so that a new one can be brought in while addresses of the old one are about.
    """
    given = _parameters(query)
    signature = given.pop("signature", "")
    grant = replace(_grant(given), method=method, key=check_key(key))
    if not _SIGNATURE.fullmatch(signature):
        raise LinkRefused
    if not any(hmac.compare_digest(signature, _signature(secret, grant)) for secret in secrets):
        raise LinkRefused
    if now >= grant.expires:
        raise LinkExpired
    return grant


def _parameters(query: str) -> dict[str, str]:
    if len(query) > _MAX_QUERY:
        raise LinkRefused
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=10)
    except ValueError as unreadable:
        raise LinkRefused from unreadable
    found = dict(pairs)
    if len(found) != len(pairs) or not found.keys() <= {*_PARAMETERS, "signature"}:
        raise LinkRefused
    return found


def _grant(given: dict[str, str]) -> Grant:
    return Grant(
        method="GET",
        key="",
        expires=_number(given.get("expires", "")),
        size=_number(given["size"]) if "size" in given else None,
        content_type=given.get("content_type"),
        sha256=given.get("sha256"),
        filename=given.get("filename"),
        parts=given.get("parts"),
        part=_number(given["part"]) if "part" in given else None,
    )


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise LinkRefused
    return int(text)


def _signature(secret: bytes, grant: Grant) -> str:
    digest = hmac.new(secret, _VERSION, hashlib.sha256)
    for field in fields(grant):
        value = getattr(grant, field.name)
        encoded = b"" if value is None else str(value).encode("utf-8", "surrogatepass")
        # Each part carries its length and whether it is there: no two grants share one message.
        digest.update(b"\0%d\0%d\0%b" % (value is not None, len(encoded), encoded))
    return digest.hexdigest()
