"""The built-in provider, over HTTP."""


import httpx
from shared.testing.identity import PASSWORD, SignUp

EMAIL = "하늘@example.com"


async def test_signing_up_signs_in_and_makes_a_personal_space(nobody: httpx.AsyncClient) -> None:
    answer = await nobody.post(
        "/auth/v1/signup",
        json={"email": " Jiwoo@Example.COM ", "password": PASSWORD, "data": {"name": "지우", "locale": "ko"}},
    )
    assert answer.status_code == 200, answer.text
    session = answer.json()
    assert session["user"]["email"] == "jiwoo@example.com"
    me = await nobody.get("/api/v1/me", headers={"Authorization": f"Bearer {session['access_token']}"})
    assert me.status_code == 200, me.text
    body = me.json()
    assert body["user"] | {"id": ""} == {
        "id": "",
        "email": "jiwoo@example.com",
        "display_name": "지우",
        "locale": "ko",
        "is_admin": False,
    }
    assert [(space["id"], space["kind"], space["role"]) for space in body["spaces"]] == [
        (body["personal_space_id"], "personal", "owner")
    ]


async def test_a_refresh_token_is_exchanged_once_and_its_reuse_ends_the_session(
    nobody: httpx.AsyncClient, sign_up: SignUp
) -> None:
    somebody = await sign_up()
    first = await nobody.post("/auth/v1/token?grant_type=refresh_token", json={"refresh_token": somebody.refresh_token})
    assert first.status_code == 200, first.text
    again = await nobody.post("/auth/v1/token?grant_type=refresh_token", json={"refresh_token": somebody.refresh_token})
    assert (again.status_code, again.json()["code"]) == (400, "refresh_token_already_used")
    successor = await nobody.post(
        "/auth/v1/token?grant_type=refresh_token", json={"refresh_token": first.json()["refresh_token"]}
    )
    assert (successor.status_code, successor.json()["code"]) == (400, "refresh_token_not_found")
    assert (await somebody.http.get("/api/v1/me")).status_code == 401
