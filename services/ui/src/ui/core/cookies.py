"""Names and reading of the two cookies."""

from collections.abc import Mapping

# Behind TLS the prefix makes the browser refuse a cookie set by a sibling domain or without Secure.
SECURE_NAME = "__Host-maru"
PLAIN_NAME = "maru_session"
LANGUAGE_NAME = "maru_lang"


def session_cookie_name(*, secure: bool) -> str:
    return SECURE_NAME if secure else PLAIN_NAME


def session_handle(cookies: Mapping[str, str]) -> str | None:
    """The opaque handle, whichever name it travels under."""
    return cookies.get(SECURE_NAME) or cookies.get(PLAIN_NAME) or None
