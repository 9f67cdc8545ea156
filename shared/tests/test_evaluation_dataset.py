"""Data sets on disk, and the one that ships."""

import json
from pathlib import Path

import pytest
from shared.evaluation import load_dataset, shipped_dataset
from shared.evaluation.dataset import DatasetBroken

from shared import evaluation


def _folder(tmp_path: Path, **files: str) -> Path:
    given = {
        "docs": '{"id": 1, "text": "a"}\n{"id": "2", "title": "t", "text": "b", "lang": "en"}\n',
        "queries": '{"id": "q1", "text": "a?"}\n{"id": "q2", "text": "b?"}\n{"id": "q3", "text": "c?", "answerable": false}\n',
        "qrels": "q1\t1\t2\nq1\t2\t0\n\n",
    } | files
    for name, suffix in (("docs", "jsonl"), ("queries", "jsonl"), ("qrels", "tsv")):
        (tmp_path / f"{name}.{suffix}").write_text(given[name], encoding="utf-8")
    return tmp_path


def test_a_folder_is_read_and_questions_without_judgement_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "meta.json").write_text('{"lang": "ko"}')
    dataset = load_dataset(_folder(tmp_path))
    assert [(document.id, document.title, document.lang) for document in dataset.documents] == [
        ("1", "", "ko"),
        ("2", "t", "en"),
    ]
    assert [(question.id, question.answerable) for question in dataset.questions] == [("q1", True), ("q3", False)]
    assert dataset.relevant == {"q1": {"1": 2}}


@pytest.mark.parametrize(
    ("files", "place"),
    [
        ({"docs": "not json\n"}, "docs.jsonl, line 1"),
        ({"docs": '{"id": "1"}\n'}, "docs.jsonl, line 1"),
        ({"docs": "[]\n"}, "docs.jsonl, line 1"),
        ({"queries": '{"id": "q1", "text": "a"}\n{"text": "b"}\n'}, "queries.jsonl, line 2"),
        ({"qrels": "q1\t1\n"}, "qrels.tsv, line 1"),
        ({"qrels": "q1\t1\tmuch\n"}, "qrels.tsv, line 1"),
        ({"docs": ""}, "no documents"),
        ({"queries": ""}, "no question"),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path: Path, files: dict[str, str], place: str) -> None:
    with pytest.raises(DatasetBroken, match=place):
        load_dataset(_folder(tmp_path, **files))


@pytest.mark.parametrize("meta", ["", "not json", "[]", "7", '{"lang"'])
def test_a_broken_description_is_named(tmp_path: Path, meta: str) -> None:
    (tmp_path / "meta.json").write_text(meta)
    with pytest.raises(DatasetBroken, match=r"meta\.json"):
        load_dataset(_folder(tmp_path))


@pytest.mark.parametrize("gold", ['["a"]', '[{"doc": "1"}]', '[{"text": "a"}]', "7", "[null]"])
def test_broken_gold_names_its_question(tmp_path: Path, gold: str) -> None:
    with pytest.raises(DatasetBroken, match="question q1"):
        load_dataset(_folder(tmp_path, queries=f'{{"id": "q1", "text": "a?", "gold": {gold}}}\n'))


def test_files_saved_with_a_mark_or_windows_line_ends_are_read(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    for path in folder.iterdir():
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    dataset = load_dataset(folder)
    assert len(dataset.documents) == len(dataset.questions) == 2
    assert dataset.relevant == {"q1": {"1": 2}}


def test_a_field_that_is_null_is_as_one_that_is_missing(tmp_path: Path) -> None:
    dataset = load_dataset(
        _folder(
            tmp_path,
            docs='{"id": 1, "text": "a", "lang": null, "title": null}\n{"id": "2", "text": "b", "lang": "en"}\n',
            queries='{"id": "q1", "text": "a?", "lang": null, "gold": null, "answerable": null}\n'
            '{"id": "q4", "text": "d?", "lang": "en", "answerable": false}\n',
        )
    )
    assert [document.lang for document in dataset.documents] == ["", "en"]
    assert [(question.lang, question.answerable, question.gold) for question in dataset.questions] == [
        ("", True, ()),
        ("en", False, ()),
    ]
    assert set(evaluation.evaluate([], dataset).by_language) == {"", "en"}


def test_a_line_separator_inside_a_text_ends_no_line(tmp_path: Path) -> None:
    docs = '{"id": "1", "text": "one\u2028two\x0cthree"}\n{"id": "2", "text": "b"}\n'.replace("\x0c", "\\f")
    assert load_dataset(_folder(tmp_path, docs=docs)).documents[0].text == "one\u2028two\x0cthree"


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetBroken, match="nowhere"):
        load_dataset(tmp_path / "nowhere")


def test_the_shipped_set_is_large_enough_in_both_languages() -> None:
    dataset = shipped_dataset()
    for lang in ("ko", "en"):
        assert sum(document.lang == lang for document in dataset.documents) == 50
        assert sum(question.lang == lang and question.answerable for question in dataset.questions) == 40
        assert sum(question.lang == lang and not question.answerable for question in dataset.questions) == 10


def test_every_gold_span_stands_in_a_relevant_document_of_the_shipped_set() -> None:
    dataset = shipped_dataset()
    texts = {document.id: document.text for document in dataset.documents}
    for question in dataset.questions:
        assert bool(question.gold) == question.answerable
        for span in question.gold:
            assert span.text in texts[span.document]
            assert span.document in dataset.relevant[question.id]
        assert set(dataset.relevant.get(question.id, {})) <= set(texts)


def test_ids_of_the_shipped_set_are_unique_and_its_texts_in_the_language_they_say() -> None:
    dataset = shipped_dataset()
    assert len({document.id for document in dataset.documents}) == len(dataset.documents)
    assert len({question.id for question in dataset.questions}) == len(dataset.questions)
    for item in (*dataset.documents, *dataset.questions):
        assert any("가" <= character <= "힣" for character in item.text) == (item.lang == "ko")


def test_the_shipped_set_says_under_which_licence_it_stands() -> None:
    data = Path(evaluation.__file__).parent / "data" / "journal_ko_en"
    assert json.loads((data / "meta.json").read_text(encoding="utf-8"))["licence"] == "CC0 1.0"
    assert "CC0" in (data / "LICENSE.md").read_text(encoding="utf-8")
