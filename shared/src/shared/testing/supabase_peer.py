"""A Supabase Auth for tests: accounts in memory, real signatures, the calls that we make and the refusals that we must understand."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from threading import Event
from typing import Any, Literal
from urllib.parse import parse_qs
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from shared.testing.http_peer import http_peer

ANON_KEY = "peer-anon-key"
SERVICE_KEY = "peer-service-key"
Algorithm = Literal["ES256", "RS256"]
Answer = tuple[int, Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """What one request is answered instead: `raw` is no JSON, `stalls` says nothing until the peer ends."""

    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes = b'{"message": "peer was told to fail"}'
    stalls: bool = False


@dataclass
class _Session:
    email: str
    ended: bool = False


@dataclass
class SupabasePeer:
    """The running service. `faults` are answered first, one a request; `requests` tells what came."""

    url: str = ""
    lifetime_s: int = 3600
    confirm_by_mail: bool = False
    closed: bool = False
    """Takes no new accounts."""
    faults: list[Fault] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    jwks: dict[str, Any] = field(default_factory=lambda: {"keys": []})
    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    over: Event = field(default_factory=Event)
    _keys: dict[str, tuple[Algorithm, Any]] = field(default_factory=dict)
    _passwords: dict[str, str] = field(default_factory=dict)
    _sessions: dict[str, _Session] = field(default_factory=dict)
    _refresh: dict[str, str] = field(default_factory=dict)
    _used: dict[str, str] = field(default_factory=dict)

    def fail(self, *statuses: int) -> None:
        """Answer the next requests with these."""
        self.faults += [Fault(status) for status in statuses]

    def end_sessions(self) -> None:
        """As when somebody signs everybody out in the dashboard."""
        for session in self._sessions.values():
            session.ended = True

    def add_key(self, algorithm: Algorithm = "ES256") -> str:
        """Sign with a new key from now on; its id."""
        kid = str(uuid4())
        key: Any
        if algorithm == "ES256":
            key = ec.generate_private_key(ec.SECP256R1())
            public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key()))
        else:
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
        self._keys[kid] = (algorithm, key)
        self.jwks["keys"] = [*self.jwks["keys"], public | {"kid": kid, "use": "sig", "alg": algorithm}]
        return kid

    def token(self, **claims: Any) -> str:
        """An access token with the newest key; `claims` override, and None leaves out."""
        now = int(time.time())
        full = {
            "iss": f"{self.url}/auth/v1",
            "aud": "authenticated",
            "sub": str(uuid4()),
            "iat": now,
            "exp": now + self.lifetime_s,
            "role": "authenticated",
            "email": f"{uuid4().hex[:8]}@example.com",
            "session_id": str(uuid4()),
            "user_metadata": {},
            "app_metadata": {"provider": "email"},
        } | claims
        kid, (algorithm, key) = list(self._keys.items())[-1]
        return jwt.encode({k: v for k, v in full.items() if v is not None}, key, algorithm, headers={"kid": kid})

    def answer(self, method: str, target: str, headers: dict[str, str], body: dict[str, Any]) -> Answer:
        """One request."""
        path, _, query = target.partition("?")
        parameters = {name: values[0] for name, values in parse_qs(query).items()}
        if path == "/auth/v1/.well-known/jwks.json":
            return 200, self.jwks
        if path.startswith("/auth/v1/admin/"):
            return self._admin(method, path.removeprefix("/auth/v1/admin/"), parameters, headers, body)
        if headers.get("apikey") != ANON_KEY:
            return 401, {"message": "No API key found in request"}
        match method, path:
            case "POST", "/auth/v1/signup":
                return self._sign_up(body)
            case "POST", "/auth/v1/token":
                return self._grant(parameters.get("grant_type", ""), body)
            case "POST", "/auth/v1/logout":
                return self._log_out(headers.get("authorization", ""), parameters.get("scope", "global"))
            case _:
                return 404, {"code": "not_found", "message": "not found"}

    def _admin(
        self, method: str, path: str, parameters: dict[str, str], headers: dict[str, str], body: dict[str, Any]
    ) -> Answer:
        if headers.get("apikey") != SERVICE_KEY or headers.get("authorization") != f"Bearer {SERVICE_KEY}":
            return 401, {"message": "Invalid API key"}
        kind, _, user_id = path.partition("/")
        found = [email for email, user in self.users.items() if user["id"] == user_id]
        match method, kind:
            case "GET", "users":
                size, page = int(parameters.get("per_page", "50")), int(parameters.get("page", "1"))
                return 200, {
                    "users": list(self.users.values())[size * (page - 1) : size * page],
                    "aud": "authenticated",
                }
            case "PUT", "users" if found:
                if (weak := _weak(body["password"])) is not None:
                    return weak
                self._passwords[found[0]] = body["password"]
                return 200, self.users[found[0]]
            case "POST", "users":
                if body["email"] in self.users:
                    return _refused(422, "email_exists", "A user with this email address has already been registered")
                if (weak := _weak(body["password"])) is not None:
                    return weak
                return 200, self._make(body)
            case "DELETE", "users" if found:
                self._remove(found[0])
                return 200, {}
            case "DELETE" | "PUT", "users":
                return _refused(404, "user_not_found", "User not found")
            case _:
                return 404, {"code": "not_found", "message": "not found"}

    def _sign_up(self, body: dict[str, Any]) -> Answer:
        email = body["email"]
        if self.closed:
            return _refused(422, "signup_disabled", "Signups not allowed for this instance")
        if email in self.users:
            return _refused(422, "user_already_exists", "User already registered")
        if (weak := _weak(body["password"])) is not None:
            return weak
        user = self._make(body)
        if self.confirm_by_mail:
            user["email_confirmed_at"] = None
            return 200, user
        return 200, self._begin(email)

    def _make(self, body: dict[str, Any]) -> dict[str, Any]:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        user = {
            "id": str(uuid4()),
            "aud": "authenticated",
            "role": "authenticated",
            "email": body["email"],
            "email_confirmed_at": now,
            "app_metadata": {"provider": "email"},
            "user_metadata": body.get("data") or body.get("user_metadata") or {},
            "created_at": now,
            "updated_at": now,
        }
        self.users[body["email"]], self._passwords[body["email"]] = user, body["password"]
        return user

    def _remove(self, email: str) -> None:
        del self.users[email], self._passwords[email]
        for session in self._sessions.values():
            session.ended |= session.email == email

    def _grant(self, kind: str, body: dict[str, Any]) -> Answer:
        if kind == "password":
            if self._passwords.get(body["email"]) != body["password"]:
                return _refused(400, "invalid_credentials", "Invalid login credentials")
            if self.users[body["email"]]["email_confirmed_at"] is None:
                return _refused(400, "email_not_confirmed", "Email not confirmed")
            return 200, self._begin(body["email"])
        token = body["refresh_token"]
        if (reused := self._used.get(token)) is not None:
            self._sessions[reused].ended = True
            return _refused(400, "refresh_token_already_used", "Invalid Refresh Token: Already Used")
        session_id = self._refresh.get(token)
        if session_id is None or self._sessions[session_id].ended:
            return _refused(400, "refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found")
        self._used[token] = self._refresh.pop(token)
        return 200, self._hand_out(session_id)

    def _log_out(self, authorization: str, scope: str) -> Answer:
        try:
            claims = jwt.decode(authorization.removeprefix("Bearer "), options={"verify_signature": False})
        except jwt.PyJWTError:
            return _refused(403, "bad_jwt", "invalid JWT")
        for session_id, session in self._sessions.items():
            own = session_id == claims["session_id"]
            if session.email == claims["email"] and (scope == "global" or own == (scope == "local")):
                session.ended = True
        return 204, None

    def _begin(self, email: str) -> dict[str, Any]:
        session_id = str(uuid4())
        self._sessions[session_id] = _Session(email)
        return self._hand_out(session_id)

    def _hand_out(self, session_id: str) -> dict[str, Any]:
        email, refresh = self._sessions[session_id].email, secrets.token_urlsafe(12)
        user = self.users[email]
        self._refresh[refresh] = session_id
        return {
            "access_token": self.token(
                sub=user["id"], email=email, user_metadata=user["user_metadata"], session_id=session_id
            ),
            "token_type": "bearer",
            "expires_in": self.lifetime_s,
            "expires_at": int(time.time()) + self.lifetime_s,
            "refresh_token": refresh,
            "user": user,
        }


def _refused(status: int, code: str, message: str) -> tuple[int, dict[str, Any]]:
    return status, {"code": code, "message": message}


def _weak(password: str) -> Answer | None:
    if len(password) >= 6:
        return None
    status, document = _refused(422, "weak_password", "Password should be at least 6 characters.")
    return status, document | {"weak_password": {"reasons": ["length"]}}


def _handler(peer: SupabasePeer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length", 0)))
            peer.requests.append(f"{self.command} {self.path}")
            if peer.faults:
                self._fail(peer.faults.pop(0))
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, document = peer.answer(self.command, self.path, headers, json.loads(raw or b"{}") or {})
            self._send(status, b"" if document is None else json.dumps(document).encode(), {})

        def _fail(self, fault: Fault) -> None:
            if fault.stalls:
                peer.over.wait()
                self.close_connection = True
                return
            self._send(fault.status, fault.raw, fault.headers)

        def _send(self, status: int, payload: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            every = {"Content-Type": "application/json", "Content-Length": str(len(payload))} | headers
            for name, value in every.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - http.server looks for these names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            """Tests read `requests` instead."""

    return Handler


@contextmanager
def run_supabase_peer(algorithm: Algorithm = "ES256") -> Generator[SupabasePeer]:
    """A peer on a free port, for as long as the block runs."""
    peer = SupabasePeer()
    peer.add_key(algorithm)
    with http_peer(_handler(peer), "supabase-peer") as peer.url:
        try:
            yield peer
        finally:
            peer.over.set()
