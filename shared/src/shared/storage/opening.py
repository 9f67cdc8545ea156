"""Which store a service uses, from its settings."""

from shared.settings import SettingMissing, StorageSettings
from shared.storage.folder import FolderStore
from shared.storage.port import ObjectStore
from shared.storage.s3 import Bucket, S3Store


def open_storage(settings: StorageSettings) -> ObjectStore:
    """The bucket when an endpoint is set, else the folder. Nothing is opened before the first call."""
    return _bucket(settings) if settings.endpoint else open_folder(settings)


def open_folder(settings: StorageSettings) -> FolderStore:
    """The folder; `MARU_FILES_KEY` may hold several keys, separated by commas, while one replaces another (the first signs)."""
    keys = [key.strip().encode() for key in settings.signing_key.split(",") if key.strip()]
    if not keys:
        raise SettingMissing("MARU_FILES_KEY is not set: addresses of files are signed with it. `maru up` makes one.")
    return FolderStore(settings.folder, settings.public_url, keys)


def _bucket(settings: StorageSettings) -> S3Store:
    if not (settings.endpoint and settings.access_key and settings.secret_key):
        raise SettingMissing("R2_ENDPOINT is set, but R2_ACCESS_KEY or R2_SECRET_KEY is not.")
    return S3Store(Bucket(settings.endpoint, settings.bucket, settings.access_key, settings.secret_key))
