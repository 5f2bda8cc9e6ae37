"""Settings of a character model for a text without a config: a commented YAML that suits its size."""

from __future__ import annotations

import codecs
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from seqtool.config.dump import SCHEMA, header_lines, scalar, yaml_line
from seqtool.config.overrides import override_count, override_text
from seqtool.config.schema import INIT_FROM
from seqtool.data.encoding import AUTO, OVERRIDE, UTF8, FileEncoding, examine
from seqtool.data.formats.blocks import BOM
from seqtool.data.input_files import check_data_file, run_name
from seqtool.errors import DataError
from seqtool.settings.values import is_text_encoding
from seqtool.tasks.interface import SuggestedConfig

SAMPLE_BYTES = 4 << 20  # of the beginning of a text, which are examined
FEWEST_SYMBOLS = 3  # two to train on and one to validate
LENGTH_KEYS = ("epochs", "max_steps", "batch_size", "window")  # settings that decide the number of steps
MOST_EPOCHS = 60  # a small text is memorized long before
LINE_BATCH, LINE_LENGTH = 64, 8
RATE, ADAPTING_RATE = 0.008, 0.004  # peak of the learning rate: from random weights, of a trained model
ADAPTING_EPOCHS = 10  # passes after which a trained model gains little from a small text
VALIDATION_SYMBOLS = 200_000  # enough to judge by
RARE = 3  # symbols with a lower count become the unknown symbol
MANY_RARE = 20  # distinct rare symbols from which on they are merged


@dataclass(frozen=True)
class Size:
    """Sizes of a network for texts below a length.

    Attributes:
        below: characters of the text.
        hidden: width of the LSTM.
        batch: parallel streams.
        window: symbols of back-propagation.
        budget: characters that two cores train on in about a minute.
    """

    below: float
    hidden: int
    batch: int
    window: int
    budget: int


SIZES = (
    Size(50_000, 128, 8, 32, 3_000_000),
    Size(400_000, 192, 16, 64, 4_500_000),
    Size(float("inf"), 256, 16, 64, 4_500_000),
)

TEMPLATE = """\
# A character model of running text.
task: char                # kind of model
name: text                # name of the run directory
seed: 1                   # random seed of weights, data order and dropout masks

data:
  text: text.txt          # your file: a path, a list of paths or a pattern
  # per_line: true        # for a list: every line is a sequence of its own
  # condition: prefix     # lines with a class before a tab; or file, column
  split: [0.9, 0.1]       # the last tenth is for validation

model:
  cell: lstm              # or gru, rnn
  hidden_size: 256        # width of the recurrent layer
  embedding_dim: 64       # width of the symbol embedding
  dropout: 0.1            # more for small texts

training:
  epochs: 10              # passes over the text
  batch_size: 16          # parallel streams
  window: 64              # symbols of back-propagation
  optimizer: adamw        # the update rule
  lr: 0.003               # peak of the learning rate
  schedule: cosine        # the rate falls to 0 at the last step
  warmup_steps: 100       # the rate rises over the first steps
  clip_norm: 1.0          # largest norm of the gradient
"""


def suggest_character(text: Path, overrides: Sequence[str] = ()) -> SuggestedConfig:
    """Choose settings of a character model that take about a minute on two cores, less for small texts.

    A run that starts from a trained model adapts it: fewer passes, with a smaller learning rate.

    Args:
        overrides: `KEY=VALUE` settings of the user; the plan follows those of the length of the run, and the
            text is read with the unit and the encoding in them.

    Raises:
        DataError: the file is missing, empty, too short, or no text.
    """
    as_bytes = override_text(overrides, ("data", "unit")) == "byte"
    encoding = override_text(overrides, ("data", "encoding")) or AUTO
    sample = text_sample(text, as_bytes=as_bytes, encoding=encoding)
    per_line, starts = override_text(overrides, ("data", "per_line")), ("training", INIT_FROM)
    adapts = bool(override_text(overrides, starts))
    if adapts or per_line is not None:
        sample = replace(sample, is_list=per_line == "true")
    plan = plan_for(sample).adapting() if adapts else plan_for(sample)
    plan = plan.with_length(overrides, sample)
    kind = "lines" if sample.is_list else "running text"
    duration = "" if plan.set_by_user else f", {plan.duration} on two cores"
    network = "" if plan.adapts else f"LSTM of {plan.size.hidden}, "
    chosen = f"chosen: {kind}, {network}{plan.length}{duration}"
    adapted = _notes_on_adapting(overrides) if plan.adapts else ()
    notes = (f"{text.name}: {sample}", chosen, *adapted, *sample.notes)
    return SuggestedConfig(character_yaml(text, sample, plan), notes)


