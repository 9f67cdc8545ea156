"""Measuring retrieval and answers on questions whose right answers are known."""

from shared.evaluation.dataset import Dataset, Document, GoldSpan, Question, load_dataset, shipped_dataset
from shared.evaluation.metrics import Answered, Citation, Report, Run, Scores, evaluate
from shared.evaluation.table import as_json, render

__all__ = [
    "Answered",
    "Citation",
    "Dataset",
    "Document",
    "GoldSpan",
    "Question",
    "Report",
    "Run",
    "Scores",
    "as_json",
    "evaluate",
    "load_dataset",
    "render",
    "shipped_dataset",
]
