"""Settings: what a variable does, what a missing or wrong one says, and that no secret shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from shared.settings import (
    AuthSettings,
    CallbackSettings,
    DatabaseSettings,
    HttpSettings,
    LlmSettings,
    ServiceUrls,
    SettingMissing,
    StorageSettings,
    VectorSettings,
    maru_home,
)


def test_a_service_has_its_own_database_url_before_the_common_one() -> None:
    env = {"DATABASE_URL": "postgresql://common/x", "INGEST_DATABASE_URL": "postgresql://ingest/x"}
    assert DatabaseSettings.from_env(env, "ingest").dsn == "postgresql://ingest/x"
    assert DatabaseSettings.from_env(env, "api").dsn == "postgresql://common/x"


@pytest.mark.parametrize("env", [{}, {"DATABASE_URL": ""}, {"DATABASE_URL": "  "}])
def test_no_database_is_one_clear_sentence(env: dict[str, str]) -> None:
    with pytest.raises(SettingMissing, match=r"DATABASE_URL is not set: .*service\.env"):
        DatabaseSettings.from_env(env, "api")


def test_supabases_transaction_pooler_is_recognised() -> None:
    assert DatabaseSettings.from_env({"DATABASE_URL": "postgresql://u:p@host:6543/postgres"}, "api").pooled
    assert not DatabaseSettings.from_env({"DATABASE_URL": "postgresql://u:p@host:5432/postgres"}, "api").pooled
    assert DatabaseSettings.from_env({"DATABASE_URL": "postgresql://h/x", "DATABASE_POOLED": "true"}, "api").pooled


@pytest.mark.parametrize("wrong", ["many", "0", "-1", "nan", "inf"])
def test_a_number_that_is_none_is_named(wrong: str) -> None:
    with pytest.raises(SettingMissing, match=f"DATABASE_MAX_CONNECTIONS is '{wrong}'"):
        DatabaseSettings.from_env({"DATABASE_URL": "x", "DATABASE_MAX_CONNECTIONS": wrong}, "api")
    for name in ("MARU_EMBEDDING_DIMENSIONS", "MARU_LLM_TIMEOUT_S"):
        with pytest.raises(SettingMissing, match=name):
            LlmSettings.from_env({name: wrong})


@pytest.mark.parametrize("empty", ["", "  "])
def test_an_empty_number_means_the_default(empty: str) -> None:
    assert (
        DatabaseSettings.from_env({"DATABASE_URL": "x", "DATABASE_MAX_CONNECTIONS": empty}, "api").max_connections == 16
    )
    assert LlmSettings.from_env({"MARU_LLM_TIMEOUT_S": empty}).timeout_s == 60


def test_addresses_follow_from_ports_or_are_given() -> None:
    urls = ServiceUrls.from_env({"MARU_API_PORT": "9000", "MARU_UI_URL": "https://maru.example/"})
    assert (urls.api, urls.ingest, urls.ui) == (
        "http://127.0.0.1:9000",
        "http://127.0.0.1:8001",
        "https://maru.example",
    )


def test_pages_that_may_call_are_our_own_or_listed() -> None:
    assert HttpSettings.from_env({"MARU_UI_PORT": "9501"}).cors_origins == (
        "http://127.0.0.1:9501",
        "http://localhost:9501",
    )
    listed = HttpSettings.from_env({"CORS_ORIGINS": " https://a.example , https://b.example,"})
    assert listed.cors_origins == ("https://a.example", "https://b.example")


@pytest.mark.parametrize(("value", "on"), [("off", False), ("OFF", False), ("0", False), ("on", True), ("", True)])
def test_rate_limits_are_on_unless_switched_off(value: str, on: bool) -> None:
    assert HttpSettings.from_env({"MARU_RATE_LIMITS": value}).rate_limits is on


def test_cookies_are_secure_behind_tls() -> None:
    assert HttpSettings.from_env({"MARU_UI_URL": "https://maru.example"}).secure_cookies
    assert not HttpSettings.from_env({}).secure_cookies


@pytest.mark.parametrize(
    ("env", "named"),
    [
        ({}, "PUSH_AUTH_MODE"),
        ({"PUSH_AUTH_MODE": "none"}, "PUSH_AUTH_MODE"),
        ({"PUSH_AUTH_MODE": "local"}, "MARU_CALLBACK_PUBLIC_KEY"),
        ({"PUSH_AUTH_MODE": "oidc"}, "PUSH_SERVICE_ACCOUNT"),
        ({"PUSH_AUTH_MODE": "iam"}, "PUSH_SERVICE_ACCOUNT"),
    ],
)
def test_callback_verification_is_never_guessed(env: dict[str, str], named: str) -> None:
    with pytest.raises(SettingMissing, match=named):
        CallbackSettings.from_env(env, "http://127.0.0.1:8001")


def test_supabase_takes_the_place_of_the_built_in_provider() -> None:
    cloud = AuthSettings.from_env({"SUPABASE_URL": "https://p.supabase.co/", "MARU_AUTH_SIGNING_KEY": "pem"})
    assert cloud.issuer == "https://p.supabase.co/auth/v1"
    assert cloud.jwks_url == "https://p.supabase.co/auth/v1/.well-known/jwks.json"
    assert cloud.signing_key is None
    built_in = AuthSettings.from_env({"MARU_AUTH_SIGNING_KEY": "a key"})
    assert built_in.issuer == "http://127.0.0.1:8000/auth/v1"
    assert built_in.jwks_url is None
    assert built_in.signing_key == "a key"


def test_each_engine_is_switched_by_its_variable(tmp_path: Path) -> None:
    here = {"MARU_HOME": str(tmp_path)}
    assert VectorSettings.from_env(here).folder == tmp_path / "vectors"
    assert VectorSettings.from_env(here).url is None
    assert VectorSettings.from_env({"QDRANT_URL": "http://q:6333"}).url == "http://q:6333"
    assert StorageSettings.from_env(here).folder == tmp_path / "files"
    assert StorageSettings.from_env({"R2_ENDPOINT": "https://r2.example"}).endpoint == "https://r2.example"


def test_without_a_key_or_an_address_no_model_is_asked() -> None:
    offline = LlmSettings.from_env({})
    assert not offline.enabled
    assert VectorSettings.from_env({}).dense_model is None
    assert LlmSettings.from_env({"OPENAI_API_KEY": "sk-1"}).enabled
    assert LlmSettings.from_env({"OPENAI_API_KEY": "sk-1", "MARU_EMBEDDING_MODEL": "none"}).embedding_model is None


def test_the_home_is_absolute_wherever_it_is_given() -> None:
    assert maru_home({}).is_absolute()
    assert maru_home({"MARU_HOME": "~/maru"}) == Path.home() / "maru"


def test_no_secret_shows_when_settings_are_printed() -> None:
    secret = "s3cr3t"
    env = {
        "DATABASE_URL": f"postgresql://u:{secret}@h/x",
        "SUPABASE_JWT_SECRET": secret,
        "MARU_AUTH_SIGNING_KEY": secret,
        "MARU_SESSION_KEY": secret,
        "QDRANT_API_KEY": secret,
        "R2_ACCESS_KEY": secret,
        "R2_SECRET_KEY": secret,
        "MARU_FILES_KEY": secret,
        "OPENAI_API_KEY": secret,
    }
    for settings in (
        DatabaseSettings.from_env(env, "api"),
        AuthSettings.from_env(env),
        VectorSettings.from_env(env),
        StorageSettings.from_env(env),
        LlmSettings.from_env(env),
    ):
        assert secret not in repr(settings)


@pytest.mark.parametrize(
    ("page", "origins"),
    [
        ("", ("http://127.0.0.1:8501", "http://localhost:8501")),
        ("https://maru.example", ("https://maru.example",)),
        ("https://ui.maru.example:8443", ("https://ui.maru.example:8443",)),
    ],
    ids=["one-machine", "cloud", "port"],
)
def test_the_web_apps_own_pages_may_call_the_api(page: str, origins: tuple[str, ...]) -> None:
    assert HttpSettings.from_env({"MARU_UI_URL": page}).cors_origins == origins
