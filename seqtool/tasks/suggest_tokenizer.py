"""Suggested config of a tokenizer: settings that suit a treebank with raw text, as commented YAML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from seqtool.config.dump import SCHEMA, header_lines, scalar, yaml_line
from seqtool.config.load import parse_settings
from seqtool.config.overrides import override_count, override_text
from seqtool.config.yaml_tree import NULLS
from seqtool.data.input_files import check_data_file, run_name
from seqtool.data.tagging.sentences import labeled_blocks
from seqtool.data.tokenization.corpus import read_raw_text
from seqtool.data.tokenization.paragraphs import has_raw_text
from seqtool.errors import pluralize
from seqtool.settings.data import TaggerData
from seqtool.settings.experiment import TokenizerSettings
from seqtool.tasks.interface import DataFiles, SuggestedConfig

FEWEST_TO_SPLIT = 10  # sentences; a smaller file is not split into training and validation data
BUDGET = 10_000_000  # characters of all epochs; one core trains on them in a minute and a half
EPOCHS = range(2, 41)  # each with a new order of the sentences, so that many epochs of a small text help
FEWEST_UPDATES = 500  # of a run, unless that needs more than 200 epochs
WINDOW = 100
# Windows in a batch, for texts of at least so many characters. Small steps find more ends of sentences.
BATCHES = {500_000: 16, 3_200: 8, 0: 2}
# Decay of the weights, for texts of at least so many characters. Many epochs of a small text need more.
DECAYS = {500_000: 0.1, 0: 0.2}
DECAY_COMMENT = "decay of the weights, relative to the learning rate; less finds fewer ends of sentences"

TEMPLATE = """\
# A tokenizer, learned from a treebank with raw text.
task: tokenizer           # kind of model
name: tokenizer           # name of the run directory
seed: 1                   # random seed of weights, data order and dropout masks

data:
  train: train.conllu     # your CoNLL-U file, with SpaceAfter=No or `# text`
  # dev: dev.conllu       # chooses the best epoch; with it, delete split
  # test: test.conllu     # scored once, at the end
  split: 0.1              # no dev file: a tenth of the sentences, drawn by seed, chooses the best epoch

training:
  epochs: 10              # passes over the text
  window: 100             # characters of a window; many small steps matter
  batch_size: 16          # windows in a batch
  lr: 0.005               # peak of the learning rate
  betas: [0.9, 0.98]      # a short memory of squared gradients suits a short run
  weight_decay: 0.2       # decay of the weights; less finds fewer ends of sentences
  schedule: cosine        # the rate falls to 0 at the last step
  warmup_steps: 100       # the rate rises over the first steps
  clip_norm: 1.0          # largest norm of the gradient
