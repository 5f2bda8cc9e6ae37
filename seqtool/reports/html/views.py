"""Prepare the data of a run for the templates: tables, cell colors, and the data of the unit viewer.

Text from user files is made safe here (`visible`) or by the template engine.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from seqtool.evaluation.tagger import WorstSentence
from seqtool.inspection.trace import MEANINGS, WordAblation, shades
from seqtool.reports.character_inspection import shown_guess, shown_symbols
from seqtool.reports.formatting import Color, diverging_color, format_duration, is_dark, probability_color
from seqtool.reports.html.evaluations import EvaluationReport
from seqtool.reports.html.run_data import SCORES, RunData, SampleRow, TracedText, UnitNote
from seqtool.reports.tagger_inspection import MIN_EFFECT, MIN_PROBABILITY, likely_labels
from seqtool.safe_text import visible
from seqtool.types import Array

MATRIX_LABELS = 40  # most labels in a confusion matrix
STRIP_LABELS = 60  # most labels in a heat map of probabilities
SHOWN_SAMPLES = 24
STEPS_PER_BIT = 16  # the unit viewer receives surprisals in steps of 1/16 bit, at most 254 steps


def cell_style(color: Color) -> str:
    """Return the inline style of a cell: its background, and a readable text color."""
    return f"background:rgb{color};color:{'#fff' if is_dark(color) else '#111'}".replace(" ", "")


def percent(value: float | None) -> str:
    """Return a share in percent, or a dash for a missing value."""
    return "–" if value is None else f"{value:.2%}"


def file_name(path: str) -> str:
    """Return the last part of a path of any operating system."""
    return path.replace("\\", "/").rpartition("/")[2]


# --- several runs -----------------------------------------------------------------------------------------


def overview_rows(runs: Sequence[RunData]) -> list[tuple[str, list[str]]]:
    """Return the rows of the first table: the heading of a row, and the value of each run."""
    rows = [("network", [" and ".join([run.title, *(one.title for one in run.others)]) for run in runs])]
    for name, label in SCORES.items():
        values = [run.manifest.all_scores.get(name) for run in runs]
        if any(value is not None for value in values):
            rows.append((label, [_score(name, value) for value in values]))
    seconds = [run.manifest.seconds for run in runs]
    return [
        *rows,
        ("best row", [_best_row(run) for run in runs]),
        ("trained for", ["–" if value is None else format_duration(value) for value in seconds]),
        ("model on disk", [_size(run.manifest.size) for run in runs]),
    ]


def _score(name: str, value: float | None) -> str:
    if value is None:
        return "–"
    return percent(value) if name.endswith(("accuracy", "f1")) else f"{value:.4f}"


def _best_row(run: RunData) -> str:
    epoch, step = run.manifest.epoch, run.manifest.step
    return "–" if epoch is None or step is None else f"epoch {epoch}, step {step:,}"


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"


def differing_settings(runs: Sequence[RunData]) -> list[tuple[str, list[str]]]:
    """Return the settings that are not equal in all runs: the key, and the value of each run."""
    keys = dict.fromkeys(key for run in runs for key in run.settings)
    rows = [
        (key, [_setting(run.settings[key]) if key in run.settings else "–" for run in runs])
        for key in keys
        if key != "name"
    ]
    return [(key, values) for key, values in rows if len(set(values)) > 1]


def _setting(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return visible(", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value))


# --- taggers ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MatrixCell:
    """Cell of a confusion matrix: the number of tokens with its gold label and its predicted label."""

    count: int
    style: str
    title: str


@dataclass(frozen=True)
class ConfusionMatrix:
    """Counts of the most frequent labels: one row per gold label, one column per predicted label.

    Attributes:
        hidden: number of labels without a row.
    """

    names: Sequence[str]
    rows: Sequence[tuple[str, Sequence[MatrixCell]]]
    hidden: int


def confusion_matrix(report: EvaluationReport) -> ConfusionMatrix | None:
    """Return the matrix; None if there are no labels. A cell's color shows its share of the row."""
    frequent = sorted(report.labels, key=lambda name: -report.labels[name].support)
    names = frequent[:MATRIX_LABELS]
    if not names:
        return None
    index_of = {name: index for index, name in enumerate(names)}
    counts = np.diag([report.labels[name].hits for name in names])
    for confusion in report.confusions:
        if confusion.gold in index_of and confusion.predicted in index_of:
            counts[index_of[confusion.gold], index_of[confusion.predicted]] = confusion.count
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    rows = [
        (
            name,
            [
                _matrix_cell(int(counts[row, column]), float(shares[row, column]), name, names[column])
                for column in range(len(names))
            ],
        )
        for row, name in enumerate(names)
    ]
    return ConfusionMatrix(names, rows, len(frequent) - len(names))


def _matrix_cell(count: int, share: float, gold: str, predicted: str) -> MatrixCell:
    # Errors are rare. The square root of their share gives a color that is visible next to correct labels.
    color = probability_color(share) if gold == predicted else diverging_color(math.sqrt(share))
    return MatrixCell(count, cell_style(color) if count else "", f"{gold} as {predicted}: {count}")


@dataclass(frozen=True)
class MarkedToken:
    """A token with its gold label and its predicted label."""

    form: str
    gold: str
    predicted: str

    @property
    def right(self) -> bool:
        """True if the predicted label is correct."""
        return self.gold == self.predicted


@dataclass(frozen=True)
class MarkedSentence:
    """A sentence with wrong labels: its file and line, and the number of wrong labels."""

    place: str
    wrong: int
    tokens: Sequence[MarkedToken]


