"""Reads secrets from files, as Cloud Run and Kubernetes mount them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from shared.secret_values.errors import SecretUnreadable

_LARGEST = 64 * 1024


def read_files(wanted: Mapping[str, Path]) -> dict[str, str | SecretUnreadable]:
    """The contents by variable, without the line end that editors leave; each with its own failure."""
    return {variable: _read(variable, path) for variable, path in wanted.items()}


def _read(variable: str, path: Path) -> str | SecretUnreadable:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            return SecretUnreadable(f"{variable}: {path} is larger than {_LARGEST // 1024} KiB, so it is no secret.")
        return data.decode().rstrip("\r\n")
    except OSError as failure:
        return SecretUnreadable(f"{variable} names the file {path}, which cannot be read: {failure.strerror}.")
    except UnicodeDecodeError:
        return SecretUnreadable(f"{variable}: {path} is not text in UTF-8.")
