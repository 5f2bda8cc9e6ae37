"""Tests of the worker for clusters, called in processes as Spark and Ray call it, but without them."""

from __future__ import annotations

import math
import os
import pickle
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqtool.api.model import load
from seqtool.batch import Tagger, _load_model
from seqtool.errors import DataError, ModelError
from tests.support.raw_languages import train_model
from tests.support.shell import PROJECT, seqtool

SENTENCES = ["The dog ate the apple", "", ["Everybody", "read", "that", "book"]]
LABELS = [["DET", "NN", "V", "DET", "NN"], [], ["NN", "V", "DET", "NN"]]


@dataclass(frozen=True)
class Frame:
    """Minimal data frame with the methods of pandas that the worker uses."""

    columns: dict[str, Any]

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def __iter__(self) -> Any:
        return iter(self.columns)

    def __getitem__(self, name: str) -> Any:
        return self.columns[name]

    def assign(self, **more: Any) -> Frame:
        return replace(self, columns={**self.columns, **more})


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("batch")
    run = seqtool("train-tagger", PROJECT / "configs/toy_tagger.yaml", "--quiet", cwd=folder)
    assert run.code == 0, run.stderr
    return next((folder / "runs").glob("toy*")) / "model"


def in_a_worker(tagger: Tagger, batches: list[Any]) -> tuple[int, list[Any], int]:
    """Tag batches in a worker process; return its id, the results, and how often it has loaded the model."""
    return os.getpid(), list(tagger.frames(iter(batches))), _load_model.cache_info().misses


def test_worker_loads_the_model_once_for_all_batches(model: Path) -> None:
    tagger = Tagger(model)
    assert len(pickle.dumps(tagger)) < 1000  # the path is sent, not the model
    batches = [Frame({"text": SENTENCES, "id": [1, 2, 3]}), Frame({"text": SENTENCES[:1], "id": [4]})]
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        results = [task.result() for task in [pool.submit(in_a_worker, tagger, batches) for _ in range(4)]]
    assert os.getpid() not in {pid for pid, _, _ in results}
    for _, (first, second), loads in results:
        assert loads == 1
        assert first.columns["labels"] == LABELS and first.columns["id"] == [1, 2, 3]
        assert (
            first.columns["tokens"][0] == ["The", "dog", "ate", "the", "apple"]
            and second.columns["labels"] == LABELS[:1]
        )


def test_dictionary_of_columns_gives_a_dictionary_of_columns(model: Path) -> None:
    result = Tagger(model, "sentence", labels="tags")(
        {"sentence": np.array([SENTENCES[0], SENTENCES[0]], object), "id": np.arange(2)}
    )
    assert list(result) == ["sentence", "id", "tokens", "tags"]
    assert result["tags"].shape == (2,) and result["tags"].tolist() == [LABELS[0]] * 2
    empty = Tagger(model)({"text": np.array([], object)})
    assert empty["labels"].shape == (0,)


def test_missing_column_and_missing_model_are_reported(model: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="no column 'text', only words"):
        Tagger(model)({"words": ["a"]})
    with pytest.raises(ModelError):
        Tagger(tmp_path)({"text": ["a"]})


