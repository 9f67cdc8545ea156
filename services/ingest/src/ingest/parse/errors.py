"""Why a file was refused: stable codes for an entry's `error`, and a sentence that says what to do."""

from shared.errors import TooLarge, Unavailable, Unprocessable


class FileRefused(Unprocessable):
    """A file that cannot be understood; trying again without changing it is of no use."""

    code = "file_refused"
    title = "The file cannot be read"


class FileEncrypted(FileRefused):
    """It needs a password."""

    code = "file_encrypted"
    default_detail = "The file is protected by a password. Save a copy without the password and upload that."


class FileBroken(FileRefused):
    """It does not hold together."""

    code = "file_broken"
    default_detail = "The file is damaged, or not what its name says. Open it, save it again and upload the new copy."


class FileTypeMismatch(FileRefused):
    """Its bytes are of another type than was said."""

    code = "file_type_mismatch"
    default_detail = "The file is not of the type that its name says. Rename or convert it and upload it again."


class FileTypeUnsupported(FileRefused):
    """Nothing here reads this type."""

    code = "file_type_unsupported"
    default_detail = "This type of file cannot be read here. Convert it to PDF, DOCX, Markdown, HTML or plain text."


class FileOversized(TooLarge):
    """It is, or unpacks to, more than is read here."""

    code = "file_too_large"
    title = "The file is too large"
    default_detail = "The file holds more than can be read here. Split it and upload the parts."


class ParseTimedOut(FileRefused):
    """Reading it took longer than a file may take."""

    code = "parse_timeout"
    default_detail = "Reading the file took too long and was stopped. Split it, or save it in a simpler format."


class ParseOutOfMemory(FileRefused):
    """Reading it took more memory than a file may take."""

    code = "parse_out_of_memory"
    default_detail = "Reading the file took too much memory and was stopped. Split it, or save it in a simpler format."


class SandboxAway(Unavailable):
    """The process that reads files could not be started, or went away; trying again may help."""

    code = "sandbox_unavailable"
    default_detail = "Files cannot be read right now. Nothing was lost; it will be tried again."


_REFUSALS = (
    FileRefused,
    FileEncrypted,
    FileBroken,
    FileTypeMismatch,
    FileTypeUnsupported,
    FileOversized,
    ParseTimedOut,
    ParseOutOfMemory,
)
Refusal = FileRefused | FileOversized
REFUSALS: dict[str, type[Refusal]] = {refusal.code: refusal for refusal in _REFUSALS}
