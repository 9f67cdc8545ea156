"""Pub/Sub push and Cloud Tasks, for one machine."""

from maru.deliverer.deliverer import Deliverer
from maru.deliverer.http_caller import HttpCaller
from maru.deliverer.tokens import TokenSigner

__all__ = ["Deliverer", "HttpCaller", "TokenSigner"]