def test_relative_path_is_made_absolute_where_the_model_is(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = model.parent
    monkeypatch.chdir(run.parent.parent)
    relative, name = Tagger(Path("runs") / run.name), Tagger(run.name)
    assert relative.model == name.model == str(run)
    monkeypatch.chdir(tmp_path)
    assert relative.tag(SENTENCES)[1] == name.tag(SENTENCES)[1] == LABELS
    assert Tagger("elsewhere/model").model == "elsewhere/model"  # only the workers can read it


# --- nulls and wrong types ----------------------------------------------------------------------------------

NULLS = (None, math.nan, np.float32("nan"), np.float64("nan"))
WORDS = st.lists(st.sampled_from(["The", "dog", "read", "xyz"]) | st.none(), max_size=5)


@settings(max_examples=60, deadline=None)
@given(st.lists(WORDS | st.sampled_from(NULLS), max_size=6))
def test_null_in_is_null_out_and_changes_no_other_label(model: Path, table: list[Any]) -> None:
    tokens, labels = Tagger(model).tag(table)
    assert tokens == [words if isinstance(words, list) else None for words in table]
    for words, own in zip(tokens, labels, strict=True):
        if words is None:
            assert own is None
            continue
        assert own is not None and len(own) == len(words)
        known = [word for word in words if word is not None]
        (expected,) = Tagger(model).tag([known])[1]
        assert [label for word, label in zip(words, own, strict=True) if word is not None] == expected
        assert all(label is None for word, label in zip(words, own, strict=True) if word is None)


@pytest.mark.parametrize("wrong", [7, 1.5, b"text", {"a": 1}, ["a", 7], [["a"]], True])
def test_wrong_type_is_an_error_with_the_name_of_the_column(model: Path, wrong: Any) -> None:
    with pytest.raises(DataError) as error:
        Tagger(model, "sentence")({"sentence": ["a dog", None, wrong]})
    assert "column 'sentence', row 2" in str(error.value) and "expected" in str(error.value)
    assert "column=" in str(error.value)


def test_list_column_gives_lists_and_array_column_gives_arrays(model: Path) -> None:
    lists = Tagger(model)({"text": [None, SENTENCES[0]]})
    assert lists["labels"] == [None, LABELS[0]]
    arrays = Tagger(model)({"text": np.array([None, SENTENCES[0]], object)})
    assert isinstance(arrays["labels"], np.ndarray) and arrays["labels"].tolist() == [None, LABELS[0]]


@pytest.mark.parametrize("kind", ["Table", "RecordBatch"])
def test_batch_of_pyarrow_keeps_its_type_its_columns_and_its_nulls(model: Path, kind: str) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    schema = pyarrow.schema(
        [pyarrow.field("text", pyarrow.string()), pyarrow.field("id", pyarrow.int64(), nullable=False)],
        metadata={"origin": "test"},
    )
    batch = getattr(pyarrow, kind).from_pydict({"text": [SENTENCES[0], None, ""], "id": [1, 2, 3]}, schema)
    (result,) = Tagger(model).frames(iter([batch]))
    assert type(result) is type(batch) and result.schema.metadata == {b"origin": b"test"}
    assert result.schema.field("id") == schema.field("id")
    assert result.to_pydict() == {
        "text": [SENTENCES[0], None, ""],
        "id": [1, 2, 3],
        "tokens": [["The", "dog", "ate", "the", "apple"], None, []],
        "labels": [LABELS[0], None, []],
    }
    again = Tagger(model, "tokens")(result)  # replaces the columns; lists with nulls are read, too
    assert again.to_pydict() == result.to_pydict()
    with pytest.raises(KeyError, match="no column 'words', only text, id"):
        Tagger(model, "words")(batch)


# --- raw text and several labels ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_model(tmp_path_factory.mktemp("both"), "clitics")


def test_a_row_of_raw_text_has_all_its_sentences(both: Path) -> None:
    text = "dámelo la casa. veo el gato."
    columns = Tagger(both, columns=["upos", "lemma"], sentences="sentences")(
        {"text": [text, None, "", ["veo", None, "el"], []]}
    )
    assert list(columns) == ["text", "tokens", "labels", "upos", "lemma", "sentences"]
    assert columns["labels"] == columns["upos"]
    found = load(both).analyze(text)
    words = [[word for token in sentence for word in token.words] for sentence in found]
    assert columns["tokens"][0] == [word.form for sentence in words for word in sentence]
    assert columns["lemma"][0] == [word.lemma for sentence in words for word in sentence]
    assert columns["sentences"] == [[[0, 6], [6, 10]], None, [], [[0, 3]], []]
    assert [columns[name][1:3] for name in ("tokens", "upos", "lemma")] == [[None, []]] * 3
    assert columns["tokens"][3] == ["veo", None, "el"] and columns["lemma"][3][1] is None
    assert Tagger(both).tag([text])[0] == columns["tokens"][:1]
    with pytest.raises(ModelError, match="no label 'ner'"):
        Tagger(both, columns=["ner"])({"text": [text]})


def test_ranges_of_sentences_are_a_column_of_pyarrow(both: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    batch = pyarrow.Table.from_pydict({"text": ["veo. veo.", None]})
    result = Tagger(both, columns=["lemma"], sentences="sentences")(batch)
    assert result.to_pydict()["sentences"] == [[[0, 2], [2, 4]], None]
    assert result.schema.field("sentences").type == pyarrow.list_(pyarrow.list_(pyarrow.int64()))
