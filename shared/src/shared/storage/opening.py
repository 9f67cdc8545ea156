"""Which store a service uses, from its settings."""

from collections.abc import Callable, Sequence

from shared.rotation import Derived, Secret, current
from shared.settings import SettingMissing, StorageSettings
from shared.storage.folder import FolderStore
from shared.storage.port import ObjectStore
from shared.storage.s3 import Bucket, S3Store
from shared.storage.signing import check_keys


def open_storage(settings: StorageSettings) -> ObjectStore:
    """The bucket when an endpoint is set, else the folder. Nothing is opened before the first call."""
    return _bucket(settings) if settings.endpoint else open_folder(settings)


def open_folder(settings: StorageSettings) -> FolderStore:
    """The folder; `MARU_FILES_KEY` may hold several keys, separated by commas, while one replaces another (the first signs)."""
    if not settings.signing_key:
        raise SettingMissing("MARU_FILES_KEY is not set: addresses of files are signed with it. `maru up` makes one.")
    return FolderStore(settings.folder, settings.public_url, signing_keys(settings.signing_key))


def signing_keys(value: Secret) -> Callable[[], Sequence[bytes]]:
    """Gives the keys of a setting that may hold several, as they are at that moment; raises `ValueError` where there is none long enough."""

    def read(text: str) -> Sequence[bytes]:
        keys = [key.strip().encode() for key in text.split(",") if key.strip()]
        check_keys(keys)
        return keys

    return Derived(lambda: current(value), read).get


def _bucket(settings: StorageSettings) -> S3Store:
    if not (settings.endpoint and settings.access_key and settings.secret_key):
        raise SettingMissing("R2_ENDPOINT is set, but R2_ACCESS_KEY or R2_SECRET_KEY is not.")
    return S3Store(Bucket(settings.endpoint, settings.bucket, settings.access_key, settings.secret_key))
