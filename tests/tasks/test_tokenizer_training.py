"""Training of a tokenizer: its loss, the share of a rank, its validation scores and its preview."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from seqtool.data.sharding import Shard
from seqtool.decoding import log_softmax
from seqtool.errors import ConfigError
from seqtool.evaluation.tokenizer import evaluate_tokenizer
from seqtool.inference.load import load_tokenizer
from seqtool.models.weights import weight_arrays
from seqtool.settings.experiment import TokenizerSettings
from seqtool.tasks.interface import Prepared, definition
from seqtool.tasks.tokenizer import preview_paragraph
from seqtool.tasks.tokenizer_training import TokenizingTask
from seqtool.training.engine.ranks import ALONE, Ranks
from tests.support.small_runs import tokenizer_run

TOKENIZER = definition("tokenizer")


def prepared_run(folder: Path, **model: object) -> Prepared:
    settings = tokenizer_run(folder)
    return TOKENIZER.prepare(replace(settings, model=replace(settings.model, **model)))  # type: ignore[arg-type]


def rank_of(rank: int, size: int) -> Ranks:
    """Return one of several ranks that do not communicate."""
    ranks = Ranks()
    ranks.shard = Shard(rank, size)
    return ranks


def task_of(prepared: Prepared, ranks: Ranks = ALONE) -> TokenizingTask:
    network = TOKENIZER.build_network(prepared)
    task = TOKENIZER.training_task(prepared, network, torch.device("cpu"), ranks)
    assert isinstance(task, TokenizingTask)
    return task


def test_loss_is_the_cross_entropy_of_classes_and_sentence_ends(tmp_path: Path) -> None:
    prepared = prepared_run(tmp_path, dropout=0.0, unknown=0.0)
    task = task_of(prepared)
    batch, items = task.batch(0, 0)
    loss = task.loss(batch, 0, 0).item()
    model = load_tokenizer(prepared.stored(weight_arrays(task.network)))
    lengths = torch.from_numpy(batch.lengths)
    state = task.network.encoder.initial_state(len(lengths))
    with torch.no_grad():
        scores = task.network(torch.from_numpy(batch.symbols), lengths, state).numpy().astype(np.float64)
    expected = 0.0
    for time, column in zip(*np.nonzero(batch.classes >= 0), strict=True):
        expected -= log_softmax(scores[time, column, :4])[batch.classes[time, column]]
    for time, column in zip(*np.nonzero(batch.sentences >= 0), strict=True):
        sign = 1 if batch.sentences[time, column] else -1
        expected += np.log1p(np.exp(-sign * scores[time, column, 4]))
    assert loss == pytest.approx(expected, rel=1e-5)
    assert items == batch.lengths.sum()
    assert model.settings == prepared.settings.model


def test_unknown_characters_keep_their_class(tmp_path: Path) -> None:
    task = task_of(prepared_run(tmp_path, unknown=0.5))
    batch, _ = task.batch(0, 0)
    hidden = task._hide(batch, draw=0)
    classes = task.corpus.characters.classes
    changed = hidden != batch.symbols
    assert 0.3 < changed[batch.symbols > 0].mean() < 0.7
    assert (classes[hidden] == classes[batch.symbols]).all()
    assert (hidden[changed] == classes[batch.symbols][changed]).all()
    assert (task._hide(batch, draw=0) == hidden).all()
    assert (task._hide(batch, draw=1) != hidden).any()


@pytest.mark.parametrize("size", [2, 3])
def test_losses_of_ranks_add_up_to_the_loss_of_one_process(size: int, tmp_path: Path) -> None:
    prepared = prepared_run(tmp_path)
    whole = task_of(prepared)
    for index in range(3):
        batch, items = whole.batch(1, index)
        expected = whole.loss(batch, index, 7).item()
        total = 0.0
        for rank in range(size):
            part = task_of(prepared, rank_of(rank, size))
            share, count = part.batch(1, index)
            assert count == items
            total += part.loss(share, index, 7).item()
        assert total == pytest.approx(expected, rel=1e-4)


def test_more_ranks_than_windows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a batch of 4 windows cannot be divided among 5 ranks"):
        task_of(prepared_run(tmp_path), rank_of(0, 5))


def test_validation_scores_are_those_of_the_evaluation(tmp_path: Path) -> None:
    prepared = prepared_run(tmp_path)
    task = task_of(prepared)
    scores = task.evaluate(lambda: False)
    counts = evaluate_tokenizer(
        load_tokenizer(prepared.stored(weight_arrays(task.network))), task.corpus.dev
    ).counts
    assert scores["val_token_f1"] == counts["Tokens"].f1
    assert scores["val_sentence_f1"] == counts["Sentences"].f1
    assert scores["val_word_f1"] == counts["Words"].f1
    assert scores["val_loss"] > 0
    assert task.quality(1.0, scores) == scores["val_token_f1"] + scores["val_sentence_f1"]
    assert task.quality(1.0, {}) == -1.0


def test_preview_marks_predicted_and_gold_ends(tmp_path: Path) -> None:
    prepared = prepared_run(tmp_path)
    task = task_of(prepared)
    assert isinstance(prepared.settings, TokenizerSettings)
    prediction = TOKENIZER.preview(prepared).prediction(weight_arrays(task.network))
    text = preview_paragraph(task.corpus).text
    for shown in (prediction.text(), prediction.expected_text() or ""):
        assert shown.replace("|", "").replace("‖", "") == text
        assert shown.endswith("‖")
    assert len(prediction.symbols) == len(prediction.expected)
