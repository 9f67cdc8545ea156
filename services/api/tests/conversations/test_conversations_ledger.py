"""Quotes checked against the passages of a request."""

from __future__ import annotations

from datetime import UTC, datetime

from api.conversations.ledger import CitationLedger
from hypothesis import given
from hypothesis import strategies as st
from shared.ids import new_id
from shared.retrieval import Passage

FIRST = "The dentist said to come back in May. It cost 120,000 won."
SECOND = "엄마는 오월에 치과에 다시 가자고 했다. 비용은 12만 원이었다."


def passage(text: str, start: int = 0) -> Passage:
    entry = new_id()
    at = datetime(2026, 5, 1, tzinfo=UTC)
    return Passage(entry, new_id(), 3, new_id(), "note", "치과", at, start, start + len(text), text, "00", 1.0)


def test_a_quote_that_stands_in_its_passage_is_verified_and_shown_as_it_stands_there():
    source = passage(FIRST, start=40)
    number, citation = CitationLedger([source]).cite(1, "THE DENTIST said,  to come back")
    assert (number, citation.state) == (1, "verified")
    assert citation.quote == "The dentist said to come back"
    assert (citation.start, citation.end) == (40, 40 + len(citation.quote))
    assert (citation.entry_id, citation.version, citation.title) == (source.entry_id, 3, "치과")


def test_a_changed_digit_is_not_verified():
    _, citation = CitationLedger([passage(FIRST)]).cite(1, "It cost 130,000 won")
    assert citation.state == "missing"
    assert citation.quote == "It cost 130,000 won"


def test_a_quote_of_another_passage_is_misattributed_and_opens_where_it_stands():
    first, second = passage(FIRST), passage(SECOND)
    _, citation = CitationLedger([first, second]).cite(1, "비용은 12만 원이었다")
    assert citation.state == "misattributed"
    assert citation.entry_id == second.entry_id
    assert SECOND[citation.start : citation.end] == "비용은 12만 원이었다"


def test_a_number_without_a_quote_proves_nothing():
    _, citation = CitationLedger([passage(FIRST)]).cite(1, None)
    assert (citation.state, citation.quote) == ("missing", "")


def test_a_word_that_stands_anywhere_proves_nothing():
    _, citation = CitationLedger([passage(FIRST)]).cite(1, "the")
    assert citation.state == "missing"


def test_passages_that_were_not_given_cannot_be_cited():
    ledger = CitationLedger([passage(FIRST)])
    assert ledger.cite(0, "dentist") is None
    assert ledger.cite(2, "The dentist said") is None
    assert ledger.citations == []


def test_numbers_follow_first_use_and_the_same_place_keeps_its_number():
    ledger = CitationLedger([passage(FIRST), passage(SECOND)])
    shown = [ledger.cite(2, "오월에 치과에"), ledger.cite(1, "come back in May"), ledger.cite(2, "오월에 치과에")]
    assert [number for number, _ in shown] == [1, 2, 1]
    assert shown[2][1] is None
    assert [citation.n for citation in ledger.citations] == [1, 2]


@given(st.integers(-2, 5), st.none() | st.text(max_size=60) | st.sampled_from([FIRST[4:20], SECOND[2:12]]))
def test_a_verified_quote_always_stands_in_the_cited_passage(n, quote):
    passages = [passage(FIRST, 7), passage(SECOND)]
    cited = CitationLedger(passages).cite(n, quote)
    if cited is not None and cited[1].state == "verified":
        source = passages[n - 1]
        assert cited[1].quote == source.text[cited[1].start - source.start : cited[1].end - source.start]
