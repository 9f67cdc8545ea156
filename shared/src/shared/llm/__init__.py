"""Language models behind ports: any OpenAI-compatible endpoint, or nothing at all (then every caller extracts and quotes, and says so)."""

from shared.llm.errors import (
    ModelCutOff,
    ModelError,
    ModelMisconfigured,
    ModelOutputInvalid,
    ModelQuotaExhausted,
    ModelRateLimited,
    ModelRefused,
    ModelRequestRejected,
    ModelTimedOut,
    ModelUnavailable,
)
from shared.llm.factory import Models, open_llm
from shared.llm.port import (
    ChatMessage,
    Embedder,
    ImageDescription,
    LanguageModel,
    PromptName,
    TextDelta,
    Transcriber,
    Usage,
    UsageReport,
    Vision,
)
from shared.llm.tokens import estimate_tokens

__all__ = [
    "ChatMessage",
    "Embedder",
    "ImageDescription",
    "LanguageModel",
    "ModelCutOff",
    "ModelError",
    "ModelMisconfigured",
    "ModelOutputInvalid",
    "ModelQuotaExhausted",
    "ModelRateLimited",
    "ModelRefused",
    "ModelRequestRejected",
    "ModelTimedOut",
    "ModelUnavailable",
    "Models",
    "PromptName",
    "TextDelta",
    "Transcriber",
    "Usage",
    "UsageReport",
    "Vision",
    "estimate_tokens",
    "open_llm",
]
