"""Inputs and outputs to and from signed addresses. The token is not known here."""

from __future__ import annotations

import asyncio
import errno
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

import httpx
from shared.contracts.dispatch import Presigned, PresignedPart

from worker.backoff import Backoff
from worker.dispatcher import said
from worker.refusals import Away

if TYPE_CHECKING:
    from pathlib import Path

_PIECE = 256 * 1024
_SILENCE_S = 60.0
_PARTS_AT_ONCE = 3
Presign = Callable[[], Awaitable[Presigned]]


class TransferFailed(Exception):
    """It did not work, for as long as it was worth trying, or never can; `code` says which."""

    def __init__(self, code: str, detail: str, *, retryable: bool = True) -> None:
        self.code = code
        self.retryable = retryable
        super().__init__(detail)


class _Cut(Exception):
    """This try failed; another may not. `advanced` says that it brought something all the same."""

    def __init__(self, said: str, *, advanced: bool = False) -> None:
        self.advanced = advanced
        super().__init__(said)


class Transfers:
    """Downloads and uploads that go on trying for `patience_s`, with a fresh signed address each time."""

    def __init__(self, patience_s: float = 15 * 60) -> None:
        self._patience_s = patience_s
        # A client of its own, which has never seen the token. Redirects are refused: what was signed is one address.
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(_SILENCE_S, connect=10), follow_redirects=False, headers={"User-Agent": "maru-worker"}
        )

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    async def download(self, presign: Presign, path: Path, *, size: int | None, limit: int) -> None:
        """Write an object to `path`, in as many pieces as the connection allows.

        Raises `TransferFailed`, and what `presign` raises except `Away`.
        """
        if size is not None and size > limit:
            raise TransferFailed(
                "input_too_large", f"The input has {size} bytes; this worker takes {limit}.", retryable=False
            )
        part = path.with_name(f"{path.name}.part")
        await self._persist("download", presign, lambda signed: self._get(signed, part, size, limit))
        part.replace(path)

    async def upload(self, presign: Presign, path: Path) -> Presigned:
        """Send the file; the signed request that took it. Raises like `download`.

        In parts where these are offered: what has come stays, and is not sent again after a break.
        """
        return await self._persist("upload", presign, lambda signed: self._send(signed, path))

    async def _persist(self, what: str, presign: Presign, attempt: Callable[[Presigned], Awaitable[bool]]) -> Presigned:
        """Attempts until one answers that nothing is left to do. Patience begins anew with everything that was achieved."""
        backoff, give_up_at = Backoff(), time.monotonic() + self._patience_s
        while True:
            try:
                signed = await presign()
                if await attempt(signed):
                    return signed
                backoff, give_up_at = Backoff(), time.monotonic() + self._patience_s
                continue
            except (_Cut, Away, httpx.HTTPError) as error:
                if isinstance(error, _Cut) and error.advanced:
                    backoff, give_up_at = Backoff(), time.monotonic() + self._patience_s
                if time.monotonic() > give_up_at:
                    raise TransferFailed(
                        f"{what}_failed", f"The {what} did not succeed in time: {said(error)}"
                    ) from error
                after_s = error.after_s if isinstance(error, Away) else 0
            except OSError as error:
                raise _disk(error) from error
            await asyncio.sleep(backoff.next_s(after_s))

    async def _get(self, signed: Presigned, part: Path, size: int | None, limit: int) -> bool:
        have = size_of(part)
        headers = dict(signed.headers) | ({"Range": f"bytes={have}-"} if have else {})
        async with self._http.stream("GET", signed.url, headers=headers) as answer:
            if answer.status_code == 416 and have == size:
                return True
            start = _start(answer, have)
            with part.open("r+b" if start else "wb") as file:
                file.seek(start)
                file.truncate()
                async for piece in answer.aiter_bytes(_PIECE):
                    start += len(piece)
                    if start > (limit if size is None else size):
                        raise TransferFailed(
                            "input_too_large", f"The input is larger than announced ({size or limit} bytes)."
                        )
                    file.write(piece)
        if size is not None and start != size:
            raise _Cut(f"{start} of {size} bytes came")
        return True

    async def _send(self, signed: Presigned, path: Path) -> bool:
        if signed.parts is None or signed.part_size is None:
            await self._put(signed.url, signed.headers, path, 0, size_of(path))
            return True
        places, step = asyncio.Semaphore(_PARTS_AT_ONCE), signed.part_size

        async def send(part: PresignedPart) -> None:
            async with places:
                await self._put(part.url, part.headers, path, (part.number - 1) * step, part.size)

        sent = await asyncio.gather(*(send(part) for part in signed.parts), return_exceptions=True)
        failed: list[Exception] = []
        for outcome in sent:
            if isinstance(outcome, (_Cut, httpx.HTTPError)):
                failed.append(outcome)
            elif outcome is not None:
                raise outcome
        if failed:
            raise _Cut(f"{len(failed)} of {len(sent)} parts: {said(failed[0])}", advanced=len(failed) < len(sent))
        # The dispatcher looks at what came, and says whether anything is missing.
        return not sent

    async def _put(self, url: str, headers: dict[str, str], path: Path, start: int, size: int) -> None:
        # Exactly the signed length: a body in chunks would be refused.
        announced = headers | {"Content-Length": str(size)}
        answer = await self._http.put(url, headers=announced, content=_pieces(path, start, size))
        if not answer.is_success:
            raise _Cut(f"the storage answered {answer.status_code}")


def size_of(path: Path) -> int:
    """The bytes of a file; 0 for one that is not there."""
    return path.stat().st_size if path.exists() else 0


def _start(answer: httpx.Response, have: int) -> int:
    """Where the bytes of this answer belong. Raises when there are none."""
    if answer.status_code == 206:
        announced = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
        if announced and int(announced[1]) == have:
            return have
        raise _Cut("the storage answered another range")
    if answer.status_code == 200:
        return 0
    if answer.status_code in {404, 410}:
        raise TransferFailed("input_missing", "The input is not in the storage any more.", retryable=False)
    raise _Cut(f"the storage answered {answer.status_code}")


async def _pieces(path: Path, start: int, size: int) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        while size > 0 and (piece := await asyncio.to_thread(file.read, min(_PIECE, size))):
            size -= len(piece)
            yield piece


def _disk(error: OSError) -> TransferFailed:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return TransferFailed("disk_full", "The worker's disk is full.")
    return TransferFailed("disk_failed", f"The worker's disk failed: {error.strerror}.")
