"""Being somebody."""

from __future__ import annotations

import secrets
from typing import Any

from maru.smoke.http import Broken, SignInRefused, Skipped, words
from maru.smoke.walk import Walk

_SIGN_UP = "POST /auth/v1/signup"
_BUILT_IN = "POST /auth/v1/token"


async def signed_in(walk: Walk) -> str:
    """With the account that was given, or with one made for the walk."""
    if walk.options.email:
        walk.email, walk.password = walk.options.email, walk.options.password
        await sign_in(walk)
        return walk.email
    if not walk.can(_SIGN_UP):
        raise Broken("People sign up elsewhere here, so the walk needs an account: give --email and --password-stdin")
    walk.email, walk.password = f"{walk.word}@maru.example", secrets.token_urlsafe(24)
    # From here on it may exist, whatever is answered.
    walk.made_account = True
    body = {"email": walk.email, "password": walk.password, "data": {"name": "smoke"}}
    answer = await walk.api.answer("POST", "/auth/v1/signup", json=body)
    if not answer.is_success:
        walk.made_account = answer.status_code >= 500
        raise Broken(
            f"Sign-up answered {answer.status_code}: {words(answer.text)}; where it is closed, or wants a confirmation, "
            "give --email and --password-stdin"
        )
    token = answer.json().get("access_token")
    if not token:
        raise Broken(
            "Sign-up wants the address confirmed first: give --email and --password-stdin of an account that is"
        )
    walk.api.token = token
    return f"new account {walk.email}"


async def has_a_space(walk: Walk) -> str:
    """Everybody has a space of their own from the first moment."""
    me = await walk.api.ask("GET", "/api/v1/me", status=200)
    if me["user"]["email"].lower() != walk.email.lower():
        raise Broken(f"GET /api/v1/me says {me['user']['email']!r} to {walk.email}")
    if me["personal_space_id"] not in [space["id"] for space in me["spaces"]]:
        raise Broken("GET /api/v1/me names a personal space that is not among the person's spaces")
    return str(me["personal_space_id"])


async def signed_out(walk: Walk) -> str:
    """A session that was ended cannot be renewed. It is a second one: the first is needed to take the traces away."""
    if not walk.can("POST /auth/v1/logout"):
        raise Skipped("people sign out elsewhere here")
    session = await _session(walk)
    headers = {"Authorization": f"Bearer {session['access_token']}"}
    await walk.api.ask("POST", "/auth/v1/logout", params={"scope": "local"}, headers=headers)
    renewed = await walk.api.answer(
        "POST",
        "/auth/v1/token",
        params={"grant_type": "refresh_token"},
        json={"refresh_token": session["refresh_token"]},
    )
    if renewed.is_success:
        raise Broken("A session that was signed out could be renewed")
    return ""


async def sign_in(walk: Walk) -> None:
    """Act as the walk's account from now on."""
    walk.api.token = ""
    walk.api.token = str((await _session(walk))["access_token"])


async def _session(walk: Walk) -> dict[str, Any]:
    credentials = {"email": walk.email, "password": walk.password}
    if walk.can(_BUILT_IN):
        answer = await walk.api.answer("POST", "/auth/v1/token", params={"grant_type": "password"}, json=credentials)
    else:
        answer = await walk.api.answer("POST", "/api/v1/auth/token", json=credentials | {"grant_type": "password"})
    if not answer.is_success:
        kind = SignInRefused if 400 <= answer.status_code < 500 else Broken
        raise kind(f"{walk.email} cannot sign in ({answer.status_code}: {words(answer.text)})")
    session: dict[str, Any] = answer.json()
    return session
