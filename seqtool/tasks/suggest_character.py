"""Settings for a text that comes without a config: a commented YAML that suits its size, and what was seen in a few lines.

Those for labelled sentences are in `suggest_tagger.py`.
"""

from __future__ import annotations

import codecs
import re
import statistics
from collections import Counter
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from seqtool.config.dump import scalar
from seqtool.data.formats.blocks import BOM
from seqtool.errors import DataError

LOOKED_AT = 4 << 20  # bytes of a text that are looked at
# Texts of less than so many characters: hidden size, streams, window, and the characters that a minute is enough for.
SIZES = (
    (50_000, 128, 8, 32, 3_000_000),
    (400_000, 192, 16, 64, 4_500_000),
    (float("inf"), 256, 16, 64, 4_500_000),
)
UTF8 = "utf-8"
MARKS = (  # UTF-32's first: it begins like UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
FEWEST = 3  # symbols: two to learn from, and one to validate
MOST_EPOCHS = 60  # of a small text, which is known by heart long before
LINE_BATCH, LINE_LENGTH = 64, 8
VALIDATED = 200_000  # characters that are enough to judge by
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


def refuse_missing(path: Path) -> None:
    """See that a file is there.

    Raises:
        DataError: if it is not, with the name of one that is there and may have been meant; or if it is a pipe.
    """
    if path.is_fifo() or path.is_char_device():
        hint = "data is read more than once: write it to a file first"
        raise DataError("expected a file, found a pipe or device", place=str(path), hint=hint)
    if path.exists():
        return
    names = [entry.name for entry in path.parent.iterdir() if entry.is_file()] if path.parent.is_dir() else []
    near = (
        get_close_matches(path.name, names, n=1)
        or [name for name in names if Path(name).suffix == path.suffix][:1]
    )
    hint = (
        f"did you mean {path.parent / near[0]}?"
        if near
        else "give the path of a text, of labelled sentences, or of a YAML file"
    )
    raise DataError("there is no such file", place=str(path), hint=hint)


def suggest_char(text: Path) -> Suggestion:
    """Settings of a character model that take about a minute on two cores, less where the text is small.

    Raises:
        DataError: if the file is missing or empty.
    """
    seen = _look_at(text)
    plan = _plan(seen)
    kind = "lines" if seen.lines_apart else "running text"
    chosen = f"chosen: {kind}, LSTM of {plan.hidden}, {plan.length}, {plan.time} on two cores"
    return Suggestion(_char_yaml(text, seen, plan), (f"{text.name}: {seen}", chosen))


@dataclass(frozen=True)
class _Seen:
    """What the beginning of a text tells."""

    unit: str
    encoding: str
    characters: int
    symbols: int
    rare: int
    lines_apart: bool

    def __str__(self) -> str:
        made = "bytes (the file is no UTF-8 text)" if self.unit == "byte" else "characters"
        made += "" if self.encoding == UTF8 else f" in {self.encoding}"
        return f"about {self.characters:,} {made}, {self.symbols:,} different"


@dataclass(frozen=True)
class _Plan:
    """How long, and with what, a model is trained on it.

    Attributes:
        steps: about as many in all; an epoch or more unless `cut_short`.
        held_out: share of the text that validates.
    """

    hidden: int
    batch: int
    window: int
    epochs: int
    steps: int
    cut_short: bool
    held_out: float
    dropout: float

    @property
    def length(self) -> str:
        """How long, in words."""
        return (
            f"{self.steps:,} steps (less than one pass)"
            if self.cut_short
            else f"{self.epochs} epoch{'' if self.epochs == 1 else 's'}"
        )

    @property
    def time(self) -> str:
        """How long, by the clock: a small text is known by heart before the minute is over."""
        return "less than a minute" if self.epochs == MOST_EPOCHS else "about a minute"

    @property
    def eval_every(self) -> int:
        """Steps between rows: about ten in all."""
        return max(1, self.steps // 10)


def _look_at(text: Path) -> _Seen:
    refuse_missing(text)
    try:
        size = text.stat().st_size
        with text.open("rb") as stream:
            data = stream.read(LOOKED_AT)
    except OSError as error:
        raise DataError(
            f"cannot read: {error.strerror}", place=str(text), hint="give the path of a text file"
        ) from None
    unit, encoding, sample = _as_text(data)
    if not sample.strip():
        found = "nothing but white space" if data else "an empty file"
        raise DataError(
            f"expected a text, found {found}", place=str(text), hint="give a file with some text in it"
        )
    if len(sample) < FEWEST:
        message = f"expected a text of at least {FEWEST} symbols, found {len(sample)}"
        raise DataError(message, place=str(text), hint="give a longer text")
    counts = Counter(sample)
    characters = max(1, round(size * len(sample) / len(data)))
    rare = sum(count < 3 for count in counts.values())
    return _Seen(unit, encoding, characters, len(counts), rare, unit == "char" and _is_list(sample))


def _plan(seen: _Seen) -> _Plan:
    hidden, batch, window, budget = next(sizes for most, *sizes in SIZES if seen.characters < most)
    held_out = min(0.1, float(f"{VALIDATED / seen.characters:.2g}"))
    train = seen.characters * (1 - held_out)
    epochs = min(max(round(budget / train), 1), MOST_EPOCHS)
    symbols = LINE_BATCH * LINE_LENGTH if seen.lines_apart else batch * window
    cut_short = budget < 0.7 * train
    steps = max(1, round((budget if cut_short else epochs * train) / symbols))
    return _Plan(
        hidden, batch, window, epochs, steps, cut_short, held_out, min(0.4, round(0.05 * epochs / 4, 2))
    )


def _char_yaml(text: Path, seen: _Seen, plan: _Plan) -> str:
    split = f"  split: [{1 - plan.held_out:g}, {plan.held_out:g}]"
    lines = [
        SCHEMA,
        f"# A character model of {text.name}: {seen}.",
        "task: char",
        f"name: {run_name(text)}",
        "seed: 1",
        "",
        "data:",
        f"  text: {scalar(str(text))}",
        *(
            ["  per_line: true          # a list: every line is a sequence of its own"]
            if seen.lines_apart
            else []
        ),
        *(["  unit: byte"] if seen.unit == "byte" else []),
        *([f"  encoding: {seen.encoding}"] if seen.encoding != UTF8 else []),
        *(["  min_count: 3            # rarer symbols become the unknown symbol"] if seen.rare > 20 else []),
        f"{split:<26}# {'lines drawn by seed validate' if seen.lines_apart else 'the end of the text validates'}",
        "",
        "model:",
        "  cell: lstm",
        f"  hidden_size: {plan.hidden}",
        f"  embedding_dim: {plan.hidden // 4}",
        f"  dropout: {plan.dropout:g}          # more, the more often the text is seen",
        *(
            []
            if seen.lines_apart
            else ["  state_reset: 0.05       # now and then a text starts from nothing, as at use"]
        ),
        "",
        "training:",
        f"  max_steps: {plan.steps}         # less than one pass: more are better"
        if plan.cut_short
        else f"  epochs: {plan.epochs}",
        f"  batch_size: {LINE_BATCH if seen.lines_apart else plan.batch}",
        *([] if seen.lines_apart else [f"  window: {plan.window}"]),
        f"  eval_every: {plan.eval_every}",
        "  optimizer: adamw",
        "  lr: 0.008",
        "  betas: [0.9, 0.99]",
        "  schedule: cosine",
        f"  warmup_steps: {min(200, plan.steps // 10)}",
        "  clip_norm: 1.0",
        "  weight_decay: 0.02",
    ]
    return "\n".join(lines) + "\n"


def _as_text(data: bytes) -> tuple[str, str, str]:
    """The unit a file is made of, its encoding, and its beginning. UTF-16 and UTF-32 are known by their marks."""
    encoding = next((name for mark, name in MARKS if data.startswith(mark)), UTF8)
    for cut in range(4):  # the last character may have been cut
        try:
            text = data[: len(data) - cut].decode(encoding).removeprefix(BOM)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return "char", encoding, text
        break
    return "byte", UTF8, data.decode("latin-1")


def _is_list(sample: str) -> bool:
    """Whether lines are short entries rather than broken text."""
    lengths = [len(line) for line in sample.splitlines()]
    return (
        len(lengths) >= 200
        and statistics.quantiles(lengths, n=20)[-1] <= 30
        and sample.count(" ") < len(lengths)
    )
