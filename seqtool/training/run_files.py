"""Listeners that write the files of a run: `metrics.jsonl`, `samples.jsonl`, and the best model."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seqtool.storage.atomic import write_file, writing
from seqtool.storage.model_directory import write_model
from seqtool.storage.ownership import open_own
from seqtool.storage.plain_files import LOG_LIMIT, exists, read_plain
from seqtool.tasks.interface import Prepared
from seqtool.training.engine.events import RowEvent
from seqtool.training.listeners import Listener, Row
from seqtool.types import Arrays, Json

LOGS = ("metrics.jsonl", "samples.jsonl")
SAVE_EVERY = 30.0  # seconds; several better rows within this time are written together


# --- log files ----------------------------------------------------------------------------------------------


class JsonLines:
    """A file with one JSON object per line.

    Each line is in the file before the next is written. Numbers that are not finite are written as null.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, value: Json) -> None:
        """Append one object."""
        finite = {
            key: None if isinstance(item, float) and not math.isfinite(item) else item
            for key, item in value.items()
        }
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        with (
            writing(self.path, "--runs-dir"),
            os.fdopen(open_own(self.path, flags), "a", encoding="utf-8") as file,
        ):
            file.write(json.dumps(finite, ensure_ascii=False, allow_nan=False) + "\n")

    def content(self) -> bytes:
        """Return the file's bytes; empty if nothing was added."""
        return bytes(read_plain(self.path, LOG_LIMIT)) if exists(self.path) else b""

    def restore(self, content: bytes) -> None:
        """Replace the file's content."""
        if content:
            write_file(self.path, content)
        else:
            self.path.unlink(missing_ok=True)


class LogFiles(Listener):
    """Writes every row to the log files of a run."""

    def __init__(self, folder: Path) -> None:
        self._metrics, self._samples = (JsonLines(folder / name) for name in LOGS)

    def row(self, row: Row) -> None:
        """Append the scores and the prediction of a row."""
        event, prediction = row.event, row.prediction
        self._metrics.add(_metrics(event))
        text = {"text": prediction.text(), "expected": prediction.expected_text()}
        self._samples.add({"step": event.step, "epoch": event.epoch, **text})

    def contents(self) -> dict[str, bytes]:
        """Return the bytes of both files by name."""
        return {file.path.name: file.content() for file in (self._metrics, self._samples)}

    def restore(self, contents: Mapping[str, bytes]) -> None:
        """Replace the content of both files.

        A resumed run repeats the rows that were written after its checkpoint, so they must not stay in the
        files.
        """
        for file in (self._metrics, self._samples):
            file.restore(contents[file.path.name])


def _metrics(row: RowEvent) -> Json:
    """Return a row as `metrics.jsonl` stores it."""
    return {
        "step": row.step,
        "epoch": row.epoch,
        "seconds": round(row.seconds, 3),
        "lr": row.lr,
        "train_loss": row.train_loss,
        "grad_norm": row.grad_norm,
        **row.scores,
    }


# --- best model ---------------------------------------------------------------------------------------------


class BestModel(Listener):
    """Keeps the weights of the best row: in memory at once, on disk within `SAVE_EVERY` seconds of training.

    Attributes:
        best: the best row so far; None before the first row.
        weights: weights of the network in that row.
    """

    def __init__(self, folder: Path, prepared: Prepared, manifest: Json) -> None:
        """Keep the models of one run.

        Args:
            folder: the model directory.
            prepared: settings and vocabulary of the model.
            manifest: fields of the manifest that are known before training.
        """
        self._folder, self._prepared, self._manifest = folder, prepared, dict(manifest)
        self.best: RowEvent | None = None
        self.weights: Arrays = {}
        self._unsaved = False
        self._saved_at = time.monotonic()

    def row(self, row: Row) -> None:
        """Keep the weights of a row that is better than all before."""
        if row.event.best:
            self.keep(row.event, row.weights)

    def keep(self, row: RowEvent, weights: Arrays) -> None:
        """Keep the weights of the best row so far."""
        self.best, self.weights, self._unsaved = row, weights, True
        if time.monotonic() - self._saved_at >= SAVE_EVERY:
            self.save()

    def save(self, **fields: Any) -> None:
        """Write the model directory, unless the model on disk is current.

        Args:
            fields: fields of the manifest that are known only at the end of the run.
        """
        if self.best is None or not (self._unsaved or fields):
            return
        scores = {"train_loss": self.best.train_loss, **self.best.scores}
        best = {"epoch": self.best.epoch, "step": self.best.step, "scores": scores}
        manifest = {**self._manifest, **best, **fields}
        write_model(self._folder, self._prepared.config, self._prepared.vocab, self.weights, manifest)
        self._unsaved, self._saved_at = False, time.monotonic()
