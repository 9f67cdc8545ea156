"""Secret Manager: versions that can be read, switched off and destroyed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from shared.testing.google_peer.faults import Refusal
from shared.testing.google_peer.names import check

if TYPE_CHECKING:
    from google.cloud.secretmanager_v1 import types as sm

State = Literal["ENABLED", "DISABLED", "DESTROYED"]


@dataclass(slots=True)
class _Version:
    data: bytes
    state: State = "ENABLED"


@dataclass(slots=True)
class SecretManager:
    """Secrets by `project` and `name`; versions are numbered from 1, and `latest` is the newest, whatever its state."""

    accessed: list[str] = field(default_factory=list)
    """The names that were asked for, as they were asked for."""
    corrupt: bool = False
    """Answers lose a byte on their way, so that their checksum is wrong."""
    _secrets: dict[str, list[_Version]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, project: str, name: str, value: str | bytes) -> str:
        """A new version; its full name."""
        data = value.encode() if isinstance(value, str) else value
        with self._lock:
            versions = self._secrets.setdefault(f"projects/{project}/secrets/{name}", [])
            versions.append(_Version(data))
            return check("secret version", f"projects/{project}/secrets/{name}/versions/{len(versions)}")

    def set_state(self, version: str, state: State) -> None:
        """Switch a version on or off, or destroy it."""
        with self._lock:
            found, _ = self._find(version)
            found.state = state
            if state == "DESTROYED":
                found.data = b""

    def access(self, request: sm.AccessSecretVersionRequest) -> sm.AccessSecretVersionResponse:
        """AccessSecretVersion."""
        from google.cloud.secretmanager_v1 import types as sm

        with self._lock:
            self.accessed.append(request.name)
            version, name = self._find(check("secret version", request.name))
            if version.state != "ENABLED":
                raise Refusal("FAILED_PRECONDITION", f"Secret Version [{name}] is in {version.state} state.")
            data = version.data
        payload = sm.SecretPayload(data=data[:-1] if self.corrupt else data, data_crc32c=crc32c(data))
        return sm.AccessSecretVersionResponse(name=name, payload=payload)

    def _find(self, name: str) -> tuple[_Version, str]:
        secret, _, version = name.partition("/versions/")
        versions = self._secrets.get(secret, [])
        number = len(versions) if version == "latest" else int(version)
        if not 0 < number <= len(versions):
            raise Refusal("NOT_FOUND", f"Secret Version [{name}] not found.")
        return versions[number - 1], f"{secret}/versions/{number}"


def routes(secrets: SecretManager) -> dict[str, tuple[type[Any], Callable[[Any], Any], str]]:
    """The gRPC methods: request class, function, and the field that names the resource."""
    from google.cloud.secretmanager_v1 import types as sm

    method = "/google.cloud.secretmanager.v1.SecretManagerService/AccessSecretVersion"
    return {method: (sm.AccessSecretVersionRequest, secrets.access, "name")}


def crc32c(data: bytes) -> int:
    """The Castagnoli checksum (RFC 3720, B.4)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF
