"""`maru eval`: how well the product finds and answers, measured through its own HTTP API."""

from maru.evaluation.measure import measure
from maru.evaluation.throwaway import throwaway_product

__all__ = ["measure", "throwaway_product"]
