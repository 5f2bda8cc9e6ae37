"""Listeners that write the files of a run: `metrics.jsonl`, `samples.jsonl`, and the best model."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seqtool.errors import ModelError
from seqtool.storage.atomic import write_file, writing
from seqtool.storage.model_directory import write_model
from seqtool.storage.ownership import open_own
from seqtool.storage.plain_files import LOG_LIMIT, exists, parse_object, read_plain
from seqtool.tasks.parts import PreparedRun, joined_scores
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
        part = {"part": row.part} if row.part else {}
        self._metrics.add(part | _metrics(event))
        text = {"text": prediction.text(), "expected": prediction.expected_text()}
        self._samples.add({**part, "step": event.step, "epoch": event.epoch, **text})

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

    def sort(self, parts: Sequence[str]) -> None:
        """Put the rows of each part together. They are apart if a part continued after a later part."""
        order = {part: number for number, part in enumerate(parts)}
        for file in (self._metrics, self._samples):
            lines = file.content().splitlines(keepends=True)
            rows = sorted(lines, key=lambda line: order.get(part_of_line(line), 0))
            if rows != lines:
                file.restore(b"".join(rows))


def part_of_line(line: bytes) -> str:
    """Return the part of the run that a line of a log file belongs to; empty if it names none."""
    try:
        return str(parse_object(Path(LOGS[0]), line, "").get("part", ""))
    except ModelError:  # a damaged line
        return ""


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
    """Keeps the weights of the best row of each part: in memory at once, on disk within `SAVE_EVERY` seconds.

    A model directory on disk contains the parts that have a row.

    Attributes:
        best: the best row of each part so far, by name; a part is missing before its first row.
        weights: weights of the network in that row.
    """

    def __init__(self, folder: Path, prepared: PreparedRun, manifest: Json) -> None:
        """Keep the models of one run.

        Args:
            folder: the model directory.
            prepared: settings and vocabularies of the model.
            manifest: fields of the manifest that are known before training.
        """
        self._folder, self._prepared, self._manifest = folder, prepared, dict(manifest)
        self.best: dict[str, RowEvent] = {}
        self.weights: dict[str, Arrays] = {}
        self._unsaved = False
        self._saved_at = time.monotonic()

    def row(self, row: Row) -> None:
        """Keep the weights of a row that is better than all before."""
        if row.event.best:
            self.keep(row.part, row.event, row.weights)

    def keep(self, part: str, row: RowEvent, weights: Arrays) -> None:
        """Keep the weights of the best row of a part so far."""
        self.best[part], self.weights[part], self._unsaved = row, weights, True
        if time.monotonic() - self._saved_at >= SAVE_EVERY:
            self.save()

    def scores(self, *parts: str) -> dict[str, float]:
        """Return training losses and validation scores of some parts by the names in the manifest."""
        return joined_scores(
            {name: {"train_loss": self.best[name].train_loss, **self.best[name].scores} for name in parts}
        )

    @property
    def rows(self) -> dict[str, dict[str, int]]:
        """Epoch and step of the kept row of each part; empty if the run has one part."""
        return {name: {"epoch": row.epoch, "step": row.step} for name, row in self.best.items() if name}

    def save(self, **fields: Any) -> None:
        """Write the model directory, unless the model on disk is current.

        Args:
            fields: fields of the manifest that are known only at the end of the run.
        """
        if not self.best or not (self._unsaved or fields):
            return
        names = [name for name in self._prepared.parts if name in self.best]
        main = self.best[names[-1]]
        best = {"epoch": main.epoch, "step": main.step, "scores": self.scores(*names)}
        kind = {"kind": self._prepared.parts[names[-1]].kind}
        rows = {"part_rows": self.rows} if self.rows else {}
        model = self._prepared.stored({name: self.weights[name] for name in names})
        manifest = {**self._manifest, **kind, **best, **rows, **fields}
        write_model(self._folder, model.config, model.vocab, model.weights, manifest)
        self._unsaved, self._saved_at = False, time.monotonic()