def _notes_on_adapting(overrides: Sequence[str]) -> Iterator[str]:
    """Yield what is taken from the initial model, and what differs from a run with random weights."""
    cell, layers, width = (
        override_text(overrides, ("model", name)) or "" for name in ("cell", "num_layers", "hidden_size")
    )
    network = f"{cell.upper()} of {width}" + (f" x {layers} layers" if layers != "1" else "")
    unit = override_text(overrides, ("data", "unit"))
    yield f"taken from the model: network ({network}), symbols (unit {unit}), weights"
    if override_text(overrides, ("training", "lr")) is None:
        yield f"learning rate {ADAPTING_RATE:g} rather than {RATE:g}, so that the model keeps what it knows"


@dataclass(frozen=True)
class TextSample:
    """Properties of a text, estimated from its beginning.

    Attributes:
        unit: `char` or `byte`.
        encoding: Python's name of the encoding.
        characters: estimated length of the text.
        symbols: distinct symbols.
        rare: distinct symbols with a count below `RARE`.
        is_list: whether each line is a separate entry.
        notes: what a person should know about the bytes of the file.
    """

    unit: str
    encoding: str
    characters: int
    symbols: int
    rare: int
    is_list: bool
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        unit = "bytes" if self.unit == "byte" else "characters"
        encoding = "" if self.encoding == UTF8 else f" in {self.encoding}"
        return f"about {self.characters:,} {unit}{encoding}, {self.symbols:,} different"


