"""Where promises are published in the cloud."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from shared.settings import ServiceUrls, SettingMissing, require

_PROJECT = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")
_REGION = re.compile(r"[a-z]+-[a-z]+[0-9]+")
_LISTENERS = ("api", "ingest", "inference")


@dataclass(frozen=True, slots=True)
class MessagingSettings:
    """A project's topics and queues, and the account that calls back."""

    project: str
    region: str
    account: str
    services: Mapping[str, str]
    """Base URL of each service that is called, which is also the audience of the calls."""
    pubsub_host: str | None = None
    tasks_host: str | None = None

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> MessagingSettings | None:
        """None without `GOOGLE_CLOUD_PROJECT`: then a deliverer of this machine carries the outbox."""
        project = env.get("GOOGLE_CLOUD_PROJECT", "").strip()
        if not project:
            return None
        region = env.get("GOOGLE_CLOUD_REGION", "").strip() or "asia-northeast3"
        for name, value, pattern in (
            ("GOOGLE_CLOUD_PROJECT", project, _PROJECT),
            ("GOOGLE_CLOUD_REGION", region, _REGION),
        ):
            if not pattern.fullmatch(value):
                raise SettingMissing(f"{name} is {value!r}, which cannot be one: use an id as `gcloud` prints it.")
        if env.get("PUSH_AUTH_MODE", "").strip() == "local":
            raise SettingMissing(
                "PUSH_AUTH_MODE is 'local', but Google will call back: use oidc, or iam behind Cloud Run's own check."
            )
        for name in _LISTENERS:
            require(env, f"MARU_{name.upper()}_URL", "subscriptions and queues call the service there")
        urls = ServiceUrls.from_env(env)
        return cls(
            project,
            region,
            require(env, "PUSH_SERVICE_ACCOUNT", "tasks are called in its name"),
            {name: getattr(urls, name) for name in _LISTENERS},
            env.get("PUBSUB_EMULATOR_HOST", "").strip() or None,
            env.get("CLOUD_TASKS_EMULATOR_HOST", "").strip() or None,
        )
