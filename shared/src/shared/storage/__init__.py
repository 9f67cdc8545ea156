"""Where files lie: the port, its two adapters and the signed addresses."""

from shared.storage.errors import (
    BodyDiffers,
    InvalidObjectKey,
    LinkExpired,
    LinkRefused,
    ObjectChanged,
    ObjectMissing,
    ObjectTooLarge,
    PartsGone,
    PartsMissing,
    PartsRefused,
    StorageAway,
)
from shared.storage.opening import open_folder, open_storage, signing_keys
from shared.storage.port import ObjectInfo, ObjectStore, Part, SignedRequest

__all__ = [
    "BodyDiffers",
    "InvalidObjectKey",
    "LinkExpired",
    "LinkRefused",
    "ObjectChanged",
    "ObjectInfo",
    "ObjectMissing",
    "ObjectStore",
    "ObjectTooLarge",
    "Part",
    "PartsGone",
    "PartsMissing",
    "PartsRefused",
    "SignedRequest",
    "StorageAway",
    "open_folder",
    "open_storage",
    "signing_keys",
]
