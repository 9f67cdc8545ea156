"""The outbox in the cloud: facts to Pub/Sub, commands to Cloud Tasks, and what becomes of those that fail."""

from shared.publishing.opening import open_relay, set_aside_at_last
from shared.publishing.settings import MessagingSettings

__all__ = ["MessagingSettings", "open_relay", "set_aside_at_last"]
