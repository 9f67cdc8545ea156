"""How good ranked documents and cited answers are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from shared.evaluation.dataset import Dataset, Document, Question
from shared.text.quotes import locate

DEPTH = 10
TOP = 3


@dataclass(frozen=True, slots=True)
class Citation:
    """What an answer quotes, and from which document it says the quote is."""

    document: str
    quote: str


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer to a question; refused when it says that there is no evidence."""

    text: str
    citations: tuple[Citation, ...] = ()
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """What one question brought: documents, best first, and an answer where one was asked for."""

    question: str
    documents: tuple[str, ...]
    answer: Answered | None = None


@dataclass(frozen=True, slots=True)
class Scores:
    """Means over the questions of one language; None where nothing was there to measure."""

    questions: int
    ndcg10: float | None
    recall10: float | None
    hit3: float | None
    gold_contained: float | None
    citations_verified: float | None
    answered: float | None
    refused: float | None
    cross_tenant: int


@dataclass(frozen=True, slots=True)
class Report:
    """The scores of one data set, altogether and by language."""

    dataset: str
    total: Scores
    by_language: dict[str, Scores] = field(default_factory=dict)


def evaluate(runs: Iterable[Run], dataset: Dataset) -> Report:
    """Score the runs against the judgements; a question without a run found nothing."""
    run_of = {run.question: run for run in runs}
    pairs = [(question, run_of.get(question.id, Run(question.id, ()))) for question in dataset.questions]
    documents = {document.id: document for document in dataset.documents}
    languages = sorted({question.lang for question, _ in pairs})
    by_language = {
        lang: _scores([pair for pair in pairs if pair[0].lang == lang], dataset, documents) for lang in languages
    }
    return Report(dataset.name, _scores(pairs, dataset, documents), by_language if len(languages) > 1 else {})


def ndcg(ranked: Sequence[str], relevant: dict[str, int], depth: int = DEPTH) -> float:
    """Normalised discounted cumulative gain with linear gains."""
    best = sorted(relevant.values(), reverse=True)[:depth]
    ideal = sum(grade / math.log2(rank + 2) for rank, grade in enumerate(best))
    gained = sum(relevant.get(found, 0) / math.log2(rank + 2) for rank, found in enumerate(ranked[:depth]))
    return gained / ideal if ideal else 0.0


def recall(ranked: Sequence[str], relevant: dict[str, int], depth: int = DEPTH) -> float:
    """The share of the relevant documents among the first."""
    return len(set(ranked[:depth]) & set(relevant)) / len(relevant)


def hit(ranked: Sequence[str], relevant: dict[str, int], depth: int = TOP) -> float:
    """1 if any of the first is relevant."""
    return float(any(found in relevant for found in ranked[:depth]))


def _scores(pairs: Sequence[tuple[Question, Run]], dataset: Dataset, documents: dict[str, Document]) -> Scores:
    judged = [
        (_distinct(run.documents), dataset.relevant[question.id]) for question, run in pairs if question.answerable
    ]
    answers = [(question, run.answer) for question, run in pairs if run.answer is not None]
    cited = [citation for _, given in answers for citation in given.citations]
    return Scores(
        questions=len(pairs),
        ndcg10=_mean(ndcg(ranked, relevant) for ranked, relevant in judged),
        recall10=_mean(recall(ranked, relevant) for ranked, relevant in judged),
        hit3=_mean(hit(ranked, relevant) for ranked, relevant in judged),
        gold_contained=_mean(_holds_gold(question, given) for question, given in answers if question.gold),
        citations_verified=_mean(_verified(citation, documents) for citation in cited),
        answered=_mean(not given.refused for question, given in answers if question.answerable),
        refused=_mean(given.refused for question, given in answers if not question.answerable),
        cross_tenant=_foreign(pairs, documents),
    )


def _holds_gold(question: Question, given: Answered) -> bool:
    """Whether the answer says, or quotes, a stretch that holds the answer."""
    said = [given.text, *(citation.quote for citation in given.citations)]
    return any(locate(span.text, part) is not None for span in question.gold for part in said)


def _verified(citation: Citation, documents: dict[str, Document]) -> bool:
    source = documents.get(citation.document)
    return source is not None and locate(citation.quote, f"{source.title}\n{source.text}") is not None


def _foreign(pairs: Sequence[tuple[Question, Run]], documents: dict[str, Document]) -> int:
    """Results and citations of documents that are not in the data set, hence not the asker's."""
    shown = [document for _, run in pairs for document in run.documents]
    shown += [citation.document for _, run in pairs if run.answer for citation in run.answer.citations]
    return sum(document not in documents for document in shown)


def _distinct(ranked: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(ranked))


def _mean(values: Iterable[float]) -> float | None:
    listed = list(values)
    return sum(listed) / len(listed) if listed else None
