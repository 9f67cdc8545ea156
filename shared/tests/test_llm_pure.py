"""Prices, token estimates, schemas and waits."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field
from shared.llm import Usage, estimate_tokens
from shared.llm.errors import ModelMisconfigured, ModelOutputInvalid, ModelRateLimited, ModelUnavailable
from shared.llm.openai_embeddings import batches
from shared.llm.prices import cost_micros
from shared.llm.retry import RetryPolicy
from shared.llm.schema import strict_schema
from shared.llm.tokens import cut_to_tokens
from shared.testing.openai_peer.replies import embedding, fitting
from shared.testing.openai_peer.rules import check_strict


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Leaf(BaseModel):
    title: str = Field(default="", max_length=5)
    colour: Colour | None = None


class Tree(BaseModel):
    kind: Literal["oak", "plum"]
    leaves: list[Leaf] = Field(default_factory=list, min_length=2)
    best: Leaf
    height: float = Field(ge=1)
    parent: "Tree | None" = None


def test_a_million_tokens_cost_what_the_list_says() -> None:
    assert cost_micros("gpt-4o", 1_000_000, 0) == 2_500_000
    assert cost_micros("gpt-4o", 0, 1_000_000) == 10_000_000
    assert cost_micros("gpt-4o", 1_000_000, 0, cached_tokens=1_000_000) == 1_250_000
    assert cost_micros("gpt-4o-2024-08-06", 10, 10) == cost_micros("gpt-4o", 10, 10)
    assert cost_micros("text-embedding-3-small", 1, 0) == 1
    assert cost_micros("somebody-elses-model", 10, 10) is None


def test_a_sum_with_an_unknown_cost_is_unknown() -> None:
    known, unknown = Usage(1, 2, 0, 1, 30), Usage(1, 1, 0, 1, None)
    assert (known + known).cost_micros == 60
    assert (known + unknown).cost_micros is None
    assert (known + unknown).calls == 2


@given(st.text(max_size=300), st.integers(1, 100))
def test_a_cut_text_fits_and_is_a_beginning(text: str, limit: int) -> None:
    cut = cut_to_tokens(text, limit)
    assert text.startswith(cut)
    assert estimate_tokens(cut) <= max(limit, 1)
    assert cut == text or estimate_tokens(text[: len(cut) + 1]) > limit


@given(st.lists(st.text(max_size=30), max_size=60))
def test_batches_keep_the_order(texts: list[str]) -> None:
    assert [text for batch in batches(texts) for text in batch] == [text or " " for text in texts]


def test_batches_keep_within_the_tokens_of_a_request() -> None:
    groups = list(batches(["매실" * 4000] * 100))
    assert all(sum(estimate_tokens(text) for text in group) <= 250_000 for group in groups)
    assert sum(map(len, groups)) == 100


def test_a_schema_is_strict_all_the_way_down() -> None:
    schema = strict_schema(Tree)
    check_strict(schema)
    assert "default" not in str(schema)
    # A property may be called like a keyword that is taken out elsewhere.
    assert "title" in schema["$defs"]["Leaf"]["properties"]
    Leaf.model_validate(fitting(schema["$defs"]["Leaf"], schema))


@pytest.mark.parametrize("attempt", [1, 2])
def test_waits_double_with_chance_up_to_a_limit(attempt: int) -> None:
    policy = RetryPolicy(attempts=3, first_wait_s=1, longest_wait_s=1.5)
    waits = [policy.wait_s(attempt, ModelUnavailable()) for _ in range(50)]
    longest = min(1.5, 2.0 ** (attempt - 1))
    assert all(wait is not None and longest / 2 <= wait <= longest for wait in waits)
    assert len(set(waits)) > 1


def test_what_cannot_get_better_is_not_waited_for() -> None:
    policy = RetryPolicy(attempts=3, longest_wait_s=5)
    assert policy.wait_s(3, ModelUnavailable()) is None
    assert policy.wait_s(1, ModelMisconfigured()) is None
    assert policy.wait_s(1, ModelOutputInvalid()) is None
    assert policy.wait_s(1, ModelRateLimited(retry_after=60)) is None
    assert policy.wait_s(1, ModelRateLimited(retry_after=4)) == 4


def test_the_peers_vectors_bring_like_to_like() -> None:
    def alike(one: str, other: str) -> float:
        return sum(a * b for a, b in zip(embedding(one, 256), embedding(other, 256), strict=True))

    assert alike("the plum tree", "a plum tree") > alike("the plum tree", "income tax") + 0.2
    assert alike("매실나무를 심었다", "매실나무") > alike("매실나무를 심었다", "세금 신고") + 0.2
