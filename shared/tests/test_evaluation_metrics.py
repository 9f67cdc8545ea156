"""Scores of runs whose worth can be counted by hand."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared.evaluation import Answered, Citation, Dataset, Document, GoldSpan, Question, Run, as_json, evaluate, render
from shared.evaluation.metrics import hit, ndcg, recall

DATASET = Dataset(
    "tiny",
    (
        Document("a", "Picnic", "We ate 12 sandwiches by the river.", "en"),
        Document("b", "", "어머니가 전화하셨다.", "ko"),
        Document("c", "", "Nothing to see.", "en"),
    ),
    (
        Question("q1", "How many sandwiches?", "en", gold=(GoldSpan("a", "12 sandwiches"),)),
        Question("q2", "누가 전화했어?", "ko", gold=(GoldSpan("b", "어머니가"),)),
        Question("q3", "Which hotel?", "en", answerable=False),
    ),
    {"q1": {"a": 2, "c": 1}, "q2": {"b": 1}},
)


def test_a_perfect_run_scores_one_everywhere() -> None:
    runs = [
        Run("q1", ("a", "c"), Answered("We ate 12 sandwiches.", (Citation("a", "12 sandwiches"),))),
        Run("q2", ("b",), Answered("“어머니가 전화하셨다.”", (Citation("b", "어머니가 전화하셨다."),))),
        Run("q3", (), Answered("", refused=True)),
    ]
    total = evaluate(runs, DATASET).total
    assert (total.ndcg10, total.recall10, total.hit3) == pytest.approx((1, 1, 1))
    assert (total.gold_contained, total.citations_verified, total.answered, total.refused) == (1, 1, 1, 1)
    assert total.cross_tenant == 0
    assert total.questions == 3


def test_order_and_grades_count() -> None:
    relevant = {"a": 2, "c": 1}
    assert ndcg(["c", "a"], relevant) == pytest.approx((1 + 2 / math.log2(3)) / (2 + 1 / math.log2(3)))
    assert ndcg(["x", "y"], relevant) == 0
    assert recall(["c", "x"], relevant) == 0.5
    assert hit(["x", "y", "c"], relevant) == 1
    assert hit(["x", "y", "z", "c"], relevant) == 0


def test_only_the_first_ten_count() -> None:
    ranked = [f"x{n}" for n in range(10)] + ["a"]
    assert ndcg(ranked, {"a": 1}) == recall(ranked, {"a": 1}) == 0


def test_a_document_named_twice_counts_once() -> None:
    report = evaluate([Run("q2", ("c", "c", "c", "b"))], DATASET)
    assert report.by_language["ko"].hit3 == 1


def test_a_question_without_a_run_found_nothing() -> None:
    total = evaluate([], DATASET).total
    assert (total.ndcg10, total.hit3) == (0, 0)
    assert total.answered is total.refused is total.gold_contained is total.citations_verified is None


def test_a_quote_that_is_not_in_its_document_is_not_verified() -> None:
    answer = Answered(
        "…", (Citation("a", "13 sandwiches"), Citation("b", "12 sandwiches"), Citation("a", "12 Sandwiches"))
    )
    assert evaluate([Run("q1", ("a",), answer)], DATASET).total.citations_verified == pytest.approx(1 / 3)


def test_a_document_from_elsewhere_is_another_tenants() -> None:
    run = Run("q1", ("a", "foreign"), Answered("x", (Citation("other", "x"),)))
    total = evaluate([run], DATASET).total
    assert total.cross_tenant == 2
    assert total.citations_verified == 0


def test_an_invented_answer_to_a_question_without_evidence_lowers_the_refusals() -> None:
    report = evaluate([Run("q3", ("c",), Answered("The Ritz."))], DATASET)
    assert report.total.refused == 0
    assert report.by_language["ko"].refused is None


def test_languages_are_reported_apart() -> None:
    report = evaluate([Run("q2", ("b",))], DATASET)
    assert (report.by_language["ko"].ndcg10, report.by_language["en"].ndcg10) == (1, 0)
    assert report.total.ndcg10 == 0.5


def test_the_table_has_a_line_for_each_language_and_dashes_for_what_was_not_measured() -> None:
    lines = render([evaluate([Run("q2", ("b",))], DATASET)]).splitlines()
    assert [line.split()[0] for line in lines] == ["questions", "tiny", "en", "ko"]
    assert "0.500" in lines[1]
    assert "–" in lines[1]


def test_a_report_can_be_written_as_json() -> None:
    report = as_json(evaluate([Run("q2", ("b",))], DATASET))
    assert json.loads(json.dumps(report))["by_language"]["ko"]["hit3"] == 1


@settings(deadline=None)
@given(
    st.lists(st.sampled_from("abcdefgh"), unique=True),
    st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 3), min_size=1),
)
def test_scores_lie_between_nought_and_one_and_the_ideal_order_is_one(
    ranked: list[str], relevant: dict[str, int]
) -> None:
    for score in (ndcg(ranked, relevant), recall(ranked, relevant), hit(ranked, relevant)):
        assert 0 <= score <= 1 + 1e-9
    ideal = sorted(relevant, key=lambda document: -relevant[document])
    assert ndcg(ideal, relevant) == pytest.approx(1)
