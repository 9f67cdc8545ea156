"""A strict OpenAI-compatible endpoint for tests, benchmarks and trials without a key: real HTTP, real streams, scripted failures.

    async with OpenAiPeer() as peer:
        peer.script(Reply("A first answer."), Reply(status=429, headers={"Retry-After": "1"}))
        settings = LlmSettings.from_env(peer.environment)

`python -m shared.testing.openai_peer --port 9100` serves until it is stopped.
"""

from shared.testing.openai_peer.replies import Reply
from shared.testing.openai_peer.server import OpenAiPeer, RecordedRequest

__all__ = ["OpenAiPeer", "RecordedRequest", "Reply"]
