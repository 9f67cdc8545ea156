"""What calls cost, and how they are cut to an endpoint's limits: to the last token and micro-dollar."""

from __future__ import annotations

import math
from decimal import Decimal
from itertools import pairwise
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field
from shared.llm import Usage, estimate_tokens
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
from shared.llm.openai_connection import Endpoint, stream_error
from shared.llm.openai_embeddings import batches
from shared.llm.prices import cost_micros
from shared.llm.retry import RetryPolicy, with_retries
from shared.llm.schema import strict_schema
from shared.llm.tokens import cut_to_tokens
from shared.testing.openai_peer.rules import check_strict

# Dollars for a million tokens: input, cached input, output.
LISTED = {
    "gpt-4o": ("2.5", "1.25", "10"),
    "gpt-4o-mini": ("0.15", "0.075", "0.6"),
    "gpt-4.1": ("2", "0.5", "8"),
    "gpt-4.1-mini": ("0.4", "0.1", "1.6"),
    "gpt-4.1-nano": ("0.1", "0.025", "0.4"),
    "gpt-5-nano": ("0.05", "0.005", "0.4"),
    "o4-mini": ("1.1", "0.275", "4.4"),
    "text-embedding-3-small": ("0.02", "0.02", "0"),
    "text-embedding-3-large": ("0.13", "0.13", "0"),
}
counts = st.integers(0, 300_000)


@settings(max_examples=150)
@given(st.sampled_from(sorted(LISTED)), counts, counts, st.data())
def test_a_call_costs_its_tokens_rounded_up_once(model: str, sent: int, written: int, data: st.DataObject) -> None:
    cached = data.draw(st.integers(0, sent))
    fresh_price, cached_price, output_price = map(Decimal, LISTED[model])
    exact = (sent - cached) * fresh_price + cached * cached_price + written * output_price
    assert cost_micros(model, sent, written, cached) == math.ceil(exact)


@pytest.mark.parametrize(
    ("dated", "family"),
    [
        ("gpt-4o-2024-11-20", "gpt-4o"),
        ("gpt-4o-2024-05-13", "gpt-4o"),
        ("gpt-4o-2024-08-20", "gpt-4o"),
        ("gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
        ("gpt-4.1-nano-2025-04-14", "gpt-4.1-nano"),
        ("o4-mini-2025-04-16", "o4-mini"),
        ("gpt-5-2025-08-07", "gpt-5"),
        ("o3-2025-04-16", "o3"),
    ],
)
def test_a_dated_model_costs_what_its_family_costs(dated: str, family: str) -> None:
    assert cost_micros(dated, 1_000, 1_000, 100) == cost_micros(family, 1_000, 1_000, 100) is not None


@pytest.mark.parametrize(
    "model",
    [
        "",
        "gpt",
        "gpt-4o-audio",
        "gpt-4o-2024",
        "gpt-4o-2024-11",
        "my-gpt-4o",
        "gpt-4o-20x",
        "llama-3-2025-01-01",
        "-2024-11-20",
    ],
)
def test_a_model_nobody_has_listed_has_no_price(model: str) -> None:
    assert cost_micros(model, 10, 10) is None


def test_more_cached_than_sent_never_earns_money() -> None:
    cost = cost_micros("gpt-4o", 10, 0, 20)
    assert cost is not None
    assert cost > 0
    assert cost_micros("gpt-4o", 0, 0) == 0


usages = st.builds(Usage, counts, counts, counts, st.integers(0, 5), st.none() | counts)


@given(usages, usages, usages)
def test_usage_adds_up_in_any_order(one: Usage, two: Usage, three: Usage) -> None:
    assert (one + two) + three == one + (two + three)
    assert one + two == two + one
    assert one + Usage() == one


def test_usage_as_json_has_every_count() -> None:
    assert Usage(1, 2, 3, 4, 5).as_json() == {
        "input_tokens": 1,
        "output_tokens": 2,
        "cached_tokens": 3,
        "llm_calls": 4,
        "cost_micros": 5,
    }


@pytest.mark.parametrize(
    ("text", "least"),
    [
        ("", 1),
        ("word", 1),
        ("a" * 400, 100),
        ("안녕하세요", 5),
        ("나는 학교에 갔다", 7),
        ("日本語", 3),
        ("mixed 한글 text", 4),
    ],
)
def test_estimates_err_on_the_high_side(text: str, least: int) -> None:
    assert estimate_tokens(text) >= least


@given(st.text(max_size=100), st.text(max_size=100))
def test_a_longer_text_is_never_estimated_shorter(one: str, two: str) -> None:
    assert estimate_tokens(one + two) >= max(estimate_tokens(one), estimate_tokens(two))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 40_000), max_size=60), st.sampled_from(["가", "a", " "]))
def test_batches_are_full_and_within_every_limit(lengths: list[int], letter: str) -> None:
    texts = [letter * length for length in lengths]
    groups = list(batches(texts))
    assert sum(map(len, groups)) == len(texts)
    for group in groups:
        assert 0 < len(group) <= 2048
        assert all(text and estimate_tokens(text) <= 8000 for text in group)
        assert sum(map(estimate_tokens, group)) <= 250_000
    for group, following in pairwise(groups):
        assert len(group) == 2048 or sum(map(estimate_tokens, [*group, following[0]])) > 250_000


def test_a_batch_ends_at_the_endpoints_number_of_texts() -> None:
    assert [len(group) for group in batches(["a"] * 4_097)] == [2048, 2048, 1]
    assert list(batches([])) == []


