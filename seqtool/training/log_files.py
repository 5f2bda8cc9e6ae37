"""The log files of a run: `metrics.jsonl` and `samples.jsonl`."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

from seqtool.storage.atomic import write_file, writing
from seqtool.training.engine.events import RowEvent
from seqtool.training.listeners import Listener, Row
from seqtool.types import Json

LOGS = ("metrics.jsonl", "samples.jsonl")


class JsonLines:
    """A file with one JSON object per line. Each line is on disk before the next is written; NaN is written as null."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, value: Json) -> None:
        """Append one object."""
        finite = {
            key: None if isinstance(item, float) and not math.isfinite(item) else item
            for key, item in value.items()
        }
        with writing(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(finite, ensure_ascii=False, allow_nan=False) + "\n")

    def content(self) -> bytes:
        """Return the file's bytes; empty if nothing was added."""
        with writing(self.path):
            return self.path.read_bytes() if self.path.exists() else b""

    def restore(self, content: bytes) -> None:
        """Replace the file's content."""
        if content:
            write_file(self.path, content)
        else:
            self.path.unlink(missing_ok=True)


def metrics_of(row: RowEvent) -> Json:
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


class LogFiles(Listener):
    """Writes every row to the log files of a run."""

    def __init__(self, folder: Path) -> None:
        self._metrics, self._samples = (JsonLines(folder / name) for name in LOGS)

    def row(self, row: Row) -> None:
        """Append the scores and the prediction of a row."""
        event, prediction = row.event, row.prediction
        self._metrics.add(metrics_of(event))
        text = {"text": prediction.text(), "expected": prediction.expected_text()}
        self._samples.add({"step": event.step, "epoch": event.epoch, **text})

    def contents(self) -> dict[str, bytes]:
        """Return the bytes of both files by name."""
        return {file.path.name: file.content() for file in (self._metrics, self._samples)}

    def restore(self, contents: Mapping[str, bytes]) -> None:
        """Replace the content of both files; what was written after a checkpoint belongs to the interrupted future."""
        for file in (self._metrics, self._samples):
            file.restore(contents[file.path.name])
