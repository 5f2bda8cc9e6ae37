"""Tests of the worker for clusters, called in processes as Spark and Ray call it, but without them."""

from __future__ import annotations

import os
import pickle
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqtool.batch import Tagger, _load_model
from seqtool.errors import ModelError
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
    empty = Tagger(model)({"text": []})
    assert empty["labels"].shape == (0,)


def test_missing_column_and_missing_model_are_reported(model: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="no column 'text', only words"):
        Tagger(model)({"words": ["a"]})
    with pytest.raises(ModelError):
        Tagger(tmp_path)({"text": ["a"]})
