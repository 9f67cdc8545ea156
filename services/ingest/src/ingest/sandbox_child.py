"""What a forked child does: shut itself in, read one file, answer, end."""

from __future__ import annotations

import logging
import os
import signal
from typing import TYPE_CHECKING, Any, NoReturn

from ingest.parse.errors import FileBroken, FileOversized, FileRefused, ParseOutOfMemory
from ingest.sandbox_limits import allow_last_words, confine
from ingest.sandbox_wire import encode_answer

if TYPE_CHECKING:
    import ctypes
    from collections.abc import Mapping, Sequence

    from ingest.sandbox_wire import Request

# Above what the host ever has open at once.
_KEPT_FDS = 500
_MOST_FDS = 4096


def run_child(
    request: Request, jobs: Mapping[str, Any], file_fd: int, result_fd: int, libc: ctypes.CDLL, empty_folder: int
) -> NoReturn:
    """Never returns into the host's loop."""
    exit_code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        logging.disable(logging.CRITICAL)
        # The host's standard input is /dev/null: whatever a decoder prints about a stranger's file goes there.
        os.dup2(0, 2)
        file_fd, result_fd, empty_folder = _close_all_but(file_fd, result_fd, empty_folder)
        confine(request.limits, libc, empty_folder)
        os.close(empty_folder)
        for piece in _answer(request, jobs, file_fd):
            _write(result_fd, piece)
        exit_code = 0
    finally:
        os._exit(exit_code)


def _answer(request: Request, jobs: Mapping[str, Any], file_fd: int) -> Sequence[bytes]:
    try:
        with os.fdopen(file_fd, "rb") as file:
            output = jobs[request.job](file, **request.options)
        return encode_answer({"facts": output.facts}, output.blobs)
    except (FileRefused, FileOversized) as refused:
        return _refusal(refused)
    except MemoryError:
        allow_last_words()
        return _refusal(ParseOutOfMemory())
    except RecursionError:
        return _refusal(FileBroken("The file is nested too deeply to be read. Save it in a simpler form."))
    except Exception as cause:  # noqa: BLE001 - whatever a parser raises on a stranger's file, the file is the reason
        return _refusal(FileBroken(), type(cause).__name__)


def _refusal(refused: FileRefused | FileOversized, cause: str | None = None) -> Sequence[bytes]:
    error = {"code": refused.code, "detail": refused.detail, "cause": cause}
    return encode_answer({"error": error}, [])


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _close_all_but(*kept: int) -> list[int]:
    """Put these out of the way, close every other descriptor but the standard three, and say where they are now."""
    moved = [os.dup2(fd, _KEPT_FDS + place, inheritable=False) for place, fd in enumerate(kept)]
    os.closerange(3, _KEPT_FDS)
    os.closerange(_KEPT_FDS + len(kept), _MOST_FDS)
    return moved
