"""What models cost, as their providers publish it (dollars for a million tokens are micro-dollars for a token)."""

from __future__ import annotations

import re
from dataclasses import dataclass

_DATED = re.compile(r"-20\d\d-\d\d-\d\d$")


@dataclass(frozen=True, slots=True)
class Price:
    """Micro-dollars for one token: input, input that the provider had cached, output."""

    input: float
    cached: float
    output: float


_PRICES = {
    "gpt-4o": Price(2.5, 1.25, 10),
    "gpt-4o-mini": Price(0.15, 0.075, 0.6),
    "gpt-4.1": Price(2, 0.5, 8),
    "gpt-4.1-mini": Price(0.4, 0.1, 1.6),
    "gpt-4.1-nano": Price(0.1, 0.025, 0.4),
    "gpt-5": Price(1.25, 0.125, 10),
    "gpt-5-mini": Price(0.25, 0.025, 2),
    "gpt-5-nano": Price(0.05, 0.005, 0.4),
    "o3": Price(2, 0.5, 8),
    "o4-mini": Price(1.1, 0.275, 4.4),
    "gpt-4o-transcribe": Price(2.5, 2.5, 10),
    "gpt-4o-mini-transcribe": Price(1.25, 1.25, 5),
    "text-embedding-3-large": Price(0.13, 0.13, 0),
    "text-embedding-3-small": Price(0.02, 0.02, 0),
}


def cost_micros(model: str, input_tokens: int, output_tokens: int, cached_tokens: int = 0) -> int | None:
    """Micro-dollars, rounded up; None when the price of `model` is unknown. A dated name (`gpt-4o-2024-08-06`) costs what its family costs."""
    price = _PRICES.get(model) or _PRICES.get(_family(model))
    if price is None:
        return None
    fresh = max(0, input_tokens - cached_tokens)
    # In thousandths, which every price is a whole number of: floats would round a sum of ten up to eleven.
    input_price, cached_price, output_price = (round(each * 1000) for each in (price.input, price.cached, price.output))
    return -(-(fresh * input_price + cached_tokens * cached_price + output_tokens * output_price) // 1000)


def _family(model: str) -> str:
    return _DATED.sub("", model)
