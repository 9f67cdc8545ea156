"""A Supabase Auth for tests: accounts in memory, real signatures, the calls that we make and the refusals that we must understand."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, Literal
from urllib.parse import parse_qs
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from shared.testing.http_peer import http_peer

ANON_KEY = "peer-anon-key"
Algorithm = Literal["ES256", "RS256"]


@dataclass
class SupabasePeer:
    """The running service. Statuses in `failures` are answered first, one a request; `requests` tells what came."""

    url: str = ""
    lifetime_s: int = 3600
    confirm_by_mail: bool = False
    failures: list[int] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    jwks: dict[str, Any] = field(default_factory=lambda: {"keys": []})
    _keys: dict[str, tuple[Algorithm, Any]] = field(default_factory=dict)
    _users: dict[str, dict[str, Any]] = field(default_factory=dict)
    _passwords: dict[str, str] = field(default_factory=dict)
    _refresh: dict[str, str] = field(default_factory=dict)

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

    def answer(self, method: str, target: str, headers: dict[str, str], body: dict[str, Any]) -> tuple[int, Any]:
        """One request."""
        path, _, query = target.partition("?")
        self.requests.append(f"{method} {target}")
        if self.failures:
            return self.failures.pop(0), {"message": "peer was told to fail"}
        if path == "/auth/v1/.well-known/jwks.json":
            return 200, self.jwks
        if headers.get("apikey") != ANON_KEY:
            return 401, {"message": "No API key found in request"}
        match method, path:
            case "POST", "/auth/v1/signup":
                return self._sign_up(body)
            case "POST", "/auth/v1/token":
                return self._grant(parse_qs(query).get("grant_type", [""])[0], body)
            case "POST", "/auth/v1/logout":
                return self._log_out(headers.get("authorization", ""))
            case _:
                return 404, {"code": "not_found", "message": "not found"}

    def _sign_up(self, body: dict[str, Any]) -> tuple[int, Any]:
        email = body["email"]
        if email in self._users:
            return _refused(422, "user_already_exists", "User already registered")
        if len(body["password"]) < 6:
            refusal = _refused(422, "weak_password", "Password should be at least 6 characters.")
            return refusal[0], refusal[1] | {"weak_password": {"reasons": ["length"]}}
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        user = {
            "id": str(uuid4()),
            "aud": "authenticated",
            "role": "authenticated",
            "email": email,
            "app_metadata": {"provider": "email"},
            "user_metadata": body.get("data") or {},
            "created_at": now,
            "updated_at": now,
        }
        self._users[email], self._passwords[email] = user, body["password"]
        return 200, user if self.confirm_by_mail else self._session(email)

    def _grant(self, kind: str, body: dict[str, Any]) -> tuple[int, Any]:
        if kind == "password":
            if self._passwords.get(body["email"]) != body["password"]:
                return _refused(400, "invalid_credentials", "Invalid login credentials")
            return 200, self._session(body["email"])
        email = self._refresh.pop(body["refresh_token"], None)
        if email is None:
            return _refused(400, "refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found")
        return 200, self._session(email)

    def _log_out(self, authorization: str) -> tuple[int, Any]:
        claims = jwt.decode(authorization.removeprefix("Bearer "), options={"verify_signature": False})
        self._refresh = {token: email for token, email in self._refresh.items() if email != claims["email"]}
        return 204, None

    def _session(self, email: str) -> dict[str, Any]:
        user, refresh = self._users[email], secrets.token_urlsafe(12)
        self._refresh[refresh] = email
        access = self.token(sub=user["id"], email=email, user_metadata=user["user_metadata"])
        return {
            "access_token": access,
            "token_type": "bearer",
            "expires_in": self.lifetime_s,
            "expires_at": int(time.time()) + self.lifetime_s,
            "refresh_token": refresh,
            "user": user,
        }


def _refused(status: int, code: str, message: str) -> tuple[int, dict[str, Any]]:
    return status, {"code": code, "message": message}


def _handler(peer: SupabasePeer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, document = peer.answer(self.command, self.path, headers, json.loads(raw or b"{}") or {})
            payload = b"" if document is None else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_POST = _serve  # noqa: N815 - http.server looks for these names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            """Tests read `requests` instead."""

    return Handler


@contextmanager
def run_supabase_peer(algorithm: Algorithm = "ES256") -> Generator[SupabasePeer]:
    """A peer on a free port, for as long as the block runs."""
    peer = SupabasePeer()
    peer.add_key(algorithm)
    with http_peer(_handler(peer), "supabase-peer") as peer.url:
        yield peer
