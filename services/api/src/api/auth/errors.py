"""Refusals of the identity provider, with Supabase Auth's codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.errors import Unavailable

from api.http.identity import SignInRefused


class UserAlreadyExists(SignInRefused):
    """Somebody has this address."""

    status = 422
    code = "user_already_exists"
    title = "Already registered"
    default_detail = "User already registered"


class WeakPassword(SignInRefused):
    """Too short, or among the first that anybody would try; `reasons` are Supabase's: length, pwned, characters."""

    status = 422
    code = "weak_password"
    title = "Password too weak"
    default_detail = "Choose a password of at least 8 characters that is not a common one."

    def __init__(self, detail: str | None = None, *, reasons: tuple[str, ...] = ("length",)) -> None:
        super().__init__(detail, weak_password={"reasons": list(reasons), "message": detail or self.default_detail})


class SamePassword(SignInRefused):
    """The new password is the present one."""

    status = 422
    code = "same_password"
    title = "Same password"
    default_detail = "New password should be different from the old password."


class RefreshTokenNotFound(SignInRefused):
    """Not a token of ours, expired, or its session was signed out."""

    code = "refresh_token_not_found"
    title = "Refresh token not valid"
    default_detail = "Invalid Refresh Token: Refresh Token Not Found"


class RefreshTokenAlreadyUsed(SignInRefused):
    """The token was exchanged before: somebody has a copy, so its whole session has ended."""

    code = "refresh_token_already_used"
    title = "Refresh token used twice"
    default_detail = "Invalid Refresh Token: Already Used"


class ValidationFailed(SignInRefused):
    """The body cannot be used."""

    code = "validation_failed"
    title = "A value is not valid"
    default_detail = "Check the request against /docs."


class EmailNotConfirmed(SignInRefused):
    """The provider has sent a message with a link, and waits for it to be followed."""

    code = "email_not_confirmed"
    title = "Confirm the address first"
    default_detail = "Open the link in the message that was sent to this address, then sign in."


class SignUpDisabled(SignInRefused):
    """The provider takes no new accounts."""

    status = 422
    code = "signup_disabled"
    title = "Sign-up is closed"
    default_detail = "Signups not allowed for this instance"


class NoAuthorization(SignInRefused):
    """No bearer token came with the request."""

    status = 401
    code = "no_authorization"
    title = "Sign in first"
    default_detail = "This endpoint requires a valid Bearer token"

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": "Bearer"})


class BadJwt(SignInRefused):
    """A bearer token came, but proves nothing."""

    status = 403
    code = "bad_jwt"
    title = "The access token is not valid"
    default_detail = "invalid JWT: unable to parse or verify signature, or the session has ended"


class SignInsTooMany(SignInRefused):
    """Over the limit of attempts."""

    status = 429
    code = "over_request_rate_limit"
    title = "Too many attempts"
    default_detail = "Request rate limit reached. Wait and try again."

    def __init__(self, headers: Mapping[str, str], **extra: Any) -> None:
        super().__init__(None, headers=headers, **extra)


class ProviderUnavailable(Unavailable):
    """Supabase Auth does not answer, or not to us."""

    code = "identity_provider_unavailable"
    title = "Sign-in is not available right now"
    default_detail = "The identity provider does not answer. Try again in a moment."


class ErasureUnavailable(Unavailable):
    """Supabase Auth removes accounts for the project's service key alone, and the gateway was given none."""

    code = "erasure_unavailable"
    title = "Accounts cannot be erased here yet"
    default_detail = "Nothing was erased. Whoever runs this installation has to set SUPABASE_SERVICE_KEY first."
