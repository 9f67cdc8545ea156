"""What can go wrong with an upload."""

from shared.errors import Conflict, Forbidden, NotFound, TooLarge, Unprocessable


class UploadNotFound(NotFound):
    """No such upload, or in nobody's space of the caller."""

    code = "upload_not_found"
    default_detail = (
        "There is no such upload in your spaces. One that is not completed in time is removed: upload the file again."
    )


class SpaceNotFound(NotFound):
    """No such space, or one the caller is not in."""

    code = "space_not_found"
    default_detail = "There is no such space, or you do not belong to it."


class SpaceReadOnly(Forbidden):
    """The caller is a viewer there."""

    code = "space_read_only"
    default_detail = "You may read this space, but not write to it. Ask an owner to make you an editor."


class UploadTypeUnsupported(Unprocessable):
    """A type that is not on the list."""

    code = "upload_type_unsupported"
    title = "This type of file is not taken"
    default_detail = (
        "Upload a PDF, DOCX, Markdown, HTML or text file, a photo (JPEG, PNG, WebP, HEIC, AVIF, GIF) "
        "or a recording (M4A, MP3, WAV, OGG, WebM, AAC, FLAC)."
    )


class UploadTooLarge(TooLarge):
    """Larger than a file of its kind may be."""

    code = "upload_too_large"
    title = "The file is too large"


class StorageQuotaExceeded(TooLarge):
    """The space is full."""

    code = "storage_quota_exceeded"
    title = "The space is full"
    default_detail = "The files of this space take all the room it has. Delete some and try again."


class TooManyPendingUploads(Conflict):
    """Uploads are begun and not completed."""

    code = "too_many_pending_uploads"
    default_detail = "Too many uploads of this space are begun and not completed. Complete or delete them first."


class UploadNotReceived(Conflict):
    """Completed before the file came."""

    code = "upload_not_received"
    title = "The file has not come yet"
    default_detail = "PUT the file to the address of the upload first, then complete it."


class UploadNotReady(Conflict):
    """Asked for before it was completed."""

    code = "upload_not_ready"
    title = "The upload is not complete"
    default_detail = "PUT the file, then call POST /api/v1/uploads/{id}/complete."


class UploadInOnePiece(Conflict):
    """It has no parts."""

    code = "upload_in_one_piece"
    default_detail = (
        "This upload was not begun in parts: PUT the whole file to its address, or begin a new one with `multipart`."
    )


class UploadIsReady(Conflict):
    """It is complete: nothing more can come."""

    code = "upload_ready"
    default_detail = "This upload is complete. Begin a new one for another file."


class UploadAttached(Conflict):
    """It belongs to an entry."""

    code = "upload_attached"
    default_detail = "The file belongs to an entry. Delete the entry, and the file goes with it."


class UploadAwaited(Conflict):
    """Tasks are still to read it."""

    code = "upload_awaited"
    default_detail = (
        "Tasks of a job are still to read this file. Wait until the job has ended, or cancel it; then delete the file."
    )


class NoThumbnail(NotFound):
    """There is no picture of this file, or not yet."""

    code = "no_thumbnail"
    default_detail = "There is no picture of this file, or not yet. Photos get theirs when their entry is understood."


class UploadMismatch(Unprocessable):
    """What came is not what was announced. Nothing remains of it."""

    code = "upload_mismatch"
    title = "Not the file that was announced"


class UploadSizeMismatch(UploadMismatch):
    """Another length."""

    code = "upload_size_mismatch"


class UploadReplaced(UploadMismatch):
    """Another version came while the first was being completed."""

    code = "upload_replaced"
    default_detail = (
        "Another file came to the same address while this one was completed. Nothing was kept; upload the file again."
    )


class UploadHashMismatch(UploadMismatch):
    """Another SHA-256."""

    code = "upload_hash_mismatch"
    default_detail = "The SHA-256 of what came is not the announced one. Nothing was kept; upload the file again."


class UploadTypeMismatch(UploadMismatch):
    """Another type."""

    code = "upload_type_mismatch"
    default_detail = "The file is not of the type that was announced. Nothing was kept; upload it under its real type."
