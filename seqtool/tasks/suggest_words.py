"""Settings of a model of words for a text without a config (`--set data.unit=word`), as YAML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from seqtool.config.dump import SCHEMA, header_lines, scalar, yaml_line
from seqtool.config.overrides import override_text
from seqtool.config.schema import INIT_FROM
from seqtool.data.encoding import AUTO, UTF8
from seqtool.data.input_files import run_name
from seqtool.tasks.interface import SuggestedConfig
from seqtool.tasks.suggest_character import TextSample, suggest_character, text_sample

CHARACTERS_PER_WORD = 5  # with the space before it; a mark is a symbol, too
BUDGET = 300_000  # words that two cores train on in about a minute
BATCH, WINDOW = 20, 35
MOST_EPOCHS = 20
LARGE = 400_000  # characters from which on the wider network suits
VALIDATION_WORDS = 20_000
LINE_BATCH = 64


@dataclass(frozen=True)
class WordPlan:
    """Size and length of a training run.

    Attributes:
        hidden: width of the LSTM.
        epochs: passes over the text; None: `steps` end the run before the first pass does.
        steps: updates of the whole run.
        held_out: share of the text for validation.
    """

    hidden: int
    epochs: int | None
    steps: int
    held_out: float

    @classmethod
    def of(cls, sample: TextSample) -> WordPlan:
        """Choose a network and a length of training that take about a minute."""
        words = max(1.0, sample.characters / CHARACTERS_PER_WORD)
        held_out = min(0.1, float(f"{VALIDATION_WORDS / words:.2g}"))
        train = words * (1 - held_out)
        epochs = min(max(round(BUDGET / train), 1), MOST_EPOCHS)
        is_short = 0.7 * train > BUDGET
        steps = max(1, round((BUDGET if is_short else epochs * train) / (BATCH * WINDOW)))
        return cls(256 if sample.characters >= LARGE else 128, None if is_short else epochs, steps, held_out)

    @property
    def length(self) -> str:
        """Length of the run in words."""
        if self.epochs is None:
            return f"{self.steps:,} steps (less than one pass)"
        return f"{self.epochs} epoch{'' if self.epochs == 1 else 's'}"


def suggest_text_model(text: Path, overrides: Sequence[str] = ()) -> SuggestedConfig:
    """Choose settings of a text model, of words if the user asks for them.

    The settings for adapting a trained model are those of `suggest_character`.

    Args:
        overrides: `KEY=VALUE` settings of the user.

    Raises:
        DataError: the file is missing, empty, too short, or no text.
    """
    unit, start = (override_text(overrides, key) for key in (("data", "unit"), ("training", INIT_FROM)))
    if unit != "word" or start:
        return suggest_character(text, overrides)
    sample = text_sample(text, encoding=override_text(overrides, ("data", "encoding")) or AUTO)
    per_line = override_text(overrides, ("data", "per_line"))
    if per_line is not None:
        sample = replace(sample, is_list=per_line == "true")
    return suggest_words(text, sample, overrides)


def suggest_words(text: Path, sample: TextSample, overrides: Sequence[str]) -> SuggestedConfig:
    """Choose settings of a model of words; unknown words are spelled, unless the user decides otherwise.

    Args:
        overrides: `KEY=VALUE` settings of the user.
    """
    plan = WordPlan.of(sample)
    kind = "lines" if sample.is_list else "running text"
    chosen = f"chosen: words of {kind}, LSTM of {plan.hidden}, {plan.length}"
    tokenized, spells = (override_text(overrides, ("data", key)) for key in ("tokenized", "spell_unknown"))
    closed = tokenized == "true" or spells == "false"
    lines = [
        SCHEMA,
        f"# A model of words of {text.name}: {sample}.",
        *header_lines("char", run_name(text)),
        "",
        "data:",
        *_data_lines(text, sample, plan, closed=closed),
        "",
        "model:",
        *_model_lines(sample, plan),
        "",
        "training:",
        *_training_lines(sample, plan),
    ]
    notes = (f"{text.name}: {sample}", chosen, *sample.notes)
    return SuggestedConfig("\n".join(lines) + "\n", notes)


def _data_lines(text: Path, sample: TextSample, plan: WordPlan, *, closed: bool) -> Iterator[str]:
    yield yaml_line(f"text: {scalar(str(text))}", "a path, a list of paths or a pattern")
    yield yaml_line("unit: word", "a word, number or mark with the space before it")
    if sample.is_list:
        yield yaml_line("per_line: true", "a list: every line is a sequence of its own")
    if sample.encoding != UTF8:
        yield yaml_line(f"encoding: {sample.encoding}", "found in the bytes of the file")
    if not closed:
        yield yaml_line("min_count: 2", "a word that occurs once cannot be learned")
        yield yaml_line("max_symbols: 20000", "the most frequent words")
        yield yaml_line("spell_unknown: true", "other words are written as characters")
    split = f"split: [{1 - plan.held_out:g}, {plan.held_out:g}]"
    yield yaml_line(split, "the end of the text, or lines drawn by seed, are for validation")


def _model_lines(sample: TextSample, plan: WordPlan) -> Iterator[str]:
    yield yaml_line("cell: lstm", "or gru, rnn")
    yield yaml_line(f"hidden_size: {plan.hidden}", "width of the recurrent layer; more for longer texts")
    yield yaml_line(f"embedding_dim: {plan.hidden // 2}", "width of the word embedding")
    yield yaml_line("tied: true", "the output layer uses the embedding")
    yield yaml_line("output: adaptive", "scores of rare words only where one of them comes next")
    yield yaml_line("dropout: 0.2", "more, the more often the text is seen")
    if not sample.is_list:
        yield yaml_line("state_reset: 0.03", "streams sometimes start from the zero state")


def _training_lines(sample: TextSample, plan: WordPlan) -> Iterator[str]:
    if plan.epochs is None:
        yield yaml_line(f"max_steps: {plan.steps}", "less than one pass: more steps give a better model")
    else:
        yield yaml_line(f"epochs: {plan.epochs}", "passes over the text")
    if sample.is_list:
        yield yaml_line(f"batch_size: {LINE_BATCH}", "lines in a step")
    else:
        yield yaml_line(f"batch_size: {BATCH}", "parallel streams")
        yield yaml_line(f"window: {WINDOW}", "words of back-propagation")
        yield yaml_line(
            f"eval_every: {max(1, plan.steps // 5)}", "steps between rows, about five rows in all"
        )
    yield yaml_line("optimizer: adamw", "the update rule")
    yield yaml_line("lr: 0.003", "peak of the learning rate")
    yield yaml_line("betas: [0.9, 0.99]", "a short memory of squared gradients suits a short run")
    yield yaml_line("schedule: cosine", "the rate falls to 0 at the last step")
    yield yaml_line("clip_norm: 1.0", "largest norm of the gradient")
    yield yaml_line("weight_decay: 0.02", "pulls weights toward 0")
