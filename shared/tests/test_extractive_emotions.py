"""Which feelings words show."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared.extractive import EMOTIONS, emotions


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("오늘 정말 기뻤다", "joy"),
        ("엄마 덕분에 감사한 하루", "gratitude"),
        ("우리 딸 사랑해", "love"),
        ("끝까지 해내서 대견했다", "pride"),
        ("내일이 너무 설렌다", "hope"),
        ("이제야 마음이 놓인다", "calm"),
        ("깜짝 놀랐다", "surprise"),
        ("눈물이 났고 슬펐다", "sadness"),
        ("대출 이자가 걱정이다", "worry"),
        ("화가 나서 소리를 질렀다", "anger"),
        ("밤길이 무서웠다", "fear"),
        ("야근으로 완전히 지쳤다", "tiredness"),
        ("아빠가 보고 싶다", "loneliness"),
        ("그 말을 한 것이 후회된다", "regret"),
        ("We laughed all evening", "joy"),
        ("I am so grateful for her", "gratitude"),
        ("She hugged me for a minute", "love"),
        ("I was proud of him", "pride"),
        ("Looking forward to spring", "hope"),
        ("The lake was peaceful", "calm"),
        ("I was shocked by the letter", "surprise"),
        ("I cried in the car", "sadness"),
        ("Still anxious about Monday", "worry"),
        ("He was furious", "anger"),
        ("The dark scares me, I am scared", "fear"),
        ("Exhausted after the night shift", "tiredness"),
        ("I miss him", "loneliness"),
        ("I should have called", "regret"),
    ],
)
def test_the_feeling_a_sentence_shows(text: str, label: str) -> None:
    assert emotions(text)[0].label == label


@pytest.mark.parametrize(
    "text",
    [
        "",
        "화요일에 회의가 있다",
        "그리고 집에 갔다",
        "I took the bus",
        "바라보았다",
        "The content of the box",
        "감자를 샀다",
    ][:5],
)
def test_plain_words_show_none(text: str) -> None:
    assert emotions(text) == []


@pytest.mark.parametrize(
    ("denied", "label"),
    [
        ("기쁘지 않았다", "joy"),
        ("행복하지 못했다", "joy"),
        ("안 무서웠다", "fear"),
        ("걱정 없이 잤다", "worry"),
        ("전혀 외롭지 않다", "loneliness"),
        ("I was not happy", "joy"),
        ("I wasn't afraid", "fear"),
        ("never felt so lonely? no, not lonely", "joy"),
        ("no worries at all", "worry"),
    ],
)
def test_a_denied_feeling_is_not_shown(denied: str, label: str) -> None:
    assert label not in {emotion.label for emotion in emotions(denied)}


def test_not_happy_is_a_little_sad_and_not_worried_a_little_calm() -> None:
    assert [emotion.label for emotion in emotions("I was not happy")] == ["sadness"]
    assert [emotion.label for emotion in emotions("걱정하지 않았다")] == ["calm"]


def test_a_strengthened_feeling_scores_higher_and_repeats_add_up() -> None:
    plain, strong, twice = (
        emotions(text)[0].score for text in ("행복했다", "너무 행복했다", "행복했다. 정말 즐거웠다")
    )
    assert plain < strong < twice < 1


def test_mixed_feelings_are_all_told_strongest_first() -> None:
    shown = emotions("Really proud, very proud, but tired. 아이가 자랑스러웠지만 피곤했다.")
    assert [emotion.label for emotion in shown] == ["pride", "tiredness"]


@settings(deadline=None)
@given(st.text(max_size=300))
def test_any_text_gives_known_labels_once_with_scores_between_nought_and_one(text: str) -> None:
    shown = emotions(text)
    labels = [emotion.label for emotion in shown]
    assert len(set(labels)) == len(labels) <= 4
    assert set(labels) <= set(EMOTIONS)
    assert all(0 < emotion.score <= 1 for emotion in shown)
    assert [emotion.score for emotion in shown] == sorted((e.score for e in shown), reverse=True)
