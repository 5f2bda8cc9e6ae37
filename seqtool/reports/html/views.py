"""From facts to what the templates print: tables, shades and the unit viewer's data; every text made visible on the way."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from seqtool.inspection.unit_names import MEANINGS, shades
from seqtool.reports.character_inspection import shown_guess, shown_symbols
from seqtool.reports.drawing import Color, diverging_color, is_dark, probability_color
from seqtool.reports.html.facts import ReadText, RunFacts
from seqtool.reports.training_rows import clock
from seqtool.safe_text import visible
from seqtool.types import Array

MATRIX_LABELS = 40
BITS_STEP = 16  # surprisal is held in sixteenths of a bit, up to 255 of them


def style(color: Color) -> str:
    """A cell's inline style: its color, and ink that can be read on it."""
    return f"background:rgb{color};color:{'#fff' if is_dark(color) else '#111'}".replace(" ", "")


def percent(value: float | None) -> str:
    """A share; a missing one is a dash."""
    return "–" if value is None else f"{value:.2%}"


# --- runs side by side ------------------------------------------------------------------------------------

_SCORES = {
    "val_accuracy": "development accuracy",
    "val_f1": "development F1",
    "test_accuracy": "test accuracy",
    "test_f1": "test F1",
    "train_loss": "training loss",
    "val_loss": "validation loss",
    "val_loss_blocks": "validation loss, blocks",
    "val_bits_per_char": "bits per character",
    "test_loss": "test loss",
}


