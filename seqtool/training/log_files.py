"""What hears of a training run: the metrics and samples files, and the keeper of the best model."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seqtool.reports.training import Prediction
from seqtool.storage.atomic import write_file, writing
from seqtool.storage.model_directory import write_model
from seqtool.tasks.prepare import Prepared
from seqtool.training.engine.events import RowEvent

SAVE_EVERY = 30.0  # seconds; better rows that follow each other faster are written together


class JsonLines:
    """A file of one JSON object a line, each on disk when the next is begun. No NaN is ever written as a number."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, value: Mapping[str, Any]) -> None:
        """Append one object."""
        finite = {
            key: None if isinstance(item, float) and not math.isfinite(item) else item
            for key, item in value.items()
        }
        with writing(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(finite, ensure_ascii=False, allow_nan=False) + "\n")

    def content(self) -> bytes:
        """The file's bytes; none where nothing was added."""
        with writing(self.path):
            return self.path.read_bytes() if self.path.exists() else b""

    def restore(self, content: bytes) -> None:
        """Let the file hold just this."""
        if content:
            write_file(self.path, content)
        else:
            self.path.unlink(missing_ok=True)


def row_values(row: RowEvent) -> dict[str, Any]:
    """A row as `metrics.jsonl` holds it."""
    return {
        "step": row.step,
        "epoch": row.epoch,
        "seconds": round(row.seconds, 3),
        "lr": row.lr,
        "train_loss": row.train_loss,
        "grad_norm": row.grad_norm,
        **row.scores,
    }


class RunFiles:
    """`metrics.jsonl` and `samples.jsonl` of a run."""

    def __init__(self, folder: Path) -> None:
        self._metrics = JsonLines(folder / "metrics.jsonl")
        self._samples = JsonLines(folder / "samples.jsonl")

    def row(self, row: RowEvent, prediction: Prediction | None) -> None:
        """Note a row and what was predicted in it."""
        self._metrics.add(row_values(row))
        if prediction is not None:
            text = prediction.separator.join(prediction.symbols)
            expected = prediction.separator.join(prediction.expected) if prediction.expected else None
            self._samples.add({"step": row.step, "epoch": row.epoch, "text": text, "expected": expected})

    def contents(self) -> dict[str, bytes]:
        """What both hold, by their names."""
        return {lines.path.name: lines.content() for lines in (self._metrics, self._samples)}

    def restore(self, contents: Mapping[str, bytes]) -> None:
        """Let both hold what they held before, and no more."""
        for lines in (self._metrics, self._samples):
            lines.restore(contents[lines.path.name])


class BestModel:
    """Keeps the best row's weights, in memory at once and on disk soon.

    Attributes:
        row: the best row so far.
        weights: the network's weights in that row.
    """

    def __init__(self, folder: Path, prepared: Prepared, facts: Mapping[str, Any]) -> None:
        self.folder = folder
        self.prepared = prepared
        self.facts = dict(facts)
        self.row: RowEvent | None = None
        self.weights: dict[str, Any] = {}
        self._unsaved = False
        self._saved_at = time.monotonic()

    def keep(self, row: RowEvent, weights: dict[str, Any]) -> None:
        """Take a better row's weights."""
        self.row, self.weights, self._unsaved = row, weights, True
        if time.monotonic() - self._saved_at >= SAVE_EVERY:
            self.save()

    def save(self, **more: Any) -> None:
        """Write the model directory, if there is a model that is not on disk yet.

        Args:
            more: facts that are known only at the end.
        """
        if self.row is None or not (self._unsaved or more):
            return
        scores = {"train_loss": self.row.train_loss, **self.row.scores}
        best = {"epoch": self.row.epoch, "step": self.row.step, "scores": scores}
        write_model(
            self.folder,
            self.prepared.config,
            self.prepared.vocab,
            self.weights,
            {**self.facts, **best, **more},
        )
        self._unsaved, self._saved_at = False, time.monotonic()