def marked_sentence(sentence: WorstSentence) -> MarkedSentence:
    """Return a sentence with the gold and the predicted label of each token."""
    tokens = [
        MarkedToken(visible(form), gold, predicted)
        for form, gold, predicted in zip(sentence.tokens, sentence.gold, sentence.predicted, strict=True)
    ]
    return MarkedSentence(file_name(sentence.place), sentence.wrong, tokens)


@dataclass(frozen=True)
class EffectCell:
    """Effect of leaving out the word of the column on the label of the word of the row.

    Attributes:
        turns: new label of the word of the row; empty if it does not change.
        diagonal: whether row and column are the same word.
    """

    text: str
    style: str
    turns: str
    diagonal: bool


@dataclass(frozen=True)
class SentenceView:
    """A sentence with its label probabilities and the effects of its words.

    Attributes:
        names: labels of the columns of the heat map.
        strip: rows of the heat map: a token, and text and style of each probability.
        tokens: words of the columns of the table of effects.
        effects: rows of that table: a token, its label and its cells; empty if effects were not computed.
    """

    title: str
    names: Sequence[str]
    strip: Sequence[tuple[str, Sequence[tuple[str, str]]]]
    tokens: Sequence[str]
    effects: Sequence[tuple[str, str, Sequence[EffectCell]]]


def sentence_view(title: str, ablation: WordAblation) -> SentenceView:
    """Return the heat map of the label probabilities and the effects of leaving out words."""
    columns = likely_labels(ablation, STRIP_LABELS)
    tokens = [visible(token) for token in ablation.tokens]
    strip = [
        (token, [_probability(value) for value in ablation.probabilities[index, columns].tolist()])
        for index, token in enumerate(tokens)
    ]
    effects = []
    if ablation.effects is not None:
        effects = [
            (
                token,
                ablation.labels[row],
                [_effect_cell(ablation, row, column) for column in range(len(tokens))],
            )
            for row, token in enumerate(tokens)
        ]
    return SentenceView(title, [ablation.names[label] for label in columns], strip, tokens, effects)


def _probability(value: float) -> tuple[str, str]:
    text = f"{value:.2f}" if value >= MIN_PROBABILITY else ""
    return text, cell_style(probability_color(value))


def _effect_cell(ablation: WordAblation, row: int, column: int) -> EffectCell:
    assert ablation.effects is not None and ablation.instead is not None
    effect, label = float(ablation.effects[row, column]), ablation.names[ablation.instead[row, column]]
    text = "" if row == column or abs(effect) < MIN_EFFECT else f"{effect:+.2f}".replace("0.", ".")
    return EffectCell(
        text,
        style=cell_style(diverging_color(effect)) if text else "",
        turns=label if label != ablation.labels[row] else "",
        diagonal=row == column,
    )


# --- text models ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MarkedSample:
    """A sample in pieces: each text is correct (True), wrong (False) or without a correct answer (None)."""

    epoch: int | None
    step: int | None
    marks: Sequence[tuple[str, bool | None]]


def marked_samples(samples: Sequence[SampleRow]) -> list[MarkedSample]:
    """Return all samples of a run; of many samples, evenly spaced ones with the first and the last."""
    chosen = range(len(samples))
    if len(chosen) > SHOWN_SAMPLES:
        chosen = np.unique(np.linspace(0, len(chosen) - 1, SHOWN_SAMPLES).round().astype(int)).tolist()
    return [_marked_sample(samples[number]) for number in chosen]


def _marked_sample(sample: SampleRow) -> MarkedSample:
    if sample.expected is None:
        text = "".join(symbol if symbol in "\n\t" else visible(symbol) for symbol in sample.text)
        return MarkedSample(sample.epoch, sample.step, [(text, None)])
    separator = " " if " " in sample.expected else ""
    symbols, expected = (
        text.split(" ") if separator else list(text) for text in (sample.text, sample.expected)
    )
    marks = [
        (visible(symbol) + separator, index < len(expected) and expected[index] == symbol)
        for index, symbol in enumerate(symbols)
    ]
    return MarkedSample(sample.epoch, sample.step, marks)


@dataclass(frozen=True)
class TextView:
    """A text with hidden units: the HTML id of its controls, and the object that the unit viewer reads."""

    id: str
    title: str
    data: Mapping[str, object]


def text_view(text: TracedText, number: str) -> TextView:
    """Return the data of the unit viewer. Its arrays are base64 of one byte per number (guesses: two)."""
    trace = text.trace
    data = {
        "symbols": shown_symbols(trace.symbols, text.unit),
        "breaks": [index for index, symbol in enumerate(trace.symbols) if symbol == "\n"],
        "vocabulary": [shown_guess(symbol, text.unit) for symbol in text.vocabulary],
        "guesses": _base64(trace.guesses.astype("<u2")),
        "width": trace.guesses.shape[1],
        "aligned": text.aligned,
        "probabilities": _base64(np.rint(trace.probabilities * 255).astype(np.uint8)),
        "bits": None if np.isnan(trace.bits).all() else _base64(_surprisal_steps(trace.bits)),
        "units": [_unit(note, trace.states[note.unit.array][:, note.unit.index]) for note in text.units],
    }
    return TextView(number, text.title, data)


def _unit(note: UnitNote, states: Array) -> dict[str, object]:
    return {
        "name": note.unit.name,
        "what": MEANINGS[note.unit.part],
        "note": note.note,
        "largest": round(float(np.abs(states).max(initial=0.0)), 3),
        "values": _base64(np.rint(127 * shades(note.unit, states)).astype(np.int8)),
    }


def _surprisal_steps(bits: Array) -> Array:
    """Return surprisals in steps, from 0 to 254; 255 means that the symbol was not predicted."""
    steps = np.clip(np.rint(np.nan_to_num(bits) * STEPS_PER_BIT), 0, 254)
    values: Array = np.where(np.isnan(bits), 255, steps).astype(np.uint8)
    return values


def _base64(array: Array) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")
