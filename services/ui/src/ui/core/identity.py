"""Sign-in by ticket, and the sessions of a person."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from ui.core.api import Api
from ui.core.household import listed


class UiSession(BaseModel):
    """One browser that is signed in."""

    id: UUID
    created_at: datetime
    last_used_at: datetime | None = None
    user_agent: str | None = None
    current: bool = False


def ticket(email: str, password: str, *, name: str | None = None, user_agent: str = "") -> str:
    """Prove who one is and get a ticket that opens one session within 30 seconds; a `name` signs up first.

    The browser's name is shown among the signed-in sessions.
    """
    body: dict[str, object] = {"email": email, "password": password}
    if name is not None:
        body |= {"sign_up": True, "name": name} if name else {"sign_up": True}
    return str(Api(user_agent=user_agent).call("POST", "/api/v1/ui/tickets", body=body)["ticket"])


def redeem(ticket_value: str) -> tuple[str, int]:
    """Trade a ticket for a session handle and its life in seconds."""
    answer = Api().call("POST", "/api/v1/ui/sessions", body={"ticket": ticket_value})
    return str(answer["session"]), int(answer["max_age"])


def access_token(handle: str) -> str:
    """Trade the session handle for a short access token; the refresh token stays with the gateway."""
    return str(Api().call("POST", "/api/v1/ui/sessions/token", body={"session": handle})["access_token"])


def end(handle: str) -> None:
    Api().call("DELETE", "/api/v1/ui/sessions", body={"session": handle})


def ui_sessions(api: Api) -> list[UiSession]:
    return [UiSession.model_validate(row) for row in listed(api.call("GET", "/api/v1/ui/sessions"), "sessions")]


def end_everywhere(api: Api) -> None:
    api.call("POST", "/api/v1/ui/sessions/revoke-all")


def erase(api: Api, password: str) -> None:
    """Everything of one's own goes, and every session with it."""
    api.call("DELETE", "/api/v1/me", body={"password": password})
