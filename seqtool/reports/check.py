"""What will be trained on, as lines of text: sizes, labels or symbols, and what looks wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from seqtool.safe_text import visible

SHOWN = 40
BAR = 30


@dataclass(frozen=True)
class Look:
    """What was seen in the data.

    Attributes:
        task: `char` or `tagger`.
        notes: what was found and chosen, a line each.
        warnings: what looks wrong.
        counts: how often each label or symbol occurs, by the name of the part; `train` is always there.
        unknown: of each held-out part of a tagger's data, its words and how many of them training does not have.
    """

    task: str
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    counts: dict[str, Counter[str]]
    unknown: dict[str, tuple[int, int]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """What `--json` prints."""
        unknown = {name: {"words": words, "unknown": count} for name, (words, count) in self.unknown.items()}
        return {"task": self.task, "notes": self.notes, "warnings": self.warnings, "counts": self.counts, "unknown": unknown}

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
        yield from verdict(self.warnings)


def distribution(what: str, counts: Counter[str], other: Counter[str] | None = None, name: str = "dev") -> Iterator[str]:
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


def verdict(warnings: Sequence[str]) -> Iterator[str]:
    """What looks wrong, or that nothing does."""
    yield ""
    for warning in warnings:
        yield f"warning: {warning}"
    yield "nothing looks wrong" if not warnings else f"{len(warnings)} {'warning' if len(warnings) == 1 else 'warnings'}"
