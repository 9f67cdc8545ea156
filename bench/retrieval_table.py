"""The retrieval table, in process: our terms, chunks, weights and engine on any folder of documents and questions.

Documents are indexed one by one, each with the mean length of the moment, as the product does. `--exact-mean` weights all
with the final mean instead, which shows what the running mean costs; `--shuffle SEED` changes the order of arrival.

    python bench/retrieval_table.py FOLDER …        (without a folder: the journal that ships)
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from shared.evaluation import (
    Answered,
    Citation,
    Dataset,
    Document,
    Report,
    Run,
    as_json,
    evaluate,
    load_dataset,
    render,
    shipped_dataset,
)
from shared.extractive import Passage, answer
from shared.text.chunking import Chunk, split
from shared.text.morphology import Morphology, default_morphology
from shared.text.sparse import LengthStats, TermCounts, chunk_counts, entry_vectors, lengths, query_vector
from shared.text.tokenise import terms
from shared.vectors import PointPayload, VectorFilter, VectorHit, VectorPoint, best_per_entry, point_id
from shared.vectors.edge import EdgeIndex

FLOORS = {
    "klue_sts_para": {"ndcg10": 0.845, "recall10": 0.945, "hit3": 0.864},
    "scifact": {"ndcg10": 0.688, "recall10": 0.820, "hit3": 0.723},
    "korquad_dev": {"ndcg10": 0.967, "recall10": 0.997, "hit3": 0.984},
    "journal_ko_en": {"hit3": 0.80},
}
HITS = 50
PASSAGES = 8


@dataclass(frozen=True)
class Entry:
    """A document as the index knows it."""

    id: UUID
    document: Document
    chunks: list[Chunk]
    counts: list[TermCounts]


@dataclass(frozen=True)
class Timings:
    """Seconds spent, and milliseconds a search took."""

    tokenise_s: float
    index_s: float
    search_p50_ms: float
    search_p95_ms: float


def understood(dataset: Dataset, morphology: Morphology | None) -> list[Entry]:
    """Chunks and terms of every document."""
    found = []
    for document in dataset.documents:
        chunks = split(document.text)
        title = terms(document.title, morphology=morphology)
        counts = chunk_counts(title, [terms(chunk.text, morphology=morphology) for chunk in chunks])
        found.append(Entry(uuid4(), document, chunks, counts))
    return found


async def index(engine: EdgeIndex, entries: Sequence[Entry], space: UUID, *, exact_mean: bool) -> None:
    """Store every document as one entry, one after the other."""
    final = LengthStats()
    for entry in entries:
        final = final.add(lengths(entry.counts))
    stats = LengthStats()
    for entry in entries:
        stats = stats.add(lengths(entry.counts))
        vectors = entry_vectors(entry.counts, (final if exact_mean else stats).mean)
        payload = PointPayload(entry.id, 1, 0, space, space, None, "note", [], [], datetime.now(UTC))
        points = [
            VectorPoint(point_id(entry.id, 1, chunk), vector, None, replace(payload, chunk=chunk))
            for chunk, vector in enumerate(vectors)
        ]
        await engine.replace_entry(entry.id, 1, points)


def answered(
    question: str, hits: Sequence[VectorHit], entries: dict[UUID, Entry], morphology: Morphology | None
) -> Answered:
    """The extractive answer to a question, cited."""
    sources = [(entries[hit.entry_id].document, entries[hit.entry_id].chunks[hit.chunk]) for hit in hits[:PASSAGES]]
    given = answer(
        question, [Passage(chunk.text, document.title) for document, chunk in sources], morphology=morphology
    )
    citations = tuple(Citation(sources[extract.passage][0].id, extract.text) for extract in given.extracts)
    return Answered(" ".join(citation.quote for citation in citations), citations, given.refused)


async def measure(dataset: Dataset, folder: Path, arguments: argparse.Namespace) -> tuple[list[Run], Timings]:
    """Index and ask everything."""
    morphology = None if arguments.no_morphology else default_morphology()
    if morphology is not None:
        morphology.load()
    engine, space = EdgeIndex(folder), uuid4()
    started = time.perf_counter()
    entries = understood(dataset, morphology)
    if arguments.shuffle is not None:
        random.Random(arguments.shuffle).shuffle(entries)
    tokenised = time.perf_counter()
    await index(engine, entries, space, exact_mean=arguments.exact_mean)
    indexed = time.perf_counter()
    by_id = {entry.id: entry for entry in entries}
    asking = None if arguments.query_without_morphology else morphology
    runs, taken = [], []
    for question in dataset.questions:
        begun = time.perf_counter()
        query = query_vector(terms(question.text, morphology=asking))
        hits = await engine.search(query, None, VectorFilter([space]), HITS)
        taken.append((time.perf_counter() - begun) * 1000)
        ranked = tuple(by_id[hit.entry_id].document.id for hit in best_per_entry(hits, 10))
        runs.append(Run(question.id, ranked, answered(question.text, hits, by_id, asking)))
    await engine.close()
    taken.sort()
    return runs, Timings(
        tokenised - started, indexed - tokenised, statistics.median(taken), taken[int(len(taken) * 0.95) - 1]
    )


def read_arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--exact-mean", action="store_true", help="weight every chunk with the final mean length")
    parser.add_argument("--shuffle", type=int, metavar="SEED", help="index the documents in another order")
    parser.add_argument("--no-morphology", action="store_true", help="index and ask without kiwi")
    parser.add_argument("--query-without-morphology", action="store_true", help="ask without kiwi, as a small api does")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser.parse_args()


def main() -> None:
    """Print the table, what it is to be compared with, and how long it took."""
    arguments = read_arguments()
    datasets = [load_dataset(folder) for folder in arguments.folders] or [shipped_dataset()]
    reports: list[Report] = []
    notes: list[dict[str, Any]] = []
    for dataset in datasets:
        with tempfile.TemporaryDirectory() as folder:
            runs, timings = asyncio.run(measure(dataset, Path(folder), arguments))
        report = evaluate(runs, dataset)
        reports.append(report)
        below = {
            name: floor for name, floor in FLOORS.get(dataset.name, {}).items() if getattr(report.total, name) < floor
        }
        notes.append(
            {
                "dataset": dataset.name,
                "timings": {key: round(value, 2) for key, value in asdict(timings).items()},
                "below_floor": below,
            }
        )
    if arguments.json:
        print(json.dumps({"reports": [as_json(report) for report in reports], "notes": notes}, indent=1))
        return
    print(render(reports))
    for note in notes:
        print(f"{note['dataset']}: {note['timings']}; below the floor: {note['below_floor'] or 'nothing'}")


if __name__ == "__main__":
    main()
