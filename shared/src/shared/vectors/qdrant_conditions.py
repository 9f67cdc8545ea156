"""Filter conditions as the Qdrant client writes them."""

from __future__ import annotations

from qdrant_client import models

from shared.vectors.payload import Above, AnyOf, Condition, Within


def field_condition(condition: Condition) -> models.FieldCondition:
    """One condition in the client's model."""
    match condition:
        case AnyOf(key, values):
            return models.FieldCondition(key=key, match=models.MatchAny(any=values))
        case Within(key, since, until):
            return models.FieldCondition(key=key, range=models.DatetimeRange(gte=since, lt=until))
        case Above(key, limit):
            return models.FieldCondition(key=key, range=models.Range(gt=limit))
