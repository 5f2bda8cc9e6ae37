"""Data of a run for the HTML report, and the samples of its training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seqtool.errors import ModelError
from seqtool.reports.html.evaluations import EvaluationReport, text, whole_number
from seqtool.storage.plain_files import read_json_lines

if TYPE_CHECKING:
    from seqtool.inspection.network import MetricsRow
    from seqtool.inspection.trace import Trace, Unit, WordAblation
    from seqtool.storage.model_directory import Manifest
    from seqtool.tasks.interface import NetworkPart

SCORES = {  # names of scores in the overview
    "val_accuracy": "development accuracy",
    "val_f1": "development F1",
    "test_accuracy": "test accuracy",
    "test_condition_accuracy": "test accuracy of conditions",
    "test_f1": "test F1",
    "val_token_f1": "development F1 of tokens",
    "val_sentence_f1": "development F1 of sentences",
    "val_word_f1": "development F1 of words",
    "test_token_f1": "test F1 of tokens",
    "test_sentence_f1": "test F1 of sentences",
    "test_word_f1": "test F1 of words",
    "train_loss": "training loss",
    "val_loss": "validation loss",
    "val_loss_blocks": "validation loss, blocks",
    "val_bits_per_char": "bits per character",
    "test_loss": "test loss",
}

# --- samples ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SampleRow:
    """A row of `samples.jsonl`.

    Attributes:
        text: the predicted text.
        expected: the correct text; None for a generated sample.
    """

    epoch: int | None
    step: int | None
    text: str
    expected: str | None


def read_samples(run: Path, part: str = "") -> Iterator[SampleRow]:
    """Yield the samples of a run directory.

    Args:
        part: samples of other parts of the run are left out.

    Raises:
        ModelError: `samples.jsonl` cannot be read, or at a line that is damaged.
    """
    path = run / "samples.jsonl"
    for row in read_json_lines(path):
        if row.get("part", part) != part:
            continue
        try:
            epoch, step = (
                None if row.get(name) is None else whole_number(row[name]) for name in ("epoch", "step")
            )
            expected = None if row.get("expected") is None else text(row["expected"])
            yield SampleRow(epoch, step, text(row.get("text", "")), expected)
        except ValueError as error:
            raise ModelError(f"damaged: {error}", place=str(path)) from error


# --- the whole run ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class UnitNote:
    """A hidden unit to show, and the reason: `line-position +0.83`."""

    unit: Unit
    note: str


@dataclass(frozen=True)
class TracedText:
    """A text and its trace through a character model.

    Attributes:
        title: description of the text.
        unit: `char` or `byte`.
        vocabulary: the symbols of the model.
        aligned: whether the model predicts aligned symbols instead of next symbols.
        trace: predictions, surprisal, and the states of `units`.
        units: the units to show.
    """

    title: str
    unit: str
    vocabulary: Sequence[str]
    aligned: bool
    trace: Trace
    units: Sequence[UnitNote]


@dataclass(frozen=True)
class OtherPart:
    """A further part of a model, such as the tokenizer of a tagger.

    Attributes:
        task: name of its task.
        title: one line about its network.
        rows: rows of its training.
        evaluation: reports by the name of the held-out split.
    """

    task: str
    title: str
    rows: Sequence[MetricsRow]
    evaluation: Mapping[str, EvaluationReport]


@dataclass(frozen=True)
class RunData:
    """Everything that the report shows of one run; empty where the run has no such file.

    Attributes:
        name: name of the run.
        task: name of the task.
        command: name of the command that repeats the run.
        title: one line about the network.
        parts: parts of the networks in the order of the data flow.
        config_text: the resolved config.
        config_path: path of the config, for the command that repeats the run.
        settings: values by dotted key.
        rows, samples: the rows of training.
        evaluation: reports by the name of the held-out part.
        texts: texts with hidden units, for a character model.
        sentences: titles and sentences, for a tagger.
        notes: what cannot be shown, with the reason.
        others: further parts of the model.
    """

    name: str
    task: str
    command: str
    title: str
    parts: Sequence[NetworkPart]
    config_text: str
    config_path: str
    settings: Mapping[str, object]
    manifest: Manifest
    rows: Sequence[MetricsRow]
    samples: Sequence[SampleRow]
    evaluation: Mapping[str, EvaluationReport]
    texts: Sequence[TracedText]
    sentences: Sequence[tuple[str, WordAblation]]
    notes: Sequence[str]
    others: Sequence[OtherPart] = ()
