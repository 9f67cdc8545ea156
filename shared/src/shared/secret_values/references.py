"""What `sm://…` means. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from shared.secret_values.errors import SecretUnreadable

MANAGED = "sm://"
FILE = "file:///"

_LATEST = "latest"
_SHORT = re.compile(r"([A-Za-z0-9_-]{1,255})(?:/([A-Za-z0-9_-]{1,63}))?")
_FULL = re.compile(r"projects/([a-z0-9.:-]{1,63})/secrets/([A-Za-z0-9_-]{1,255})(?:/versions/([A-Za-z0-9_-]{1,63}))?")


@dataclass(frozen=True, slots=True)
class SecretReference:
    """A version of a secret; `latest` and aliases may come to mean another one, a number never does."""

    project: str
    name: str
    version: str

    @property
    def resource(self) -> str:
        """Its name as Secret Manager writes it."""
        return f"projects/{self.project}/secrets/{self.name}/versions/{self.version}"

    @property
    def pinned(self) -> bool:
        """Whether it always means the same value."""
        return self.version.isdigit()


def parse_reference(variable: str, value: str, project: str) -> SecretReference:
    """`sm://NAME`, `sm://NAME/VERSION` (in `project`) or `sm://projects/P/secrets/NAME[/versions/VERSION]`; raises `SecretUnreadable`."""
    path = value.removeprefix(MANAGED)
    if full := _FULL.fullmatch(path):
        return SecretReference(full[1], full[2], full[3] or _LATEST)
    short = _SHORT.fullmatch(path)
    if short is None:
        raise SecretUnreadable(
            f"{variable} is {value!r}: write sm://NAME, sm://NAME/VERSION or sm://projects/PROJECT/secrets/NAME/versions/VERSION."
        )
    if not project:
        raise SecretUnreadable(
            f"{variable} names the secret {short[1]!r}, but not its project: set GOOGLE_CLOUD_PROJECT, or write sm://projects/PROJECT/secrets/{short[1]}."
        )
    return SecretReference(project, short[1], short[2] or _LATEST)
