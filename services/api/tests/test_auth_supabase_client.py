"""The client library that people use with Supabase, against the built-in provider."""

from __future__ import annotations

import pytest
from shared.testing.identity import PASSWORD
from supabase import Client, ClientOptions, create_client
from supabase_auth.errors import AuthApiError, AuthWeakPasswordError


def client_for(url: str) -> Client:
    return create_client(url, "any-anon-key", ClientOptions(auto_refresh_token=False))


def test_the_whole_life_of_an_account(gateway_url: str) -> None:
    client = client_for(gateway_url)
    made = client.auth.sign_up(
        {"email": "jiwoo@example.com", "password": PASSWORD, "options": {"data": {"name": "지우"}}}
    )
    assert made.user is not None
    assert made.session is not None
    assert made.user.email == "jiwoo@example.com"
    assert made.user.identities is not None
    assert made.user.identities[0].provider == "email"

    client.auth.sign_out()
    assert client.auth.get_session() is None
    signed_in = client.auth.sign_in_with_password({"email": "jiwoo@example.com", "password": PASSWORD})
    assert signed_in.session is not None
    seen = client.auth.get_user()
    assert seen is not None
    assert seen.user.user_metadata == {"name": "지우"}

    claims = client.auth.get_claims()
    assert claims is not None
    assert claims["claims"]["sub"] == made.user.id

    renewed = client.auth.refresh_session()
    assert renewed.session is not None
    assert renewed.session.refresh_token != signed_in.session.refresh_token
    changed = client.auth.update_user({"password": "바꾼 마루 암호 7", "data": {"name": "민지"}})
    assert changed.user.user_metadata == {"name": "민지"}
    restored = client_for(gateway_url).auth.set_session(renewed.session.access_token, renewed.session.refresh_token)
    assert restored.user is not None

    client.auth.sign_out({"scope": "global"})
    with pytest.raises(AuthApiError) as refused:
        client_for(gateway_url).auth.refresh_session(renewed.session.refresh_token)
    assert refused.value.code == "refresh_token_not_found"


def test_refusals_carry_the_codes_that_the_client_knows(gateway_url: str) -> None:
    client = client_for(gateway_url)
    with pytest.raises(AuthWeakPasswordError) as weak:
        client.auth.sign_up({"email": "jiwoo@example.com", "password": "short"})
    assert (weak.value.code, weak.value.reasons) == ("weak_password", ["length"])
    client.auth.sign_up({"email": "jiwoo@example.com", "password": PASSWORD})
    with pytest.raises(AuthApiError) as taken:
        client.auth.sign_up({"email": "jiwoo@example.com", "password": PASSWORD})
    assert (taken.value.code, taken.value.status, taken.value.message) == (
        "user_already_exists",
        422,
        "User already registered",
    )
    with pytest.raises(AuthApiError) as wrong:
        client.auth.sign_in_with_password({"email": "jiwoo@example.com", "password": "something else"})
    assert (wrong.value.code, wrong.value.status) == ("invalid_credentials", 400)
    with pytest.raises(AuthApiError) as unreadable:
        client.auth.sign_in_with_password({"email": "no address", "password": "something else"})
    assert (unreadable.value.code, unreadable.value.status) == ("validation_failed", 400)
    with pytest.raises(AuthApiError) as bad:
        client.auth.get_user("not.a.token")
    assert (bad.value.code, bad.value.status) == ("bad_jwt", 403)