"""


@dataclass(frozen=True)
class TokenizerPlan:
    """Settings that suit the size of a text.

    Attributes:
        epochs: passes over the text.
        batch_size: windows in a batch.
        warmup_steps: steps of linear warm-up.
        weight_decay: decay of the weights, relative to the learning rate.
    """

    epochs: int
    batch_size: int
    warmup_steps: int
    weight_decay: float

    @classmethod
    def for_text(cls, characters: int) -> TokenizerPlan:
        """Choose the settings for a number of characters."""
        batch_size = next(size for length, size in BATCHES.items() if characters >= length)
        weight_decay = next(decay for length, decay in DECAYS.items() if characters >= length)
        updates = max(1.0, characters / (batch_size * WINDOW))  # in an epoch
        epochs = min(max(EPOCHS.start, round(BUDGET / max(1, characters))), EPOCHS.stop - 1)
        epochs = max(epochs, min(200, round(FEWEST_UPDATES / updates)))
        return cls(epochs, batch_size, min(100, max(1, round(epochs * updates / 10))), weight_decay)


def suggest_tokenizer(files: DataFiles, overrides: Sequence[str] = ()) -> SuggestedConfig:
    """Choose settings of a tokenizer. Up to 5 million characters, training takes a minute or two.

    Args:
        files: the training file, and development and test files if there are any.
        overrides: `KEY=VALUE` settings of the user; those of the data apply to the reading of the file.

    Raises:
        ConfigError: `overrides` contain a mistake.
        DataError: a file cannot be read, or contains no raw text.
    """
    for path in (files.train, *files.dev, *files.test):
        check_data_file(path)
    text = f"task: tokenizer\ndata:\n  train: {scalar(str(files.train))}\ntraining:\n  epochs: 1\n"
    own = [item for item in overrides if item.startswith("data.")]
    settings = parse_settings(text, name="--set", folder=Path.cwd(), overrides=own).settings
    assert isinstance(settings, TokenizerSettings)
    paragraphs = read_raw_text(files.train, settings.data.encoding)
    characters = sum(len(paragraph.text) for paragraph in paragraphs)
    sentences = sum(len(paragraph.sentences) for paragraph in paragraphs)
    plan = TokenizerPlan.for_text(characters)
    holds_out = not files.dev and not settings.data.dev and sentences >= FEWEST_TO_SPLIT
    size = f"{pluralize(sentences, 'sentence')}, {pluralize(characters, 'character')} of raw text"
    notes = (
        f"{files.train.name}: {size}",
        *(["  dev        a tenth of the sentences, drawn by seed"] if holds_out else []),
        f"  chosen     {plan.epochs} epochs of batches of {plan.batch_size} windows of {WINDOW} characters",
    )
    return SuggestedConfig("\n".join(_yaml(files, size, plan, holds_out)) + "\n", notes)


@dataclass(frozen=True)
class SuggestedPart:
    """Section `tokenizer` in the config of a tagger.

    Attributes:
        lines: lines of the config; none if the run has no tokenizer.
        notes: chosen settings, or why there is no tokenizer, one line each.
    """

    lines: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def suggest_tokenizer_part(
    files: DataFiles, data: TaggerData, characters: int, overrides: Sequence[str]
) -> SuggestedPart:
    """Choose settings of a tokenizer that is trained together with a tagger, if the files have raw text.

    Args:
        files: CoNLL-U files.
        data: settings of the files.
        characters: approximate number of characters of the training text.
        overrides: `KEY=VALUE` settings of the user.
    """
    if override_text(overrides, ("tokenizer",)) in NULLS:
        return SuggestedPart()
    without = [
        path.name
        for path in (files.train, *files.dev, *files.test)
        if not has_raw_text(labeled_blocks(path, replace(data, train=(str(path),))))
    ]
    if without:
        reason = f"{without[0]} has no raw text (neither `SpaceAfter=No` nor `# text`)"
        return SuggestedPart(notes=(f"  tokenizer  none: {reason}",))
    plan = TokenizerPlan.for_text(characters)
    steps = override_count(overrides, ("tokenizer", "training", "max_steps"))
    if steps is not None:
        plan = replace(plan, warmup_steps=min(plan.warmup_steps, steps // 10))
    comment = "finds sentences, tokens and words in raw text; tokenizer: null trains none"
    lines = (
        "",
        yaml_line("tokenizer:", comment, indent=0),
        "  training:",
        yaml_line(f"epochs: {plan.epochs}", "passes over the text, each in a new order", indent=4),
        yaml_line(f"batch_size: {plan.batch_size}", "windows in a batch; many small steps matter", indent=4),
        yaml_line(f"warmup_steps: {plan.warmup_steps}", "the rate rises over the first steps", indent=4),
        yaml_line(f"weight_decay: {plan.weight_decay}", DECAY_COMMENT, indent=4),
    )
    length = f"{plan.epochs} epochs of batches of {plan.batch_size} windows of {WINDOW} characters"
    return SuggestedPart(lines, (f"  tokenizer  {length}",))


def _yaml(files: DataFiles, size: str, plan: TokenizerPlan, holds_out: bool) -> Iterator[str]:
    yield SCHEMA
    yield f"# A tokenizer for {files.train.name}: {size}."
    yield from header_lines("tokenizer", run_name(files.train))
    yield from ("", "data:")
    yield yaml_line(f"train: {scalar(str(files.train))}", "a path, a list of paths or a pattern")
    for key, paths, meaning in (
        ("dev", files.dev, "chooses the best epoch"),
        ("test", files.test, "scored once, at the end"),
    ):
        if paths:
            yield yaml_line(f"{key}: [{', '.join(scalar(str(path)) for path in paths)}]", meaning)
    if holds_out:
        comment = "no dev file: a tenth of the sentences, drawn by seed, chooses the best epoch"
        yield yaml_line("split: 0.1", comment)
    yield from ("", "training:")
    yield from _training_lines(plan)


def _training_lines(plan: TokenizerPlan) -> Iterator[str]:
    """Yield the commented lines of the section `training`."""
    yield yaml_line(f"epochs: {plan.epochs}", "passes over the text, each with a new order of the sentences")
    yield yaml_line(f"window: {WINDOW}", "characters of a window")
    yield yaml_line(f"batch_size: {plan.batch_size}", "windows in a batch")
    yield yaml_line("optimizer: adamw", "the update rule")
    yield yaml_line("lr: 0.005", "peak of the learning rate")
    yield yaml_line("betas: [0.9, 0.98]", "a short memory of squared gradients suits a short run")
    yield yaml_line(f"weight_decay: {plan.weight_decay}", DECAY_COMMENT)
    yield yaml_line("schedule: cosine", "the rate falls to 0 at the last step")
    yield yaml_line(f"warmup_steps: {plan.warmup_steps}", "the rate rises over the first steps")
    yield yaml_line("clip_norm: 1.0", "largest norm of the gradient")
