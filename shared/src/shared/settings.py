"""Settings by concern, each read from the environment once, by a service's `main.py`."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from shared.rotation import Secret, secret

Env = Mapping[str, str]
PushAuthMode = Literal["local", "oidc", "iam"]
GOOGLE_CERTIFICATES = "https://www.googleapis.com/oauth2/v3/certs"


class SettingMissing(Exception):
    """A service was started without something it cannot do without."""


def require(env: Env, name: str, why: str) -> str:
    """The value of `name`, or a sentence that says what to set and why."""
    if value := env.get(name, "").strip():
        return value
    raise SettingMissing(
        f"{name} is not set: {why}. `maru up` sets it, and $MARU_HOME/service.env holds it while it runs."
    )


def number(env: Env, name: str, default: float) -> float:
    """The value of `name` as a number above zero, or a sentence that says what is wrong with it."""
    text = env.get(name, "").strip()
    try:
        value = float(text or default)
    except ValueError:
        value = 0
    if not 0 < value < float("inf"):
        raise SettingMissing(f"{name} is {text!r}: use a number above 0, or leave it out for {default:g}.")
    return value


def pem(value: str, label: str) -> str:
    """Keys as PEM; they may come with `\\n` for line ends, or as their base64 alone, with commas between, which needs no quoting in a file."""
    text = value.strip().replace("\\n", "\n")
    if not text or text.startswith("-----BEGIN"):
        return text
    bodies = ["\n".join(textwrap.wrap(part.strip(), 64)) for part in text.split(",") if part.strip()]
    return "".join(f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n" for lines in bodies)


def maru_home(env: Env) -> Path:
    """The folder that holds everything on one machine."""
    return Path(env.get("MARU_HOME") or ".maru").expanduser().absolute()


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """Where Postgres is, as one login role."""

    dsn: str = field(repr=False)
    pooled: bool
    max_connections: int

    @classmethod
    def from_env(cls, env: Env, service: str) -> DatabaseSettings:
        """`<SERVICE>_DATABASE_URL` wins over `DATABASE_URL`; port 6543 is Supabase's transaction pooler."""
        specific = env.get(f"{service.upper()}_DATABASE_URL", "").strip()
        dsn = specific or require(env, "DATABASE_URL", "the service keeps everything in Postgres")
        pooled = env.get("DATABASE_POOLED", "").lower() in {"1", "true"} or ":6543/" in dsn
        return cls(dsn, pooled, int(number(env, "DATABASE_MAX_CONNECTIONS", 16)))


@dataclass(frozen=True, slots=True)
class ServiceUrls:
    """Where the services answer, as the outside and each other see them."""

    api: str
    ingest: str
    inference: str
    ui: str

    @classmethod
    def from_env(cls, env: Env) -> ServiceUrls:
        """`MARU_API_URL` and its like; on one machine they follow from the ports."""
        ports = {"API": "8000", "INGEST": "8001", "INFERENCE": "8002", "UI": "8501"}
        urls = {
            name.lower(): (
                env.get(f"MARU_{name}_URL") or f"http://127.0.0.1:{env.get(f'MARU_{name}_PORT', port)}"
            ).rstrip("/")
            for name, port in ports.items()
        }
        return cls(**urls)


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """What every HTTP service needs."""

    cors_origins: tuple[str, ...]
    rate_limits: bool
    secure_cookies: bool
    trusted_proxies: int = 0
    """How many proxies of ours every request passes."""

    @classmethod
    def from_env(cls, env: Env) -> HttpSettings:
        """`CORS_ORIGINS` (comma separated; the web app's own by default), `MARU_RATE_LIMITS=off` for load measurements, `MARU_TRUSTED_PROXIES`
        (0; 1 on Cloud Run, 2 behind a load balancer of Google's before it)."""
        urls = ServiceUrls.from_env(env)
        # On one machine people also write localhost.
        local = urls.ui.replace("http://127.0.0.1:", "http://localhost:")
        origins = env.get("CORS_ORIGINS", "") or ",".join(dict.fromkeys((urls.ui, local)))
        return cls(
            tuple(origin.strip() for origin in origins.split(",") if origin.strip()),
            env.get("MARU_RATE_LIMITS", "on").lower() not in {"off", "0", "false"},
            urls.ui.startswith("https://"),
            _proxies(env),
        )


def _proxies(env: Env) -> int:
    text = env.get("MARU_TRUSTED_PROXIES", "").strip() or ("1" if env.get("K_SERVICE") else "0")
    if not (text.isascii() and text.isdigit() and int(text) <= 9):
        raise SettingMissing(
            f"MARU_TRUSTED_PROXIES is {text!r}: use the number of proxies before the service, from 0 to 9."
        )
    return int(text)


@dataclass(frozen=True, slots=True)
class CallbackSettings:
    """How a callback proves that it comes from our own Pub/Sub or Cloud Tasks.

    `local`: signed by the deliverer of this machine, whose public key (PEM) is given. `oidc`: Google's signature, audience and exactly this
    service account. `iam`: Cloud Run has verified and stripped the signature; only with no unauthenticated access.
    """

    mode: PushAuthMode
    audience: str
    service_account: str
    public_key_pem: str
    jwks_url: str = GOOGLE_CERTIFICATES

    @classmethod
    def from_env(cls, env: Env, audience: str) -> CallbackSettings:
        """`PUSH_AUTH_MODE` has no default: guessing it wrong would open the door."""
        mode = require(env, "PUSH_AUTH_MODE", "callbacks must be verified; use local, oidc or iam")
        match mode:
            case "local":
                key = require(env, "MARU_CALLBACK_PUBLIC_KEY", "the deliverer's callbacks are verified with it")
                return cls("local", audience, "deliverer@maru.local", pem(key, "PUBLIC KEY"))
            case "oidc" | "iam":
                account = require(env, "PUSH_SERVICE_ACCOUNT", "only this account may call back")
                keys = env.get("PUSH_JWKS_URL") or GOOGLE_CERTIFICATES
                return cls("oidc" if mode == "oidc" else "iam", env.get("PUSH_AUDIENCE") or audience, account, "", keys)
            case _:
                raise SettingMissing(f"PUSH_AUTH_MODE is {mode!r}: use local, oidc or iam.")


