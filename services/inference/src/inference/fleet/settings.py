"""What the fleet may do and spend, from the environment."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from shared.contracts.runners import RUNNERS
from shared.settings import SettingMissing, number, require

from inference.fleet.plan import Limits

Env = Mapping[str, str]
FleetMode = Literal["off", "dry-run", "on"]

_SMALLEST_DISK_GIB = 8
_MOST_DOLLARS = 1_000_000
_INSTALLATION = re.compile(r"[a-z0-9]{1,32}")


@dataclass(frozen=True, slots=True)
class FleetSettings:
    """`off` rents nothing and ends what was rented; `dry-run` says what it would rent; `on` rents."""

    mode: FleetMode
    api_key: str = field(repr=False)
    api_url: str
    installation: str
    public_url: str
    image: str
    disk_gib: int
    runners: tuple[str, ...]
    limits: Limits

    @property
    def label_prefix(self) -> str:
        """What the labels of this installation's hosts begin with."""
        return f"maru-{self.installation}-"

    @classmethod
    def from_env(cls, env: Env, *, planning: bool = False) -> FleetSettings | None:
        """None when no host can have been rented: the fleet is off, and there is no key or nothing by which its hosts would be known.

        With `planning` a fleet that is off is read as a dry run, for somebody who wants to know what it would do.
        """
        mode = _mode(env)
        if planning and mode == "off":
            mode = "dry-run"
        key = _secret(env, "VAST_API_KEY")
        if mode == "off" and not (key and _has_identity(env)):
            return None
        if not key:
            require(env, "VAST_API_KEY", f"MARU_FLEET={mode} needs a key of Vast.ai that may read and write instances")
        public_url = _public_url(env, needed=mode != "off")
        return cls(
            mode=mode,
            api_key=key,
            api_url=_api_url(env),
            installation=_installation(env, public_url),
            public_url=public_url,
            image=require(env, "MARU_FLEET_IMAGE", "hosts run it as their worker") if mode != "off" else "",
            disk_gib=_disk(env),
            runners=_runners(env),
            limits=_limits(env) if mode != "off" else Limits.none(),
        )


def _mode(env: Env) -> FleetMode:
    match env.get("MARU_FLEET", "").strip().lower() or "off":
        case "off" | "dry-run" | "on" as mode:
            return mode
        case other:
            raise SettingMissing(f"MARU_FLEET is {other!r}: use off, dry-run or on.")


def _secret(env: Env, name: str) -> str:
    value = env.get(name, "").strip()
    if value.startswith("sm://"):
        raise SettingMissing(
            f"{name} names a secret ({value}) that nobody has looked up: give its value, or start where Secret Manager is read."
        )
    return value


def _has_identity(env: Env) -> bool:
    return any(env.get(name, "").strip() for name in ("MARU_INFERENCE_PUBLIC_URL", "MARU_FLEET_INSTALLATION"))


def _public_url(env: Env, *, needed: bool) -> str:
    name = "MARU_INFERENCE_PUBLIC_URL"
    if not needed and not env.get(name, "").strip():
        return ""
    url = require(env, name, "rented hosts call the dispatcher there").rstrip("/")
    return _address(name, url, "a token crosses the internet to it")


def _api_url(env: Env) -> str:
    url = (env.get("VAST_API_URL", "").strip() or "https://console.vast.ai").rstrip("/")
    return _address("VAST_API_URL", url, "the key crosses the internet to it")


def _address(name: str, url: str, why: str) -> str:
    """The URL, unless something secret would cross the internet in the clear."""
    parts = urlsplit(url)
    plain = parts.scheme == "http" and _is_loopback(parts.hostname or "")
    if not parts.hostname or not (parts.scheme == "https" or plain) or parts.query or parts.fragment or parts.username:
        raise SettingMissing(f"{name} is {url!r}: use https://HOST, since {why}.")
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _installation(env: Env, public_url: str) -> str:
    """Follows from the address that hosts call, so that a copy of the database elsewhere does not take these hosts for its own."""
    given = env.get("MARU_FLEET_INSTALLATION", "").strip()
    if given and not _INSTALLATION.fullmatch(given):
        raise SettingMissing(f"MARU_FLEET_INSTALLATION is {given!r}: use up to 32 small letters and digits.")
    return given or hashlib.sha256(public_url.encode()).hexdigest()[:12]


def _runners(env: Env) -> tuple[str, ...]:
    names = [name.strip() for name in env.get("MARU_FLEET_RUNNERS", "").split(",") if name.strip()]
    return tuple(names) or tuple(RUNNERS)


def _disk(env: Env) -> int:
    size = int(number(env, "MARU_FLEET_DISK_GIB", 40))
    if size < _SMALLEST_DISK_GIB:
        raise SettingMissing(
            f"MARU_FLEET_DISK_GIB is {size}: use {_SMALLEST_DISK_GIB} or more, which is the least that is rented out."
        )
    return size


def _limits(env: Env) -> Limits:
    return Limits(
        max_hosts=max(1, int(number(env, "MARU_FLEET_MAX_HOSTS", 1))),
        max_price_micros=_dollars(env, "MARU_FLEET_MAX_PRICE", "the highest price of one host, in US dollars an hour"),
        daily_micros=_dollars(env, "MARU_FLEET_DAILY_BUDGET", "US dollars for all hosts of one day (UTC)"),
        monthly_micros=_dollars(env, "MARU_FLEET_MONTHLY_BUDGET", "US dollars for all hosts of one month (UTC)"),
        idle_s=number(env, "MARU_FLEET_IDLE_SECONDS", 300),
        boot_s=number(env, "MARU_FLEET_BOOT_SECONDS", 900),
        life_s=number(env, "MARU_FLEET_LIFE_SECONDS", 86_400),
    )


def _dollars(env: Env, name: str, what: str) -> int:
    """Micro-dollars. Money is spent only within limits that somebody chose, so there is no default."""
    text = require(env, name, f"no money is spent without a limit; it is {what}")
    try:
        dollars = float(text)
    except ValueError:
        dollars = 0
    if not 0 < dollars < _MOST_DOLLARS:
        raise SettingMissing(f"{name} is {text!r}: use a number of US dollars above 0, such as 2.50; it is {what}.")
    return int(dollars * 1_000_000)
