"""The table that `maru up` ends with."""

from __future__ import annotations

from collections.abc import Mapping

from maru.home import Home
from maru.runtime.progress import Row


def rows(env: Mapping[str, str], home: Home, variables: Mapping[str, str], *, ui: bool, workers: int) -> list[Row]:
    """Every service and engine: what runs, where, and which variable switches it."""
    folder = home.folder
    return [
        Row("web app", variables["MARU_UI_URL"] if ui else "not started", "Streamlit", "--no-ui"),
        Row("api", f"{variables['MARU_API_URL']}/docs", "in this process", "MARU_API_PORT"),
        Row("ingest", variables["MARU_INGEST_URL"], "in this process", "MARU_INGEST_PORT"),
        Row("inference", variables["MARU_INFERENCE_URL"], "in this process", "MARU_INFERENCE_PORT"),
        _engine(env, "database", "DATABASE_URL", f"{folder}/pg", "embedded Postgres 18"),
        _messaging(env),
        _engine(env, "vectors", "QDRANT_URL", f"{folder}/vectors", "embedded Qdrant engine"),
        _engine(env, "files", "R2_ENDPOINT", f"{folder}/files", "folder, signed addresses"),
        _engine(env, "sign-in", "SUPABASE_URL", "the api", "built in"),
        _language(env),
        _worker(env, workers),
    ]


def _messaging(env: Mapping[str, str]) -> Row:
    if project := env.get("GOOGLE_CLOUD_PROJECT"):
        return Row("events, tasks", f"project {project}", "Pub/Sub, Cloud Tasks", "GOOGLE_CLOUD_PROJECT")
    return Row("events, tasks", "in the database", "embedded deliverer", "GOOGLE_CLOUD_PROJECT")


def _engine(env: Mapping[str, str], what: str, variable: str, embedded_at: str, embedded: str) -> Row:
    if env.get(variable):
        return Row(what, _without_secret(env[variable]), f"yours ({variable} is set)", variable)
    return Row(what, embedded_at, embedded, variable)


def _language(env: Mapping[str, str]) -> Row:
    if env.get("OPENAI_API_KEY"):
        return Row(
            "language model",
            _without_secret(env.get("OPENAI_BASE_URL") or "OpenAI"),
            env.get("MARU_CHAT_MODEL") or "default model",
            "OPENAI_API_KEY",
        )
    return Row("language model", "none", "offline: extracts and quotes", "OPENAI_API_KEY, OPENAI_BASE_URL")


def _worker(env: Mapping[str, str], number: int) -> Row:
    if number == 0:
        return Row("worker", "none on this machine", "`maru worker run` on any other", "--workers")
    runners = "image, command" if env.get("MARU_WORKER_COMMANDS") else "image"
    return Row("worker", f"{number} on this machine", runners, "--workers, MARU_WORKER_COMMANDS")


def _without_secret(url: str) -> str:
    """A password in an address stays out of the terminal."""
    scheme, separator, rest = url.partition("://")
    return scheme + separator + rest.rpartition("@")[2].partition("?")[0] if separator else url
