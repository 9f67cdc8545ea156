"""Where files lie: the port, its two adapters and the signed addresses."""

from shared.storage.errors import (
    BodyDiffers,
    InvalidObjectKey,
    LinkExpired,
    LinkRefused,
    ObjectMissing,
    ObjectTooLarge,
    StorageAway,
)
from shared.storage.opening import open_folder, open_storage
from shared.storage.port import ObjectInfo, ObjectStore, SignedRequest

__all__ = [
    "BodyDiffers",
    "InvalidObjectKey",
    "LinkExpired",
    "LinkRefused",
    "ObjectInfo",
    "ObjectMissing",
    "ObjectStore",
    "ObjectTooLarge",
    "SignedRequest",
    "StorageAway",
    "open_folder",
    "open_storage",
]
