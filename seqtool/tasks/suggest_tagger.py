"""Suggested config of a tagger: settings that suit a file of labeled sentences, as commented YAML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from seqtool.config.dump import SCHEMA, header_lines, scalar, yaml_line
from seqtool.config.load import parse_settings
from seqtool.config.overrides import override_count, override_text
from seqtool.data.formats.blocks import Block
from seqtool.data.formats.detect import LABELED, detect_file
from seqtool.data.formats.detection import Detection, settings_of, summary
from seqtool.data.input_files import check_data_file, run_name
from seqtool.data.tagging.sentences import keep_reading, read_split
from seqtool.data.tagging.split import Split
from seqtool.errors import pluralize
from seqtool.settings.data import TaggerData
from seqtool.settings.experiment import TaggerSettings
from seqtool.settings.values import Scheme
from seqtool.spans import OUTSIDE
from seqtool.tasks.interface import DataFiles, SuggestedConfig
from seqtool.tasks.label_heads import TREEBANK_LABELS, is_for_one_label, labels_with_content
from seqtool.tasks.suggest_tokenizer import SuggestedPart, suggest_tokenizer_part

FEWEST_TO_SPLIT = 10  # sentences; a smaller file is not split into training and validation data
LISTED_LABELS = 8
BUDGET = 2_000_000  # words of all epochs; two cores train on them in about a minute
FEWEST_UPDATES = 300  # of a run, unless that needs more than 200 epochs
FEW_WORDS, SMALL_WORDS = 30_000, 60_000  # below these numbers a training file is very small or small
LENGTH_KEYS = ("epochs", "max_steps", "batch_words")  # settings on which the length of the warm-up depends
MOSTLY_OUTSIDE = 0.9  # if more than this share of the tokens is outside spans, label O gets a lower weight

TEMPLATE = """\
# A tagger of labeled sentences.
task: tagger              # kind of model
name: tagger              # name of the run directory
seed: 1                   # random seed of weights, data order and dropout masks

data:
  train: train.conll      # your file: a token and its label per line, a blank line after each sentence
  # dev: dev.conll        # chooses the best epoch; with it, delete split
  # test: test.conll      # scored once, at the end
  split: 0.1              # no dev file: a tenth of the sentences, drawn by seed, chooses the best epoch
  # columns: [form, pos, chunk]   # names, if there are more than two columns
  # label: chunk          # the column to predict; by default the last

model:
  features: standard      # forms, affixes, shapes; rich adds a character CNN, good for small data and names
  hidden_size: 128        # width of the recurrent layer, per direction
  bidirectional: true     # a label depends on the following words, too
  dropout: 0.5            # use more for small data

training:
  epochs: 20              # passes over the sentences
  batch_words: 500        # words in a batch
  optimizer: adamw        # the update rule
  lr: 0.004               # peak of the learning rate
  betas: [0.9, 0.98]      # a short memory of squared gradients suits a short run
  schedule: cosine        # the rate falls to 0 at the last step
  warmup_steps: 100       # the rate rises over the first steps
  clip_norm: 5.0          # largest norm of the gradient
