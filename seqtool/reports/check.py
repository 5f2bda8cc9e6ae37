"""What will be trained on, as lines of text: sizes, labels or symbols, and what looks wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from seqtool.safe_text import visible

SHOWN = 40
BAR = 30


@dataclass(frozen=True)
class Malformed:
    """Labels that may not stand where they do.

    Attributes:
        count: how many.
        place: `file:line` of the sentence of the first.
        shown: the first with what stands round it, as token/label.
    """

    count: int
    place: str = ""
    shown: tuple[str, ...] = ()


@dataclass(frozen=True)
class DataCheck:
    """What was seen in the data.

    Attributes:
        task: `char` or `tagger`.
        notes: what was found and chosen, a line each.
        warnings: what looks wrong.
        counts: how often each label or symbol occurs, by the name of the part; `train` is always there.
        unknown: of each held-out part of a tagger's data, its words and how many of them training does not have.
        repeated: of each held-out part, its sentences and how many of them training has too.
        scheme: how labels mark spans.
        spans: how many spans of each type each part has; empty for labels that mark none.
        malformed: of each part.
    """

    task: str
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    counts: dict[str, Counter[str]]
    unknown: dict[str, tuple[int, int]] = field(default_factory=dict)
    repeated: dict[str, tuple[int, int]] = field(default_factory=dict)
    scheme: str = "none"
    spans: dict[str, Counter[str]] = field(default_factory=dict)
    malformed: dict[str, Malformed] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """What `--json` prints."""
        unknown = {name: {"words": words, "unknown": count} for name, (words, count) in self.unknown.items()}
        seen = {"task": self.task, "notes": self.notes, "warnings": self.warnings, "counts": self.counts}
        if self.task == "char":
            return seen
        repeated = {
            name: {"sentences": sentences, "repeated": count}
            for name, (sentences, count) in self.repeated.items()
        }
        malformed = {name: asdict(found) for name, found in self.malformed.items()}
        spans = {"scheme": self.scheme, "spans": self.spans, "malformed": malformed}
        return {**seen, "unknown": unknown, "repeated": repeated, **spans}

    def lines(self) -> Iterator[str]:
        """The same for a person."""
        yield from self.notes
        yield ""
        name = next((name for name in ("dev", "test") if name in self.counts), "")
        what = "label" if self.task == "tagger" else "symbol"
        yield from distribution(what, self.counts["train"], self.counts.get(name), name)
        if self.task == "tagger":
            yield ""
        for part, (words, count) in self.unknown.items():
            yield unknown_rate(part, words, count)
        for part, (sentences, count) in self.repeated.items():
            yield f"{part}: {count:,} of {sentences:,} sentences also occur in train"
        for part, types in self.spans.items():
            yield span_types(part, types)
            yield malformed_spans(part, self.scheme, self.malformed[part])
        yield from verdict(self.warnings)


def distribution(
    what: str, counts: Counter[str], other: Counter[str] | None = None, name: str = "dev"
) -> Iterator[str]:
    """How often each label or symbol occurs, with a bar; beside it the same of other data."""
    total = counts.total() or 1
    width = max([len(what), *(len(visible(label)) for label, _ in counts.most_common(SHOWN))])
    most = counts.most_common(1)[0][1] if counts else 1
    yield f"  {what:<{width}}  {'train':>9}  share" + (f"  {name:>9}" if other is not None else "")
    for label, count in counts.most_common(SHOWN):
        beside = f"  {other[label]:9,}" if other is not None else ""
        yield f"  {visible(label):<{width}}  {count:9,} {count / total:6.1%}{beside}  {'▇' * round(BAR * count / most)}".rstrip()
    if len(counts) > SHOWN:
        yield f"  … and {len(counts) - SHOWN:,} more"


def unknown_rate(name: str, tokens: int, unknown: int) -> str:
    """How many words of a split training does not have."""
    return f"{name}: {unknown / max(1, tokens):.1%} of {tokens:,} words are not in train"


def span_types(name: str, counts: Counter[str]) -> str:
    """How many spans of each type a split has."""
    listed = ", ".join(
        f"{visible(kind) or 'without type'} {count:,}" for kind, count in counts.most_common(SHOWN)
    )
    return f"{name}: {counts.total():,} spans" + (f" ({listed})" if listed else "")


def malformed_spans(name: str, scheme: str, found: Malformed) -> str:
    """How many labels may not stand where they do, and the first of them with what stands round it."""
    if not found.count:
        return f"{name}: every span is well-formed in {scheme}"
    shown = " ".join(map(visible, found.shown))
    return f"{name}: {found.count:,} label{'' if found.count == 1 else 's'} malformed in {scheme}, first in {visible(found.place)}: {shown}"


def verdict(warnings: Sequence[str]) -> Iterator[str]:
    """What looks wrong, or that nothing does."""
    yield ""
    for warning in warnings:
        yield f"warning: {warning}"
    yield (
        "nothing looks wrong"
        if not warnings
        else f"{len(warnings)} {'warning' if len(warnings) == 1 else 'warnings'}"
    )
