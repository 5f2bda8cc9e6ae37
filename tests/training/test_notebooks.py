"""The networks of the lecture's notebooks: printed numbers and bit-identical weights."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from seqtool.models.tagger import WordInput
from seqtool.models.weights import weight_arrays
from seqtool.training.engine.events import RowEvent, StepEvent
from tests.support.small_tasks import HIHELL, TOY_SENTENCES, hihell_task, toy_task, trainer

PRINTED = """
1.658 llllol 1.500 llllll 1.387 llllll 1.260 ililll 1.152 ililll 1.047 ililll 0.926 ililll 0.808 ililll
0.698 ehello 0.601 ehello 0.522 ehello 0.455 ehello 0.397 ehello 0.348 ehello 0.312 ihello
"""

# The script of the lecture; it prints all weights in every row instead of a table.
NOTEBOOK = """
import json, sys, torch
from torch import nn
torch.set_num_threads(1)
torch.manual_seed(777)
nn.RNN(4, 2)
source = torch.tensor([["hielo".index(c) for c in "hihell"]])
target = torch.tensor(["hielo".index(c) for c in "ihello"])
inputs = nn.functional.one_hot(source, 5).float()
rnn, linear = nn.RNN(5, 4, batch_first=True), nn.Linear(4, 5)
weights = [*rnn.parameters(), *linear.parameters()]
optimizer = torch.optim.Adam(weights, lr=0.1)
rows = []
for epoch in range(15):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(linear(rnn(inputs)[0][0]), target)
    loss.backward()
    rows.append([loss.item(), *(weight.detach().flatten().tolist() for weight in weights)])
    optimizer.step()
json.dump(rows, sys.stdout)
"""
NAMES = [
    *(f"encoder.0.forward.{part}" for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")),
    "output.weight",
    "output.bias",
]


def test_hihell_prints_the_rows_of_the_notebook() -> None:
    task = hihell_task()
    rows = []
    for event in trainer(task).run():
        if isinstance(event, RowEvent):
            ids = task.batch(0, 0)[0].inputs
            logits, _ = task.network(ids, task.network.encoder.initial_state(1))
            rows.append(
                (f"{event.train_loss:.3f}", "".join("hielo"[number] for number in logits.argmax(2)[:, 0]))
            )
    printed = PRINTED.split()
    assert rows == list(zip(printed[::2], printed[1::2], strict=True))


def test_hihell_has_the_weights_of_the_notebook_in_every_row() -> None:
    process = subprocess.run([sys.executable, "-c", NOTEBOOK], capture_output=True, check=True, timeout=120)
    expected: list[Any] = json.loads(process.stdout)
    task = hihell_task()
    events = (event for event in trainer(task).run() if isinstance(event, RowEvent))
    for event, (loss, *weights) in zip(events, expected, strict=True):
        arrays = weight_arrays(task.network)
        assert abs(event.train_loss - loss) < 1e-6
        for name, values in zip(NAMES, weights, strict=True):
            assert np.array_equal(arrays[name].ravel(), np.array(values, np.float32)), (event.epoch, name)


def test_last_row_of_hihell_is_its_best() -> None:
    events = list(trainer(hihell_task()).run())
    assert [event.best for event in events if isinstance(event, RowEvent)] == [True] * 15
    assert [type(event) for event in events] == [RowEvent, StepEvent] * 15
    assert [event.epoch for event in events] == [epoch for epoch in range(1, 16) for _ in range(2)]
    assert [event.last for event in events if isinstance(event, RowEvent)] == [False] * 14 + [True]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_hihell_is_learned_in_either_precision(precision: Any) -> None:
    settings = replace(HIHELL, training=replace(HIHELL.training, precision=precision, epochs=30))
    events = [event for event in trainer(hihell_task(settings)).run() if isinstance(event, RowEvent)]
    assert events[-1].train_loss < 0.2


def test_toy_tagger_learns_its_sentences_with_20_seeds() -> None:
    for seed in range(20):
        task = toy_task(seed)
        for _ in trainer(task).run():
            pass
        assert predicted_labels(task) == [labels.split() for _, labels in TOY_SENTENCES], seed


def predicted_labels(task: Any) -> list[list[str]]:
    """Return the labels of the training sentences, from the mean initial state that inference uses."""
    labels = []
    for index in range(2):
        batch, _ = task.batch(0, index)
        words: WordInput = task._table.read(batch.words, task.device)
        scores = task.network(words, task._tensor(batch.lengths), task.network.encoder.initial_state(1))
        labels.append([task.corpus.labels[number] for number in scores[:, 0].argmax(1)])
    return labels


def test_toy_tagger_draws_a_new_state_for_every_sentence() -> None:
    task = toy_task(epochs=2)
    losses = [event.loss for event in trainer(task).run() if isinstance(event, StepEvent)]
    batch, items = task.batch(0, 0)
    drawn = {task.loss(batch, 0, draw).item() / items for draw in range(5)}
    assert len(drawn) == 5 and len(set(losses)) == 4
    assert len({task.loss(batch, 0, 3).item() for _ in range(3)}) == 1  # the draw depends only on its number


def test_toy_tagger_prints_ten_rows() -> None:
    rows = [event for event in trainer(toy_task()).run() if isinstance(event, RowEvent)]
    assert [row.epoch for row in rows] == list(range(30, 301, 30))
    rows = [event for event in trainer(toy_task(epochs=65)).run() if isinstance(event, RowEvent)]
    assert [row.epoch for row in rows] == [30, 60, 65]
