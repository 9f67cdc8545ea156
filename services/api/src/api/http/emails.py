"""One spelling for an e-mail address."""

import re
import unicodedata

from api.http.identity import SignInRefused

MAX_LENGTH = 254
_MAX_LOCAL = 64
# Deliberately loose (only a message proves an address), but nothing that a header, a log or a database would choke on.
_SHAPE = re.compile(r"[^\s@\"(),:;<>\[\]\\]+@(?:[\w](?:[\w-]*[\w])?\.)*[\w](?:[\w-]*[\w])?")


class EmailInvalid(SignInRefused):
    """No e-mail address."""

    code = "validation_failed"
    title = "Not an e-mail address"
    default_detail = "Unable to validate email address: invalid format"


def normalise(email: str) -> str:
    """NFKC, lower case, no spaces around; raises `EmailInvalid` for what is no address."""
    spelled = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", email.strip()).lower())
    local = spelled.partition("@")[0]
    if (
        len(spelled) > MAX_LENGTH
        or len(local) > _MAX_LOCAL
        or not _SHAPE.fullmatch(spelled)
        or not spelled.isprintable()
    ):
        raise EmailInvalid
    return spelled
