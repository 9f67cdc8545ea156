"""What results are called in an archive: after their input, safe everywhere, each once. Pure."""

from __future__ import annotations

import mimetypes
import unicodedata

from shared.storage.disposition import safe_filename

_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10))}
_MOST_EXTENSION = 10


class ResultNames:
    """Gives out names; two that differ in case alone count as the same, since some file systems cannot hold both."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def next(self, seq: int, input_name: str | None, output_name: str | None, content_type: str | None) -> str:
        """The name of the next result: its input's, with the extension that the result has."""
        stem, extension = _parts(output_name or "")
        extension = extension or (mimetypes.guess_extension(content_type or "") or "")
        if input_name:
            stem = _parts(input_name)[0]
        stem = unicodedata.normalize("NFC", stem) or f"{seq + 1:05d}"
        if stem.partition(".")[0].strip().lower() in _RESERVED:
            stem = f"_{stem}"
        return self._once(stem, extension)

    def _once(self, stem: str, extension: str) -> str:
        name, number = f"{stem}{extension}", 2
        while name.casefold() in self._taken:
            name, number = f"{stem} ({number}){extension}", number + 1
        self._taken.add(name.casefold())
        return name


def _parts(name: str) -> tuple[str, str]:
    """Stem and extension (with its dot) of a name that somebody gave."""
    if not name.strip(" ."):
        return "", ""
    stem, dot, extension = safe_filename(name).rpartition(".")
    if not dot or not stem or not extension.isalnum() or len(extension) > _MOST_EXTENSION:
        return safe_filename(name), ""
    return stem.rstrip(" ."), f".{extension}"
