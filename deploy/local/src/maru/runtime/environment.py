"""The variables that the services of one machine are started with."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from maru.errors import CannotStart
from maru.home import Home
from maru.runtime.secrets import LocalSecrets

_NEEDS_NO_QUOTES = re.compile(r"[\w@%+=:,./?-]*", re.ASCII)

SERVICES = ("api", "ingest", "inference")
_PORTS = {"api": 8000, "ingest": 8001, "inference": 8002, "ui": 8501}


def port_of(env: Mapping[str, str], service: str) -> int:
    """`MARU_<SERVICE>_PORT`, or the usual one."""
    name = f"MARU_{service.upper()}_PORT"
    text = env.get(name) or str(_PORTS[service])
    if not (text.isascii() and text.isdigit()) or not 0 < int(text) < 65536:
        raise CannotStart(f"{name} is {text!r}: set it to a number from 1 to 65535.")
    return int(text)


def ports(env: Mapping[str, str]) -> dict[str, int]:
    """The port of each service and of the web app; two on one port are refused."""
    chosen = {service: port_of(env, service) for service in _PORTS}
    for service, port in chosen.items():
        twin = next((other for other, its in chosen.items() if its == port and other != service), None)
        if twin:
            raise CannotStart(
                f"{service} and {twin} are both to listen on port {port}: set MARU_{twin.upper()}_PORT to another one."
            )
    return chosen


def service_variables(
    env: Mapping[str, str], home: Home, secrets: LocalSecrets, dsn_of: Mapping[str, str]
) -> dict[str, str]:
    """What a service needs beside what the person set; whatever the person set wins.

    `dsn_of` maps each service to its database address.
    """
    ours = {"MARU_HOME": str(home.folder)}
    for service, port in ports(env).items():
        ours[f"MARU_{service.upper()}_PORT"] = str(port)
        ours[f"MARU_{service.upper()}_URL"] = f"http://127.0.0.1:{port}"
    ours |= {f"{service.upper()}_DATABASE_URL": dsn for service, dsn in dsn_of.items()}
    ours |= {
        "PUSH_AUTH_MODE": "local",
        "MARU_CALLBACK_PUBLIC_KEY": _one_line(secrets.callback_public_key),
        "MARU_AUTH_SIGNING_KEY": secrets.reference("auth_signing_key.pem"),
        "MARU_SESSION_KEY": secrets.reference("session_key"),
        "MARU_FILES_KEY": secrets.reference("files_key"),
    }
    return {name: env.get(name) or value for name, value in ours.items()}


def write_service_env(path: Path, variables: Mapping[str, str]) -> None:
    """Write what starts a service alone beside the running engines, readable by its owner only (`set -a; . FILE`)."""
    unfinished = path.with_name(path.name + ".new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
        file.writelines(f"{name}={_plain(value)}\n" for name, value in sorted(variables.items()))
    unfinished.rename(path)


def read_service_env(path: Path) -> dict[str, str]:
    """What `write_service_env` wrote, read as a shell does: a quoted value may hold line ends. Empty when nothing did."""
    try:
        text = path.read_bytes().decode()
    except OSError:
        return {}
    try:
        words = shlex.split(text)
    except ValueError:
        raise CannotStart(
            f"The file {path} cannot be read: remove it; the next start of Maru writes it again."
        ) from None
    pairs = (word.partition("=") for word in words if "=" in word)
    return {name: value for name, _, value in pairs}


def web_app_variables(env: Mapping[str, str], variables: Mapping[str, str]) -> dict[str, str]:
    """What the web app may know: addresses, and nothing that opens anything."""
    plain = (
        "PATH",
        "HOME",
        "LANG",
        "LC_ALL",
        "TZ",
        "TMPDIR",
        "VIRTUAL_ENV",
        "PYTHONPATH",
        "SSL_CERT_FILE",
        "MARU_PUBLIC_API_URL",
        "MARU_STORAGE_ORIGINS",
        "MARU_LOG_LEVEL",
    )
    kept = {name: env[name] for name in plain if name in env}
    return kept | {
        "MARU_API_URL": variables["MARU_API_URL"],
        "MARU_INFERENCE_URL": variables["MARU_INFERENCE_URL"],
        "PORT": variables["MARU_UI_PORT"],
        "HOST": env.get("HOST") or "127.0.0.1",
    }


def _plain(value: str) -> str:
    """Unquoted wherever a shell takes it as it stands, because some readers of such files keep the quotes."""
    return value if _NEEDS_NO_QUOTES.fullmatch(value) else shlex.quote(value)


def _one_line(pem: str) -> str:
    # Without its frame a key is one word, which every reader of such files takes as it stands.
    return "".join(line for line in pem.splitlines() if not line.startswith("-----"))
