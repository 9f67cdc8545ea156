"""Supabase Auth over HTTP, as an `IdentityProvider`.

Plain requests and not the supabase client: that one keeps a session, so one shared by all requests would mix people up.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from shared.rotation import Secret, current, renewed

from api.auth import errors
from api.http.identity import SignedIn, SignInRefused, SignOutScope

if TYPE_CHECKING:
    import httpx
    from shared.db import Connection

_TIMEOUT_S = 10
# A project may let access tokens live a week at most; one that was signed before the account went is good until then.
_TOKENS_LIVE = timedelta(days=7, hours=1)
_REFUSALS: dict[str, type[SignInRefused]] = {
    refusal.code: refusal
    for refusal in (
        errors.UserAlreadyExists,
        errors.SamePassword,
        errors.RefreshTokenNotFound,
        errors.RefreshTokenAlreadyUsed,
        errors.ValidationFailed,
        errors.EmailNotConfirmed,
        errors.SignUpDisabled,
        SignInRefused,
    )
} | {
    "email_exists": errors.UserAlreadyExists,
    "session_not_found": errors.RefreshTokenNotFound,
    "session_expired": errors.RefreshTokenNotFound,
    "email_address_invalid": errors.ValidationFailed,
}

log = logging.getLogger(__name__)


class SupabaseProvider:
    """One project's Auth service, with the anonymous key that every request must carry.

    The service key is for removing accounts alone; it may do anything in the project, so nothing else is ever sent with it.
    """

    def __init__(
        self, url: str, anon_key: str, service_key: Secret | None = None, *, timeout_s: float = _TIMEOUT_S
    ) -> None:
        self._url = url
        self._timeout_s = timeout_s
        self._anon_key = anon_key
        self._service_key = service_key
        self._client: httpx.AsyncClient | None = None

    async def sign_up(self, email: str, password: str, metadata: Mapping[str, Any]) -> SignedIn:
        """Make an account; raises `EmailNotConfirmed` when the project wants the address confirmed first."""
        body = {"email": email, "password": password, "data": dict(metadata)}
        answer = await self._post("/signup", body)
        if "access_token" not in answer:
            raise errors.EmailNotConfirmed
        return _signed_in(answer)

    async def sign_in(self, email: str, password: str) -> SignedIn:
        """Begin a session."""
        return _signed_in(await self._post("/token?grant_type=password", {"email": email, "password": password}))

    async def refresh(self, connection: Connection, refresh_token: str) -> SignedIn | SignInRefused:  # noqa: ARG002
        """Exchange a refresh token. If our own transaction is lost afterwards, Supabase lets the token be exchanged again."""
        try:
            return await self.exchange(refresh_token)
        except SignInRefused as refused:
            return refused

    async def exchange(self, refresh_token: str) -> SignedIn:
        """Exchange a refresh token."""
        return _signed_in(await self._post("/token?grant_type=refresh_token", {"refresh_token": refresh_token}))

    async def is_alive(self, connection: Connection, session_id: str | None) -> bool:  # noqa: ARG002
        """Supabase alone knows, and says so at the next exchange."""
        return True

    async def sign_out(self, user_id: UUID, session_id: str | None, access_token: str, scope: SignOutScope) -> None:  # noqa: ARG002
        """End sessions; a token that Supabase no longer accepts has none to end."""
        response = await self._send(f"/logout?scope={scope}", None, {"Authorization": f"Bearer {access_token}"})
        if response.status_code not in {200, 204, 401, 403, 404}:
            raise errors.ProviderUnavailable

    @property
    def tokens_live(self) -> timedelta:
        """Supabase's tokens outlive what they were signed for."""
        return _TOKENS_LIVE

    async def confirm(self, user_id: UUID, email: str, password: str) -> None:
        """Sign in anew, and out of that session again."""
        proof = await self.sign_in(email, password)
        if proof.user_id != user_id:
            raise SignInRefused
        try:
            await self.sign_out(user_id, None, proof.access_token, "local")
        except errors.ProviderUnavailable:
            log.warning("a session that was only to prove a password could not be ended; it expires by itself")

    def check_can_erase(self) -> None:
        """Only with the service key."""
        if not self._service_key:
            raise errors.ErasureUnavailable

    async def erase(self, user_id: UUID) -> None:
        """Remove the account there."""
        self.check_can_erase()
        key = current(self._service_key or "")
        response = await self._remove(user_id, key)
        if response.status_code in {401, 403} and await renewed(self._service_key or "", key):
            response = await self._remove(user_id, current(self._service_key or ""))
        if response.status_code in {401, 403}:
            log.error("Supabase Auth refuses SUPABASE_SERVICE_KEY: an account waits to be removed there")
        if response.status_code not in {200, 204, 404}:
            raise errors.ProviderUnavailable

    async def _remove(self, user_id: UUID, key: str) -> httpx.Response:
        headers = {"apikey": key, "Authorization": f"Bearer {key}"}
        return await self._send(f"/admin/users/{user_id}", None, headers, method="DELETE")

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()

    async def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        response = await self._send(path, body, {})
        answer = _json(response)
        if response.status_code == 200 and answer:
            return answer
        raise _refusal(response, answer)

    async def _send(
        self, path: str, body: Mapping[str, Any] | None, headers: Mapping[str, str], method: str = "POST"
    ) -> httpx.Response:
        import httpx

        if self._client is None:
            self._client = httpx.AsyncClient(timeout=self._timeout_s, headers={"apikey": self._anon_key})
        try:
            return await self._client.request(method, f"{self._url}{path}", json=body, headers=headers)
        except httpx.HTTPError as away:
            log.warning("Supabase Auth could not be reached: %s", type(away).__name__)
            raise errors.ProviderUnavailable from away


def _signed_in(answer: Mapping[str, Any]) -> SignedIn:
    try:
        user = answer["user"]
        return SignedIn(
            answer["access_token"],
            answer["refresh_token"],
            int(answer["expires_at"]),
            UUID(user["id"]),
            None,
            user,
        )
    except (KeyError, TypeError, ValueError) as strange:
        raise errors.ProviderUnavailable from strange


def _refusal(response: httpx.Response, answer: Mapping[str, Any]) -> Exception:
    code = answer.get("error_code") or answer.get("code")
    message = str(answer.get("msg") or answer.get("message") or "") or None
    if response.status_code == 429:
        return errors.SignInsTooMany({"Retry-After": _wait(response.headers.get("Retry-After", ""))})
    # 401 is about our own API key, and no reason to sign anybody out.
    if not 400 <= response.status_code < 500 or response.status_code == 401 or not answer:
        return errors.ProviderUnavailable()
    if code == "weak_password":
        weak = answer.get("weak_password")
        reasons = weak.get("reasons") if isinstance(weak, dict) else None
        return errors.WeakPassword(message, reasons=tuple(map(str, reasons or ())))
    return _REFUSALS.get(str(code), SignInRefused)(message)


def _wait(given: str) -> str:
    """Seconds to wait: as the provider says, where it says so in seconds."""
    return given if given.isascii() and given.isdigit() and 0 < int(given) <= 3600 else "60"


def _json(response: httpx.Response) -> dict[str, Any]:
    try:
        answer = response.json()
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
