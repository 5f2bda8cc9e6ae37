"""Format the result of `seqtool check`: sizes, frequencies of labels or symbols, and warnings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from seqtool.safe_text import visible

if TYPE_CHECKING:
    from seqtool.training.data_check import DataCheck, MalformedSpans

SHOWN = 40  # labels or symbols in the table of frequencies
BAR = 30  # columns of the longest bar


def check_json(check: DataCheck) -> dict[str, object]:
    """Return the object that `--json` prints."""
    result: dict[str, object] = {
        "task": check.task,
        "notes": check.notes,
        "warnings": check.warnings,
        "counts": check.counts,
    }
    if check.unknown is None:
        return result
    return result | {
        "unknown": {
            name: {"words": words, "unknown": count} for name, (words, count) in check.unknown.items()
        },
        "repeated": {
            name: {"sentences": sentences, "repeated": count}
            for name, (sentences, count) in check.repeated.items()
        },
        "scheme": check.scheme,
        "spans": check.spans,
        "malformed": {
            name: {"count": found.count, "place": found.place, "shown": found.context}
            for name, found in check.malformed.items()
        },
    }


def check_lines(check: DataCheck) -> Iterator[str]:
    """Yield the lines that a person reads."""
    yield from check.notes
    yield ""
    other = next((name for name in ("dev", "test") if name in check.counts), "")
    yield from _frequencies(check.unit, check.counts["train"], check.counts.get(other), other)
    if check.unknown is not None:
        yield ""
        for name, (words, count) in check.unknown.items():
            yield f"{name}: {count / max(1, words):.1%} of {words:,} words are not in train"
    for name, (sentences, count) in check.repeated.items():
        yield f"{name}: {count:,} of {sentences:,} sentences also occur in train"
    for name, types in check.spans.items():
        yield _span_types(name, types)
        yield _malformed_spans(name, check.scheme, check.malformed[name])
    yield from _warning_lines(check.warnings)


def _frequencies(unit: str, counts: Counter[str], other: Counter[str] | None, name: str) -> Iterator[str]:
    """Yield a table of frequencies with bars, with the counts of a held-out part in a second column."""
    total = counts.total() or 1
    shown = counts.most_common(SHOWN)
    width = max([len(unit), *(len(visible(label)) for label, _ in shown)])
    most = shown[0][1] if counts else 1
    yield f"  {unit:<{width}}  {'train':>9}  share" + (f"  {name:>9}" if other is not None else "")
    for label, count in shown:
        held_out = f"  {other[label]:9,}" if other is not None else ""
        bar = "▇" * round(BAR * count / most)
        yield f"  {visible(label):<{width}}  {count:9,} {count / total:6.1%}{held_out}  {bar}".rstrip()
    if len(counts) > SHOWN:
        yield f"  … and {len(counts) - SHOWN:,} more"


def _span_types(name: str, counts: Counter[str]) -> str:
    listed = ", ".join(
        f"{visible(kind) or 'without type'} {count:,}" for kind, count in counts.most_common(SHOWN)
    )
    return f"{name}: {counts.total():,} spans" + (f" ({listed})" if listed else "")


def _malformed_spans(name: str, scheme: str, found: MalformedSpans) -> str:
    if not found.count:
        return f"{name}: every span is well-formed in {scheme}"
    labels = "label" if found.count == 1 else "labels"
    example = " ".join(map(visible, found.context))
    return (
        f"{name}: {found.count:,} {labels} malformed in {scheme}, first in {visible(found.place)}: {example}"
    )


def _warning_lines(warnings: Sequence[str]) -> Iterator[str]:
    yield ""
    for warning in warnings:
        yield f"warning: {warning}"
    if not warnings:
        yield "nothing looks wrong"
    else:
        yield f"{len(warnings)} {'warning' if len(warnings) == 1 else 'warnings'}"
