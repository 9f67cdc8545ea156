"""Taking the place out of a photo's file without touching its picture. Pure.

Everything is overwritten where it lies, so that the file keeps its length and every other offset in it stays true; this works alike for JPEG,
PNG, WebP and HEIC. Formats: EXIF 2.32 (a TIFF 6.0 structure), XMP part 1, IPTC IIM 4.2, ISO 6709 in the films of moving photos.
"""

import re
import struct
import zlib

_EXIF = re.compile(rb"Exif\x00\x00(?=II\x2a\x00|MM\x00\x2a)")
_XMP = re.compile(rb"<(?:x:xmpmeta|rdf:RDF)\b.*?</(?:x:xmpmeta|rdf:RDF)>", re.DOTALL)
_PLACE_NAMES = rb"(?:\w+:GPS\w+|photoshop:(?:City|State|Country)|Iptc4xmpCore:(?:Location|CountryCode)|Iptc4xmpExt:Location(?:Shown|Created))"
_XMP_ATTRIBUTE = re.compile(rb"\s" + _PLACE_NAMES + rb"\s*=\s*(?:\"[^\"]*\"|'[^']*')")
_XMP_ELEMENT = re.compile(rb"<(" + _PLACE_NAMES + rb")\b[^>]*(?:/>|>.*?</\1\s*>)", re.DOTALL)
_IPTC = re.compile(rb"Photoshop 3\.0\x00")
_IPTC_PLACE = re.compile(rb"\x1c\x02[\x1a\x1b\x5a\x5c\x5f\x64\x65]")
_ISO_6709 = re.compile(rb"[+-]\d{2}\.\d{2,}[+-]\d{3}\.\d{2,}(?:[+-]\d+(?:\.\d+)?)?/")
_DIGITS = bytes.maketrans(b"123456789", b"000000000")

_GPS_IFD = 0x8825
_EXIF_IFD = 0x8769
_MAKER_NOTE = 0x927C
_ENTRY = 12
_VALUE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_MOST_IFDS = 16
_PNG = b"\x89PNG\r\n\x1a\n"


class MetadataUnreadable(Exception):
    """The metadata does not hold together, so nothing can be said about what is left in it."""


def without_location(file: bytes, exif: bytes | None) -> bytes:
    """The file without coordinates, names of places and makers' notes. `exif` is the block that a decoder found, if any.

    Raises `MetadataUnreadable`; the caller then has to make a new file from the picture.
    """
    data = bytearray(file)
    starts = {found.end() for found in _EXIF.finditer(file)}
    if exif:
        block = exif.removeprefix(b"Exif\x00\x00")
        if (start := file.find(block)) >= 0:
            starts.add(start)
    try:
        for start in starts:
            _Tiff(data, start).scrub()
    except (struct.error, IndexError) as unreadable:
        raise MetadataUnreadable from unreadable
    _blank_xmp(data)
    _blank_iptc(data)
    for found in _ISO_6709.finditer(bytes(data)):
        data[found.start() : found.end()] = found[0].translate(_DIGITS)
    if file.startswith(_PNG):
        _mend_checksums(data)
    return bytes(data)


class _Tiff:
    """The directories of one EXIF block that begins at `start`."""

    def __init__(self, data: bytearray, start: int) -> None:
        self._data = data
        self._start = start
        self._order = "<" if data[start : start + 2] == b"II" else ">"
        self._seen: set[int] = set()

    def scrub(self) -> None:
        (first,) = self._read("I", 4)
        while first and first not in self._seen:
            first = self._directory(first)

    def _directory(self, offset: int) -> int:
        """Clean one directory and say where the next one is."""
        self._seen.add(offset)
        if len(self._seen) > _MOST_IFDS:
            raise MetadataUnreadable
        place = 0
        while place < self._read("H", offset)[0]:
            entry = offset + 2 + place * _ENTRY
            tag, kind, count, value = self._read("HHII", entry)
            if tag == _GPS_IFD:
                self._wipe_directory(value)
                self._remove(offset, place)
                continue
            if tag == _EXIF_IFD and value not in self._seen:
                self._directory(value)
            elif tag == _MAKER_NOTE:
                self._wipe_value(entry, kind, count, value)
            place += 1
        return int(self._read("I", offset + 2 + place * _ENTRY)[0])

    def _wipe_directory(self, offset: int) -> None:
        (count,) = self._read("H", offset)
        for place in range(count):
            entry = offset + 2 + place * _ENTRY
            _, kind, values, value = self._read("HHII", entry)
            self._wipe_value(entry, kind, values, value)
        self._zero(offset, 2 + count * _ENTRY)

    def _wipe_value(self, entry: int, kind: int, count: int, value: int) -> None:
        size = _VALUE_SIZES.get(kind, 1) * count
        if size > 4:
            self._zero(value, size)
        else:
            self._zero(entry + 8, 4)

    def _remove(self, directory: int, place: int) -> None:
        """Take an entry out and move the rest, with the pointer to the next directory, up."""
        (count,) = self._read("H", directory)
        start = self._start + directory + 2 + place * _ENTRY
        end = self._start + directory + 2 + count * _ENTRY + 4
        self._data[start:end] = self._data[start + _ENTRY : end] + bytes(_ENTRY)
        struct.pack_into(f"{self._order}H", self._data, self._start + directory, count - 1)

    def _zero(self, offset: int, size: int) -> None:
        start = self._start + offset
        if start + size > len(self._data):
            raise MetadataUnreadable
        self._data[start : start + size] = bytes(size)

    def _read(self, layout: str, offset: int) -> tuple[int, ...]:
        return struct.unpack_from(f"{self._order}{layout}", self._data, self._start + offset)


def _blank_xmp(data: bytearray) -> None:
    for packet in _XMP.finditer(bytes(data)):
        blanked = packet[0]
        for pattern in (_XMP_ATTRIBUTE, _XMP_ELEMENT):
            blanked = pattern.sub(lambda found: b" " * len(found[0]), blanked)
        data[packet.start() : packet.end()] = blanked


def _blank_iptc(data: bytearray) -> None:
    """City, sublocation, region and country of IPTC's first generation, within its own JPEG segment."""
    for block in _IPTC.finditer(bytes(data)):
        (length,) = struct.unpack_from(">H", data, max(0, block.start() - 2))
        end = min(len(data), block.start() - 2 + length)
        for field in _IPTC_PLACE.finditer(bytes(data[block.end() : end])):
            start = block.end() + field.end()
            (size,) = struct.unpack_from(">H", data, start)
            size = min(size, end - start - 2)
            data[start + 2 : start + 2 + size] = b" " * size


def _mend_checksums(data: bytearray) -> None:
    """PNG's chunks carry a CRC."""
    place = len(_PNG)
    while place + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, place)
        if place + 12 + size > len(data):
            return
        if bytes(data[place + 4 : place + 8]) in {b"eXIf", b"iTXt", b"tEXt"}:
            struct.pack_into(">I", data, place + 8 + size, zlib.crc32(bytes(data[place + 4 : place + 8 + size])))
        place += 12 + size
