"""Where calls of models are told, from the environment."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.rotation import Secret, secret
from shared.settings import Env, SettingMissing

_ENDPOINT = "https://api.smith.langchain.com"


@dataclass(frozen=True, slots=True)
class ModelTraceSettings:
    """`content` sends texts too; without it there are lengths and keyed hashes in their places."""

    api_key: Secret = field(repr=False)
    endpoint: str
    project: str
    content: bool
    hash_key: str = field(repr=False)

    @classmethod
    def from_env(cls, env: Env) -> ModelTraceSettings | None:
        """`LANGSMITH_API_KEY` switches it on; `LANGSMITH_ENDPOINT`, `LANGSMITH_PROJECT`, `LANGSMITH_CONTENT=on`, `LANGSMITH_HASH_KEY`."""
        key = secret(env, "LANGSMITH_API_KEY")
        if not key:
            return None
        content = env.get("LANGSMITH_CONTENT", "").strip().lower() or "off"
        if content not in {"on", "off"}:
            raise SettingMissing(f"LANGSMITH_CONTENT is {content!r}: use on, which sends what people wrote, or off.")
        endpoint = (env.get("LANGSMITH_ENDPOINT", "").strip() or _ENDPOINT).rstrip("/")
        if not endpoint.startswith(("https://", "http://")):
            raise SettingMissing(f"LANGSMITH_ENDPOINT is {endpoint!r}: it starts with https:// or http://.")
        return cls(
            key, endpoint, env.get("LANGSMITH_PROJECT") or "maru", content == "on", env.get("LANGSMITH_HASH_KEY", "")
        )
