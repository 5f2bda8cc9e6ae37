"""Losses on validation data equal simpler computations, and an evaluation does not change training."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from seqtool.models.character import CharacterNetwork, build_character_network
from seqtool.models.weights import weight_arrays
from seqtool.settings.data import TaggerData
from seqtool.settings.experiment import CharSettings, TaggerSettings
from seqtool.settings.model import CharModel, Feature, TaggerModel
from seqtool.settings.training import Training
from seqtool.training.engine import validation
from seqtool.training.engine.events import RowEvent
from seqtool.training.engine.task import StopEvaluation
from seqtool.training.engine.validation import blocks_loss, carried_loss, sequences_loss
from tests.support.small_tasks import (
    CPU,
    lines_task,
    never,
    random_sentences,
    random_text,
    sentence,
    tagging_task,
    text_task,
    trainer,
)

CELLS = ["rnn", "lstm", "gru"]


def build_network(cell: Any = "lstm", start: Any = "zeros") -> CharacterNetwork:
    model = CharModel(cell=cell, hidden_size=12, embedding_dim=6, initial_state=start)
    network = build_character_network(CharSettings(model=model), 7)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(1.5)
    return network.eval()


def losses_of(network: CharacterNetwork, text: Any) -> list[float]:
    """Return the loss of each symbol but the first in nats, computed in one pass."""
    ids = torch.from_numpy(text.astype(np.int64))
    with torch.no_grad():
        logits, _ = network(ids[:-1, None], network.encoder.initial_state(1))
    return functional.cross_entropy(logits[:, 0], ids[1:], reduction="none").double().tolist()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("start", ["zeros", "random", "learned"])
def test_carried_loss_equals_a_single_pass(cell: str, start: str) -> None:
    network, text = build_network(cell, start), random_text(9000, 7)
    widths: set[int] = set()
    network.encoder.register_forward_pre_hook(lambda _, inputs: widths.add(inputs[0].shape[1]))
    with torch.no_grad():
        loss = carried_loss(network, text, CPU, never)
        single = carried_loss(network, text, CPU, never, streams=1)
    expected = losses_of(network, text)
    assert loss.count == single.count == 8999
    assert single.total / 8999 == pytest.approx(sum(expected) / 8999, abs=1e-5)
    assert loss.total / 8999 == pytest.approx(sum(expected) / 8999, abs=1e-3)
    assert widths == {1, 8}


@pytest.mark.parametrize("length", [2, 3, 100, 1023, 2049, 2050, 5000])
def test_carried_loss_counts_every_symbol_once_for_any_length(length: int) -> None:
    network, text = build_network(), random_text(length, 7)
    with torch.no_grad():
        loss = carried_loss(network, text, CPU, never)
    assert loss.count == length - 1
    assert loss.total / (length - 1) == pytest.approx(sum(losses_of(network, text)) / (length - 1), abs=1e-3)


def test_streams_without_warm_up_differ_from_a_single_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    network, text = build_network(), random_text(9000, 7)
    with torch.no_grad():
        warmed = carried_loss(network, text, CPU, never, streams=100)
        monkeypatch.setattr(validation, "WARM_UP", 1)
        cold = carried_loss(network, text, CPU, never, streams=100)
    single = sum(losses_of(network, text))
    assert abs(warmed.total - single) < 0.1 * abs(cold.total - single)


@pytest.mark.parametrize(
    ("length", "block"), [(500, 64), (129, 64), (65, 64), (20, 64), (2, 5), (90, 1), (9000, 16)]
)
def test_blocks_start_from_the_initial_state(length: int, block: int) -> None:
    network, text = build_network("gru", "learned"), random_text(length, 7)
    with torch.no_grad():
        loss = blocks_loss(network, text, block, CPU, never)
    expected = [
        nats
        for start in range(0, length - 1, block)
        for nats in losses_of(network, text[start : start + block + 1])
    ]
    assert loss.count == len(expected) == length - 1
    assert loss.total == pytest.approx(sum(expected), rel=1e-5)


@pytest.mark.parametrize("at_once", [1, 7, 1 << 14])
def test_losses_do_not_depend_on_the_symbols_per_call(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    network, text = build_network(), random_text(700, 7)
    cut = np.random.default_rng(0).integers(0, 12, 30).cumsum()
    inputs = [part.astype(np.int64) for part in np.split(text, cut)]
    targets = [np.roll(part, 1) for part in inputs]
    with torch.no_grad():
        expected = (
            blocks_loss(network, text, 50, CPU, never),
            *sequences_loss(network, inputs, targets, CPU, never),
        )
        monkeypatch.setattr(validation, "_SYMBOLS_AT_ONCE", at_once)
        losses = (
            blocks_loss(network, text, 50, CPU, never),
            *sequences_loss(network, inputs, targets, CPU, never),
        )
    assert [part.count for part in losses[:2]] == [part.count for part in expected[:2]] == [699, 700]
    assert [part.total for part in losses[:2]] == pytest.approx(
        [part.total for part in expected[:2]], rel=1e-5
    )
    assert losses[2] == expected[2]


def test_sequences_loss_equals_the_sum_of_single_sequences() -> None:
    network = build_network()
    draw = np.random.default_rng(0)
    inputs = [draw.integers(0, 7, length) for length in (5, 0, 1, 9, 9, 2)]
    targets = [draw.integers(0, 7, len(part)) for part in inputs]
    with torch.no_grad():
        loss, correct = sequences_loss(network, inputs, targets, CPU, never)
    total, hits = 0.0, 0
    for sequence, target in zip(inputs, targets, strict=True):
        if len(sequence):
            with torch.no_grad():
                logits, _ = network(torch.from_numpy(sequence)[:, None], network.encoder.initial_state(1))
            total += functional.cross_entropy(logits[:, 0], torch.from_numpy(target), reduction="sum").item()
            hits += int((logits[:, 0].argmax(1).numpy() == target).sum())
    assert loss.count == correct.total == 26 and correct.right == hits
    assert loss.total == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize(("eval_block", "block"), [(None, 10), (25, 25)], ids=["window", "eval_block"])
def test_scores_of_a_character_task_follow_their_formula(eval_block: int | None, block: int) -> None:
    task = text_task(
        CharSettings(
            model=CharModel(hidden_size=8), training=Training(epochs=1, window=10, eval_block=eval_block)
        ),
        val=800,
    )
    scores = task.evaluate(never)
    task.network.eval()
    text: Any = task.corpus.val
    assert scores["val_loss"] == pytest.approx(sum(losses_of(task.network, text)) / 799, abs=1e-4)
    blocks = sum(
        sum(losses_of(task.network, text[start : start + block + 1])) for start in range(0, 799, block)
    )
    assert scores["val_loss_blocks"] == pytest.approx(blocks / 799, abs=1e-4)
    assert scores["val_bits_per_char"] == pytest.approx(scores["val_loss"] / math.log(2))


@pytest.mark.parametrize("val", [0, 1])
def test_text_without_a_symbol_to_predict_is_not_validated(val: int) -> None:
    task = text_task(CharSettings(model=CharModel(hidden_size=3), training=Training(epochs=1)), val=val)
    assert not task.has_validation
    assert next(type(event) for event in trainer(task).run()) is RowEvent


# --- evaluation during training -----------------------------------------------------------------------------


CHAR = CharSettings(
    model=CharModel(hidden_size=6, dropout=0.3, state_reset=0.2),
    training=Training(epochs=2, batch_size=5, window=8, ema=0.9),
)
TAGGER = TaggerSettings(
    data=TaggerData(train=("x",)),
    model=TaggerModel(
        features=(
            Feature(name="form", dim=6),
            Feature(name="suffix", length=1, dim=3),
            Feature(name="char_cnn", dim=5, width=3),
        ),
        hidden_size=6,
        projection=8,
        decoder="crf",
        dropout=0.3,
    ),
    training=Training(epochs=2, batch_size=8, ema=0.9),
)
DEV = [*random_sentences(30, 5, spans=True), sentence("W1 new W2", "O B-new O")]
TASKS: dict[str, Any] = {
    "text": lambda: text_task(CHAR),
    "lines": lambda: lines_task(replace(CHAR, model=replace(CHAR.model, state_reset=0.0))),
    "tagger": lambda: tagging_task(TAGGER, random_sentences(60, spans=True), DEV, "iob2"),
}


@pytest.mark.parametrize("name", TASKS)
def test_evaluation_after_every_step_does_not_change_training(name: str) -> None:
    plain, watched = trainer(TASKS[name]()), trainer(TASKS[name]())
    list(plain.run())
    generator_state = torch.get_rng_state()
    for _ in watched.run():
        mode = watched.task.network.training
        assert mode
        first, again = (watched.task.evaluate(never) for _ in range(2))
        assert first == again and watched.task.network.training is mode and torch.is_grad_enabled()
    assert torch.equal(generator_state, torch.get_rng_state())
    arrays, others = plain.state_arrays(), watched.state_arrays()
    assert all(arrays[key].tobytes() == others[key].tobytes() for key in others)


@pytest.mark.parametrize("name", TASKS)
def test_interrupted_evaluation_does_not_change_training(name: str) -> None:
    trained = trainer(TASKS[name]())
    next(trained.run())
    before = trained.state_arrays()
    with pytest.raises(StopEvaluation):
        trained.task.evaluate(lambda: True)
    assert trained.task.network.training and torch.is_grad_enabled()
    assert all(array.tobytes() == before[key].tobytes() for key, array in trained.state_arrays().items())


@pytest.mark.parametrize("name", TASKS)
def test_network_holds_averaged_weights_in_rows_and_trained_ones_in_steps(name: str) -> None:
    trained = trainer(TASKS[name]())
    assert trained.average is not None
    for event in trained.run():
        in_network = weight_arrays(trained.task.network)
        held = trained.average.averages if isinstance(event, RowEvent) else trained.average.trained
        for key, tensor in zip(trained.trained, held, strict=True):
            assert np.array_equal(in_network[key], tensor.numpy())
        if isinstance(event, RowEvent):
            assert event.scores == trained.task.evaluate(never)
