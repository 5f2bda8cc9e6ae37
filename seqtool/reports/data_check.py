"""Format the result of `seqtool check`: sizes, frequencies of labels or symbols, and warnings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from seqtool.data.formats.detection import SHOWN_CELLS, sample_lines
from seqtool.reports.formatting import cell_width, fit
from seqtool.safe_text import cell, limited, visible

if TYPE_CHECKING:
    from seqtool.tasks.data_check import DataCheck, HeldOutOverlap, LabelCheck, MalformedLabels

SHOWN = 40  # labels or symbols in the table of frequencies
BAR = 30  # columns of the longest bar


def check_json(checks: Sequence[DataCheck]) -> dict[str, object]:
    """Return the object that `--json` prints: the check of the main part, and the others by their task."""
    main, *others = checks
    parts = {"parts": {check.task: _part_json(check) for check in others}} if others else {}
    return _part_json(main) | parts


def check_lines(checks: Sequence[DataCheck], columns: int) -> Iterator[str]:
    """Yield the lines that a person reads, with tables that fit into a number of terminal columns."""
    for check in checks:
        if len(checks) > 1:
            yield f"{check.task}:"
        yield from _part_lines(check, columns)
        if check is not checks[-1]:
            yield ""


def _part_json(check: DataCheck) -> dict[str, object]:
    result: dict[str, object] = {
        "task": check.task,
        "notes": check.notes,
        "warnings": check.warnings,
        "counts": check.counts,
    }
    if check.labels is None:
        return result
    labels = check.labels
    return result | {
        "unknown": {
            name: {"words": part.words, "unknown": part.unknown} for name, part in labels.held_out.items()
        },
        "repeated": {
            name: {"sentences": part.sentences, "repeated": part.repeated}
            for name, part in labels.held_out.items()
        },
        "files": [detection.to_json() for detection in check.files],
        "scheme": labels.scheme,
        "spans": labels.spans,
        "malformed": {name: asdict(part) for name, part in labels.malformed.items()},
    }


def _part_lines(check: DataCheck, columns: int) -> Iterator[str]:
    yield from map(limited, _fitted_notes(check, columns))
    yield ""
    other = next((name for name in ("dev", "test") if name in check.counts), "")
    yield from _frequencies(check.unit, check.counts["train"], check.counts.get(other), other, columns)
    if check.labels is not None:
        yield ""
        yield from _label_lines(check.labels)
    yield from _warning_lines(check.warnings)


def _fitted_notes(check: DataCheck, columns: int) -> Iterator[str]:
    """Yield the notes; on a narrow terminal each token of the sentences as read stays above its label."""
    notes = list(check.notes)
    for detection in check.files if columns < SHOWN_CELLS else ():
        wide = sample_lines(detection)
        starts = (start for start in range(len(notes)) if notes[start : start + len(wide)] == wide)
        start = next(starts, None)
        if start is not None and wide:
            notes[start : start + len(wide)] = sample_lines(detection, columns)
    yield from notes


def _label_lines(labels: LabelCheck) -> Iterator[str]:
    for name, part in labels.held_out.items():
        yield _unknown_words(name, part)
    for name, part in labels.held_out.items():
        yield f"{name}: {part.repeated:,} of {part.sentences:,} sentences also occur in train"
    for name, types in labels.spans.items():
        yield _span_types(name, types)
        yield _malformed_labels(name, labels.scheme, labels.malformed[name])


def _frequencies(
    unit: str, counts: Counter[str], other: Counter[str] | None, name: str, columns: int
) -> Iterator[str]:
    """Yield a table of frequencies with bars, with the counts of a held-out part in a second column."""
    total = counts.total() or 1
    shown = counts.most_common(SHOWN)
    room = columns - len(f"    {0:9,} {0:6.1%}") - (len(f"  {0:9,}") if other is not None else 0)
    width = min(max([len(unit), *(cell_width(cell(label)) for label, _ in shown)]), max(room, len(unit)))
    longest = min(BAR, room - width - 2)  # columns of the longest bar
    most = shown[0][1] if counts else 1
    yield f"  {unit:<{width}}  {'train':>9}  share" + (f"  {name:>9}" if other is not None else "")
    for label, count in shown:
        held_out = f"  {other[label]:9,}" if other is not None else ""
        bar = "▇" * round(max(0, longest) * count / most)
        yield f"  {fit(cell(label), width)}  {count:9,} {count / total:6.1%}{held_out}  {bar}".rstrip()
    if len(counts) > SHOWN:
        yield f"  … and {len(counts) - SHOWN:,} more"


def _unknown_words(name: str, part: HeldOutOverlap) -> str:
    return f"{name}: {part.unknown / max(1, part.words):.1%} of {part.words:,} words are not in train"


def _span_types(name: str, counts: Counter[str]) -> str:
    listed = ", ".join(
        f"{cell(kind) or 'without type'} {count:,}" for kind, count in counts.most_common(SHOWN)
    )
    return f"{name}: {counts.total():,} spans" + (f" ({listed})" if listed else "")


def _malformed_labels(name: str, scheme: str, part: MalformedLabels) -> str:
    if not part.count:
        return f"{name}: every span is well-formed in {scheme}"
    labels = "label" if part.count == 1 else "labels"
    example = " ".join(map(cell, part.shown))
    return f"{name}: {part.count:,} {labels} malformed in {scheme}, first in {visible(part.place)}: {example}"


def _warning_lines(warnings: Sequence[str]) -> Iterator[str]:
    yield ""
    for warning in warnings:
        yield limited(f"warning: {warning}")
    if not warnings:
        yield "nothing looks wrong"
    else:
        yield f"{len(warnings)} {'warning' if len(warnings) == 1 else 'warnings'}"