def glance(runs: Sequence[RunFacts]) -> list[tuple[str, list[str]]]:
    """Rows of the first table: what it is, and that of each run."""
    scores = [run.manifest.all_scores for run in runs]
    rows = [("network", [run.title for run in runs])]
    for key, label in _SCORES.items():
        if any(one.get(key) is not None for one in scores):
            rows.append((label, [_score(key, one.get(key)) for one in scores]))
    rows.append(("best row", [_best_row(run) for run in runs]))
    rows.append(
        (
            "trained for",
            ["–" if run.manifest.seconds is None else clock(run.manifest.seconds) for run in runs],
        )
    )
    sizes = [run.manifest.size for run in runs]
    rows.append(
        (
            "model on disk",
            [f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB" for size in sizes],
        )
    )
    return rows


def _score(key: str, value: float | None) -> str:
    if value is None:
        return "–"
    return percent(value) if key.endswith(("accuracy", "f1")) else f"{value:.4f}"


def _best_row(run: RunFacts) -> str:
    manifest = run.manifest
    return "–" if manifest.epoch is None else f"epoch {manifest.epoch}, step {manifest.step:,}"


def differing(runs: Sequence[RunFacts]) -> list[tuple[str, list[str]]]:
    """The settings that are not the same in all runs."""
    keys = dict.fromkeys(key for run in runs for key in run.settings)
    rows = [
        (key, [_value(run.settings[key]) if key in run.settings else "–" for run in runs])
        for key in keys
        if key != "name"
    ]
    return [(key, values) for key, values in rows if len(set(values)) > 1]


def _value(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return visible(", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value))


def curves(
    runs: Sequence[RunFacts], keys: Mapping[str, str]
) -> tuple[dict[str, list[tuple[float, float]]], dict[str, tuple[int, int]]]:
    """The curves of some columns of all runs, each with its color (the run) and dash (the column)."""
    found: dict[str, list[tuple[float, float]]] = {}
    series: dict[str, tuple[int, int]] = {}
    for number, run in enumerate(runs):
        for dash, (key, label) in enumerate(keys.items()):
            points = [(row["epoch"], row[key]) for row in run.rows if row.get(key) is not None]
            if points:
                name = label if len(runs) == 1 else f"{run.name}: {label}"
                found[name], series[name] = points, (number, dash) if len(runs) > 1 else (dash, 0)
    return found, series


# --- taggers ----------------------------------------------------------------------------------------------


def confusion_matrix(report: Mapping[str, Any]) -> dict[str, Any] | None:
    """Gold labels (rows) against predicted ones, shaded by their share of the row; None where there are no labels."""
    frequent = sorted(report["labels"], key=lambda name: -report["labels"][name]["support"])
    names = frequent[:MATRIX_LABELS]
    if not names:
        return None
    places = {name: place for place, name in enumerate(names)}
    counts = np.zeros((len(names), len(names)), np.int64)
    for name in names:
        counts[places[name], places[name]] = report["labels"][name]["hits"]
    for one in report["confusions"]:
        if one["gold"] in places and one["predicted"] in places:
            counts[places[one["gold"]], places[one["predicted"]]] = one["count"]
    totals = np.maximum(counts.sum(1, keepdims=True), 1)
    shares = counts / totals
    rows = []
    for place, name in enumerate(names):
        cells = []
        for other, count in enumerate(counts[place].tolist()):
            part = float(shares[place, other])
            # What is wrong is rare: its shade is that of its root, so that it can be seen beside what is right.
            shade = probability_color(part) if other == place else diverging_color(math.sqrt(part))
            cells.append(
                {
                    "count": count,
                    "style": style(shade) if count else "",
                    "title": f"{name} as {names[other]}: {count}",
                }
            )
        rows.append((name, cells))
    return {"names": names, "rows": rows, "hidden": len(frequent) - len(names)}


def worst_sentences(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Sentences with most mistakes, token by token."""
    return [
        {
            "place": one["place"].replace("\\", "/").rpartition("/")[2],
            "wrong": one["wrong"],
            "tokens": [
                {"form": visible(form), "gold": gold, "predicted": predicted, "right": gold == predicted}
                for form, gold, predicted in zip(one["tokens"], one["gold"], one["predicted"], strict=True)
            ],
        }
        for one in report.get("worst", ())
    ]


def sentence_views(run: RunFacts) -> Iterator[dict[str, Any]]:
    """The heat strip of a sentence's marginals, and the effects of leaving words out."""
    from seqtool.reports.tagger_inspection import likely_labels

    for title, inside in run.sentences:
        columns = likely_labels(inside, 60)
        strip = [
            (
                visible(token),
                [
                    (f"{value:.2f}" if value >= 0.005 else "", style(probability_color(value)))
                    for value in inside.probabilities[place, columns].tolist()
                ],
            )
            for place, token in enumerate(inside.tokens)
        ]
        view: dict[str, Any] = {
            "title": title,
            "names": [inside.names[one] for one in columns],
            "strip": strip,
            "effects": None,
        }
        if inside.effects is not None and inside.instead is not None:
            best = [inside.names.index(label) for label in inside.labels]
            rows = []
            for place, token in enumerate(inside.tokens):
                cells = []
                for other in range(len(inside.tokens)):
                    effect, instead = float(inside.effects[place, other]), int(inside.instead[place, other])
                    text = (
                        "" if place == other or abs(effect) < 0.005 else f"{effect:+.2f}".replace("0.", ".")
                    )
                    turns = inside.names[instead] if instead != best[place] else ""
                    cells.append(
                        {
                            "text": text,
                            "turns": turns,
                            "style": style(diverging_color(effect)) if text else "",
                            "self": place == other,
                        }
                    )
                rows.append((visible(token), inside.labels[place], cells))
            view["effects"] = {"tokens": [visible(token) for token in inside.tokens], "rows": rows}
        yield view


# --- character models -------------------------------------------------------------------------------------


def sample_rows(run: RunFacts, limit: int = 24) -> list[dict[str, Any]]:
    """What was predicted over the course of training: all rows, or some spread evenly, always the first and the last."""
    chosen = range(len(run.samples))
    if len(chosen) > limit:
        chosen = np.unique(np.linspace(0, len(chosen) - 1, limit).round().astype(int)).tolist()
    return [_sample(run.samples[number]) for number in chosen]


def _sample(sample: Mapping[str, Any]) -> dict[str, Any]:
    text, expected = str(sample.get("text", "")), sample.get("expected")
    separator = " " if " " in (expected or "") else ""
    symbols, wanted = (one.split(" ") if separator else list(one) for one in (text, str(expected or "")))
    marks = []
    for place, symbol in enumerate(symbols):
        shown = symbol if symbol in "\n\t" and expected is None else visible(symbol)
        right = None if expected is None else place < len(wanted) and wanted[place] == symbol
        marks.append((shown + separator, right))
    if expected is None:
        marks = [("".join(shown for shown, _ in marks), None)]
    return {"epoch": sample.get("epoch"), "step": sample.get("step"), "marks": marks}


def unit_data(text: ReadText) -> dict[str, Any]:
    """What the unit viewer reads: symbols, guesses, surprisal and units, a byte for each number."""
    reading = text.reading
    guesses = [shown_guess(symbol, text.unit) for symbol in text.vocabulary]
    return {
        "symbols": shown_symbols(reading.symbols, text.unit),
        "breaks": [place for place, symbol in enumerate(reading.symbols) if symbol == "\n"],
        "vocabulary": guesses,
        "guesses": _base64(reading.guesses.astype("<u2")),
        "width": reading.guesses.shape[1],
        "aligned": text.aligned,
        "probabilities": _base64(np.rint(reading.probabilities * 255).astype(np.uint8)),
        "bits": None if np.isnan(reading.bits).all() else _base64(_quantised_bits(reading.bits)),
        "units": [
            {
                "name": one.unit.name,
                "what": MEANINGS[one.unit.part],
                "note": one.note,
                "largest": round(
                    float(np.abs(reading.states[one.unit.array][:, one.unit.index]).max(initial=0.0)), 3
                ),
                "values": _base64(
                    np.rint(127 * shades(one.unit, reading.states[one.unit.array][:, one.unit.index])).astype(
                        np.int8
                    )
                ),
            }
            for one in text.units
        ],
    }


def _quantised_bits(bits: Array) -> Array:
    """Sixteenths of a bit from 0 to 254; 255 where a symbol was not predicted."""
    values: Array = np.where(
        np.isnan(bits), 255, np.clip(np.rint(np.nan_to_num(bits) * BITS_STEP), 0, 254)
    ).astype(np.uint8)
    return values


def _base64(array: Array) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")
