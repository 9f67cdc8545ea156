"""Gives the services' login roles their passwords, on servers that ask for one."""

from __future__ import annotations

from collections.abc import Mapping

LOGIN_ROLES = ("maru_api", "maru_ingest", "maru_inference", "maru_deliverer")
SHORTEST = 16


class UnfitPassword(Exception):
    """A password cannot be used; the message says which and why, and never what it is."""


def set_passwords(dsn: str, passwords: Mapping[str, str]) -> list[str]:
    """Set them all or none, and name the roles. The server is told a verifier, so that no log of statements holds a password."""
    import psycopg
    from psycopg import sql

    for role, password in passwords.items():
        if role not in LOGIN_ROLES:
            raise UnfitPassword(f"{role} is no login role of Maru: use {', '.join(LOGIN_ROLES)}.")
        if len(password) < SHORTEST or "\0" in password or "\n" in password:
            raise UnfitPassword(f"The password of {role} needs at least {SHORTEST} characters and no line end.")
    with psycopg.connect(dsn, connect_timeout=15) as connection:
        for role, password in passwords.items():
            verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
            connection.execute(
                sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(verifier.decode()))
            )
    return list(passwords)
