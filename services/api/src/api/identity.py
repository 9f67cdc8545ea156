"""Wires who people are and where they belong: provider, gate, browser sessions, spaces, people, administration. A part of the composition root."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.auth import LocalKeys, RemoteKeys, TokenVerifier
from shared.http.later import include_later
from shared.settings import AuthSettings, require

from api.admin.service import AdminService
from api.auth.gate import Gate, Standings
from api.auth.passwords import Passwords
from api.auth.service import AuthService
from api.auth.supabase import SupabaseProvider
from api.auth.tokens import TokenSigner
from api.http.attempts import SignInGuard
from api.me.callbacks import erasure_router
from api.me.erasure import ErasureService
from api.me.service import MeService
from api.people.service import PersonService
from api.spaces.service import SpaceService
from api.ui_sessions.seal import Seal
from api.ui_sessions.service import UiSessionService

if TYPE_CHECKING:
    from fastapi import FastAPI
    from shared.db import Database
    from shared.http.callbacks import CallbackVerifier
    from shared.http.ratelimit import RateLimiter
    from shared.outbox import Relay

    from api.http.identity import IdentityProvider
    from api.http.services import ServiceRegistry

Job = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Identity:
    """What the composition root still has to call: `sweeps` each minute, `close` at the end."""

    sweeps: tuple[Job, ...]
    close: Job


def add_identity(
    app: FastAPI,
    env: Mapping[str, str],
    services: ServiceRegistry,
    database: Database,
    limiter: RateLimiter,
    relay: Relay,
    callbacks: CallbackVerifier,
) -> Identity:
    """Add the routes of sign-in and sessions, and `app.state.authenticate` for all others.

    The built-in provider's `/auth/v1` exists only where Supabase Auth is not configured.
    """
    settings = AuthSettings.from_env(env)
    admin = AdminService(database)
    require(env, "MARU_SESSION_KEY", "it seals what browser sessions hold")
    seal = Seal(settings.session_seal_key)
    standings = Standings()
    provider: IdentityProvider
    if settings.jwks_url is None:
        require(env, "MARU_AUTH_SIGNING_KEY", "the built-in identity provider signs access tokens with it")
        signer = TokenSigner(settings.signing_key or "", issuer=settings.issuer, audience=settings.audience)
        keys = LocalKeys(signer.jwks, signer.renewed)
        verifier = TokenVerifier(keys, issuer=settings.issuer, audience=settings.audience)
        hashes = Passwords()
        provider = built_in = AuthService(database, signer, hashes, standings, relay)
        services.add(built_in)
        include_later(app, "api.auth.routes")
        sweeps: tuple[Job, ...] = (built_in.sweep,)
        close: Job = hashes.close
    else:
        verifier = TokenVerifier(
            RemoteKeys(settings.jwks_url),
            issuer=settings.issuer,
            audience=settings.audience,
            legacy_secret=settings.legacy_secret,
        )
        provider = elsewhere = SupabaseProvider(
            settings.issuer, settings.supabase_anon_key or "", settings.supabase_service_key
        )
        sweeps, close = (), elsewhere.close
    gate = Gate(verifier, database, standings, relay, own_sessions=settings.jwks_url is None)
    sessions = UiSessionService(database, provider, seal)
    services.add(SignInGuard(limiter))
    services.add(sessions)
    services.add(MeService(database))
    erasure = ErasureService(database, relay, provider, standings.forget)
    services.add(erasure)
    app.include_router(erasure_router(callbacks, erasure))
    services.add(SpaceService(database, relay, limiter))
    services.add(PersonService(database))
    services.add(admin)
    app.state.identity_provider = provider
    app.state.authenticate = gate.authenticate
    include_later(app, "api.auth.routes", "token_router")
    for slice_ in ("ui_sessions", "me", "spaces", "people", "admin"):
        include_later(app, f"api.{slice_}.routes")
    return Identity((*sweeps, sessions.sweep, admin.sweep), close)
