"""What will be trained on, as lines of text: sizes, labels or symbols, and what looks wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from seqtool.safe_text import visible

SHOWN = 40
BAR = 30


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
