"""What can go wrong with stored files."""

from shared.errors import BadRequest, Conflict, Forbidden, NotFound, TooLarge, Unavailable, Unprocessable


class InvalidObjectKey(BadRequest):
    """No object can have this name."""

    code = "invalid_object_key"
    title = "Not a name of a file"
    default_detail = "Use the address exactly as it was given."


class ObjectMissing(NotFound):
    """Nothing is stored under this key."""

    code = "file_not_found"
    title = "There is no such file"
    default_detail = "The file is not stored, or no longer."


class ObjectChanged(Conflict):
    """What lies under this key is not the version that was looked at."""

    code = "file_changed"
    title = "The file was replaced meanwhile"
    default_detail = "Another file came to the same address while this one was looked at. Nothing was kept."


class PartsGone(NotFound):
    """No such upload in parts: it was put together, given up or never begun."""

    code = "parts_not_found"
    title = "There is no such upload in parts"
    default_detail = "The parts were put together or given up already. Ask again for addresses, or begin a new upload."


class PartsMissing(Conflict):
    """Put together before all parts came. What came stays."""

    code = "parts_missing"
    title = "Not all parts have come yet"


class PartsRefused(Conflict):
    """The parts do not make an object: one is missing, out of order, changed, or too small for a part that is not the last."""

    code = "parts_refused"
    title = "The parts do not make a file"
    default_detail = "A part is missing, was replaced meanwhile, or is smaller than 5 MiB without being the last."


class ObjectTooLarge(TooLarge):
    """The object is larger than whoever asked for it can take."""

    code = "file_too_large"
    title = "The file is too large"
    default_detail = "Send a smaller file."


class BodyDiffers(Unprocessable):
    """The bytes that came are not those that were announced."""

    code = "file_differs"
    title = "Not the file that was announced"
    default_detail = "Length or SHA-256 differ from what was announced. Nothing was stored; ask for a new upload address and send the file again."


class LinkRefused(Forbidden):
    """A signed address that was changed, or is used for something else than it was given for."""

    code = "link_refused"
    title = "The address does not allow this"
    default_detail = "Use the method, headers and address exactly as they were given."


class LinkExpired(Forbidden):
    """A signed address whose time is over."""

    code = "link_expired"
    title = "The address has expired"
    default_detail = "Ask for a new address and use it at once."


class StorageAway(Unavailable):
    """The object store does not answer."""

    code = "storage_unavailable"
    default_detail = "The file store does not answer. Nothing was lost; try again in a moment."