@pytest.mark.parametrize("text", ["가" * 20_000, "a" * 60_000, "😀" * 9_000, "mixed 가나 " * 5_000])
def test_an_endless_text_is_cut_at_its_end(text: str) -> None:
    [[cut]] = batches([text])
    assert text.startswith(cut)
    assert estimate_tokens(cut) <= 8000 < estimate_tokens(text[: len(cut) + 3])


def test_nothing_fits_into_no_tokens() -> None:
    assert cut_to_tokens("abc", 0) == ""
    assert cut_to_tokens("", 1) == ""


RETRYABLE = [ModelUnavailable, ModelTimedOut, ModelCutOff, ModelRateLimited]
FINAL = [ModelQuotaExhausted, ModelRefused, ModelOutputInvalid, ModelMisconfigured, ModelRequestRejected]


class Flaky:
    """Fails with the given errors, then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


@pytest.mark.parametrize("kind", RETRYABLE)
async def test_what_may_pass_is_asked_again_until_the_attempts_are_over(kind: type[ModelError]) -> None:
    policy = RetryPolicy(attempts=3, first_wait_s=0, longest_wait_s=0)
    passing = Flaky(*(kind(retry_after=0) for _ in range(2)))
    assert await with_retries(policy, passing) == "answer"
    assert passing.calls == 3
    lasting = Flaky(*(kind(retry_after=0) for _ in range(5)))
    with pytest.raises(kind):
        await with_retries(policy, lasting)
    assert lasting.calls == 3


@pytest.mark.parametrize("kind", [*FINAL, ValueError])
async def test_what_cannot_pass_is_asked_once(kind: type[Exception]) -> None:
    failing = Flaky(kind(), kind())
    with pytest.raises(kind):
        await with_retries(RetryPolicy(attempts=5, first_wait_s=0, longest_wait_s=0), failing)
    assert failing.calls == 1


@pytest.mark.parametrize("kind", RETRYABLE + FINAL)
def test_every_failure_has_a_code_a_title_and_a_sentence(kind: type[ModelError]) -> None:
    problem = kind()
    assert problem.status == 503
    assert problem.code.startswith("model_")
    assert problem.title
    assert problem.detail.endswith(".")
    assert problem.retryable is (kind in RETRYABLE or kind is ModelOutputInvalid)


def test_codes_of_failures_are_distinct() -> None:
    assert len({kind.code for kind in RETRYABLE + FINAL}) == len(RETRYABLE + FINAL)


@pytest.mark.parametrize(
    ("code", "kind", "expected"),
    [
        ("content_filter", None, ModelRefused),
        ("content_policy_violation", None, ModelRefused),
        ("insufficient_quota", "rate_limit_error", ModelQuotaExhausted),
        ("rate_limit_exceeded", None, ModelRateLimited),
        (None, "rate_limit_error", ModelRateLimited),
        ("server_error", "server_error", ModelCutOff),
        (None, None, ModelCutOff),
    ],
)
def test_an_error_inside_a_stream_keeps_its_meaning(
    code: str | None, kind: str | None, expected: type[ModelError]
) -> None:
    assert type(stream_error(code, kind)) is expected


@pytest.mark.parametrize(
    ("url", "host", "official"),
    [
        (None, "api.openai.com", True),
        ("", "api.openai.com", True),
        ("https://api.openai.com/v1", "api.openai.com", True),
        ("http://localhost:11434/v1", "localhost", False),
        ("https://API.Example.org:8443/openai", "api.example.org", False),
        ("https://api.openai.com.evil.example/v1", "api.openai.com.evil.example", False),
    ],
)
def test_who_answers_is_read_from_the_address(url: str | None, host: str, official: bool) -> None:
    endpoint = Endpoint("key", url)
    assert (endpoint.host, endpoint.official) == (host, official)
    assert endpoint.provider == ("openai" if official else host)


class Inner(BaseModel):
    """A part."""

    size: int = Field(default=3, ge=0, description="How many")
    kind: Literal["a", "b"] = "a"


class Outer(BaseModel):
    """Parts in every place a schema can hold them."""

    one: Inner
    maybe: Inner | None = None
    many: list[Inner] = Field(default_factory=list)
    by_name: dict[str, int] = Field(default_factory=dict)
    title: str = Field(default="", min_length=1, examples=["x"])
    default: bool = False


class Nested(BaseModel):
    """Holds itself."""

    children: list[Nested] = []


def test_a_strict_schema_requires_everything_and_keeps_meaning() -> None:
    schema = strict_schema(Outer)
    assert schema["required"] == ["one", "maybe", "many", "by_name", "title", "default"]
    assert schema["additionalProperties"] is False
    inner = schema["$defs"]["Inner"]
    assert inner["required"] == ["size", "kind"]
    assert inner["properties"]["size"]["description"] == "How many"
    assert inner["properties"]["size"]["minimum"] == 0
    assert inner["properties"]["kind"]["enum"] == ["a", "b"]
    assert schema["properties"]["one"] == {"$ref": "#/$defs/Inner"}
    assert "minLength" not in schema["properties"]["title"]
    assert Outer.model_json_schema()["properties"]["title"]["minLength"] == 1


def test_a_schema_that_holds_itself_is_an_object_at_its_root() -> None:
    schema = strict_schema(Nested)
    assert schema["type"] == "object"
    check_strict(schema)
