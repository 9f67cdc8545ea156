"""How much is taken, and for how long an upload may take."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.storage.media import Kind
from shared.storage.parts import PartRules

_MB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """Sizes are in bytes. The row of an upload outlives its address, so that a slow transfer can still be completed."""

    document: int = 200 * _MB
    photo: int = 64 * _MB
    audio: int = 500 * _MB
    space: int = 20_000 * _MB
    pending: int = 500
    address_s: int = 3_600
    abandoned_s: int = 6 * 3_600
    reading_s: int = 300
    parts: PartRules = field(default_factory=PartRules)

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "UploadLimits":
        """`MARU_MAX_DOCUMENT_MB`, `MARU_MAX_PHOTO_MB`, `MARU_MAX_AUDIO_MB`, `MARU_SPACE_QUOTA_MB`, and those of `PartRules`."""
        usual = cls()

        def size(name: str, default: int) -> int:
            return int(env[name]) * _MB if env.get(name) else default

        return cls(
            document=size("MARU_MAX_DOCUMENT_MB", usual.document),
            photo=size("MARU_MAX_PHOTO_MB", usual.photo),
            audio=size("MARU_MAX_AUDIO_MB", usual.audio),
            space=size("MARU_SPACE_QUOTA_MB", usual.space),
            parts=PartRules.from_env(env),
        )

    def of(self, kind: Kind) -> int:
        """The most bytes of a file of this kind."""
        return {"document": self.document, "photo": self.photo, "audio": self.audio}[kind]
