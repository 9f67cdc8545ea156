"""Where the gateway is, as the server and as the browser see it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit


@dataclass(frozen=True)
class UiSettings:
    """Addresses carry no trailing slash; `storage_origins` are what a browser may load files from and upload to.

    `inference_url` is where workers call; it is only shown.
    """

    api_url: str
    public_api_url: str
    storage_origins: tuple[str, ...]
    port: int
    inference_url: str = "http://127.0.0.1:8002"

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "UiSettings":
        """Read the variables; every one has a default that suits one machine."""
        api_url = env.get("MARU_API_URL", "http://127.0.0.1:8000").rstrip("/")
        public = (env.get("MARU_PUBLIC_API_URL") or api_url).rstrip("/")
        named = (env.get("MARU_STORAGE_ORIGINS") or "").split()
        origins = dict.fromkeys(_origin(url) for url in [public, *named])
        inference = (env.get("MARU_INFERENCE_URL") or cls.inference_url).rstrip("/")
        return cls(api_url, public, tuple(origins), int(env.get("PORT", "8501")), inference)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


@lru_cache(maxsize=1)
def ui_settings() -> UiSettings:
    """The process's settings; the environment is read once."""
    return UiSettings.from_env(os.environ)
