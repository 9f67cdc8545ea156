"""Which package index a build asks, handed to it as a secret: in no layer, in no variable of the image, in no history."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# Where the Dockerfiles mount the secret `ca`.
_CA_INSIDE = "/run/secrets/ca"


@dataclass(frozen=True, slots=True)
class Secrets:
    """Files that a build may read while it runs: pip's configuration, and the certificates it trusts."""

    pip: Path
    ca: Path | None

    def arguments(self) -> list[str]:
        """As every builder takes them."""
        found = ["--secret", f"id=pip,src={self.pip}"]
        return [*found, "--secret", f"id=ca,src={self.ca}"] if self.ca else found


def pip_conf(env: Mapping[str, str], *, own_certificates: bool) -> str:
    """pip's configuration out of the variables that pip or uv are told their index by."""
    named = {
        "index-url": env.get("PIP_INDEX_URL") or env.get("UV_DEFAULT_INDEX") or env.get("UV_INDEX_URL"),
        "extra-index-url": env.get("PIP_EXTRA_INDEX_URL"),
        "trusted-host": env.get("PIP_TRUSTED_HOST"),
        "timeout": env.get("PIP_DEFAULT_TIMEOUT"),
        "cert": _CA_INSIDE if own_certificates else None,
    }
    return "\n".join(["[global]", *(f"{name} = {value}" for name, value in named.items() if value), ""])


@contextmanager
def index_secrets(env: Mapping[str, str]) -> Generator[Secrets]:
    """The secrets of one build, which only this account may read, gone after it."""
    certificates = env.get("PIP_CERT") or env.get("SSL_CERT_FILE")
    ca = Path(certificates) if certificates and Path(certificates).is_file() else None
    with tempfile.TemporaryDirectory(prefix="maru-build-") as folder:
        pip = Path(folder) / "pip.conf"
        pip.touch(mode=0o600)
        pip.write_text(pip_conf(env, own_certificates=ca is not None))
        yield Secrets(pip, ca)
