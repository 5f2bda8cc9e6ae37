"""Settings for a text that comes without a config: a commented YAML that suits its size, and what was seen in a few lines.

Those for labelled sentences are in `suggest_tagger.py`.
"""

from __future__ import annotations

import re
import statistics
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from seqtool.config.dump import scalar
from seqtool.errors import DataError

LOOKED_AT = 4 << 20  # bytes of a text that are looked at
SCHEMA_FILE = "seqtool-schema.json"  # what `init` writes beside the config
SCHEMA = f"# yaml-language-server: $schema={SCHEMA_FILE}"


@dataclass(frozen=True)
class Suggestion:
    """A config for a data file.

    Attributes:
        yaml: its text; paths in it are relative to the folder it was made for.
        notes: what was seen and chosen, one line each.
    """

    yaml: str
    notes: tuple[str, ...]


def run_name(path: Path) -> str:
    """A run's name from a file's."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-.")[:60]
    return name if name and name[0].isalnum() else "model"


def suggest_char(text: Path) -> Suggestion:
    """Settings of a character model that take about a minute on two cores.

    Raises:
        DataError: if the file is missing or empty.
    """
    try:
        size = text.stat().st_size
        with text.open("rb") as stream:
            data = stream.read(LOOKED_AT)
    except OSError as error:
        raise DataError(f"cannot read: {error.strerror}", place=str(text), hint="give the path of a text file") from None
    if not data.strip():
        raise DataError("expected a text, found an empty file", place=str(text))
    unit, sample = _as_text(data)
    characters = max(1, round(size * len(sample) / len(data)))
    lines_apart = unit == "char" and _is_list(sample)
    hidden, batch, window = _sizes(characters)
    epochs = min(max(round(_budget(hidden) / characters), 1), 200)
    steps = max(1, epochs * characters // (batch * (8 if lines_apart else window)))
    rare = sum(count < 3 for count in Counter(sample).values())
    made = "bytes (the file is no UTF-8 text)" if unit == "byte" else "characters"
    what = f"about {characters:,} {made}, {len(set(sample)):,} different"
    lines = [
        SCHEMA,
        f"# A character model of {text.name}: {what}.",
        "task: char",
        f"name: {run_name(text)}",
        "seed: 1",
        "",
        "data:",
        f"  text: {scalar(str(text))}",
        *(["  per_line: true          # a list: every line is a sequence of its own"] if lines_apart else []),
        *(["  unit: byte"] if unit == "byte" else []),
        *(["  min_count: 3            # rarer symbols become the unknown symbol"] if rare > 20 else []),
        "  split: [0.9, 0.1]       # the last tenth validates" if not lines_apart else "  split: [0.9, 0.1]       # drawn by seed",
        "",
        "model:",
        "  cell: lstm",
        f"  hidden_size: {hidden}",
        f"  embedding_dim: {min(96, max(16, 16 * round(hidden / 64)))}",
        f"  dropout: {0.1 if characters > 500_000 else 0.25}",
        *([] if lines_apart else ["  state_reset: 0.02       # now and then a text starts from nothing, as at use"]),
        "",
        "training:",
        f"  epochs: {epochs}",
        f"  batch_size: {64 if lines_apart else batch}",
        f"  window: {window}",
        "  optimizer: adamw",
        "  lr: 0.003",
        "  schedule: cosine",
        f"  warmup_steps: {min(200, max(1, steps // 10))}",
        "  clip_norm: 1.0",
        f"  weight_decay: {0.01 if characters > 500_000 else 0.05}",
    ]
    chosen = f"chosen: {'lines' if lines_apart else 'running text'}, LSTM of {hidden}, {epochs} epochs"
    return Suggestion("\n".join(lines) + "\n", (f"{text.name}: {what}", chosen))


def _as_text(data: bytes) -> tuple[str, str]:
    """The unit a file is made of, and its beginning in it."""
    for cut in range(4):  # the last character may have been cut
        try:
            text = data[: len(data) - cut].decode("utf-8-sig")
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return "char", text
        break
    return "byte", data.decode("latin-1")


def _is_list(sample: str) -> bool:
    """Whether lines are short entries rather than broken text."""
    lengths = [len(line) for line in sample.splitlines()]
    return len(lengths) >= 200 and statistics.quantiles(lengths, n=20)[-1] <= 30 and sample.count(" ") < len(lengths)


def _sizes(characters: int) -> tuple[int, int, int]:
    """Hidden size, streams and window."""
    if characters < 50_000:
        return 128, 8, 32
    if characters < 500_000:
        return 256, 16, 64
    return 384, 16, 64


def _budget(hidden: int) -> int:
    """Characters that about a minute is enough for."""
    return {128: 8_000_000, 256: 5_000_000, 384: 3_000_000}[hidden]
