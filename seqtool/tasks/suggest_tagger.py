"""Settings for a file of labelled sentences that comes without a config: a commented YAML that suits what is in it.

What was seen and chosen is told in a few lines, one thing each; all of it stands in the YAML, to be changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from seqtool.config import parse_settings
from seqtool.config.dump import scalar
from seqtool.data.formats.detect import guess_layout, layout_summary
from seqtool.data.tagging.sentences import Sentence, pluralize, read_split
from seqtool.settings import Scheme, TaggerData, TaggerSettings
from seqtool.spans import OUTSIDE, detect_scheme
from seqtool.tasks.suggest_character import SCHEMA, Suggestion, refuse_missing, run_name

FEWEST_TO_SPLIT = 10  # sentences; of fewer none can be spared for validation
LABELS_SHOWN = 8
BUDGET = 2_000_000  # words that about a minute is enough for
FEWEST_UPDATES = 300
FEW_WORDS = 30_000
MOSTLY = 0.9  # share of tokens outside of spans from which on the spans would be overlooked


@dataclass(frozen=True)
class _Seen:
    """What is in the training file."""

    data: TaggerData
    sentences: tuple[Sentence, ...]
    scheme: Scheme

    @property
    def words(self) -> int:
        return sum(len(sentence.tokens) for sentence in self.sentences)

    @property
    def forms(self) -> int:
        return len({token for sentence in self.sentences for token in sentence.tokens})

    @property
    def size(self) -> str:
        """In words."""
        return f"{pluralize(len(self.sentences), 'sentence')}, {pluralize(self.words, 'word')}, {self.forms:,} distinct"

    @property
    def outside(self) -> float:
        """The share of tokens outside of every span."""
        return sum(sentence.labels.count(OUTSIDE) for sentence in self.sentences) / max(1, self.words)

    @property
    def labels(self) -> list[str]:
        """Distinct labels, the most frequent first."""
        return [
            label
            for label, _ in Counter(
                label for sentence in self.sentences for label in sentence.labels
            ).most_common()
        ]


@dataclass(frozen=True)
class _Chosen:
    """Sizes that suit it: about a minute on two cores."""

    rich: bool
    scale: float
    output: float
    hidden: int
    hiding: float
    replacement: float
    epochs: int
    lr: float
    batch: int
    warmup: int
    weighted: bool

    @classmethod
    def for_data(cls, seen: _Seen, crf: bool) -> _Chosen:
        words = max(1, seen.words)
        small = words < 60_000
        batch = min(max(10 * round(words / 2000), 50), 1000)
        few = (
            words < FEW_WORDS
        )  # overfitted soonest: more dropout, and first embeddings that tell rare words apart
        enough = round(FEWEST_UPDATES * batch / words)  # a handful of sentences is gone through more often
        epochs = max(min(14 if small else 10, max(2, round(BUDGET / words))), min(enough, 200))
        return cls(
            rich=small or seen.forms > 0.2 * words,
            scale=0.3 if few else 0.1,
            output=0.4 if few else 0.2,
            hidden=128 if few else 160,
            hiding=0.15
            if seen.scheme == "none"
            else 0.05,  # of spans few words are within, and those are what is to be learnt
            lr=0.004 if small else 0.003,
            replacement=0.5 if few else 0.25,
            epochs=epochs,
            batch=batch,
            warmup=min(200, max(1, epochs * words // batch // 9)),
            weighted=seen.scheme != "none"
            and seen.outside > MOSTLY
            and not crf,  # whose loss is one of whole sentences
        )


def suggest_tagger(
    train: Path, dev: Sequence[Path] = (), test: Sequence[Path] = (), given: Sequence[str] = ()
) -> Suggestion:
    """Settings of a tagger that take about a minute on two cores.

    Args:
        given: what the user has set, as `KEY=VALUE`; what is said of the data there is not guessed.

    Raises:
        ConfigError: a mistake in `given`.
        DataError: if the file cannot be read as labelled sentences.
    """
    for path in (train, *dev, *test):
        refuse_missing(path)
    data, odd = guess_layout(train, _known(train, given))
    split = read_split("train", [train], data)
    scheme = (
        detect_scheme(sentence.labels for sentence in split.sentences)
        if data.scheme == "auto"
        else data.scheme
    )
    seen = _Seen(data, split.sentences, scheme)
    chosen = _Chosen.for_data(seen, "model.decoder=crf" in given)
    held_out = not dev and not data.dev and len(seen.sentences) >= FEWEST_TO_SPLIT
    notes = [*_notes(train, seen, dev, held_out, chosen), *(f"warning: {line}" for line in odd)]
    return Suggestion("\n".join(_yaml(train, dev, test, seen, chosen, held_out)) + "\n", tuple(notes))


def _known(train: Path, given: Sequence[str]) -> TaggerData:
    """What the user's own settings say of the data."""
    text = f"task: tagger\ndata:\n  train: {scalar(str(train))}\ntraining:\n  epochs: 1\n"
    read = parse_settings(
        text, name="--set", folder=Path.cwd(), overrides=[item for item in given if item.startswith("data.")]
    )
    assert isinstance(read.settings, TaggerSettings)
    return read.settings.data


