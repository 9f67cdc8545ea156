"""What can be wrong with a request about entries."""

from shared.errors import Conflict, Forbidden, NotFound, Unprocessable


class EntryNotFound(NotFound):
    """No such entry, or not in a space of this person."""

    code = "entry_not_found"
    default_detail = "There is no such entry, or it is not yours."


class SpaceNotFound(NotFound):
    """No such space, or not this person's."""

    code = "space_not_found"
    default_detail = "There is no such space, or you do not belong to it."


class PersonNotFound(NotFound):
    """The person is not in the space of the entry."""

    code = "person_not_found"
    default_detail = "There is no such person in this space. Add them under /api/v1/people first."


class UploadNotFound(NotFound):
    """An upload that is named does not exist in this space."""

    code = "upload_not_found"
    default_detail = "One of the uploads does not exist in this space. Upload the file to the space of the entry."


class UploadNotReady(Unprocessable):
    """An upload that is named was not completed."""

    code = "upload_not_ready"
    title = "An upload is not complete"
    default_detail = "PUT the file, then call POST /api/v1/uploads/{id}/complete, then save the entry."


class UploadAttachedElsewhere(Conflict):
    """A file belongs to one entry."""

    code = "upload_already_attached"
    default_detail = "One of the uploads belongs to another entry. Upload the file again for this one."


class UploadTypeUnfit(Unprocessable):
    """No attached file is of the entry's kind."""

    code = "upload_type_unfit"
    title = "No file of this kind"
    default_detail = "Attach at least one file of the entry's kind."


class NoteIsBlank(Unprocessable):
    """A note without text."""

    code = "note_blank"
    title = "The note is empty"
    default_detail = "Write something in `body`; for a file alone use kind photo, audio or document."


class SpaceReadOnly(Forbidden):
    """A viewer tries to write."""

    code = "space_read_only"
    default_detail = "You may read this space but not write to it. Ask an owner to make you an editor."


class VersionOutdated(Conflict):
    """Somebody else changed the entry first."""

    code = "version_outdated"
    default_detail = "The entry has a newer version. Read it, then apply your change to that."


class EntryNotFailed(Conflict):
    """Nothing to retry."""

    code = "entry_not_failed"
    default_detail = "Only an entry with status failed can be retried."


class InsightsNotReady(Conflict):
    """Nothing to correct yet."""

    code = "insights_not_ready"
    default_detail = "The insights of this entry have not arrived yet. Correct them when they are there."


class InsightNotCorrected(NotFound):
    """The field holds what was computed."""

    code = "insight_not_corrected"
    default_detail = "This field has no correction to undo."


class VersionNotFound(NotFound):
    """The entry has no version of that number."""

    code = "version_not_found"
    default_detail = "The entry has no such version."