@dataclass(frozen=True)
class Plan:
    """Size and length of a training run.

    Attributes:
        size: sizes of the network and its batches.
        epochs: passes over the text.
        steps: updates of the whole run.
        less_than_a_pass: whether the budget ends the run before the first pass does.
        held_out: share of the text for validation.
        dropout: more for texts that are seen more often.
        set_by_user: whether the user sets the length or the batch.
        adapts: whether the run starts from a trained model.
    """

    size: Size
    epochs: int
    steps: int
    less_than_a_pass: bool
    held_out: float
    dropout: float
    set_by_user: bool = False
    adapts: bool = False

    def adapting(self) -> Plan:
        """Return the plan for a run that starts from a trained model."""
        epochs = min(self.epochs, ADAPTING_EPOCHS)
        steps = max(1, round(self.steps * epochs / self.epochs))
        return replace(self, epochs=epochs, steps=steps, dropout=_dropout(epochs), adapts=True)

    def with_length(self, overrides: Sequence[str], sample: TextSample) -> Plan:
        """Return the plan for a run whose length or batch the user sets with `--set`."""
        given = {key: override_count(overrides, ("training", key)) for key in LENGTH_KEYS}
        if not any(given.values()):
            return self
        batch = given["batch_size"] or (LINE_BATCH if sample.is_list else self.size.batch)
        length = LINE_LENGTH if sample.is_list else given["window"] or self.size.window
        train = sample.characters * (1 - self.held_out)
        epochs = given["epochs"] or (None if given["max_steps"] or self.less_than_a_pass else self.epochs)
        per_epoch = max(1, round(train / (batch * length)))
        limits = [limit for limit in (given["max_steps"], epochs and epochs * per_epoch) if limit]
        steps = min(limits, default=self.steps)
        return replace(
            self,
            epochs=epochs or self.epochs,
            steps=steps,
            less_than_a_pass=epochs is None,
            set_by_user=True,
        )

    @property
    def length(self) -> str:
        """Length of the run in words."""
        if self.less_than_a_pass:
            return f"{self.steps:,} steps" + ("" if self.set_by_user else " (less than one pass)")
        return f"{self.epochs} epoch{'' if self.epochs == 1 else 's'}"

    @property
    def duration(self) -> str:
        """Duration of the run in words."""
        limit = ADAPTING_EPOCHS if self.adapts else MOST_EPOCHS
        return "less than a minute" if self.epochs == limit else "about a minute"

    @property
    def eval_every(self) -> int:
        """Steps between rows, about ten rows in all."""
        return max(1, self.steps // 10)


def text_sample(text: Path, *, as_bytes: bool = False, encoding: str = AUTO) -> TextSample:
    """Read the beginning of a text, and examine the bytes of all of it.

    Raises:
        DataError: the file is missing, empty, too short, or no text.
    """
    check_data_file(text)
    encoding = encoding if is_text_encoding(encoding) else AUTO  # the settings are checked later
    facts = FileEncoding(str(text), "latin-1") if as_bytes else examine(text, encoding, way=OVERRIDE)
    try:
        size = text.stat().st_size
        with text.open("rb") as stream:
            data = stream.read(SAMPLE_BYTES)
    except OSError as error:
        message, hint = f"cannot read: {error.strerror}", "give the path of a text file"
        raise DataError(message, place=str(text), hint=hint) from None
    sample = codecs.getincrementaldecoder(facts.encoding)().decode(data).removeprefix(BOM)
    if not sample.strip():
        content = "nothing but white space" if data else "an empty file"
        message, hint = f"expected a text, found {content}", "give a file that contains text"
        raise DataError(message, place=str(text), hint=hint)
    if len(sample) < FEWEST_SYMBOLS:
        message = f"expected a text of at least {FEWEST_SYMBOLS} symbols, found {len(sample)}"
        raise DataError(message, place=str(text), hint="give a longer text")
    counts = Counter(sample)
    characters = max(1, round(size * len(sample) / len(data)))
    rare = sum(count < RARE for count in counts.values())
    unit, is_list = ("byte", False) if as_bytes else ("char", _is_list(sample))
    encoding = UTF8 if as_bytes else facts.encoding
    return TextSample(
        unit, encoding, characters, len(counts), rare, is_list, (*facts.notes(), *facts.warnings())
    )


def _is_list(sample: str) -> bool:
    """Decide whether lines are short entries rather than wrapped text."""
    lengths = [len(line) for line in sample.splitlines()]
    if len(lengths) < 200:
        return False
    return statistics.quantiles(lengths, n=20)[-1] <= 30 and sample.count(" ") < len(lengths)


def plan_for(sample: TextSample) -> Plan:
    """Choose a network and a length of training that take about a minute."""
    size = next(size for size in SIZES if sample.characters < size.below)
    held_out = min(0.1, float(f"{VALIDATION_SYMBOLS / sample.characters:.2g}"))
    train = sample.characters * (1 - held_out)
    epochs = min(max(round(size.budget / train), 1), MOST_EPOCHS)
    symbols_per_step = LINE_BATCH * LINE_LENGTH if sample.is_list else size.batch * size.window
    less_than_a_pass = size.budget < 0.7 * train
    steps = max(1, round((size.budget if less_than_a_pass else epochs * train) / symbols_per_step))
    return Plan(size, epochs, steps, less_than_a_pass, held_out, _dropout(epochs))


def _dropout(epochs: int) -> float:
    return min(0.4, round(0.05 * epochs / 4, 2))


def character_yaml(text: Path, sample: TextSample, plan: Plan) -> str:
    """Write the settings as YAML with a comment on each."""
    lines = [
        SCHEMA,
        f"# A character model of {text.name}: {sample}.",
        *header_lines("char", run_name(text)),
        "",
        "data:",
        *_data_lines(text, sample, plan),
        "",
        "model:",
        *_model_lines(sample, plan),
        "",
        "training:",
        *_training_lines(sample, plan),
    ]
    return "\n".join(lines) + "\n"


def _data_lines(text: Path, sample: TextSample, plan: Plan) -> Iterator[str]:
    yield yaml_line(f"text: {scalar(str(text))}", "a path, a list of paths or a pattern")
    if sample.is_list:
        yield yaml_line("per_line: true", "a list: every line is a sequence of its own")
        yield yaml_line("# condition: prefix", "if lines have a class before a tab; or file, column")
    if sample.unit == "byte":
        yield yaml_line("unit: byte", "each byte is a symbol")
    if sample.encoding != UTF8:
        yield yaml_line(f"encoding: {sample.encoding}", "found in the bytes of the file")
    if sample.rare > MANY_RARE:
        yield yaml_line(f"min_count: {RARE}", "rarer symbols become the unknown symbol")
    validation = "lines drawn by seed are" if sample.is_list else "the end of the text is"
    split = f"split: [{1 - plan.held_out:g}, {plan.held_out:g}]"
    yield yaml_line(split, f"{validation} for validation")


def _model_lines(sample: TextSample, plan: Plan) -> Iterator[str]:
    yield yaml_line("cell: lstm", "or gru, rnn")
    yield yaml_line(f"hidden_size: {plan.size.hidden}", "width of the recurrent layer; more for longer texts")
    yield yaml_line(f"embedding_dim: {plan.size.hidden // 4}", "width of the symbol embedding")
    yield yaml_line(f"dropout: {plan.dropout:g}", "more, the more often the text is seen")
    if not sample.is_list:
        yield yaml_line("state_reset: 0.05", "some streams restart from the initial state, as at use")


def _training_lines(sample: TextSample, plan: Plan) -> Iterator[str]:
    if plan.less_than_a_pass:
        yield yaml_line(f"max_steps: {plan.steps}", "less than one pass: more steps give a better model")
    else:
        yield yaml_line(f"epochs: {plan.epochs}", "passes over the text, about a minute on two cores")
    if sample.is_list:
        yield yaml_line(f"batch_size: {LINE_BATCH}", "lines in a step")
    else:
        yield yaml_line(f"batch_size: {plan.size.batch}", "parallel streams")
        yield yaml_line(f"window: {plan.size.window}", "symbols of back-propagation")
    yield yaml_line(f"eval_every: {plan.eval_every}", "steps between rows, about ten rows in all")
    yield yaml_line("optimizer: adamw", "the update rule")
    yield yaml_line(f"lr: {ADAPTING_RATE if plan.adapts else RATE:g}", "peak of the learning rate")
    yield yaml_line("betas: [0.9, 0.99]", "a short memory of squared gradients suits a short run")
    yield yaml_line("schedule: cosine", "the rate falls to 0 at the last step")
    yield yaml_line(f"warmup_steps: {min(200, plan.steps // 10)}", "the rate rises over the first steps")
    yield yaml_line("clip_norm: 1.0", "largest norm of the gradient")
    yield yaml_line("weight_decay: 0.02", "pulls weights toward 0")
