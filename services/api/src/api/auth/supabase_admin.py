"""Accounts of a Supabase project as whoever holds its service key sees them: for the command line, never for a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from api.auth import errors
from api.http.identity import SignInRefused

if TYPE_CHECKING:
    import httpx

_TIMEOUT_S = 15
_PAGE = 200
_MOST_PAGES = 500


class SupabaseAccounts:
    """Makes and finds accounts. Raises `SignInRefused` for what Supabase refuses and `ProviderUnavailable` for everything else that goes wrong."""

    def __init__(self, url: str, service_key: str) -> None:
        self._url = url
        self._headers = {"apikey": service_key, "Authorization": f"Bearer {service_key}"}

    async def make(self, email: str, password: str) -> UUID | None:
        """An account whose address needs no confirmation; None when somebody has the address."""
        status, answer = await self._call(
            "POST", "/admin/users", {"email": email, "password": password, "email_confirm": True}
        )
        if status == 422 and _code(answer) in {"email_exists", "user_already_exists"}:
            return None
        return _id(_accepted(status, answer))

    async def find(self, email: str) -> UUID | None:
        """The account with this address. Supabase cannot be asked for one, so it is looked for page by page."""
        for page in range(1, _MOST_PAGES + 1):
            status, answer = await self._call("GET", f"/admin/users?page={page}&per_page={_PAGE}", None)
            users = _accepted(status, answer).get("users")
            if not isinstance(users, list):
                raise errors.ProviderUnavailable
            for user in users:
                if isinstance(user, dict) and str(user.get("email", "")).lower() == email:
                    return _id(user)
            if len(users) < _PAGE:
                return None
        return None

    async def set_password(self, user_id: UUID, password: str) -> None:
        """Give an account another password."""
        _accepted(*await self._call("PUT", f"/admin/users/{user_id}", {"password": password}))

    async def _call(self, method: str, path: str, body: Mapping[str, Any] | None) -> tuple[int, dict[str, Any]]:
        import httpx

        async with httpx.AsyncClient(timeout=_TIMEOUT_S, headers=self._headers) as client:
            try:
                response = await client.request(method, f"{self._url}{path}", json=body)
            except httpx.HTTPError as away:
                raise errors.ProviderUnavailable from away
        return response.status_code, _json(response)


def _accepted(status: int, answer: dict[str, Any]) -> dict[str, Any]:
    if status in {200, 201}:
        return answer
    if status in {401, 403}:
        raise errors.ProviderUnavailable(
            "Supabase refuses SUPABASE_SERVICE_KEY: use the project's service (secret) key."
        )
    if 400 <= status < 500 and status != 429 and answer:
        raise SignInRefused(str(answer.get("msg") or answer.get("message") or "") or None)
    raise errors.ProviderUnavailable


def _code(answer: Mapping[str, Any]) -> str:
    return str(answer.get("error_code") or answer.get("code"))


def _id(user: Mapping[str, Any]) -> UUID:
    try:
        return UUID(str(user["id"]))
    except (KeyError, ValueError) as strange:
        raise errors.ProviderUnavailable from strange


def _json(response: httpx.Response) -> dict[str, Any]:
    try:
        answer = response.json()
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
