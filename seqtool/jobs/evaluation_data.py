"""What a model is evaluated on: files that the user names, or the held-out data of the run's own config."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from seqtool.data.labelled import Sentence, labelled_blocks, read_split
from seqtool.errors import DataError, SeqtoolError
from seqtool.settings import TaggerData, TaggerSettings

if TYPE_CHECKING:
    from seqtool.settings import Settings

SplitName = Literal["test", "dev"]


def run_settings(run: Path | None, why: str) -> Settings:
    """The settings in a run's `config.yaml`.

    Raises:
        SeqtoolError: if there is no run, naming what needs it.
        ConfigError: if its config cannot be read.
    """
    if run is None or not (run / "config.yaml").is_file():
        raise SeqtoolError(
            f"{why}, and this model lies in no run whose config would name it", hint="name a file: seqtool evaluate MODEL FILE"
        )
    from seqtool.config import read_settings

    return read_settings(run / "config.yaml").settings


def tagger_data(
    config: Mapping[str, Any], run: Path | None, files: Sequence[Path], split: SplitName | None
) -> tuple[TaggerData, list[Path]]:
    """How the labelled files are laid out, and which they are.

    Args:
        config: the model's.
        files: named by the user; none: those of the run's config, test before dev.

    Raises:
        SeqtoolError: if there are none.
    """
    if files:
        for path in files:
            if not path.is_file():
                raise DataError("there is no such file", place=str(path), hint="name a labelled file, or none for the run's own")
        layout = config.get("layout", {})
        given = TaggerData(
            train=(),
            label=str(layout.get("label", "auto")),
            columns=tuple(layout.get("columns", ())),
            text_key=str(layout.get("text_key", "tokens")),
            label_key=str(layout.get("label_key", "labels")),
            tokens=config["words"].get("tokens", "words"),
        )
        return given, list(files)
    settings = run_settings(run, "no file is named")
    assert isinstance(settings, TaggerSettings)
    from seqtool.data.sources import expand

    data = settings.data
    named = {"test": data.test, "dev": data.dev}
    chosen = named[split] if split else data.test or data.dev
    if not chosen:
        hint = "name a labelled file: seqtool evaluate MODEL FILE"
        raise SeqtoolError(f"the run's config names no {split or 'test or dev'} file", place=str(run), hint=hint)
    return data, expand(chosen, data.source)


def labelled_sentences(data: TaggerData, files: Sequence[Path]) -> tuple[Sentence, ...]:
    """The sentences of some files.

    Raises:
        DataError: a file that cannot be read.
    """
    return read_split("evaluation", files, data).sentences


def token_places(data: TaggerData, files: Sequence[Path]) -> Iterator[list[str]]:
    """`file:line` of every token, sentence by sentence, in the order of `labelled_sentences`."""
    for path in files:
        for block in labelled_blocks(path, data):
            yield [block.place_of(token) for token in range(len(block.tokens))]
