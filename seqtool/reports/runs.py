"""Format runs and configs: the list of runs, the origin of each setting, and differences."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from seqtool.config.dump import flow, relative
from seqtool.reports.formatting import (
    aligned_lines,
    cell_width,
    format_age,
    format_duration,
    format_score,
    format_size,
    pad,
)
from seqtool.safe_text import cell, shorten, visible
from seqtool.settings.model import Feature
from seqtool.storage.run_list import RunEntry

if TYPE_CHECKING:
    from seqtool.config.dump import Difference, Setting

MAX_NAME = 32  # characters of the name of a run
MAX_VALUE = 32  # characters of a value in a table of differences
COMMENT_COLUMN = 44  # of the comments after lines that are shorter
SCORE_NAMES = {"val_f1": "F1", "val_accuracy": "accuracy", "val_loss": "loss", "train_loss": "train loss"}
_KEY = re.compile(r"(?P<indent> {0,4})(?P<name>[a-z_]+):(?P<value>.*)")


# --- runs -------------------------------------------------------------------------------------------------


def run_lines(entries: Sequence[RunEntry], now: float) -> Iterator[str]:
    """Yield a line of headings, then a line for each run.

    Args:
        now: present time in seconds since 1970, from which the ages are counted.
    """
    rows = [("run", "task", "score", "size", "checkpoint", "age"), *(_cells(entry, now) for entry in entries)]
    yield from _table(rows, "<<<>>>")


def pretrained_lines(entries: Sequence[RunEntry]) -> Iterator[str]:
    """Yield a line of headings, then a line for each pretrained model."""
    cells = (_cells(entry, entry.modified)[:4] for entry in entries)
    yield from _table([("pretrained", "task", "score", "size"), *cells], "<<<>")


def _table(rows: Sequence[Sequence[str]], alignments: str) -> Iterator[str]:
    widths = [max(map(cell_width, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        columns = zip(row, alignments, widths, strict=True)
        yield "  ".join(pad(text, width, align) for text, align, width in columns)


def _cells(entry: RunEntry, now: float) -> tuple[str, str, str, str, str, str]:
    return (
        shorten(visible(entry.name), MAX_NAME),
        cell(" + ".join(entry.manifest.parts) or entry.manifest.task) or "-",
        _score(entry),
        format_size(entry.size),
        format_size(entry.checkpoint_size) if entry.checkpoint_size else "-",
        format_age(now - entry.modified),
    )


def _score(entry: RunEntry) -> str:
    if entry.state != "finished":
        return entry.state
    if entry.main_score is None:
        return "-"
    name, value = entry.main_score
    return f"{SCORE_NAMES[name]} {format_score(name, value)}"


def comparison_lines(
    names: tuple[str, str], entries: Sequence[RunEntry], settings: Sequence[tuple[str, str, str]]
) -> Iterator[str]:
    """Yield the scores of two runs with their difference, then other values and settings that differ.

    Args:
        names: names of the runs as the user wrote them.
        settings: key and both values of each setting that differs.
    """
    rows: list[tuple[str, ...]] = [("", *names, "difference")]
    scores = [entry.manifest.all_scores for entry in entries]
    for name in dict.fromkeys([*scores[0], *scores[1]]):
        values = [side.get(name) for side in scores]
        texts = ("-" if value is None else format_score(name, value) for value in values)
        rows.append((name, *texts, _difference(name, *values)))
    first, second = (entry.compared_values() for entry in entries)
    for name in dict.fromkeys([*first, *second]):
        if first.get(name) != second.get(name):
            rows.append(
                (name, _compared_value(name, first.get(name)), _compared_value(name, second.get(name)), "")
            )
    yield from aligned_lines([*rows, *((*row, "") for row in settings)])


def _difference(name: str, first: float | None, second: float | None) -> str:
    if first is None or second is None:
        return ""
    delta = second - first
    percent = name.endswith(("f1", "accuracy"))
    return f"{100 * delta:+.2f}" if percent else f"{delta:+.4f}"


def _compared_value(name: str, value: object) -> str:
    if value is None:
        return "-"
    if name == "seconds" and isinstance(value, int | float):
        return format_duration(float(value))
    if name == "model_bytes" and isinstance(value, int):
        return format_size(value)
    return f"{value:,}" if isinstance(value, int) else cell(str(value))


# --- configs ----------------------------------------------------------------------------------------------


def annotated_lines(yaml: str, origins: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines of a resolved YAML with the origin of each key as a comment.

    The result is a config with the same meaning.
    """
    above: list[str] = []
    for line in yaml.splitlines():
        match = _KEY.fullmatch(line)
        if match is None:
            yield line
            continue
        above[len(match["indent"]) // 2 :] = [match["name"]]
        origin = origins.get(".".join(above))
        yield line if origin is None else f"{line:<{COMMENT_COLUMN}}  # {visible(origin)}"


def difference_rows(differences: Sequence[Difference], folder: str) -> list[tuple[str, str, str]]:
    """Return key, first value and second value of each difference; paths are relative to `folder`."""
    return [(one.key, _shortened(one.first, folder), _shortened(one.second, folder)) for one in differences]


def _shortened(setting: Setting | None, folder: str) -> str:
    return "-" if setting is None else shorten(visible(_setting_value(setting, folder)), MAX_VALUE)


def _setting_value(setting: Setting, folder: str) -> str:
    value = setting.value
    if isinstance(value, tuple) and value and isinstance(value[0], Feature):
        features = ", ".join(f"{one.name} {one.dim}" for one in value)
        return f"{len(value)} feature{'' if len(value) == 1 else 's'}: {features}"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {weight}" for key, weight in value.items())
    if isinstance(value, tuple) and all(isinstance(item, str) for item in value):
        paths = [relative(item, folder) for item in value]
        return paths[0] if len(paths) == 1 else flow(paths)
    return flow(value)
