"""The arithmetic of docs/costs.md: what is free costs nothing, what is more costs more, and the document says what the program computes."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.costs import DOCUMENT, Person, Prices, Work, bill, document, tables, total

PRICES, PERSON, WORK = Prices(), Person(), Work()


def cost_of(what: str, people: int, prices: Prices = PRICES, person: Person = PERSON, work: Work = WORK) -> float:
    (line,) = [line for line in bill(people, prices, person, work) if line.what == what]
    return line.dollars


def test_the_document_says_what_is_computed() -> None:
    text = DOCUMENT.read_text()
    assert document(text, "\n".join(tables(PRICES, PERSON, WORK))) == text


def test_what_nobody_uses_costs_the_database_and_some_cents() -> None:
    lines = {line.what: line.dollars for line in bill(0, PRICES, PERSON, WORK) if line.dollars}
    assert lines.pop("Supabase") == 25
    assert sum(lines.values()) < 1
    assert set(lines) == {"Scheduler, secrets, images"}


def test_lines_by_hand() -> None:
    # 10,000 people open the web app 20 times for 6 minutes: 27.8 pages are open on average, on 27.8 / 20 instances.
    pages = 2_592_000 * (10_000 * 20 * 360 / 2_592_000) / 20
    api = 10_000 * (20 * 120 + 20 + 40) * 0.05 + 10_000 * 20 * 6
    ingest = 10_000 * (40 * 1 + 60 * 4)
    vcpu_s = pages + api + ingest + 3 * 43_200 * 0.2
    gib_s = api + pages / 2 + ingest * 2 + 3 * 43_200 * 0.2 * 3.5 / 3
    requests = 10_000 * 2_460 + 3 * 43_200
    expected = (vcpu_s - 180_000) * 0.0000336 + (gib_s - 360_000) * 0.0000035 + (requests - 2e6) / 1e6 * 0.40
    assert cost_of("Cloud Run", 10_000) == pytest.approx(expected)
    assert cost_of("Cloud Tasks", 10_000) == pytest.approx((1_000_000 * 2 * 2 - 1_000_000) / 1e6 * 0.40)
    assert cost_of("Language model", 1) == pytest.approx(
        (100 * 1500 + 20 * 4000) / 1e6 * 0.40 + (100 * 250 + 20 * 400) / 1e6 * 1.60 + 100 * 600 / 1e6 * 0.13 + 5 * 0.003
    )
    assert cost_of("R2", 100) == pytest.approx((100 * 60 * 3 * 1.15 * 12 / 1000 - 10) * 0.015)


@given(st.integers(0, 200_000), st.integers(0, 200_000))
def test_more_people_never_cost_less(some: int, others: int) -> None:
    few, many = sorted((some, others))
    for less, more in zip(bill(few, PRICES, PERSON, WORK), bill(many, PRICES, PERSON, WORK), strict=True):
        assert 0 <= less.dollars <= more.dollars + 1e-9, less.what


@given(
    st.sampled_from(
        [field.name for field in fields(Prices) if "free" not in field.name and "included" not in field.name]
    )
)
def test_a_higher_price_never_makes_a_month_cheaper(name: str) -> None:
    if name == "supabase_compute_credit":
        return
    dearer = replace(PRICES, **{name: getattr(PRICES, name) * 3})
    assert total(bill(10_000, dearer, PERSON, WORK)) >= total(bill(10_000, PRICES, PERSON, WORK))


def test_only_the_computed_part_of_a_document_is_replaced() -> None:
    text = "before\n<!-- computed: python -m bench.costs --write -->\nold\n<!-- end -->\nafter\n"
    assert document(text, "new").split("\n")[0] == "before"
    assert "old" not in document(text, "new")
    assert document(document(text, "new"), "new") == document(text, "new")
