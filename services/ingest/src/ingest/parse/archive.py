"""Looking into a ZIP before anything in it is unpacked."""

import zipfile
from typing import BinaryIO

from ingest.parse.errors import FileBroken, FileEncrypted, FileOversized, FileTypeMismatch, FileTypeUnsupported

MAX_MEMBERS = 5_000
MAX_XML = 48 * 1024 * 1024
MAX_UNPACKED = 256 * 1024 * 1024
_ZIP = b"PK\x03\x04"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED_PACKAGE = "EncryptedPackage".encode("utf-16-le")
_MARKERS = tuple(
    text.encode(encoding) for text in ("<!DOCTYPE", "<!ENTITY") for encoding in ("ascii", "utf-16-le", "utf-16-be")
)
_PIECE = 256 * 1024
_OVERLAP = 32
_ENCRYPTED = 0x1


def check_docx(file: BinaryIO) -> None:
    """Raise unless this is a DOCX that unpacks to a bearable size and whose XML defines no entities. The sizes in the directory may lie:
    `zipfile` then stops at what was said and finds the checksum wrong."""
    _check_container(file)
    try:
        with zipfile.ZipFile(file) as archive:
            _check_members(archive.infolist())
            if "word/document.xml" not in archive.namelist():
                raise FileTypeMismatch("The file is a ZIP archive, but not a Word document. Save it as DOCX.")
            for member in archive.infolist():
                if member.filename.lower().endswith((".xml", ".rels")):
                    _check_xml(archive, member)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, ValueError) as broken:
        raise FileBroken from broken
    file.seek(0)


def _check_container(file: BinaryIO) -> None:
    head = file.read(8)
    if head.startswith(_OLE):
        file.seek(0)
        if _ENCRYPTED_PACKAGE in file.read(1024 * 1024):
            raise FileEncrypted
        raise FileTypeUnsupported("This is an old Word document (DOC). Save it as DOCX and upload that.")
    if not head.startswith(_ZIP):
        raise FileTypeMismatch("The file is not a Word document. Save it as DOCX.")
    file.seek(0)


def _check_members(members: list[zipfile.ZipInfo]) -> None:
    if len(members) > MAX_MEMBERS:
        raise FileOversized(f"The document has more than {MAX_MEMBERS:,} parts. Save it anew and upload that.")
    if any(member.flag_bits & _ENCRYPTED for member in members):
        raise FileEncrypted
    xml = max(
        (member.file_size for member in members if member.filename.lower().endswith((".xml", ".rels"))), default=0
    )
    if sum(member.file_size for member in members) > MAX_UNPACKED or xml > MAX_XML:
        raise FileOversized("The document unpacks to far more than can be read here. Split it and upload the parts.")


def _check_xml(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """OOXML allows no document type definition, so nobody needs one who means well."""
    with archive.open(member) as part:
        kept = b""
        while piece := part.read(_PIECE):
            window = kept + piece
            if any(marker in window for marker in _MARKERS):
                raise FileBroken(
                    "The document defines XML entities, which Word documents never do. Save it anew and upload that."
                )
            kept = window[-_OVERLAP:]