def _notes(train: Path, seen: _Seen, dev: Sequence[Path], held_out: bool, chosen: _Chosen) -> Iterator[str]:
    """What was found out, one thing a line."""
    data, labels = seen.data, seen.labels
    yield f"{train.name}: {seen.size}"
    yield f"  layout     {layout_summary(data)}"
    shown = ", ".join(labels[:LABELS_SHOWN]) + (
        f" and {len(labels) - LABELS_SHOWN:,} more" if len(labels) > LABELS_SHOWN else ""
    )
    yield f"  labels     {shown}"
    yield f"  scheme     {'they mark no spans' if seen.scheme == 'none' else f'{seen.scheme}, learnt as bioes'}"
    if not dev:
        few = f"no validation: {pluralize(len(seen.sentences), 'sentence')}, too few to hold some out"
        yield f"  dev        {'a tenth of the sentences, drawn by seed' if held_out else few}"
    features = "rich features (with a character CNN)" if chosen.rich else "standard features"
    yield f"  chosen     {features}, hidden size {chosen.hidden}, {chosen.epochs} epochs of batches of {chosen.batch} words"


def _yaml(
    train: Path, dev: Sequence[Path], test: Sequence[Path], seen: _Seen, chosen: _Chosen, held_out: bool
) -> Iterator[str]:
    yield SCHEMA
    yield f"# A tagger for {train.name}: {seen.size}."
    yield from (
        "task: tagger",
        f"name: {run_name(train)}",
        "seed: 1",
        "",
        "data:",
        f"  train: {scalar(str(train))}",
    )
    yield from (f"  {name}: {_paths(paths)}" for name, paths in (("dev", dev), ("test", test)) if paths)
    if held_out:
        yield "  split: 0.1              # no dev file: a tenth of the sentences, drawn by seed, chooses the best epoch"
    yield from _layout(seen.data)
    yield f"  scheme: {seen.scheme:<15} # {'labels mark no spans' if seen.scheme == 'none' else 'how labels mark spans'}"
    features = (
        "rich          # standard, and a character CNN: many words are rare here"
        if chosen.rich
        else "standard      # forms, affixes, shapes"
    )
    yield from ("", "model:", f"  features: {features}", f"  hidden_size: {chosen.hidden}")
    yield "  bidirectional: true     # a label depends on what follows, too"
    yield "  dropout: 0.4"
    yield f"  dropout_output: {chosen.output}"
    yield f"  word_dropout: {chosen.hiding:<9} # words hidden wholly, so that their neighbours learn to tell their labels"
    yield f"  word_replacement: {chosen.replacement:<5} # rare words become the unknown word now and then"
    yield f"  embedding_scale: {chosen.scale}    # of first embeddings: with little text a rare word must say something from the start"
    yield from (
        "",
        "training:",
        f"  epochs: {chosen.epochs}",
        f"  batch_words: {chosen.batch}",
        "  optimizer: adamw",
        f"  lr: {chosen.lr}",
    )
    yield from (
        "  betas: [0.9, 0.98]",
        "  schedule: cosine",
        f"  warmup_steps: {chosen.warmup}",
        "  clip_norm: 5.0",
    )
    if chosen.weighted:
        yield "  class_weights: {O: 0.3} # nearly all words stand outside of spans, which would be overlooked"


def _layout(data: TaggerData) -> Iterator[str]:
    """What was found out about columns or fields."""
    yield f"  format: {data.format}"
    if data.format == "jsonl":
        yield from (f"  text_key: {scalar(data.text_key)}", f"  label_key: {scalar(data.label_key)}")
        return
    if data.format == "conll":
        yield f"  separator: {scalar(data.separator)}"
    if data.columns:
        yield f"  columns: [{', '.join(data.columns)}]"
    pluralize = data.format == "conll" and not data.columns
    yield f"  label: {scalar(data.label):<16}" + ("# the column, counted from 1" if pluralize else "")


def _paths(paths: Sequence[Path]) -> str:
    written = [scalar(str(path)) for path in paths]
    return written[0] if len(written) == 1 else f"[{', '.join(written)}]"
