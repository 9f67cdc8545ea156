"""What tests of several members share. Never imported by the product."""

from shared.testing.waiting import eventually

__all__ = ["eventually"]
