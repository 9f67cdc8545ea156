"""A ZIP archive (APPNOTE 6.3.9) written as it is sent: entries are stored, and size and CRC of each are known before its first byte goes out. Pure.

Nothing stands behind an entry's bytes (no data descriptor): with a stored entry readers that take the archive from front to back could not find its
end, and macOS refuses such archives. ZIP64 fields appear only where a size, an offset or the number of entries needs them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from datetime import datetime

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_END_64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR_64 = struct.Struct("<4sIQI")
_UTF_8 = 0x800
_BASE, _WITH_64 = 20, 45
_UNIX = 3 << 8
_PLAIN_FILE = 0o100644 << 16
_MOST_16, _MOST_32 = 0xFFFF, 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class ArchiveEntry:
    """A file of the archive; `modified` in UTC."""

    name: str
    size: int
    crc: int
    modified: datetime


@dataclass(slots=True)
class ArchiveWriter:
    """Call `header`, send exactly the entry's bytes, and so on; then `end`. Keeps about a hundred bytes of each entry."""

    _position: int = 0
    _count: int = 0
    _directory: bytearray = field(default_factory=bytearray)

    def header(self, entry: ArchiveEntry) -> bytes:
        """What comes before the entry's bytes."""
        name = entry.name.encode()
        large = entry.size >= _MOST_32
        size = _MOST_32 if large else entry.size
        extra = struct.pack("<2H2Q", 1, 16, entry.size, entry.size) if large else b""
        common = (_UTF_8, 0, *_dos_time(entry.modified), entry.crc, size, size, len(name), len(extra))
        header = _LOCAL.pack(b"PK\3\4", _WITH_64 if large else _BASE, *common) + name + extra
        self._list(entry, name)
        self._position += len(header) + entry.size
        self._count += 1
        return header

    def end(self) -> bytes:
        """The directory, which comes last."""
        size, start, count = len(self._directory), self._position, self._count
        tail = b""
        if size >= _MOST_32 or start >= _MOST_32 or count >= _MOST_16:
            tail = _END_64.pack(
                b"PK\6\6", _END_64.size - 12, _UNIX | _WITH_64, _WITH_64, 0, 0, count, count, size, start
            ) + _LOCATOR_64.pack(b"PK\6\7", 0, start + size, 1)
        counts = (min(count, _MOST_16),) * 2
        end = _END.pack(b"PK\5\6", 0, 0, *counts, min(size, _MOST_32), min(start, _MOST_32), 0)
        return bytes(self._directory) + tail + end

    def _list(self, entry: ArchiveEntry, name: bytes) -> None:
        large = [value for value in (entry.size, entry.size, self._position) if value >= _MOST_32]
        extra = struct.pack(f"<2H{len(large)}Q", 1, 8 * len(large), *large) if large else b""
        needed = _WITH_64 if large else _BASE
        size = min(entry.size, _MOST_32)
        common = (_UTF_8, 0, *_dos_time(entry.modified), entry.crc, size, size, len(name), len(extra))
        self._directory += _CENTRAL.pack(
            b"PK\1\2", _UNIX | needed, needed, *common, 0, 0, 0, _PLAIN_FILE, min(self._position, _MOST_32)
        )
        self._directory += name + extra


def _dos_time(moment: datetime) -> tuple[int, int]:
    if moment.year < 1980:
        return 0, 0x21
    date = (min(moment.year, 2107) - 1980) << 9 | moment.month << 5 | moment.day
    return moment.hour << 11 | moment.minute << 5 | moment.second // 2, date
