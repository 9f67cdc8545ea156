"""How the service, the host of the sandbox and its children speak: one request, one answer, one status."""

import json
import struct
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ingest.parse.errors import FileBroken
from ingest.sandbox_limits import SandboxLimits

_LENGTH = struct.Struct(">I")
MAX_REQUEST = 32 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """One file to read: the name of a job in the host's table, and the job's options. The open file travels beside it."""

    job: str
    options: dict[str, Any]
    limits: SandboxLimits

    def encode(self) -> bytes:
        """As one message."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, message: bytes) -> "Request":
        """From one message."""
        fields = json.loads(message)
        return cls(fields["job"], fields["options"], SandboxLimits(**fields["limits"]))


@dataclass(frozen=True, slots=True)
class Output:
    """What a job found: small facts as JSON, texts and pictures as blobs."""

    facts: dict[str, Any]
    blobs: Sequence[bytes] = field(default_factory=tuple)


def encode_answer(header: dict[str, Any], blobs: Sequence[bytes]) -> list[bytes]:
    """The pieces of an answer, in order."""
    head = json.dumps({**header, "sizes": [len(blob) for blob in blobs]}).encode()
    return [_LENGTH.pack(len(head)), head, *blobs]


def decode_answer(answer: bytes) -> tuple[dict[str, Any], list[bytes]]:
    """The header and the blobs. Raises `FileBroken`: whoever answers has just read a stranger's file and is not to be trusted."""
    try:
        end = _LENGTH.size + _LENGTH.unpack_from(answer)[0]
        header = json.loads(answer[_LENGTH.size : end])
        sizes = [int(size) for size in header.pop("sizes")]
    except (struct.error, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as unreadable:
        raise FileBroken from unreadable
    blobs = []
    for size in sizes:
        blobs.append(answer[end : end + size])
        end += size
    if end != len(answer) or min(sizes, default=0) < 0:
        raise FileBroken
    return header, blobs


@dataclass(frozen=True, slots=True)
class Ending:
    """How the process that read the file ended, as `os.waitpid` tells it."""

    wait_status: int
    timed_out: bool

    def encode(self) -> bytes:
        """As one message."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, message: bytes) -> "Ending":
        """From one message."""
        return cls(**json.loads(message))
