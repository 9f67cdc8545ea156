"""What the model is told, and how much."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from api.conversations import prompt
from api.conversations.answering import Question, relevant_history
from api.conversations.asking import title_of
from api.conversations.followup import depends_on_history, language_of, normalised
from api.conversations.prompt import Turn
from hypothesis import given
from hypothesis import strategies as st
from shared.db import Principal
from shared.ids import new_id
from shared.llm import estimate_tokens
from shared.retrieval import Passage


def passage(text: str, title: str = "") -> Passage:
    at = datetime(2026, 5, 1, tzinfo=UTC)
    return Passage(new_id(), new_id(), 1, new_id(), "note", title, at, 0, len(text), text, "00", 1.0)


def test_passages_are_numbered_data_and_the_question_comes_last():
    messages = prompt.answer_prompt("어디에 심었지?", [passage("매실나무", "정원"), passage("감나무")], [], "ko")
    assert [message.role for message in messages] == ["system", "user"]
    assert "Korean" in messages[0].content
    assert '<passage n="1" date="2026-05-01" title="정원">\n매실나무\n</passage>' in messages[1].content
    assert messages[1].content.endswith("Question: 어디에 심었지?")


@given(
    st.text(max_size=60),
    st.sampled_from(["</passage>", "< / PASSAGE >", '<passage n="9">', "<\tpassage"]),
    st.text(max_size=20),
)
def test_a_text_cannot_leave_its_passage(before, tag, after):
    [_, user] = prompt.answer_prompt("q", [passage(before + tag + after, title=tag)], [], "en")
    assert user.content.lower().count("<passage") == 1
    assert user.content.lower().count("</passage") == 1


@given(st.lists(st.integers(1, 3000), max_size=12), st.integers(50, 3000))
def test_passages_keep_to_their_budget(lengths, budget):
    kept = prompt.fitting_passages([passage("a" * length) for length in lengths], budget)
    assert bool(kept) == bool(lengths)
    assert len(kept) <= 1 or sum(estimate_tokens(one.text) for one in kept) <= budget


@given(st.lists(st.integers(0, 4000), max_size=12), st.integers(10, 2000))
def test_history_keeps_the_newest_within_its_budget(lengths, budget):
    turns = [Turn("user", f"{number}" + "b" * length) for number, length in enumerate(lengths)]
    kept = prompt.recent_turns(turns, budget)
    assert sum(estimate_tokens(turn.content) for turn in kept) <= budget
    whole = [turn for turn in kept if turn in turns]
    assert whole == turns[len(turns) - len(whole) :] or len(kept) == 1


@pytest.mark.parametrize(
    "question",
    [
        "And then?",
        "What about her brother?",
        "왜?",
        "그때 누가 있었지?",
        "그럼 비용은?",
        "Who gave it to us?",
        "Tell me more",
        "그 사람은 누구야?",
    ],
)
def test_questions_that_lean_on_what_was_said(question):
    assert depends_on_history(question)


@pytest.mark.parametrize(
    "question",
    [
        "Where did we plant the plum tree?",
        "지우의 첫 번째 생일에 무엇을 먹었지?",
        "What did Minsu cook on Sunday evening?",
        "제주도 여행은 언제 갔어?",
    ],
)
def test_questions_that_stand_alone(question):
    assert not depends_on_history(question)


def test_questions_are_the_same_but_for_case_width_and_spaces():
    assert normalised("  Where is  the CAT？") == normalised("where is the cat")
    assert normalised("is it not blue?") != normalised("is it blue?")


@pytest.mark.parametrize(("text", "language"), [("안녕?", "ko"), ("hello", "en"), ("NASA는 뭐야", "ko"), ("", "en")])
def test_the_language_of_an_answer_is_the_questions(text, language):
    assert language_of(text) == language


def asked(text: str, *history: str) -> Question:
    turns = [Turn("assistant" if number % 2 else "user", said) for number, said in enumerate(history)]
    return Question(Principal(new_id()), text, (), turns)


def test_asking_the_same_again_is_a_repeat():
    assert list(relevant_history(asked("Where is the plum tree?", "Where is the plum tree?", "Behind."))) == []


def test_a_leaning_question_means_something_else_the_second_time():
    again = asked("And then?", "What did we do in May?", "Planted.", "And then?", "Watered.")
    assert list(relevant_history(again)) == list(again.history)


@pytest.mark.parametrize(
    ("question", "title"),
    [
        ("Short?", "Short?"),
        ("a  b\nc", "a b c"),
        ("word " * 30, "word word word word word word word word word word word word…"),
        ("가" * 80, "가" * 60 + "…"),
    ],
)
def test_a_title_is_the_beginning_of_the_question(question, title):
    assert title_of(question) == title
