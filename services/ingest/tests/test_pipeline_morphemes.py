"""Each short text is analysed once, however many steps ask."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from ingest.morphemes import RememberingMorphology
from shared.text.morphology import Morpheme


@dataclass
class Counting:
    """An analyser that writes down what it was asked."""

    version: str = "counting-1"
    asked: list[str] = field(default_factory=list)

    def morphemes(self, text: str) -> list[Morpheme]:
        self.asked.append(text)
        return [Morpheme(text, "NNG", 0, len(text))]


def test_a_short_text_is_analysed_once() -> None:
    analyser = Counting()
    remembering = RememberingMorphology(analyser)
    assert remembering.version == "counting-1"
    answers = [remembering.morphemes("마루") for _ in range(3)]
    assert analyser.asked == ["마루"]
    assert answers == [[Morpheme("마루", "NNG", 0, 2)]] * 3


def test_a_long_text_is_not_kept_and_old_ones_make_room() -> None:
    analyser = Counting()
    remembering = RememberingMorphology(analyser)
    long = "가" * 5_000
    for _ in range(2):
        remembering.morphemes(long)
    assert analyser.asked == [long, long]
    for number in range(100):
        remembering.morphemes(f"글 {number}")
    remembering.morphemes("글 99")
    remembering.morphemes("글 0")
    assert analyser.asked.count("글 99") == 1
    assert analyser.asked.count("글 0") == 2


def test_threads_get_the_answer_to_their_own_text() -> None:
    remembering = RememberingMorphology(Counting())
    texts = [f"글 {number % 50}" for number in range(600)]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(remembering.morphemes, texts))
    assert [answer[0].form for answer in answers] == texts
