"""Keys that a fresh installation makes for itself, once."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from maru.errors import CannotStart


@dataclass(frozen=True, slots=True)
class LocalSecrets:
    """What the services of this machine sign and seal with."""

    auth_signing_key: str
    callback_private_key: str
    callback_public_key: str
    session_key: str
    files_key: str
    folder: Path

    def reference(self, file: str) -> str:
        """Names a secret instead of holding it: whoever is given this reads it again from time to time, so that it can be rotated."""
        return f"file://{self.folder / file}"

    @classmethod
    def load(cls, folder: Path) -> LocalSecrets:
        """Read them, making what is missing; each file is complete or absent, whenever the machine stops."""
        callback = _kept(folder / "callback_key.pem", p256_key)
        return cls(
            auth_signing_key=_kept(folder / "auth_signing_key.pem", p256_key),
            callback_private_key=callback,
            callback_public_key=_public(callback),
            session_key=_kept(folder / "session_key", fernet_key),
            files_key=_kept(folder / "files_key", signing_key),
            folder=folder.absolute(),
        )


def _kept(path: Path, make: Callable[[], str]) -> str:
    try:
        return path.read_text().strip() + "\n" if path.suffix == ".pem" else path.read_text().strip()
    except FileNotFoundError:
        pass
    value = make()
    keep(path, value)
    return value


def keep(path: Path, value: str) -> None:
    """Write a secret for its owner's eyes; the file is complete or as it was, whenever the machine stops."""
    unfinished = path.with_name(path.name + ".new")
    unfinished.unlink(missing_ok=True)
    try:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(value)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
    except OSError as problem:
        raise CannotStart(
            f"The key {path} could not be written ({problem.strerror}): free some space on its disk."
        ) from None


def p256_key() -> str:
    """A key that signs tokens, as PEM."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def fernet_key() -> str:
    """A key that seals."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def signing_key() -> str:
    """A key that signs addresses."""
    return secrets.token_urlsafe(32)


def _public(private_pem: str) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    key = load_pem_private_key(private_pem.encode(), password=None)
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
