"""Which addresses and passwords are accepted; nothing that anybody sends breaks anything."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import asyncpg
import httpx
import pytest
from api.auth.passwords import check_strength, prepare
from api.http.emails import EmailInvalid, normalise
from api.http.identity import SignInRefused
from hypothesis import given
from hypothesis import strategies as st
from shared.testing.identity import PASSWORD


@pytest.mark.parametrize(
    ("given_", "kept"),
    [
        ("Jiwoo@Example.COM", "jiwoo@example.com"),
        ("  jiwoo@example.com\n", "jiwoo@example.com"),
        ("ＪＩＷＯＯ＠ｅｘａｍｐｌｅ．ｃｏｍ", "jiwoo@example.com"),
        (unicodedata.normalize("NFD", "지우@예시.한국"), "지우@예시.한국"),
        ("first.last+tag@sub.example.co.kr", "first.last+tag@sub.example.co.kr"),
        ("root@localhost", "root@localhost"),
    ],
)
def test_an_address_has_one_spelling(given_: str, kept: str) -> None:
    assert normalise(given_) == kept


@pytest.mark.parametrize(
    "address",
    ["", "@", "jiwoo", "jiwoo@", "@example.com", "a b@example.com", "a@b@c.com", "a@-b.com", "a@b-.com", "a@b..com",
     "a\x00b@example.com", "a@exam\nple.com", "<a@example.com>", "a,b@example.com", "a" * 65 + "@example.com",
     "a@" + "b" * 250 + ".com", "a@example.com\u202e", "\ud800@example.com"],
)  # fmt: skip
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(EmailInvalid):
        normalise(address)


@given(st.text(max_size=80))
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    try:
        once = normalise(text)
    except EmailInvalid:
        return
    assert normalise(once) == once
    assert once == once.lower()
    once.encode()


@given(st.text(max_size=30).map(lambda local: local + "@example.com"))
def test_whatever_is_accepted_is_printable_and_bounded(text: str) -> None:
    try:
        address = normalise(text)
    except EmailInvalid:
        return
    assert address.isprintable()
    assert len(address) <= 254


@pytest.mark.parametrize("password", ["", "1234567", "password", "PASSWORD123", "12345678", "qwer1234", "aaaaaaaa", "abababab",
                                      "비밀번호비밀번호", "jiwoo.kim", "jiwoo.kim@example.com"])  # fmt: skip
def test_a_password_that_anybody_would_try_is_refused(password: str) -> None:
    with pytest.raises(SignInRefused) as refused:
        check_strength(prepare(password), "jiwoo.kim@example.com")
    assert (refused.value.status, refused.value.code) == (422, "weak_password")


@pytest.mark.parametrize("password", ["correct horse", "마루에 앉은 고양이", "x7!kQ2#pL", "🏠🌿🌙⭐🌊🔥🌸🍀"])
def test_a_password_of_some_length_is_accepted(password: str) -> None:
    check_strength(prepare(password), "jiwoo@example.com")


SIGN_UPS: list[Any] = [
    {},
    {"email": "a@example.com"},
    {"email": "no address", "password": PASSWORD},
    {"email": "a@example.com", "password": "kurz"},
    {"email": "a@example.com", "password": "x" * 2_000},
    {"email": "a@example.com", "password": PASSWORD + "\x00"},
    {"email": "a\x00@example.com", "password": PASSWORD},
    {"email": "a@example.com", "password": "\ud800" * 9},
    {"email": "\ud800@example.com", "password": PASSWORD},
    {"email": "a@example.com", "password": PASSWORD, "data": {"k": "\x00"}},
    {"email": "a@example.com", "password": PASSWORD, "data": {"\x00": "v"}},
    {"email": "a@example.com", "password": PASSWORD, "data": {"k": "\ud800"}},
    {"email": "a@example.com", "password": PASSWORD, "data": {"\ud800": "v"}},
    {"email": "a@example.com", "password": PASSWORD, "data": {"k": "x" * 5_000}},
    {"email": "a@example.com", "password": PASSWORD, "data": {"k": float("inf")}},
    {"email": "a@example.com", "password": PASSWORD, "data": {"k": float("nan")}},
    {"email": "a@example.com", "password": PASSWORD, "data": []},
    {"email": ["a@example.com"], "password": PASSWORD},
    {"email": "a@example.com", "password": 12345678},
    [],
    None,
    "text",
]


@pytest.mark.parametrize("body", SIGN_UPS)
async def test_an_unfit_sign_up_is_refused_and_leaves_nothing(
    nobody: httpx.AsyncClient, database_url: str, body: Any
) -> None:
    headers = {"content-type": "application/json"}
    answer = await nobody.post("/auth/v1/signup", content=json.dumps(body), headers=headers)
    assert answer.status_code in {400, 422}, answer.text
    problem = answer.json()
    assert problem["code"] in {"validation_failed", "weak_password"}
    assert problem["msg"] == problem["message"] == problem["detail"]
    assert PASSWORD not in answer.text
    await nothing_is_stored(database_url)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"email":' * 2_000, b"[" * 100_000, b"1" * 5_000])
async def test_a_body_that_cannot_be_read_is_refused(
    nobody: httpx.AsyncClient, database_url: str, content: bytes
) -> None:
    for path in ("/auth/v1/signup", "/auth/v1/token?grant_type=password", "/api/v1/ui/tickets", "/api/v1/auth/token"):
        answer = await nobody.post(path, content=content, headers={"content-type": "application/json"})
        assert 400 <= answer.status_code < 500, (path, answer.text)
    await nothing_is_stored(database_url)


@pytest.mark.parametrize("grant", ["", "?grant_type=", "?grant_type=magic", "?grant_type=id_token"])
async def test_another_grant_is_refused(nobody: httpx.AsyncClient, grant: str) -> None:
    answer = await nobody.post(f"/auth/v1/token{grant}", json={"email": "a@example.com", "password": PASSWORD})
    assert (answer.status_code, answer.json()["code"]) == (400, "validation_failed")


@pytest.mark.parametrize(
    "data",
    [
        {"name": 7},
        {"name": ["a"]},
        {"name": ""},
        {"name": "\n\t"},
        {"name": "가" * 500},
        {"locale": "fr"},
        {"locale": {}},
    ],
)
async def test_strange_metadata_still_makes_a_profile_and_a_space(
    nobody: httpx.AsyncClient, data: dict[str, Any]
) -> None:
    body = {"email": "jiwoo@example.com", "password": PASSWORD, "data": data}
    session = await nobody.post("/auth/v1/signup", json=body)
    assert session.status_code == 200, session.text
    me = await nobody.get("/api/v1/me", headers={"Authorization": f"Bearer {session.json()['access_token']}"})
    assert me.json()["user"]["locale"] == "en"
    assert me.json()["spaces"][0]["name"]


async def nothing_is_stored(database_url: str) -> None:
    database = await asyncpg.connect(database_url)
    try:
        for table in ("idp.users", "maru.profiles", "maru.spaces", "maru.outbox", "maru.ui_tickets"):
            assert await database.fetchval(f"SELECT count(*) FROM {table}") == 0, table
    finally:
        await database.close()
