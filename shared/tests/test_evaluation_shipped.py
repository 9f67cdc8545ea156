"""The keyless default on the journal that ships: found, quoted, and refused where there is nothing."""

from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from shared.evaluation import Answered, Citation, Report, Run, evaluate, shipped_dataset
from shared.extractive import Passage, answer
from shared.text.chunking import split
from shared.text.morphology import Morphology, default_morphology
from shared.text.sparse import LengthStats, chunk_counts, entry_vectors, lengths, query_vector
from shared.text.tokenise import terms
from shared.vectors import PointPayload, VectorFilter, VectorPoint, best_per_entry, point_id
from shared.vectors.edge import EdgeIndex


async def _measured(folder: Path, asking: Morphology | None) -> Report:
    """Indexed one by one with morphemes, as ingest does, beside a neighbour with the same entries."""
    dataset, mine, neighbours = shipped_dataset(), uuid4(), uuid4()
    index, stats, texts = EdgeIndex(folder), LengthStats(), {}
    for document in dataset.documents:
        chunks = split(document.text)
        title = terms(document.title, morphology=default_morphology())
        counts = chunk_counts(title, [terms(chunk.text, morphology=default_morphology()) for chunk in chunks])
        stats = stats.add(lengths(counts))
        for space in (mine, neighbours):
            entry = uuid4()
            texts[entry] = (document, space)
            await index.replace_entry(
                entry,
                1,
                [
                    VectorPoint(
                        point_id(entry, 1, number),
                        vector,
                        None,
                        PointPayload(entry, 1, number, space, space, None, "note", [], [], datetime.now(UTC)),
                    )
                    for number, vector in enumerate(entry_vectors(counts, stats.mean))
                ],
            )
    runs = []
    for question in dataset.questions:
        query = query_vector(terms(question.text, morphology=asking))
        hits = best_per_entry(await index.search(query, None, VectorFilter([mine]), 30), 8)
        assert all(texts[hit.entry_id][1] == mine for hit in hits)
        found = [texts[hit.entry_id][0] for hit in hits]
        given = answer(question.text, [Passage(each.text, each.title) for each in found], morphology=asking)
        citations = tuple(Citation(found[extract.passage].id, extract.text) for extract in given.extracts)
        runs.append(Run(question.id, tuple(each.id for each in found), Answered("", citations, given.refused)))
    await index.close()
    return evaluate(runs, dataset)


@pytest.mark.parametrize("with_morphemes", [True, False])
async def test_the_promises_of_the_keyless_default_hold_in_both_languages(tmp_path: Path, with_morphemes: bool) -> None:
    report = await _measured(tmp_path, default_morphology() if with_morphemes else None)
    for scores in report.by_language.values():
        assert scores.hit3 is not None
        assert scores.answered is not None
        assert scores.hit3 >= 0.8
        assert scores.answered >= 0.65
        assert scores.refused == 1
        assert scores.citations_verified == 1
        assert scores.cross_tenant == 0