@dataclass(frozen=True, slots=True)
class AuthSettings:
    """Who signs access tokens: the built-in provider, or Supabase Auth when `SUPABASE_URL` is set."""

    issuer: str
    audience: str
    jwks_url: str | None
    legacy_secret: str | None = field(repr=False)
    signing_key: Secret | None = field(repr=False)
    session_seal_key: Secret = field(repr=False)
    supabase_anon_key: str | None
    supabase_service_key: Secret | None = field(default=None, repr=False)

    @classmethod
    def from_env(cls, env: Env) -> AuthSettings:
        """`MARU_AUTH_SIGNING_KEY` (PEM, P-256) belongs to the built-in provider; `MARU_SESSION_KEY` (Fernet) seals what browser sessions hold.

        Either may hold several keys while one takes the place of another; the first signs or seals.
        """
        supabase = env.get("SUPABASE_URL", "").rstrip("/")
        base = supabase or ServiceUrls.from_env(env).api
        return cls(
            issuer=f"{base}/auth/v1",
            audience="authenticated",
            jwks_url=f"{base}/auth/v1/.well-known/jwks.json" if supabase else None,
            legacy_secret=env.get("SUPABASE_JWT_SECRET") or None,
            signing_key=None if supabase else secret(env, "MARU_AUTH_SIGNING_KEY") or None,
            session_seal_key=secret(env, "MARU_SESSION_KEY"),
            supabase_anon_key=env.get("SUPABASE_ANON_KEY") or None,
            supabase_service_key=secret(env, "SUPABASE_SERVICE_KEY") or None,
        )


@dataclass(frozen=True, slots=True)
class VectorSettings:
    """Where vectors live: a folder of this machine, another process of it, or a Qdrant server."""

    url: str | None
    api_key: Secret | None = field(repr=False)
    folder: Path
    socket: Path | None
    dense_model: str | None
    dense_dimensions: int | None

    @classmethod
    def from_env(cls, env: Env) -> VectorSettings:
        """`QDRANT_URL` (+ `QDRANT_API_KEY`), else `MARU_VECTORS_SOCKET`, else `$MARU_HOME/vectors`."""
        llm = LlmSettings.from_env(env)
        socket = env.get("MARU_VECTORS_SOCKET")
        return cls(
            env.get("QDRANT_URL") or None,
            secret(env, "QDRANT_API_KEY") or None,
            maru_home(env) / "vectors",
            Path(socket) if socket else None,
            llm.embedding_model if llm.enabled else None,
            llm.embedding_dimensions if llm.enabled else None,
        )


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """Where files live: a folder served by the api, or R2 (any S3)."""

    endpoint: str | None
    bucket: str
    access_key: Secret | None = field(repr=False)
    secret_key: Secret | None = field(repr=False)
    folder: Path
    public_url: str
    signing_key: Secret = field(repr=False)

    @classmethod
    def from_env(cls, env: Env) -> StorageSettings:
        """`R2_ENDPOINT`, `R2_BUCKET`, `R2_ACCESS_KEY`, `R2_SECRET_KEY`; else `$MARU_HOME/files` behind URLs signed with `MARU_FILES_KEY`."""
        return cls(
            env.get("R2_ENDPOINT") or None,
            env.get("R2_BUCKET") or "maru",
            secret(env, "R2_ACCESS_KEY") or None,
            secret(env, "R2_SECRET_KEY") or None,
            maru_home(env) / "files",
            env.get("MARU_PUBLIC_API_URL") or ServiceUrls.from_env(env).api,
            secret(env, "MARU_FILES_KEY"),
        )


@dataclass(frozen=True, slots=True)
class LlmSettings:
    """Which models answer; without a key everything is extractive and says so."""

    api_key: Secret | None = field(repr=False)
    base_url: str | None
    chat_model: str
    embedding_model: str | None
    embedding_dimensions: int | None
    vision_model: str
    transcription_model: str | None
    timeout_s: float

    @property
    def enabled(self) -> bool:
        """Whether any model is configured."""
        return bool(self.api_key)

    @classmethod
    def from_env(cls, env: Env) -> LlmSettings:
        """`OPENAI_API_KEY`, `OPENAI_BASE_URL`, `MARU_CHAT_MODEL`, `MARU_EMBEDDING_MODEL` (`none` switches it off), `MARU_EMBEDDING_DIMENSIONS`, …"""
        chat = env.get("MARU_CHAT_MODEL") or "gpt-4.1-mini"
        embedding = env.get("MARU_EMBEDDING_MODEL") or "text-embedding-3-large"
        transcription = env.get("MARU_TRANSCRIPTION_MODEL") or "gpt-4o-mini-transcribe"
        return cls(
            secret(env, "OPENAI_API_KEY") or None,
            env.get("OPENAI_BASE_URL") or None,
            chat,
            None if embedding == "none" else embedding,
            int(number(env, "MARU_EMBEDDING_DIMENSIONS", 3072)),
            env.get("MARU_VISION_MODEL") or chat,
            None if transcription == "none" else transcription,
            number(env, "MARU_LLM_TIMEOUT_S", 60),
        )