"""


@dataclass(frozen=True)
class TaggedSample:
    """Content of a training file.

    Attributes:
        data: layout of the file, as settings.
        split: its sentences.
        scheme: span scheme of the labels.
    """

    data: TaggerData
    split: Split
    scheme: Scheme

    @cached_property
    def labels(self) -> list[str]:
        """Distinct labels, the most frequent first."""
        return [label for label, _ in self.split.labels.most_common()]

    @property
    def outside(self) -> float:
        """Share of tokens outside every span."""
        return self.split.labels[OUTSIDE] / max(1, self.split.words)

    def __str__(self) -> str:
        sentences = pluralize(len(self.split.sentences), "sentence")
        return f"{sentences}, {pluralize(self.split.words, 'word')}, {len(self.split.forms):,} distinct"


@dataclass(frozen=True)
class TaggerPlan:
    """Settings that suit the size of the data. Training with them takes about a minute on two cores.

    Attributes:
        rich: whether the features include a character CNN.
        embedding_scale, dropout_output, hidden, word_dropout, word_replacement: settings of the model.
        epochs, lr, batch_words, warmup_steps: settings of the training. Epochs are None if the user sets the
            number of steps.
        weighted: whether label O gets a lower weight in the loss.
    """

    rich: bool
    embedding_scale: float
    dropout_output: float
    hidden: int
    word_dropout: float
    word_replacement: float
    epochs: int | None
    lr: float
    batch_words: int
    warmup_steps: int
    weighted: bool

    @classmethod
    def for_data(cls, sample: TaggedSample, crf: bool) -> TaggerPlan:
        """Choose the settings.

        Args:
            crf: whether the user chose a CRF. A CRF does not support label weights.
        """
        words = max(1, sample.split.words)
        small, few = words < SMALL_WORDS, words < FEW_WORDS
        batch_words = min(max(10 * round(words / 2000), 50), 1000)
        epochs_for_updates = min(round(FEWEST_UPDATES * batch_words / words), 200)
        epochs = max(min(14 if small else 10, max(2, round(BUDGET / words))), epochs_for_updates)
        has_spans = sample.scheme != "none"
        return cls(
            rich=small or len(sample.split.forms) > 0.2 * words,
            embedding_scale=0.3 if few else 0.1,
            dropout_output=0.4 if few else 0.2,
            hidden=128 if few else 160,
            word_dropout=0.05
            if has_spans
            else 0.15,  # few words are inside spans, so few of them may be hidden
            word_replacement=0.5 if few else 0.25,
            epochs=epochs,
            lr=0.004 if small else 0.003,
            batch_words=batch_words,
            warmup_steps=warmup_of(epochs * words // batch_words),
            weighted=has_spans and sample.outside > MOSTLY_OUTSIDE and not crf,
        )

    def with_length(self, overrides: Sequence[str], words: int) -> TaggerPlan:
        """Return the plan for a run whose length or batch the user sets with `--set`."""
        given = {key: override_count(overrides, ("training", key)) for key in LENGTH_KEYS}
        if not any(given.values()):
            return self
        epochs = given["epochs"] or (None if given["max_steps"] else self.epochs)
        batch_words = given["batch_words"] or self.batch_words
        limits = (given["max_steps"], epochs and epochs * max(1, words) // batch_words)
        steps = min(limit for limit in limits if limit is not None)
        return replace(self, epochs=epochs, batch_words=batch_words, warmup_steps=warmup_of(steps))


def warmup_of(steps: int) -> int:
    """Return the steps of warm-up in a run of this many steps, which has a step after them."""
    return max(0, min(200, max(1, steps // 9), steps - 1))


def suggest_tagger(files: DataFiles, overrides: Sequence[str] = ()) -> SuggestedConfig:
    """Choose settings of a tagger. Training with them takes about a minute on two cores.

    Args:
        files: the training file, and development and test files if there are any.
        overrides: `KEY=VALUE` settings of the user; those of the data are not detected from the file, and
            the plan follows those of the length of the run.

    Raises:
        ConfigError: `overrides` contain a mistake.
        DataError: a file cannot be read as labeled sentences.
    """
    for path in (files.train, *files.dev, *files.test):
        check_data_file(path)
    known = _data_overrides(files.train, overrides)
    detection = detect_file(files.train, known, LABELED)
    data = settings_of(detection, known)
    if not known.labels and detection.kind == "conllu" and not is_for_one_label(known, overrides):
        data = replace(data, labels=TREEBANK_LABELS)
    blocks: list[Block] = []
    split = read_split("train", [files.train], data if data.labels else known, skip_wrong=True, blocks=blocks)
    asked, data = data.labels, replace(data, labels=labels_with_content(data, split.sentences))
    if data.labels != asked:
        split = read_split("train", [files.train], data, skip_wrong=True)
    sample = TaggedSample(data, split, split.scheme if data.scheme == "auto" else data.scheme)
    plan = TaggerPlan.for_data(sample, override_text(overrides, ("model", "decoder")) == "crf")
    plan = plan.with_length(overrides, split.words)
    holds_out = not files.dev and not data.dev and len(split.sentences) >= FEWEST_TO_SPLIT
    notes, lines = _notes(files, detection, sample, plan, holds_out), _yaml(files, sample, plan, holds_out)
    part = SuggestedPart()
    if detection.kind == "conllu" and not is_for_one_label(known, overrides):
        characters = sum((len(form) + 1) * count for form, count in split.forms.items())
        part = suggest_tokenizer_part(files, data, characters, overrides)
    keep_reading(files.train, data, split, blocks if part.lines else None)
    text = "\n".join([*lines, *part.lines]) + "\n"
    return SuggestedConfig(text, (*notes, *part.notes), detection.doubts)


def _data_overrides(train: Path, overrides: Sequence[str]) -> TaggerData:
    """Return the settings of the data that the overrides contain, with defaults for the others."""
    text = f"task: tagger\ndata:\n  train: {scalar(str(train))}\ntraining:\n  epochs: 1\n"
    own = [item for item in overrides if item.startswith("data.")]
    read = parse_settings(text, name=str(train), folder=Path.cwd(), overrides=own, generated=True)
    assert isinstance(read.settings, TaggerSettings)
    return read.settings.data


def _notes(
    files: DataFiles, detection: Detection, sample: TaggedSample, plan: TaggerPlan, holds_out: bool
) -> Iterator[str]:
    """Yield the detected properties of the file and the chosen settings, one line each."""
    labels, more = sample.labels, len(sample.labels) - LISTED_LABELS
    yield f"{files.train.name}: {sample}"
    yield f"  layout     {summary(detection)}"
    if sample.data.labels:
        yield f"  columns    {', '.join(sample.data.labels)}"
    yield f"  labels     {', '.join(labels[:LISTED_LABELS])}{f' and {more:,} more' if more > 0 else ''}"
    spans = "the labels mark no spans" if sample.scheme == "none" else f"{sample.scheme}, learned as bioes"
    yield f"  scheme     {spans}"
    if holds_out:
        yield "  dev        a tenth of the sentences, drawn by seed"
    elif not files.dev:
        sentences = pluralize(len(sample.split.sentences), "sentence")
        yield f"  dev        no validation: {sentences}, too few to hold some out"
    features = "rich features (with a character CNN)" if plan.rich else "standard features"
    passes = f"{plan.epochs} epochs of batches" if plan.epochs else "batches"
    length = f"{passes} of {plan.batch_words} words"
    yield f"  chosen     {features}, hidden size {plan.hidden}, {length}"


def _yaml(files: DataFiles, sample: TaggedSample, plan: TaggerPlan, holds_out: bool) -> Iterator[str]:
    yield SCHEMA
    yield f"# A tagger for {files.train.name}: {sample}."
    yield from header_lines("tagger", run_name(files.train))
    yield from ("", "data:")
    yield from _data_lines(files, sample, holds_out)
    yield from ("", "model:")
    yield from _model_lines(plan)
    yield from ("", "training:")
    yield from _training_lines(plan)


def _data_lines(files: DataFiles, sample: TaggedSample, holds_out: bool) -> Iterator[str]:
    yield yaml_line(f"train: {scalar(str(files.train))}", "a path, a list of paths or a pattern")
    if files.dev:
        yield yaml_line(f"dev: {_paths(files.dev)}", "chooses the best epoch")
    if files.test:
        yield yaml_line(f"test: {_paths(files.test)}", "scored once, at the end")
    if holds_out:
        comment = "no dev file: a tenth of the sentences, drawn by seed, chooses the best epoch"
        yield yaml_line("split: 0.1", comment)
    yield from _layout_lines(sample.data)
    meaning = "labels mark no spans" if sample.scheme == "none" else "how labels mark spans"
    yield yaml_line(f"scheme: {sample.scheme}", meaning)


def _layout_lines(data: TaggerData) -> Iterator[str]:
    """Yield the detected columns or fields."""
    yield yaml_line(
        f"format: {data.format}", "format of the files: conll (columns), conllu, jsonl, csv or word_tag"
    )
    if data.format == "jsonl":
        yield yaml_line(f"text_key: {scalar(data.text_key)}", "the field with the tokens")
        yield yaml_line(f"label_key: {scalar(data.label_key)}", "the field with the labels")
        if data.label_names:
            names = ", ".join(map(scalar, data.label_names))
            yield yaml_line(f"label_names: [{names}]", "names of the label numbers, from 0 on")
        return
    if data.format == "word_tag":
        return
    if data.format in ("conll", "csv"):
        yield yaml_line(f"separator: {scalar(data.separator)}", "separator of the columns")
    if data.columns:
        yield yaml_line(f"columns: [{', '.join(data.columns)}]", "names of the columns")
    if data.token != "auto":
        yield yaml_line(f"token: {scalar(data.token)}", "the column of the tokens")
    if data.sentence != "auto":
        yield yaml_line(f"sentence: {scalar(data.sentence)}", "the column with the id of the sentence")
    if data.labels:
        comment = "predicted together, the most important first; label: upos trains one of them"
        yield yaml_line(f"labels: [{', '.join(map(scalar, data.labels))}]", comment)
        return
    numbered = data.format == "conll" and not data.columns
    yield yaml_line(
        f"label: {scalar(data.label)}", "the column, counted from 1" if numbered else "the column"
    )


def _model_lines(plan: TaggerPlan) -> Iterator[str]:
    if plan.rich:
        yield yaml_line("features: rich", "standard, and a character CNN: many words are rare here")
    else:
        yield yaml_line("features: standard", "forms, affixes, shapes")
    yield yaml_line(f"hidden_size: {plan.hidden}", "width of the recurrent layer, per direction")
    yield yaml_line("bidirectional: true", "a label depends on the following words, too")
    yield yaml_line("dropout: 0.4", "on the input; one mask per sentence")
    yield yaml_line(f"dropout_output: {plan.dropout_output}", "before the output layer; more for small data")
    yield yaml_line(
        f"word_dropout: {plan.word_dropout}",
        "share of words that are hidden, so that the network learns to use their neighbors",
    )
    yield yaml_line(
        f"word_replacement: {plan.word_replacement}", "rare words are sometimes replaced by the unknown word"
    )
    comment = "spread of initial embeddings; larger for small data, so that rare words have an effect at once"
    yield yaml_line(f"embedding_scale: {plan.embedding_scale}", comment)


def _training_lines(plan: TaggerPlan) -> Iterator[str]:
    if plan.epochs:
        yield yaml_line(f"epochs: {plan.epochs}", "passes over the sentences, about a minute on two cores")
    yield yaml_line(f"batch_words: {plan.batch_words}", "words in a batch")
    yield yaml_line("optimizer: adamw", "the update rule")
    yield yaml_line(f"lr: {plan.lr}", "peak of the learning rate")
    yield yaml_line("betas: [0.9, 0.98]", "a short memory of squared gradients suits a short run")
    yield yaml_line("schedule: cosine", "the rate falls to 0 at the last step")
    yield yaml_line(f"warmup_steps: {plan.warmup_steps}", "the rate rises over the first steps")
    yield yaml_line("clip_norm: 5.0", "largest norm of the gradient")
    if plan.weighted:
        yield yaml_line(
            "class_weights: {O: 0.3}", "nearly all words are outside spans, which need more weight"
        )


def _paths(paths: Sequence[Path]) -> str:
    written = [scalar(str(path)) for path in paths]
    return written[0] if len(written) == 1 else f"[{', '.join(written)}]"
