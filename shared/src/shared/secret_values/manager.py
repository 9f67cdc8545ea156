"""Reads from Secret Manager through its official client, which takes up to a second to load and is loaded at the first reading."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from shared.secret_values.errors import SecretUnreadable
from shared.secret_values.references import SecretReference

if TYPE_CHECKING:
    from google.cloud.secretmanager_v1 import SecretManagerServiceClient

_AT_ONCE = 32
_ATTEMPT_S = 3.0
_PATIENCE_S = 8.0


class SecretManager:
    """Secret Manager as the account that the process runs as sees it; `emulator` is host:port of one without TLS and credentials."""

    def __init__(self, emulator: str | None = None) -> None:
        self._emulator = emulator
        self._opening = threading.Lock()
        self._client: SecretManagerServiceClient | None = None

    def read(self, wanted: Mapping[str, SecretReference]) -> dict[str, str | SecretUnreadable]:
        """The values by variable, all at once; each with its own failure. Takes ten seconds at the very most."""
        if not wanted:
            return {}
        references = set(wanted.values())
        try:
            client = self._open()
        except Exception as failure:  # noqa: BLE001 - of any library below: credentials, transport
            return {variable: _no_client(variable, failure) for variable in wanted}
        with ThreadPoolExecutor(min(_AT_ONCE, len(references)), "secrets") as pool:
            answers = dict(
                zip(references, pool.map(lambda reference: _read(client, reference), references), strict=True)
            )
        return {variable: _judged(variable, reference, answers[reference]) for variable, reference in wanted.items()}

    def _open(self) -> SecretManagerServiceClient:
        with self._opening:
            if self._client is None:
                self._client = _client(self._emulator)
            return self._client


def _client(emulator: str | None) -> SecretManagerServiceClient:
    from google.cloud.secretmanager_v1 import SecretManagerServiceClient

    if not emulator:
        return SecretManagerServiceClient()
    import grpc
    from google.cloud.secretmanager_v1.services.secret_manager_service.transports import (
        SecretManagerServiceGrpcTransport,
    )

    channel = grpc.insecure_channel(emulator)
    return SecretManagerServiceClient(transport=SecretManagerServiceGrpcTransport(channel=channel))


def _read(client: SecretManagerServiceClient, reference: SecretReference) -> Any:
    """The payload, or the exception."""
    from google.api_core import exceptions
    from google.api_core.retry import Retry, if_exception_type

    away = (exceptions.ServerError, exceptions.ResourceExhausted, exceptions.Aborted)
    retry = Retry(predicate=if_exception_type(*away), initial=0.1, maximum=1.0, multiplier=2.0, timeout=_PATIENCE_S)
    try:
        return client.access_secret_version(name=reference.resource, retry=retry, timeout=_ATTEMPT_S).payload
    except Exception as failure:  # noqa: BLE001 - judged by whoever asked
        return failure


def _judged(variable: str, reference: SecretReference, answer: Any) -> str | SecretUnreadable:
    if isinstance(answer, Exception):
        return _refusal(variable, reference, answer)
    data = bytes(answer.data)
    if "data_crc32c" in answer and answer.data_crc32c != crc32c(data):
        return SecretUnreadable(f"{variable}: {reference.resource} arrived damaged; start again.")
    try:
        return data.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        return SecretUnreadable(f"{variable}: {reference.resource} is not text in UTF-8.")


def _refusal(variable: str, reference: SecretReference, failure: Exception) -> SecretUnreadable:
    from google.api_core import exceptions

    where = f"{variable} names {reference.resource}"
    match failure:
        case exceptions.NotFound():
            said = f"{where}, which does not exist: add the secret or a version of it."
        case exceptions.PermissionDenied() | exceptions.Unauthenticated():
            said = f"{where}, which this service's account may not read: grant it roles/secretmanager.secretAccessor on the secret."
        case exceptions.FailedPrecondition():
            said = f"{where}, which is disabled or destroyed: enable it, or name another version."
        case exceptions.InvalidArgument():
            said = f"{where}, which is no name that Secret Manager knows."
        case _:
            said = f"{where}, but Secret Manager does not answer ({type(failure).__name__}): start again in a moment."
    return SecretUnreadable(said)


def _no_client(variable: str, failure: Exception) -> SecretUnreadable:
    return SecretUnreadable(
        f"{variable} names a secret in Secret Manager, whose client cannot be opened here ({type(failure).__name__}): "
        "run with a service account, or `gcloud auth application-default login`."
    )


def crc32c(data: bytes) -> int:
    """The Castagnoli checksum (RFC 3720), which Secret Manager sends along."""
    table, crc = _crc_table(), 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


@lru_cache(maxsize=1)
def _crc_table() -> tuple[int, ...]:
    def entry(byte: int) -> int:
        for _ in range(8):
            byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
        return byte

    return tuple(entry(byte) for byte in range(256))
