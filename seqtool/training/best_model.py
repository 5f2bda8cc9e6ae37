"""The model of the best row so far, in memory and on disk."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from seqtool.storage.model_directory import write_model
from seqtool.tasks.interface import Prepared
from seqtool.training.engine.events import RowEvent
from seqtool.training.listeners import Listener, Row
from seqtool.types import Arrays, Json

SAVE_EVERY = 30.0  # seconds; several better rows within this time are written together


class BestModel(Listener):
    """Keeps the weights of the best row: in memory at once, on disk soon.

    Attributes:
        best: the best row so far.
        weights: the network's weights in that row.
    """

    def __init__(self, folder: Path, prepared: Prepared, manifest: Json) -> None:
        """Keep models of one run.

        Args:
            folder: the model directory.
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
        """Keep the weights of a better row."""
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
        prepared = self._prepared
        write_model(
            self._folder, prepared.config, prepared.vocab, self.weights, {**self._manifest, **best, **fields}
        )
        self._unsaved, self._saved_at = False, time.monotonic()
