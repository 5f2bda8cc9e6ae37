"""Statistics of training data and warnings about them, as `seqtool check` prints them.

The check of labeled sentences is here, that of symbols in `tasks.character`. This module imports neither
torch nor the data packages, since `tasks.interface` imports it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seqtool.errors import pluralize
from seqtool.settings.experiment import TaggerSettings
from seqtool.settings.training import Training
from seqtool.settings.values import Scheme
from seqtool.spans import malformed

if TYPE_CHECKING:
    from seqtool.data.formats.detection import Detection
    from seqtool.data.tagging.corpus import TaggedCorpus
    from seqtool.data.tagging.split import Split

FEW_UPDATES = 100  # of a whole run
HIGH_RATE = 0.05  # learning rate of an optimizer that scales its steps
SCALING_OPTIMIZERS = ("adam", "adamw", "rmsprop")
FEW_HELD_OUT = {"text": (50, "symbol"), "lines": (3, "line"), "tagger": (3, "sentence")}  # by kind of corpus
NO_LIMIT = 1 << 40  # epochs, if another limit ends the run


@dataclass(frozen=True)
class MalformedLabels:
    """Labels of one part that break the rules of its span scheme.

    Attributes:
        count: number of such labels.
        place: `file:line` of the sentence that contains the first one; empty if there is none.
        shown: the first such label and its neighbors, each as `token/label`.
    """

    count: int
    place: str = ""
    shown: tuple[str, ...] = ()


@dataclass(frozen=True)
class HeldOutOverlap:
    """Overlap of a held-out part with the training data.

    Attributes:
        words: number of words in the part.
        unknown: number of these words that do not occur in the training data.
        sentences: number of sentences in the part.
        repeated: number of these sentences that also occur in the training data.
    """

    words: int
    unknown: int
    sentences: int
    repeated: int


@dataclass(frozen=True)
class LabelCheck:
    """Properties of labeled data.

    Attributes:
        held_out: overlap of each held-out part with the training data, by the name of the part.
        scheme: span scheme of the labels.
        spans: number of spans by type, for each part; empty if the labels do not mark spans.
        malformed: malformed labels of each part; empty if the labels do not mark spans.
    """

    held_out: dict[str, HeldOutOverlap]
    scheme: Scheme
    spans: dict[str, Counter[str]]
    malformed: dict[str, MalformedLabels]


@dataclass(frozen=True)
class DataCheck:
    """Result of checking the data of a config.

    Attributes:
        task: `char` or `tagger`.
        unit: the thing that is counted, `symbol` or `label`.
        notes: properties of the data and choices made for it, one line each.
        warnings: probable mistakes, one line each.
        counts: frequency of each label or symbol, by the name of the part; `train` is always present.
        labels: properties of labeled data; None for plain text.
        files: what was detected in each file of labeled data.
    """

    task: str
    unit: str
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    counts: dict[str, Counter[str]]
    labels: LabelCheck | None = None
    files: tuple[Detection, ...] = ()


# --- check of labeled sentences -----------------------------------------------------------------------------


def check_tagged(settings: TaggerSettings, corpus: TaggedCorpus, notes: Sequence[str] = ()) -> DataCheck:
    """Return statistics of all splits and warnings about data and settings.

    Args:
        notes: warnings about the config that come first.
    """
    splits = {name: split for name, split in corpus.splits.items() if split.sentences}
    held_out = {name: split for name, split in splits.items() if name != "train"}
    with_spans = splits if corpus.scheme != "none" else {}
    return DataCheck(
        task="tagger",
        unit="label",
        notes=tuple(corpus.notes),
        warnings=(*notes, *corpus.warnings, *setting_warnings(settings, corpus)),
        counts={name: split.labels for name, split in splits.items()},
        labels=LabelCheck(
            {name: _overlap(split, corpus) for name, split in held_out.items()},
            corpus.scheme,
            {name: split.span_types for name, split in with_spans.items()},
            {name: _malformed(split, corpus.scheme) for name, split in with_spans.items()},
        ),
        files=corpus.detections,
    )


def _overlap(split: Split, corpus: TaggedCorpus) -> HeldOutOverlap:
    in_train = corpus.splits["train"].token_sequences
    return HeldOutOverlap(
        words=split.words,
        unknown=sum(count for form, count in split.forms.items() if not corpus.encoder.is_known(form)),
        sentences=len(split.sentences),
        repeated=sum(sentence.tokens in in_train for sentence in split.sentences),
    )


def _malformed(split: Split, scheme: Scheme) -> MalformedLabels:
    count, first = split.malformed(scheme)
    if first is None:
        return MalformedLabels(0)
    place = malformed(first.labels, scheme)[0]
    neighbors = slice(max(0, place - 2), place + 2)
    pairs = zip(first.tokens[neighbors], first.labels[neighbors], strict=True)
    return MalformedLabels(count, first.place, tuple(f"{token}/{label}" for token, label in pairs))


def size_warnings(kind: str, training: Training, corpus: Any) -> Iterator[str]:
    """Yield a line if a batch is larger than the data, or if the validation data are too few to judge by.

    Args:
        kind: `text`, `lines` or `tagger`; there is no warning for aligned pairs.
        corpus: its `train`, and its `val` or `dev`.
    """
    if kind not in FEW_HELD_OUT:
        return
    fewest, unit = FEW_HELD_OUT[kind]
    count, size, key = len(corpus.train), training.batch_size, "batch_size"
    if kind == "tagger" and training.batch_words:
        count = corpus.splits["train"].words
        size, key, unit = training.batch_words, "batch_words", "word"
    if size > (count // 2 if kind == "text" else count):
        data = pluralize(count, unit)
        yield f"training.{key}: {size:,} is more than the {data} of train can fill; make it smaller"
    held_out = corpus.dev if kind == "tagger" else corpus.val
    if held_out is not None and 0 < len(held_out) < fewest:
        found = pluralize(len(held_out), FEW_HELD_OUT[kind][1])
        yield f"only {found} for validation: its score says little, and chooses the model by chance"


def setting_warnings(settings: TaggerSettings, corpus: TaggedCorpus) -> Iterator[str]:
    """Yield a line for each setting that is allowed but probably a mistake."""
    training = settings.training
    if not corpus.dev:
        yield (
            "nothing is held out: the epoch with the lowest training loss is kept; "
            "to hold sentences out, set data.dev or data.split"
        )
    if corpus.inner_scheme != "none" and settings.model.decoder == "softmax":
        yield "the labels mark spans, but decoder: softmax can break spans; viterbi and crf cannot"
    steps = _updates(settings, corpus)
    if steps < FEW_UPDATES:
        yield f"only about {steps} updates in all; for more, lower batch_words or batch_size, or raise epochs"
    if training.warmup_steps >= steps:
        yield (
            f"training.warmup_steps: {training.warmup_steps} steps of warm-up are not complete "
            f"when the run ends after about {steps}"
        )
    if training.lr > HIGH_RATE and training.optimizer in SCALING_OPTIMIZERS:
        yield f"training.lr: {training.lr:g} is very high for {training.optimizer}; 0.001 to 0.01 is usual"


def _updates(settings: TaggerSettings, corpus: TaggedCorpus) -> int:
    """Estimate the updates of the whole run."""
    training = settings.training
    words = corpus.splits["train"].words
    if training.batch_words:
        per_epoch = max(1, words // training.batch_words)
    else:
        per_epoch = max(1, len(corpus.train) // training.batch_size)
    limits = (training.max_steps, per_epoch * (training.epochs or NO_LIMIT))
    return min(limit for limit in limits if limit is not None)
