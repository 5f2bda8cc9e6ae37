"""Network to inspect: the untrained network of a config, or a trained model together with its run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

from seqtool.errors import ModelError
from seqtool.inference.character import CharacterModel
from seqtool.inference.load import load_model, load_tokenizer
from seqtool.inference.tagger import TaggerModel
from seqtool.inference.tokenizer import TokenizerModel
from seqtool.storage.find_model import ModelFolders, find_model, input_files, runs_root
from seqtool.storage.model_directory import Manifest, StoredModel, read_model
from seqtool.storage.plain_files import is_number, read_json_lines

if TYPE_CHECKING:
    from seqtool.evaluation.text_files import Reading

LONGEST_TEXT = 100_000  # characters of a text that are inspected


@dataclass(frozen=True)
class MetricsRow:
    """A row of `metrics.jsonl`: its epoch, and its finite numbers by name."""

    epoch: float
    values: Mapping[str, float]


@dataclass(frozen=True)
class InspectedModel:
    """A network and everything known about it.

    Attributes:
        name: its name in messages.
        whole: the contents of its model directory; the manifest of an untrained network names only the task.
        model: the network, ready for inference; of a model of several parts, the part of its task.
        run: the run directory; None if there is none.
        rows: rows of the run's `metrics.jsonl` by the task of the part.
        place: the config of an untrained network, or the model directory.
    """

    name: str
    whole: StoredModel
    model: CharacterModel | TaggerModel | TokenizerModel
    run: Path | None = None
    rows: Mapping[str, Sequence[MetricsRow]] = field(default_factory=dict)
    place: Path | None = None

    @property
    def stored(self) -> StoredModel:
        """The part of the task of the model."""
        return self.whole.main

    @cached_property
    def tokenizer(self) -> TokenizerModel | None:
        """Trained tokenizer of a model of several parts; None if there is none."""
        return load_tokenizer(self.whole) if "tokenizer" in self.whole.parts else None

    @property
    def manifest(self) -> Manifest | None:
        """Manifest of a trained model; None for an untrained network."""
        return self.stored.manifest if self.stored.manifest.sha256 else None

    def inputs(self) -> list[Path]:
        """Return the config or the run directory, and the data files of a trained model."""
        place = self.run or self.place or Path(self.name)
        return [place, *input_files(ModelFolders(place, self.run), self.stored.manifest)]


def trained_model(reference: str, runs_dir: Path | None, warn: Callable[[str], None]) -> InspectedModel:
    """Return the model of a run or of a model directory.

    Args:
        warn: receives a line if the log is damaged, or if a run has the name of a pretrained model.

    Raises:
        ModelError: there is no such model, or it is damaged.
    """
    location = find_model(reference, runs_root(runs_dir), warn=warn)
    stored = read_model(location.model)
    rows: dict[str, Sequence[MetricsRow]] = {}
    try:
        rows |= (
            {part: list(read_metrics(location.run, part)) for part in stored.parts} if location.run else {}
        )
    except ModelError as error:
        warn(f"warning: the training curve is not shown: {error.summary}")
    main = load_model(stored.main)
    return InspectedModel(location.name, stored, main, location.run, rows, location.model)


def read_metrics(run: Path, part: str) -> Iterator[MetricsRow]:
    """Yield the rows of a run directory that have an epoch, each with its numbers.

    Args:
        part: rows of other parts of the run are left out.

    Raises:
        ModelError: `metrics.jsonl` cannot be read, or at a line that is damaged.
    """
    path = run / "metrics.jsonl"
    for row in read_json_lines(path):
        if row.get("part", part) != part:
            continue
        epoch = row.get("epoch", 0)
        if not is_number(epoch):
            raise ModelError("damaged: an epoch is not a number", place=str(path))
        if "epoch" in row:
            yield MetricsRow(epoch, {name: value for name, value in row.items() if is_number(value)})


def untrained_model(path: Path, overrides: Sequence[str] = ()) -> InspectedModel:
    """Return the network that a config describes, with newly drawn weights.

    Raises:
        ConfigError: the config contains a mistake, or a character network has neither data nor an alphabet.
        DataError: the data cannot be read.
        SeqtoolError: torch, which draws the weights, is not installed.
    """
    from seqtool.config.load import read_settings
    from seqtool.tasks.build import prepare_untrained, untrained_weights

    prepared = prepare_untrained(read_settings(path, overrides), runs_root() / ".cache")
    manifest = Manifest(task=prepared.settings.task)
    stored = StoredModel(prepared.config, prepared.vocab, untrained_weights(prepared), manifest)
    return InspectedModel(f"{path} (untrained)", stored, load_model(stored), place=path)


def _source(texts: Sequence[str], files: Sequence[Path]) -> str:
    return "--text" if texts or not files else str(files[0])


def text_to_inspect(
    inspected: InspectedModel,
    texts: Sequence[str],
    files: Sequence[Path],
    root: Path,
    reading: Reading | None = None,
) -> str:
    """Return the text to inspect a text model with, at most `LONGEST_TEXT` characters.

    Args:
        texts, files: the user's texts; if there are none, the held-out text of the run is used.
        root: directory of all runs, with the cache of encoded texts.
        reading: how to read the files.

    Raises:
        SeqtoolError: there is no text, or it is empty.
    """
    from seqtool.errors import SeqtoolError
    from seqtool.evaluation.character import held_out_text
    from seqtool.evaluation.text_files import DEFAULT, read_text

    hint = "give one with --text or --file"
    if texts or files:
        model = cast(CharacterModel, inspected.model)
        text = "".join([*texts, read_text(model, files, reading or DEFAULT)])[:LONGEST_TEXT]
        if not text:
            raise SeqtoolError("the text to inspect is empty", place=_source(texts, files), hint=hint)
        return text
    if inspected.run is None or cast(CharacterModel, inspected.model).aligned:
        raise SeqtoolError("there is no text to inspect", place=inspected.name, hint=hint)
    try:
        return held_out_text(inspected.run, root, LONGEST_TEXT)
    except SeqtoolError as error:
        raise SeqtoolError(
            f"there is no text to inspect: {error.summary}", place=inspected.name, hint=hint
        ) from None
