"""A transaction pooler between a service and Postgres, as Supabase puts one there: PgBouncer, the program itself.

Strict on purpose: it takes passwords, knows no prepared statements, and refuses every startup parameter that it does not know.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, urlsplit

from maru.postgres.wheel import ServerUser

from shared.testing.ports import free_ports
from shared.testing.waiting import eventually_sync

if TYPE_CHECKING:
    from shared.testing.postgres import RoleUrls

PASSWORD = "a password between the service and the pooler"
_SERVICES = ("api", "ingest", "inference")


@contextmanager
def pooled(urls: RoleUrls, folder: Path, pool_size: int = 1) -> Generator[RoleUrls]:
    """The same database as `urls`, its services' logins through a pooler with `pool_size` connections for each of them.

    The owner's address stays direct, as migrations need it.
    """
    with run_pgbouncer(_socket_folder(urls.superuser), urls.name, folder, pool_size) as addresses:
        yield replace(urls, **addresses)


@contextmanager
def run_pgbouncer(
    postgres: str, database: str, folder: Path, pool_size: int = 1, users: Mapping[str, str] | None = None
) -> Generator[dict[str, str]]:
    """A pooler before the Postgres whose socket is in the folder `postgres`, which may come up later: the address for each service.

    `users` maps each service to the login role that it connects as, when that is not the usual one.
    """
    (port,) = free_ports(1)
    users = users or {service: f"maru_{service}" for service in _SERVICES}
    user = ServerUser.current()
    user.own(folder)
    _write(folder, port, postgres, pool_size, users.values())
    argv = [_program(), str(folder / "pgbouncer.ini")]
    with (folder / "pgbouncer.log").open("ab") as log:
        process = subprocess.Popen(user.command(argv, dies_with_parent=True), stdout=log, stderr=log)
    try:
        eventually_sync(lambda: _listens(process, port, folder))
        yield {
            service: f"postgresql://{login}:{quote(PASSWORD)}@127.0.0.1:{port}/{database}"
            for service, login in users.items()
        }
    finally:
        process.terminate()
        process.wait(10)


def _program() -> str:
    found = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    assert found, "PgBouncer is missing: apt-get install pgbouncer (.ci/run does it)"
    return found


def _socket_folder(dsn: str) -> str:
    return parse_qs(urlsplit(dsn).query)["host"][0]


def _write(folder: Path, port: int, postgres: str, pool_size: int, logins: Iterable[str]) -> None:
    passwords = folder / "users.txt"
    passwords.write_text("".join(f'"{login}" "{PASSWORD}"\n' for login in logins))
    settings = {
        "listen_addr": "127.0.0.1",
        "listen_port": port,
        "unix_socket_dir": "",
        "auth_type": "scram-sha-256",
        "auth_file": passwords,
        "pool_mode": "transaction",
        "default_pool_size": pool_size,
        "max_client_conn": 200,
        "server_login_retry": 0,
        "query_wait_timeout": 20,
        "log_connections": 0,
        "log_disconnections": 0,
    }
    lines = [f"{name} = {value}\n" for name, value in settings.items()]
    (folder / "pgbouncer.ini").write_text(f"[databases]\n* = host={postgres}\n\n[pgbouncer]\n{''.join(lines)}")


def _listens(process: subprocess.Popen[bytes], port: int, folder: Path) -> bool:
    assert process.poll() is None, (folder / "pgbouncer.log").read_text()[-2000:]
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except OSError:
        return False
    return True
